"""Exact ranks without a sort."""

import numpy as np

from csalgan.metrics.common import blocks

_BUCKETS = 2**15


def doubled_wins(
    positives: np.ndarray, negatives: np.ndarray, *, straight: bool = False
) -> np.ndarray:
    """For each negative: 2 for every positive above it and 1 for every equal one.

    The sum over negatives, divided by 2·P·M, is the area under the ROC curve, exactly:
    P(positive > negative) + ½ P(positive = negative).

    Nothing is sorted but the few positives: values fall into equal-width buckets, and only
    negatives that share a bucket with a positive are compared with them. Bucketing is monotone in
    floating point, so the answer is exact whatever the distribution.

    Parameters
    ----------
    positives
        float64 (P,), P ≥ 1, finite, repeats count.
    negatives
        (M,) of any real type, M ≥ 1, finite.
    straight
        Give the area under straight lines between the points at the positives' values instead:
        1 for every positive of the largest value that is *not above* the negative, since the
        line to the next threshold passes over it at half height (AUC-Judd).

    Returns
    -------
    int32 (M,).
    """
    ranked = np.sort(positives)
    values, times = np.unique(ranked, return_counts=True)
    # Of the n lowest positives, how many have the largest value: [0] none, then by n.
    last = np.concatenate([[0], np.repeat(times, times)])

    def compare(block: np.ndarray) -> np.ndarray:
        not_above = np.searchsorted(ranked, block, side="right")
        if straight:
            half = last[not_above]
        else:
            half = not_above - np.searchsorted(ranked, block, side="left")
        return 2 * (ranked.size - not_above) + half

    low = min(values[0], float(negatives.min()))
    high = max(values[-1], float(negatives.max()))
    buckets = min(_BUCKETS, 4 * negatives.size)  # small maps do not pay for large tables
    with np.errstate(all="ignore"):
        scale = (buckets - 1) / (high - low)
    if not 0 < scale < np.inf:  # one value only, or a span that floating point cannot divide
        return compare(negatives).astype(np.int32)
    levels = high - low < buckets and _are_whole(values) and _are_whole(negatives)
    if levels:  # grey levels: each is a bucket of its own, so sharing one is a tie
        scale = 1.0
    inside = np.bincount(((ranked - low) * scale).astype(np.intp), minlength=buckets)
    not_above = np.cumsum(inside)  # positives in this bucket and lower ones
    half = last[not_above] if straight else inside
    wins_of = (2 * (ranked.size - not_above) + half).astype(np.int32)
    shared = inside > 0
    wins = np.empty(negatives.size, dtype=np.int32)
    start = 0
    for (block,) in blocks(negatives):
        out = wins[start : start + block.size]
        start += block.size
        place = block - low
        place *= scale
        bucket = place.astype(np.int32)
        np.take(wins_of, bucket, out=out, mode="clip")  # "clip" skips a copy; none is outside
        if not levels:
            doubtful = np.flatnonzero(shared[bucket])
            out[doubtful] = compare(block[doubtful])
    return wins


def _are_whole(values: np.ndarray) -> bool:
    if values.dtype.kind in "ui":
        return True
    return all(np.array_equal(block, np.rint(block)) for (block,) in blocks(values))
