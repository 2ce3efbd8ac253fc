"""The sentences of a dataset: from ``image_text.json`` or the released workbook.

Both know a record by its image's id without leading zeros, and its suffix: ``71_0``, ``71``.
"""

import zipfile
from pathlib import Path

import pandas as pd

from csalgan.files import inputs
from csalgan.files.errors import CsalganError

JSON_NAME = "image_text.json"
#: The workbook's two sheets and the columns read from each.
WHOLE_SHEET, PARTS_SHEET = "整体", "部分-实验设置"
_COLUMNS = {WHOLE_SHEET: ["image", "text"], PARTS_SHEET: ["image", "描述种类", "text"]}
#: 描述种类 (kind of description) → suffix of the record.
_SUFFIX_OF_KIND = {"整体": "_1", "非显著": "_2", "显著": "_3"}
#: The released workbook has 70 kB, 300 kB when its parts are unpacked, and 1,500 rows.
_MOST_BYTES, _MOST_ROWS = 32 * 2**20, 100_000


def find_sentences(root: Path) -> list[Path]:
    """The sentence files that stand in ``root``: ``image_text.json`` first, then a workbook."""
    workbooks = sorted(path for path in root.glob("*.xlsx") if not path.name.startswith("~$"))
    return [path for path in (root / JSON_NAME, *workbooks[:1]) if path.is_file()]


def read_json(path: Path) -> dict[str, str]:
    """``image_text.json``: ``{"71_0": "", "71": "A passenger train …"}``.

    Raises:
        CsalganError: not JSON, a key twice, or a value that is not a sentence.
    """

    def once(pairs: list[tuple[str, object]]) -> dict[str, object]:
        if len(values := dict(pairs)) < len(pairs):
            keys = [key for key, _ in pairs]
            key = next(key for key in keys if keys.count(key) > 1)
            raise CsalganError(f"{path}: the key {key!r} stands there twice; keep one.")
        return values

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
    with inputs.open_file(path, _MOST_BYTES) as file:
        try:
            if sum(part.file_size for part in zipfile.ZipFile(file).infolist()) > _MOST_BYTES:
                raise ValueError("unpacks to more than a workbook has")
            options = {"dtype": str, "keep_default_na": False, "nrows": _MOST_ROWS + 1}
            sheets = pd.read_excel(file, [*_COLUMNS], engine="openpyxl", **options)
            tables = [sheets[name][columns] for name, columns in _COLUMNS.items()]
            if max(map(len, tables)) > _MOST_ROWS:
                raise ValueError(f"more than {_MOST_ROWS} rows")
        except Exception as error:  # openpyxl lets its XML parser's own errors through
            why = " ".join(str(error).split())
            raise CsalganError(
                f"{path}: not readable as the released workbook ({why}); copy it again."
            ) from error
    table = pd.concat(tables).fillna("").apply(lambda column: column.str.strip())
    table = table[(table != "").any(axis=1)]
    kinds = table["描述种类"].map({"": "", **_SUFFIX_OF_KIND})
    keys = table["image"].str.lstrip("0") + kinds
    for wrong, what in (
        (~table["image"].str.isdecimal(), "is not an image id"),
        (kinds.isna(), f"has another 描述种类 than {', '.join(_SUFFIX_OF_KIND)}"),
        (keys.duplicated(), "gives a record a second sentence"),
    ):
        if wrong.any():
            row = table[wrong].iloc[0]
            raise CsalganError(f"{path}: {row['image']!r} {row['描述种类']} {what}; correct it.")
    return dict(zip(keys, table["text"], strict=True))
