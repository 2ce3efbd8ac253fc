"""Profile ``paper``: as the author's code computes the paper's Table I.

The four numbers of ``metrics.py`` in the author's repository (docs/metrics.md). None looks at a
fixation: they compare the prediction with the ground-truth *map*, both at 256 × 256, and flatten
whatever batch they are given into one long vector first.

Every function takes two arrays of one shape, so ``(H, W)`` scores one record and ``(4, H, W)`` a
batch as the author's ``model_evaluate.py`` does (:func:`score_batches`).
A prediction with NaN or infinity scores NaN.
"""

from collections.abc import Sequence

import numpy as np
from PIL import Image

from csalgan.files.errors import CsalganError
from csalgan.metrics.common import as_map, as_truth, is_constant, resize
from csalgan.metrics.ranks import Map
from csalgan.metrics.tuebingen import pearson

#: Side of the square both maps are brought to.
SIZE = 256
#: The value that this share of the sorted pixels precedes is the threshold (strictly above).
SHARE = 0.8
#: Records flattened into one vector.
BATCH = 4


def auc(prediction, saliency_map) -> float:
    """AUC of two *binarised* maps: prediction and truth, each above its own 80th percentile.

    With two levels on both sides the area is balanced accuracy, (TPR + TNR) / 2.
    Returns [0, 1]; ½ for a constant prediction; NaN when no pixel of the map, or every pixel,
    is above its threshold.
    """
    values, truth = _flat(prediction, saliency_map)
    if not np.isfinite(values).all():
        return float("nan")
    return _binary_auc(_top(values), _top(truth))


def sauc(prediction, saliency_map, *, seed: int = 0) -> float:
    """The author's "sAUC": as :func:`auc`, but random negatives are labelled *positive*.

    As many background pixels as there are positives, drawn without replacement by
    ``numpy.random.default_rng(seed)``, join the positives; the rest are the negatives. Random
    labels rank at chance, so the value falls to about ``(AUC + ½) / 2``.
    Returns [0, 1]; NaN where :func:`auc` is.
    """
    values, truth = _flat(prediction, saliency_map)
    if not np.isfinite(values).all():
        return float("nan")
    return _binary_auc(_top(values), _with_random(_top(truth), seed))


def nss(prediction, saliency_map) -> float:
    """Mean z-score (ddof 1, as ``torch.std``) of the prediction over the pixels with ``map > 0``.

    Returns a number of standard deviations; NaN for a constant prediction or an all-zero map.
    """
    values, truth = _flat(prediction, saliency_map)
    positive = truth > 0
    if not np.isfinite(values).all() or is_constant(values) or not positive.any():
        return float("nan")
    return float((values[positive].mean() - values.mean()) / values.std(ddof=1))


def cc(prediction, saliency_map) -> float:
    """Pearson correlation over all pixels. Returns [−1, 1]; NaN when one map is constant."""
    values, truth = _flat(prediction, saliency_map)
    if not np.isfinite(values).all() or is_constant(values) or is_constant(truth):
        return float("nan")
    return pearson(Map(values), Map(truth))


def score_batches(
    predictions: Sequence, saliency_maps: Sequence, *, seed: int = 0, batch: int = BATCH
) -> dict[str, float]:
    """The author's way: flatten batches of four records, score each, average the batches.

    Parameters
    ----------
    predictions, saliency_maps
        As many 2-D maps of any size, in the loader's order; all become 256 × 256. The last batch
        may be smaller.
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
        values = np.stack([prediction_at_size(p) for p in predictions[part]])  # (≤4, 256, 256)
        truth = np.stack([truth_at_size(m) for m in saliency_maps[part]])
        rows.append(_scores(values, truth, seed + k))
    return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}


def _scores(prediction: np.ndarray, saliency_map: np.ndarray, seed: int) -> dict[str, float]:
    """All four; the thresholds of the two areas, which cost most, are found once."""
    values, truth = _flat(prediction, saliency_map)
    if not np.isfinite(values).all():
        return dict.fromkeys(("auc", "sauc", "cc", "nss"), float("nan"))
    predicted, labels = _top(values), _top(truth)
    return {
        "auc": _binary_auc(predicted, labels),
        "sauc": _binary_auc(predicted, _with_random(labels, seed)),
        "cc": cc(values, truth),
        "nss": nss(values, truth),
    }


def prediction_at_size(values) -> np.ndarray:
    """A prediction at the author's 256 × 256, float64."""
    return resize(as_map(values), (SIZE, SIZE))


def truth_at_size(values) -> np.ndarray:
    """A ground-truth map at 256 × 256, float64.

    8-bit maps are resized in 8 bits, as torchvision does with a grey picture: rounding to whole
    grey levels decides which pixels are ``> 0``.
    """
    values = np.asarray(values)
    checked = as_truth(values, values.shape)
    if values.dtype == np.uint8:
        picture = Image.fromarray(values).resize((SIZE, SIZE), Image.Resampling.BILINEAR)
        return np.asarray(picture, dtype=np.float64)
    return resize(checked, (SIZE, SIZE))


def _top(values: np.ndarray) -> np.ndarray:
    """True strictly above the sorted value at index ``int(0.8 · n)``; constant: nowhere."""
    k = int(SHARE * values.size)
    return values > np.partition(values, k)[k]


def _with_random(labels: np.ndarray, seed: int) -> np.ndarray:
    """The labels, and as many random negatives labelled positive as there are positives."""
    background = np.flatnonzero(~labels)
    count = min(int(labels.sum()), background.size)
    mixed = labels.copy()
    mixed[np.random.default_rng(seed).choice(background, count, replace=False)] = True
    return mixed


def _binary_auc(predicted: np.ndarray, labels: np.ndarray) -> float:
    positives = int(labels.sum())
    negatives = labels.size - positives
    if positives == 0 or negatives == 0:
        return float("nan")
    hits = int((predicted & labels).sum())
    alarms = int(predicted.sum()) - hits
    return (hits * negatives + (negatives - alarms) * positives) / (2 * positives * negatives)


def _flat(prediction, truth) -> tuple[np.ndarray, np.ndarray]:
    values = np.asarray(prediction, dtype=np.float64)
    truth = np.asarray(truth, dtype=np.float64)
    if values.shape != truth.shape or values.size == 0:
        raise CsalganError(
            f"the prediction has shape {values.shape} and the saliency map {truth.shape}; "
            "give both at one size."
        )
    return values.ravel(), truth.ravel()
