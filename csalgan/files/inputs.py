"""Opening files that somebody else made: regular files only, no larger than they may be.

The size is asked before anything is read, and a pipe or a device is refused instead of waited for.
"""

import json
import os
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO
from unicodedata import category

from csalgan.files.errors import CsalganError, nearest

if TYPE_CHECKING:
    from pydantic import ValidationError

#: JSON, YAML and CSV (but scores) of this size and more are none that the suite wrote or reads.
MOST_TEXT = 256 * 2**20
#: The largest seed: numpy and scikit-learn take 32 bits, and a thousand more may follow it.
MOST_SEED = 2**31


def open_file(path: str | os.PathLike, most: int = MOST_TEXT) -> BinaryIO:
    """Open a regular file for reading.

    Args:
        most: bytes it may have.

    Raises:
        CsalganError: no regular file (a folder, a pipe, a device, a loop of links), unreadable,
            or larger than ``most``.
        FileNotFoundError: there is none; the caller knows what to do about it.
    """
    path = Path(path)
    try:
        # A pipe would keep an ordinary open waiting for a writer.
        number = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    except FileNotFoundError:
        raise
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
        why = getattr(error, "strerror", None) or "not a file's name"
        raise CsalganError(f"{shown(path)}: cannot be opened ({why}); check the path.") from error
    about = os.fstat(number)
    regular = stat.S_ISREG(about.st_mode)
    if regular and about.st_size <= most:
        return os.fdopen(number, "rb")
    os.close(number)
    if not regular:
        raise CsalganError(f"{shown(path)}: is no regular file; give a file that can be read.")
    raise CsalganError(
        f"{shown(path)}: {about.st_size / 1e6:.0f} MB are more than the {most / 1e6:.0f} MB that "
        "such a file may have; is it the right one?"
    )


def read_text(path: str | os.PathLike, most: int = MOST_TEXT) -> str:
    """The UTF-8 text of a file (see :func:`open_file`; ``UnicodeError`` when it is none)."""
    with open_file(path, most) as file:
        return file.read().decode("utf-8")


def read_json(path: str | os.PathLike, **options: Any) -> Any:
    """The content of a JSON file.

    Args:
        options: of :func:`json.loads`.

    Raises:
        CsalganError: not a readable file, not UTF-8, not JSON, or nested too deeply.
        FileNotFoundError: there is none.
    """
    try:
        return json.loads(read_text(path), **options)
    except (ValueError, RecursionError) as error:
        raise CsalganError(f"{shown(path)}: not readable as JSON; copy it again.") from error


def shown(path: str | os.PathLike) -> str:
    """A path as it can be printed: bytes of its name that are no UTF-8 are escaped."""
    return os.fspath(path).encode("utf-8", "backslashreplace").decode("utf-8")


def printable(text: str) -> str:
    """Text on one line: line breaks, escapes and lone surrogates are shown, not obeyed."""
    return "".join(
        repr(character)[1:-1] if category(character) in ("Cc", "Cs") else character
        for character in text
    )


def require_utf8(path: Path) -> None:
    """Refuse a name or an argument that cannot be written into a table or a report.

    Raises:
        CsalganError: the name is not UTF-8.
    """
    if shown(path) != os.fspath(path):
        raise CsalganError(f"{shown(path)}: not UTF-8; rename it.")


def first_fault(
    error: "ValidationError", where: str = "csalgan/config.py", known: Iterable[str] = ()
) -> str:
    """The first fault that a pydantic schema found, by name, and how many more there are.

    Args:
        where: the file that says what is right.
        known: every key there is; the one most like an unknown key is named.
    """
    faults = error.errors()
    # An unknown key first: it may be why another one is missing.
    first = min(faults, key=lambda fault: fault["type"] != "extra_forbidden")
    key = ".".join(str(part) for part in first["loc"]) or "the file"
    if first["type"] == "extra_forbidden":
        what = f"unknown key {key}{nearest(key, known)}"
    elif first["type"] == "missing":
        what = f"{key} is missing"
    else:
        message = first["msg"].removeprefix("Value error, ")
        given = repr(first["input"])
        given = given if len(given) < 80 else f"{given[:80]}…"
        what = f"{key}={given} is refused: {message[0].lower()}{message[1:]}"
        if first["type"] == "value_error":  # of the whole, where it names no key
            what = f"{key} is refused: {message}" if first["loc"] else message
    more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
    return f"{what}{more}; see {where} for every key and its type."
