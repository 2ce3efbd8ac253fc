"""Figures of notebook 05: what the sentence does to people and to a model."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from csalgan.data.records import CONDITIONS
from csalgan.evaluation.tables import SUBSET_LABELS
from csalgan.exploration import correlation, density, total_variation
from csalgan.figures.base import (
    ACCENTS,
    CONDITION_LABELS,
    INK,
    MUTED,
    Figure,
    change_bar,
    condition_colour,
    condition_ink,
    condition_label,
    condition_look,
    figure,
    picture_grid,
    read,
    show_change,
    show_fixations,
    show_image,
    show_map,
    themed,
)
from csalgan.figures.charts import forest, heat_maps, legend_below, spread, strip
from csalgan.figures.scores import metric_title
from csalgan.text.variants import VARIANTS

_MODEL, _PEOPLE, _CONTROL = ACCENTS[0], INK, "#A6ABB2"
#: What rows of conditions are called, all of them together first.
_ALL_FIRST = {"all": "all"} | CONDITION_LABELS
_TITLES = {m: metric_title(m) for m in ("auc", "sauc", "cc", "nss", "sim", "kl", "ig")}


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
    note += _number(correlation(*moved))
    axes[2, 0].text(0.5, 0.5, note, transform=axes[2, 0].transAxes, ha="center", va="center")
    change_bar(fig, picture, axes[2, :])
    return fig


def forest_of_variants(differences: pd.DataFrame, human: pd.DataFrame, *, title: str) -> Figure:
    """Paired differences to the true sentence per metric: the model, and people as the yardstick.

    Args:
        differences, human: what :func:`csalgan.guidance.paired_differences` gave.
    """
    both = pd.concat([differences.assign(who="model"), human.assign(who="people")])
    label = "people's gaze after that sentence"
    looks = {"model": (_MODEL, "o", "model"), "people": (_PEOPLE, "D", label)}
    return _differences(both[both.condition == "all"], _TITLES, ("who", looks), title)


def condition_forest(
    differences: pd.DataFrame, *, metrics: Sequence[str] = ("cc", "nss"), title: str
) -> Figure:
    """Paired differences to the true sentence, one colour per condition.

    Args:
        differences: as for :func:`forest_of_variants`.
    """
    looks = {c: tuple(condition_look(c).values()) for c in CONDITIONS}
    titles = {m: _TITLES[m] for m in metrics}
    return _differences(differences, titles, ("condition", looks), title, width=4.2)


def _differences(table, titles: Mapping[str, str], looks, title: str, **size) -> Figure:
    variants = {name: variant.label for name, variant in VARIANTS.items()}
    below = "score with that sentence minus score with the true sentence (95 % intervals)"
    metric, variant = ("metric", titles), ("variant", variants)
    return forest(table, metric, variant, looks, title=title, below=below, **size)


@themed
def strength_curves(summary: pd.DataFrame, *, title: str) -> Figure:
    """Scores against sentence strength, a curve per condition with its 95 % band.

    Args:
        summary: rows ``strength``, ``metric``, ``condition``, ``mean``, ``low``, ``high``.
    """
    metrics = [m for m in _TITLES if (summary.metric == m).any()]
    fig = figure(3.3 * len(metrics) + 1.5, 3.3, title=title)
    axes = fig.subplots(1, len(metrics), squeeze=False)[0]
    summary = summary.sort_values("strength")
    for ax, metric in zip(axes, metrics, strict=True):
        here = summary[summary.metric == metric]
        for condition in (c for c in CONDITIONS if (here.condition == c).any()):
            rows, look = here[here.condition == condition], condition_look(condition)
            band = {"color": look["color"], "alpha": 0.14, "lw": 0}
            ax.fill_between(rows.strength, rows.low, rows.high, **band)
            ax.plot(rows.strength, rows["mean"], ms=4, **look)
        ax.axvline(1, color=MUTED, lw=0.8, ls=":")
        ax.set(xlabel="sentence strength (0 none, 1 as read)", title=_TITLES[metric])
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
        moves: record → (predicted, measured), as :func:`csalgan.guidance.difference_maps` yields.
    """
    rows = dataset.records.set_index("record").loc[list(records)]
    shapes = list(zip(rows.height, rows.width, strict=True))
    fig, axes = picture_grid(len(rows), 3, shapes, 2.9, title)
    for line, shape, (record, row) in zip(axes, shapes, rows.iterrows(), strict=True):
        predicted, measured = moves[record]
        show_image(line[0], dataset.image(record))
        ink = condition_ink(row.condition)
        line[0].set_ylabel(read(row.condition, row.text, 26), fontsize=8, color=ink)
        limit = float(np.percentile(np.abs(measured), 99.5))
        for ax, change in ((line[1], measured), (line[2], predicted)):
            picture = show_change(ax, change, limit=limit, shape=shape)
        line[2].set_xlabel(f"correlation {_number(correlation(predicted, measured))}", fontsize=8)
        change_bar(fig, picture, line)
    for ax, name in zip(axes[0], ("image", "measured change", "predicted change"), strict=True):
        ax.set_title(name)
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
        "control": (_CONTROL, "s", "control: another image's change"),
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


@themed
def word_figure(dataset, record: str, pulls: Sequence, *, model: str) -> Figure:
    """Where each word of one sentence pulls attention: the picture, then a change map a word.

    Args:
        pulls: of every word, in reading order (:func:`csalgan.guidance.leave_one_word_out`).
        model: the model's name, for the title.
    """
    row = dataset.row(record)
    columns = min(5, len(pulls) + 1)
    lines = -(-(len(pulls) + 1) // columns)
    shape = row["height"], row["width"]
    fig, axes = picture_grid(lines, columns, [shape], 2.2, f"Word by word ({model})")
    axes = axes.ravel()
    show_image(axes[0], dataset.image(record))
    ink = condition_ink(row["condition"])
    axes[0].set_title(read(row["condition"], row["text"], 30), color=ink, fontsize=8)
    limit = float(np.percentile(np.abs([pull.change for pull in pulls]), 99.9))
    for ax, pull in zip(axes[1:], pulls, strict=False):
        picture = show_change(ax, pull.change, limit=limit, shape=shape)
        ink = INK if pull.is_content else MUTED
        ax.set_title(f"{pull.word}  {total_variation(pull.change):.1%}", color=ink, fontsize=9)
    change_bar(fig, picture, list(axes), "attention because of the word")
    return fig


def word_kinds(summary: pd.DataFrame, *, title: str) -> Figure:
    """Attention that a content word holds and that a function word holds, per condition.

    Args:
        summary: what :func:`csalgan.guidance.summarise_words` gave.
    """
    gap = "content minus function, same sentence"
    panels = {"each": "moves when one word is left out", "gap": gap}
    looks = {
        "content": (_MODEL, "o", "content words"),
        "function": (_CONTROL, "s", "function words"),
        "content - function": (_MODEL, "o"),
    }
    summary = summary.assign(panel=np.where(summary.measure.str.contains("-"), "gap", "each"))
    below = "share of all attention (95 % intervals)"
    return forest(summary, ("panel", panels), ("condition", _ALL_FIRST), ("measure", looks),
                  title=title, width=3.9, below=below)  # fmt: skip


def known_effect(effects: Mapping[str, pd.DataFrame], *, title: str) -> Figure:
    """The true pull of a sentence, and what was recovered of it.

    Args:
        effects: whose they are → what :func:`csalgan.guidance.summarise_effect` gave; the first
            is drawn as the model, the last as the yardstick.
    """
    styles = [*zip(ACCENTS, "osv^", strict=False)][: len(effects) - 1] + [(_PEOPLE, "D")]
    looks = {who: (*style, who) for who, style in zip(effects, styles, strict=True)}
    table = pd.concat([one.assign(who=who, panel="κ") for who, one in effects.items()])
    below = "κ, the pull of the sentence (95 % intervals; upright line: the true effect)"
    rows = ("condition", _ALL_FIRST)
    fig = forest(table, ("panel", {"κ": ""}), rows, ("who", looks), title=title, width=7,
                 below=below)  # fmt: skip
    true = table.groupby("condition").true.first()
    for y, condition in enumerate(c for c in _ALL_FIRST if c in true.index):
        fig.axes[0].vlines(true[condition], y - 0.42, y + 0.42, color=ACCENTS[3], lw=2.2)
    return fig


def trained_on_matrix(
    summary: pd.DataFrame, *, metrics: Sequence[str] = ("cc", "nss"), title: str
) -> Figure:
    """Models trained on different subsets (rows), tested on each condition (columns).

    Args:
        summary: rows ``trained_on``, ``condition``, ``metric``, ``mean``, ``low``, ``high``.
    """
    rows = {name: SUBSET_LABELS.get(name, name) for name in summary.trained_on}
    columns = ("condition", CONDITION_LABELS | {"all": "all"})
    titles = {m: _TITLES[m] for m in metrics}
    fig = heat_maps(summary, ("trained_on", rows), columns, titles, title=title)
    fig.axes[0].set_ylabel("trained on")
    for ax in fig.axes:
        ax.set_xlabel("tested on")
    return fig


def encoder_forest(table: pd.DataFrame, measures: Mapping[str, str], *, title: str) -> Figure:
    """Text encoders side by side, one panel a measure.

    Args:
        table: what :func:`csalgan.guidance.compare_encoders` gave.
        measures: measure → the title of its panel; those not in the table are passed over.
    """
    names = {name: name for name in table.encoder}
    fig = forest(table.assign(mark=""), ("measure", measures), ("encoder", names),
                 ("mark", {"": (_MODEL, "o")}), title=title, zero=False, width=2.5,
                 below="mean with 95 % interval over images")  # fmt: skip
    shown = [m for m in measures if (table.measure == m).any()]
    for ax, measure in zip(fig.axes, shown, strict=False):
        if measure != "cc":
            ax.axvline(0, color=INK, lw=0.9)
        rows = table[table.measure == measure].groupby("encoder")["mean"].count()
        for k, name in enumerate(names):
            if rows[name] == 0:
                ax.text(0.5, k, "moved nothing", transform=ax.get_yaxis_transform(), ha="center",
                        va="center", color=MUTED, fontsize=8, backgroundcolor="white")  # fmt: skip
    return fig


def _number(value: float) -> str:
    return "undefined (nothing moved)" if np.isnan(value) else f"{value:.2f}".replace("-", "−")
