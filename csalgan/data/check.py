"""Naming every fault of a dataset at once, file by file.

It reads the files itself and leans on nothing that a fault could break.
"""

import os
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from csalgan import paths
from csalgan.data import sjtu_tis
from csalgan.data.dataset import Dataset
from csalgan.data.layouts import recognise
from csalgan.data.records import CONDITIONS, SUBSETS, parse_stem
from csalgan.data.sentences import find_sentences, read_json, read_workbook
from csalgan.data.sjtu_tis import FIXATED_ABOVE, FOLDERS, SUFFIXES, read_pixels, sentence_key
from csalgan.errors import CsalganError
from csalgan.files import write_text

#: Raise it when the check finds more than before: datasets are then checked again.
VERSION = 3

#: Faults that do not keep a dataset from being used.
WARNINGS = (
    *("sentence without record", "sentence of free viewing", "sentences disagree"),
    "not a dataset file",
)


@dataclass(frozen=True)
class Fault:
    """One fault: the file it is about (relative to the dataset), its kind, and what to know."""

    file: str
    kind: str
    message: str

    @property
    def severity(self) -> str:
        """``warning`` when the dataset can be used all the same, else ``error``."""
        return "warning" if self.kind in WARNINGS else "error"


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
    ``map not grey``; and the warnings :data:`WARNINGS`. Of the other layouts: ``not as
    released`` (the reader refuses it, and stops there), ``unreadable file``, ``size mismatch``.

    Raises:
        CsalganError: there is nothing at ``path``, or it is an archive that cannot be unpacked.
    """
    root, read = recognise(path)
    if read is not sjtu_tis.read:
        return _check_free_viewing(root, read)
    if not any(root.iterdir()):
        raise CsalganError(f"{root}: is empty; give the folder that holds image/, map/, fixation/.")
    report = CheckReport(root)
    files = {folder: _list(root, folder, report.faults) for folder in FOLDERS}
    sentences = _sentences(root, report.faults)
    records = {stem for folder in ("map", "fixation") for stem in files[folder]}
    # A photograph named like a record (with a suffix) announces one as well.
    records |= {stem for stem in files["image"] if parse_stem(stem).suffix}
    records |= {stem for stem in files["image"] if not _has_record(stem, records)}
    _count(report, files["map"])

    images: dict[str, list[str]] = defaultdict(list)
    for stem in sorted(records):
        images[parse_stem(stem).image_id].append(stem)
    with ThreadPoolExecutor(2) as pool:  # decoding releases the lock
        bar = tqdm(
            pool.map(lambda stems: list(_check_image(stems, files)), images.values()),
            total=len(images),
            desc="check",
            disable=not sys.stderr.isatty(),
            leave=False,
        )
        for faults in bar:
            report.faults += faults
    for image_id, stems in images.items():
        report.faults += _check_set(image_id, stems, sentences or {})
    if sentences is not None:
        report.faults += _check_sentences(records, sentences)
    report.faults = sorted(set(report.faults), key=lambda f: (f.file, f.kind, f.message))
    return report


def require_clean(dataset: Dataset) -> None:
    """Refuse a dataset with errors; one found clean is not checked again until it changes.

    Raises:
        CsalganError: naming the first fault and how many there are.
    """
    receipt = paths.cache_dir() / "checked" / f"{dataset.fingerprint[:16]}-{VERSION}"
    if receipt.is_file():
        return
    errors = check_dataset(dataset.root).errors
    if errors:
        more = f" (and {len(errors) - 1} more faults)" if len(errors) > 1 else ""
        raise CsalganError(
            f"{dataset.root / errors[0].file}: {errors[0].message}{more}; "
            f"`csalgan data check {dataset.root}` lists them."
        )
    write_text(receipt, f"{dataset.root}\n")


def _check_free_viewing(root: Path, read: Callable[[Path], Dataset]) -> CheckReport:
    """What the reader refuses, or else every photograph, decoded."""
    report = CheckReport(root)
    folder = root if root.is_dir() else root.parent
    try:
        dataset = read(root)
    except CsalganError as error:
        file, _, message = str(error).partition(": ")
        report.faults.append(Fault(os.path.relpath(file, folder), "not as released", message))
        return report

    def check(row) -> list[Fault]:
        name = os.path.relpath(row.image_path, folder)
        try:
            height, width = dataset.image(row.record).shape[:2]
        except CsalganError as error:
            return [Fault(name, "unreadable file", str(error).partition(": ")[2])]
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


def _list(root: Path, folder: str, faults: list[Fault]) -> dict[str, Path]:
    """Stem → file of one folder; what does not belong there becomes a fault."""
    place = root / folder
    if not place.is_dir():
        faults.append(Fault(f"{folder}/", "missing folder", "the folder is missing"))
        return {}
    found: dict[str, list[Path]] = defaultdict(list)
    for path in sorted(place.iterdir()):
        name = f"{folder}/{path.name}"
        if path.name.startswith(".") or path.name in ("Thumbs.db", "desktop.ini"):
            faults.append(Fault(name, "not a dataset file", "a system file, left aside"))
        elif not path.is_file() or path.suffix.lower() not in SUFFIXES:
            faults.append(Fault(name, "unknown name", "neither PNG nor JPEG; remove it"))
        elif parse_stem(path.stem) is None:
            faults.append(
                Fault(
                    name,
                    "unknown name",
                    "no record's name (8 to 12 digits, then nothing or _0 … _3)",
                )
            )
        else:
            found[path.stem].append(path)
    for paths_of_stem in found.values():
        for path in paths_of_stem[1:]:
            message = f"the record stands in {paths_of_stem[0].name} already; keep one"
            faults.append(Fault(f"{folder}/{path.name}", "duplicate record", message))
    return {stem: paths_of_stem[0] for stem, paths_of_stem in found.items()}


def _has_record(image_id: str, records: set[str]) -> bool:
    return image_id in records or any(f"{image_id}_{n}" in records for n in range(4))


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


def _check_set(image_id: str, stems: list[str], sentences: dict[str, str]) -> Iterator[Fault]:
    """An image has two records (_0 and no suffix) or four (_0 … _3)."""
    here = {parse_stem(stem).suffix for stem in stems}
    told = {suffix for suffix in "123" if sentence_key(image_id, suffix) in sentences}
    four = bool(((here - {"0"}) or told) & set("123"))
    if four and "" in here:
        message = "a record without suffix beside _1 … _3 of the same image; keep one kind"
        yield Fault(f"map/{image_id}", "duplicate record", message)
    for suffix in "0123" if four else ("0", ""):
        # One that has a sentence is named with the sentences.
        if suffix not in here and sentence_key(image_id, suffix) not in sentences:
            stem = f"{image_id}_{suffix}" if suffix else image_id
            message = f"record {stem} has no files, though its image has others"
            yield Fault(f"map/{stem}", "missing record", message)


def _check_image(stems: list[str], files: dict[str, dict[str, Path]]) -> Iterator[Fault]:
    """The pictures of one image's records; a photograph they share is decoded once."""
    checked: dict[Path, tuple[tuple[int, int] | None, list[Fault]]] = {}
    for stem in stems:
        image_id = parse_stem(stem).image_id
        found = {
            "image": files["image"].get(stem) or files["image"].get(image_id),
            "map": files["map"].get(stem),
            "fixation": files["fixation"].get(stem),
        }
        shapes: dict[str, tuple[int, int]] = {}
        for what, path in found.items():
            if path is None:
                message = f"record {stem} has no {what} file"
                yield Fault(f"{what}/{stem}", f"missing {what}", message)
                continue
            if path not in checked:
                checked[path] = _check_picture(what, path)
                yield from checked[path][1]
            if checked[path][0] is not None:
                shapes[what] = checked[path][0]
        if len(set(shapes.values())) > 1:
            sizes = ", ".join(f"{what} {w} × {h}" for what, (h, w) in shapes.items())
            first = found["map"] or found["fixation"]
            name = f"{first.parent.name}/{first.name}"
            yield Fault(name, "size mismatch", f"sizes differ: {sizes}")


def _check_picture(what: str, path: Path) -> tuple[tuple[int, int] | None, list[Fault]]:
    """(height, width), None when it cannot be decoded; and the file's own faults."""
    name = f"{what}/{path.name}"
    try:
        with Image.open(path) as picture:
            mode = picture.mode
            picture.verify()  # checksums and the end of a PNG, which decoding does not look at
        pixels = read_pixels(path, "RGB" if what == "image" or mode != "L" else "L")
    except (CsalganError, OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None, [Fault(name, "unreadable file", "cannot be decoded; copy it again")]
    faults = []
    coloured = pixels.ndim == 3 and bool((pixels != pixels[..., :1]).any())
    if what == "map":
        if mode.startswith(("I", "F")):
            faults.append(Fault(name, "map not grey", f"mode {mode}; must be 8-bit grey"))
        elif coloured:
            faults.append(Fault(name, "map not grey", "is coloured; must be 8-bit grey"))
        elif pixels.min() == pixels.max():
            faults.append(Fault(name, "constant map", f"every pixel is {pixels.min()}"))
    if what == "fixation":
        values = np.flatnonzero(np.bincount(pixels.ravel(), minlength=256))
        odd = values[(values != 0) & (values != 255)]
        if len(odd):
            message = f"holds {odd[0]}; only 0 and 255 are allowed"
            faults.append(Fault(name, "fixation values", message))
        elif coloured:
            message = "is coloured; must be black and white"
            faults.append(Fault(name, "fixation values", message))
        if not (pixels > FIXATED_ABOVE).any():
            faults.append(Fault(name, "empty fixation set", "no pixel is fixated"))
    return pixels.shape[:2], faults


def _sentences(root: Path, faults: list[Fault]) -> dict[str, str] | None:
    """Sentences by key, read from whatever stands there; None when nothing can be read."""
    found = find_sentences(root)
    if not found:
        faults.append(
            Fault("image_text.json", "missing sentences", "neither this file nor a workbook")
        )
    read: dict[str, dict[str, str]] = {}
    for kind, path in found.items():
        try:
            read[kind] = read_json(path) if kind == "json" else read_workbook(path)
        except CsalganError as error:
            message = str(error).removeprefix(f"{path}: ")
            faults.append(Fault(path.name, "unreadable sentences", message))
    if len(read) == 2:
        for key in sorted(read["workbook"].keys() | {k for k, v in read["json"].items() if v}):
            if read["workbook"].get(key, "") != read["json"].get(key, ""):
                message = f"record {key} has another sentence than in {found['json'].name}"
                faults.append(Fault(found["workbook"].name, "sentences disagree", message))
    return read.get("json", read.get("workbook"))


def _check_sentences(records: set[str], sentences: dict[str, str]) -> Iterator[Fault]:
    keys, images = set(), set()
    for stem in sorted(records):
        parsed = parse_stem(stem)
        key = sentence_key(parsed.image_id, parsed.suffix)
        keys.add(key)
        images.add(sentence_key(parsed.image_id, ""))
        if parsed.condition != "none" and not sentences.get(key):
            message = f"record {stem} ({parsed.condition}) has no sentence"
            yield Fault(f"map/{stem}", "missing sentence", message)
        if parsed.condition == "none" and sentences.get(key):
            message = f"record {stem} is free viewing but has a sentence; it is not used"
            yield Fault("sentences", "sentence of free viewing", message)
    for key in sorted(sentences.keys() - keys):
        if key.partition("_")[0] in images:
            message = f"record {key} has a sentence but no files, though its image has others"
            yield Fault("sentences", "missing record", message)
        else:  # a part of the release: whole images are left out
            message = f"sentence of {key}, of which no record is here"
            yield Fault("sentences", "sentence without record", message)
