"""Profile ``mit``: the MIT saliency benchmark's original MATLAB definitions.

Each function follows the MATLAB file of its name (``AUC_Judd.m``, ``AUC_Borji.m``,
``AUC_shuffled.m``, ``NSS.m``, ``CC.m``, ``similarity.m``, ``KLdiv.m``, ``InfoGain.m``), with two
changes that docs/metrics.md gives the reasons for: ties are counted exactly instead of being
broken by a jitter of 1e-7, and random splits are seeded. As there, fixations are a binary map:
a repeated point counts once.

Maps are (H, W) of any real type; ``fixations`` and ``negatives`` are int (N, 2), rows (y, x).
What is checked, and when a score is NaN, stands at :func:`csalgan.metrics.maps.metric`. The first
paragraph of each docstring is the reason that ``csalgan evaluate --explain`` prints.
"""

import numpy as np

from csalgan.metrics.maps import Map, blocks, doubled_wins, metric
from csalgan.metrics.tuebingen import pearson

TITLE = "the MIT benchmark's original MATLAB definitions"
SIZES = "prediction to native size"
NEGATIVE_IMAGES = 10
#: MATLAB's ``eps``.
EPSILON = 2.0**-52
#: Random splits of AUC-Borji and shuffled AUC.
SPLITS = 100
_NAN = float("nan")


@metric(distinct=True)
def auc(prediction, fixations) -> float:
    """AUC-Judd: one threshold per distinct fixated value, straight lines between; negatives are
    the pixels without fixation.

    The curve runs from (0, 0) through the points at the thresholds to (1, 1).
    Returns [0, 1]; ½ for a constant map; NaN when all pixels are fixated.
    """
    n_negatives = prediction.size - fixations.size
    if n_negatives == 0:
        return _NAN
    values = prediction.values.ravel()
    wins = doubled_wins(prediction.at(fixations), values, straight=True)
    total = int(wins.sum(dtype=np.int64)) - int(wins[fixations].sum(dtype=np.int64))
    return total / (2 * fixations.size * n_negatives)


@metric(distinct=True, constant=_NAN)
def auc_borji(prediction, fixations, *, seed: int = 0, splits: int = SPLITS) -> float:
    """Mean of 100 seeded draws of random pixels, as many as fixations; thresholds in steps of 0.1
    on the min–max scaled map.

    Pixels are drawn with replacement from the whole map by ``numpy.random.default_rng(seed)``.
    Returns [0, 1]; NaN for a constant map (MATLAB divides 0 by 0).
    """
    rng = np.random.default_rng(seed)
    drawn = rng.integers(0, prediction.size, size=(splits, fixations.size))
    return _split_auc(prediction.stretched(fixations), prediction.stretched(drawn))


@metric(distinct=True, constant=_NAN)
def sauc(prediction, fixations, negatives, *, seed: int = 0, splits: int = SPLITS) -> float:
    """Mean of 100 seeded draws among the fixations of ten other images of the same condition;
    thresholds in steps of 0.1 on the min–max scaled map.

    Any number of other images is taken. Each split draws, without replacement, as many of their
    distinct pixels as there are fixations (or all).
    Returns [0, 1]; NaN for a constant map.
    """
    others = np.unique(prediction.places(negatives))
    rng = np.random.default_rng(seed)
    count = min(fixations.size, others.size)
    drawn = np.stack([rng.choice(others, count, replace=False) for _ in range(splits)])
    return _split_auc(prediction.stretched(fixations), prediction.stretched(drawn))


@metric(distinct=True, constant=_NAN)
def nss(prediction, fixations) -> float:
    """Mean z-score at the fixated pixels, deviation with ddof 1; NaN for a constant map.

    Returns a number of standard deviations.
    """
    deviation = np.sqrt(prediction.squares / (prediction.size - 1))
    return (prediction.at(fixations).mean() - prediction.mean) / deviation


@metric(constant=_NAN)
def cc(prediction, saliency_map) -> float:
    """Pearson correlation over pixels; NaN when a map is constant.

    Returns [−1, 1].
    """
    return _NAN if saliency_map.constant else pearson(prediction, saliency_map)


@metric()
def sim(prediction, saliency_map) -> float:
    """Both maps min–max scaled, then divided by their sums: the background no longer counts,
    which changes the value most for smooth maps.

    Returns the sum of pixelwise minima, [0, 1]; 0 when one map is all zero; NaN when one is
    another constant.
    """
    if prediction.constant or saliency_map.constant:
        undefined = any(m.constant and m.low != 0 for m in (prediction, saliency_map))
        return _NAN if undefined else 0.0
    common = 0.0
    for a, b in blocks(prediction.values, saliency_map.values):
        q, p = a - prediction.low, b - saliency_map.low
        q /= prediction.spread
        p /= saliency_map.spread
        common += np.minimum(q, p, out=q).sum()
    return common


@metric()
def kl(prediction, saliency_map) -> float:
    """Maps divided by their sums, ε = 2.2e-16 inside the logarithm and the quotient: a zero in the
    prediction costs at most about 36 nats.

    ``sum(truth · log(ε + truth / (prediction + ε)))``. A prediction with negative values is
    shifted to a minimum of 0 first (MATLAB would return a complex number); an all-zero map stays
    zero. Returns about ≥ 0.
    """
    mass, total = prediction.mass or 1.0, saliency_map.mass or 1.0  # a zero map stays zero
    divergence = 0.0
    for a, b in blocks(prediction.values, saliency_map.values):
        q, p = a - prediction.shift, b / total
        q /= mass
        q += EPSILON
        np.divide(p, q, out=q)
        q += EPSILON
        divergence += p @ np.log(q, out=q)
    return divergence


@metric(distinct=True, constant=_NAN)
def ig(prediction, fixations, center_bias) -> float:
    """Both maps min–max scaled before they are densities, so each has a zero that ε = 2.2e-16
    prices at about −52 bits.

    Returns ``mean(log2(ε + prediction) − log2(ε + center_bias))`` at the fixations, in bits; NaN
    when either map is constant.
    """
    if center_bias.constant:
        return _NAN
    return (_log2_density(prediction, fixations) - _log2_density(center_bias, fixations)).mean()


@metric(distinct=True, constant=_NAN)
def ig_uniform(prediction, fixations) -> float:
    """As ig, against 1/pixels (an addition: the benchmark has no such file).

    Returns bits per fixation; NaN for a constant map.
    """
    even = np.log2(EPSILON + 1 / prediction.size)
    return (_log2_density(prediction, fixations) - even).mean()


def _log2_density(values: Map, at: np.ndarray) -> np.ndarray:
    return np.log2(EPSILON + (values.at(at) - values.low) / values.spread)


def _split_auc(positives: np.ndarray, drawn: np.ndarray) -> float:
    """Mean AUC over splits: positives (P,), drawn (splits, M), both in [0, 1]; steps of 0.1.

    Trapezoids under (0, 0), (alarms, hits) from the highest threshold down, (1, 1); counts are
    whole numbers until the one division.
    """
    # k/10 rather than k·0.1, which would put a threshold just above 0.3. Thresholds above the
    # largest value add the point (0, 0) again, so the same eleven serve every split.
    thresholds = np.arange(11) / 10
    splits, count = drawn.shape
    reached = np.searchsorted(thresholds, drawn, side="right") - 1  # highest threshold ≤ value
    cell = np.arange(splits)[:, None] * 11 + reached
    at_level = np.bincount(cell.ravel(), minlength=splits * 11).reshape(splits, 11)
    # (splits, 12) and (12,): (0, 0), then from the highest threshold down, where every value
    # reaches the lowest one, so the curve ends in (1, 1).
    alarms = np.cumsum(np.pad(at_level[:, ::-1], ((0, 0), (1, 0))), axis=1)
    hits = np.append(0, (positives >= thresholds[::-1, None]).sum(axis=1))
    twice = (np.diff(alarms, axis=1) * (hits[1:] + hits[:-1])).sum(axis=1)
    return np.mean(twice / (2 * positives.size * count))
