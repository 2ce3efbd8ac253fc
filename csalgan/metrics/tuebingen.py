"""Profile ``tuebingen``: as the current MIT/Tübingen benchmark and ``pysaliency`` compute.

Every function takes maps of one size (:func:`csalgan.metrics.score` resizes before it calls
them), is pure, and agrees with pysaliency (``metrics.py``, ``roc.py``, ``models.py``) to 1e-6.
Maps are (H, W) of any real type; ``fixations`` and ``negatives`` are int (N, 2), rows (y, x).
All raise :class:`csalgan.files.errors.CsalganError` for inputs of another shape or type.
A prediction with NaN or infinity scores NaN everywhere.
"""

import numpy as np

from csalgan.metrics.common import as_points, checked_points, flat_index
from csalgan.metrics.ranks import BLOCK, Map, blocks

#: Added to every pixel before a map is made a density for KL and information gain.
EPSILON = 1e-20


def auc(prediction, fixations) -> float:
    """AUC with all pixels as negatives, exact ranks, ties ½ (pysaliency ``AUC``, 'uniform').

    Returns [0, 1]; ½ for a constant map and when every pixel is fixated; NaN without fixation.
    """
    prediction = Map.of(prediction)
    at = as_points(fixations, prediction.shape)
    if at.size == 0 or not prediction.finite:
        return float("nan")
    wins = int(prediction.doubled_wins(at).sum(dtype=np.int64))
    return wins / (2 * at.size * prediction.size)


def sauc(prediction, fixations, negatives) -> float:
    """Shuffled AUC: negatives are the fixations of all other images, mapped to this one's pixels.

    Exact ranks, ties ½ (pysaliency ``AUC``, 'shuffled'; repeats count).
    Returns [0, 1]; ½ for a constant map; NaN without fixation or without negatives.
    """
    prediction = Map.of(prediction)
    at = as_points(fixations, prediction.shape)
    others = checked_points(negatives, prediction.shape, "negatives")
    if at.size == 0 or len(others) == 0 or not prediction.finite:
        return float("nan")
    wins, total = prediction.doubled_wins(at), 0
    for start in range(0, len(others), BLOCK):
        index = flat_index(others[start : start + BLOCK], prediction.shape[1])
        total += int(wins[index].sum(dtype=np.int64))
    return total / (2 * at.size * len(others))


def nss(prediction, fixations) -> float:
    """Mean z-score (ddof 0) of the prediction at the fixations.

    Returns a number of standard deviations; 0 for a constant map; NaN without fixation.
    """
    prediction = Map.of(prediction)
    at = as_points(fixations, prediction.shape)
    if at.size == 0 or not prediction.finite:
        return float("nan")
    if prediction.constant:
        return 0.0
    deviation = np.sqrt(prediction.squares / prediction.size)
    return float((prediction.at(at).mean() - prediction.mean) / deviation)


def cc(prediction, saliency_map) -> float:
    """Pearson correlation of two maps over pixels.

    Returns [−1, 1]; 0 for a constant prediction; NaN when the ground truth is constant.
    """
    prediction = Map.of(prediction)
    truth = Map.truth(saliency_map, prediction.shape)
    if not prediction.finite or truth.constant:
        return float("nan")
    return 0.0 if prediction.constant else pearson(prediction, truth)


def pearson(first: Map, second: Map) -> float:
    """Pearson correlation of two maps of one size, neither constant."""
    product = 0.0
    for a, b in blocks(first.values, second.values):
        product += (a - first.mean) @ (b - second.mean)
    return float(np.clip(product / np.sqrt(first.squares * second.squares), -1.0, 1.0))


def sim(prediction, saliency_map) -> float:
    """Similarity: the sum of pixelwise minima of the two densities (no min–max before).

    Returns [0, 1]; a constant or all-zero map counts as the uniform density.
    """
    prediction = Map.of(prediction)
    truth = Map.truth(saliency_map, prediction.shape)
    if not prediction.finite:
        return float("nan")
    (shift, offset, mass), (_, lift, total) = _density(prediction), _density(truth)
    common = 0.0
    for a, b in blocks(prediction.values, truth.values):
        q, p = a - shift, b + lift
        q += offset
        q /= mass
        p /= total
        common += np.minimum(q, p, out=q).sum()
    return float(common)


def kl(prediction, saliency_map) -> float:
    """KL(truth ‖ prediction) in nats, :data:`EPSILON` added to every pixel of both maps.

    Returns ≥ 0; finite for every finite pair of maps.
    """
    prediction = Map.of(prediction)
    truth = Map.truth(saliency_map, prediction.shape)
    if not prediction.finite:
        return float("nan")
    (shift, offset, mass), (_, lift, total) = (
        _density(prediction, EPSILON),
        _density(truth, EPSILON),
    )
    # Σ p·log(p/q) with p = b/total and q = a/mass; the sums are taken out of the logarithm.
    weighted = 0.0
    for a, b in blocks(prediction.values, truth.values):
        q, p = a - shift, b + lift
        q += offset
        np.divide(p, q, out=q)
        weighted += p @ np.log(q, out=q)
    return float(weighted / total + np.log(mass / total))


def ig(prediction, fixations, center_bias) -> float:
    """Information gain over the center bias, in bits per fixation (:data:`EPSILON` in both).

    Returns the mean over fixations of log2(prediction/center_bias); NaN without fixation.
    """
    prediction = Map.of(prediction)
    baseline = Map.truth(center_bias, prediction.shape, "center bias")
    at = as_points(fixations, prediction.shape)
    if at.size == 0 or not prediction.finite:
        return float("nan")
    return float((_log2_density(prediction, at) - _log2_density(baseline, at)).mean())


def ig_uniform(prediction, fixations) -> float:
    """Information gain over the uniform density, in bits per fixation; 0 for a constant map."""
    prediction = Map.of(prediction)
    at = as_points(fixations, prediction.shape)
    if at.size == 0 or not prediction.finite:
        return float("nan")
    return float(_log2_density(prediction, at).mean() + np.log2(prediction.size))


def _log2_density(values: Map, at: np.ndarray) -> np.ndarray:
    shift, offset, mass = _density(values, EPSILON)
    return np.log2((values.at(at) - shift + offset) / mass)


def _density(values: Map, epsilon: float = 0.0) -> tuple[float, float, float]:
    """(shift, offset, mass): the density of a map is ``(values − shift + offset) / mass``.

    Shift to ≥ 0 if there are negatives, add ε, divide by the sum; an all-zero map without ε is
    uniform (pysaliency, ``convert_saliency_map_to_density``).
    """
    mass = values.mass + epsilon * values.size
    if mass == 0:
        return values.shift, 1.0, float(values.size)
    return values.shift, epsilon, mass
