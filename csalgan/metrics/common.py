"""What all metric profiles share: checked inputs, one resize rule, and maps as densities."""

from collections.abc import Iterator

import numpy as np
from PIL import Image
from scipy.optimize import minimize_scalar

from csalgan.files.errors import CsalganError

#: How a prediction of another size meets the record's pixels, in every profile.
RESIZE = "bilinear, half-pixel centres, antialiased when it shrinks (Pillow, float32)"
#: Values worked on at a time.
BLOCK = 2**13


def blocks(*arrays: np.ndarray) -> Iterator[tuple[np.ndarray, ...]]:
    """The arrays, flattened, as float64, in parallel pieces of 8,192 values.

    Temporaries of that size stay in the processor's cache. Temporaries the size of a map are new
    pages from the operating system each time, which takes longer than the arithmetic on them.
    """
    flat = [array.ravel() for array in arrays]
    for start in range(0, flat[0].size, BLOCK):
        yield tuple(a[start : start + BLOCK].astype(np.float64, copy=False) for a in flat)


def checked_map(values, name: str = "prediction") -> np.ndarray:
    """A map in the type it came in, once it is known to be one.

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
    """Fixations once they are known to lie on a map.

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
    values = values - min(values.min(), 0.0)
    total = values.sum(dtype=np.float64)
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
    values = values - min(values.min(), 0.0)
    y, x = (places * values.shape).astype(int).T
    mean = values.mean(dtype=np.float64)
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
