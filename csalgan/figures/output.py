"""What predictions look like on disk: maps, overlays, contact sheets."""

import io
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from csalgan.figures.base import blend
from csalgan.files.errors import CsalganError
from csalgan.files.writing import write_bytes

_CELL, _GAP, _FOOT = 420, 12, 26  # pixels of a contact sheet


def save_map(path: Path, saliency: np.ndarray) -> Path:
    """Write a map ``(H, W)`` in [0, 1] as a 16-bit grey PNG, 65535 where it is 1."""
    grey = np.rint(np.clip(saliency, 0, 1) * 65535).astype(np.uint16)
    # Low bits of a smooth map hardly pack: the fastest level is as good as any.
    return _write_picture(path, Image.fromarray(grey), "PNG", compress_level=1)


def save_array(path: Path, saliency: np.ndarray) -> Path:
    """Write a map as it is: float32 ``.npy``."""
    data = io.BytesIO()
    np.save(data, saliency.astype(np.float32))
    return write_bytes(path, data.getbuffer())


def save_overlay(path: Path, image: np.ndarray, saliency: np.ndarray) -> Path:
    """Write the map laid over its photograph, a JPEG of the photograph's size."""
    return _write_picture(path, Image.fromarray(blend(image, saliency)), "JPEG", quality=90)


def contact_sheet(
    image: np.ndarray, maps: Sequence[np.ndarray], sentences: Sequence[str], line: str
) -> Image.Image:
    """One row of pictures: the photograph, then an overlay for each sentence.

    Args:
        maps: one (H, W) map a sentence.
        sentences: what each map was predicted with, ``""`` for free viewing.
        line: where it came from; stands at the foot.
    """
    if len(maps) != len(sentences):
        raise CsalganError(f"{len(maps)} maps and {len(sentences)} sentences: give one a map.")
    height = max(round(_CELL * image.shape[0] / image.shape[1]), 1)
    titles = ["the photograph", *[f"“{text}”" if text else "free viewing" for text in sentences]]
    wrapped = [_wrap(title, _font(15), _CELL) for title in titles]
    head = _GAP + 20 * max(map(len, wrapped))
    size = (_GAP + (_CELL + _GAP) * len(titles), head + height + _FOOT)
    sheet = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(sheet)
    pictures = [image, *(blend(image, saliency) for saliency in maps)]
    for k, (picture, lines) in enumerate(zip(pictures, wrapped, strict=True)):
        x = _GAP + (_CELL + _GAP) * k
        for row, text in enumerate(lines):
            draw.text((x, _GAP // 2 + 20 * row), text, fill="#222222", font=_font(15))
        small = Image.fromarray(picture).resize((_CELL, height), Image.Resampling.LANCZOS)
        sheet.paste(small, (x, head))
    draw.text((_GAP, head + height + 6), line, fill="#777777", font=_font(11))
    return sheet


def save_sheet(path: Path, sheet: Image.Image) -> Path:
    """Write a contact sheet as PNG."""
    return _write_picture(path, sheet, "PNG")


def _write_picture(path: Path, picture: Image.Image, kind: str, **options) -> Path:
    data = io.BytesIO()
    picture.save(data, kind, **options)
    return write_bytes(path, data.getbuffer())


@cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    """Matplotlib's own font: always there, and with letters of many languages."""
    path = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
    return ImageFont.truetype(str(path), size)


def _wrap(text: str, font: ImageFont.FreeTypeFont, width: int, most: int = 3) -> list[str]:
    """Break a title into lines that fit; a longer one ends in …"""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if font.getlength(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    lines = [line for line in lines if line]
    if len(lines) > most:
        lines = [*lines[: most - 1], f"{lines[most - 1]} …"]
    return [_shorten(line, font, width) for line in lines]


def _shorten(line: str, font: ImageFont.FreeTypeFont, width: int) -> str:
    """A line of one word may be longer than the column."""
    if font.getlength(line) <= width:
        return line
    kept = line
    while kept and font.getlength(kept + "…") > width:
        kept = kept[:-1]
    return kept + "…"
