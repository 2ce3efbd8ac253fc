"""From photographs and maps to the pixels the explorer shows."""

import io
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256

import numpy as np
from PIL import Image, ImageDraw, ImageOps

from csalgan.data.pictures import read_photograph
from csalgan.figures import MAPS, blend, diverging, output
from csalgan.figures.base import colour_map, unit
from csalgan.files.errors import CsalganError
from csalgan.metrics.maps import resize

#: Longest side of one of the explorer's panels, and of an uploaded photograph, pixels.
VIEW_SIDE, UPLOAD_SIDE = 480, 1024
#: Stands for the colours of signed maps where the name of a colour map is taken.
DIFFERENCE = "difference"


@dataclass(frozen=True)
class Picture:
    """A photograph to look at.

    Attributes:
        key: names the content; two pictures with one key are taken for the same.
        image: uint8 (H, W, 3) RGB.
        path: its file, as ``csalgan.predict`` takes it.
        python: where it has none of its own, the Python that gives its pixels.
    """

    key: str
    image: np.ndarray = field(compare=False, repr=False)
    path: str = field(compare=False, default="")
    python: str = field(compare=False, default="")


def read_upload(content: bytes, name: str) -> Picture:
    """Decode a photograph that somebody brought.

    As :func:`read_photograph` does, no side longer than :data:`UPLOAD_SIDE`.

    Args:
        content: the bytes of a JPEG, PNG or WebP file.
        name: the file's name, for the message.

    Raises:
        CsalganError: not such a picture, damaged, or too large.
    """
    image = read_photograph(io.BytesIO(content), name, side=UPLOAD_SIDE)
    return Picture(f"upload {sha256(content).hexdigest()}", image, name)


def fit_side(image: np.ndarray, side: int = VIEW_SIDE) -> np.ndarray:
    """A uint8 (H, W, 3) image, made smaller (never larger) so that no side exceeds ``side``."""
    small = Image.fromarray(image)
    small.thumbnail((side, side), Image.Resampling.BILINEAR)
    return np.asarray(small)


def render(
    image: np.ndarray,
    saliency: np.ndarray,
    *,
    opacity: float = 0.6,
    threshold: float = 0.0,
    cmap: str = MAPS[0],
    fixations: Iterable = (),
) -> np.ndarray:
    """A map laid over a photograph.

    Args:
        image: uint8 (H, W, 3) RGB.
        saliency: float (h, w), any size; scaled to its own range for looking.
        opacity: of the map, in [0, 1].
        threshold: percentile in [0, 100]; pixels below it show the bare image.
        cmap: one of :data:`csalgan.figures.MAPS`.
        fixations: rows (y, x) in pixels of ``image``, drawn as dots.

    Returns:
        uint8 (H, W, 3).

    Raises:
        CsalganError: opacity or threshold out of range, or another colour map.
    """
    if not 0 <= threshold <= 100:
        raise CsalganError(f"threshold {threshold} is outside 0 … 100; give a percentile.")
    shown = resize(unit(saliency), image.shape[:2])
    mixed = blend(image, shown, opacity=opacity, cmap=cmap)
    if threshold > 0:
        below = shown < np.percentile(shown, threshold)
        mixed[below] = image[below]
    picture = Image.fromarray(mixed)
    draw = ImageDraw.Draw(picture)
    for y, x in fixations:
        draw.ellipse((x - 2.5, y - 2.5, x + 2.5, y + 2.5), fill="white", outline="black")
    return np.array(picture)


def render_difference(image: np.ndarray, difference: np.ndarray, limit: float) -> np.ndarray:
    """A signed map over a grey photograph: red gained attention, blue lost it.

    Args:
        image: uint8 (H, W, 3) RGB.
        difference: float (h, w), any size.
        limit: value at the ends of the colour scale, above 0; nothing is drawn at 0.

    Returns:
        uint8 (H, W, 3).
    """
    scaled = np.clip(resize(difference, image.shape[:2]) / limit, -1, 1)
    grey = np.asarray(Image.fromarray(image).convert("L"), np.float32)[..., None]
    colour = colours_of(DIFFERENCE)[np.rint(127.5 * (scaled + 1)).astype(np.uint8)]
    # The photograph shades the colours, so it stays readable and adds none of its own.
    mixed = colour * (0.5 + 0.5 * grey / 255)
    return np.clip(np.rint(mixed), 0, 255).astype(np.uint8)


def gradient(cmap: str) -> str:
    """A colour map (or :data:`DIFFERENCE`) as a CSS background, its lowest value on the left."""
    stops = colours_of(cmap)[:: 255 // 15].astype(int)
    return f"linear-gradient(90deg, {', '.join('rgb({} {} {})'.format(*rgb) for rgb in stops)})"


@lru_cache(maxsize=1000)
def thumbnail(source: str | Picture, size: tuple[int, int]) -> np.ndarray:
    """The middle of a file, or of a picture, at ``size`` (width, height): uint8 (height, width, 3).

    Of a file no more is decoded than that needs.
    """
    known = isinstance(source, Picture)
    image = Image.fromarray(source.image if known else read_photograph(source, side=2 * max(size)))
    return np.asarray(ImageOps.fit(image, size, Image.Resampling.BILINEAR))


def encode(picture: np.ndarray) -> bytes:
    """A uint8 (H, W, 3) picture as JPEG, small enough to follow a slider over a network."""
    return output.encoded(Image.fromarray(picture), "JPEG", quality=88)


@lru_cache(maxsize=8)
def colours_of(cmap: str) -> np.ndarray:
    """A colour map's 256 colours: float32 (256, 3) in 0 … 255."""
    colours = diverging() if cmap == DIFFERENCE else colour_map(cmap)
    return colours(np.arange(256))[:, :3].astype(np.float32) * 255
