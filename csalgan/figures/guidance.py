"""Figures of notebook 05: what the sentence does to people and to a model."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from csalgan.data.records import CONDITIONS
from csalgan.exploration import correlation, density, share_moved
from csalgan.figures.base import (
    ACCENTS,
    CONDITION_LABELS,
    CONDITION_MARKERS,
    INK,
    MUTED,
    Figure,
    bare,
    condition_colour,
    condition_ink,
    condition_label,
    figure,
    intervals,
    legend_below,
    named_rows,
    show_change,
    show_fixations,
    show_image,
    show_map,
    themed,
    wrapped,
)
from csalgan.figures.scores import metric_title
from csalgan.text.variants import VARIANTS

_MODEL, _PEOPLE, _CONTROL = ACCENTS[0], INK, "#A6ABB2"
_DIFFERENCE = "score with that sentence minus score with the true sentence (95 % intervals)"
#: Metrics on the forest plot, in this order; the table has all of them.
_METRICS = ("auc", "sauc", "cc", "nss", "sim", "kl", "ig")


@themed
def conditions_figure(
    dataset, image_id: str, predictions: Mapping[str, np.ndarray], *, model: str
) -> Figure:
    """One image in every condition: fixations, measured map, predicted map.

    Args:
        predictions: record → predicted map (H, W).
        model: the model's name, for the title.
    """
    rows = _members(dataset, image_id)
    width = 2.6
    height = 3 * width * rows.height.iloc[0] / rows.width.iloc[0] + 1.1
    fig = figure(width * len(rows) + 0.4, height, title=f"One picture, four conditions ({model})")
    axes = fig.subplots(3, len(rows), squeeze=False)
    for column, (condition, row) in zip(axes.T, rows.iterrows(), strict=True):
        measured = dataset.map(row.record)
        show_image(column[0], dataset.image(row.record))
        show_fixations(column[0], dataset.fixations(row.record), colour=condition_colour(condition))
        column[0].set_title(
            sentence_title(condition, row.text), color=condition_ink(condition), fontsize=9.5
        )
        show_map(column[1], measured)
        show_map(column[2], predictions[row.record])
        cc = correlation(predictions[row.record], measured)
        column[2].set_xlabel(f"CC with the measured map {cc:.2f}", fontsize=8)
    for ax, label in zip(axes[:, 0], ("fixations", "measured", "predicted"), strict=True):
        ax.set_ylabel(label, fontsize=10)
    return fig


@themed
def pair_figure(
    dataset,
    image_id: str,
    condition: str,
    predictions: Mapping[str, np.ndarray],
    *,
    model: str,
    reference: str = "none",
) -> Figure:
    """The same image before and after a sentence, and what changed (the paper's Figures 10–12).

    Args:
        condition: the condition compared with ``reference``.
        predictions: record → predicted map (H, W).
        model: the model's name, for the title.
    """
    rows = _members(dataset, image_id)
    width, shape = 3.0, rows.height.iloc[0] / rows.width.iloc[0]
    title = f"Without and with a {condition_label(condition)} sentence ({model})"
    fig = figure(3 * width + 1.2, 3 * width * shape + 1.2, title=title)
    axes = fig.subplots(3, 3)
    found = {}
    for line, name in zip(axes, (reference, condition), strict=False):
        row = rows.loc[name]
        found[name] = (dataset.map(row.record), predictions[row.record])
        show_image(line[0], dataset.image(row.record))
        show_fixations(line[0], dataset.fixations(row.record), colour=condition_colour(name))
        show_map(line[1], found[name][0])
        show_map(line[2], found[name][1])
        said = sentence_title(name, row.text, 26)
        line[0].set_ylabel(said, color=condition_ink(name), fontsize=9)
    moved = [
        density(told, 128) - density(untold, 128)
        for told, untold in zip(found[condition], found[reference], strict=True)
    ]
    for ax, change in zip(axes[2, 1:], moved, strict=True):
        # Both on the scale of people: a model that hardly moves should look like it.
        limit = float(np.percentile(np.abs(moved[0]), 99.5)) or 1.0
        shape = rows.height.iloc[0], rows.width.iloc[0]
        picture = show_change(ax, change, limit=limit, shape=shape)
        ax.set_xlabel(f"{share_moved(change):.1%} of attention moved", fontsize=8.5)
    for ax, title in zip(axes[0], ("image and fixations", "measured", "predicted"), strict=True):
        ax.set_title(title)
    _note(
        bare(axes[2, 0]),
        f"change: with minus without\n\nmeasured and predicted\nchange correlate "
        f"{_number(correlation(*moved))}",
    )
    fig.colorbar(picture, ax=axes[2, :], shrink=0.9, pad=0.01, extend="both",
                 label="change of attention\n(1 = even attention)")  # fmt: skip
    return fig


@themed
def forest(differences: pd.DataFrame, human: pd.DataFrame, *, title: str) -> Figure:
    """Paired differences to the true sentence per metric: the model, and people as the yardstick.

    Args:
        differences, human: what :func:`csalgan.guidance.paired_differences` gave.
    """
    differences, human = (t[t.condition == "all"] for t in (differences, human))
    label = "people's gaze after that sentence"
    series = [(differences, -0.13, _MODEL, "o", "model"), (human, 0.16, _PEOPLE, "D", label)]
    return _forest(differences, _METRICS, series, 0.42, title)


@themed
def condition_forest(
    differences: pd.DataFrame, *, metrics: Sequence[str] = ("cc", "nss"), title: str
) -> Figure:
    """Paired differences to the true sentence, one colour per condition.

    Args:
        differences: as for :func:`forest`.
    """
    present = [c for c in CONDITIONS if (differences.condition == c).any()]
    series = [
        (
            differences[differences.condition == c], 0.22 * (k - (len(present) - 1) / 2),
            condition_colour(c), CONDITION_MARKERS[c], condition_label(c),
        )
        for k, c in enumerate(present)
    ]  # fmt: skip
    return _forest(differences, metrics, series, 0.62, title)


def _forest(
    table: pd.DataFrame, metrics: Sequence[str], series: Sequence[tuple], row: float, title: str
) -> Figure:
    """Rows of variants, ``row`` inches each, a panel a metric.

    ``series`` are differences, how far below the row's middle they stand, and how they look.
    """
    metrics = [m for m in metrics if (table.metric == m).any()]
    variants = [v for v in VARIANTS if (table.variant == v).any()]
    columns = min(4, len(metrics))
    lines = -(-len(metrics) // columns)
    width = max(2.7, 8.4 / columns)
    fig = figure(width * columns + 1.9, (row * len(variants) + 0.95) * lines + 0.8, title=title)
    axes = fig.subplots(lines, columns, sharey=True, squeeze=False).ravel()
    for ax, metric in zip(axes, metrics, strict=False):
        ax.axvline(0, color=INK, lw=0.9)
        for differences, dy, *look in series:
            chosen = differences[differences.metric == metric]
            chosen = chosen[chosen.variant.isin(variants)]
            if len(chosen):
                intervals(ax, chosen, [variants.index(v) + dy for v in chosen.variant], *look)
        named_rows(ax, [VARIANTS[v].label for v in variants], metric_title(metric))
    for ax in axes[len(metrics) :]:
        ax.set_axis_off()
    legend_below(fig, axes, title=_DIFFERENCE)
    return fig


@themed
def strength_curves(summary: pd.DataFrame, *, title: str) -> Figure:
    """Scores against sentence strength, a curve per condition with its 95 % band.

    Args:
        summary: rows ``strength``, ``metric``, ``condition``, ``mean``, ``low``, ``high``.
    """
    metrics = [m for m in _METRICS if (summary.metric == m).any()]
    fig = figure(3.3 * len(metrics) + 1.5, 3.3, title=title)
    axes = fig.subplots(1, len(metrics), squeeze=False)[0]
    for ax, metric in zip(axes, metrics, strict=True):
        for condition in CONDITIONS:
            rows = summary[(summary.metric == metric) & (summary.condition == condition)]
            if rows.empty:
                continue
            rows = rows.sort_values("strength")
            colour = condition_colour(condition)
            ax.fill_between(rows.strength, rows.low, rows.high, color=colour, alpha=0.14, lw=0)
            ax.plot(
                rows.strength, rows["mean"], color=colour, label=condition_label(condition),
                marker=CONDITION_MARKERS[condition], ms=4,
            )  # fmt: skip
        ax.axvline(1, color=MUTED, lw=0.8, ls=":")
        ax.set(xlabel="sentence strength (0 none, 1 as read)", title=metric_title(metric))
        ax.set_xticks(sorted(summary.strength.unique()))
    legend_below(fig, axes)
    return fig


@themed
def change_examples(
    dataset,
    records: Sequence[str],
    moves: Mapping[str, tuple[np.ndarray, np.ndarray]],
    *,
    title: str = "Where attention moved",
) -> Figure:
    """Image, measured change and predicted change, one row per record.

    Args:
        records: names of the records to show.
        moves: record → (predicted, measured), as :func:`csalgan.guidance.changes` yields them.
    """
    rows = dataset.records.set_index("record").loc[list(records)]
    width = 2.7
    heights = [width * h / w for h, w in zip(rows.height, rows.width, strict=True)]
    fig = figure(3 * width + 1.0, sum(heights) + 0.3 * len(rows) + 0.9, title=title)
    axes = fig.subplots(len(rows), 3, squeeze=False, height_ratios=heights)
    for line, (record, row) in zip(axes, rows.iterrows(), strict=True):
        predicted, measured = moves[record]
        show_image(line[0], dataset.image(record))
        line[0].set_ylabel(sentence_title(row.condition, row.text, 26), fontsize=8,
                           color=condition_ink(row.condition))  # fmt: skip
        limit = float(np.percentile(np.abs(measured), 99.5)) or 1.0
        for ax, change in ((line[1], measured), (line[2], predicted)):
            picture = show_change(ax, change, limit=limit, shape=(row.height, row.width))
        line[2].set_xlabel(f"correlation {_number(correlation(predicted, measured))}", fontsize=8)
        fig.colorbar(picture, ax=line, shrink=0.9, pad=0.01, extend="both",
                     label="change of attention\n(1 = even attention)")  # fmt: skip
    for ax, title in zip(axes[0], ("image", "measured change", "predicted change"), strict=True):
        ax.set_title(title)
    return fig


@themed
def change_agreement(
    table: pd.DataFrame,
    summary: pd.DataFrame,
    *,
    title: str = "Does the model move attention as people's gaze does?",
) -> Figure:
    """How well predicted and measured changes agree, beside strangers' changes; and how much moved.

    Args:
        table: one row per record (:func:`csalgan.guidance.compare_changes`).
        summary: its means with intervals (:func:`csalgan.guidance.summarise_changes`).
    """
    order = [c for c in (*CONDITIONS, "all") if (summary.condition == c).any()]
    fig = figure(9.2, 0.5 * len(order) + 2.0, title=title)
    agree, share = fig.subplots(1, 2, sharey=True)
    rng = np.random.default_rng(0)  # spreads the dots, nothing else
    for k, condition in enumerate(order):
        dots = table if condition == "all" else table[table.condition == condition]
        agree.scatter(dots.correlation, k + rng.uniform(-0.3, 0.3, len(dots)), s=8, alpha=0.35,
                      color=condition_colour(condition), linewidths=0)  # fmt: skip
    for ax, measure, dy, colour, marker, label in (
        (agree, "control", 0.14, _CONTROL, "s", "control: another image's change"),
        (agree, "correlation", -0.14, _MODEL, "o", "model"),
        (share, "measured_share", 0.14, _PEOPLE, "D", "people's gaze"),
        (share, "predicted_share", -0.14, _MODEL, "o", "model"),
    ):
        rows = summary[summary.measure == measure]
        intervals(ax, rows, [order.index(c) + dy for c in rows.condition], colour, marker, label)
    agree.axvline(0, color=INK, lw=0.9)
    labels = [CONDITION_LABELS.get(c, "all") for c in order]
    named_rows(agree, labels, "correlation with the measured change", ticks=6)
    named_rows(share, labels, "share of attention that moved", ticks=6)
    agree.set_xlabel("correlation (dots: records)")
    share.set_xlabel("share")
    share.set_xlim(left=-0.03 * share.get_xlim()[1])  # whole markers at 0
    if table.correlation.isna().all():
        agree.text(0.5, 0.5, "the model moved nothing", transform=agree.transAxes, ha="center",
                   backgroundcolor="white", color=MUTED)  # fmt: skip
    legend_below(fig, (agree, share))
    return fig


def _members(dataset, image_id: str) -> pd.DataFrame:
    rows = dataset.records[dataset.records.image_id == image_id].set_index("condition")
    return rows.loc[[c for c in CONDITIONS if c in rows.index]]


def sentence_title(condition: str, text: str, width: int = 32) -> str:
    """Condition and sentence, for the title of a picture."""
    return f"{condition_label(condition)}\n{wrapped(text, width) if text else '(looked freely)'}"


def _note(ax, text: str) -> None:
    ax.text(0.5, 0.5, text, transform=ax.transAxes, ha="center", va="center", fontsize=9.5)


def _number(value: float) -> str:
    return "undefined (nothing moved)" if np.isnan(value) else f"{value:.2f}".replace("-", "−")
