"""The author's weights in a report's Table I, and its own models by the author's protocol."""

import numpy as np
import pandas as pd

from csalgan.author.scoring import Bench, Maps, Scores
from csalgan.evaluation.tables import PAPER_ROW, SUBSET_LABELS
from csalgan.metrics.author import prediction_at_size
from csalgan.prediction.author import SIZE

#: Metric profile → the protocol whose numbers stand under it.
_PROTOCOLS = {"paper": "author", "tuebingen": "tuebingen"}
_ALL = "by the author's protocol, all records"


def of_weights(scores: Scores, metric_profile: str) -> pd.DataFrame:
    """The author's weights as rows of :func:`csalgan.evaluation.table_one`; none under ``mit``."""
    protocol = _PROTOCOLS.get(metric_profile)
    table = scores.table[scores.table["protocol"] == protocol]
    where = _ALL if protocol == "author" else "some test images perhaps known"
    label = "author's weights (" + table["run"] + "), " + table["text"] + f" sentence: {where}"
    table = table.assign(label=label, low=np.nan, high=np.nan)
    if protocol == "tuebingen":
        ends = scores.conditions[scores.conditions["condition"] == "all"]
        keys = ["run", "subset", "text", "metric"]
        table = table.drop(columns=["low", "high"]).merge(ends[[*keys, "low", "high"]], on=keys)
    return _rows(table, metric_profile)


def of_models(job) -> pd.DataFrame:
    """The report's own models by the author's protocol (``evaluation.draws``).

    Returns:
        ``subset``, ``metric``, ``value`` (mean over ten repeats) and ``sd``.
    """
    seed = job.profile.seed
    bench = Bench(job.dataset, draws=job.profile.evaluation.draws, seed=seed, split=job.split)
    parts = []
    for subset in job.profile.training.subsets:
        rows = bench.rows(subset)
        maps = np.empty((len(rows), SIZE, SIZE), np.float32)
        predicted = job.predictor(subset).predict_records(job.dataset, rows)
        for k, (_, one) in enumerate(predicted):
            maps[k] = prediction_at_size(one)
        drawn = bench.draw(Maps(maps, np.arange(len(rows))), subset)
        parts.append(drawn.groupby("metric", sort=False)["value"].agg(["mean", "std"]))
        parts[-1] = parts[-1].reset_index().assign(subset=subset)
    table = pd.concat(parts, ignore_index=True).rename(columns={"mean": "value", "std": "sd"})
    return table[["subset", "metric", "value", "sd"]]


def of_drawn(drawn: pd.DataFrame) -> pd.DataFrame:
    """The table of :func:`of_models` as rows of Table I under ``paper``."""
    drawn = drawn.assign(label=f"ours: this profile's model, {_ALL}", low=np.nan, high=np.nan)
    return _rows(drawn, "paper")


def below_the_paper(table: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """Table I with more rows, each below the paper's number of its metric, or last of it."""
    parts = []
    for metric, group in table.groupby("metric", sort=False):
        printed = np.flatnonzero(group["row"] == PAPER_ROW)
        cut = printed[0] + 1 if len(printed) else len(group)
        parts += [group[:cut], rows[rows["metric"] == metric], group[cut:]]
    return pd.concat([part for part in parts if len(part)], ignore_index=True)


def _rows(table: pd.DataFrame, metric_profile: str) -> pd.DataFrame:
    rows = []
    for (metric, label), group in table.groupby(["metric", "label"], sort=False):
        row = {"profile": metric_profile, "metric": metric, "row": label}
        cells = group.set_index("subset")
        for column, end in (("value", ""), ("low", "_low"), ("high", "_high")):
            found = cells[column].to_dict()
            row |= {SUBSET_LABELS[s] + end: found.get(s, np.nan) for s in SUBSET_LABELS}
        rows.append(row)
    return pd.DataFrame(rows)
