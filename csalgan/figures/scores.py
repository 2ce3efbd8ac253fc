"""Figures of notebook 04: what the scores look like, beside the paper's and the baselines'."""

from collections.abc import Collection, Mapping, Sequence

import pandas as pd

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
    overlay,
    picture_grid,
    show_fixations,
    show_image,
    themed,
    wrapped,
)
from csalgan.figures.charts import forest, legend_below, spread, strip

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


def _kind(model: str) -> str:
    return "network" if model not in _SHORT else model if model == "mean_map" else "other"


def profile_values(summary: pd.DataFrame, metrics: Collection[str], title: str) -> Figure:
    """The same predictions under every profile, one panel a metric.

    Args:
        summary: from :func:`csalgan.evaluation.summarise` by ``subset``.
        metrics: which ones may be shown; those of Table I are.
    """
    panels = {m: metric_title(m) for m in TABLE_METRICS if m in metrics}
    marks = zip(summary["metric_profile"].drop_duplicates(), ACCENTS, "osD^vP", strict=False)
    looks = {profile: (colour, mark, profile) for profile, colour, mark in marks}
    return forest(
        summary, ("metric", panels), ("subset", {s: s for s in summary["subset"]}),
        ("metric_profile", looks), title=title, zero=False,
    )  # fmt: skip


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
    subsets = {name: name for name in table["subset"]}
    title = f"{metric} of every model, baseline and split half"
    if paper is not None:
        title = f"{metric}: the line is what the paper prints"
    halves = table["model"].str.startswith("split_half").any()
    fig = forest(
        table.assign(kind=table["model"].map(_kind)), ("subset", subsets),
        ("model", {model: wrapped(label, 40) for model, label in labels.items()}),
        ("kind", _KINDS), title=title, zero=False, sharex=True,
        below=SPLIT_HALF_NOTE if halves else "",
    )  # fmt: skip
    for ax, subset in zip(fig.axes, subsets if paper is not None else (), strict=False):
        ax.axvline(paper[subset], color=INK, lw=1, ls="--")
    return fig


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
    table = summary.assign(what=what, run=runs, kind=summary["model"].map(_kind))
    table = table[table.what.isin(panels)]
    fig = forest(table, ("what", panels), ("run", {run: run for run in table.run}),
                 ("kind", _KINDS), title=title, zero=False, columns=7, width=1.6)  # fmt: skip
    shown = [panel for panel in panels if (table.what == panel).any()]
    for ax, panel in zip(fig.axes, shown, strict=True):
        if panel in wanted:
            ax.axvline(wanted[panel], color=INK, lw=1, ls="--")
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
    first, *others = scores["model"].drop_duplicates()
    conditions = [c for c in CONDITIONS if c in set(scores.condition)]
    columns = min(4, len(names))
    rows = -(-len(names) // columns)
    fig = figure(3 * columns, 2.7 * rows + 0.9, title=title)
    panels = fig.subplots(rows, columns, squeeze=False).ravel()
    for ax, metric in zip(panels, names, strict=False):
        for x, condition in enumerate(conditions):
            here = scores[(scores.metric == metric) & (scores.condition == condition)]
            values = here.loc[here.model == first, "value"].dropna()
            colour, marker = CONDITION_COLOURS[condition], CONDITION_MARKERS[condition]
            strip(ax, x + spread(len(values)), values, colour, marker)
            quartiles = values.quantile([0.25, 0.5, 0.75])
            label = f"{row_label(first)}: median and quartiles"
            ax.hlines(quartiles, x - 0.3, x + 0.3, color=INK, lw=[0.8, 1.8, 0.8], label=label)
            for k, model in enumerate(others):
                mean, label = here.loc[here.model == model, "value"].mean(), row_label(model)
                look = {"marker": "<xP*"[k], "color": ACCENTS[1 + k], "ls": ""}
                ax.plot(x + 0.38, mean, label=f"mean of {label}", **look)
        ax.set(title=metric_title(metric), xticks=range(len(conditions)))
        ax.set_xticklabels([CONDITION_LABELS[c].replace(" ", "\n") for c in conditions])
        ax.grid(axis="x", visible=False)
    for ax in panels[len(names) :]:
        ax.set_visible(False)
    legend_below(fig, panels)
    return fig


@themed
def cases(rows: Sequence[Mapping], title: str) -> Figure:
    """Photograph, measured map and prediction of some records, one column each.

    Args:
        rows: mappings with ``image`` uint8 (H, W, 3), ``truth``, ``prediction``, ``fixations``,
            ``heading`` (a line or two) and ``text``.
    """
    fig, grid = picture_grid(3, len(rows), [(3, 4)], 2.35, title)
    for column, row in zip(grid.T, rows, strict=True):
        show_image(column[0], row["image"], title=row["heading"])
        show_fixations(column[0], row["fixations"], size=4)
        overlay(column[1], row["image"], row["truth"], title="measured")
        overlay(column[2], row["image"], row["prediction"], title="predicted")
        column[2].set_xlabel(wrapped(row["text"] or "(no sentence)", 34), fontsize=8)
    return fig
