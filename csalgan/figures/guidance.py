"""Figures of notebook 05: what the sentence does to people and to a model."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from csalgan.data.records import CONDITIONS
from csalgan.evaluation.tables import SUBSET_LABELS
from csalgan.exploration import correlation
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
    heat_map,
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
from csalgan.guidance import VARIANTS, Pull, density, share_moved

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
            _sentence(condition, row.text), color=condition_ink(condition), fontsize=9.5
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
        line[0].set_ylabel(_sentence(name, row.text, 26), color=condition_ink(name), fontsize=9)
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
        line[0].set_ylabel(_sentence(row.condition, row.text, 26), fontsize=8,
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


@themed
def word_figure(dataset, record: str, pulls: Sequence[Pull], *, model: str) -> Figure:
    """Where each word of one sentence pulls attention: the picture, then a change map a word.

    Args:
        pulls: of every word, in reading order (:func:`csalgan.guidance.word_pulls`).
        model: the model's name, for the title.
    """
    row = dataset.row(record)
    columns = min(5, len(pulls) + 1)
    lines = -(-(len(pulls) + 1) // columns)
    width = 2.1
    height = (width * row["height"] / row["width"] + 0.45) * lines + 0.9
    fig = figure(width * columns + 1.0, height, title=f"Word by word ({model})")
    axes = fig.subplots(lines, columns, squeeze=False).ravel()
    show_image(axes[0], dataset.image(record))
    axes[0].set_title(
        _sentence(row["condition"], row["text"], 30),
        color=condition_ink(row["condition"]),
        fontsize=8,
    )
    limit = float(np.percentile(np.abs([pull.change for pull in pulls]), 99.9)) or 1.0
    for ax, pull in zip(axes[1:], pulls, strict=False):
        picture = show_change(ax, pull.change, limit=limit, shape=(row["height"], row["width"]))
        ink = INK if pull.is_content else MUTED
        share = f"{share_moved(pull.change):.1%}"
        ax.set_title(f"{pull.word}  {share}", color=ink, fontsize=9)
    for ax in axes[len(pulls) + 1 :]:
        ax.set_axis_off()
    fig.colorbar(picture, ax=list(axes), shrink=0.8, pad=0.01, extend="both",
                 label="attention because of the word\n(1 = even attention)")  # fmt: skip
    return fig


@themed
def word_kinds(summary: pd.DataFrame, *, title: str) -> Figure:
    """Attention that a content word holds and that a function word holds, per condition.

    Args:
        summary: what :func:`csalgan.guidance.summarise_words` gave.
    """
    order = [c for c in ("all", *CONDITIONS) if (summary.condition == c).any()]
    fig = figure(8.6, 0.5 * len(order) + 1.7, title=title)
    each, gap = fig.subplots(1, 2, sharey=True)
    for ax, measure, dy, colour, marker, label in (
        (each, "content", -0.12, _MODEL, "o", "content words"),
        (each, "function", 0.12, _CONTROL, "s", "function words"),
        (gap, "content - function", 0, _MODEL, "o", ""),
    ):
        rows = summary[summary.measure == measure]
        intervals(ax, rows, [order.index(c) + dy for c in rows.condition], colour, marker, label)
    labels = [CONDITION_LABELS.get(c, c) for c in order]
    named_rows(each, labels, "moves when one word is left out")
    named_rows(gap, labels, "content minus function, same sentence")
    for ax in (each, gap):
        ax.axvline(0, color=INK, lw=0.9)
        ax.set_xlabel("share of all attention (95 % intervals)")
    legend_below(fig, (each,))
    return fig


@themed
def known_effect(effects: Mapping[str, pd.DataFrame], *, title: str) -> Figure:
    """The true pull of a sentence, and what was recovered of it.

    Args:
        effects: whose they are → what :func:`csalgan.guidance.summarise_effect` gave; the first
            is drawn as the model, the last as the yardstick.
    """
    first = next(iter(effects.values()))
    order = [c for c in ("all", *CONDITIONS) if (first.condition == c).any()]
    fig = figure(7.6, (0.16 * len(effects) + 0.25) * len(order) + 1.9, title=title)
    ax = fig.subplots()
    step = 0.7 / (len(effects) + 1)
    styles = [*zip(ACCENTS, "osv^", strict=False)][: len(effects) - 1] + [(_PEOPLE, "D")]
    for k, (who, table) in enumerate(effects.items()):
        places = [order.index(c) + step * (k - (len(effects) - 1) / 2) for c in table.condition]
        intervals(ax, table, places, *styles[k], who)
    for row in first.itertuples():
        place = order.index(row.condition)
        ax.vlines(row.true, place - 0.42, place + 0.42, color=ACCENTS[3], lw=2.2,
                  label="true effect")  # fmt: skip
    ax.axvline(0, color=INK, lw=0.9)
    named_rows(ax, [CONDITION_LABELS.get(c, c) for c in order], ticks=8)
    ax.set_xlabel("κ, the pull of the sentence (95 % intervals)")
    legend_below(fig, (ax,), columns=2)
    return fig


@themed
def trained_on_matrix(
    summary: pd.DataFrame, *, metrics: Sequence[str] = ("cc", "nss"), title: str
) -> Figure:
    """Models trained on different subsets (rows), tested on each condition (columns).

    Args:
        summary: rows ``trained_on``, ``condition``, ``metric``, ``mean``, ``low``, ``high``.
    """
    metrics = [m for m in metrics if (summary.metric == m).any()]
    rows = list(summary.trained_on.drop_duplicates())
    columns = [c for c in (*CONDITIONS, "all") if (summary.condition == c).any()]
    fig = figure(1.05 * len(columns) * len(metrics) + 1.9, 0.62 * len(rows) + 1.9, title=title)
    axes = fig.subplots(1, len(metrics), squeeze=False, sharey=True)[0]
    for ax, metric in zip(axes, metrics, strict=True):
        cells = summary[summary.metric == metric].set_index(["trained_on", "condition"])
        heat_map(ax, cells, rows, columns)
        ax.set_yticklabels([SUBSET_LABELS.get(name, name) for name in rows])
        ax.set(title=metric_title(metric), xlabel="tested on")
    axes[0].set_ylabel("trained on")
    return fig


@themed
def encoder_forest(table: pd.DataFrame, measures: Mapping[str, str], *, title: str) -> Figure:
    """Text encoders side by side, one panel a measure.

    Args:
        table: what :func:`csalgan.guidance.compare_encoders` gave.
        measures: measure → the title of its panel; those not in the table are passed over.
    """
    shown = [m for m in measures if (table.measure == m).any()]
    names = list(table.encoder.drop_duplicates())
    fig = figure(2.5 * len(shown) + 1.2, 0.42 * len(names) + 1.6, title=title)
    axes = fig.subplots(1, len(shown), sharey=True, squeeze=False)[0]
    for ax, measure in zip(axes, shown, strict=True):
        rows = table[table.measure == measure]
        intervals(ax, rows, [names.index(n) for n in rows.encoder], _MODEL, "o")
        if rows["mean"].isna().all() or (rows.low.min() < 0 < rows.high.max()) or measure != "cc":
            ax.axvline(0, color=INK, lw=0.9)
        for k, name in enumerate(names):
            if rows.loc[rows.encoder == name, "mean"].isna().all():
                ax.text(0.5, k, "moved nothing", transform=ax.get_yaxis_transform(), ha="center",
                        va="center", color=MUTED, fontsize=8)  # fmt: skip
        named_rows(ax, names, measures[measure])
        ax.title.set_fontsize(9)
    fig.supxlabel("mean with 95 % interval over images", fontsize=9)
    return fig


def _members(dataset, image_id: str) -> pd.DataFrame:
    rows = dataset.records[dataset.records.image_id == image_id].set_index("condition")
    return rows.loc[[c for c in CONDITIONS if c in rows.index]]


def _sentence(condition: str, text: str, width: int = 32) -> str:
    return f"{condition_label(condition)}\n{wrapped(text, width) if text else '(looked freely)'}"


def _note(ax, text: str) -> None:
    ax.text(0.5, 0.5, text, transform=ax.transAxes, ha="center", va="center", fontsize=9.5)


def _number(value: float) -> str:
    return "undefined (nothing moved)" if np.isnan(value) else f"{value:.2f}".replace("-", "−")
