"""Figures of the cells about misconceptions."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from csalgan.figures.base import (
    ACCENTS,
    Figure,
    figure,
    show_fixations,
    show_map,
    themed,
    wrapped,
)
from csalgan.figures.charts import legend_below, named_rows

#: What the splits of :func:`course.leakage` are called on the figure.
_RULES = {
    "over images": "over images (ours)",
    "over records": "over records",
    "all records": "over records, tested on all of them (author's code)",
}


@themed
def same_auc(maps: Mapping[str, np.ndarray], scores: pd.DataFrame, fixations: np.ndarray) -> Figure:
    """Maps that share their order of values, with what the metrics say about each.

    Args:
        maps: name → (H, W), from :func:`course.same_order`.
        scores: one row a map (same names), columns ``auc``, ``cc``, ``nss``, ``sim``.
        fixations: int (N, 2), rows (y, x).
    """
    fig = figure(11, 3.5, title="One AUC, three maps")
    for ax, (name, saliency) in zip(fig.subplots(1, len(maps)), maps.items(), strict=True):
        row = scores.loc[name]
        show_map(
            ax,
            saliency,
            title=f"{name}\nAUC {row.auc:.3f}   CC {row.cc:.2f}   "
            f"NSS {row.nss:.2f}   SIM {row.sim:.2f}",
        )
        show_fixations(ax, fixations, size=5)
    return fig


@themed
def leakage(table: pd.DataFrame) -> Figure:
    """What reciting known images is worth under three splits, beside the mean map.

    Args:
        table: from :func:`course.leakage`; dots are its seeds.
    """
    fig = figure(9, 3.3, title="What remembering images is worth")
    ax = fig.subplots()
    styles = (
        ("mean_map", "mean training map", ACCENTS[6], "s", 0.12),
        ("memory", "recites the image's other maps", ACCENTS[1], "o", -0.12),
    )
    groups = list(table.groupby("rule", sort=False))
    for column, label, colour, marker, shift in styles:
        for y, (_, group) in enumerate(groups):
            ax.plot(
                group[column],
                np.full(len(group), y + shift),
                marker,
                color=colour,
                alpha=0.45,
                ms=5,
                label=label if y == 0 else None,
            )
            ax.plot(group[column].mean(), y + shift, marker, color=colour, ms=9)
    labels = [
        f"{wrapped(_RULES.get(rule, rule), 28)}\nimage known: {group.remembered.mean():.0%}"
        for rule, group in groups
    ]
    named_rows(ax, labels, ticks=8)
    ax.set_xlabel("mean CC over the test records (small marks: single splits)")
    legend_below(fig, (ax,))
    return fig
