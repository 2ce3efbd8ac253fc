"""What all metric profiles share: checked inputs, one resize rule, densities, exact ranks, and a
map with what several metrics need of it."""

from collections.abc import Callable, Iterator
from functools import cached_property, wraps
from inspect import signature

import numpy as np
from PIL import Image
from scipy.optimize import minimize_scalar

from csalgan.files.errors import CsalganError

#: How a prediction of another size meets the record's pixels, in every profile.
RESIZE = "bilinear, half-pixel centres, antialiased when it shrinks (Pillow, float32)"
#: Values worked on at a time.
BLOCK = 2**13
_BUCKETS = 2**15  # that values are ranked in


def blocks(*arrays: np.ndarray) -> Iterator[tuple[np.ndarray, ...]]:
    """Arrays of one size, any shapes, as pieces float64 (n,) of each in parallel, n ≤ 8,192.

    Temporaries of that size stay in the processor's cache. Temporaries the size of a map are new
    pages from the operating system each time, which takes longer than the arithmetic on them.
    """
    flat = [array.ravel() for array in arrays]
    for start in range(0, flat[0].size, BLOCK):
        yield tuple(a[start : start + BLOCK].astype(np.float64, copy=False) for a in flat)


def checked_map(values, name: str = "prediction") -> np.ndarray:
    """Check that an array is a map, and give it back in its own type.

    Parameters
    ----------
    values
        (h, w) array of booleans, integers or floats, any range; NaN and infinity may be in it.
    name
        What the message calls it.

    Returns
    -------
    (h, w), C-contiguous; booleans become uint8.

    Raises
    ------
    CsalganError
        When it has not two dimensions, no pixels, or is not numeric.
    """
    array = np.asarray(values)
    if array.ndim != 2 or array.size == 0:
        raise CsalganError(
            f"the {name} has shape {array.shape}; give one map as an array (height, width)."
        )
    if array.dtype.kind not in "buif":
        raise CsalganError(f"the {name} holds {array.dtype} values; give real numbers.")
    return np.ascontiguousarray(array, dtype=np.uint8 if array.dtype.kind == "b" else None)


def as_map(values) -> np.ndarray:
    """:func:`checked_map` as float64 (h, w); the array itself when it already is that."""
    return checked_map(values).astype(np.float64, copy=False)


def checked_truth(values, shape: tuple[int, int], name: str = "saliency map") -> np.ndarray:
    """A ground-truth map or center bias in its own type: finite, ≥ 0, of the given shape.

    Raises :class:`CsalganError` when it is not: a fault in the truth is never scored.
    """
    array = checked_map(values, name)
    if array.shape != tuple(shape):
        raise CsalganError(
            f"the {name} has shape {array.shape} and the prediction {tuple(shape)}; "
            "resize the prediction first, as csalgan.metrics.score does."
        )
    if not (array.min() >= 0 and np.isfinite(array.max())):
        raise CsalganError(f"the {name} holds NaN, infinity or negative values; give values ≥ 0.")
    return array


def checked_points(points, shape: tuple[int, int], name: str = "fixations") -> np.ndarray:
    """Check that fixations lie on a map, and give them back.

    Parameters
    ----------
    points
        (N, 2) integers, rows (y, x) in native pixels, repeats allowed; N may be 0.
    shape
        (H, W) of the map they lie on.

    Returns
    -------
    int (N, 2) in the type it came in.

    Raises
    ------
    CsalganError
        When the shape or type is another, or a point lies outside the map.
    """
    array = np.asarray(points)
    if array.size == 0:
        return np.zeros((0, 2), dtype=np.int64)
    if array.ndim != 2 or array.shape[1] != 2:
        raise CsalganError(f"the {name} have shape {array.shape}; give rows (y, x), shape (N, 2).")
    if array.dtype.kind not in "ui":
        raise CsalganError(f"the {name} hold {array.dtype} values; give whole pixels (integers).")
    height, width = shape
    y, x = array[:, 0], array[:, 1]
    if y.min() < 0 or x.min() < 0 or y.max() >= height or x.max() >= width:
        raise CsalganError(
            f"the {name} reach outside the map of {height} × {width} pixels; "
            "give rows (y, x) in its pixels."
        )
    return array


def resize(values: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Bring a map to ``shape`` (H, W) by the rule :data:`RESIZE`; a map of that size is untouched.

    The values are divided by their largest magnitude on the way, so that a density with tiny
    values does not underflow in float32. NaN spreads to the pixels it touches.

    Returns float64 (H, W), or the map itself when it has that size.
    """
    if values.shape == tuple(shape):
        return values
    values = values.astype(np.float64, copy=False)
    top = np.abs(values).max()
    scale = top if np.isfinite(top) and top > 0 else 1.0
    height, width = shape
    picture = Image.fromarray((values / scale).astype(np.float32))
    resized = picture.resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(resized, dtype=np.float64) * scale


def with_uniform(values: np.ndarray, share: float) -> np.ndarray:
    """A map as a density with a uniform share mixed in: float64 of its shape, sums to 1.

    Parameters
    ----------
    values
        (H, W), finite; negative values are shifted to a minimum of 0, an all-zero map is uniform.
    share
        0 … 1 of the mass that is spread evenly, so that no place is impossible.
    """
    values = values.astype(np.float64, copy=False)  # the difference of two int8 may be none
    values = values - min(values.min(), 0.0)
    total = values.sum()
    density = values / total if total > 0 else np.full(values.shape, 1 / values.size)
    return (1 - share) * density + share / values.size


def over_uniform(values: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Density at places over the uniform density (1 is chance), read from the nearest pixel.

    Parameters
    ----------
    values
        (h, w) map of any size, finite; negative values are shifted to a minimum of 0.
    places
        float (N, 2), rows (y, x) as shares of height and width, in (0, 1).

    Returns float64 (N,); ones for an all-zero map.
    """
    values = values.astype(np.float64, copy=False)
    values = values - min(values.min(), 0.0)
    y, x = (places * values.shape).astype(int).T
    mean = values.mean()
    return values[y, x] / mean if mean > 0 else np.ones(len(places))


def fit_uniform_share(ratios: np.ndarray) -> float:
    """The uniform share under which fixations are most likely.

    Parameters
    ----------
    ratios
        float (N,), N ≥ 1: density at each fixation over the uniform density (1 is chance).

    Returns
    -------
    0 … 1: the maximum of mean log((1 − share)·ratio + share), which is concave in the share.
    """

    def cost(share: float) -> float:
        return -float(np.log((1 - share) * ratios + share).mean())

    return float(minimize_scalar(cost, bounds=(1e-6, 1), method="bounded").x)


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
        """Values at places of the flattened map: int (N,) → float64 (N,)."""
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
