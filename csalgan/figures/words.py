"""Figures of words, known effects, subsets and text encoders (notebook 05)."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from csalgan.data.records import CONDITIONS
from csalgan.evaluation.tables import SUBSET_LABELS
from csalgan.exploration import share_moved
from csalgan.figures.base import (
    ACCENTS,
    CONDITION_LABELS,
    INK,
    MUTED,
    Figure,
    condition_ink,
    figure,
    heat_map,
    intervals,
    legend_below,
    named_rows,
    show_change,
    show_image,
    themed,
)
from csalgan.figures.guidance import sentence_title
from csalgan.figures.scores import metric_title

_MODEL, _PEOPLE, _CONTROL = ACCENTS[0], INK, "#A6ABB2"
_DIFFERENCE = "score with that sentence minus score with the true sentence (95 % intervals)"
#: Metrics on the forest plot, in this order; the table has all of them.
_METRICS = ("auc", "sauc", "cc", "nss", "sim", "kl", "ig")


@themed
def word_figure(dataset, record: str, pulls: Sequence, *, model: str) -> Figure:
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
        sentence_title(row["condition"], row["text"], 30),
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
        table: what :func:`csalgan.experiment.encoders.compare_encoders` gave.
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
