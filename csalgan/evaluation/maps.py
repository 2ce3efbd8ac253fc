"""Anyone's saliency maps in a folder: found by record name, read whatever their format."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.lib.format import read_array
from PIL import ImageOps

from csalgan.data.pictures import MAX_PIXELS, opened
from csalgan.data.records import parse_stem
from csalgan.files.errors import CsalganError
from csalgan.files.inputs import open_file

SUFFIXES = (".png", ".jpg", ".jpeg", ".npy")
#: Channels of a "grey" picture may differ by this many levels: JPEG's chroma rounding.
_GREY_SLACK = 3


@dataclass
class Folder:
    """A folder of predictions, matched with the records that are to be scored.

    Attributes:
        files: record → file, for the records that are scored.
        faults: a line for each prediction that is missing, extra, unreadable, NaN or constant;
            what is wrong with a file stands there once it has been read.
        unreadable: how many files could not be read.
    """

    files: dict[str, Path]
    faults: list[str]
    unreadable: int = 0

    def predictions(self) -> Iterator[tuple[str, np.ndarray]]:
        """Yield ``(record, map)`` for every readable file; faults are noted on the way.

        Maps are float64 (h, w). Those with NaN are handed on (they score NaN), as are constant
        ones; unreadable files are passed over.
        """
        for record, path in self.files.items():
            try:
                values = read_map(path)
            except CsalganError as error:
                self.faults.append(f"unreadable: {error}")
                self.unreadable += 1
                continue
            if not np.isfinite(values).all():
                self.faults.append(f"NaN or infinity: {path.name} (scored NaN)")
            elif values.min() == values.max():
                self.faults.append(f"constant: {path.name} (one value everywhere)")
            yield record, values


def open_folder(path: str | Path, dataset, records: pd.DataFrame) -> Folder:
    """Look for the predictions of records in a folder.

    Args:
        path: holds ``<record>.png``, ``.jpg``, ``.jpeg`` or ``.npy`` files.
        dataset: tells files of other records (not asked for) from extra ones.
        records: rows of the dataset to score.

    Raises:
        CsalganError: no such folder, two files for one record, or no file for any record.
    """
    path = Path(path)
    if not path.is_dir():
        raise CsalganError(f"{path}: no such folder; give the folder with the predictions.")
    known = set(dataset.records["record"])
    found: dict[str, Path] = {}
    extra = []
    for file in sorted(path.iterdir()):
        if file.name.startswith(".") or file.is_dir():
            continue
        if file.suffix.lower() not in SUFFIXES or file.stem not in known:
            # Other files (a README, say) are nobody's prediction; a map under a wrong name is.
            if file.suffix.lower() in SUFFIXES or parse_stem(file.stem):
                extra.append(file.name)
            continue
        if file.stem in found:
            raise CsalganError(
                f"{path}: {found[file.stem].name} and {file.name} are both predictions of one "
                "record; keep one."
            )
        found[file.stem] = file
    wanted = records["record"].tolist()
    files = {record: found[record] for record in wanted if record in found}
    if not files:
        example = wanted[0] if wanted else "000000000109_2"
        raise CsalganError(
            f"{path}: holds no prediction for any of the {len(wanted)} records; "
            f"name files by record, like {example}.png ({', '.join(SUFFIXES)})."
        )
    missing = [f"missing: {record}" for record in wanted if record not in files]
    extra = [f"extra: {name} (no record of this dataset)" for name in extra]
    return Folder(files, [*missing, *extra])


def read_map(path: str | Path) -> np.ndarray:
    """Read one saliency map: float64 (h, w), values as they stand in the file.

    PNG and JPEG of 8 or 16 bits, grey or with equal channels (alpha is ignored); ``.npy`` with a
    real 2-D array (axes of length 1 are dropped). No pickled object is ever loaded.

    Raises:
        CsalganError: naming the file and what is wrong with it; more than
            :data:`~csalgan.data.pictures.MAX_PIXELS` values are refused too.
    """
    path = Path(path)
    values = _read_npy(path) if path.suffix.lower() == ".npy" else _read_picture(path)
    if values.ndim != 2 or values.size == 0:
        raise CsalganError(
            f"{path.name}: holds an array of shape {values.shape}; save one map (height, width)."
        )
    return values.astype(np.float64)


def _read_npy(path: Path) -> np.ndarray:
    try:
        # The size is asked first: a header, or a body full of holes, may claim any length.
        with open_file(path, MAX_PIXELS * 8 + 2**16) as file:
            values = read_array(file, allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise CsalganError(
            f"{path.name}: is no .npy file of plain numbers, or cut short; save the map with "
            "numpy.save(file, array)."
        ) from error
    if values.dtype.kind not in "buif":
        raise CsalganError(f"{path.name}: holds {values.dtype} values; save real numbers.")
    if values.size > MAX_PIXELS:
        raise CsalganError(f"{path.name}: holds {values.size} values; save one map.")
    return values.squeeze() if values.ndim > 2 else values


def _read_picture(path: Path) -> np.ndarray:
    with opened(path, path.name) as picture:
        picture = ImageOps.exif_transpose(picture)
        if picture.mode in ("P", "RGBA", "LA", "PA", "CMYK", "YCbCr"):
            picture = picture.convert("RGB")
        values = np.asarray(picture)
    if values.ndim == 3:
        if np.ptp(values.astype(np.int64), axis=2).max() > _GREY_SLACK:
            raise CsalganError(f"{path.name}: is a coloured picture; save the map itself, in grey.")
        values = values.mean(axis=2)
    return values
