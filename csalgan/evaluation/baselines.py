"""Predictions that read no sentence and learn next to nothing: what a model has to beat.

==============  ==============================================================================
``uniform``     the same value everywhere
``center``      a Gaussian at the centre, its widths fitted on training fixations
``mean_map``    the mean of the training maps of the model's subset
``free_viewing``  the map of the same image looked at with no sentence: measured gaze that knows
                the picture and not the sentence
``split_half``  half of a record's fixations predicts the other half: how reliable the gaze is
``observers``   each observer's fixations predicted by those of all others: the human ceiling,
                where it is known who fixated
==============  ==============================================================================

Every fit uses training records only. Lengths are shares of the picture, so pictures of different
sizes can be pooled.
"""

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from PIL import Image
from scipy.ndimage import gaussian_filter

from csalgan.files.errors import CsalganError

#: Baselines that predict a map for a record: name → what tables call it.
BASELINES = {
    "uniform": "uniform",
    "center": "centered Gaussian",
    "mean_map": "mean training map",
    "free_viewing": "free-viewing map of the same image (records with a sentence)",
}
#: The last rows of every table, how well gaze predicts gaze: split-half reliability and, where it
#: is known who fixated, the leave-one-observer-out ceiling.
SPLIT_HALF, CORRECTED, OBSERVERS = "split_half", "split_half_corrected", "observers"
RELIABILITY = {
    SPLIT_HALF: "split-half reliability: half of the fixations predicts the other half",
    CORRECTED: "split-half reliability, Spearman–Brown corrected to whole samples",
    OBSERVERS: "observers: each one predicted by all others",
}
#: The measured map of another condition as the prediction: what another sentence costs people.
PEOPLE = "people"
YARDSTICKS = BASELINES | RELIABILITY
YARDSTICKS |= {PEOPLE: "people: the map measured after the other sentence"}

_GRID = 128  # side of the square the fixation density is counted on
_COARSE = 160  # longer side, in cells, of the maps made from fixations
_UNIFORM_SHARE = 0.01  # of the density, so that no place is impossible
_MEAN_SIZE = 256  # side of the square the training maps are averaged at

Fixations = Callable[[str], np.ndarray]


@dataclass(frozen=True)
class Fitted:
    """Parameters of the baselines, fitted on training records.

    Attributes:
        spread: (σ_y, σ_x) of the centered Gaussian, shares of height and width.
        densities: condition → float64 (128, 128), sums to 1: training fixations counted, blurred
            and mixed with 1 % uniform; ``""`` holds all conditions. The center bias of
            information gain. The blur is the one most likely for left-out training images.
        map_sigma: blur that turns fixations into maps most like the released ones, as a share of
            the picture's longer side.
        n_records: how many training records were read.
    """

    spread: tuple[float, float]
    densities: dict[str, np.ndarray]
    map_sigma: float
    n_records: int


def fit(
    dataset, train: pd.DataFrame, *, fixations: Fixations | None = None, seed: int = 0
) -> Fitted:
    """Fit everything that is fitted.

    Args:
        dataset: with ``fixations(record)`` and ``map(record)``.
        train: rows of its records, the training part.
        fixations: reads a record's fixations, where they are in memory already.
        seed: decides which training images are left out, and which maps are compared.

    Raises:
        CsalganError: there is no training record.
    """
    if train.empty:
        raise CsalganError(
            "the training part holds no record, so no baseline can be fitted; "
            "use a dataset with more images."
        )
    read = fixations or dataset.fixations
    places = {
        row.record: relative(read(row.record), (row.height, row.width))
        for row in train.itertuples()
    }
    pooled = np.concatenate(list(places.values()))
    spread = np.sqrt(((pooled - 0.5) ** 2).mean(axis=0))
    conditions = {"": train, **dict(list(train.groupby("condition")))}
    return Fitted(
        spread=(float(spread[0]), float(spread[1])),
        densities={c: _fixation_density(rows, places, seed) for c, rows in conditions.items()},
        map_sigma=_map_sigma(dataset, train, read, seed),
        n_records=len(train),
    )


def relative(fixations: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Pixels int (N, 2), rows (y, x), as shares of height and width: float64 (N, 2) in (0, 1)."""
    return (np.asarray(fixations, dtype=np.float64).reshape(-1, 2) + 0.5) / np.asarray(shape)


def centered_gaussian(shape: tuple[int, int], spread: tuple[float, float]) -> np.ndarray:
    """A Gaussian at the centre: float64 (H, W) in (0, 1], axes in shares of height and width."""
    y, x = ((np.arange(n) + 0.5) / n - 0.5 for n in shape)
    return np.exp(-0.5 * (y[:, None] / spread[0]) ** 2 - 0.5 * (x[None] / spread[1]) ** 2)


def mean_map(dataset, train: pd.DataFrame, *, size: int = _MEAN_SIZE) -> np.ndarray:
    """The mean of the training maps, each stretched to a square: float64 (size, size) in [0, 255].

    Raises:
        CsalganError: there is no training record.
    """
    if train.empty:
        raise CsalganError(
            "this subset has no training record, so it has no mean map; use more images."
        )
    total = np.zeros((size, size))
    for record in train["record"]:
        picture = Image.fromarray(dataset.map(record))
        total += np.asarray(picture.resize((size, size), Image.Resampling.BILINEAR))
    return total / len(train)


def predictions(
    name: str, dataset, records: pd.DataFrame, fitted: Fitted, mean: np.ndarray | None = None
) -> Iterator[tuple[str, np.ndarray]]:
    """The maps of a baseline.

    Args:
        name: a key of :data:`BASELINES`.
        records: rows of ``dataset.records`` to predict.
        fitted: from :func:`fit`.
        mean: from :func:`mean_map`; needed by ``mean_map``.

    Yields:
        ``(record, map)``; maps of any size, ≥ 0. ``free_viewing`` passes over the free-viewing
        records themselves (it would be their own ground truth) and those without one.
    """
    free = dataset.records[dataset.records["condition"] == "none"]
    free = dict(zip(free["image_id"], free["record"], strict=True))
    for row in records.itertuples():
        shape = (row.height, row.width)
        if name == "uniform":
            yield row.record, np.ones(shape, dtype=np.float32)
        elif name == "center":
            yield row.record, centered_gaussian(shape, fitted.spread)
        elif name == "mean_map":
            yield row.record, mean
        elif row.condition != "none" and row.image_id in free:
            yield row.record, dataset.map(free[row.image_id])


def halves(
    fixations: np.ndarray, shape: tuple[int, int], sigma: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Divide a record's fixations at random; one half predicts, the other is the truth.

    Observers are not identified in the data, so these are halves of the *fixated pixels*: most
    observers stand in both. Agreement between halves is therefore, if anything, too high.

    Args:
        fixations: int (N, 2), rows (y, x).
        shape: (H, W) in pixels.
        sigma: blur, share of the longer side (``Fitted.map_sigma``).
        rng: decides the division.

    Returns:
        The prediction, float64 of some (h, w), from half the fixations; the other fixations, int
        (⌈N/2⌉, 2); and their map, uint8 (H, W) stretched to 0 … 255 like the released maps. None
        with fewer than two fixations.
    """
    if len(fixations) < 2:
        return None
    order = rng.permutation(len(fixations))
    first, second = fixations[order[: len(order) // 2]], fixations[order[len(order) // 2 :]]
    truth = Image.fromarray(blurred(second, shape, sigma).astype(np.float32))
    truth = np.asarray(truth.resize((shape[1], shape[0]), Image.Resampling.BILINEAR))
    truth = np.rint(255 * (truth / truth.max())).astype(np.uint8)
    return blurred(first, shape, sigma), second, truth


def others(
    fixations: np.ndarray, shape: tuple[int, int], sigma: float, observers: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Leave one observer out, each in turn.

    Args:
        fixations: int (N, 2), rows (y, x).
        shape, sigma: see :func:`halves`.
        observers: int (N,), who made each.

    Yields:
        The map of all others' fixations, float64 of some (h, w), and the observer's own, int
        (n, 2). Nothing where nobody else fixated.
    """
    for observer in np.unique(observers):
        own = observers == observer
        if not own.all():
            yield blurred(fixations[~own], shape, sigma), fixations[own]


def record_rng(record: str, seed: int) -> np.random.Generator:
    """A generator that depends on the seed and the record, not on the order of records."""
    return np.random.default_rng([seed, zlib.crc32(record.encode())])


def spearman_brown(correlation: float) -> float:
    """The correlation between two samples twice as large: ``2r / (1 + r)``.

    Two halves agree less than two whole samples would. Meaningful for correlations of parallel
    halves, so it is applied to CC alone; values ≤ 0 and NaN are left as they are.
    """
    return 2 * correlation / (1 + correlation) if correlation > 0 else correlation


def blurred(fixations: np.ndarray, shape: tuple[int, int], sigma: float) -> np.ndarray:
    """Fixations counted on a grid of 160 cells on the longer side and blurred: float64 (h, w).

    The unit is fixations a cell: the sum is about N (a little is lost at the border). ``fixations``
    are int (N, 2) rows (y, x); ``sigma`` is a share of the longer side. A grid finer than the blur
    changes nothing that can be seen and costs sixteen times more.
    """
    cells = _COARSE / max(shape)
    grid = tuple(max(1, round(n * cells)) for n in shape)
    return gaussian_filter(
        counted(relative(fixations, shape), grid), sigma * _COARSE, mode="constant"
    )


def counted(places: np.ndarray, grid: tuple[int, int]) -> np.ndarray:
    """How many places (float (N, 2) in (0, 1)) lie in each cell: float64 of shape ``grid``."""
    y, x = np.minimum((places * grid).astype(int), np.asarray(grid) - 1).T
    counts = np.bincount(y * grid[1] + x, minlength=grid[0] * grid[1])
    return counts.reshape(grid).astype(np.float64)


def _smooth(counts: np.ndarray, sigma: float) -> np.ndarray:
    smooth = gaussian_filter(counts, sigma * _GRID, mode="reflect")
    return (1 - _UNIFORM_SHARE) * smooth / smooth.sum() + _UNIFORM_SHARE / smooth.size


def _fixation_density(train: pd.DataFrame, places: dict[str, np.ndarray], seed: int) -> np.ndarray:
    """The density of training fixations, with the blur that predicts left-out images best."""

    def fixations(rows: pd.DataFrame) -> np.ndarray:
        none = np.zeros((0, 2))
        return counted(np.concatenate([none, *map(places.get, rows["record"])]), (_GRID, _GRID))

    images = np.random.default_rng(seed).permutation(train["image_id"].unique())
    held_out = train["image_id"].isin(images[: len(images) // 2])
    kept, left = fixations(train[~held_out]), fixations(train[held_out])
    tried = np.arange(0.1, 0.0099, -0.005)  # with nothing left out all are equal: the widest
    likelihood = [(left * np.log(_smooth(kept, sigma))).sum() for sigma in tried]
    return _smooth(kept + left, float(tried[int(np.argmax(likelihood))]))


def _map_sigma(dataset, train: pd.DataFrame, read: Fixations, seed: int, sample: int = 40) -> float:
    """The blur whose maps correlate best with the released ones, over a sample of records."""
    chosen = np.random.default_rng(seed).permutation(len(train))[:sample]
    tried = np.arange(0.01, 0.0801, 0.0025)
    score = np.zeros(len(tried))
    for row in train.iloc[np.sort(chosen)].itertuples():
        made = [blurred(read(row.record), (row.height, row.width), sigma) for sigma in tried]
        picture = Image.fromarray(dataset.map(row.record)).convert("F")
        target = np.asarray(picture.resize(made[0].shape[::-1], Image.Resampling.BOX)).ravel()
        if made[0].any() and target.min() < target.max():
            score += [np.corrcoef(one.ravel(), target)[0, 1] for one in made]
    return float(round(tried[int(score.argmax())], 4))
