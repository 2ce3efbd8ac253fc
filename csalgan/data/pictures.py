"""What the three files of a record may be: the one place that decides.

A photograph is a PNG or JPEG with 8 bits a channel, seen as its EXIF note turns it. A map is 8-bit
grey (channels may be stored thrice when they are equal) and not constant. A fixation image is
black and white, 0 and 255, with at least one white pixel. All three have one size. Whatever opens
a dataset asks :func:`size_of` (headers only), whatever decodes a file asks :func:`read`, and
``csalgan data check`` reads every file with it.
"""

import os
from pathlib import Path

import numpy as np
from PIL import Image

from csalgan.data.photographs import is_turned, opened, require_8_bit, upright, upright_size
from csalgan.data.records import parse_stem
from csalgan.files.errors import CsalganError
from csalgan.files.inputs import shown

#: The folders of a dataset; one file a record in each (photographs may be shared).
FOLDERS = ("image", "map", "fixation")
SUFFIXES = (".png", ".jpg", ".jpeg")

#: The modes that 8-bit grey, or black and white, may be stored in.
_GREY_MODES = ("L", "LA", "1", "P", "PA", "RGB", "RGBA")


class BadFile(CsalganError):
    """A file that is not what its folder holds.

    Attributes:
        kind: of fault, as ``csalgan data check`` prints it.
        message: what is wrong, without the file's name.
    """

    def __init__(self, path: str | os.PathLike, kind: str, message: str):
        super().__init__(
            f"{shown(path)}: {message}; `csalgan data check` names every fault of its dataset."
        )
        self.kind, self.message = kind, message


def size_of(folder: str, path: str | os.PathLike) -> tuple[int, int]:
    """(height, width) of a record's file as it is seen, from its header; nothing is decoded.

    Args:
        folder: ``image``, ``map`` or ``fixation``.

    Raises:
        BadFile: no picture, or not one that this folder may hold.
    """
    try:
        with opened(path) as picture:
            _check_header(folder, path, picture)
            return upright_size(picture)
    except BadFile:
        raise
    except CsalganError as error:
        raise _unreadable(path, error) from error


def read(folder: str, path: str | os.PathLike) -> np.ndarray:
    """Decode a record's file.

    Returns:
        ``image``: uint8 (H, W, 3) RGB, transparency dropped (not blended); ``map``: uint8 (H, W);
        ``fixation``: bool (H, W), True where somebody looked.

    Raises:
        BadFile: as :func:`size_of`; or damaged, coloured, constant, empty, or other values.
    """
    try:
        with opened(path) as picture:
            _check_header(folder, path, picture)
            picture.load()
            if folder == "image":
                return _colours(upright(picture))
            _check_header(folder, path, picture)  # a PNG's note may stand behind its pixels
            return _map(path, picture) if folder == "map" else _fixations(path, picture)
    except BadFile:
        raise
    except CsalganError as error:
        raise _unreadable(path, error) from error


def verify(path: str | os.PathLike) -> None:
    """Check the checksums and the end of a file, which decoding does not look at.

    Raises:
        BadFile: the file is damaged.
    """
    try:
        with opened(path) as picture:
            picture.verify()
    except CsalganError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: str | os.PathLike, error: CsalganError) -> BadFile:
    message = str(error).removeprefix(f"{shown(path)}: ").rstrip(".")
    if isinstance(error.__cause__, FileNotFoundError):
        message = "is missing; copy the dataset again"
    return BadFile(path, "unreadable file", message)


def _check_header(folder: str, path: str | os.PathLike, picture: Image.Image) -> None:
    kind = "map not grey" if folder == "map" else "fixation values"
    if folder == "image":
        require_8_bit(picture, shown(path))
    elif picture.mode not in _GREY_MODES or _is_deep(picture):
        raise BadFile(path, kind, f"mode {_mode(picture)}; must be 8-bit grey")
    elif is_turned(picture):
        raise BadFile(path, "turned by EXIF", "is turned by an EXIF note; store it as it is seen")


def _is_deep(picture: Image.Image) -> bool:
    """Whether a PNG has 16 bits a channel, of which Pillow hands out the upper 8."""
    return picture.format == "PNG" and "16" in str([tile.args for tile in picture.tile])


def _mode(picture: Image.Image) -> str:
    return f"{picture.mode} of 16 bits" if picture.mode in _GREY_MODES else picture.mode


def _colours(picture: Image.Image) -> np.ndarray:
    if picture.mode == "RGBA":
        return np.asarray(picture)[..., :3]  # the colours under the alpha channel
    return np.asarray(picture.convert("RGB"))


def _grey(picture: Image.Image) -> np.ndarray | None:
    """uint8 (H, W); None when the picture is coloured."""
    if picture.mode in ("L", "LA", "1"):
        return np.asarray(picture.convert("L"))
    red, green, blue = np.moveaxis(_colours(picture), -1, 0)
    return red.copy() if np.array_equal(red, green) and np.array_equal(red, blue) else None


def _map(path: str | os.PathLike, picture: Image.Image) -> np.ndarray:
    grey = _grey(picture)
    if grey is None:
        raise BadFile(path, "map not grey", "is coloured; must be 8-bit grey")
    if grey.min() == grey.max():
        raise BadFile(path, "constant map", f"every pixel is {grey.min()}")
    return grey


def _fixations(path: str | os.PathLike, picture: Image.Image) -> np.ndarray:
    grey = _grey(picture)
    if grey is None:
        raise BadFile(path, "fixation values", "is coloured; must be black and white")
    white = grey == 255
    if np.count_nonzero(white) + np.count_nonzero(grey == 0) != grey.size:
        odd = grey[(grey != 0) & ~white][0]
        raise BadFile(path, "fixation values", f"holds {odd}; only 0 and 255 are allowed")
    if not white.any():
        raise BadFile(path, "empty fixation set", "no pixel is fixated")
    return white


def stems(folder: Path) -> tuple[dict[str, Path], list[tuple[Path, str, str]]]:
    """The pictures of one folder by stem, and what does not belong there.

    A record's files are found by their stem whatever the case of their suffix, so two files with
    one stem (``a.png``, ``a.PNG``, ``a.jpg``) are one record twice.

    Returns:
        stem → file; and (file, kind of fault, message) of every other entry.
    """
    found: dict[str, Path] = {}
    faults: list[tuple[Path, str, str]] = []
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.name in ("Thumbs.db", "desktop.ini"):
            faults.append((path, "not a dataset file", "a system file, left aside"))
        elif path.suffix.lower() not in SUFFIXES:
            faults.append((path, "unknown name", "neither PNG nor JPEG; remove it"))
        elif parse_stem(path.stem) is None:
            message = "no record's name (8 to 12 digits, then nothing or _0 … _3)"
            faults.append((path, "unknown name", message))
        elif path.stem in found:
            message = f"the record stands in {found[path.stem].name} already; keep one"
            faults.append((path, "duplicate record", message))
        else:
            found[path.stem] = path
    return found, faults
