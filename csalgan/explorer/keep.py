"""A view as files to keep: a picture, its maps, its scores."""

import io
import zipfile
from collections.abc import Mapping

import numpy as np
import pandas as pd
from PIL.PngImagePlugin import PngInfo

from csalgan.explorer.pictures import colours_of
from csalgan.explorer.view import SIDES, View
from csalgan.figures import output
from csalgan.files.provenance import Provenance
from csalgan.files.spreadsheets import csv_text

Scores = Mapping[str, Mapping[str, float]]
_BAR = 9  # height of a colour bar, pixels


def snapshot(view: View, provenance: Provenance, shown_data: str, scores: Scores) -> bytes:
    """The panels as one PNG, what decided them at its foot and in its metadata.

    The very pixels of the screen, enlarged and put together, the colour bar below each.

    Args:
        provenance: of the model's weights.
        shown_data: what the photograph and the gaze were taken from.
        scores: side → metric → value, printed below the titles of A and B.
    """
    pictures, titles = [], []
    for name in view.names:
        panel, values = view.panel(name), scores.get(name, {})
        told = ", ".join(f"{metric.upper()} {value:.2f}" for metric, value in values.items())
        said = [panel.title, told, f"colours: {panel.low} … {panel.high}"]
        titles.append("\n".join(filter(None, said)))
        colours = np.linspace(0, 255, panel.pixels.shape[1]).astype(int)
        bar = np.repeat(colours_of(panel.cmap)[None, colours].astype(np.uint8), _BAR, axis=0)
        pictures.append(np.concatenate([panel.pixels, bar]))
    about = {
        "model": view.model,
        **{f"sentence {side}": text for side, text in zip(SIDES, view.sentences, strict=True)},
        "strength": f"{view.strength:g}",
        "opacity": f"{view.opacity:g}",
        "threshold": f"{view.threshold:g} %",
        "colours": view.cmap,
        "shown": shown_data,
    }
    about |= {key: str(value) for key, value in provenance.as_dict().items()}
    foot = " · ".join(f"{key}: {value}" for key, value in about.items() if value)
    columns = 2 if view.shown.shape[0] <= view.shown.shape[1] else 0
    info = PngInfo()
    for key, value in {"photographs": "yes", **about}.items():
        info.add_itxt(f"csalgan:{key}", value)
    whole = output.sheet(pictures, titles, foot, columns=columns, side=560)
    return output.encoded(whole, "PNG", pnginfo=info)


def maps(view: View) -> bytes:
    """A zip of both maps: ``A.npy`` and ``B.npy`` (float32), ``A.png`` and ``B.png`` (16 bit)."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for side, saliency in zip(SIDES, view.maps, strict=True):
            archive.writestr(f"{side}.npy", output.map_npy(saliency))
            archive.writestr(f"{side}.png", output.map_png(saliency))
    return buffer.getvalue()


def scores_csv(view: View, scores: Scores) -> bytes:
    """One row a sentence: record, side, sentence, model, strength and every score."""
    read = dict(zip(SIDES, view.sentences, strict=True))
    about = {"model": view.model, "strength": view.strength}
    rows = [
        {"record": view.record, "side": side, "sentence": read[side], **about, **values}
        for side, values in scores.items()
    ]
    return csv_text(pd.DataFrame(rows), float_format="%.6g").encode()
