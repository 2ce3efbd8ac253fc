"""Reading the released SJTU-TIS layout, and naming every fault of it.

``image/``, ``map/`` and ``fixation/`` hold files with one stem per record; photographs may be
shared by all records of an image. Sentences come in ``image_text.json`` or the workbook.

Opening looks at names, sentences and headers, which is cheap; ``csalgan data check`` at every byte.
"""

from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from csalgan.data import pictures, truth
from csalgan.data.dataset import COLUMNS, Dataset
from csalgan.data.pictures import FOLDERS
from csalgan.data.records import CONDITIONS, parse_stem, source_of
from csalgan.data.sentence_files import find_sentences, read_json, read_workbook
from csalgan.files.errors import CsalganError
from csalgan.files.inputs import read_json as read_any_json
from csalgan.files.inputs import shown
from csalgan.files.progress import Progress, counted
from csalgan.files.writing import CLUTTER

#: Faults that do not keep a dataset from being used.
WARNINGS = (
    *("sentence without record", "sentence of free viewing", "sentences disagree"),
    "not a dataset file",
)
_SUFFIXES = (".png", ".jpg", ".jpeg")
_SENTENCES = "image_text.json or the workbook"
_ABOUT = "dataset.json"


class Fault(NamedTuple):
    """One fault: the file it is about (relative to the dataset), its kind, and what to know."""

    file: str
    kind: str
    message: str

    @classmethod
    def of(cls, file: str, path: Path, error: CsalganError, kind: str = "unreadable file"):
        """The fault that an error about ``path`` tells of."""
        message = str(error).removeprefix(f"{shown(path)}: ").rstrip(".")
        return cls(file, getattr(error, "kind", kind), message)

    @property
    def severity(self) -> str:
        """``warning`` when the dataset can be used all the same, else ``error``."""
        return "warning" if self.kind in WARNINGS else "error"


def read(root: Path) -> Dataset:
    """Read the table of records of a folder in the released layout.

    Raises:
        CsalganError: what ``csalgan data check`` calls an error and names, sentences or the
            headers of the pictures show. Faults of the pixels are found by
            :func:`csalgan.data.require_clean`, and by reading them.
    """
    records, faults = survey(root)
    refuse(root, faults)
    return Dataset(root, _title(root) or "SJTU-TIS", records)


def _title(root: Path) -> str:
    """The name in ``dataset.json`` of somebody's own data; ``""`` without that file.

    Raises:
        CsalganError: it holds no name.
    """
    path = root / _ABOUT
    if not path.exists():
        return ""
    about = read_any_json(path)
    name = about.get("name") if isinstance(about, dict) else None
    if not isinstance(name, str) or not name.strip() or not name.isprintable():
        raise CsalganError(f'{path}: must hold {{"name": "…"}}, on one line.')
    return name.strip()


def refuse(root: Path, faults: list[Fault]) -> None:
    """Raise for the first fault that keeps a dataset from being used."""
    errors = sorted(fault for fault in faults if fault.severity == "error")
    if errors:
        more = f" (and {len(errors) - 1} more faults)" if len(errors) > 1 else ""
        raise CsalganError(
            f"{shown(root / errors[0].file)}: {errors[0].message}{more}; "
            f"`csalgan data check {root}` lists them."
        )


def survey(root: Path, *, whole: bool = False) -> tuple[pd.DataFrame, list[Fault]]:
    """Look a dataset over.

    Args:
        whole: look at all bytes and pixels, and at the workbook beside ``image_text.json``.

    Returns:
        the table of records (:class:`Dataset`) and every fault; it can be used without errors.
    """
    faults: list[Fault] = []
    files = {folder: _list(root, folder, faults) for folder in FOLDERS}
    # A photograph named like a record (with a suffix) announces one, as maps and fixations do.
    names = {*files["map"], *files["fixation"], *(stem for stem in files["image"] if "_" in stem)}
    names |= files["image"].keys() - {parse_stem(name).image_id for name in names}
    if not names and (root / "map").is_dir():
        faults.append(Fault("map/", "missing map", "holds no maps; copy the dataset again"))
    sentences = _sentences(root, faults, whole)
    keys = {parse_stem(name).key for name in names}
    if left := [key for key in sentences or () if key not in keys]:  # a part of the release
        message = f"{counted(len(left), 'sentence')} whose record is not here: {' '.join(left)}"
        faults.append(Fault("sentences", "sentence without record", message))
    if (path := root / truth.NAME).exists():
        try:
            truth.read_truth(path, names)
        except CsalganError as error:
            faults.append(Fault.of(path.name, path, error, "unreadable truth"))
    stems = sorted(map(parse_stem, names))
    images = [list(group) for _, group in groupby(stems, lambda stem: stem.image_id)]
    with ThreadPoolExecutor(2) as pool:  # reading and decoding release the lock
        looked = pool.map(lambda group: _look(group, files, sentences, whole), images)
        if whole:
            looked = Progress(looked, total=len(images), desc="check", unit=" images")
        rows = []
        for found, wrong in looked:
            rows += found
            faults += wrong
    records = pd.DataFrame(rows, columns=COLUMNS[:-2])
    drawn, title = (root / truth.NAME).exists(), ""  # drawn scenes' ids are made up
    try:
        title = "drawn" if drawn else _title(root)
    except CsalganError as error:
        faults.append(Fault.of(_ABOUT, root / _ABOUT, error, "unreadable name"))
    records["source"] = title or records["image_id"].map(source_of)
    records["n_records"] = records.groupby("image_id")["record"].transform("size")
    return records, sorted(set(faults))


def _list(root: Path, folder: str, faults: list[Fault]) -> dict[str, Path]:
    """Stem → file of one folder; what does not belong there becomes a fault.

    A record's files are found by their stem whatever the case of their suffix, so two files with
    one stem (``a.png``, ``a.PNG``, ``a.jpg``) are one record twice.
    """
    if not (root / folder).is_dir():
        message = f"there is no {folder}/ folder; give the one that holds image/, map/, fixation/"
        faults.append(Fault(f"{folder}/", "missing folder", message))
        return {}
    found: dict[str, Path] = {}
    for path in sorted((root / folder).iterdir()):
        if path.name.startswith(".") or path.name in CLUTTER:
            about = "not a dataset file", "a system file, left aside"
        elif path.suffix.lower() not in _SUFFIXES:
            about = "unknown name", "neither PNG nor JPEG; remove it"
        elif parse_stem(path.stem) is None:
            about = "unknown name", "no record's name (8 to 12 digits, then nothing or _0 … _3)"
        elif path.stem in found:
            about = "duplicate record", f"the record stands in {found[path.stem].name} already"
        else:
            found[path.stem] = path
            continue
        faults.append(Fault(f"{folder}/{shown(path.name)}", *about))
    return found


def _sentences(root: Path, faults: list[Fault], both: bool) -> dict[str, str] | None:
    """Sentences by key, read from whatever stands there; None when nothing can be read."""
    found = find_sentences(root)
    if not found:
        message = "neither this file nor a workbook is there"
        faults.append(Fault("image_text.json", "missing sentences", message))
    read = []
    for path in found if both else found[:1]:
        try:
            read.append(read_json(path) if path.suffix == ".json" else read_workbook(path))
        except CsalganError as error:
            faults.append(Fault.of(path.name, path, error, "unreadable sentences"))
    if len(read) == 2:
        one, other = ({key: text for key, text in each.items() if text} for each in read)
        for key in one.keys() | other.keys():
            if one.get(key) != other.get(key):
                message = f"record {key} has another sentence than in {found[0].name}"
                faults.append(Fault(found[1].name, "sentences disagree", message))
    return read[0] if read else None


def _look(
    stems: list, files: dict[str, dict[str, Path]], sentences: dict[str, str] | None, whole: bool
) -> tuple[list[tuple], list[Fault]]:
    """Rows of the records of one image, in the order of conditions, and their faults.

    An image has two records (_0 and no suffix) or four (_0 … _3), and all but _0 a sentence. The
    three pictures of a record have one size. A photograph that records share is opened once.
    """
    rows, faults = [], []

    def fault(file: str, kind: str, message: str) -> None:
        faults.append(Fault(file, kind, message))

    told, image_id = sentences or {}, stems[0].image_id
    here, bare = {stem.suffix for stem in stems}, image_id.lstrip("0")
    four = here & set("123") or any(f"{bare}_{suffix}" in told for suffix in "123")
    for suffix in (set("0123") if four else {"0", ""}) - here:
        name = f"{image_id}_{suffix}".removesuffix("_")
        fault(f"map/{name}", "missing record", f"record {name} is gone, though others are here")
    if four and "" in here:
        message = "a record without suffix beside _1 … _3 of the same image; keep one kind"
        fault(f"map/{image_id}", "duplicate record", message)
    sizes: dict[Path, tuple[int, int]] = {}
    for stem in sorted(stems, key=lambda stem: CONDITIONS.index(stem.condition)):
        name, text = stem.name, told.get(stem.key, "")
        if stem.condition == "none" and text:
            message = f"record {name} is free viewing but has a sentence; it is not used"
            fault("sentences", "sentence of free viewing", message)
            text = ""
        if stem.condition != "none" and not text and sentences is not None:
            message = f"record {name} ({stem.condition}) has no sentence in {_SENTENCES}"
            fault(f"map/{name}", "missing sentence", message)
        paths = {folder: files[folder].get(name) for folder in FOLDERS}
        paths["image"] = paths["image"] or files["image"].get(image_id)
        for folder, path in paths.items():
            if path is None:
                fault(
                    f"{folder}/{name}", f"missing {folder}", f"record {name} has no {folder} file"
                )
            elif path not in sizes:
                try:
                    measure = pictures.checked_size if whole else pictures.size_of
                    sizes[path] = measure(folder, path)
                except CsalganError as error:
                    faults.append(Fault.of(f"{folder}/{path.name}", path, error))
        shapes = {folder: sizes[path] for folder, path in paths.items() if path in sizes}
        if len(set(shapes.values())) > 1:
            differ = ", ".join(f"{folder} {w} × {h}" for folder, (h, w) in shapes.items())
            file = paths["map"] or paths["fixation"]
            fault(f"{file.parent.name}/{file.name}", "size mismatch", f"sizes differ: {differ}")
        height, width = shapes.get("map", (0, 0))
        row = (name, image_id, stem.condition, text)
        rows.append((*row, *(str(paths[folder] or "") for folder in FOLDERS), width, height))
    return rows, faults
