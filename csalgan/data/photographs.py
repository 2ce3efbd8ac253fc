"""The one place that opens pictures: photographs, maps, fixations, predictions.

Formats are named (Pillow would hand a PostScript file to Ghostscript), sizes are read from the
header before a pixel is decoded, and whatever a decoder raises becomes one sentence.
"""

import os
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import ExifTags, Image, ImageOps

from csalgan.files.errors import CsalganError
from csalgan.files.inputs import open_file, shown

#: A larger picture is refused before it is decoded (a phone's 12 to 24 megapixels pass).
MAX_PIXELS = 40_000_000
#: No picture of that many pixels takes more bytes than this.
_MOST_BYTES = 8 * MAX_PIXELS
#: What maps and datasets are made of; photographs that somebody brings may be WebP too.
FORMATS = ("PNG", "JPEG")
PHOTOGRAPHS = (*FORMATS, "WEBP")
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")

#: What Pillow's decoders raise on files that are cut short, altered or made to harm.
_BROKEN = (
    *(OSError, ValueError, SyntaxError, EOFError, TypeError, LookupError, ArithmeticError),
    *(struct.error, zlib.error, MemoryError),
)


@contextmanager
def opened(
    source: str | os.PathLike | BinaryIO, name: str = "", formats: tuple[str, ...] = FORMATS
) -> Iterator[Image.Image]:
    """Open a picture and hand it out; its pixels are decoded when the block asks for them.

    Args:
        source: a path, or an open binary file with ``name`` for the message.
        formats: Pillow's names of the formats that are tried.

    Raises:
        CsalganError: no such file, no regular file, another format, damaged, or more than
            :data:`MAX_PIXELS` pixels. Errors that decoding raises inside the block are turned
            into it too.
    """
    is_path = isinstance(source, str | os.PathLike)
    name = name or shown(source)
    too_large = f"{name}: has more than {MAX_PIXELS / 1e6:.0f} megapixels; make it smaller."
    file = None
    try:
        file = open_file(source, _MOST_BYTES) if is_path else source
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(file, formats=formats) as picture:
                if picture.width * picture.height > MAX_PIXELS:
                    raise CsalganError(too_large)
                yield picture
    except FileNotFoundError as error:
        raise CsalganError(f"{name}: no such file; check the path.") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise CsalganError(too_large) from error
    except _BROKEN as error:
        raise CsalganError(
            f"{name}: is not a picture that can be read; give a whole {_named(formats)} file."
        ) from error
    finally:
        if file is not None and is_path:
            file.close()


def _named(formats: tuple[str, ...]) -> str:
    *others, last = ("WebP" if form == "WEBP" else form for form in formats)
    return f"{', '.join(others)} or {last}" if others else last


def upright(picture: Image.Image) -> Image.Image:
    """The picture as it is seen: turned by its EXIF note."""
    return ImageOps.exif_transpose(picture)


def is_turned(picture: Image.Image) -> bool:
    """Whether its EXIF note says that it is to be turned or mirrored.

    A PNG may carry the note behind its pixels: it is seen once those have been decoded.
    """
    behind = picture.format == "PNG" and "exif" not in picture.info
    return not behind and picture.getexif().get(ExifTags.Base.Orientation, 1) not in (0, 1)


def upright_size(picture: Image.Image) -> tuple[int, int]:
    """(height, width) of the picture as it is seen, from its header."""
    width, height = picture.size
    sideways = is_turned(picture) and picture.getexif()[ExifTags.Base.Orientation] in (5, 6, 7, 8)
    return (width, height) if sideways else (height, width)


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
        require_8_bit(picture, name or shown(source))
        if side:
            picture.draft("RGB", (side, side))  # JPEG: decode small at once
            picture.thumbnail((side, side))
        seen = upright(picture)
        if seen.has_transparency_data:
            seen = seen.convert("RGBA")
            ground = Image.new("RGBA", seen.size, "white")
            seen = Image.alpha_composite(ground, seen)
        return np.asarray(seen.convert("RGB"))


def require_8_bit(picture: Image.Image, name: str) -> None:
    """Refuse grey pixels of 16 bits: Pillow's conversion cuts them at 255 instead of scaling."""
    if picture.mode.startswith(("I", "F")):
        raise CsalganError(f"{name}: has 16-bit grey pixels; save it with 8 bits a channel.")
