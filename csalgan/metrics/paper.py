"""Profile ``paper``: as the paper's published code computes its Table I.

Rebuilt from the description of that code (docs/metrics.md says which parts are inferred). The
four numbers never look at a fixation: they compare the prediction with the ground-truth *map*,
both at 256 × 256, and the code flattens a batch of four records into one long vector first.

Every function takes arrays of one shape, flattened inside, so ``(H, W)`` scores one record and
``(4, H, W)`` scores a batch the published way (:func:`score_published_batch`).
A prediction with NaN or infinity scores NaN.
"""

from collections.abc import Sequence

import numpy as np

from csalgan.errors import CsalganError
from csalgan.metrics.common import as_map, is_constant, rank_auc, resize
from csalgan.metrics.tuebingen import pearson

#: Side of the square both maps are brought to, and the percentile that makes labels.
SIZE = 256
PERCENTILE = 80
BATCH = 4


def auc(prediction, saliency_map) -> float:
    """AUC of the prediction against labels ``map > its 80th percentile``, exact ranks.

    Returns [0, 1]; ½ for a constant prediction; NaN when no pixel exceeds the percentile.
    """
    values, truth = _flat(prediction, saliency_map)
    if not np.isfinite(values).all():
        return float("nan")
    return _auc(values, _labels(truth))


def sauc(prediction, saliency_map, *, seed: int = 0) -> float:
    """The published "sAUC": as many random background pixels are labelled *positive* as well.

    Negatives are what is left. Random labels rank at chance, so the value is close to
    ``(AUC + ½) / 2``. Drawn without replacement by ``numpy.random.default_rng(seed)``.
    Returns [0, 1]; NaN when no pixel exceeds the percentile.
    """
    values, truth = _flat(prediction, saliency_map)
    if not np.isfinite(values).all():
        return float("nan")
    labels = _labels(truth)
    background = np.flatnonzero(~labels)
    count = min(int(labels.sum()), background.size)
    labels[np.random.default_rng(seed).choice(background, count, replace=False)] = True
    return _auc(values, labels)


def nss(prediction, saliency_map) -> float:
    """Mean z-score (ddof 0) of the prediction over the pixels with ``map > 0``.

    Returns a number of standard deviations; NaN for a constant prediction or an all-zero map.
    """
    values, truth = _flat(prediction, saliency_map)
    positive = truth > 0
    if not np.isfinite(values).all() or is_constant(values) or not positive.any():
        return float("nan")
    return float((values[positive].mean() - values.mean()) / values.std())


def cc(prediction, saliency_map) -> float:
    """Pearson correlation over all pixels. Returns [−1, 1]; NaN when one map is constant."""
    values, truth = _flat(prediction, saliency_map)
    if not np.isfinite(values).all() or is_constant(values) or is_constant(truth):
        return float("nan")
    return pearson(values, truth)


def score_published_batch(
    predictions: Sequence, saliency_maps: Sequence, *, seed: int = 0, batch: int = BATCH
) -> dict[str, float]:
    """The published route: flatten batches of four records, score each, average the batches.

    Parameters
    ----------
    predictions, saliency_maps
        As many 2-D maps of any size, in the order the loader gave; all become 256 × 256. The
        last batch may be smaller.
    seed
        For the random labels of "sAUC"; batch k uses ``seed + k``.

    Returns
    -------
    ``auc``, ``sauc``, ``cc``, ``nss``: plain means over batches (NaN when one batch is NaN).

    Raises
    ------
    CsalganError
        When the two differ in number or there are none.
    """
    if len(predictions) != len(saliency_maps) or len(predictions) == 0:
        raise CsalganError(
            f"{len(predictions)} predictions and {len(saliency_maps)} maps cannot be scored "
            "together; give one map for each prediction, at least one."
        )
    rows = []
    for k, start in enumerate(range(0, len(predictions), batch)):
        part = slice(start, start + batch)
        values = np.stack([at_size(p) for p in predictions[part]])  # (≤4, 256, 256)
        truth = np.stack([at_size(m, "saliency map") for m in saliency_maps[part]])
        rows.append(
            {
                "auc": auc(values, truth),
                "sauc": sauc(values, truth, seed=seed + k),
                "cc": cc(values, truth),
                "nss": nss(values, truth),
            }
        )
    return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}


def at_size(values, name: str = "prediction") -> np.ndarray:
    """A map at the published code's 256 × 256, float64."""
    return resize(as_map(values, name), (SIZE, SIZE))


def _auc(values: np.ndarray, labels: np.ndarray) -> float:
    return rank_auc(values[labels], np.sort(values[~labels]))


def _labels(truth: np.ndarray) -> np.ndarray:
    return truth > np.percentile(truth, PERCENTILE)


def _flat(prediction, truth) -> tuple[np.ndarray, np.ndarray]:
    values = np.asarray(prediction, dtype=np.float64)
    truth = np.asarray(truth, dtype=np.float64)
    if values.shape != truth.shape or values.size == 0:
        raise CsalganError(
            f"the prediction has shape {values.shape} and the saliency map {truth.shape}; "
            "give both at one size."
        )
    return values.ravel(), truth.ravel()
