"""Naming every fault of a dataset at once, file by file: names, sentences, and every pixel."""

import os
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from csalgan.data import pictures, sjtu_tis
from csalgan.data.contents import Contents, Fault, check_sizes, look_over, refuse
from csalgan.data.dataset import Dataset
from csalgan.data.layouts import recognise
from csalgan.data.pictures import BadFile
from csalgan.data.records import CONDITIONS, SUBSETS, parse_stem
from csalgan.files import paths
from csalgan.files.errors import CsalganError
from csalgan.files.progress import Progress
from csalgan.files.writing import write_text

#: Raise it when the check finds more than before: datasets are then checked again.
VERSION = 4


@dataclass
class CheckReport:
    """What a check found.

    Attributes:
        root: the dataset's folder.
        faults: sorted by file.
        n_images, n_records: counted by the map files that bear a record's name.
        conditions: records a condition.
        subsets: records a subset of the paper.
    """

    root: Path
    faults: list[Fault] = field(default_factory=list)
    n_images: int = 0
    n_records: int = 0
    conditions: dict[str, int] = field(default_factory=dict)
    subsets: dict[str, int] = field(default_factory=dict)

    @property
    def errors(self) -> list[Fault]:
        """Faults that keep the dataset from being used."""
        return [fault for fault in self.faults if fault.severity == "error"]

    def ok(self, *, allow_warnings: bool = False) -> bool:
        """Whether there is no fault, or none but warnings."""
        return not (self.errors if allow_warnings else self.faults)


def check_dataset(path: str | os.PathLike) -> CheckReport:
    """Check every file of a dataset.

    Kinds of fault: ``missing folder``, ``missing sentences``, ``unreadable sentences``,
    ``unknown name``, ``duplicate record``, ``missing map``, ``missing fixation``,
    ``missing image``, ``missing sentence``, ``missing record``, ``unreadable file``,
    ``size mismatch``, ``fixation values``, ``empty fixation set``, ``constant map``,
    ``map not grey``, ``turned by EXIF``, ``unreadable truth``; and the warnings
    :data:`~csalgan.data.contents.WARNINGS`. Of the other layouts: ``not as released`` (the reader
    refuses it, and stops there), ``unreadable file``, ``size mismatch``.

    Raises:
        CsalganError: there is nothing at ``path``, or it is an archive that cannot be unpacked.
    """
    root, read = recognise(path)
    if read is not sjtu_tis.read:
        return _check_free_viewing(root, read)
    if not any(root.iterdir()):
        raise CsalganError(f"{root}: is empty; give the folder that holds image/, map/, fixation/.")
    found = look_over(root, both=True)
    report = CheckReport(root, found.faults)
    _count(report, found.files["map"])
    images = found.images()
    with ThreadPoolExecutor(2) as pool:  # decoding releases the lock
        checked = pool.map(lambda stems: list(_check_image(found, stems)), images.values())
        bar = Progress(checked, total=len(images), desc="check", unit=" images")
        for faults in bar:
            report.faults += faults
    report.faults = sorted(set(report.faults))
    return report


def require_clean(dataset: Dataset) -> None:
    """Refuse a dataset with errors; one found clean is not checked again until it changes.

    Raises:
        CsalganError: naming the first fault and how many there are.
    """
    receipt = paths.cache_dir() / "checked" / f"{dataset.fingerprint[:16]}-{VERSION}"
    if receipt.is_file():
        return
    refuse(dataset.root, check_dataset(dataset.root).faults)
    with suppress(CsalganError):  # a cache that cannot be written to: it is checked again
        write_text(receipt, f"{dataset.root}\n")


def _check_free_viewing(root: Path, read: Callable[[Path], Dataset]) -> CheckReport:
    """What the reader refuses, or else every photograph, decoded."""
    report = CheckReport(root)
    folder = root if root.is_dir() else root.parent
    try:
        dataset = read(root)
    except CsalganError as error:
        file, _, message = str(error).partition(": ")
        message = getattr(error, "message", message)
        report.faults.append(Fault(os.path.relpath(file, folder), "not as released", message))
        return report

    def check(row) -> list[Fault]:
        name = os.path.relpath(row.image_path, folder)
        try:
            height, width = dataset.image(row.record).shape[:2]
        except CsalganError as error:
            message = getattr(error, "message", str(error).partition(": ")[2])
            return [Fault(name, "unreadable file", message)]
        if (height, width) == (row.height, row.width):
            return []
        message = f"is {width} × {height}, its fixations are of {row.width} × {row.height}"
        return [Fault(name, "size mismatch", message)]

    with ThreadPoolExecutor(2) as pool:  # decoding releases the lock
        for faults in pool.map(check, dataset.records.itertuples(index=False)):
            report.faults += faults
    report.n_images = report.n_records = len(dataset.records)
    report.conditions = dict.fromkeys(CONDITIONS, 0) | {"none": report.n_records}
    report.subsets = {name: len(dataset.subset(name)) for name in SUBSETS}
    return report


def _count(report: CheckReport, maps: dict[str, Path]) -> None:
    parsed = [parse_stem(stem) for stem in maps]
    per_image = Counter(stem.image_id for stem in parsed)
    counts = Counter(stem.condition for stem in parsed)
    report.n_images, report.n_records = len(per_image), len(parsed)
    report.conditions = {name: counts[name] for name in CONDITIONS}
    four = Counter(s.condition for s in parsed if per_image[s.image_id] == 4)
    report.subsets = {
        "total": len(parsed),
        "general": counts["none"] + counts["general"],
        "sal": four["none"] + four["salient"],
        "non_sal": four["none"] + four["non_salient"],
    }


def _check_image(found: Contents, stems: list[str]) -> Iterator[Fault]:
    """The pictures of one image's records; a photograph they share is decoded once."""
    checked: dict[Path, tuple[int, int] | None] = {}
    for stem in stems:
        files = {folder: path for folder, path in found.of(stem).items() if path is not None}
        for folder, path in files.items():
            if path in checked:
                continue
            checked[path] = None
            try:
                pictures.verify(path)
                checked[path] = pictures.read(folder, path).shape[:2]
            except BadFile as error:
                yield Fault(f"{folder}/{path.name}", error.kind, error.message)
        shapes = {folder: checked[path] for folder, path in files.items() if checked[path]}
        yield from check_sizes(files, shapes)
