"""Reading the released SJTU-TIS layout.

``image/``, ``map/`` and ``fixation/`` hold files with one stem per record; photographs may be
shared by all records of an image. Sentences come in ``image_text.json`` or the workbook.
"""

import json
import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from csalgan.data.archive import unpacked
from csalgan.data.records import (
    CONDITIONS,
    CONDITIONS_OF_SUBSET,
    SUBSETS,
    parse_stem,
    source_of,
)
from csalgan.data.sentences import find_sentences, read_sentences
from csalgan.errors import CsalganError

FOLDERS = ("image", "map", "fixation")
SUFFIXES = (".png", ".jpg", ".jpeg")

#: Fixation images hold 0 and 255; the check names any other value.
FIXATED_ABOVE = 127


def open_dataset(path: str | os.PathLike) -> "Dataset":
    """Open a dataset in the released layout.

    Args:
        path: a folder, or a ``.zip``/``.tar``/``.tar.gz`` of one (unpacked into the cache once).

    Raises:
        CsalganError: nothing there, an empty folder, a folder or the sentences are missing, or a
            record lacks its photograph or fixations (``csalgan data check`` lists every fault).
    """
    path = Path(path).expanduser()
    if not path.exists():
        raise CsalganError(f"{path}: no such dataset; give a folder or archive of SJTU-TIS.")
    root = path.resolve() if path.is_dir() else unpacked(path)
    for folder in FOLDERS:
        if not (root / folder).is_dir():
            what = "is empty" if not any(root.iterdir()) else f"has no {folder}/ folder"
            raise CsalganError(
                f"{root}: {what}; give the folder that holds image/, map/ and fixation/."
            )
    return Dataset(root, _records(root))


class Dataset:
    """An opened dataset: a table of records, and arrays on demand.

    Attributes:
        root: its folder.
        records: one row a gaze record, sorted by image, then condition; columns ``record`` (str),
            ``image_id`` (str), ``condition`` (``none``, ``general``, ``non_salient``,
            ``salient``), ``text`` (str, "" for free viewing), ``image_path``, ``map_path``,
            ``fixation_path`` (str), ``width``, ``height`` (int, pixels), ``source`` (``COCO`` or
            ``Flickr30k``), ``n_records`` (2 or 4: records of that image).
    """

    def __init__(self, root: Path, records: pd.DataFrame):
        self.root = root
        self.records = records
        self._row = {record: number for number, record in enumerate(records["record"])}

    @cached_property
    def truth(self) -> dict[str, Any] | None:
        """Known ground truth of an embedded dataset (``synthetic.json``); None for real gaze."""
        path = self.root / "synthetic.json"
        if not path.is_file():
            return None
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise CsalganError(f"{path}: not readable as JSON; make the set again.") from error

    @property
    def synthetic(self) -> bool:
        """Whether the gaze is simulated."""
        return self.truth is not None

    @property
    def name(self) -> str:
        """What stands on tables and figures."""
        images = self.records["image_id"].nunique()
        if self.truth is not None:
            return f"embedded (synthetic, seed {self.truth['seed']}, {images} images)"
        return f"SJTU-TIS ({images} images)"

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 (64 hex digits) over names, sentences and the content of every file used.

        The same content gives the same fingerprint wherever it lies.
        """
        paths = {
            path: self.records[column].iat[row]
            for column in ("image_path", "map_path", "fixation_path")
            for row, path in enumerate(self.records[column])
        }
        with ThreadPoolExecutor(2) as pool:  # hashing and reading release the lock
            digests = dict(zip(paths, pool.map(_file_digest, paths), strict=True))
        whole = sha256()
        columns = ["record", "condition", "text", "image_path", "map_path", "fixation_path"]
        for record, condition, text, *files in self.records[columns].itertuples(index=False):
            line = [record, condition, text, *(digests[file] for file in files)]
            whole.update(json.dumps(line).encode())
        return whole.hexdigest()

    def row(self, record: str) -> pd.Series:
        """The row of a record.

        Raises:
            CsalganError: no such record.
        """
        if record not in self._row:
            raise CsalganError(f"{self.root}: no record {record!r}; see its table of records.")
        return self.records.iloc[self._row[record]]

    def image(self, record: str) -> np.ndarray:
        """The photograph: uint8 ``(H, W, 3)`` RGB (transparency is dropped, not blended)."""
        return read_pixels(self.row(record)["image_path"], "RGB")

    def map(self, record: str) -> np.ndarray:
        """The measured saliency map: uint8 ``(H, W)``."""
        return read_pixels(self.row(record)["map_path"], "L")

    def fixations(self, record: str) -> np.ndarray:
        """Fixated pixels: int32 ``(N, 2)`` rows (y, x), native pixels, in reading order."""
        pixels = read_pixels(self.row(record)["fixation_path"], "L")
        return np.argwhere(pixels > FIXATED_ABOVE).astype(np.int32)

    def subset(self, name: str) -> pd.DataFrame:
        """Records of one of the paper's subsets: ``total``, ``general``, ``sal``, ``non_sal``.

        ``sal`` and ``non_sal`` hold the images with four records only.

        Raises:
            CsalganError: another name.
        """
        if name not in SUBSETS:
            raise CsalganError(f"subset {name!r}: use one of {', '.join(SUBSETS)}.")
        chosen = self.records["condition"].isin(CONDITIONS_OF_SUBSET[name])
        if name in ("sal", "non_sal"):
            chosen &= self.records["n_records"] == 4
        return self.records[chosen]


def read_pixels(path: str | os.PathLike, mode: str) -> np.ndarray:
    """Decode a picture: uint8 ``(H, W, 3)`` for ``RGB``, ``(H, W)`` for ``L``.

    Raises:
        CsalganError: the file is missing, truncated or no picture.
    """
    try:
        with Image.open(path) as picture:
            if mode == "RGB" and picture.mode == "RGBA":
                return np.asarray(picture)[..., :3]  # the colours under the alpha channel
            return np.asarray(picture.convert(mode))
    except FileNotFoundError as error:
        raise CsalganError(f"{path}: is missing; copy the dataset again.") from error
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise CsalganError(
            f"{path}: cannot be decoded as a picture; copy it again, and see "
            "`csalgan data check` for every fault."
        ) from error


def stems(folder: Path) -> dict[str, Path]:
    """Stem → file of the pictures in a folder (hidden files and other kinds are left out)."""
    found: dict[str, Path] = {}
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        name = Path(entry.name)
        if entry.is_file() and name.suffix.lower() in SUFFIXES and not entry.name.startswith("."):
            found.setdefault(name.stem, folder / entry.name)
    return found


def sentence_key(image_id: str, suffix: str) -> str:
    """A record's key in the sentence files: unpadded id and suffix."""
    key = image_id.lstrip("0")
    return f"{key}_{suffix}" if suffix else key


def _records(root: Path) -> pd.DataFrame:
    files = {folder: stems(root / folder) for folder in FOLDERS}
    if not files["map"]:
        raise CsalganError(f"{root / 'map'}: holds no maps; copy the dataset again.")
    sentences = read_sentences(root)
    table = []
    for stem, map_path in files["map"].items():
        parsed = parse_stem(stem)
        if parsed is None:
            raise CsalganError(
                f"{map_path}: not a record's name (8 to 12 digits, then nothing or _0 … _3); "
                "rename or remove it."
            )
        image = files["image"].get(stem) or files["image"].get(parsed.image_id)
        fixation = files["fixation"].get(stem)
        text = sentences.get(sentence_key(parsed.image_id, parsed.suffix), "")
        if parsed.condition == "none":
            text = ""  # nothing was read, whatever the file says; the check warns of it
        for what, found in (("photograph", image), ("fixation file", fixation)):
            if found is None:
                raise CsalganError(
                    f"{map_path}: its {what} is missing; copy it again, and see "
                    "`csalgan data check` for every fault."
                )
        if parsed.condition != "none" and not text:
            names = ", ".join(path.name for path in find_sentences(root).values())
            raise CsalganError(f"{stem}: has no sentence in {names}; add it.")
        table.append((stem, *parsed, text, str(image), str(map_path), str(fixation)))
    columns = ["record", "image_id", "suffix", "condition", "text"]
    columns += ["image_path", "map_path", "fixation_path"]
    records = pd.DataFrame(table, columns=columns)
    records["order"] = records["condition"].map(CONDITIONS.index)
    records = records.sort_values(["image_id", "order"], ignore_index=True)
    sizes = _sizes(records["image_path"])
    records["width"] = [width for width, _ in sizes]
    records["height"] = [height for _, height in sizes]
    records["source"] = records["image_id"].map(source_of)
    records["n_records"] = records.groupby("image_id")["record"].transform("size")
    return records.drop(columns=["suffix", "order"])


def _sizes(paths: Iterable[str]) -> list[tuple[int, int]]:
    """(width, height) from the files' headers; nothing is decoded."""
    known: dict[str, tuple[int, int]] = {}
    for path in paths:
        if path not in known:
            try:
                with Image.open(path) as picture:
                    known[path] = picture.size
            except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
                raise CsalganError(f"{path}: is not a picture; copy it again.") from error
    return [known[path] for path in paths]


def _file_digest(path: str) -> str:
    try:
        return sha256(Path(path).read_bytes()).hexdigest()
    except OSError as error:
        raise CsalganError(f"{path}: cannot be read; copy the dataset again.") from error
