"""Small datasets in the layouts of other releases, drawn at random."""

import os
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
from PIL import Image
from scipy.io import loadmat, savemat


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


# --- what is not as released ------------------------------------------------------------------


def _osie(change: Callable[[np.ndarray], object] | None = None, of_file=None) -> Callable:
    """OSIE with other fixations, or with something done to its file."""

    def make(root: Path) -> None:
        write_osie(root)
        path = root / "data" / "eye" / "fixations.mat"
        if change:
            savemat(path, {"fixations": change(loadmat(path)["fixations"])})
        else:
            of_file(path)

    return make


def _image(**fields) -> Callable:
    """The first image of OSIE with other fields."""

    def change(cell: np.ndarray) -> np.ndarray:
        for name, value in fields.items():
            cell[0, 0][name][0, 0] = value
        return cell

    return _osie(change)


def _looked(value: object) -> Callable:
    """OSIE, the first viewer having looked at ``value``, or at these columns."""

    def change(cell: np.ndarray) -> np.ndarray:
        viewer = cell[0, 0]["subjects"][0, 0][0, 0]
        old = np.asarray(viewer["fix_x"][0, 0], float)
        for axis in ("fix_x", "fix_y"):
            viewer[axis][0, 0] = np.full_like(old, value) if np.isscalar(value) else value
        return cell

    return _osie(change)


def _bytes_changed(seed: int) -> Callable:
    def change(path: Path) -> None:
        rng, content = np.random.default_rng(seed), bytearray(path.read_bytes())
        for place in rng.integers(128, len(content), 200):
            content[place] = rng.integers(256)
        path.write_bytes(content)

    return _osie(of_file=change)


def _hole(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(2**40)


def _instead(make: Callable[[Path], object]) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        path.unlink()
        make(path)

    return change


def _scene500(fixations=None, sizes=None) -> Callable:
    def make(root: Path) -> None:
        write_scene500(root)
        folder = root / "data" / "tidy"
        if fixations:
            cell = fixations(loadmat(folder / "fixations.mat")["fixations"])
            savemat(folder / "fixations.mat", {"fixations": cell})
        if sizes is not None:
            savemat(folder / "imgInfo.mat", {"imgInfo": {"size": sizes}})

    return make


def _first(value: object) -> Callable:
    def change(cell: np.ndarray) -> np.ndarray:
        cell[0, 0] = value
        return cell

    return change


def _hdf5(name: str, change: Callable[[Path], object], **layout) -> Callable:
    def make(root: Path) -> None:
        write_hdf5(root, **layout)
        change(root / f"{name}.hdf5")

    return make


def _inside(change: Callable[[h5py.File], object]) -> Callable[[Path], None]:
    def changed(path: Path) -> None:
        with h5py.File(path, "r+") as file:
            change(file)

    return changed


def _for(key: str, make: Callable[[h5py.File, str], object]) -> Callable[[Path], None]:
    def change(file: h5py.File) -> None:
        shape = file[key].shape
        del file[key]
        value = make(file, key)
        if value is not None:
            file[key] = value(shape) if callable(value) else value

    return _inside(change)


def _elsewhere(file: h5py.File, key: str) -> h5py.ExternalLink:
    """A link to an array of another file, which is there."""
    other = Path(file.filename).with_name("other.hdf5")
    with h5py.File(other, "w") as made:
        made["x"] = np.ones((4, 7))
    return h5py.ExternalLink(str(other), "/x")


def _virtual(file: h5py.File, key: str) -> None:
    link = _elsewhere(file, key)
    layout = h5py.VirtualLayout(shape=(4, 7), dtype=float)
    layout[:] = h5py.VirtualSource(link.filename, "x", shape=(4, 7))
    file.create_virtual_dataset(key, layout)


def _bytes_of_another_file(file: h5py.File, key: str) -> None:
    file.create_dataset(key, (4, 6, 3), np.uint8, external=[("/etc/passwd", 0, 72)])


def _endless(file: h5py.File, key: str) -> None:
    file.create_dataset(key, (2**20, 2**20), float, chunks=(16, 16), compression="gzip")


#: Damage → makes it in a folder.
GAZE = {
    "OSIE, numbers": _osie(lambda cell: np.ones((3, 3))),
    "OSIE, an image twice": _osie(lambda cell: np.concatenate([cell, cell[:1]])),
    "OSIE, subjects of text": _image(subjects="abc"),
    "OSIE, no name": _image(img=np.array([""])),
    "OSIE, a name of another folder": _image(img=np.array(["../a.jpg"])),
    "OSIE, a name of two lines": _image(img=np.array(["a\nb.jpg"])),
    "OSIE, a name with a zero": _image(img=np.array(["a\0b.jpg"])),
    "OSIE, a long name": _image(img=np.array(["a" * 300])),
    "OSIE, far outside": _looked(1e308),
    "OSIE, outside": _looked(-5),
    "OSIE, NaN": _looked(np.nan),
    "OSIE, a cube": _looked(np.ones((1, 3, 2))),
    "OSIE, a matrix": _looked(np.ones((3, 3))),
    "OSIE, complex": _looked(np.ones((1, 3)) * 1j),
    "OSIE, text": _looked(np.array(["abc"])),
    **{f"OSIE, bytes changed {k}": _bytes_changed(k) for k in range(4)},
    "OSIE, a terabyte": _osie(of_file=_hole),
    "OSIE, HDF5": _osie(of_file=_instead(lambda path: h5py.File(path, "w").close())),
    "OSIE, a pipe": _osie(of_file=_instead(os.mkfifo)),
    "OSIE, a device": _osie(of_file=_instead(lambda path: path.symlink_to("/dev/zero"))),
    "OSIE, a folder": _osie(of_file=_instead(Path.mkdir)),
    "Scene500, a row of text": _scene500(_first(np.array(["abc"]))),
    "Scene500, three columns": _scene500(_first(np.ones((2, 3)))),
    "Scene500, outside": _scene500(_first(np.full((2, 4), 1e9))),
    "Scene500, no rows": _scene500(lambda cell: cell[:0]),
    "Scene500, turned": _scene500(lambda cell: cell.T),
    "Scene500, endless sizes": _scene500(sizes=np.full((3, 2), np.inf)),
    "Scene500, other sizes": _scene500(sizes=np.full((3, 2), 1e300)),
    "Scene500, sizes of text": _scene500(sizes="abc"),
    **{
        f"HDF5, {what}": _hdf5("fixations", _for("train_xs", change))
        for what, change in {
            "nothing": lambda file, key: None,
            "text": lambda file, key: "text",
            "text for each": lambda file, key: lambda shape: np.full(shape, b"a"),
            "one row too few": lambda file, key: lambda shape: np.ones((shape[0] - 1, shape[1])),
            "a link to nothing": lambda file, key: h5py.SoftLink("/nowhere"),
            "a loop of links": lambda file, key: h5py.SoftLink("/train_xs"),
            "a link to another file": _elsewhere,
            "an array of another file": _virtual,
            "eight terabytes": _endless,
        }.items()
    },
    "HDF5, bytes of another file": _hdf5(
        "stimuli", _for("1", _bytes_of_another_file), stimuli="Stimuli"
    ),
    "HDF5, numbers for names": _hdf5("stimuli", _for("filenames", lambda *_: np.arange(3))),
    "HDF5, a name of another folder": _hdf5(
        "stimuli", _for("filenames", lambda *_: np.array([b"../a.png"] * 3))
    ),
    "HDF5, 1e9 photographs": _hdf5(
        "stimuli", _inside(lambda file: file.attrs.update(size=10**9)), stimuli="Stimuli"
    ),
    "HDF5, no photographs": _hdf5(
        "stimuli", _inside(lambda file: file.attrs.update(size=-1)), stimuli="Stimuli"
    ),
    **{
        f"HDF5, {name} {what}": _hdf5(name, _instead(make))
        for name in ("stimuli", "fixations")
        for what, make in {
            "a pipe": os.mkfifo,
            "a device": lambda path: path.symlink_to("/dev/zero"),
            "a loop of links": lambda path: path.symlink_to(path),
            "text": lambda path: path.write_text("hello"),
        }.items()
    },
}
