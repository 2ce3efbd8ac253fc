"""Figures of notebook 05: what the sentence does to people and to a model."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from csalgan.exploration import correlation, density, total_variation
from csalgan.figures.base import (
    ACCENTS,
    CONDITION_LABELS,
    FAINT,
    INK,
    MUTED,
    Figure,
    change_bar,
    condition_colour,
    condition_ink,
    condition_label,
    picture_grid,
    read,
    show_change,
    show_fixations,
    show_image,
    show_map,
    themed,
)
from csalgan.figures.charts import forest, spread, strip

_MODEL, _PEOPLE = ACCENTS[0], INK


@themed
def pair_figure(
    dataset, image_id: str, condition: str, predictions: Mapping[str, np.ndarray], *, model: str
) -> Figure:
    """The same image before and after a sentence, and what changed (the paper's Figures 10–12).

    Args:
        condition: the condition compared with free viewing.
        predictions: record → predicted map (H, W).
        model: the model's name, for the title.
    """
    rows = dataset.records[dataset.records.image_id == image_id].set_index("condition")
    rows = rows.loc[["none", condition]]
    shape = rows.height.iloc[0], rows.width.iloc[0]
    title = f"Without and with a {condition_label(condition)} sentence ({model})"
    fig, axes = picture_grid(3, 3, [shape], 3.2, title)
    maps = []  # of both conditions: measured, predicted
    for line, (name, row) in zip(axes, rows.iterrows(), strict=False):
        maps.append((dataset.map(row.record), predictions[row.record]))
        show_image(line[0], dataset.image(row.record))
        show_fixations(line[0], dataset.fixations(row.record), colour=condition_colour(name))
        line[0].set_ylabel(read(name, row.text, 26), color=condition_ink(name), fontsize=9)
        for ax, saliency in zip(line[1:], maps[-1], strict=True):
            show_map(ax, saliency)
    moved = [density(told, 128) - density(untold, 128) for untold, told in zip(*maps, strict=True)]
    # Both on the scale of people: a model that hardly moves should look like it.
    limit = float(np.percentile(np.abs(moved[0]), 99.5))
    for ax, change in zip(axes[2, 1:], moved, strict=True):
        picture = show_change(ax, change, limit=limit, shape=shape)
        ax.set_xlabel(f"{total_variation(change):.1%} of attention moved", fontsize=8.5)
    for ax, name in zip(axes[0], ("image and fixations", "measured", "predicted"), strict=True):
        ax.set_title(name)
    note = "change: with minus without\n\nmeasured and predicted\nchange correlate "
    note += number(correlation(*moved))
    axes[2, 0].text(0.5, 0.5, note, transform=axes[2, 0].transAxes, ha="center", va="center")
    change_bar(fig, picture, axes[2, :])
    return fig


def change_agreement(
    table: pd.DataFrame,
    summary: pd.DataFrame,
    *,
    title: str = "Does the model move attention as people's gaze does?",
) -> Figure:
    """How well predicted and measured changes agree, beside strangers' changes; and how much moved.

    Args:
        table: one row per record (:func:`csalgan.guidance.compare_differences`).
        summary: its means with intervals (:func:`csalgan.guidance.summarise_differences`).
    """
    panels = {"agree": "correlation with the measured change\n(dots: records)"}
    panels["share"] = "share of attention that moved"
    looks = {
        "correlation": (_MODEL, "o", "model"),
        "predicted_share": (_MODEL, "o", "model"),
        "control": (FAINT, "s", "control: another image's change"),
        "measured_share": (_PEOPLE, "D", "people's gaze"),
    }
    summary = summary[summary.measure.isin(looks)]
    shared = summary.measure.str.endswith("share")
    summary = summary.assign(panel=np.where(shared, "share", "agree"))
    rows = CONDITION_LABELS | {"all": "all"}
    fig = forest(summary, ("panel", panels), ("condition", rows), ("measure", looks),
                 title=title, width=3.9)  # fmt: skip
    agree = fig.axes[0]
    for y, condition in enumerate(c for c in rows if (summary.condition == c).any()):
        dots = table if condition == "all" else table[table.condition == condition]
        strip(agree, dots.correlation, y + spread(len(dots)), condition_colour(condition))
    if table.correlation.isna().all():
        agree.text(0.5, 0.5, "the model moved nothing", transform=agree.transAxes, ha="center",
                   backgroundcolor="white", color=MUTED)  # fmt: skip
    return fig


def number(value: float) -> str:
    """A correlation in print; NaN says that a map did not change."""
    return "undefined (nothing moved)" if np.isnan(value) else f"{value:.2f}".replace("-", "−")
