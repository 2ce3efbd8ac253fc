"""What names, sentences and headers of a dataset say: cheap, and asked at every opening.

Pixels are another matter: ``pictures`` refuses them as they are decoded, ``check`` reads them all.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from csalgan.data import pictures, truth
from csalgan.data.pictures import FOLDERS
from csalgan.data.records import parse_stem
from csalgan.data.sentence_files import find_sentences, read_json, read_workbook, sentence_key
from csalgan.files.errors import CsalganError
from csalgan.files.inputs import shown

#: Faults that do not keep a dataset from being used.
WARNINGS = (
    *("sentence without record", "sentence of free viewing", "sentences disagree"),
    "not a dataset file",
)


@dataclass(frozen=True, order=True)
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
class Contents:
    """What the names and sentences of a dataset say; no picture has been opened.

    Attributes:
        root: the dataset's folder.
        files: folder → stem → file.
        sentences: by record key; None when they cannot be read.
        faults: of names, sets and sentences.
    """

    root: Path
    files: dict[str, dict[str, Path]] = field(default_factory=dict)
    sentences: dict[str, str] | None = None
    faults: list[Fault] = field(default_factory=list)

    def records(self) -> set[str]:
        """Stems of the records that any file announces."""
        stems = {stem for folder in ("map", "fixation") for stem in self.files[folder]}
        # A photograph named like a record (with a suffix) announces one as well.
        stems |= {stem for stem in self.files["image"] if parse_stem(stem).suffix}
        return stems | {stem for stem in self.files["image"] if not _has_record(stem, stems)}

    def images(self) -> dict[str, list[str]]:
        """Stems of the records of each image, sorted."""
        stems: dict[str, list[str]] = defaultdict(list)
        for stem in sorted(self.records()):
            stems[parse_stem(stem).image_id].append(stem)
        return stems

    def of(self, stem: str) -> dict[str, Path | None]:
        """The three files of a record; photographs may be shared by an image's records."""
        images = self.files["image"]
        return {
            "image": images.get(stem) or images.get(parse_stem(stem).image_id),
            "map": self.files["map"].get(stem),
            "fixation": self.files["fixation"].get(stem),
        }


def look_over(root: Path, *, both: bool = False) -> Contents:
    """Read names and sentences of a dataset, and name the faults that they show.

    Args:
        both: read the workbook too where there is ``image_text.json``, and compare them.
    """
    found = Contents(root)
    for folder in FOLDERS:
        found.files[folder] = _list(root, folder, found.faults)
    found.sentences = _sentences(root, found.faults, both)
    if (path := root / truth.NAME).exists():
        try:
            truth.read_truth(path, sorted(found.records()))
        except CsalganError as error:
            message = str(error).removeprefix(f"{path}: ")
            found.faults.append(Fault(path.name, "unreadable truth", message))
    for image_id, stems in found.images().items():
        found.faults += _check_set(image_id, stems, found.sentences or {})
        for stem in stems:
            for folder, path in found.of(stem).items():
                if path is None:
                    message = f"record {stem} has no {folder} file"
                    found.faults.append(Fault(f"{folder}/{stem}", f"missing {folder}", message))
    if found.sentences is not None:
        names = ", ".join(path.name for path in find_sentences(root).values())
        found.faults += _check_sentences(found.records(), found.sentences, names)
    return found


def open_contents(root: Path) -> tuple[Contents, dict[str, tuple[int, int]]]:
    """Look a dataset over and read the header of every picture; what opening a dataset asks.

    Returns:
        its contents, and the (height, width) of every record that has a map.

    Raises:
        CsalganError: naming the first fault.
    """
    for folder in FOLDERS:
        if not (root / folder).is_dir():
            what = "is empty" if not any(root.iterdir()) else f"has no {folder}/ folder"
            raise CsalganError(
                f"{root}: {what}; give the folder that holds image/, map/ and fixation/."
            )
    found = look_over(root)
    if not found.files["map"]:
        raise CsalganError(f"{root / 'map'}: holds no maps; copy the dataset again.")
    refuse(root, found.faults)
    known: dict[Path, tuple[int, int]] = {}
    sizes = {}
    for stem in found.files["map"]:
        shapes = {}
        for folder, path in found.of(stem).items():
            if path not in known:
                known[path] = pictures.size_of(folder, path)
            shapes[folder] = known[path]
        refuse(root, check_sizes(found.of(stem), shapes))
        sizes[stem] = shapes["map"]
    return found, sizes


def refuse(root: Path, faults: Iterable[Fault]) -> None:
    """Raise for the first fault that keeps a dataset from being used."""
    errors = sorted(f for f in faults if f.severity == "error")
    if errors:
        more = f" (and {len(errors) - 1} more faults)" if len(errors) > 1 else ""
        raise CsalganError(
            f"{shown(root / errors[0].file)}: {errors[0].message}{more}; "
            f"`csalgan data check {root}` lists them."
        )


def _list(root: Path, folder: str, faults: list[Fault]) -> dict[str, Path]:
    """Stem → file of one folder; what does not belong there becomes a fault."""
    if not (root / folder).is_dir():
        faults.append(Fault(f"{folder}/", "missing folder", f"there is no {folder}/ folder"))
        return {}
    found, others = pictures.stems(root / folder)
    faults += [Fault(f"{folder}/{shown(path.name)}", *about) for path, *about in others]
    return found


def _has_record(image_id: str, records: set[str]) -> bool:
    return image_id in records or any(f"{image_id}_{n}" in records for n in range(4))


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


def check_sizes(files: dict[str, Path], shapes: dict[str, tuple[int, int]]) -> Iterator[Fault]:
    """The three pictures of one record have one size."""
    if len(set(shapes.values())) > 1:
        sizes = ", ".join(f"{what} {w} × {h}" for what, (h, w) in shapes.items())
        folder = "map" if "map" in files else "fixation"
        name = f"{folder}/{files[folder].name}"
        yield Fault(name, "size mismatch", f"sizes differ: {sizes}")


def _sentences(root: Path, faults: list[Fault], both: bool) -> dict[str, str] | None:
    """Sentences by key, read from whatever stands there; None when nothing can be read."""
    found = find_sentences(root)
    if not found:
        message = "neither this file nor a workbook is there"
        faults.append(Fault("image_text.json", "missing sentences", message))
    read: dict[str, dict[str, str]] = {}
    for kind, path in found.items() if both else list(found.items())[:1]:
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


def _check_sentences(records: set[str], sentences: dict[str, str], names: str) -> Iterator[Fault]:
    keys, images = set(), set()
    for stem in sorted(records):
        parsed = parse_stem(stem)
        key = sentence_key(parsed.image_id, parsed.suffix)
        keys.add(key)
        images.add(sentence_key(parsed.image_id, ""))
        if parsed.condition != "none" and not sentences.get(key):
            message = f"record {stem} ({parsed.condition}) has no sentence in {names}"
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
