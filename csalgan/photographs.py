"""Anybody's photographs: read safely, turned upright."""

import warnings
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageOps

from csalgan.errors import CsalganError

#: A larger photograph is refused before it is decoded (a phone's 12 to 24 megapixels pass).
MAX_PIXELS = 40_000_000
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
_FORMATS = ("JPEG", "PNG", "WEBP")


def read_photograph(
    source: str | Path | BinaryIO, name: str = "", *, side: int | None = None
) -> np.ndarray:
    """Decode a photograph that somebody brought.

    It is turned upright by its EXIF note and laid on white where it is transparent. Its size is
    read from its header first, so a small file that unpacks to a huge picture costs nothing.

    Args:
        source: a path, or an open binary file with ``name`` for the message.
        side: make it smaller when a side is longer than this.

    Returns:
        uint8 (H, W, 3) RGB.

    Raises:
        CsalganError: no such file, not a JPEG, PNG or WebP picture, damaged, or more than
            :data:`MAX_PIXELS` pixels.
    """
    name = name or str(source)
    too_large = f"{name}: has more than {MAX_PIXELS / 1e6:.0f} megapixels; make it smaller."
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(source, formats=_FORMATS) as picture:
                if picture.width * picture.height > MAX_PIXELS:
                    raise CsalganError(too_large)
                if side:
                    picture.draft("RGB", (side, side))  # JPEG: decode small at once
                    picture.thumbnail((side, side))
                upright = ImageOps.exif_transpose(picture)
                if upright.has_transparency_data:
                    upright = upright.convert("RGBA")
                    ground = Image.new("RGBA", upright.size, "white")
                    upright = Image.alpha_composite(ground, upright)
                return np.asarray(upright.convert("RGB"))
    except FileNotFoundError as error:
        raise CsalganError(f"{name}: no such file; check the path.") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise CsalganError(too_large) from error
    except (OSError, ValueError, SyntaxError, EOFError) as error:
        raise CsalganError(
            f"{name}: is not a picture that can be read; give a JPEG, PNG or WebP file."
        ) from error
