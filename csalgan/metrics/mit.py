"""Profile ``mit``: the MIT saliency benchmark's original MATLAB definitions.

Each function follows the MATLAB file of its name (``AUC_Judd.m``, ``AUC_Borji.m``,
``AUC_shuffled.m``, ``NSS.m``, ``CC.m``, ``similarity.m``, ``KLdiv.m``, ``InfoGain.m``), with two
changes that docs/metrics.md gives the reasons for: ties are counted exactly instead of being
broken by a jitter of 1e-7, and random splits are seeded. As there, fixations are a binary map:
a repeated point counts once.

Maps are (H, W) of any real type; ``fixations`` and ``negatives`` are int (N, 2), rows (y, x).
All raise :class:`csalgan.files.errors.CsalganError` for inputs of another shape or type.
A prediction with NaN or infinity scores NaN everywhere.
"""

import numpy as np

from csalgan.metrics.common import as_points
from csalgan.metrics.ranks import Map, blocks, doubled_wins
from csalgan.metrics.tuebingen import pearson

#: MATLAB's ``eps``.
EPSILON = 2.0**-52
#: Random splits of AUC-Borji and shuffled AUC, and the step of their thresholds.
SPLITS = 100
STEP = 0.1


def auc(prediction, fixations) -> float:
    """AUC-Judd: one threshold per distinct fixated value, negatives are all other pixels.

    The curve joins (0, 0), the points at the thresholds and (1, 1) with straight lines.
    Returns [0, 1]; ½ for a constant map; NaN without fixation or when all pixels are fixated.
    """
    prediction = Map.of(prediction)
    at = _fixated(prediction, fixations)
    n_negatives = prediction.size - at.size
    if at.size == 0 or n_negatives == 0 or not prediction.finite:
        return float("nan")
    wins = doubled_wins(prediction.at(at), prediction.values.ravel(), straight=True)
    total = int(wins.sum(dtype=np.int64)) - int(wins[at].sum(dtype=np.int64))
    return total / (2 * at.size * n_negatives)


def auc_borji(prediction, fixations, *, seed: int = 0, splits: int = SPLITS) -> float:
    """AUC-Borji: mean over ``splits`` draws of as many random pixels as there are fixations.

    Thresholds 0, 0.1, … on the min–max scaled map. Pixels are drawn with replacement from the
    whole map by ``numpy.random.default_rng(seed)``.
    Returns [0, 1]; NaN for a constant map (MATLAB divides 0 by 0) and without fixation.
    """
    prediction = Map.of(prediction)
    at = _fixated(prediction, fixations)
    if at.size == 0 or not prediction.finite or prediction.constant:
        return float("nan")
    rng = np.random.default_rng(seed)
    drawn = rng.integers(0, prediction.size, size=(splits, at.size))
    return _split_auc(prediction.stretched(at), prediction.stretched(drawn))


def sauc(prediction, fixations, negatives, *, seed: int = 0, splits: int = SPLITS) -> float:
    """Shuffled AUC: like AUC-Borji, with pixels drawn among the fixations of other images.

    ``negatives`` are the fixations of ten other images (any number is taken). Each split draws,
    without replacement, as many of their distinct pixels as there are fixations (or all).
    Returns [0, 1]; NaN for a constant map, without fixation, or without negatives.
    """
    prediction = Map.of(prediction)
    at = _fixated(prediction, fixations)
    others = _fixated(prediction, negatives, "negatives")
    if at.size == 0 or others.size == 0 or not prediction.finite or prediction.constant:
        return float("nan")
    rng = np.random.default_rng(seed)
    count = min(at.size, others.size)
    drawn = np.stack([rng.choice(others, count, replace=False) for _ in range(splits)])
    return _split_auc(prediction.stretched(at), prediction.stretched(drawn))


def nss(prediction, fixations) -> float:
    """Mean z-score at the fixations, with MATLAB's ``std`` (ddof 1).

    Returns a number of standard deviations; NaN for a constant map and without fixation.
    """
    prediction = Map.of(prediction)
    at = _fixated(prediction, fixations)
    if at.size == 0 or not prediction.finite or prediction.constant:
        return float("nan")
    deviation = np.sqrt(prediction.squares / (prediction.size - 1))
    return float((prediction.at(at).mean() - prediction.mean) / deviation)


def cc(prediction, saliency_map) -> float:
    """Pearson correlation of two maps over pixels. Returns [−1, 1]; NaN when one is constant."""
    prediction = Map.of(prediction)
    truth = Map.truth(saliency_map, prediction.shape)
    if not prediction.finite or prediction.constant or truth.constant:
        return float("nan")
    return pearson(prediction, truth)


def sim(prediction, saliency_map) -> float:
    """Similarity: min–max scale both maps, divide each by its sum, add up the pixelwise minima.

    Returns [0, 1]; 0 when one map is all zero; NaN when one is another constant.
    """
    prediction = Map.of(prediction)
    truth = Map.truth(saliency_map, prediction.shape)
    if not prediction.finite:
        return float("nan")
    if prediction.constant or truth.constant:
        undefined = any(m.constant and m.low != 0 for m in (prediction, truth))
        return float("nan") if undefined else 0.0
    common = 0.0
    for a, b in blocks(prediction.values, truth.values):
        q, p = a - prediction.low, b - truth.low
        q /= prediction.spread
        p /= truth.spread
        common += np.minimum(q, p, out=q).sum()
    return float(common)


def kl(prediction, saliency_map) -> float:
    """``sum(truth · log(ε + truth / (prediction + ε)))`` in nats, each map divided by its sum.

    A prediction with negative values is shifted to a minimum of 0 first (MATLAB would return a
    complex number); an all-zero map stays zero. Returns about ≥ 0.
    """
    prediction = Map.of(prediction)
    truth = Map.truth(saliency_map, prediction.shape)
    if not prediction.finite:
        return float("nan")
    mass, total = prediction.mass or 1.0, truth.mass or 1.0  # a zero map stays zero
    divergence = 0.0
    for a, b in blocks(prediction.values, truth.values):
        q, p = a - prediction.shift, b / total
        q /= mass
        q += EPSILON
        np.divide(p, q, out=q)
        q += EPSILON
        divergence += p @ np.log(q, out=q)
    return float(divergence)


def ig(prediction, fixations, center_bias) -> float:
    """Information gain over the center bias in bits per fixation; both maps min–max scaled first.

    ``mean(log2(ε + prediction) − log2(ε + center_bias))`` at the fixations.
    NaN when either map is constant and without fixation.
    """
    prediction = Map.of(prediction)
    at = _fixated(prediction, fixations)
    baseline = Map.truth(center_bias, prediction.shape, "center bias")
    if at.size == 0 or not prediction.finite or prediction.constant or baseline.constant:
        return float("nan")
    return float((_log2_density(prediction, at) - _log2_density(baseline, at)).mean())


def ig_uniform(prediction, fixations) -> float:
    """Information gain over the uniform density in bits per fixation; NaN for a constant map.

    The benchmark has no such file: this is ``InfoGain.m`` with 1/pixels as the baseline.
    """
    prediction = Map.of(prediction)
    at = _fixated(prediction, fixations)
    if at.size == 0 or not prediction.finite or prediction.constant:
        return float("nan")
    return float((_log2_density(prediction, at) - np.log2(EPSILON + 1 / prediction.size)).mean())


def _fixated(prediction: Map, points, name: str = "fixations") -> np.ndarray:
    """Places of the flattened map that are fixated, each once, ascending."""
    return np.unique(as_points(points, prediction.shape, name))


def _log2_density(values: Map, at: np.ndarray) -> np.ndarray:
    return np.log2(EPSILON + (values.at(at) - values.low) / values.spread)


def _area(hits: np.ndarray, alarms: np.ndarray, n_positives: int, n_negatives: int) -> np.ndarray:
    """Trapezoids under (0, 0), (alarms, hits)…, (1, 1) along the last axis.

    Counts (…, T) from the highest threshold down; whole numbers until the one division.
    """
    tp = np.concatenate([[0], hits, [n_positives]])
    ends = np.zeros((*alarms.shape[:-1], 1), dtype=np.int64)
    fp = np.concatenate([ends, alarms, ends + n_negatives], axis=-1)
    twice = (np.diff(fp, axis=-1) * (tp[1:] + tp[:-1])).sum(axis=-1)
    return twice / (2 * n_positives * n_negatives)


def _split_auc(positives: np.ndarray, drawn: np.ndarray) -> float:
    """Mean AUC over splits: positives (P,), drawn (splits, M), both in [0, 1]; steps of 0.1."""
    # k/10 rather than k·0.1, which would put a threshold just above 0.3. Thresholds above the
    # largest value add the point (0, 0) again, so the same eleven serve every split.
    thresholds = np.arange(11) / 10
    splits, count = drawn.shape
    reached = np.searchsorted(thresholds, drawn, side="right") - 1  # highest threshold ≤ value
    cell = np.arange(splits)[:, None] * 11 + reached
    at_level = np.bincount(cell.ravel(), minlength=splits * 11).reshape(splits, 11)
    alarms = np.cumsum(at_level[:, ::-1], axis=1)  # (splits, 11), from the highest threshold down
    hits = (positives >= thresholds[::-1, None]).sum(axis=1)  # (11,)
    return float(np.mean(_area(hits, alarms, positives.size, count)))
