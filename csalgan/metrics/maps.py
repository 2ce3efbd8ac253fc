"""A map with what several metrics need of it, and what every metric checks before it computes."""

from collections.abc import Callable
from functools import cached_property, wraps
from inspect import signature

import numpy as np

from csalgan.metrics.common import blocks, checked_map, checked_points, checked_truth
from csalgan.metrics.ranks import doubled_wins


class Map:
    """One map (H, W) with its extremes, sums and ranks, in float64, as they are asked for."""

    def __init__(self, values: np.ndarray):
        self.values = values
        self.shape, self.size = values.shape, values.size
        self._won: tuple[bytes, np.ndarray] | None = None

    @classmethod
    def truth(cls, values, shape: tuple[int, int], name: str) -> "Map":
        """A ground truth of ``shape``, finite and ≥ 0; a Map as it is."""
        if isinstance(values, Map):
            return values
        return cls(checked_truth(values, shape, name.replace("_", " ")))

    def places(self, points: np.ndarray) -> np.ndarray:
        """``y * W + x``, int64 (N,), of points int (N, 2): places of the flattened map."""
        return points[:, 0].astype(np.int64) * self.shape[1] + points[:, 1].astype(np.int64)

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


def metric(*, distinct: bool = False, constant: float | None = None) -> Callable:
    """A metric as people call it: arrays in, each checked by its name; a float out.

    The function itself is given ``prediction``, ``saliency_map`` and ``center_bias`` as
    :class:`Map` (one that is a Map already is shared between metrics), ``fixations`` as int64
    (N,) places of the flattened map, N ≥ 1, and ``negatives`` as int (M, 2) rows (y, x), M ≥ 1.

    Args:
        distinct: whether a repeated fixation counts once; the places are then ascending.
        constant: the score of a constant prediction, where it has none of its own.

    Returns:
        NaN for a prediction with NaN or infinity, without fixation, or without negatives.

    Raises:
        CsalganError: an input of another shape or type.
    """

    def of(function: Callable) -> Callable:
        needed = list(signature(function).parameters)[1:]

        @wraps(function)
        def checked(prediction, *truths, **options) -> float:
            if not isinstance(prediction, Map):
                prediction = Map(checked_map(prediction))
            shape, given = prediction.shape, []
            for name, truth in zip(needed, truths, strict=False):
                points = name in ("fixations", "negatives")
                check = checked_points if points else Map.truth
                given.append(check(truth, shape, name))
            if not prediction.finite or any(one.size == 0 for one in given):
                return float("nan")
            if needed[0] == "fixations":
                places = prediction.places(given[0])
                given[0] = np.unique(places) if distinct else places
            if constant is not None and prediction.constant:
                return constant
            return float(function(prediction, *given, **options))

        return checked

    return of
