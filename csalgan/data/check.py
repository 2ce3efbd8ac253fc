"""Naming every fault of a dataset at once, file by file: names, sentences, and every pixel."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from csalgan.data import sjtu_tis
from csalgan.data.dataset import COLUMNS, Dataset
from csalgan.data.layouts import recognise
from csalgan.data.sjtu_tis import Fault
from csalgan.files import paths
from csalgan.files.errors import CsalganError
from csalgan.files.writing import write_text

#: Raise it when the check finds more than before: datasets are then checked again.
VERSION = 4


@dataclass
class CheckReport:
    """What a check found.

    Attributes:
        root: the dataset's folder.
        records: the table of records (see :class:`csalgan.data.Dataset`), as far as it is known.
        faults: sorted by file.
    """

    root: Path
    records: pd.DataFrame
    faults: list[Fault]

    @property
    def errors(self) -> list[Fault]:
        """Faults that keep the dataset from being used."""
        return [fault for fault in self.faults if fault.severity == "error"]


def check_dataset(path: str | os.PathLike) -> CheckReport:
    """Check every file of a dataset.

    Kinds of fault: ``missing folder``, ``missing sentences``, ``unreadable sentences``,
    ``unknown name``, ``duplicate record``, ``missing map``, ``missing fixation``,
    ``missing image``, ``missing sentence``, ``missing record``, ``unreadable file``,
    ``size mismatch``, ``fixation values``, ``empty fixation set``, ``constant map``,
    ``map not grey``, ``turned by EXIF``, ``unreadable truth``, ``unreadable name``; the warnings
    :data:`~csalgan.data.sjtu_tis.WARNINGS`. Of the other layouts: ``not as released`` (the reader
    refuses it, and stops there), ``unreadable file``, ``size mismatch``.

    Raises:
        CsalganError: there is nothing at ``path``, or it is an archive that cannot be unpacked.
    """
    root, read = recognise(path)
    if read is sjtu_tis.read:
        return CheckReport(root, *sjtu_tis.survey(root, whole=True))
    return CheckReport(root, *_free_viewing(root, read))


def require_clean(dataset: Dataset) -> None:
    """Refuse a dataset with errors; one found clean is not checked again until it changes.

    Raises:
        CsalganError: naming the first fault and how many there are.
    """
    mark = paths.cache_dir() / "checked" / f"{dataset.fingerprint[:16]}-{VERSION}"
    if mark.is_file():
        return
    sjtu_tis.refuse(dataset.root, check_dataset(dataset.root).faults)
    dataset.require_unchanged()
    with suppress(CsalganError):  # a cache that cannot be written to: it is checked again
        write_text(mark, f"{dataset.root}\n")


def _free_viewing(root: Path, read: Callable[[Path], Dataset]) -> tuple[pd.DataFrame, list[Fault]]:
    """The records, and faults: the reader's refusal, else photographs that cannot be decoded."""
    folder = root if root.is_dir() else root.parent
    try:
        dataset = read(root)
    except CsalganError as error:
        path = Path(str(error).partition(": ")[0])
        fault = Fault.of(os.path.relpath(path, folder), path, error)
        return pd.DataFrame(columns=COLUMNS), [fault._replace(kind="not as released")]

    def check(row) -> list[Fault]:
        name = os.path.relpath(row.image_path, folder)
        try:
            height, width = dataset.image(row.record).shape[:2]
        except CsalganError as error:
            return [Fault.of(name, Path(row.image_path), error)]
        message = f"is {width} × {height}, its fixations are of {row.width} × {row.height}"
        same = (height, width) == (row.height, row.width)
        return [] if same else [Fault(name, "size mismatch", message)]

    with ThreadPoolExecutor(2) as pool:  # decoding releases the lock
        found = pool.map(check, dataset.records.itertuples(index=False))
        return dataset.records, [fault for faults in found for fault in faults]
