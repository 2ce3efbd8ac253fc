"""Figures about the author's weights, logs and pictures."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from csalgan.data.records import SUBSETS
from csalgan.evaluation.tables import SUBSET_LABELS
from csalgan.figures.base import (
    ACCENTS,
    INK,
    Figure,
    bare,
    figure,
    show_image,
    show_map,
    themed,
    wrapped,
)


@themed
def draws(draws: pd.DataFrame, table: pd.DataFrame, run: str) -> Figure:
    """What Table I prints against what repeating its protocol gives, a panel a metric and subset.

    Args:
        draws: of :class:`csalgan.author.Scores`, one run's.
        table: its rows of the same run, for the printed numbers (none on drawn scenes).
        run: name of the run.
    """
    printed = table.dropna(subset="printed").set_index(["metric", "subset"])["printed"]
    metrics, texts = draws["metric"].unique(), draws["text"].unique()
    subsets = [subset for subset in SUBSETS if subset in set(draws["subset"])]
    repeats = draws["repeat"].nunique()
    title = f"Table I from the author's weights ({run}): {repeats} repeats"
    if len(printed):
        title += " and, dashed, what is printed"
    fig = figure(11, 1.1 + 1.15 * len(metrics), title=title)
    axes = fig.subplots(len(metrics), len(subsets), sharex="row", sharey=True, squeeze=False)
    for row, metric in zip(axes, metrics, strict=True):
        for ax, subset in zip(row, subsets, strict=True):
            here = draws[(draws["metric"] == metric) & (draws["subset"] == subset)]
            for y, text in enumerate(texts):
                values = here.loc[here["text"] == text, "value"].to_numpy()
                place = y + np.linspace(-0.2, 0.2, len(values))
                ax.plot(values, place, ".", color=ACCENTS[y], alpha=0.6, ms=5)
                ax.plot(values.mean(), y, "|", color=ACCENTS[y], ms=18, mew=2)
            if (metric, subset) in printed.index:
                ax.axvline(printed[metric, subset].iloc[0], color=INK, lw=1.2, ls="--")
            ax.set_ylim(len(texts) - 0.5, -0.5)
            ax.set_yticks(range(len(texts)), [f"{text} sentence" for text in texts])
            ax.grid(axis="y", visible=False)
        row[0].set_ylabel(metric)
    for ax, subset in zip(axes[0], subsets, strict=True):
        ax.set_title(SUBSET_LABELS[subset])
    axes[-1][0].set_xlabel("dots: one repeat each, bar: their mean")
    return fig


@themed
def pictures(
    image: np.ndarray, rows: Mapping[str, Mapping[str, np.ndarray]], sentences: Mapping[str, str]
) -> Figure:
    """The paper's Figures 10 to 12: a column a sentence, a row a source of maps.

    Args:
        image: the photograph; stands in the first row.
        rows: of :func:`csalgan.author.pictures.collect`.
        sentences: condition → what was read.
    """
    n = len(rows) + 1
    fig = figure(3.2 * len(sentences), 2.4 * n, title="The paper's Figures 10 to 12")
    axes = fig.subplots(n, len(sentences), squeeze=False)
    for k, (condition, sentence) in enumerate(sentences.items()):
        show_image(axes[0][k], image, title=wrapped(f"“{sentence}”", 36))
        for row, (name, maps) in zip(axes[1:], rows.items(), strict=True):
            if condition in maps:
                show_map(row[k], maps[condition], title=wrapped(name, 36))
            else:
                bare(row[k]).axis("off")
    return fig
