"""CSV files that a spreadsheet shows and does not run.

A text cell that begins with ``=``, ``+``, ``-``, ``@`` or a control character is a formula to a
spreadsheet, and sentences and file names come from anybody. Such a cell gets a ``'`` in front,
which tells a spreadsheet that it is text; :func:`read_csv` takes it off again. Numbers, and text
that is nothing but a number, are written as they are.
"""

import os
import re
from pathlib import Path
from typing import Any

import pandas as pd
from pandas.api.types import is_numeric_dtype

from csalgan.files.errors import CsalganError
from csalgan.files.inputs import MOST_TEXT, open_file, shown
from csalgan.files.writing import write_text

#: What begins a formula (the wide forms do in some languages), quoted before or not.
_FORMULA = re.compile(r"'*[=+\-@\t\r\n＝＋－＠]")
_NUMBER = re.compile(r"[+-](\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.ASCII)


def csv_text(table: pd.DataFrame, **options: Any) -> str:
    """A table as CSV, its text neutralised.

    Args:
        options: of :meth:`pandas.DataFrame.to_csv`; ``index`` is False unless it is given.
    """
    quoted = table.apply(lambda column: column if is_numeric_dtype(column) else column.map(_quote))
    quoted = quoted.rename(columns=_quote, index=_quote if options.get("index") else None)
    return quoted.to_csv(**{"index": False, **options})


def write_csv(path: str | os.PathLike, table: pd.DataFrame, **options: Any) -> Path:
    """Write :func:`csv_text` atomically and give back the path."""
    return write_text(path, csv_text(table, **options))


def read_csv(path: str | os.PathLike, *, most: int = MOST_TEXT, **options: Any) -> pd.DataFrame:
    """Read a CSV file; text that :func:`write_csv` neutralised is what it was.

    Args:
        most: bytes it may have.
        options: of :func:`pandas.read_csv`.

    Raises:
        CsalganError: no readable file, or not CSV.
        FileNotFoundError: there is none.
    """
    try:
        with open_file(path, most) as file:
            table = pd.read_csv(file, compression=None, **options)
    except (ValueError, OverflowError, MemoryError) as error:
        raise CsalganError(f"{shown(path)}: cannot be read as CSV; write it again.") from error
    table = table.apply(lambda column: column if is_numeric_dtype(column) else column.map(_unquote))
    return table.rename(columns=_unquote)


def _quote(value: Any) -> Any:
    if isinstance(value, str) and _FORMULA.match(value) and not _NUMBER.fullmatch(value):
        return f"'{value}"
    return value


def _unquote(value: Any) -> Any:
    quoted = isinstance(value, str) and value.startswith("'") and _FORMULA.match(value)
    return value[1:] if quoted else value
