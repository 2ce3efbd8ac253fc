"""A map with what several metrics need of it, worked out once, and exact ranks without a sort."""

from collections.abc import Iterator
from functools import cached_property

import numpy as np

from csalgan.metrics.common import checked_map, checked_truth

#: Values worked on at a time.
BLOCK = 2**13
_BUCKETS = 2**15


def blocks(*arrays: np.ndarray) -> Iterator[tuple[np.ndarray, ...]]:
    """The arrays, flattened, as float64, in parallel pieces of 8,192 values.

    Temporaries of that size stay in the processor's cache. Temporaries the size of a map are new
    pages from the operating system each time, which takes longer than the arithmetic on them.
    """
    flat = [array.ravel() for array in arrays]
    for start in range(0, flat[0].size, BLOCK):
        yield tuple(a[start : start + BLOCK].astype(np.float64, copy=False) for a in flat)


class Map:
    """One map (H, W) with its extremes, sums and ranks, in float64, as they are asked for.

    ``Map.of`` gives back a map that it gets. So the functions of ``mit`` and ``tuebingen`` take
    arrays from people, and share one ``Map`` when :func:`csalgan.metrics.score` calls them.
    """

    def __init__(self, values: np.ndarray):
        self.values = values
        self.shape, self.size = values.shape, values.size
        self._won: tuple[bytes, np.ndarray] | None = None

    @classmethod
    def of(cls, values) -> "Map":
        """A prediction: any real (H, W) array (:func:`csalgan.metrics.common.checked_map`)."""
        return values if isinstance(values, Map) else cls(checked_map(values))

    @classmethod
    def truth(cls, values, shape: tuple[int, int], name: str = "saliency map") -> "Map":
        """A ground truth: finite, ≥ 0, of ``shape``."""
        return values if isinstance(values, Map) else cls(checked_truth(values, shape, name))

    def at(self, index: np.ndarray) -> np.ndarray:
        """float64 values at places of the flattened map."""
        return self.values.ravel()[index].astype(np.float64)

    @cached_property
    def low(self) -> float:
        return float(self.values.min())

    @cached_property
    def high(self) -> float:
        return float(self.values.max())

    @property
    def finite(self) -> bool:
        """Without NaN and infinity: NaN spreads into the extremes."""
        return bool(np.isfinite(self.low) and np.isfinite(self.high))

    @property
    def constant(self) -> bool:
        """Decided by the extremes, never by a rounded deviation."""
        return self.low == self.high

    @cached_property
    def mean(self) -> float:
        return float(self.values.mean(dtype=np.float64))

    @cached_property
    def squares(self) -> float:
        """Sum of squared deviations from the mean."""
        total = 0.0
        for (block,) in blocks(self.values):
            block = block - self.mean
            total += block @ block
        return float(total)

    @cached_property
    def shift(self) -> float:
        """What is subtracted to make every value ≥ 0: the minimum if it is negative, else 0."""
        return min(self.low, 0.0)

    @cached_property
    def spread(self) -> float:
        """Sum of the values less their minimum: what a min–max scaled map is divided by."""
        return float(sum((block - self.low).sum() for (block,) in blocks(self.values)))

    def stretched(self, index: np.ndarray) -> np.ndarray:
        """Min–max scaled values, in [0, 1], at places of the flattened map; not constant."""
        return (self.at(index) - self.low) / (self.high - self.low)

    @cached_property
    def mass(self) -> float:
        """Sum of the values after the shift."""
        if self.shift == 0:
            return float(self.values.sum(dtype=np.float64))
        return float(sum((block - self.shift).sum() for (block,) in blocks(self.values)))

    def doubled_wins(self, at: np.ndarray) -> np.ndarray:
        """:func:`doubled_wins` of the values at ``at`` against every value, int32 (H·W,).

        The last answer is kept: AUC adds all of it up, shuffled AUC some of it.
        """
        key = at.tobytes()
        if self._won is None or self._won[0] != key:
            self._won = key, doubled_wins(self.at(at), self.values.ravel())
        return self._won[1]


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
