"""Figures of notebook 01: the data before any model."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from csalgan.data.records import CONDITIONS
from csalgan.evaluation.baselines import OBSERVERS, YARDSTICKS
from csalgan.figures.base import (
    ACCENTS,
    CONDITION_LABELS,
    CONDITION_MARKERS,
    INK,
    MUTED,
    Figure,
    bare,
    colour_map,
    condition_colour,
    condition_ink,
    condition_label,
    figure,
    heat_map,
    intervals,
    legend_below,
    named_rows,
    nothing,
    overlay,
    show_change,
    show_fixations,
    show_image,
    show_map,
    themed,
    wrapped,
)

_SILENT = "Nobody read a sentence in these data: they are free viewing alone."
_MEASURES = {
    "n_fixations": "fixated pixels",
    "entropy": "entropy of the map (bits)",
    "half_area": "area that holds half\nof the attention",
    "peak_distance": "peak to centre\n(share of half diagonal)",
}


@themed
def condition_samples(dataset, image_id: str) -> Figure:
    """One image in all its conditions: fixations, map and overlay, one column per condition."""
    rows = dataset.records[dataset.records.image_id == image_id]
    many = f", {len(rows)} conditions" if len(rows) > 1 else ""
    title = f"One picture{many} (image {image_id})"
    fig = figure(2.7 * len(rows) + 0.2, _grid_height(rows.iloc[0], 2.7, 3) + 0.9, title=title)
    axes = fig.subplots(3, len(rows), squeeze=False)
    for column, row in zip(axes.T, rows.itertuples(), strict=True):
        image, saliency = dataset.image(row.record), dataset.map(row.record)
        show_image(column[0], image)
        column[0].set_title(_headline(row), color=condition_ink(row.condition), fontsize=9.5)
        show_fixations(
            column[0], dataset.fixations(row.record), colour=condition_colour(row.condition)
        )
        show_map(column[1], saliency)
        overlay(column[2], image, saliency)
    for ax, label in zip(axes[:, 0], ("fixations", "map", "overlay"), strict=True):
        _row_label(ax, label)
    return fig


@themed
def contact_sheet(dataset, image_ids: Sequence[str]) -> Figure:
    """Several images, one row each: the picture, then its map after every kind of sentence."""
    records = dataset.records
    present = [c for c in CONDITIONS if (records.condition == c).any()]
    heights = [_grid_height(records[records.image_id == i].iloc[0], 2.1, 1) for i in image_ids]
    columns = 1 + len(present)
    title = "Where people's gaze went, sample by sample"
    fig = figure(2.1 * columns + 0.3, sum(heights) + 0.9, title=title)
    axes = fig.subplots(len(image_ids), columns, squeeze=False, height_ratios=heights)
    for line, image_id in zip(axes, image_ids, strict=True):
        members = records[records.image_id == image_id].set_index("condition")
        show_image(line[0], dataset.image(members.record.iloc[0]))
        for ax, condition in zip(line[1:], present, strict=True):
            bare(ax)
            if condition in members.index:
                show_map(ax, dataset.map(members.record[condition]))
    axes[0, 0].set_title("image")
    for ax, condition in zip(axes[0, 1:], present, strict=True):
        ax.set_title(CONDITION_LABELS[condition], color=condition_ink(condition), weight="bold")
    return fig


@themed
def count_bars(counts: pd.DataFrame, split: pd.DataFrame) -> Figure:
    """Records per condition by source, and per part of the split by condition."""
    fig = figure(9.2, 3.4, title="What there is, and how it is divided")
    left, right = fig.subplots(1, 2)
    known = {"condition", "records", "images", "two_record_images", "four_record_images"}
    table = counts[counts.condition != "all"].set_index("condition").rename(CONDITION_LABELS)
    sources = table[[c for c in table if c not in known]]
    _stacked(left, sources, ACCENTS[4::2], [f" {n}" for n in sources.sum(axis=1)])
    parts = split.set_index("part")[list(CONDITIONS)].rename(columns=CONDITION_LABELS)
    colours = [condition_colour(c) for c in CONDITIONS]
    _stacked(right, parts, colours, [f" {n} images" for n in split.images])
    left.set(title="records per condition", xlabel="records")
    right.set(title="records per part of the split", xlabel="records")
    return fig


def _stacked(ax: Axes, table: pd.DataFrame, colours: Sequence[str], ends: Sequence[str]) -> None:
    """A bar a row, a piece of it a column, and what stands at the end of each bar."""
    base = np.zeros(len(table))
    for column, colour in zip(table, colours, strict=False):
        ax.barh(table.index, table[column], left=base, label=column, color=colour, height=0.66)
        base += table[column].to_numpy()
    for y, (total, end) in enumerate(zip(base, ends, strict=True)):
        ax.text(total, y, end, va="center", fontsize=8.5)
    ax.set_xlim(0, base.max() * 1.25)
    ax.invert_yaxis()
    ax.grid(False, axis="y")
    ax.legend(loc="lower right")


@themed
def mean_map_panels(mean_maps: Mapping[str, np.ndarray]) -> Figure:
    """The average map per condition on one common scale, with contours at 1, 2, 4, … × even."""
    names = [c for c in (*CONDITIONS, "all") if c in mean_maps]
    fig = figure(
        2.15 * len(names) + 0.9, 3.1, title="The average map: people's gaze keeps to the middle"
    )
    axes = fig.subplots(1, len(names), squeeze=False)[0]
    top = max(float(m.max()) for m in mean_maps.values())
    for ax, name in zip(axes, names, strict=True):
        saliency = mean_maps[name]
        picture = bare(ax).imshow(
            saliency, cmap=colour_map("inferno"), vmin=0, vmax=top, extent=(0, 1, 1, 0)
        )
        grid = (np.arange(len(saliency)) + 0.5) / len(saliency)
        levels = [level for level in (1, 2, 4, 8, 16) if level < saliency.max()]
        lines = ax.contour(grid, grid, saliency, levels, colors="white", linewidths=0.7)
        ax.clabel(lines, fmt="%d×", fontsize=7)
        ax.axhline(0.5, color="white", lw=0.4, alpha=0.6)
        ax.axvline(0.5, color="white", lw=0.4, alpha=0.6)
        ax.set_title(
            CONDITION_LABELS.get(name, "all records"), color=condition_ink(name), weight="bold"
        )
    fig.colorbar(picture, ax=axes, shrink=0.82, pad=0.01, label="attention (1 = spread evenly)")
    return fig


@themed
def center_bias_figure(profiles: pd.DataFrame, bias: pd.DataFrame) -> Figure:
    """Density of fixations along both axes, and its spread per condition with intervals."""
    fig = figure(10.4, 3.5, title="Center bias")
    across, down, spread = fig.subplots(1, 3)
    for ax, axis, ends in ((across, "x", ("left", "right")), (down, "y", ("top", "bottom"))):
        ax.axhline(1, color=MUTED, lw=0.8, ls=":")
        ax.axvline(0.5, color=MUTED, lw=0.8, ls=":")
        for condition, rows in profiles[profiles.axis == axis].groupby("condition", sort=False):
            ax.plot(
                rows.place,
                rows.density,
                color=condition_colour(condition),
                label=condition_label(condition),
            )
        ax.set(
            xlim=(0, 1),
            ylim=(0, None),
            xticks=[0, 0.5, 1],
            xticklabels=[ends[0], "centre", ends[1]],
        )
    across.set(title="from left to right", ylabel="density of fixations (1 = spread evenly)")
    down.set(title="from top to bottom")
    wide, high = (bias[bias.measure == m].set_index("condition") for m in ("spread_x", "spread_y"))
    for condition in wide.index:
        x, y = wide.loc[condition], high.loc[condition]
        spread.errorbar(
            x["mean"], y["mean"],
            xerr=[[x["mean"] - x.low], [x.high - x["mean"]]],
            yerr=[[y["mean"] - y.low], [y.high - y["mean"]]],
            color=condition_colour(condition), label=condition_label(condition),
            marker=CONDITION_MARKERS[condition], capsize=2, lw=1.2,
        )  # fmt: skip
    ends = np.array([min(spread.get_xlim()[0], spread.get_ylim()[0]) - 0.005,
                     max(spread.get_xlim()[1], spread.get_ylim()[1]) + 0.005])  # fmt: skip
    spread.plot(ends, ends, color=MUTED, lw=0.8, ls=":", zorder=0)
    spread.annotate(
        "wider than high", (ends[1], ends[0]), (-4, 5), textcoords="offset points", ha="right",
        color=MUTED, fontsize=8,
    )  # fmt: skip
    spread.set(
        title="spread within one record", xlabel="horizontal (share of width)",
        ylabel="vertical (share of height)", xlim=ends, ylim=ends, aspect="equal",
    )  # fmt: skip
    legend_below(fig, (across,))
    return fig


@themed
def human_ceiling(summary: pd.DataFrame, labels: Mapping[str, str]) -> Figure:
    """People predicting each other, beside predictions that never saw a picture.

    Args:
        summary: of :func:`csalgan.evaluation.summarise` by ``model``, one metric profile.
        labels: metric → what its panel is called.
    """
    title = "Each viewer's gaze, predicted by all others' (95 % intervals)"
    if OBSERVERS not in set(summary.model):
        return nothing(title, "These data do not say who fixated.")
    rows = summary[summary.metric.isin(labels)]
    models = rows.model.drop_duplicates().tolist()
    fig = figure(3.0 * len(labels) + 1.5, 0.3 * len(models) + 1.4, title=title)
    axes = fig.subplots(1, len(labels), sharey=True, squeeze=False)[0]
    for ax, (metric, label) in zip(axes, labels.items(), strict=True):
        here = rows[rows.metric == metric]
        for observed, colour in ((True, INK), (False, MUTED)):
            some = here[(here.model == OBSERVERS) == observed]
            intervals(ax, some, [models.index(m) for m in some.model], colour, "Ds"[not observed])
        named_rows(ax, [YARDSTICKS[model].partition(":")[0] for model in models], label)
    return fig


@themed
def statistic_curves(statistics: pd.DataFrame) -> Figure:
    """Distribution functions of four numbers per record, a curve per condition."""
    fig = figure(11, 3.6, title="Maps in numbers: share of records at or below each value")
    axes = fig.subplots(1, len(_MEASURES), sharey=True)
    for ax, (measure, label) in zip(axes, _MEASURES.items(), strict=True):
        for condition in CONDITIONS:
            values = statistics.loc[statistics.condition == condition, measure]
            if values.empty:  # free viewing alone
                continue
            ax.ecdf(values, color=condition_colour(condition), label=condition_label(condition))
        ax.axhline(0.5, color=MUTED, lw=0.8, ls=":")
        ax.set(xlabel=label, ylim=(0, 1))
    axes[0].set_ylabel("share of records")
    legend_below(fig, axes)
    return fig


@themed
def sentence_figure(lengths: pd.DataFrame, common: pd.DataFrame) -> Figure:
    """How long the sentences are and which content words they use."""
    if lengths.empty:
        return nothing("The sentences", _SILENT)
    fig = figure(9.6, 4.0, title="The sentences")
    left, right = fig.subplots(1, 2, width_ratios=(1, 1.15))
    present = [c for c in CONDITIONS if (lengths.condition == c).any()]
    longest = int(lengths.words.max())
    for condition in present:
        values = lengths.loc[lengths.condition == condition, "words"]
        share = np.bincount(values, minlength=longest + 1) / len(values)
        left.plot(
            np.arange(longest + 1), share, color=condition_colour(condition), ms=3.5,
            marker=CONDITION_MARKERS[condition],
            label=f"{condition_label(condition)} (median {values.median():g})",
        )  # fmt: skip
    left.set(title="length", xlabel="words in the sentence", ylabel="share of sentences")
    left.set_xlim(left=0)
    left.xaxis.set_major_locator(MaxNLocator(integer=True))
    left.margins(y=0.3)  # room for the legend
    left.set_ylim(bottom=0)
    left.legend(loc="upper right")
    table = common.pivot(index="word", columns="condition", values="share")
    table = table.loc[list(dict.fromkeys(common.word)), present]
    y = np.arange(len(table))
    for condition in present:
        right.plot(
            table[condition], y, ls="none", marker=CONDITION_MARKERS[condition], ms=6,
            color=condition_colour(condition), label=condition_label(condition),
        )  # fmt: skip
    right.hlines(y, table.min(axis=1), table.max(axis=1), color=MUTED, lw=0.8, zorder=0)
    right.set(title="commonest content words", xlabel="share of sentences with the word")
    right.set(yticks=y, yticklabels=table.index, xlim=(0, None))
    right.invert_yaxis()
    right.legend(loc="lower right")
    return fig


@themed
def cross_condition_matrices(effect: pd.DataFrame, *, title: str = "") -> Figure:
    """How well the gaze after one instruction predicts the gaze after another.

    Args:
        effect: rows ``metric``, ``predictor``, ``gaze``, ``mean``, ``low``, ``high``,
            ``n_images`` (:func:`csalgan.exploration.over_images` of a cross-condition table).
    """
    if effect.empty:
        return nothing(title or "What a sentence changes", _SILENT)
    names = {
        "cc": "CC, map with map",
        "cc_halves": "CC, half with half of the fixations",
        "nss": "NSS, map at the fixations",
    }
    metrics = [m for m in names if (effect.metric == m).any()]
    title = title or f"What a sentence changes ({effect.n_images.max()} images, 95 % intervals)"
    fig = figure(4.1 * len(metrics) + 0.4, 4.2, title=title)
    axes = fig.subplots(1, len(metrics), squeeze=False)[0]
    for ax, metric in zip(axes, metrics, strict=True):
        _matrix(ax, effect[effect.metric == metric], names[metric])
    axes[0].set_ylabel("map used as the prediction")
    return fig


def _matrix(ax: Axes, table: pd.DataFrame, title: str) -> None:
    order = [c for c in CONDITIONS if (table.gaze == c).any()]
    heat_map(
        ax, table.set_index(["predictor", "gaze"]), order, order, vmin=min(0, table["mean"].min())
    )
    ax.set(title=title, xlabel="gaze it is scored against", aspect="equal")


@themed
def change_panels(dataset, image_id: str, changes: Mapping[str, np.ndarray]) -> Figure:
    """Where attention came (red) and went (blue) when a sentence had been read.

    Args:
        changes: condition → signed map against free viewing (:func:`csalgan.exploration.change`).
    """
    if not changes:
        return nothing(f"After reading minus before (image {image_id})", _SILENT)
    rows = dataset.records[dataset.records.image_id == image_id].set_index("condition")
    fig = figure(
        2.7 * (len(changes) + 1) + 0.6, _grid_height(rows.iloc[0], 2.7, 1) + 1.3,
        title=f"After reading minus before (image {image_id})",
    )  # fmt: skip
    axes = fig.subplots(1, len(changes) + 1)
    show_image(axes[0], dataset.image(rows.record["none"]), title="image")
    limit = float(np.percentile(np.abs(np.stack(list(changes.values()))), 99.5))
    shape = rows.height.iloc[0], rows.width.iloc[0]
    for ax, (condition, signed) in zip(axes[1:], changes.items(), strict=True):
        picture = show_change(ax, signed, limit=limit, shape=shape)
        ax.set_title(
            f"{condition_label(condition)}\n{wrapped(rows.text[condition], 34)}",
            color=condition_ink(condition),
            fontsize=8.5,
        )
    fig.colorbar(picture, ax=axes, shrink=0.75, pad=0.01, extend="both",
                 label="change of attention\n(1 = even attention)")  # fmt: skip
    return fig


def _headline(row) -> str:
    text = wrapped(row.text, 34) if row.text else "(looked freely)"
    return f"{condition_label(row.condition)}\n{text}"


def _row_label(ax: Axes, text: str) -> None:
    ax.set_ylabel(text, fontsize=10)


def _grid_height(row, width: float, lines: int) -> float:
    """Height in inches of that many pictures of this shape, each ``width`` inches wide."""
    return lines * width * row.height / row.width
