"""Figures of notebook 01: the data before any model."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.ticker import MaxNLocator

from csalgan.data.records import CONDITIONS
from csalgan.evaluation.baselines import OBSERVERS, YARDSTICKS
from csalgan.exploration import correlation
from csalgan.figures.base import (
    ACCENTS,
    CONDITION_COLOURS,
    CONDITION_LABELS,
    INK,
    MUTED,
    Figure,
    bare,
    change_bar,
    colour_map,
    condition_colour,
    condition_ink,
    condition_label,
    condition_look,
    figure,
    nothing,
    overlay,
    picture_grid,
    read,
    show_change,
    show_fixations,
    show_image,
    show_map,
    themed,
)
from csalgan.figures.charts import forest, heat_maps, intervals, legend_below, named_rows

_SILENT = "Nobody read a sentence in these data: they are free viewing alone."
_MEASURES = {
    "n_fixations": "fixated pixels",
    "entropy": "entropy of the map (bits)",
    "half_area": "area that holds half\nof the attention",
    "peak_distance": "peak to centre\n(share of half diagonal)",
}


@themed
def condition_samples(
    dataset, image_id: str, predictions: Mapping[str, np.ndarray] | None = None, *, model: str = ""
) -> Figure:
    """One image in all its conditions, a column each: fixations, map, and overlay or prediction.

    Args:
        predictions: record → predicted map (H, W); shown in place of the overlay.
        model: whose predictions they are.
    """
    rows = dataset.records[dataset.records.image_id == image_id]
    many = f", {len(rows)} conditions" if len(rows) > 1 else ""
    title = f"One picture{many} ({model or f'image {image_id}'})"
    shape = rows.height.iloc[0], rows.width.iloc[0]
    fig, axes = picture_grid(3, len(rows), [shape], 2.7, title)
    for column, row in zip(axes.T, rows.itertuples(), strict=True):
        image, saliency = dataset.image(row.record), dataset.map(row.record)
        show_image(column[0], image)
        ink, colour = condition_ink(row.condition), condition_colour(row.condition)
        column[0].set_title(read(row.condition, row.text, 34), color=ink, fontsize=9.5)
        show_fixations(column[0], dataset.fixations(row.record), colour=colour)
        show_map(column[1], saliency)
        if predictions is None:
            overlay(column[2], image, saliency)
        else:
            show_map(column[2], predictions[row.record])
            cc = correlation(predictions[row.record], saliency)
            column[2].set_xlabel(f"CC with the measured map {cc:.2f}", fontsize=8)
    third = "overlay" if predictions is None else "predicted"
    for ax, label in zip(axes[:, 0], ("fixations", "measured map", third), strict=True):
        ax.set_ylabel(label, fontsize=10)
    return fig


@themed
def contact_sheet(dataset, image_ids: Sequence[str]) -> Figure:
    """Several images, one row each: the picture, then its map after every kind of sentence."""
    records = dataset.records
    present = [c for c in CONDITIONS if (records.condition == c).any()]
    first = records.drop_duplicates("image_id").set_index("image_id").loc[list(image_ids)]
    title = "Where people's gaze went, sample by sample"
    shapes = list(zip(first.height, first.width, strict=True))
    fig, axes = picture_grid(len(image_ids), 1 + len(present), shapes, 2.1, title)
    for line, image_id in zip(axes, image_ids, strict=True):
        members = records[records.image_id == image_id].set_index("condition")
        show_image(line[0], dataset.image(members.record.iloc[0]))
        for ax, condition in zip(line[1:], present, strict=True):
            if condition in members.index:
                show_map(ax, dataset.map(members.record[condition]))
    axes[0, 0].set_title("image")
    for ax, condition in zip(axes[0, 1:], present, strict=True):
        ax.set_title(CONDITION_LABELS[condition], color=condition_ink(condition), weight="bold")
    return fig


@themed
def count_bars(counts: pd.DataFrame, split: pd.DataFrame) -> Figure:
    """Records per condition by source, and per part of the split by condition."""
    known = ["records", "images", "two_record_images", "four_record_images"]
    sources = counts[counts.condition != "all"].set_index("condition").rename(CONDITION_LABELS)
    sources = sources.drop(columns=known, errors="ignore")
    parts = split.set_index("part")[list(CONDITIONS)].rename(columns=CONDITION_LABELS)
    fig = figure(9.2, 3.4, title="What there is, and how it is divided")
    left, right = fig.subplots(1, 2)
    for ax, table, colours, ends in (
        (left, sources, ACCENTS[4::2], sources.sum(axis=1)),
        (right, parts, CONDITION_COLOURS.values(), [f"{n} images" for n in split.images]),
    ):
        table.plot.barh(stacked=True, ax=ax, color=list(colours), width=0.66)
        ax.bar_label(ax.containers[-1], ends, padding=4, fontsize=8.5)
        ax.set(xlim=(0, table.sum(axis=1).max() * 1.25), ylabel="", xlabel="records")
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        ax.invert_yaxis()
        ax.grid(False, axis="y")
        ax.legend(loc="lower right")
    left.set(title="records per condition")
    right.set(title="records per part of the split")
    return fig


@themed
def mean_map_panels(mean_maps: Mapping[str, np.ndarray]) -> Figure:
    """The average map per condition on one common scale, with contours at 1, 2, 4, … × even."""
    names = [c for c in (*CONDITIONS, "all") if c in mean_maps]
    title = "The average map: people's gaze keeps to the middle"
    fig = figure(2.15 * len(names) + 0.9, 3.1, title=title)
    axes = fig.subplots(1, len(names), squeeze=False)[0]
    scale = {"cmap": colour_map("inferno"), "vmin": 0, "vmax": max(map(np.max, mean_maps.values()))}
    for ax, name in zip(axes, names, strict=True):
        saliency = mean_maps[name]
        picture = bare(ax).imshow(saliency, extent=(0, 1, 1, 0), **scale)
        grid = (np.arange(len(saliency)) + 0.5) / len(saliency)
        levels = [level for level in (1, 2, 4, 8, 16) if level < saliency.max()]
        lines = ax.contour(grid, grid, saliency, levels, colors="white", linewidths=0.7)
        ax.clabel(lines, fmt="%d×", fontsize=7)
        ax.axhline(0.5, color="white", lw=0.4, alpha=0.6)
        ax.axvline(0.5, color="white", lw=0.4, alpha=0.6)
        label = CONDITION_LABELS.get(name, "all records")
        ax.set_title(label, color=condition_ink(name), weight="bold")
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
        for name, rows in profiles[profiles.axis == axis].groupby("condition", sort=False):
            ax.plot(rows.place, rows.density, **condition_look(name) | {"marker": None})
        ax.set(title=f"from {ends[0]} to {ends[1]}", xlim=(0, 1), ylim=(0, None))
        ax.set_xticks([0, 0.5, 1], [ends[0], "centre", ends[1]])
    across.set_ylabel("density of fixations (1 = spread evenly)")
    for measure, line, way in (("spread_x", -0.12, "across"), ("spread_y", 0.12, "down")):
        rows = bias[bias.measure == measure]
        for y, row in enumerate(rows.itertuples()):
            look = condition_look(row.condition)
            intervals(spread, rows[y : y + 1], [y + line], look["color"], look["marker"])
            spread.text(row.high, y + line, f"  {way}", va="center", color=MUTED, fontsize=7.5)
    named_rows(spread, [condition_label(name) for name in rows.condition])
    spread.margins(x=0.2)
    spread.set(title="spread within one record", xlabel="share of the picture's side")
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
    models = {model: YARDSTICKS[model].partition(":")[0] for model in summary.model}
    looks = {True: (INK, "D"), False: (MUTED, "s")}
    return forest(
        summary.assign(people=summary.model == OBSERVERS), ("metric", labels), ("model", models),
        ("people", looks), title=title, zero=False,
    )  # fmt: skip


@themed
def statistic_curves(statistics: pd.DataFrame) -> Figure:
    """Distribution functions of four numbers per record, a curve per condition."""
    import seaborn

    fig = figure(11, 3.6, title="Maps in numbers: share of records at or below each value")
    axes = fig.subplots(1, len(_MEASURES), sharey=True)
    for ax, (measure, label) in zip(axes, _MEASURES.items(), strict=True):
        for name, rows in statistics.groupby("condition", sort=False):
            look = condition_look(name) | {"marker": None}
            seaborn.ecdfplot(rows, x=measure, ax=ax, **look)
        ax.axhline(0.5, color=MUTED, lw=0.8, ls=":")
        ax.set(xlabel=label, ylabel="share of records")
    legend_below(fig, axes)
    return fig


@themed
def sentence_figure(lengths: pd.DataFrame, common: pd.DataFrame) -> Figure:
    """How long the sentences are and which content words they use."""
    if lengths.empty:
        return nothing("The sentences", _SILENT)
    fig = figure(9.6, 4.0, title="The sentences")
    left, right = fig.subplots(1, 2, width_ratios=(1, 1.15))
    table = common.pivot(index="word", columns="condition", values="share").loc[
        common.word.drop_duplicates()
    ]
    right.hlines(table.index, table.min(axis=1), table.max(axis=1), color=MUTED, lw=0.8, zorder=0)
    for condition in (c for c in CONDITIONS if (lengths.condition == c).any()):
        look, words = condition_look(condition), lengths[lengths.condition == condition].words
        right.plot(table[condition], table.index, ls="none", ms=6, **look)
        look["label"] += f" (median {words.median():g})"
        share = words.value_counts(normalize=True).reindex(range(lengths.words.max() + 1))
        left.plot(share.fillna(0), ms=3.5, **look)
    left.set(title="length", xlabel="words in the sentence", ylabel="share of sentences")
    left.xaxis.set_major_locator(MaxNLocator(integer=True))
    left.margins(y=0.3)  # room for the legend
    left.set(xlim=(0, None), ylim=(0, None))
    left.legend(loc="upper right")
    right.set(title="commonest content words", xlabel="share of sentences with the word")
    right.set_xlim(left=0)
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
    panels = {
        "cc": "CC, map with map",
        "cc_halves": "CC, half with half\nof the fixations",
        "nss": "NSS, map at the fixations",
    }
    title = title or f"What a sentence changes ({effect.n_images.max()} images, 95 % intervals)"
    order = CONDITION_LABELS
    fig = heat_maps(effect, ("predictor", order), ("gaze", order), panels, title=title)
    for ax in fig.axes:
        ax.set_xlabel("gaze it is scored against")
    fig.axes[0].set_ylabel("map used as the prediction")
    return fig


@themed
def change_panels(dataset, image_id: str, changes: Mapping[str, np.ndarray]) -> Figure:
    """Where attention came (red) and went (blue) when a sentence had been read.

    Args:
        changes: condition → signed map against free viewing
            (:func:`csalgan.exploration.difference_map`).
    """
    title = f"After reading minus before (image {image_id})"
    if not changes:
        return nothing(title, _SILENT)
    rows = dataset.records[dataset.records.image_id == image_id].set_index("condition")
    shape = rows.height.iloc[0], rows.width.iloc[0]
    fig, axes = picture_grid(1, len(changes) + 1, [shape], 2.8, title)
    axes = axes[0]
    show_image(axes[0], dataset.image(rows.record["none"]), title="image")
    limit = float(np.percentile(np.abs(np.stack(list(changes.values()))), 99.5))
    for ax, (condition, signed) in zip(axes[1:], changes.items(), strict=True):
        picture = show_change(ax, signed, limit=limit, shape=shape)
        ink = condition_ink(condition)
        ax.set_title(read(condition, rows.text[condition], 34), color=ink, fontsize=8.5)
    change_bar(fig, picture, axes)
    return fig
