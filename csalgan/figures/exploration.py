"""What a sentence does to gaze: one picture in all conditions, and in numbers."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from csalgan.exploration import correlation
from csalgan.figures.base import (
    CONDITION_LABELS,
    Figure,
    blend,
    look_of,
    nothing,
    picture_grid,
    read,
    show_fixations,
    show_image,
    show_map,
    theme,
)
from csalgan.figures.charts import heat_maps

SILENT = "Nobody read a sentence in these data: they are free viewing alone."
_CELLS = {
    "cc": "CC, map with map",
    "cc_halves": "CC, half with half\nof the fixations",
    "nss": "NSS, map at the fixations",
}


@theme()
def condition_samples(
    dataset, image_id: str, predictions: Mapping[str, np.ndarray] | None = None, *, model: str = ""
) -> Figure:
    """One image in all its conditions, a column each: fixations, map, and overlay or prediction.

    Args:
        predictions: record → predicted map (H, W); shown in place of the overlay.
        model: whose predictions they are.
    """
    rows = dataset.records[dataset.records.image_id == image_id]
    many = f", {len(rows)} conditions" if len(rows) > 1 else ""
    title = f"One picture{many} ({model or f'image {image_id}'})"
    shape = rows.height.iloc[0], rows.width.iloc[0]
    fig, axes = picture_grid(3, len(rows), [shape], 2.7, title)
    for column, row in zip(axes.T, rows.itertuples(), strict=True):
        image, saliency = dataset.image(row.record), dataset.map(row.record)
        show_image(column[0], image)
        ink, colour = look_of(row.condition).ink, look_of(row.condition).colour
        column[0].set_title(read(row.condition, row.text, 34), color=ink, fontsize=9.5)
        show_fixations(column[0], dataset.fixations(row.record), colour=colour)
        show_map(column[1], saliency)
        if predictions is None:
            show_image(column[2], blend(image, saliency))
        else:
            show_map(column[2], predictions[row.record])
            cc = correlation(predictions[row.record], saliency)
            column[2].set_xlabel(f"CC with the measured map {cc:.2f}", fontsize=8)
    third = "overlay" if predictions is None else "predicted"
    for ax, label in zip(axes[:, 0], ("fixations", "measured map", third), strict=True):
        ax.set_ylabel(label, fontsize=10)
    return fig


def cross_condition_matrices(effect: pd.DataFrame, *, title: str = "") -> Figure:
    """How well the gaze after one instruction predicts the gaze after another.

    Args:
        effect: rows ``metric``, ``predictor``, ``gaze``, ``mean``, ``low``, ``high``,
            ``n_images`` (:func:`csalgan.exploration.over_images` of a cross-condition table).
    """
    if effect.empty:
        return nothing(title or "What a sentence changes", SILENT)
    title = title or f"What a sentence changes ({effect.n_images.max()} images, 95 % intervals)"
    rows, columns = ("predictor", CONDITION_LABELS), ("gaze", CONDITION_LABELS)
    labels = {"xlabel": "gaze it is scored against", "ylabel": "map used as the prediction"}
    return heat_maps(effect, ("metric", _CELLS), rows, columns, title=title, **labels)


def number(value: float) -> str:
    """A correlation of difference maps in print; NaN says that one of them is 0 everywhere."""
    return "undefined (nothing moved)" if np.isnan(value) else f"{value:.2f}".replace("-", "−")
