"""Means with intervals, and paired differences: resampled over images, never over records.

The records of one image share its content, so they are not independent. Every interval here is a
95 % percentile bootstrap in which an image is drawn with all its records.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from csalgan.data.records import CONDITIONS
from csalgan.evaluation.baselines import YARDSTICKS
from csalgan.files.errors import CsalganError
from csalgan.metrics import METRICS

_KEY = ["record", "metric_profile", "metric"]
_RULES = ["resize", "epsilon", "controls"]
#: What a CSV of scores must hold to be compared.
NEEDED = (*_KEY, "image_id", "condition", "model", "value", "resize", "epsilon", "fingerprint")
#: Metrics in which the smaller value is the better one.
LESS_IS_BETTER = frozenset({"kl"})
_CHUNK = 2_000_000  # drawn indices in memory at once


def interval(
    values: np.ndarray, images: np.ndarray, *, bootstrap: int = 1000, seed: int = 0
) -> tuple[float, float, float]:
    """The mean of values and its 95 % interval, images resampled with all their values.

    Args:
        values: float (N,), no NaN.
        images: (N,) the image each value belongs to.
        bootstrap: number of resamples.

    Returns:
        mean, low, high; with one image the interval is the mean itself; NaN for no value.
    """
    values = np.asarray(values, dtype=np.float64)
    if len(values) != len(images):
        raise CsalganError(f"{len(values)} values and {len(images)} images: give one a value.")
    if not len(values):
        return float("nan"), float("nan"), float("nan")
    _, index = np.unique(images, return_inverse=True)
    counts = np.bincount(index).astype(np.float64)
    sums = np.bincount(index, weights=values)
    # The same seed for every group: groups over the same images are resampled alike.
    rng = np.random.default_rng(seed)
    means = np.empty(bootstrap)
    step = max(1, _CHUNK // len(sums))
    for start in range(0, bootstrap, step):
        drawn = rng.integers(0, len(sums), (min(step, bootstrap - start), len(sums)))
        means[start : start + len(drawn)] = sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return float(values.mean()), float(low), float(high)


def summarise(
    scores: pd.DataFrame,
    by: Sequence[str] = ("model", "condition"),
    bootstrap: int = 1000,
    seed: int = 0,
) -> pd.DataFrame:
    """Mean scores with 95 % intervals.

    Args:
        scores: tidy scores.
        by: columns to keep apart, besides ``metric_profile`` and ``metric``.
        bootstrap, seed: see :func:`interval`.

    Returns:
        ``by`` …, ``metric_profile``, ``metric``, ``mean``, ``low``, ``high``, ``n_records``,
        ``n_images`` (those with a value) and ``n_undefined`` (records scored NaN, left out of
        the mean). Conditions and metrics come in their usual order, all else as it first appears.
    """
    keys = [*by, "metric_profile", "metric"]
    return means(_ordered(scores, keys), keys, bootstrap=bootstrap, seed=seed)


def means(
    table: pd.DataFrame, by: Sequence[str], *, bootstrap: int = 1000, seed: int = 0
) -> pd.DataFrame:
    """Mean of ``value`` per group with its 95 % interval over images.

    Args:
        table: with ``image_id``, ``value`` and the ``by`` columns.
        bootstrap, seed: see :func:`interval`.

    Returns:
        ``by`` … in order of first appearance, and the other columns of :func:`summarise`.
    """
    rows = []
    for key, group in table.groupby(list(by), sort=False, observed=True):
        defined = group[group["value"].notna()]
        images = defined["image_id"].to_numpy()
        found = interval(defined["value"].to_numpy(), images, bootstrap=bootstrap, seed=seed)
        counts = len(defined), len(set(images)), len(group) - len(defined)
        rows.append((*key, *found, *counts))
    columns = [*by, "mean", "low", "high", "n_records", "n_images", "n_undefined"]
    return pd.DataFrame(rows, columns=columns)


def compare(
    a: pd.DataFrame, b: pd.DataFrame, *, bootstrap: int = 1000, seed: int = 0
) -> pd.DataFrame:
    """Paired differences A − B, record by record.

    Args:
        a, b: tidy scores of one model each (see :func:`one_model`).

    Returns:
        Rows ``metric_profile``, ``metric``, ``condition`` (``all`` first), ``a``, ``b`` (means
        over the pairs), ``difference``, ``low``, ``high``, ``n_records``, ``n_images``,
        ``excludes_zero`` (bool) and ``better`` (``A``, ``B``, or empty where zero lies inside).
        Pairs with a NaN on either side are left out. One image has no interval (NaN), and so no
        better side.

    Raises:
        CsalganError: another dataset, other rules behind one profile's name, or no pair.
    """
    _same_ground(a, b)
    pairs = a.merge(b[[*_KEY, "value"]], on=_KEY, suffixes=("", "_b"))
    if pairs.empty:
        raise CsalganError(
            "the two tables share no record, profile and metric; "
            "score both on the same records under the same profile."
        )
    pairs = pairs.dropna(subset=["value", "value_b"])
    pairs = pd.concat([pairs.assign(condition="all"), pairs])
    keys = ["metric_profile", "metric", "condition"]
    differences = _ordered(pairs.assign(value=pairs["value"] - pairs["value_b"]), keys)
    table = means(differences, keys, bootstrap=bootstrap, seed=seed)
    table = table.rename(columns={"mean": "difference"})
    sides = pairs.groupby(keys)[["value", "value_b"]].agg(lambda values: values.mean())
    table = table.join(sides.set_axis(["a", "b"], axis=1), on=keys)
    table.loc[table["n_images"] < 2, ["low", "high"]] = np.nan
    clear = (table["low"] > 0) | (table["high"] < 0)
    more, less = table["difference"] > 0, table["metric"].isin(LESS_IS_BETTER)
    better = np.where(clear, np.where(more != less, "A", "B"), "")
    shown = [*keys, "a", "b", "difference", "low", "high", "n_records", "n_images"]
    return table[shown].assign(excludes_zero=clear, better=better)


def over_seeds(scores: pd.DataFrame) -> pd.DataFrame:
    """Every record's mean over the seeds of a model; other columns as the first seed has them.

    What one seed scored twice (for several subsets, say) is left as it is.
    """
    key = [*_KEY, *(column for column in ("model", "subset") if column in scores.columns)]
    if scores.duplicated([*key, "seed"]).any():
        return scores
    mean = scores.groupby(key, sort=False)["value"].mean()
    first = scores.drop_duplicates(key)
    return first.assign(value=mean.loc[pd.MultiIndex.from_frame(first[key])].to_numpy())


def one_model(scores: pd.DataFrame, model: str | None, where: str) -> pd.DataFrame:
    """The rows of one model of a table.

    Args:
        model: its name; None takes the only one that is not a baseline.
        where: what messages call the table.

    Raises:
        CsalganError: a column is missing, the model is not in the table, there are several, or
            it was scored twice on a record.

    Several seeds of one model count as one: every record's value is their mean.
    """
    for column in NEEDED:
        if column not in scores.columns:
            raise CsalganError(
                f"{where}: has no column {column}; give a CSV that csalgan evaluate wrote."
            )
    names = scores["model"].drop_duplicates().tolist()
    if model is None:
        models = [name for name in names if name not in YARDSTICKS] or names
        if len(models) != 1:
            raise CsalganError(
                f"{where}: holds {len(models)} models ({', '.join(map(str, models))}); name one."
            )
        model = models[0]
    if model not in names:
        raise CsalganError(
            f"{where}: has no model {model!r}; it holds {', '.join(map(str, names))}."
        )
    chosen = scores[scores["model"] == model]
    chosen = over_seeds(chosen) if "seed" in chosen else chosen
    twice = chosen.duplicated(_KEY)
    if twice.any():
        raise CsalganError(
            f"{where}: scores record {chosen.loc[twice, 'record'].iloc[0]} twice for {model}; "
            "keep one subset (--subset), or give two models two names (csalgan evaluate --name)."
        )
    return chosen


def _same_ground(a: pd.DataFrame, b: pd.DataFrame) -> None:
    """Raise if fingerprints or scoring rules differ."""
    prints = [sorted(set(t["fingerprint"].astype(str))) for t in (a, b)]
    if prints[0] != prints[1]:
        raise CsalganError(
            f"the scores come from different datasets (fingerprints {', '.join(prints[0])} and "
            f"{', '.join(prints[1])}); score both on the same one."
        )
    one, other = (_rules(table) for table in (a, b))
    both = one.merge(other, left_index=True, right_index=True, suffixes=("", "_b"))
    for column in _RULES:
        apart = both[both[column] != both[f"{column}_b"]]
        for (profile, metric), rule in apart.iterrows():
            raise CsalganError(
                f"profile {profile} scored {metric} with another {column} in the two tables "
                f"({rule[column]} and {rule[f'{column}_b']}); score both with one version."
            )


def _rules(scores: pd.DataFrame) -> pd.DataFrame:
    """(profile, metric) → the rules behind the scores, as texts.

    Scores written before there was a choice of ``controls`` were pooled. A CSV may round ε;
    another rule's ε is another order of magnitude.
    """
    rules = scores.drop_duplicates(_KEY[1:]).set_index(_KEY[1:])
    metric, profile = (rules.index.get_level_values(name) for name in ("metric", "metric_profile"))
    if "controls" not in rules:
        pooled = metric.isin(["sauc", "ig"]) & (profile != "paper")
        rules = rules.assign(controls=np.where(pooled, "all conditions pooled", ""))
    rules = rules.assign(epsilon=rules["epsilon"].map("{:.2g}".format))
    return rules[_RULES].fillna({"controls": ""})


def _ordered(table: pd.DataFrame, keys: Sequence[str]) -> pd.DataFrame:
    """Sorted by the keys: conditions and metrics in their usual order, else by appearance."""
    usual = {"condition": ("all", *CONDITIONS), "metric": METRICS}

    def rank(column: pd.Series) -> pd.Series:
        order = dict.fromkeys([*usual.get(column.name, ()), *column])
        return column.map({value: k for k, value in enumerate(order)})

    return table.sort_values(list(keys), key=rank, kind="stable")
