"""Reading any dataset that pysaliency wrote: ``stimuli*.hdf5`` beside ``fixations*.hdf5``.

``pysaliency.external_datasets`` makes such a folder of MIT1003, CAT2000, SALICON and others. Read
are, as in pysaliency's ``datasets``: ``Stimuli`` and ``FileStimuli``; ``Fixations``,
``FixationTrains``, ``Scanpaths`` and ``ScanpathFixations``. Which fixations to leave out was
decided when the file was made, so none is left out here but those outside their image, as
``pysaliency.datasets.remove_out_of_stimulus_fixations`` does.
"""

import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from csalgan.data.dataset import Dataset
from csalgan.data.free_viewing import Viewing, dataset_of
from csalgan.data.pictures import size_of
from csalgan.files.errors import CsalganError
from csalgan.files.inputs import open_file

if TYPE_CHECKING:
    import h5py

FIXATIONS = "fixations.hdf5"
#: Blur of the maps, as a share of the image's longer side: the files do not say how large a degree
#: was. MIT1003's 35 px at 1024 × 768.
SIGMA = 35 / 1024
#: Raise it when the same files give other fixations or maps.
RECIPE = "pysaliency 1: fixations outside the image left out, blur 35/1024 of the longer side"
#: The largest file and array that are read.
MOST_BYTES = 64 * 2**30
MOST_ARRAY = 2**30
#: The largest image that is read, pixels.
MAX_PIXELS = 40_000_000


def read(root: Path) -> Dataset:
    """Read a folder, or the dataset whose file of fixations ``root`` is.

    ``fixations_train.hdf5`` goes with ``stimuli_train.hdf5``, or else with ``stimuli.hdf5``.

    Raises:
        CsalganError: a file is missing or not in pysaliency's format.
    """
    fixations = root if root.is_file() else root / FIXATIONS
    folder = fixations.parent
    stimuli = folder / fixations.name.replace("fixations", "stimuli", 1)
    if not stimuli.is_file():
        stimuli = folder / "stimuli.hdf5"
    images = _from(stimuli, _stimuli)
    n, places, observers = _from(fixations, _gaze)
    if len(n) and not 0 <= n.min() <= n.max() < len(images):
        raise CsalganError(
            f"{fixations}: has fixations on image {n.max()}, but {stimuli.name} holds "
            f"{len(images)}; give the two files that belong together."
        )
    order = np.lexsort((observers, n))  # by image, then observer; else as they stand
    ends = np.searchsorted(n[order], np.arange(len(images) + 1))
    viewings, keys = [], {}
    for k, (name, path, size) in enumerate(images):
        here = order[ends[k] : ends[k + 1]]
        here = here[((places[here] >= 0) & (places[here] < size)).all(axis=1)]
        gaze = places[here].astype(np.int32), observers[here]
        viewings.append(Viewing(name, path, size, *gaze, SIGMA * max(size)))
        keys[name] = str(k)

    def image(row: pd.Series) -> np.ndarray:
        return _from(stimuli, lambda file: _pixels(file[keys[row["record"]]]))

    in_file = all(path == stimuli for _, path, _ in images)
    return dataset_of(
        *(root, folder.name, viewings, fixations, RECIPE), image=image if in_file else None
    )


def _from(path: Path, take: Callable[["h5py.File"], Any]) -> Any:
    """What ``take`` finds in an HDF5 file; whatever it stumbles over is one sentence."""
    import h5py  # takes a while, and few need it

    try:
        open_file(path, MOST_BYTES).close()
        with h5py.File(path, "r") as file:
            _require_own(file)
            return take(file)
    except CsalganError:
        raise
    except FileNotFoundError as error:
        raise CsalganError(
            f"{path}: is missing; pysaliency writes it beside the fixations."
        ) from error
    except Exception as error:  # h5py raises a dozen kinds for files that are cut or altered
        why = f"{type(error).__name__}: {' '.join(str(error).split())}"
        raise CsalganError(
            f"{path}: is not in pysaliency's format ({why}); write it with to_hdf5."
        ) from error


def _require_own(file: "h5py.File") -> None:
    """Refuse links to other files, and arrays that are kept in others or say to be endless."""
    import h5py

    def look(group: h5py.Group, depth: int = 0) -> None:
        for name in group:
            link = group.get(name, getlink=True)
            if isinstance(link, h5py.HardLink) and depth < 9:
                found = group[name]
                if isinstance(found, h5py.Group):
                    look(found, depth + 1)
                    continue
                if not (found.external or found.is_virtual) and found.nbytes <= MOST_ARRAY:
                    continue
            raise CsalganError(
                f"{file.filename}: {group.name.rstrip('/')}/{name} is no array of this file, or "
                f"one of more than {MOST_ARRAY / 1e9:.0f} GB; write it with pysaliency's to_hdf5."
            )

    look(file)


def _kind(group: "h5py.Group") -> str:
    kind = group.attrs["type"]
    return kind if isinstance(kind, str) else kind.decode()


def _stimuli(file: "h5py.File") -> list[tuple[str, Path, tuple[int, int]]]:
    """Name, path and (height, width) of every image."""
    path = Path(file.filename)
    if _kind(file) == "Stimuli":
        count = int(file.attrs["size"])
        width = len(str(count - 1))
        return [(f"{k:0{width}d}", path, _size(file[str(k)])) for k in range(count)]
    if _kind(file) != "FileStimuli":
        raise CsalganError(f"{path}: holds {_kind(file)}, not stimuli; give stimuli.hdf5.")
    files = [PurePosixPath(name.decode()) for name in file["filenames"][...]]
    for name in files:
        if name.is_absolute() or ".." in name.parts:
            raise CsalganError(
                f"{path}: names the photograph {str(name)!r} outside its folder; put the "
                "photographs beside it and write it again."
            )
    names = [name.stem for name in files]
    if max(Counter(names).values(), default=0) > 1:  # CAT2000: Action/001.jpg, Art/001.jpg
        shared = len(PurePosixPath(os.path.commonpath(files)).parts)
        names = ["_".join(name.with_suffix("").parts[shared:]) for name in files]
    sizes = [size_of("image", path.parent / name) for name in files]
    return [(n, path.parent / f, s) for n, f, s in zip(names, files, sizes, strict=True)]


def _size(pixels: "h5py.Dataset") -> tuple[int, int]:
    height, width, *channels = pixels.shape
    if pixels.dtype != np.uint8 or channels not in ([], [3], [4]) or height * width > MAX_PIXELS:
        raise CsalganError(
            f"{pixels.file.filename}: stimulus {pixels.name[1:]} is {pixels.dtype} "
            f"{pixels.shape}; must be uint8 (H, W) or (H, W, 3), up to {MAX_PIXELS / 1e6:.0f} "
            "megapixels."
        )
    return height, width


def _pixels(pixels: "h5py.Dataset") -> np.ndarray:
    """uint8 (H, W, 3)."""
    _size(pixels)
    values = pixels[...]
    return np.stack([values] * 3, axis=-1) if values.ndim == 2 else values[..., :3]


def _gaze(file: "h5py.File") -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Which image (N,), where float (N, 2) (y, x), and who int32 (N,): of every fixation."""
    kind = _kind(file)
    if kind == "Fixations":
        who = file.get("subject", file.get("subjects"))
        n, y, x = (file[key][...] for key in "nyx")
        who = np.zeros(len(n)) if who is None else who[...]
    elif kind in ("FixationTrains", "Scanpaths", "ScanpathFixations"):
        if kind == "FixationTrains":
            y, x, n, who = (file[f"train_{key}"][...] for key in ("ys", "xs", "ns", "subjects"))
            lengths = file["train_lengths"][...] if "train_lengths" in file else None
        else:
            group = file["scanpaths"] if kind == "ScanpathFixations" else file
            y, x, n, lengths = (group[key][...] for key in ("ys", "xs", "n", "lengths"))
            who = group["scanpath_attributes"]["subject"][...]
        # One row a scanpath, filled up with NaN.
        made = ~np.isnan(x) if lengths is None else np.arange(x.shape[1]) < lengths[:, None]
        n, who = (np.broadcast_to(each[:, None], x.shape)[made] for each in (n, who))
        y, x = y[made], x[made]
    else:
        raise CsalganError(f"{file.filename}: holds {kind}, not fixations; give fixations.hdf5.")
    places = np.stack([y, x], axis=1).astype(np.float64)
    return n.astype(np.int64), np.floor(places), who.astype(np.int32)
