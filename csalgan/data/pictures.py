"""The one place that opens pictures, and the one that says what a record's three files may be.

Formats are named (Pillow would hand a PostScript file to Ghostscript), sizes are read from the
header before a pixel is decoded, and whatever a decoder raises becomes one sentence.

A photograph is a PNG or JPEG with 8 bits a channel, seen as its EXIF note turns it. A map is 8-bit
grey (channels may be stored thrice when they are equal) and not constant. A fixation image is
black and white, 0 and 255, with at least one white pixel.
"""

import os
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import ExifTags, Image, ImageOps

from csalgan.files.errors import CsalganError
from csalgan.files.inputs import open_file, shown

#: The folders of a dataset; one file a record in each (photographs may be shared).
FOLDERS = ("image", "map", "fixation")
#: What maps and datasets are made of; photographs that somebody brings may be WebP too.
FORMATS = ("PNG", "JPEG")
PHOTOGRAPHS = (*FORMATS, "WEBP")
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
#: A larger picture is refused before it is decoded (a phone's 12 to 24 megapixels pass).
MAX_PIXELS = 40_000_000
#: The longest side of a JPEG, which overlays are.
MAX_SIDE = 65_500
#: No picture of that many pixels takes more bytes than this.
_MOST_BYTES = 8 * MAX_PIXELS
#: The modes that 8-bit grey, or black and white, may be stored in.
_GREY_MODES = ("L", "LA", "1", "P", "PA", "RGB", "RGBA")
#: Folder → the kind of fault of a picture of other colours or values.
_WRONG = {"map": "map not grey", "fixation": "fixation values"}
#: What Pillow's decoders raise on files that are cut short, altered or made to harm.
_BROKEN = (
    *(OSError, ValueError, SyntaxError, EOFError, TypeError, LookupError, ArithmeticError),
    *(struct.error, zlib.error, MemoryError),
)


class BadFile(CsalganError):
    """A picture that is not what it should be; ``kind`` as ``csalgan data check`` prints it."""

    def __init__(self, name: str | os.PathLike, message: str, kind: str = "unreadable file"):
        super().__init__(f"{shown(name)}: {message}.")
        self.kind = kind


@contextmanager
def opened(
    source: str | os.PathLike | BinaryIO, name: str = "", formats: tuple[str, ...] = FORMATS
) -> Iterator[Image.Image]:
    """Open a picture and hand it out; its pixels are decoded when the block asks for them.

    Args:
        source: a path, or an open binary file with ``name`` for the message.
        formats: Pillow's names of the formats that are tried.

    Raises:
        CsalganError: no such file, no regular file, another format, damaged, more than
            :data:`MAX_PIXELS` pixels, or a side longer than :data:`MAX_SIDE`. Errors that decoding
            raises inside the block are turned into it too.
    """
    is_path = isinstance(source, str | os.PathLike)
    name = name or source
    too_large = f"has more than {MAX_PIXELS / 1e6:.0f} megapixels, or {MAX_SIDE} pixels a side"
    too_large += "; make it smaller"
    try:
        opening = open_file(source, _MOST_BYTES) if is_path else nullcontext(source)
        with opening as file, warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(file, formats=formats) as picture:
                if picture.width * picture.height > MAX_PIXELS or max(picture.size) > MAX_SIDE:
                    raise BadFile(name, too_large)
                yield picture
    except FileNotFoundError as error:
        raise BadFile(name, "no such file; check the path") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise BadFile(name, too_large) from error
    except _BROKEN as error:
        wanted = "PNG, JPEG or WebP" if "WEBP" in formats else " or ".join(formats)
        raise BadFile(
            name, f"is not a picture that can be read; give a whole {wanted} file"
        ) from error


def read_photograph(
    source: str | Path | BinaryIO, name: str = "", *, side: int | None = None
) -> np.ndarray:
    """Decode a photograph that somebody brought.

    It is turned upright by its EXIF note and laid on white where it is transparent.

    Args:
        source, name: see :func:`opened`; JPEG, PNG or WebP.
        side: make it smaller when a side is longer than this.

    Returns:
        uint8 (H, W, 3) RGB.

    Raises:
        CsalganError: see :func:`opened`; or its pixels have more than 8 bits and are grey.
    """
    with opened(source, name, formats=PHOTOGRAPHS) as picture:
        _require_8_bit(name or source, picture)
        if side:
            picture.draft("RGB", (side, side))  # JPEG: decode small at once
            picture.thumbnail((side, side))
        return as_seen(picture, name or source)


def as_seen(picture: Image.Image, name: str | os.PathLike | BinaryIO = "the picture") -> np.ndarray:
    """Pixels of a picture as somebody sees it: upright, laid on white where it is transparent.

    Returns:
        uint8 (H, W, 3) RGB.

    Raises:
        CsalganError: its pixels have more than 8 bits and are grey.
    """
    _require_8_bit(name, picture)
    seen = ImageOps.exif_transpose(picture)
    if seen.has_transparency_data:
        seen = seen.convert("RGBA")
        seen = Image.alpha_composite(Image.new("RGBA", seen.size, "white"), seen)
    return np.asarray(seen.convert("RGB"))


def require_photograph(path: Path) -> int:
    """How many pixels a photograph has; refuses what cannot be read, to the end."""
    with opened(path, formats=PHOTOGRAPHS) as picture:
        _require_8_bit(path, picture)
        pixels = picture.width * picture.height
        picture.draft("RGB", (1, 1))  # JPEG: all of the file, an eighth of the arithmetic
        picture.load()
        return pixels


def size_of(folder: str, path: str | os.PathLike) -> tuple[int, int]:
    """(height, width) of a record's file as it is seen, from its header; nothing is decoded.

    Args:
        folder: ``image``, ``map`` or ``fixation``.

    Raises:
        CsalganError: no picture, or not one that this folder may hold.
    """
    with opened(path) as picture:
        _check_header(folder, path, picture)
        sideways = _orientation(picture) in (5, 6, 7, 8)
        return picture.size if sideways else picture.size[::-1]


def read(folder: str, path: str | os.PathLike) -> np.ndarray:
    """Decode a record's file.

    Returns:
        ``image``: uint8 (H, W, 3) RGB, transparency dropped (not blended); ``map``: uint8 (H, W);
        ``fixation``: bool (H, W), True where somebody looked.

    Raises:
        CsalganError: as :func:`size_of`; or damaged, coloured, constant, empty, or other values.
    """
    with opened(path) as picture:
        _check_header(folder, path, picture)
        picture.load()
        if folder == "image":
            return np.asarray(ImageOps.exif_transpose(picture).convert("RGB"))
        _check_header(folder, path, picture)  # a PNG's note may stand behind its pixels
        red, green, blue = np.moveaxis(np.asarray(picture.convert("RGB")), -1, 0)
    if not (np.array_equal(red, green) and np.array_equal(red, blue)):
        raise BadFile(path, "is coloured; must be grey", _WRONG[folder])
    if folder == "map":
        if red.min() == red.max():
            raise BadFile(path, f"every pixel is {red[0, 0]}", "constant map")
        return red.copy()
    white = red == 255
    if (odd := red[(red > 0) & ~white]).size:
        raise BadFile(path, f"holds {odd[0]}; only 0 and 255 are allowed", _WRONG[folder])
    if not white.any():
        raise BadFile(path, "no pixel is fixated", "empty fixation set")
    return white


def checked_size(folder: str, path: str | os.PathLike) -> tuple[int, int]:
    """(height, width) of a record's file of which every byte and pixel was looked at.

    Raises:
        CsalganError: as :func:`read`; or its checksums or its end are wrong.
    """
    with opened(path) as picture:
        picture.verify()
    return read(folder, path).shape[:2]


def _check_header(folder: str, path: str | os.PathLike, picture: Image.Image) -> None:
    # Of 16 bits a channel Pillow hands out the upper 8.
    deep = picture.format == "PNG" and "16" in str([tile.args for tile in picture.tile])
    if folder == "image":
        _require_8_bit(path, picture)
    elif picture.mode not in _GREY_MODES or deep:
        mode = f"{picture.mode} of 16 bits" if picture.mode in _GREY_MODES else picture.mode
        raise BadFile(path, f"mode {mode}; must be 8-bit grey", _WRONG[folder])
    elif _orientation(picture) not in (0, 1):
        raise BadFile(path, "is turned by an EXIF note; store it as it is seen", "turned by EXIF")


def _orientation(picture: Image.Image) -> int:
    """Its EXIF note: 1 is upright, 5 to 8 are sideways.

    A PNG may carry the note behind its pixels: it is seen once those have been decoded.
    """
    behind = picture.format == "PNG" and "exif" not in picture.info
    return 1 if behind else picture.getexif().get(ExifTags.Base.Orientation, 1)


def _require_8_bit(name: str | os.PathLike, picture: Image.Image) -> None:
    """Refuse grey pixels of 16 bits: Pillow's conversion cuts them at 255 instead of scaling."""
    if picture.mode.startswith(("I", "F")):
        raise BadFile(name, "has 16-bit grey pixels; save it with 8 bits a channel")
