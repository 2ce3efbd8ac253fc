"""Small datasets in the layouts of other releases, drawn at random."""

from pathlib import Path

import h5py
import numpy as np
from PIL import Image
from scipy.io import savemat


def photograph(path: Path, size: tuple[int, int], rng: np.random.Generator) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    coarse = Image.fromarray(rng.integers(0, 256, (4, 5, 3), dtype=np.uint8))
    coarse.resize(size[::-1], Image.Resampling.BICUBIC).save(path, quality=90)


def trials(size, observers: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Each observer's fixations, float (N, 2) rows (y, x) in pixels; the last has made none."""
    counts = [*rng.integers(3, 9, observers - 1), 0]
    where = [rng.normal(0.5, 0.15, (n, 2)).clip(0.02, 0.98) * size for n in counts]
    return [np.round(each, 1) for each in where]


def write_osie(root: Path, n_images=6, observers=4, size=(60, 80), seed=0) -> list:
    """OSIE's layout; returns the trials of every image, as written (counted from 1)."""
    rng = np.random.default_rng(seed)
    written, cell = [], np.empty((n_images, 1), object)
    for k in range(n_images):
        photograph(root / "data" / "stimuli" / f"{1001 + k}.jpg", size, rng)
        looked = [each + 1 for each in trials(size, observers, rng)]
        subjects = np.empty((observers, 1), object)
        for number, each in enumerate(looked):
            subjects[number, 0] = {
                "fix_x": each[:, 1][None],
                "fix_y": each[:, 0][None],
                "fix_duration": np.full((1, len(each)), 200, np.uint16),
            }
        cell[k, 0] = {"img": f"{1001 + k}.jpg", "subjects": subjects}
        written.append(looked)
    (root / "data" / "eye").mkdir(parents=True)
    savemat(root / "data" / "eye" / "fixations.mat", {"fixations": cell})
    return written


def write_scene500(root: Path, sizes=((48, 64), (48, 48), (80, 48)), observers=3, seed=0) -> list:
    """Scene500's layout; returns the trials of every image, as written."""
    rng = np.random.default_rng(seed)
    written, cell = [], np.empty((len(sizes), observers), object)
    for k, size in enumerate(sizes):
        photograph(root / "data" / "stimuli" / f"{k + 1:03d}.jpg", size, rng)
        looked = trials(size, observers, rng)
        for number, each in enumerate(looked):
            times = rng.random((len(each), 2))
            cell[k, number] = np.hstack([each, times]) if len(each) else np.empty((0, 0), np.uint8)
        written.append(looked)
    (root / "data" / "tidy").mkdir(parents=True)
    savemat(root / "data" / "tidy" / "fixations.mat", {"fixations": cell})
    info = {"size": np.array(sizes, np.uint16)}
    savemat(root / "data" / "tidy" / "imgInfo.mat", {"imgInfo": info})
    return written


def write_hdf5(root: Path, *, stimuli="FileStimuli", fixations="FixationTrains", suffix="", seed=0):
    """pysaliency's layout, as its to_hdf5 writes it; returns (image, observer, trial) rows."""
    rng = np.random.default_rng(seed)
    names = ["Stimuli/Art/001.jpg", "Stimuli/Art/002.jpg", "Stimuli/Inside/001.jpg"]
    sizes = [(40, 60), (48, 60), (60, 40)]
    for name, size in zip(names, sizes, strict=True):
        photograph(root / name, size, rng)
    with h5py.File(root / f"stimuli{suffix}.hdf5", "w") as file:
        file.attrs.update(type=np.bytes_(stimuli), version=np.bytes_("1.1"), size=3)
        if stimuli == "FileStimuli":
            file.attrs["version"] = np.bytes_("2.1")
            encoded = np.array([name.encode() for name in names])
            file.create_dataset("filenames", data=encoded, dtype=h5py.special_dtype(vlen=str))
        else:
            for k, name in enumerate(names):
                pixels = np.asarray(Image.open(root / name))
                # The first is grey, as some of MIT1003 and CAT2000 are.
                file.create_dataset(str(k), data=pixels[..., 0] if k == 0 else pixels)
    rows = [
        (k, 7 + who, trial) for k in (2, 0) for who, trial in enumerate(trials(sizes[k], 3, rng))
    ]
    rows = [row for row in rows if len(row[2])]
    n, who = (np.array([row[i] for row in rows]) for i in (0, 1))
    lengths = np.array([len(trial) for _, _, trial in rows])
    padded = np.full((len(rows), lengths.max(), 2), np.nan)
    for row, (_, _, trial) in zip(padded, rows, strict=True):
        row[: len(trial)] = trial
    y, x = padded[..., 0], padded[..., 1]
    with h5py.File(root / f"fixations{suffix}.hdf5", "w") as file:
        file.attrs.update(type=np.bytes_(fixations), version=np.bytes_("1.0"))
        if fixations == "FixationTrains":
            for key, value in {"ys": y, "xs": x, "ns": n, "subjects": who}.items():
                file[f"train_{key}"] = value
        elif fixations == "ScanpathFixations":
            group = file.create_group("scanpaths")
            for key, value in {"ys": y, "xs": x, "n": n, "lengths": lengths}.items():
                group[key] = value
            group["scanpath_attributes/subject"] = who
        else:
            flat = np.concatenate([trial for _, _, trial in rows])
            file["y"], file["x"] = flat.T
            file["n"], file["subjects"] = np.repeat(n, lengths), np.repeat(who, lengths)
    return rows
