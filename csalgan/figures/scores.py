"""What scores are called on figures; models side by side; the author's, repeat by repeat."""

import pandas as pd

from csalgan.evaluation.baselines import YARDSTICKS
from csalgan.evaluation.tables import METRIC_LABELS, SUBSET_LABELS
from csalgan.figures.base import ACCENTS, INK, MUTED, Figure, figure, theme
from csalgan.figures.charts import forest, named_rows, spread, strip

_NAMES = {name: name.replace("_", " ") for name in YARDSTICKS} | {"people": "people's gaze"}
#: How rows of scores look by what :func:`kind` says.
KINDS = {"network": (ACCENTS[0], "o"), "mean_map": (ACCENTS[1], "s"), "other": (MUTED, "s")}
_NOTES = {"kl": "nat, less is better", "ig": "bit", "ig_uniform": "bit"}
#: Metrics with their units, and a word where less is better.
METRIC_TITLES = {
    metric: name + (f" ({_NOTES[metric]})" if metric in _NOTES else "")
    for metric, name in METRIC_LABELS.items()
}
_COMPARED = {
    f"{metric}, {condition}": f"{name}\n{condition.replace('_', '-')}"
    for metric, name, conditions in (
        ("cc", "CC", ("all", "none", "salient", "non_salient")),
        ("nss", "NSS", ("all",)),
        ("lost_content", "CC lost to other\ncontent", ("salient", "non_salient")),
    )
    for condition in conditions
}


def kind(model: str) -> str:
    """A key of :data:`KINDS`: a trained network, the mean map, or another yardstick."""
    return "network" if model not in YARDSTICKS else model if model == "mean_map" else "other"


def side_by_side(summary: pd.DataFrame, *, title: str) -> Figure:
    """What models are compared by, a panel a column: scores by condition and what is lost.

    Args:
        summary: rows of ``model``, ``subset``, ``condition`` and ``metric`` with ``mean``,
            ``low`` and ``high``, models in the order to draw.
    """
    runs = summary["model"].map(lambda name: _NAMES.get(name, name))
    if summary["subset"].nunique() > 1:
        runs = runs + ", " + summary["subset"]
    what, kinds = summary["metric"] + ", " + summary["condition"], summary["model"].map(kind)
    table = summary.assign(what=what, run=runs, kind=kinds)
    table = table[table["what"].isin(_COMPARED)]
    nothing_lost = {what: 0.0 for what in _COMPARED if what.startswith("lost")}
    return forest(table, ("what", _COMPARED), "run", ("kind", KINDS), title=title, zero=False,
                  lines=nothing_lost, columns=7, width=1.6)  # fmt: skip


@theme()
def repeats(draws: pd.DataFrame, table: pd.DataFrame, run: str) -> Figure:
    """What Table I prints against what repeating its protocol gives, a panel a metric and subset.

    Args:
        draws: of :class:`csalgan.author.Scores`, one run's.
        table: its rows of the same run, for the printed numbers (none on drawn scenes).
        run: name of the run.
    """
    printed = table.dropna(subset="printed").set_index(["metric", "subset"])["printed"]
    metrics, texts = draws["metric"].unique(), draws["text"].unique()
    subsets = [subset for subset in SUBSET_LABELS if subset in set(draws["subset"])]
    title = f"Table I from the author's weights ({run}): {draws['repeat'].nunique()} repeats"
    title += " and, dashed, what is printed" if len(printed) else ""
    fig = figure(11, 1.1 + 1.15 * len(metrics), title=title)
    axes = fig.subplots(len(metrics), len(subsets), sharex="row", sharey=True, squeeze=False)
    for (metric, subset), here in draws.groupby(["metric", "subset"]):
        ax = axes[list(metrics).index(metric), subsets.index(subset)]
        for y, text in enumerate(texts):
            values = here.loc[here["text"] == text, "value"]
            strip(ax, values, y + spread(len(values), 0.2), ACCENTS[y])
            ax.plot(values.mean(), y, "|", color=ACCENTS[y], ms=18, mew=2)
        if (metric, subset) in printed.index:
            ax.axvline(printed[metric, subset].iloc[0], color=INK, lw=1.2, ls="--")
        named_rows(ax, [f"{text} sentence" for text in texts])
    for ax, metric in zip(axes[:, 0], metrics, strict=True):
        ax.set_ylabel(metric)
    for ax, subset in zip(axes[0], subsets, strict=True):
        ax.set_title(SUBSET_LABELS[subset])
    axes[-1][0].set_xlabel("dots: one repeat each, bar: their mean")
    return fig
