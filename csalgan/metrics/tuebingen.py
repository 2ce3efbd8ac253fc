"""Profile ``tuebingen``: as the current MIT/Tübingen benchmark and ``pysaliency`` compute.

Every function takes maps of one size (:func:`csalgan.metrics.score` resizes before it calls
them), is pure, and agrees with pysaliency (``metrics.py``, ``roc.py``, ``models.py``) to 1e-6.
Maps are (H, W) of any real type; ``fixations`` and ``negatives`` are int (N, 2), rows (y, x).
What is checked, and when a score is NaN, stands at :func:`csalgan.metrics.maps.metric`. The first
paragraph of each docstring is the reason that ``csalgan evaluate --explain`` prints.
"""

import numpy as np

from csalgan.metrics.maps import BLOCK, Map, blocks, metric

TITLE = "the current MIT/Tübingen benchmark, as pysaliency computes"
SIZES = "prediction to native size"
NEGATIVE_IMAGES = None  # all of them
#: Added to every pixel before a map is made a density for KL and information gain.
EPSILON = 1e-20


@metric()
def auc(prediction, fixations) -> float:
    """Exact ranks of the fixated values among all pixels, ties count ½.

    Returns [0, 1]; ½ for a constant map and when every pixel is fixated (pysaliency ``AUC``,
    'uniform').
    """
    wins = int(prediction.doubled_wins(fixations).sum(dtype=np.int64))
    return wins / (2 * fixations.size * prediction.size)


@metric()
def sauc(prediction, fixations, negatives) -> float:
    """Exact ranks of the fixated values among the fixations of all other images of the same
    condition, ties count ½.

    Returns [0, 1]; ½ for a constant map (pysaliency ``AUC``, 'shuffled'; repeats count).
    """
    wins = prediction.doubled_wins(fixations)
    pieces = (negatives[start : start + BLOCK] for start in range(0, len(negatives), BLOCK))
    total = sum(int(wins[prediction.places(piece)].sum(dtype=np.int64)) for piece in pieces)
    return total / (2 * fixations.size * len(negatives))


@metric(constant=0.0)
def nss(prediction, fixations) -> float:
    """Mean z-score at the fixations, deviation with ddof 0; 0 for a constant map.

    Returns a number of standard deviations.
    """
    deviation = np.sqrt(prediction.squares / prediction.size)
    return (prediction.at(fixations).mean() - prediction.mean) / deviation


@metric()
def cc(prediction, saliency_map) -> float:
    """Pearson correlation over pixels; 0 for a constant prediction.

    Returns [−1, 1]; NaN when the ground truth is constant.
    """
    if saliency_map.constant:
        return float("nan")
    return 0.0 if prediction.constant else pearson(prediction, saliency_map)


def pearson(first: Map, second: Map) -> float:
    """Pearson correlation of two maps of one size, neither constant."""
    product = 0.0
    for a, b in blocks(first.values, second.values):
        product += (a - first.mean) @ (b - second.mean)
    return float(np.clip(product / np.sqrt(first.squares * second.squares), -1.0, 1.0))


@metric()
def sim(prediction, saliency_map) -> float:
    """Maps divided by their sums, nothing subtracted: a background above zero keeps its weight.

    Returns the sum of pixelwise minima, [0, 1]; a constant or all-zero map counts as uniform.
    """
    (shift, offset, mass), (_, lift, total) = _density(prediction), _density(saliency_map)
    common = 0.0
    for a, b in blocks(prediction.values, saliency_map.values):
        q, p = a - shift, b + lift
        q += offset
        q /= mass
        p /= total
        common += np.minimum(q, p, out=q).sum()
    return common


@metric()
def kl(prediction, saliency_map) -> float:
    """The map divided by its sum, with a uniform share mixed in, fitted on images not tested on:
    a map of zeros and peaks is no density until then.

    Returns KL(truth ‖ prediction) in nats, :data:`EPSILON` added to every pixel of both maps:
    ≥ 0, finite for every finite pair of maps. The share is mixed in by
    :func:`csalgan.metrics.score`.
    """
    shift, offset, mass = _density(prediction, EPSILON)
    _, lift, total = _density(saliency_map, EPSILON)
    # Σ p·log(p/q) with p = b/total and q = a/mass; the sums are taken out of the logarithm.
    weighted = 0.0
    for a, b in blocks(prediction.values, saliency_map.values):
        q, p = a - shift, b + lift
        q += offset
        np.divide(p, q, out=q)
        weighted += p @ np.log(q, out=q)
    return weighted / total + np.log(mass / total)


@metric()
def ig(prediction, fixations, center_bias) -> float:
    """log2 of that density over the center bias of the condition at the fixations.

    Returns the mean over fixations, in bits (:data:`EPSILON` in both).
    """
    return (_log2_density(prediction, fixations) - _log2_density(center_bias, fixations)).mean()


@metric()
def ig_uniform(prediction, fixations) -> float:
    """log2 of that density over 1/pixels at the fixations.

    Returns the mean over fixations, in bits; 0 for a constant map.
    """
    return _log2_density(prediction, fixations).mean() + np.log2(prediction.size)


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
