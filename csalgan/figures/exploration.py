"""Figures of notebook 01: the data before any model."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.ticker import MaxNLocator

from csalgan.data.records import CONDITIONS
from csalgan.exploration import correlation
from csalgan.figures.base import (
    CONDITION_LABELS,
    MUTED,
    Figure,
    condition_colour,
    condition_ink,
    condition_look,
    figure,
    nothing,
    overlay,
    picture_grid,
    read,
    show_fixations,
    show_image,
    show_map,
    themed,
)
from csalgan.figures.charts import heat_maps

SILENT = "Nobody read a sentence in these data: they are free viewing alone."


@themed
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
        ink, colour = condition_ink(row.condition), condition_colour(row.condition)
        column[0].set_title(read(row.condition, row.text, 34), color=ink, fontsize=9.5)
        show_fixations(column[0], dataset.fixations(row.record), colour=colour)
        show_map(column[1], saliency)
        if predictions is None:
            overlay(column[2], image, saliency)
        else:
            show_map(column[2], predictions[row.record])
            cc = correlation(predictions[row.record], saliency)
            column[2].set_xlabel(f"CC with the measured map {cc:.2f}", fontsize=8)
    third = "overlay" if predictions is None else "predicted"
    for ax, label in zip(axes[:, 0], ("fixations", "measured map", third), strict=True):
        ax.set_ylabel(label, fontsize=10)
    return fig


@themed
def sentence_figure(lengths: pd.DataFrame, common: pd.DataFrame) -> Figure:
    """How long the sentences are and which content words they use."""
    if lengths.empty:
        return nothing("The sentences", SILENT)
    fig = figure(9.6, 4.0, title="The sentences")
    left, right = fig.subplots(1, 2, width_ratios=(1, 1.15))
    table = common.pivot(index="word", columns="condition", values="share").loc[
        common.word.drop_duplicates()
    ]
    right.hlines(table.index, table.min(axis=1), table.max(axis=1), color=MUTED, lw=0.8, zorder=0)
    for condition in (c for c in CONDITIONS if (lengths.condition == c).any()):
        look, words = condition_look(condition), lengths[lengths.condition == condition].words
        right.plot(table[condition], table.index, ls="none", ms=6, **look)
        look["label"] += f" (median {words.median():g})"
        share = words.value_counts(normalize=True).reindex(range(lengths.words.max() + 1))
        left.plot(share.fillna(0), ms=3.5, **look)
    left.set(title="length", xlabel="words in the sentence", ylabel="share of sentences")
    left.xaxis.set_major_locator(MaxNLocator(integer=True))
    left.margins(y=0.3)  # room for the legend
    left.set(xlim=(0, None), ylim=(0, None))
    left.legend(loc="upper right")
    right.set(title="commonest content words", xlabel="share of sentences with the word")
    right.set_xlim(left=0)
    right.invert_yaxis()
    right.legend(loc="lower right")
    return fig


@themed
def cross_condition_matrices(effect: pd.DataFrame, *, title: str = "") -> Figure:
    """How well the gaze after one instruction predicts the gaze after another.

    Args:
        effect: rows ``metric``, ``predictor``, ``gaze``, ``mean``, ``low``, ``high``,
            ``n_images`` (:func:`csalgan.exploration.over_images` of a cross-condition table).
    """
    if effect.empty:
        return nothing(title or "What a sentence changes", SILENT)
    panels = {
        "cc": "CC, map with map",
        "cc_halves": "CC, half with half\nof the fixations",
        "nss": "NSS, map at the fixations",
    }
    title = title or f"What a sentence changes ({effect.n_images.max()} images, 95 % intervals)"
    order = CONDITION_LABELS
    fig = heat_maps(effect, ("predictor", order), ("gaze", order), panels, title=title)
    for ax in fig.axes:
        ax.set_xlabel("gaze it is scored against")
    fig.axes[0].set_ylabel("map used as the prediction")
    return fig
