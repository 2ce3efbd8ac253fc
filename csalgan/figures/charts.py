"""Charts that several notebooks draw: means with intervals, heat maps, strips of single values."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import matplotlib.figure
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from csalgan.figures.base import ACCENTS, INK, MUTED, Figure, figure, theme


def intervals(ax: Axes, rows, places: Sequence[float], colour: str, marker: str, label: str = ""):
    """Means (column ``mean``) with their intervals (``low`` to ``high``), a row at each place."""
    error = np.abs(np.stack([rows["mean"] - rows["low"], rows["high"] - rows["mean"]]))
    return ax.errorbar(
        rows["mean"], places, xerr=error, fmt=marker, ms=5.5, color=colour, capsize=2, lw=1.3,
        markeredgecolor="white", markeredgewidth=0.5, label=label or None,
    )  # fmt: skip


Names = str | tuple[str, Mapping]


@theme()
def forest(
    table: pd.DataFrame,
    panel: Names,
    row: Names,
    look: Names,
    *,
    title: str,
    zero: bool = True,
    lines: Mapping[str, float] = MappingProxyType({}),
    sharex: bool = False,
    width: float = 2.7,
    columns: int = 4,
    below: str = "",
) -> Figure:
    """Means with their intervals: a panel for each value of one column, a row of another.

    Values that the table does not hold get no panel, row or mark; a row of means that are NaN
    says so.

    Args:
        table: columns ``mean``, ``low``, ``high`` and the three that the next arguments name.
        panel: a column, and what its values are called above the panels; the column alone leaves
            them as they are.
        row: a column, and what its values are called beside the rows, from top to bottom.
        look: a column, and the colour, marker and name of its values; marks of one row stand
            below each other in this order. Without a name there is no legend.
        title: heads the figure.
        zero: whether a line stands at 0.
        lines: value of the panel's column → where a dashed line stands.
        sharex: whether all panels have one scale.
        width: of a panel, in inches.
        columns: panels beside each other at most.
        below: what the axes say, once.
    """
    if isinstance(look, str):
        styles = zip(table[look].drop_duplicates(), ACCENTS, "osD^vP", strict=False)
        look = look, {value: (*style, value) for value, *style in styles}
    panel, panels = _named(table, panel)
    row, rows = _named(table, row)
    look, looks = _named(table, look)
    columns = min(columns, len(panels))
    high = -(-len(panels) // columns)
    lead = 0.065 * max(len(part) for name in rows.values() for part in name.split("\n")) + 0.4
    tall = (0.12 + 0.15 * min(len(looks), 3)) * len(rows) + 0.8
    fig = figure(width * columns + lead, tall * high + 0.9, title=title)
    axes = fig.subplots(high, columns, sharex=sharex, sharey=True, squeeze=False).ravel()
    for ax, (value, name) in zip(axes, panels.items(), strict=False):
        if zero:
            ax.axvline(0, color=INK, lw=0.9)
        if value in lines:
            ax.axvline(lines[value], color=INK, lw=1, ls="--")
        here = table[(table[panel] == value) & table[row].isin(rows)]
        marks = [key for key in looks if (here[look] == key).any()]
        step = min(0.22, 0.8 / len(marks)) if here[row].duplicated().any() else 0
        for k, key in enumerate(marks):
            shown, shift = here[here[look] == key], step * (k - (len(marks) - 1) / 2)
            intervals(ax, shown, [list(rows).index(r) + shift for r in shown[row]], *looks[key])
        known = here.groupby(row)["mean"].count()
        for y in (y for y, key in enumerate(rows) if known.get(key) == 0):
            ax.text(0.5, y, "undefined", transform=ax.get_yaxis_transform(), ha="center",
                    va="center", color=MUTED, fontsize=8, backgroundcolor="white")  # fmt: skip
        named_rows(ax, list(rows.values()), name)
    for ax in axes[len(panels) :]:
        ax.set_axis_off()
    legend_below(fig, axes, below)
    return fig


def _named(table: pd.DataFrame, column: Names) -> tuple[str, dict]:
    """A column, and those of its values with names that the table holds; without names, all."""
    if isinstance(column, str):
        return column, {value: value for value in table[column]}
    column, names = column
    return column, {value: name for value, name in names.items() if (table[column] == value).any()}


def named_rows(ax: Axes, names: Sequence[str], title: str = "", ticks: int = 4) -> None:
    """Make the y axis a list of names from top to bottom, with few enough ticks below it."""
    ax.set(title=title, ylim=(len(names) - 0.5, -0.5))
    ax.set_yticks(range(len(names)), names)
    ax.xaxis.set_major_locator(MaxNLocator(ticks, steps=[1, 2, 2.5, 5, 10], min_n_ticks=3))
    ax.grid(False, axis="y")


def legend_below(fig: matplotlib.figure.Figure, axes: Sequence[Axes], title: str = "") -> None:
    """One legend under the figure for what is drawn in some axes, each name once.

    The title stands there too where nothing has a name.
    """
    found = {}
    for ax in axes:
        for handle, label in zip(*ax.get_legend_handles_labels(), strict=True):
            found.setdefault(label, handle)
    if found:
        inches = 0.065 * max(map(len, found)) + 0.6  # of the longest entry
        columns = max(1, min(len(found), int(fig.get_figwidth() / inches)))
        fig.legend(found.values(), found.keys(), loc="outside lower center", ncols=columns,
                   title=title or None)  # fmt: skip
    elif title:
        fig.supxlabel(title, fontsize=8.5)


@theme()
def heat_maps(
    table: pd.DataFrame,
    panel: Names,
    row: Names,
    column: Names,
    *,
    title: str,
    xlabel: str,
    ylabel: str,
) -> Figure:
    """A mean with its interval in every cell, a panel for each value of one column.

    Args:
        table: columns ``mean``, ``low``, ``high`` and the three that are named.
        panel, row, column: a column, and what its values are called.
        title: heads the figure.
        xlabel, ylabel: what columns and rows are.
    """
    import seaborn

    (panel, panels), (row, rows), (column, columns) = (
        _named(table, one) for one in (panel, row, column)
    )
    size = 1.05 * len(columns) * len(panels) + 1.9, 0.66 * len(rows) + 1.9
    fig = figure(*size, title=title)
    axes = fig.subplots(1, len(panels), squeeze=False, sharey=True)[0]
    for ax, (value, name) in zip(axes, panels.items(), strict=True):
        cells = table[table[panel] == value]
        texts = [
            f"{mean:.2f}" + f"\n{low:.2f} – {high:.2f}" * (high > low + 1e-6)
            for mean, low, high in zip(cells["mean"], cells.low, cells.high, strict=True)
        ]
        wide = cells.assign(text=texts).pivot(index=row, columns=column).loc[list(rows)]
        seaborn.heatmap(
            wide["mean"][list(columns)].rename(rows).rename(columns=columns), ax=ax,
            annot=wide["text"][list(columns)], fmt="", annot_kws={"fontsize": 8}, cbar=False,
            cmap="viridis", linewidths=1, vmin=min(0, cells["mean"].min()),
        )  # fmt: skip
        ax.set(title=name, xlabel=xlabel, ylabel="")
        ax.tick_params(length=0, rotation=0)
    axes[0].set_ylabel(ylabel)
    return fig


def strip(ax: Axes, x: np.ndarray, y: np.ndarray, colour: str, marker: str = "o"):
    """One faint mark for each of many values."""
    return ax.scatter(x, y, s=9, alpha=0.5, linewidths=0, c=colour, marker=marker)


def spread(n: int, half: float = 0.25) -> np.ndarray:
    """Seeded offsets of n marks from the middle of their row or column: float64 (n,)."""
    return np.random.default_rng(0).uniform(-half, half, n)
