"""Table I from the author's weights, repeat by repeat."""

import pandas as pd

from csalgan.evaluation.tables import SUBSET_LABELS
from csalgan.figures.base import ACCENTS, INK, Figure, figure, theme
from csalgan.figures.charts import named_rows, spread, strip


@theme()
def draws(draws: pd.DataFrame, table: pd.DataFrame, run: str) -> Figure:
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
