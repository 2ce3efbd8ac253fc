"""What scores are called on figures, and models side by side."""

from collections.abc import Mapping

import pandas as pd

from csalgan.evaluation.baselines import YARDSTICKS
from csalgan.evaluation.tables import METRIC_LABELS
from csalgan.figures.base import ACCENTS, MUTED, Figure
from csalgan.figures.charts import forest

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


def side_by_side(summary: pd.DataFrame, wanted: Mapping[str, float], *, title: str) -> Figure:
    """What models are compared by, a panel a column: scores by condition and what is lost.

    Args:
        summary: rows of ``model``, ``subset``, ``condition`` and ``metric`` with ``mean``,
            ``low`` and ``high``, models in the order to draw.
        wanted: ``"<metric>, <condition>"`` → the value that is aimed for, drawn as a line.
    """
    runs = summary["model"].map(lambda name: _NAMES.get(name, name))
    if summary["subset"].nunique() > 1:
        runs = runs + ", " + summary["subset"]
    what, kinds = summary["metric"] + ", " + summary["condition"], summary["model"].map(kind)
    table = summary.assign(what=what, run=runs, kind=kinds)
    table = table[table["what"].isin(_COMPARED)]
    return forest(table, ("what", _COMPARED), "run", ("kind", KINDS), title=title, zero=False,
                  lines=wanted, columns=7, width=1.6)  # fmt: skip
