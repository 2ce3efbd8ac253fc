"""A copy of the embedded dataset that a test may damage, and a table of damages."""

import io
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import openpyxl
from attacks import JSONS, NO_PICTURES, exif, picture, png, png_16
from PIL import Image

from csalgan.data import open_dataset
from csalgan.data.sentence_files import JSON_NAME, PARTS_SHEET, WHOLE_SHEET


def copy_of(embedded: Path, folder: Path) -> Path:
    """Copy a dataset, with the workbook that a release has; the copy is a dataset of its own."""
    shutil.copytree(embedded, folder)
    sheets = {WHOLE_SHEET: [["image", "text"]], PARTS_SHEET: [["image", "描述种类", "text"]]}
    kinds = {"1": "整体", "2": "非显著", "3": "显著"}
    for key, text in json.loads((folder / JSON_NAME).read_text(encoding="utf-8")).items():
        image, _, suffix = key.partition("_")
        if suffix in kinds:
            sheets[PARTS_SHEET].append([int(image), kinds[suffix], text])
        elif not suffix:
            sheets[WHOLE_SHEET].append([int(image), text])
    workbook(folder / "text.xlsx", sheets)
    return folder


def workbook(path: Path, sheets: dict[str, list[list]]) -> Path:
    """Write rows of values as a workbook."""
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    book.save(path)
    return path


def a_record(root: Path, condition: str, number: int = 0) -> str:
    """Name of the ``number``-th record of a condition, of a four-record image."""
    records = open_dataset(root).records
    chosen = records[(records["condition"] == condition) & (records["n_records"] == 4)]
    return chosen["record"].iloc[number]


def write(path: Path, pixels: np.ndarray) -> None:
    """Write a picture over another."""
    Image.fromarray(pixels).save(path)


#: What is done to a dataset: takes its folder, gives the name that the refusal must tell.
Damage = Callable[[Path], str]


def _files(root: Path, folder: str) -> list[Path]:
    return sorted((root / folder).iterdir())


def _shared(root: Path) -> Path:
    """The photograph of an image that its records share."""
    return next(path for path in _files(root, "image") if "_" not in path.stem)


def _a_file(root: Path, folder: str) -> Path:
    return _shared(root) if folder == "image" else _files(root, folder)[0]


def _with(folder: str, content: bytes) -> Damage:
    def damage(root: Path) -> str:
        path = _a_file(root, folder)
        path.write_bytes(content)
        return path.stem  # another size is told of the map

    return damage


def _instead(folder: str, make: Callable[[Path], None]) -> Damage:
    def damage(root: Path) -> str:
        path = _a_file(root, folder)
        path.unlink()
        make(path)
        return path.stem

    return damage


def _pixels(folder: str, change: Callable[[np.ndarray], bytes]) -> Damage:
    """The same record in other pixels, as a PNG."""

    def damage(root: Path) -> str:
        path = _a_file(root, folder)
        with Image.open(path) as old:
            grey = np.asarray(old.convert("RGB" if folder == "image" else "L"))
        path.unlink()
        path.with_suffix(".png").write_bytes(change(grey))
        return path.stem

    return damage


def _red(grey: np.ndarray) -> np.ndarray:
    return np.stack([grey, grey // 2, grey // 2], -1)


def _palette(grey: np.ndarray, colour: tuple[int, int, int]) -> bytes:
    made = Image.fromarray(grey).convert("P")
    made.putpalette([channel * k // 255 for k in range(256) for channel in colour])
    return _saved(made)


def _saved(made: Image.Image, **options) -> bytes:
    buffer = io.BytesIO()
    made.save(buffer, "PNG", **options)
    return buffer.getvalue()


def _copied(folder: str, suffix: str) -> Damage:
    def damage(root: Path) -> str:
        path = _a_file(root, folder)
        shutil.copy(path, path.with_suffix(suffix))
        return path.stem

    return damage


def _added(name: str | bytes) -> Damage:
    def damage(root: Path) -> str:
        path = Path(os.fsdecode(os.fsencode(root / "map") + b"/" + os.fsencode(name)))
        path.write_bytes(picture("PNG", "L"))
        return "map/"

    return damage


def _text(name: str, content: bytes | Callable[[dict], object]) -> Damage:
    def damage(root: Path) -> str:
        if name == "image_text.json":
            next(root.glob("*.xlsx")).unlink()
        whole = content
        if callable(content):
            whole = json.dumps(content(json.loads((root / name).read_bytes()))).encode()
        (root / name).write_bytes(whole)
        return name

    return damage


def _without(name: str) -> Damage:
    def damage(root: Path) -> str:
        for path in root.glob(name):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        return name.rstrip("/*")

    return damage


def _turned(grey: np.ndarray) -> bytes:
    """Stored lying down, with a note that says so: as it is seen, it is the same."""
    return _saved(Image.fromarray(np.rot90(grey, -1)), exif=exif(8))


#: Damages that make a dataset unusable.
REFUSED: dict[str, Damage] = {
    **{f"{folder}, {what}": _with(folder, content)
       for folder in ("image", "map", "fixation") for what, content in NO_PICTURES.items()
       if what in ("PNG cut to 2/4", "PNG empty", "PNG text", "PNG zeros", "a GIF",
                   "EPS by Pillow", "20,000 px", "huge header")},
    **{f"{folder}, {what}": _instead(folder, make)
       for folder in ("image", "map", "fixation") for what, make in {
           "missing": lambda path: None,
           "a pipe": lambda path: os.mkfifo(path),
           "a loop of links": lambda path: path.symlink_to(path),
           "a link to nothing": lambda path: path.symlink_to("nowhere"),
           "a folder": lambda path: path.mkdir(),
           "a device": lambda path: path.symlink_to("/dev/zero"),
       }.items()},
    **{f"{folder}, another size": _with(folder, picture("PNG", "L", (33, 21)))
       for folder in ("image", "map", "fixation")},
    **{f"{folder}, twice by {what}": _copied(folder, suffix)
       for folder in ("image", "map", "fixation")
       for what, suffix in (("case", ".PNG"), ("suffix", ".jpeg"))},
    "map, 16 bits": _pixels("map", lambda grey: png(grey.astype(np.uint16) * 200)),
    "map, 16 bits a channel": _pixels("map", lambda grey: png_16(grey.astype(np.uint16) * 200)),
    "map, coloured": _pixels("map", lambda grey: png(_red(grey))),
    "map, coloured palette": _pixels("map", lambda grey: _palette(grey, (255, 0, 0))),
    "map, constant": _pixels("map", lambda grey: png(np.full_like(grey, 7))),
    "map, turned by EXIF": _pixels("map", _turned),
    "fixation, 16 bits": _pixels("fixation", lambda grey: png(grey.astype(np.uint16) * 257)),
    "fixation, coloured": _pixels("fixation", lambda grey: png(_red(grey))),
    "fixation, grey": _pixels("fixation", lambda grey: png(grey // 2)),
    "fixation, none": _pixels("fixation", lambda grey: png(np.zeros_like(grey))),
    "image, 16 bits": _pixels("image", lambda rgb: png(rgb[..., 0].astype(np.uint16) * 257)),
    "image, turned by EXIF": _pixels(
        "image", lambda rgb: _saved(Image.fromarray(rgb), exif=exif(6))
    ),
    "a map of no record": _added("stray.png"),
    "a map that is no picture": _added("notes.txt"),
    "a name that is not UTF-8": _added(b"caf\xe9.png"),
    "no map folder": _without("map"),
    "no fixation folder": _without("fixation"),
    "no image folder": _without("image"),
    "no maps": _without("map/*"),
    "no fixations": _without("fixation/*"),
    **{f"sentences, {what}": _text("image_text.json", content) for what, content in JSONS.items()},
    "sentences, none for a record": _text(
        "image_text.json", lambda texts: {k: v for k, v in texts.items() if "_3" not in k}
    ),
    **{f"truth, {what}": _text("synthetic.json", content) for what, content in {
        "{}": b"{}", "[]": b"[]", "3": b"3", "cut": b'{"seed": ', "empty": b"",
        "nested deeply": b"[" * 100_000, "objects nested deeply": b'{"a":' * 100_000,
        "no UTF-8": b"\xff"}.items()},
    "truth, no kappa": _text("synthetic.json", lambda truth: {**truth, "gaze_model": {}}),
    "truth, no images": _text("synthetic.json", lambda truth: {**truth, "images": {}}),
}  # fmt: skip


def _system_files(root: Path) -> str:
    for folder in ("map", "image"):
        (root / folder / ".DS_Store").write_text("x")
        (root / folder / "Thumbs.db").write_text("x")
    return "map"


def _capitals(root: Path) -> str:
    for path in _files(root, "map"):
        path.rename(path.with_suffix(".PNG"))
    return "map"


#: Changes that leave every value as it was.
ACCEPTED: dict[str, Damage] = {
    "nothing": lambda root: "",
    "system files": _system_files,
    "suffixes in capitals": _capitals,
    "no workbook": _without("*.xlsx"),
    "the workbook alone": _without("image_text.json"),
    "sentences of other images": _text("image_text.json", lambda texts: {**texts, "99_3": "A"}),
    "a map in three channels": _pixels("map", lambda grey: png(np.stack([grey] * 3, -1))),
    "a map in a grey palette": _pixels("map", lambda grey: _palette(grey, (255, 255, 255))),
    "fixations in one bit": _pixels("fixation", lambda grey: png(grey > 0)),
    "a photograph as it is seen": _pixels("image", _turned),
    "a photograph with alpha": _pixels("image", lambda rgb: png(np.dstack([rgb, rgb[..., 0]]))),
}
