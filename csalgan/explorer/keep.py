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
from csalgan.explorer.view import SIDES, Panel, View
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


def snapshot(view: View, provenance: Provenance, shown_data: str, scores: Scores) -> bytes:
    """The panels as one PNG, what decided them at its foot and in its metadata.

    The very pixels of the screen, enlarged and put together.

    Args:
        provenance: of the model's weights.
        shown_data: what the photograph and the gaze were taken from.
        scores: side → metric → value, printed below the titles of A and B.
    """
    tiles = []
    for name in view.names:
        panel, values = view.panel(name), scores.get(name, {})
        told = ", ".join(f"{metric.upper()} {value:.2f}" for metric, value in values.items())
        tiles.append(_tile(panel, told))
    tall = max(tile.height for tile in tiles)  # titles wrap: pictures stand on one line
    columns = 2 if view.shown.shape[0] <= view.shown.shape[1] else len(tiles)
    step, whole = _SIDE + _GAP, columns * (_SIDE + _GAP) + _GAP
    about = facts(view, provenance, shown_data)
    told = " · ".join(f"{key}: {value}" for key, value in about.items() if value)
    foot = "\n".join(_wrapped(told, whole - 2 * _GAP, 11))
    end = -(-len(tiles) // columns) * (tall + _GAP) + _GAP
    sheet = Image.new("RGB", (whole, end + 15 * (foot.count("\n") + 1) + _GAP), "white")
    for number, tile in enumerate(tiles):
        row, column = divmod(number, columns)
        bottom = _GAP + row * (tall + _GAP) + tall
        sheet.paste(tile, (_GAP + column * step, bottom - tile.height))
    ImageDraw.Draw(sheet).multiline_text((_GAP, end), foot, _QUIET, _font(11))
    info = PngInfo()
    for key, value in {"photographs": "yes", **about}.items():
        info.add_itxt(f"csalgan:{key}", value)
    buffer = io.BytesIO()
    sheet.save(buffer, "PNG", pnginfo=info)
    return buffer.getvalue()


def _tile(panel: Panel, told: str) -> Image.Image:
    """A panel with its title above it and its colour bar below."""
    title = "\n".join(_wrapped(panel.title, _SIDE, 13) + ([told] if told else []))
    head = 18 * (title.count("\n") + 1) + 6
    picture = Image.fromarray(panel.pixels)
    height = round(picture.height * _SIDE / picture.width)
    tile = Image.new("RGB", (_SIDE, head + height + 24), "white")
    tile.paste(picture.resize((_SIDE, height), Image.Resampling.BICUBIC), (0, head))
    draw, middle = ImageDraw.Draw(tile), head + height + 12
    draw.multiline_text((0, head - 6), title, _INK, _font(13), anchor="ld", spacing=4)
    draw.text((0, middle), panel.low, _QUIET, _font(11), anchor="lm")
    left = round(draw.textlength(panel.low, _font(11))) + 6
    bar = Image.fromarray(np.repeat(table(panel.cmap)[None], 9, axis=0).astype(np.uint8))
    tile.paste(bar.resize((96, 9)), (left, middle - 4))
    draw.text((left + 102, middle), panel.high, _QUIET, _font(11), anchor="lm")
    return tile


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


def scores_csv(view: View, scores: Scores) -> bytes:
    """One row a sentence: record, side, sentence, model, strength and every score."""
    import pandas as pd

    rows = [
        {
            "record": view.record,
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
