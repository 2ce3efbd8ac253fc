"""The sentences of a dataset: from ``image_text.json`` or the released workbook."""

import zipfile
from pathlib import Path

from csalgan.files import inputs
from csalgan.files.errors import CsalganError

JSON_NAME = "image_text.json"

#: The workbook's two sheets and the columns read from each.
WHOLE_SHEET, PARTS_SHEET = "整体", "部分-实验设置"
#: 描述种类 (kind of description) → suffix of the record.
_SUFFIX_OF_KIND = {"整体": "1", "非显著": "2", "显著": "3"}


#: The released workbook has 70 kB, 300 kB when its parts are unpacked, and 1,500 rows.
_MOST_BYTES, _MOST_ROWS = 32 * 2**20, 100_000


def sentence_key(image_id: str, suffix: str) -> str:
    """A record's key in the sentence files: unpadded id and suffix."""
    key = image_id.lstrip("0")
    return f"{key}_{suffix}" if suffix else key


def find_sentences(root: Path) -> dict[str, Path]:
    """``{"json": path, "workbook": path}`` of the sentence files that stand in ``root``."""
    found = {}
    if (root / JSON_NAME).is_file():
        found["json"] = root / JSON_NAME
    workbooks = sorted(path for path in root.glob("*.xlsx") if not path.name.startswith("~$"))
    if workbooks:
        found["workbook"] = workbooks[0]
    return found


def read_json(path: Path) -> dict[str, str]:
    """``image_text.json``: ``{"71_0": "", "71": "A passenger train …"}``.

    Raises:
        CsalganError: not JSON, a key twice, or a value that is not a sentence.
    """

    def once(pairs: list[tuple[str, object]]) -> dict[str, object]:
        seen: dict[str, object] = {}
        for key, value in pairs:
            if key in seen:
                raise CsalganError(f"{path}: the key {key!r} stands there twice; keep one.")
            seen[key] = value
        return seen

    values = inputs.read_json(path, object_pairs_hook=once)
    if not isinstance(values, dict):
        raise CsalganError(f"{path}: must hold an object of record names and sentences.")
    for key, value in values.items():
        if not isinstance(value, str):
            raise CsalganError(f"{path}: the value of {key!r} is not a sentence; put it in quotes.")
    return {key: value.strip() for key, value in values.items()}


def read_workbook(path: Path) -> dict[str, str]:
    """The released workbook; formulas are not evaluated (their cached text is read).

    Raises:
        CsalganError: not a workbook, a sheet or a column is missing, an unknown kind or bad id.
    """
    import openpyxl  # only datasets without image_text.json need it

    with inputs.open_file(path, _MOST_BYTES) as file:
        try:
            unpacked = sum(part.file_size for part in zipfile.ZipFile(file).infolist())
            if unpacked <= _MOST_BYTES:
                book = openpyxl.load_workbook(file, read_only=True, data_only=True)
        except Exception as error:  # openpyxl lets its XML parser's own errors through
            raise CsalganError(f"{path}: not readable as a workbook; copy it again.") from error
        if unpacked > _MOST_BYTES:
            raise CsalganError(
                f"{path}: unpacks to {unpacked / 1e6:.0f} MB, which no release does; copy it again."
            )
        return _read_book(path, book)


def _read_book(path: Path, book) -> dict[str, str]:
    try:
        sentences = {}
        for sheet in (WHOLE_SHEET, PARTS_SHEET):
            if sheet not in book.sheetnames:
                raise CsalganError(
                    f"{path}: no sheet {sheet} (sheets: {', '.join(book.sheetnames)}); "
                    "use the workbook as released."
                )
        for (image, text), line in _rows(path, book, WHOLE_SHEET, ("image", "text")):
            _add(sentences, f"{_id(path, WHOLE_SHEET, line, image)}", text, path, line)
        columns = ("image", "描述种类", "text")
        for (image, kind, text), line in _rows(path, book, PARTS_SHEET, columns):
            suffix = _SUFFIX_OF_KIND.get(str(kind).strip())
            if suffix is None:
                raise CsalganError(
                    f"{path}: {PARTS_SHEET}, row {line}: unknown 描述种类 {kind!r}; "
                    f"use {', '.join(_SUFFIX_OF_KIND)}."
                )
            key = f"{_id(path, PARTS_SHEET, line, image)}_{suffix}"
            _add(sentences, key, text, path, line)
        return sentences
    finally:
        book.close()


def _rows(path: Path, book, sheet: str, columns: tuple[str, ...]):
    """Values of the named columns, row by row, with the row's number; empty rows are skipped."""
    book[sheet].reset_dimensions()  # what it says of its size may be wrong
    rows = book[sheet].iter_rows(values_only=True)
    header = [str(cell).strip() if cell is not None else "" for cell in next(rows, ())]
    for column in columns:
        if column not in header:
            raise CsalganError(
                f"{path}: sheet {sheet} has no column {column}; use the workbook as released."
            )
    places = [header.index(column) for column in columns]
    for line, row in enumerate(rows, start=2):
        if line > _MOST_ROWS:
            raise CsalganError(
                f"{path}: sheet {sheet} has more than {_MOST_ROWS} rows; use the workbook as "
                "released."
            )
        values = [row[place] if place < len(row) else None for place in places]
        if any(value is not None for value in values):
            yield values, line


def _id(path: Path, sheet: str, line: int, value: object) -> str:
    """An id as it stands in the JSON keys: digits without leading zeros."""
    text = str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
    if not text.strip().isdecimal():
        raise CsalganError(f"{path}: {sheet}, row {line}: {value!r} is not an image id.")
    return text.strip().lstrip("0")


def _add(sentences: dict[str, str], key: str, text: object, path: Path, line: int) -> None:
    if key in sentences:
        raise CsalganError(f"{path}: row {line} gives record {key} a second sentence; keep one.")
    sentences[key] = "" if text is None else str(text).strip()
