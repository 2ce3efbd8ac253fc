"""Which reader opens a folder."""

import os
from collections.abc import Callable
from pathlib import Path

from csalgan.data import hdf5, osie, scene500, sjtu_tis
from csalgan.data.archive import unpacked
from csalgan.data.dataset import Dataset
from csalgan.files.errors import CsalganError
from csalgan.files.inputs import require_utf8

#: A file that only one layout has → its reader. All else is read as SJTU-TIS.
READERS = {module.FIXATIONS: module.read for module in (osie, scene500, hdf5)}


def open_dataset(path: str | os.PathLike) -> Dataset:
    """Open a dataset, its layout recognised.

    SJTU-TIS, OSIE and Scene500 as released, or anything that pysaliency wrote.

    Args:
        path: a folder, or a ``.zip``/``.tar``/``.tar.gz`` of one (unpacked into the cache once),
            or one of several ``fixations_….hdf5`` of pysaliency in a folder.

    Raises:
        CsalganError: nothing there, an empty folder, or files that are not as released
            (``csalgan data check`` lists every fault).
    """
    root, read = recognise(path)
    return read(root)


def recognise(path: str | os.PathLike) -> tuple[Path, Callable[[Path], Dataset]]:
    """The folder of a dataset, unpacked if need be, and the reader of its layout.

    Raises:
        CsalganError: nothing there, or an archive that cannot be unpacked.
    """
    path = Path(path).expanduser()
    require_utf8(path)
    if not path.exists():
        raise CsalganError(f"{path}: no such dataset; give a folder or archive of one.")
    if path.suffix == ".hdf5":
        return path.resolve(), hdf5.read
    root = path.resolve() if path.is_dir() else unpacked(path)
    inside = sorted(root.iterdir())
    if not inside:
        raise CsalganError(f"{root}: is empty; give the folder that holds image/, map/, fixation/.")
    # An archive may hold the layout one folder deep.
    for folder in (root, *(inside if path.is_file() else ())):
        for mark, read in READERS.items():
            if (folder / mark).is_file():
                return folder, read
        if (folder / "map").is_dir():
            return folder, sjtu_tis.read
    for folder in (root, *(inside if path.is_file() else ())):
        if several := sorted(one.name for one in folder.glob("fixations*.hdf5")):
            raise CsalganError(f"{folder}: holds {', '.join(several)}; give one of these files.")
    return root, sjtu_tis.read
