"""What all metric profiles share: checked inputs, one resize rule, ranks counted exactly."""

import numpy as np
from PIL import Image

from csalgan.errors import CsalganError

#: How a prediction of another size meets the record's pixels, in every profile.
RESIZE = "bilinear, half-pixel centres, antialiased when it shrinks (Pillow, float32)"


def as_map(values, name: str = "prediction") -> np.ndarray:
    """A map as float64.

    Parameters
    ----------
    values
        (h, w) array of booleans, integers or floats, any range; NaN and infinity may be in it.
    name
        What the message calls it.

    Returns
    -------
    float64 (h, w), C-contiguous; the array itself when it already is that.

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
    return np.ascontiguousarray(array, dtype=np.float64)


def as_points(points, shape: tuple[int, int], name: str = "fixations") -> np.ndarray:
    """Fixated pixels as an index into the flattened map.

    Parameters
    ----------
    points
        (N, 2) integers, rows (y, x) in native pixels, repeats allowed; N may be 0.
    shape
        (H, W) of the map they lie on.

    Returns
    -------
    int64 (N,), ``y * W + x``.

    Raises
    ------
    CsalganError
        When the shape or type is another, or a point lies outside the map.
    """
    array = np.asarray(points)
    if array.size == 0:
        return np.zeros(0, dtype=np.int64)
    if array.ndim != 2 or array.shape[1] != 2:
        raise CsalganError(f"the {name} have shape {array.shape}; give rows (y, x), shape (N, 2).")
    if array.dtype.kind not in "ui":
        raise CsalganError(f"the {name} hold {array.dtype} values; give whole pixels (integers).")
    height, width = shape
    y, x = array[:, 0].astype(np.int64), array[:, 1].astype(np.int64)
    if y.min() < 0 or x.min() < 0 or y.max() >= height or x.max() >= width:
        raise CsalganError(
            f"the {name} reach outside the map of {height} × {width} pixels; "
            "give rows (y, x) in its pixels."
        )
    return y * width + x


def resize(values: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Bring a map to ``shape`` (H, W) by the rule :data:`RESIZE`; a map of that size is untouched.

    The values are divided by their largest magnitude on the way, so that a density with tiny
    values does not underflow in float32. NaN spreads to the pixels it touches.

    Returns float64 (H, W).
    """
    if values.shape == tuple(shape):
        return values
    top = np.abs(values).max()
    scale = top if np.isfinite(top) and top > 0 else 1.0
    height, width = shape
    picture = Image.fromarray((values / scale).astype(np.float32))
    resized = picture.resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(resized, dtype=np.float64) * scale


def is_constant(values: np.ndarray) -> bool:
    """True when every value is the same: decided by min and max, never by a rounded deviation."""
    return bool(values.min() == values.max())


def rank_auc(positives: np.ndarray, negatives: np.ndarray) -> float:
    """The exact area under the ROC curve: P(positive > negative) + ½ P(positive = negative).

    Nothing is sorted but the few positives: all values fall into equal-width buckets, and only
    negatives that share a bucket with a positive are compared one by one. Bucketing is monotone
    in floating point, so the result is exact, whatever the distribution.

    Parameters
    ----------
    positives, negatives
        float64 (P,) and (M,), finite, in any order, repeats count.

    Returns
    -------
    float in [0, 1]; NaN when either is empty.
    """
    if positives.size == 0 or negatives.size == 0:
        return float("nan")
    ranked = np.sort(positives)
    low, high = min(ranked[0], negatives.min()), max(ranked[-1], negatives.max())
    with np.errstate(all="ignore"):
        scale = (_BUCKETS - 1) / (high - low)
    if not 0 < scale < np.inf:  # one value only, or a span that floating point cannot divide
        return _doubled_wins(ranked, negatives) / (2 * ranked.size * negatives.size)
    levels = _are_levels(negatives, high - low) and _are_levels(ranked, high - low)
    if levels:
        scale = 1.0  # grey levels: each is a bucket of its own, so sharing one is a tie
    inside = np.bincount(((ranked - low) * scale).astype(np.int32), minlength=_BUCKETS)
    above = ranked.size - np.cumsum(inside)  # positives in higher buckets
    bucket = ((negatives - low) * scale).astype(np.int32)
    count = np.bincount(bucket, minlength=_BUCKETS)
    if levels:
        doubled = int((count * (2 * above + inside)).sum())
    else:
        shared = inside > 0
        doubled = 2 * int((count * above)[~shared].sum())
        doubled += _doubled_wins(ranked, negatives[shared[bucket]])
    return doubled / (2 * ranked.size * negatives.size)


_BUCKETS = 2**14


def _are_levels(values: np.ndarray, span: float) -> bool:
    return bool(span < _BUCKETS and np.array_equal(values, np.rint(values)))


def _doubled_wins(ranked: np.ndarray, negatives: np.ndarray) -> int:
    """Σ over pairs of 2 for positive > negative and 1 for a tie; ``ranked`` ascends."""
    not_above = np.searchsorted(ranked, negatives, side="right")
    below = np.searchsorted(ranked, negatives, side="left")
    return 2 * ranked.size * negatives.size - int(not_above.sum()) - int(below.sum())


def min_max(values: np.ndarray) -> np.ndarray:
    """Stretch to [0, 1]; a constant map (0/0 in MATLAB) or one with NaN or infinity becomes NaN."""
    low, high = values.min(), values.max()
    if low == high or not np.isfinite([low, high]).all():
        return np.full(values.shape, np.nan)
    return (values - low) / (high - low)


def as_truth(values, shape: tuple[int, int], name: str = "saliency map") -> np.ndarray:
    """A ground-truth map or center bias as float64 (H, W): finite, ≥ 0, of the given shape.

    Raises :class:`CsalganError` when it is not: a fault in the truth is never scored.
    """
    array = as_map(values, name)
    if array.shape != tuple(shape):
        raise CsalganError(
            f"the {name} has shape {array.shape} and the prediction {tuple(shape)}; "
            "resize the prediction first, as csalgan.metrics.score does."
        )
    low = array.min()
    if not (low >= 0 and np.isfinite(array.max())):
        raise CsalganError(f"the {name} holds NaN, infinity or negative values; give values ≥ 0.")
    return array
