"""Reading any dataset that pysaliency wrote: ``stimuli*.hdf5`` beside ``fixations*.hdf5``.

``pysaliency.external_datasets`` makes such a folder of MIT1003, CAT2000, SALICON and others. Read
are, as in pysaliency's ``datasets``: ``FileStimuli`` (photographs beside the file) and ``Stimuli``
(pixels in it); ``Fixations``, ``FixationTrains``, ``Scanpaths`` and ``ScanpathFixations``. Which
fixations to leave out was decided when the file was made, so none is left out here but those
outside their image, as ``pysaliency.datasets.remove_out_of_stimulus_fixations`` does.
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import numpy as np

from csalgan.data.free_viewing import FreeViewing, Viewing, as_released
from csalgan.data.pictures import MAX_PIXELS, size_of
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
MOST_BYTES, MOST_ARRAY = 64 * 2**30, 2**30
#: Kind of scanpaths → where rows, columns, images, observers and lengths of them stand.
_SCANPATHS = {
    "FixationTrains": [f"train_{key}" for key in ("ys", "xs", "ns", "subjects", "lengths")],
    "Scanpaths": ["ys", "xs", "n", "scanpath_attributes/subject", "lengths"],
}
_SCANPATHS["ScanpathFixations"] = [f"scanpaths/{key}" for key in _SCANPATHS["Scanpaths"]]


def read(root: Path) -> FreeViewing:
    """Read a folder, or the dataset whose file of fixations ``root`` is.

    ``fixations_train.hdf5`` goes with ``stimuli_train.hdf5``, or else with ``stimuli.hdf5``;
    ``SALICON2017_fixations/fixations_train.hdf5`` with ``SALICON/stimuli_train.hdf5`` beside its
    folder, where pysaliency keeps the photographs of all kinds of SALICON's gaze.

    Raises:
        CsalganError: a file is missing or not in pysaliency's format.
    """
    fixations = root if root.is_file() else root / FIXATIONS
    own = fixations.name.replace("fixations", "stimuli", 1)
    places = [fixations.with_name(own), fixations.with_name("stimuli.hdf5")]
    if begins := re.match(r"[A-Za-z]+(?=[^A-Za-z])", fixations.parent.name):
        places.append(fixations.parent.with_name(begins[0]) / own)
    stimuli = next((place for place in places if place.is_file()), None)
    if stimuli is None:
        raise CsalganError(f"{fixations}: there is no {own} beside it; put it there.")
    with _opened(stimuli) as file:
        images = _stimuli(file, stimuli)
    with _opened(fixations) as file:
        n, places, observers = _gaze(file)
    if len(n) and not 0 <= n.min() <= n.max() < len(images):
        raise CsalganError(
            f"{fixations}: has fixations on image {n.max()}, but {stimuli.name} holds "
            f"{len(images)}; give the two files that belong together."
        )
    viewings = []
    with as_released(fixations):
        if not len(n) == len(places) == len(observers):
            raise ValueError(
                f"{len(places)} places, {len(n)} images and {len(observers)} observers"
            )
        order = np.lexsort((observers, n))  # by image, then observer; else as they stand
        ends = np.searchsorted(n[order], np.arange(1, len(images)))
        for (name, path, size), here in zip(images, np.split(order, ends), strict=True):
            here = here[((places[here] >= 0) & (places[here] < size)).all(axis=1)]
            gaze = places[here], observers[here]
            viewings.append(Viewing(name, path, size, *gaze, SIGMA * max(size)))
    beside = all(path != stimuli for _, path, _ in images)
    kind = FreeViewing if beside else _PixelsInFile
    return kind(root, fixations.parent.name, viewings, fixations, RECIPE)


class _PixelsInFile(FreeViewing):
    """Photographs are arrays of the file of stimuli, named by their numbers."""

    def image(self, record: str) -> np.ndarray:
        row = self.row(record)
        with _opened(Path(row["image_path"])) as file:
            pixels = _array(file, str(int(row["image_id"])))[...]
        return np.stack([pixels] * 3, axis=-1) if pixels.ndim == 2 else pixels[..., :3]


@contextmanager
def _opened(path: Path) -> "Iterator[h5py.File]":
    import h5py  # takes a while, and few need it

    with as_released(path):
        open_file(path, MOST_BYTES).close()
        with h5py.File(path, "r", locking="best-effort") as file:
            yield file


def _array(group: "h5py.Group", name: str) -> "h5py.Dataset":
    """An array of the file itself: no link to another, none kept in another, none endless."""
    import h5py

    for part in name.split("/"):
        if not isinstance(group.get(part, getlink=True), h5py.HardLink):
            raise ValueError(f"{name} is missing or a link")
        group = group[part]
    if group.external or group.is_virtual:
        raise ValueError(f"{name} is in another file")
    if group.nbytes > MOST_ARRAY:
        raise CsalganError(
            f"{group.file.filename}: its {name} has {group.nbytes / 2**30:.1f} GiB, more than the "
            f"{MOST_ARRAY >> 30} that are read; take fixations (of SALICON: not the mouse)."
        )
    return group


def _kind(group: "h5py.Group") -> str:
    kind = group.attrs["type"]
    return kind if isinstance(kind, str) else kind.decode()


def _stimuli(file: "h5py.File", path: Path) -> list[tuple]:
    """Name, path and (height, width) of every image."""
    kind = _kind(file)
    if kind == "Stimuli":
        count = int(file.attrs["size"])
        return [(f"{k:0{len(str(count - 1))}d}", path, _size(file, k)) for k in range(count)]
    if kind != "FileStimuli":
        raise CsalganError(f"{path}: holds {kind}, not stimuli; give stimuli.hdf5.")
    names = [PurePosixPath(name.decode()) for name in _array(file, "filenames")[...]]
    if outside := [name for name in names if name.is_absolute() or ".." in name.parts]:
        raise CsalganError(
            f"{path}: names the photograph '{outside[0]}' outside its folder; put the photographs "
            "beside it and write it again."
        )
    ids = [name.stem for name in names]
    if len(set(ids)) < len(ids):  # CAT2000: Action/001.jpg, Art/001.jpg
        shared = len(PurePosixPath(os.path.commonpath(names)).parts)
        ids = ["_".join(name.with_suffix("").parts[shared:]) for name in names]
    found = [path.parent / name for name in names]
    return [(k, file, size_of("image", file)) for k, file in zip(ids, found, strict=True)]


def _size(file: "h5py.File", number: int) -> tuple[int, int]:
    pixels = _array(file, str(number))
    height, width, *channels = pixels.shape
    if pixels.dtype != np.uint8 or channels not in ([], [3], [4]) or height * width > MAX_PIXELS:
        raise ValueError(f"stimulus {number} is {pixels.dtype} {pixels.shape}, not (H, W, 3)")
    return height, width


def _gaze(file: "h5py.File") -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of N fixations: image number int64 (N,), place float64 (N, 2) (y, x), observer (N,)."""
    kind = _kind(file)
    if kind == "Fixations":
        y, x, n = (_array(file, key)[...] for key in "yxn")
        told = [key for key in ("subject", "subjects") if key in file]
        who = _array(file, told[0])[...] if told else np.zeros(len(n))
    elif kind in _SCANPATHS:
        *arrays, length = _SCANPATHS[kind]
        y, x, n, who = (_array(file, key)[...] for key in arrays)
        # One row a scanpath, filled up with NaN.
        made = ~np.isnan(x)
        if length in file:
            made = np.arange(x.shape[1]) < _array(file, length)[...][:, None]
        n, who = (np.broadcast_to(each[:, None], x.shape)[made] for each in (n, who))
        y, x = y[made], x[made]
    else:
        raise CsalganError(f"{file.filename}: holds {kind}, not fixations; give fixations.hdf5.")
    places = np.floor(np.stack([y, x], axis=1).astype(np.float64))
    if who.dtype.kind not in "iuf":  # names
        _, who = np.unique(who, return_inverse=True)
    return n.astype(np.int64), places, who
