"""Maps and pictures as files: 16-bit PNG, arrays, overlays, sheets of several pictures."""

import io
import textwrap
from collections.abc import Sequence

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from csalgan.figures.base import INK, MUTED, blend

_GAP, _SIZE, _SMALL = 12, 14, 11  # of a sheet: pixels between pictures, of its letters, at its foot


def encoded(picture: Image.Image, kind: str, **options) -> bytes:
    """A picture as a file of that kind (``PNG``, ``JPEG``)."""
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def map_png(saliency: np.ndarray) -> bytes:
    """A map (H, W) in [0, 1] as a 16-bit grey PNG, 65535 where it is 1."""
    grey = np.rint(np.clip(saliency, 0, 1) * 65535).astype(np.uint16)
    # Low bits of a smooth map hardly pack: the fastest level is as good as any.
    return encoded(Image.fromarray(grey), "PNG", compress_level=1)


def map_npy(saliency: np.ndarray) -> bytes:
    """A map (H, W) as it is: float32 ``.npy``."""
    buffer = io.BytesIO()
    np.save(buffer, saliency.astype(np.float32))
    return buffer.getvalue()


def overlay_jpeg(image: np.ndarray, saliency: np.ndarray) -> bytes:
    """A map (h, w) ≥ 0 over its photograph, uint8 (H, W, 3): a JPEG of the photograph's size."""
    return encoded(Image.fromarray(blend(image, saliency)), "JPEG", quality=90)


def sheet(
    pictures: Sequence[np.ndarray],
    titles: Sequence[str],
    foot: str,
    *,
    columns: int = 0,
    side: int = 420,
) -> Image.Image:
    """Pictures in rows, each below its title, and where they came from at the foot.

    Args:
        pictures: uint8 (H, W, 3) of one shape.
        titles: one a picture; the lines of each are broken where they are too long.
        foot: words below all pictures.
        columns: pictures in a row; all in one when 0.
        side: width of a picture, pixels.
    """
    columns = columns or len(pictures)
    heads = ["\n".join(_broken(line, side, _SIZE) for line in t.split("\n")) for t in titles]
    line, high = _SIZE + 5, round(side * pictures[0].shape[0] / pictures[0].shape[1]) or 1
    high = min(high, 4 * side)  # taller ones are squeezed
    head = line * max(text.count("\n") + 1 for text in heads) + 4
    step, tall = side + _GAP, head + high + _GAP
    foot = _broken(foot, columns * step - _GAP, _SMALL, lines=20)
    end = _GAP + tall * -(-len(pictures) // columns)
    size = columns * step + _GAP, end + (_SMALL + 4) * (foot.count("\n") + 1) + _GAP
    canvas = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(canvas)
    for number, (picture, text) in enumerate(zip(pictures, heads, strict=True)):
        row, column = divmod(number, columns)
        x, y = _GAP + column * step, _GAP + row * tall
        draw.multiline_text((x, y + head - 6), text, INK, _font(_SIZE), anchor="ld", spacing=5)
        resized = Image.fromarray(picture).resize((side, high), Image.Resampling.LANCZOS)
        canvas.paste(resized, (x, y + head))
    draw.multiline_text((_GAP, end), foot, MUTED, _font(_SMALL))
    return canvas


def _broken(text: str, width: int, size: int, lines: int = 3) -> str:
    """A text in at most so many lines of ``width`` pixels; a longer one ends in …"""
    characters = int(width / (0.6 * size))
    return textwrap.fill(text, characters, max_lines=lines, placeholder=" …")


def _font(size: int) -> ImageFont.FreeTypeFont:
    """Matplotlib's own font: always there, and with letters of many languages."""
    return ImageFont.truetype(f"{matplotlib.get_data_path()}/fonts/ttf/DejaVuSans.ttf", size)
