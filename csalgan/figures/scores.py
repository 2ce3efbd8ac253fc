"""Figures of notebook 04: what the scores look like, beside the paper's and the baselines'."""

from collections.abc import Mapping

import pandas as pd

from csalgan.evaluation.statistics import LESS_IS_BETTER
from csalgan.evaluation.tables import METRIC_LABELS
from csalgan.figures.base import (
    ACCENTS,
    INK,
    MUTED,
    Figure,
)
from csalgan.figures.charts import forest

#: Rows that are no networks.
_SHORT = {
    "uniform": "uniform",
    "center": "center",
    "mean_map": "mean map",
    "free_viewing": "free viewing",
    "split_half": "split half",
    "split_half_corrected": "split half, corrected",
    "observers": "observers",
    "people": "people's gaze",
}
_KINDS = {"network": (ACCENTS[0], "o"), "mean_map": (ACCENTS[1], "s"), "other": (MUTED, "s")}
_UNITS = {"kl": "nat", "ig": "bit", "ig_uniform": "bit"}


def metric_title(metric: str) -> str:
    """A metric's name with its unit, and with a word where less is better."""
    notes = [_UNITS.get(metric), "less is better" if metric in LESS_IS_BETTER else None]
    noted = ", ".join(filter(None, notes))
    return METRIC_LABELS[metric] + (f" ({noted})" if noted else "")


def kind(model: str) -> str:
    """Whether a model is a ``network``, the ``mean_map`` or an ``other`` yardstick."""
    return "network" if model not in _SHORT else model if model == "mean_map" else "other"


def side_by_side(summary: pd.DataFrame, wanted: Mapping[str, float], *, title: str) -> Figure:
    """What models are compared by, a panel a column: scores by condition and what is lost.

    Args:
        summary: rows of ``model``, ``subset``, ``condition`` and ``metric`` with ``mean``,
            ``low`` and ``high``, models in the order to draw.
        wanted: ``"<metric>, <condition>"`` → the value that is aimed for, drawn as a line.
    """
    conditions = {"cc": ("all", "none", "salient", "non_salient"), "nss": ("all",)}
    conditions["lost_content"] = ("salient", "non_salient")
    names = {"cc": "CC", "nss": "NSS", "lost_content": "CC lost to other\ncontent"}
    panels = {
        f"{metric}, {condition}": f"{name}\n{condition.replace('_', '-')}"
        for metric, name in names.items()
        for condition in conditions[metric]
    }
    what = summary["metric"] + ", " + summary["condition"]
    runs = summary["model"].map(lambda name: _SHORT.get(name, name))
    if summary["subset"].nunique() > 1:
        runs = runs + ", " + summary["subset"]
    table = summary.assign(what=what, run=runs, kind=summary["model"].map(kind))
    table = table[table.what.isin(panels)]
    fig = forest(table, ("what", panels), ("run", {run: run for run in table.run}),
                 ("kind", _KINDS), title=title, zero=False, columns=7, width=1.6)  # fmt: skip
    shown = [panel for panel in panels if (table.what == panel).any()]
    for ax, panel in zip(fig.axes, shown, strict=True):
        if panel in wanted:
            ax.axvline(wanted[panel], color=INK, lw=1, ls="--")
    return fig
