"""What the cells about misconceptions measure."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from csalgan.data import make_split
from csalgan.exploration import correlation

if TYPE_CHECKING:
    from csalgan.job import Job


def same_order(saliency: np.ndarray) -> dict[str, np.ndarray]:
    """Maps that put the pixels in the same order as ``saliency``, and are nothing like it.

    Args:
        saliency: real (H, W), not constant.

    Returns:
        Name → float64 (H, W) in [0, 1]. Equal values stay equal, so every metric that looks at
        the order only (AUC, shuffled AUC) gives all of them the same score.
    """
    values = np.asarray(saliency, dtype=np.float64)
    ranks = rankdata(values, method="dense").reshape(values.shape)  # 1 … number of levels
    top = ranks.max()
    steep = 280 / np.log10(top + 1)  # as steep as goes without two small values becoming 0
    return {
        "the map itself": (values - values.min()) / np.ptp(values),
        "washed out": np.log1p(ranks) / np.log1p(top),
        "one hot spot": (ranks / top) ** steep,
    }


def leakage(job: "Job", *, seeds: int = 5) -> pd.DataFrame:
    """What remembering images is worth under three ways of parting the same records.

    The "model" here learns nothing: for a test record it recites the mean of the training maps of
    the *same image*, and the mean of all training maps where it has none.

    Args:
        job: its prepared arrays are scored at their size.
        seeds: splits drawn for each rule.

    Returns:
        One row a rule and seed: ``rule`` (``over images``; ``over records``: each record in one
        part; ``published``: over records, test records drawn from all again), ``seed``,
        ``remembered`` (share of test records whose image is in the training part), ``memory`` and
        ``mean_map`` (mean CC of the two over the test records).
    """
    prepared, records = job.prepared, job.prepared.records
    maps = prepared.maps.reshape(len(records), -1).astype(np.float64)
    maps /= np.maximum(maps.mean(axis=1, keepdims=True), 1e-12)  # every map weighs the same
    images = records["image_id"].to_numpy()
    rows = []
    for rule, seed, train, test in _splits(records, seeds):
        mean = maps[train].mean(axis=0)
        known = set(images[train])
        memory, plain = [], []
        for k in np.flatnonzero(test):
            same = train & (images == images[k])
            recited = maps[same].mean(axis=0) if same.any() else mean
            memory.append(correlation(recited, maps[k]))
            plain.append(correlation(mean, maps[k]))
        rows.append(
            {
                "rule": rule,
                "seed": seed,
                "remembered": np.mean([image in known for image in images[test]]),
                "memory": np.nanmean(memory),
                "mean_map": np.nanmean(plain),
            }
        )
    return pd.DataFrame(rows)


def _splits(records: pd.DataFrame, seeds: int) -> Iterator[tuple[str, int, np.ndarray, np.ndarray]]:
    """Rule, seed, and masks of the training and the test records."""
    names = records["record"]
    for seed in range(seeds):
        images = make_split(records, "image", seed)
        published = make_split(records, "published", seed)
        train = names.isin(published.train).to_numpy()
        val = names.isin(published.val).to_numpy()
        yield "over images", seed, names.isin(images.train).to_numpy(), _in(names, images.test)
        # What the published code's first draw leaves for testing, before it draws again.
        yield "over records", seed, train, ~(train | val)
        yield "published", seed, train, _in(names, published.test)


def _in(names: pd.Series, chosen: np.ndarray) -> np.ndarray:
    return names.isin(chosen).to_numpy()
