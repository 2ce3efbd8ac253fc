"""Figures of notebook 04: what the scores look like, beside the paper's and the baselines'."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from csalgan.data.records import CONDITIONS
from csalgan.figures.base import (
    ACCENTS,
    CONDITION_COLOURS,
    CONDITION_LABELS,
    CONDITION_MARKERS,
    INK,
    MUTED,
    Figure,
    bare,
    figure,
    overlay,
    show_fixations,
    show_image,
    themed,
    wrapped,
)

_BLUE, _RED = ACCENTS[:2]
_SHORT = {
    "uniform": "uniform",
    "center": "center",
    "mean_map": "mean map",
    "free_viewing": "free viewing",
    "split_half": "split half",
    "split_half_corrected": "split half, corrected",
    "observers": "observers",
    "people": "people",
}


@themed
def profile_values(summary: pd.DataFrame, labels: Mapping[str, str], title: str) -> Figure:
    """The same predictions under every profile, one panel a metric.

    Args:
        summary: from :func:`csalgan.evaluation.summarise` by ``subset``.
        labels: metric → what the panel is called.
    """
    names = [m for m in ("auc", "sauc", "cc", "nss", "sim", "kl", "ig") if m in set(summary.metric)]
    profiles = summary["metric_profile"].drop_duplicates().tolist()
    subsets = summary["subset"].drop_duplicates().tolist()
    fig = figure(12.5, 0.18 * len(subsets) * len(profiles) + 1.3, title=title)
    *panels, key = fig.subplots(1, len(names) + 1, width_ratios=[1] * len(names) + [0.75])
    for ax, metric in zip(panels, names, strict=True):
        for k, profile in enumerate(profiles):
            mine = summary[(summary.metric == metric) & (summary.metric_profile == profile)]
            y = [subsets.index(s) + (k - (len(profiles) - 1) / 2) * 0.22 for s in mine.subset]
            _interval(ax, mine, y, ACCENTS[k], "osD"[k % 3])
        ax.set(title=labels[metric], yticks=range(len(subsets)))
        ax.set_yticklabels(subsets if ax is panels[0] else [])
        ax.set_ylim(len(subsets) - 0.5, -0.5)
        ax.grid(axis="y", visible=False)
    marks = [
        key.plot([], [], "osD"[k % 3], color=ACCENTS[k], label=name)[0]
        for k, name in enumerate(profiles)
    ]
    _key(key, marks, "profile")
    return fig


@themed
def beside_the_paper(
    table: pd.DataFrame, paper: pd.Series | None, labels: Mapping[str, str], *, metric: str
) -> Figure:
    """One metric of Table I drawn: models, baselines and the ceiling, the paper's value as a line.

    Args:
        table: from :func:`csalgan.evaluation.summarise` by ``model`` and ``subset``, one profile.
        paper: the paper's number for each subset; None for scores on drawn scenes, which must not
            stand beside it.
        labels: model → what it is called.
        metric: heads the figure.
    """
    subsets = table["subset"].drop_duplicates().tolist()
    models = [name for name in labels if name in set(table["model"])]
    title = metric if paper is None else f"{metric}: the line is what the paper prints"
    fig = figure(12, 0.32 * len(models) + 1.5, title=title)
    panels = np.atleast_1d(fig.subplots(1, len(subsets), sharey=True, sharex=True))
    for ax, subset in zip(panels, subsets, strict=True):
        for k, model in enumerate(models):
            mine = table[(table.subset == subset) & (table.model == model)]
            colour = _BLUE if model not in _SHORT else _RED if model == "mean_map" else MUTED
            _interval(ax, mine, [k] * len(mine), colour, "o")
        if paper is not None:
            ax.axvline(paper[subset], color=INK, lw=1, ls="--")
        ax.set(title=subset, yticks=range(len(models)), yticklabels=[labels[m] for m in models])
        ax.grid(axis="y", visible=False)
    panels[0].invert_yaxis()
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
                _interval(ax, here.loc[[run]], [y], colour, "o")
        if (value := wanted.get(f"{metric}, {condition}")) is not None:
            ax.axvline(value, color=INK, lw=1, ls="--")
        name = {"cc": "CC", "nss": "NSS", "lost_content": "CC lost to other\ncontent"}[metric]
        ax.set(title=f"{name}\n{condition.replace('_', '-')}", yticks=range(len(runs)))
        ax.set_yticklabels(labels)
        ax.grid(axis="y", visible=False)
    axes[0].invert_yaxis()
    return fig


@themed
def distributions(scores: pd.DataFrame, labels: Mapping[str, str], title: str) -> Figure:
    """Every record's score: one panel a metric, one strip a condition.

    Args:
        scores: tidy scores of one profile with the models to show; the first one is drawn as
            dots with its quartiles, the others as a mark at their mean.
        labels: metric → what the panel is called.
    """
    names = [m for m in labels if m in set(scores.metric)]
    models = scores["model"].drop_duplicates().tolist()
    conditions = [c for c in CONDITIONS if c in set(scores.condition)]
    columns = 4
    rows = -(-(len(names) + 1) // columns)  # one panel more, for the key
    fig = figure(12, 2.7 * rows + 0.4, title=title)
    panels = fig.subplots(rows, columns, squeeze=False).ravel()
    rng = np.random.default_rng(0)
    for ax, metric in zip(panels, names, strict=False):
        for x, condition in enumerate(conditions):
            here = scores[(scores.metric == metric) & (scores.condition == condition)]
            values = here.loc[here.model == models[0], "value"].dropna().to_numpy()
            colour = CONDITION_COLOURS[condition]
            if len(values):
                spread = rng.uniform(-0.22, 0.22, len(values))
                ax.scatter(
                    x + spread, values, s=7, c=colour, alpha=0.55, linewidths=0,
                    marker=CONDITION_MARKERS[condition],
                )  # fmt: skip
                low, middle, high = np.percentile(values, [25, 50, 75])
                ax.plot([x - 0.3, x + 0.3], [middle, middle], color=INK, lw=1.8)
                for edge in (low, high):
                    ax.plot([x - 0.2, x + 0.2], [edge, edge], color=INK, lw=0.8)
            for k, model in enumerate(models[1:]):
                mean = here.loc[here.model == model, "value"].mean()
                ax.plot(x + 0.38, mean, "<x"[k % 2], color=_RED, ms=6)
        ax.set(title=labels[metric], xticks=range(len(conditions)))
        ax.set_xticklabels([CONDITION_LABELS[c].replace(" ", "\n") for c in conditions])
        ax.grid(axis="x", visible=False)
    key, *unused = panels[len(names) :]
    for ax in unused:
        ax.set_visible(False)
    marks = [key.plot([], [], color=INK, lw=1.8, label="median and quartiles")[0]]
    marks += [
        key.plot([], [], "<x"[k % 2], color=_RED, ls="", label=f"mean of {_SHORT.get(m, m)}")[0]
        for k, m in enumerate(models[1:])
    ]
    _key(key, marks)
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


def _interval(ax: Axes, rows: pd.DataFrame, y: Sequence[float], colour: str, marker: str) -> None:
    """Means with their intervals as horizontal bars."""
    ax.hlines(y, rows["low"], rows["high"], color=colour, lw=1.6)
    ax.plot(rows["mean"], y, marker, color=colour, ls="")


def _key(ax: Axes, marks: Sequence, title: str | None = None) -> None:
    """A panel that holds nothing but the legend."""
    bare(ax)
    ax.legend(handles=marks, loc="center left", title=title, alignment="left")
