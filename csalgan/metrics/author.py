"""Profile ``paper``: as the author's code computes the paper's Table I.

The four numbers of ``metrics.py`` in the author's repository (docs/metrics.md). None looks at a
fixation: they compare the prediction with the ground-truth *map*, both at 256 × 256, and flatten
whatever batch they are given into one long vector first.

Every function takes two arrays of one shape, so ``(H, W)`` scores one record and ``(4, H, W)`` a
batch as the author's ``model_evaluate.py`` does (:func:`score_batches`).
A prediction with NaN or infinity scores NaN. The first paragraph of each docstring is the reason
that ``csalgan evaluate --explain`` prints.
"""

from collections.abc import Callable, Sequence
from functools import wraps

import numpy as np
from PIL import Image

from csalgan.files.errors import CsalganError
from csalgan.metrics.maps import Map, checked_map, checked_truth, resize
from csalgan.metrics.tuebingen import pearson

#: Side of the square both maps are brought to.
SIZE = 256
TITLE = "as the author's code computes the paper's Table I"
SIZES = f"prediction and map to {SIZE} × {SIZE}"
NEGATIVE_IMAGES = 0
EPSILON = float("nan")  # neither KL nor information gain
#: The value that this share of the sorted pixels precedes is the threshold (strictly above).
SHARE = 0.8
#: Records flattened into one vector.
BATCH = 4


def _of_vectors(function: Callable) -> Callable:
    """The function given two float64 vectors; NaN for a prediction that is not finite."""

    @wraps(function)
    def flattened(prediction, saliency_map, **options) -> float:
        values, truth = (np.asarray(one, dtype=np.float64) for one in (prediction, saliency_map))
        if values.shape != truth.shape or values.size == 0:
            raise CsalganError(
                f"the prediction has shape {values.shape} and the saliency map {truth.shape}; "
                "give both at one size."
            )
        if not np.isfinite(values).all():
            return float("nan")
        return float(function(values.ravel(), truth.ravel(), **options))

    return flattened


@_of_vectors
def auc(prediction, saliency_map) -> float:
    """Prediction and ground-truth map are both cut at their 80th percentile, so this is balanced
    accuracy of two binary maps; no fixation is used.

    Returns [0, 1], (TPR + TNR) / 2; ½ for a constant prediction; NaN when no pixel of the map, or
    every pixel, is above its threshold.
    """
    return _binary_auc(_top(prediction), _top(saliency_map))


@_of_vectors
def sauc(prediction, saliency_map, *, seed: int = 0) -> float:
    """As auc, but as many random background pixels are labelled positive too, so the value falls
    to about (AUC + ½)/2; nothing is shuffled between images.

    They are drawn without replacement by ``numpy.random.default_rng(seed)``; the rest of the
    background are the negatives. Returns [0, 1]; NaN where :func:`auc` is.
    """
    labels = _top(saliency_map)
    background = np.flatnonzero(~labels)
    count = min(int(labels.sum()), background.size)
    labels[np.random.default_rng(seed).choice(background, count, replace=False)] = True
    return _binary_auc(_top(prediction), labels)


@_of_vectors
def cc(prediction, saliency_map) -> float:
    """Pearson correlation at 256 × 256.

    Returns [−1, 1]; NaN when one map is constant.
    """
    both = Map(prediction), Map(saliency_map)
    return float("nan") if any(one.constant for one in both) else pearson(*both)


@_of_vectors
def nss(prediction, saliency_map) -> float:
    """Mean z-score over all pixels with map > 0 instead of the fixations: a large area, so the
    value is small.

    The deviation has ddof 1, as ``torch.std``. Returns a number of standard deviations; NaN for a
    constant prediction or an all-zero map.
    """
    positive = saliency_map > 0
    if prediction.min() == prediction.max() or not positive.any():
        return float("nan")
    return (prediction[positive].mean() - prediction.mean()) / prediction.std(ddof=1)


def score_batches(
    predictions: Sequence, saliency_maps: Sequence, *, seed: int = 0
) -> dict[str, float]:
    """The author's way: flatten batches of four records, score each, average the batches.

    Parameters
    ----------
    predictions, saliency_maps
        As many 2-D maps of any size, at least one, in the loader's order; all become 256 × 256.
        The last batch may be smaller.
    seed
        For the random labels of "sAUC"; batch k uses ``seed + k``.

    Returns
    -------
    ``auc``, ``sauc``, ``cc``, ``nss``: plain means over batches (NaN when one batch is NaN).
    """
    rows = []
    for k, start in enumerate(range(0, len(predictions), BATCH)):
        part = slice(start, start + BATCH)
        values = np.stack([prediction_at_size(p) for p in predictions[part]])  # (≤4, 256, 256)
        truth = np.stack([truth_at_size(m) for m in saliency_maps[part]])
        random = sauc(values, truth, seed=seed + k)
        rows.append((auc(values, truth), random, cc(values, truth), nss(values, truth)))
    means = (float(np.mean(column)) for column in zip(*rows, strict=True))
    return dict(zip(("auc", "sauc", "cc", "nss"), means, strict=True))


def prediction_at_size(values) -> np.ndarray:
    """A prediction, real (h, w) of any range, at the author's 256 × 256.

    Returns float64 (256, 256) within the range of its values; its own type at that size already.
    """
    return resize(checked_map(values), (SIZE, SIZE))


def truth_at_size(values) -> np.ndarray:
    """A ground-truth map, real (h, w) ≥ 0, at 256 × 256: (256, 256) ≥ 0.

    uint8 stays uint8 (0 … 255); another type becomes float64, or is kept at that size already.
    8-bit maps are resized in 8 bits, as torchvision does with a grey picture: rounding to whole
    grey levels decides which pixels are ``> 0``.
    """
    values = np.asarray(values)
    checked = checked_truth(values, values.shape)
    if values.dtype == np.uint8:
        return np.asarray(Image.fromarray(values).resize((SIZE, SIZE), Image.Resampling.BILINEAR))
    return resize(checked, (SIZE, SIZE))


def _top(values: np.ndarray) -> np.ndarray:
    """True strictly above the sorted value at index ``int(0.8 · n)``; constant: nowhere."""
    k = int(SHARE * values.size)
    return values > np.partition(values, k)[k]


def _binary_auc(predicted: np.ndarray, labels: np.ndarray) -> float:
    positives = int(labels.sum())
    negatives = labels.size - positives
    if positives == 0 or negatives == 0:
        return float("nan")
    hits = int((predicted & labels).sum())
    alarms = int(predicted.sum()) - hits
    return (hits * negatives + (negatives - alarms) * positives) / (2 * positives * negatives)
