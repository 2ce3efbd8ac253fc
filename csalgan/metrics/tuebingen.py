"""Profile ``tuebingen``: as the current MIT/Tübingen benchmark and ``pysaliency`` compute.

Every function takes maps of one size (:func:`csalgan.metrics.score` resizes before it calls
them), is pure, and agrees with pysaliency (``metrics.py``, ``roc.py``, ``models.py``) to 1e-6.
Maps are (H, W) of any real type; ``fixations`` and ``negatives`` are int (N, 2), rows (y, x).
All raise :class:`csalgan.errors.CsalganError` for inputs of another shape or type.
A prediction with NaN or infinity scores NaN everywhere.
"""

import numpy as np

from csalgan.metrics.common import as_map, as_points, as_truth, is_constant, rank_auc

#: Added to every pixel before a map is made a density for KL and information gain.
EPSILON = 1e-20


def density(values, epsilon: float = 0.0) -> np.ndarray:
    """A map as a density: shift to ≥ 0 if it has negatives, add ``epsilon``, divide by the sum.

    An all-zero map becomes uniform (pysaliency, ``convert_saliency_map_to_density``).
    Returns float64 (H, W) that sums to 1.
    """
    values = as_map(values)
    low = values.min()
    if low < 0:
        values = values - low
    total = values.sum() + epsilon * values.size
    if total == 0:
        return np.full(values.shape, 1 / values.size)
    return (values + epsilon) / total


def auc(prediction, fixations) -> float:
    """AUC with all pixels as negatives, exact ranks, ties ½ (pysaliency ``AUC``, 'uniform').

    Returns [0, 1]; ½ for a constant map and when every pixel is fixated; NaN without fixation.
    """
    prediction = as_map(prediction)
    at = as_points(fixations, prediction.shape)
    if not np.isfinite(prediction).all():
        return float("nan")
    values = prediction.ravel()
    return rank_auc(values[at], values)


def sauc(prediction, fixations, negatives) -> float:
    """Shuffled AUC: negatives are the fixations of all other images, mapped to this one's pixels.

    Exact ranks, ties ½ (pysaliency ``AUC``, 'shuffled'; repeats count).
    Returns [0, 1]; ½ for a constant map; NaN without fixation or without negatives.
    """
    prediction = as_map(prediction)
    at = as_points(fixations, prediction.shape)
    others = as_points(negatives, prediction.shape, "negatives")
    if not np.isfinite(prediction).all():
        return float("nan")
    values = prediction.ravel()
    return rank_auc(values[at], values[others])


def nss(prediction, fixations) -> float:
    """Mean z-score (ddof 0) of the prediction at the fixations.

    Returns a number of standard deviations; 0 for a constant map; NaN without fixation.
    """
    prediction = as_map(prediction)
    at = as_points(fixations, prediction.shape)
    if at.size == 0 or not np.isfinite(prediction).all():
        return float("nan")
    if is_constant(prediction):
        return 0.0
    return float((prediction.ravel()[at].mean() - prediction.mean()) / prediction.std())


def cc(prediction, saliency_map) -> float:
    """Pearson correlation of two maps over pixels.

    Returns [−1, 1]; 0 for a constant prediction; NaN when the ground truth is constant.
    """
    prediction, truth = _pair(prediction, saliency_map)
    if not np.isfinite(prediction).all() or is_constant(truth):
        return float("nan")
    if is_constant(prediction):
        return 0.0
    return pearson(prediction, truth)


def pearson(first: np.ndarray, second: np.ndarray) -> float:
    """Pearson correlation of two float64 arrays of one size, neither constant."""
    a, b = (first - first.mean()).ravel(), (second - second.mean()).ravel()
    return float(np.clip(a @ b / np.sqrt((a @ a) * (b @ b)), -1.0, 1.0))


def sim(prediction, saliency_map) -> float:
    """Similarity: the sum of pixelwise minima of the two densities (no min–max before).

    Returns [0, 1]; a constant or all-zero map counts as the uniform density.
    """
    prediction, truth = _pair(prediction, saliency_map)
    if not np.isfinite(prediction).all():
        return float("nan")
    return float(np.minimum(density(prediction), density(truth)).sum())


def kl(prediction, saliency_map) -> float:
    """KL(truth ‖ prediction) in nats, :data:`EPSILON` added to every pixel of both maps.

    Returns ≥ 0; finite for every finite pair of maps.
    """
    prediction, truth = _pair(prediction, saliency_map)
    if not np.isfinite(prediction).all():
        return float("nan")
    p, q = density(truth, EPSILON), density(prediction, EPSILON)
    return float((p * (np.log(p) - np.log(q))).sum())


def ig(prediction, fixations, center_bias) -> float:
    """Information gain over the center bias, in bits per fixation (:data:`EPSILON` in both).

    Returns the mean over fixations of log2(prediction/center_bias); NaN without fixation.
    """
    prediction, center_bias = _pair(prediction, center_bias, "center bias")
    at = as_points(fixations, prediction.shape)
    if at.size == 0 or not np.isfinite(prediction).all():
        return float("nan")
    q, b = density(prediction, EPSILON).ravel()[at], density(center_bias, EPSILON).ravel()[at]
    return float((np.log2(q) - np.log2(b)).mean())


def ig_uniform(prediction, fixations) -> float:
    """Information gain over the uniform density, in bits per fixation; 0 for a constant map."""
    return ig(prediction, fixations, np.ones(as_map(prediction).shape))


def _pair(prediction, truth, name: str = "saliency map") -> tuple[np.ndarray, np.ndarray]:
    prediction = as_map(prediction)
    return prediction, as_truth(truth, prediction.shape, name)
