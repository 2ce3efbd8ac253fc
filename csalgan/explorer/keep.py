"""A view as files to keep: a picture, its maps, its scores."""

import io
import textwrap
import zipfile
from collections.abc import Mapping

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont
from PIL.PngImagePlugin import PngInfo

from csalgan.explorer.pictures import table
from csalgan.explorer.view import SIDES, View
from csalgan.files.provenance import Provenance
from csalgan.files.spreadsheets import csv_text

Scores = Mapping[str, Mapping[str, float]]
_SIDE, _GAP, _INK, _QUIET = 560, 12, "#22262B", "#5C6168"


def facts(view: View, provenance: Provenance, shown_data: str) -> dict[str, str]:
    """Everything that decided what is on the screen."""
    about = {
        "model": view.model,
        "sentence A": view.sentences[0],
        "sentence B": view.sentences[1],
        "strength": f"{view.strength:g}",
        "opacity": f"{view.opacity:g}",
        "threshold": f"{view.threshold:g} %",
        "colours": view.cmap,
        "shown": shown_data,
    }
    return about | {key: str(value) for key, value in provenance.as_dict().items()}


def snapshot(
    view: View, provenance: Provenance, shown_data: str, scores: Scores | None = None
) -> bytes:
    """The panels as one PNG, what decided them at its foot and in its metadata.

    The very pixels of the screen, enlarged and put together.

    Args:
        provenance: of the model's weights.
        shown_data: what the photograph and the gaze were taken from.
        scores: side → metric → value, printed below the titles of A and B.
    """
    panels = [(name, view.panel(name)) for name in view.names]
    height, width = view.shown.shape[:2]
    columns = 2 if height <= width else len(panels)
    width, height = _SIDE, round(height * _SIDE / width)
    titles = [_wrapped(panel.title, width, 13) for _, panel in panels]
    for (name, _), lines in zip(panels, titles, strict=True):
        if scores and name in scores:
            lines.append(", ".join(f"{k.upper()} {v:.2f}" for k, v in scores[name].items()))
    head = 18 * max(map(len, titles)) + 6
    about = facts(view, provenance, shown_data)
    whole = columns * (width + _GAP) + _GAP
    foot = _wrapped(" · ".join(f"{k}: {v}" for k, v in about.items() if v), whole - 2 * _GAP, 11)
    step = head + height + 34
    tall = -(-len(panels) // columns) * step + 15 * len(foot) + 2 * _GAP
    sheet = Image.new("RGB", (whole, tall), "white")
    draw = ImageDraw.Draw(sheet)
    for number, ((_, panel), lines) in enumerate(zip(panels, titles, strict=True)):
        row, column = divmod(number, columns)
        left, top = _GAP + column * (width + _GAP), _GAP + row * step
        text = "\n".join(lines)
        draw.multiline_text((left, top + head - 6), text, _INK, _font(13), anchor="ld", spacing=4)
        pixels = Image.fromarray(panel.pixels)
        sheet.paste(pixels.resize((width, height), Image.Resampling.BICUBIC), (left, top + head))
        middle = top + head + height + 12
        draw.text((left, middle), panel.low, _QUIET, _font(11), anchor="lm")
        left += round(draw.textlength(panel.low, _font(11))) + 6
        bar = Image.fromarray(np.repeat(table(panel.cmap)[None], 9, axis=0).astype(np.uint8))
        sheet.paste(bar.resize((96, 9)), (left, middle - 4))
        draw.text((left + 102, middle), panel.high, _QUIET, _font(11), anchor="lm")
    draw.multiline_text((_GAP, tall - 15 * len(foot) - 4), "\n".join(foot), _QUIET, _font(11))
    info = PngInfo()
    for key, value in {"photographs": "yes", **about}.items():
        info.add_itxt(f"csalgan:{key}", value)
    buffer = io.BytesIO()
    sheet.save(buffer, "PNG", pnginfo=info)
    return buffer.getvalue()


def maps(view: View) -> bytes:
    """A zip of both maps: ``A.npy`` and ``B.npy`` (float32), ``A.png`` and ``B.png`` (16 bit)."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for side, saliency in zip(SIDES, view.maps, strict=True):
            npy, png = io.BytesIO(), io.BytesIO()
            np.save(npy, saliency)
            levels = np.rint(np.clip(saliency, 0, 1) * 65535).astype(np.uint16)
            Image.fromarray(levels).save(png, "PNG")
            archive.writestr(f"{side}.npy", npy.getvalue())
            archive.writestr(f"{side}.png", png.getvalue())
    return buffer.getvalue()


def scores_csv(view: View, scores: Scores, record: str) -> bytes:
    """One row a sentence: record, side, sentence, model, strength and every score."""
    import pandas as pd

    rows = [
        {
            "record": record,
            "side": side,
            "sentence": text,
            "model": view.model,
            "strength": view.strength,
            **scores[side],
        }
        for side, text in zip(SIDES, view.sentences, strict=True)
    ]
    return csv_text(pd.DataFrame(rows), float_format="%.6g").encode()


def _font(size: int):
    return ImageFont.truetype(f"{matplotlib.get_data_path()}/fonts/ttf/DejaVuSans.ttf", size)


def _wrapped(text: str, width: int, size: int) -> list[str]:
    return textwrap.wrap(text, int(width / (0.6 * size)))
