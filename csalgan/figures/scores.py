"""Figures of notebook 04: what the scores look like, beside the paper's and the baselines'."""

from collections.abc import Collection, Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from csalgan.data.records import CONDITIONS
from csalgan.evaluation.statistics import LESS_IS_BETTER
from csalgan.evaluation.tables import METRIC_LABELS, SPLIT_HALF_NOTE, TABLE_METRICS, row_label
from csalgan.figures.base import (
    ACCENTS,
    CONDITION_COLOURS,
    CONDITION_LABELS,
    CONDITION_MARKERS,
    INK,
    MUTED,
    Figure,
    figure,
    intervals,
    legend_below,
    named_rows,
    overlay,
    show_fixations,
    show_image,
    themed,
    wrapped,
)

_BLUE, _RED = ACCENTS[:2]
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
_UNITS = {"kl": "nat", "ig": "bit", "ig_uniform": "bit"}
_MARKS = "osD^vP"  # never colour alone


def metric_title(metric: str) -> str:
    """A metric's name with its unit, and with a word where less is better."""
    notes = [_UNITS.get(metric), "less is better" if metric in LESS_IS_BETTER else None]
    noted = ", ".join(filter(None, notes))
    return METRIC_LABELS[metric] + (f" ({noted})" if noted else "")


@themed
def profile_values(summary: pd.DataFrame, metrics: Collection[str], title: str) -> Figure:
    """The same predictions under every profile, one panel a metric.

    Args:
        summary: from :func:`csalgan.evaluation.summarise` by ``subset``.
        metrics: which ones may be shown; those of Table I are.
    """
    names = [m for m in TABLE_METRICS if m in metrics and (summary.metric == m).any()]
    profiles = summary["metric_profile"].drop_duplicates().tolist()
    subsets = summary["subset"].drop_duplicates().tolist()
    columns = min(4, len(names))
    lines = -(-len(names) // columns)
    each = 0.18 * len(subsets) * len(profiles) + 0.7
    fig = figure(2.6 * columns + 1, each * lines + 1, title=title)
    axes = fig.subplots(lines, columns, sharey=True, squeeze=False).ravel()
    for ax, metric in zip(axes, names, strict=False):
        for k, profile in enumerate(profiles):
            mine = summary[(summary.metric == metric) & (summary.metric_profile == profile)]
            y = [subsets.index(s) + (k - (len(profiles) - 1) / 2) * 0.22 for s in mine.subset]
            intervals(ax, mine, y, ACCENTS[k], _MARKS[k], profile)
        named_rows(ax, subsets, metric_title(metric))
    _hide(axes[len(names) :])
    legend_below(fig, axes)
    return fig


@themed
def beside_the_paper(
    table: pd.DataFrame, paper: pd.Series | None, labels: Mapping[str, str], *, metric: str
) -> Figure:
    """One metric of Table I drawn: models, baselines and how well gaze predicts gaze.

    Args:
        table: from :func:`csalgan.evaluation.summarise` by ``model`` and ``subset``, one profile.
        paper: the paper's number for each subset, drawn as a line; None on drawn scenes, which
            it says nothing about.
        labels: model → what it is called.
        metric: heads the figure.
    """
    subsets = table["subset"].drop_duplicates().tolist()
    models = [name for name in labels if name in set(table["model"])]
    title = f"{metric} of every model, baseline and split half"
    if paper is not None:
        title = f"{metric}: the line is what the paper prints"
    fig = figure(12, 0.36 * len(models) + 1.6, title=title)
    panels = np.atleast_1d(fig.subplots(1, len(subsets), sharey=True, sharex=True))
    for ax, subset in zip(panels, subsets, strict=True):
        for k, model in enumerate(models):
            mine = table[(table.subset == subset) & (table.model == model)]
            learned = model not in _SHORT
            colour = _BLUE if learned else _RED if model == "mean_map" else MUTED
            intervals(ax, mine, [k] * len(mine), colour, "o" if learned else "s")
        if paper is not None:
            ax.axvline(paper[subset], color=INK, lw=1, ls="--")
        named_rows(ax, [wrapped(labels[m], 40) for m in models], subset)
    if any(name.startswith("split_half") for name in models):
        fig.supxlabel(SPLIT_HALF_NOTE, fontsize=8, color=MUTED)
    return fig


@themed
def side_by_side(summary: pd.DataFrame, wanted: Mapping[str, float], *, title: str) -> Figure:
    """Several models, one panel a measure, means with their intervals.

    Args:
        summary: means by ``model``, ``subset`` and ``condition``; models come in its order,
            networks first, then baselines.
        wanted: ``"metric, condition"`` → a value to reach, drawn as a line.
    """
    panels = [("cc", "all"), ("nss", "all")]
    panels += [("cc", c) for c in ("none", "salient", "non_salient")]
    panels += [("lost_content", "salient"), ("lost_content", "non_salient")]
    have = set(zip(summary.metric, summary.condition, strict=True))
    panels = [panel for panel in panels if panel in have]
    drawn = [panel in panels for panel in zip(summary.metric, summary.condition, strict=True)]
    runs = summary.loc[drawn, ["model", "subset"]].drop_duplicates().reset_index(drop=True)
    labels = runs["model"].map(lambda name: _SHORT.get(name, name))
    if runs["subset"].nunique() > 1:
        labels += ", " + runs["subset"]
    fig = figure(13.5, 0.27 * len(runs) + 1.4, title=title)
    axes = fig.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for ax, (metric, condition) in zip(axes, panels, strict=True):
        here = summary[(summary.metric == metric) & (summary.condition == condition)]
        here = here.set_index(["model", "subset"])
        for y, run in enumerate(runs.itertuples(index=False, name=None)):
            if run in here.index:
                network = run[0] not in _SHORT
                colour = _BLUE if network else _RED if run[0] == "mean_map" else MUTED
                intervals(ax, here.loc[[run]], [y], colour, "o" if network else "s")
        if (value := wanted.get(f"{metric}, {condition}")) is not None:
            ax.axvline(value, color=INK, lw=1, ls="--")
        name = {"cc": "CC", "nss": "NSS", "lost_content": "CC lost to other\ncontent"}[metric]
        named_rows(ax, labels, f"{name}\n{condition.replace('_', '-')}")
    return fig


@themed
def distributions(scores: pd.DataFrame, metrics: Collection[str], title: str) -> Figure:
    """Every record's score: one panel a metric, one strip a condition.

    Args:
        scores: tidy scores of one profile with the models to show; the first one is drawn as
            dots with its quartiles, the others as a mark at their mean.
        metrics: which ones, in this order.
    """
    names = [m for m in metrics if m in set(scores.metric)]
    models = scores["model"].drop_duplicates().tolist()
    conditions = [c for c in CONDITIONS if c in set(scores.condition)]
    columns = min(4, len(names))
    rows = -(-len(names) // columns)
    fig = figure(3 * columns, 2.7 * rows + 0.9, title=title)
    panels = fig.subplots(rows, columns, squeeze=False).ravel()
    rng = np.random.default_rng(0)
    for ax, metric in zip(panels, names, strict=False):
        for x, condition in enumerate(conditions):
            here = scores[(scores.metric == metric) & (scores.condition == condition)]
            values = here.loc[here.model == models[0], "value"].dropna().to_numpy()
            if len(values):
                spread = rng.uniform(-0.22, 0.22, len(values))
                ax.scatter(
                    x + spread, values, s=9, alpha=0.55, linewidths=0,
                    c=CONDITION_COLOURS[condition], marker=CONDITION_MARKERS[condition],
                )  # fmt: skip
                for value, half, width in zip(
                    np.percentile(values, [25, 50, 75]), (0.2, 0.3, 0.2), (0.8, 1.8, 0.8),
                    strict=True,
                ):  # fmt: skip
                    label = f"{row_label(models[0])}: median and quartiles"
                    ax.hlines(value, x - half, x + half, color=INK, lw=width, label=label)
            for k, model in enumerate(models[1:]):
                mean = here.loc[here.model == model, "value"].mean()
                label = f"mean of {row_label(model)}"
                ax.plot(x + 0.38, mean, "<xP*"[k], color=ACCENTS[1 + k], ms=6, ls="", label=label)
        ax.set(title=metric_title(metric), xticks=range(len(conditions)))
        ax.set_xticklabels([CONDITION_LABELS[c].replace(" ", "\n") for c in conditions])
        ax.grid(axis="x", visible=False)
    _hide(panels[len(names) :])
    legend_below(fig, panels, columns=2)
    return fig


@themed
def cases(rows: Sequence[Mapping], title: str) -> Figure:
    """Photograph, measured map and prediction of some records, one column each.

    Args:
        rows: mappings with ``image`` uint8 (H, W, 3), ``truth``, ``prediction``, ``fixations``,
            ``heading`` (a line or two) and ``text``.
    """
    fig = figure(2.35 * len(rows), 6.3, title=title)
    grid = fig.subplots(3, len(rows), squeeze=False)
    for column, row in zip(grid.T, rows, strict=True):
        show_image(column[0], row["image"], title=row["heading"])
        show_fixations(column[0], row["fixations"], size=4)
        overlay(column[1], row["image"], row["truth"], title="measured")
        overlay(column[2], row["image"], row["prediction"], title="predicted")
        column[2].set_xlabel(wrapped(row["text"] or "(no sentence)", 34), fontsize=8)
    return fig


def _hide(axes: Sequence[Axes]) -> None:
    for ax in axes:
        ax.set_visible(False)
