"""What the data are before any model: places, spreads, and what a sentence changes.

Pure functions from a dataset (or its prepared arrays) to tidy tables and arrays. Places are given
as shares of the picture's width and height, so pictures of different sizes can be pooled. Every
interval is a 95 % bootstrap over **images**, because the records of one image belong together.
"""

from collections.abc import Collection, Iterator, Sequence

import numpy as np
import pandas as pd
from scipy.ndimage import gaussian_filter

from csalgan.data.records import CONDITIONS
from csalgan.evaluation.baselines import counted
from csalgan.evaluation.statistics import means
from csalgan.files.errors import CsalganError
from csalgan.metrics.maps import resize

_PAIRS = ["image_id", "predictor", "gaze", "metric", "value"]
_GRID = 64  # side of the coarse grid for maps made from half of the fixations


# --- where people look ------------------------------------------------------------------------


def mean_maps(prepared) -> dict[str, np.ndarray]:
    """The average map of every condition, each map weighing the same.

    Returns:
        condition → float64 (size, size) with mean 1: a value of 3 says "three times as much
        attention as if it were spread evenly". Conditions without records are left out; the
        key ``all`` averages over all records.
    """
    conditions = prepared.records.condition.to_numpy()
    sums = {c: np.zeros((prepared.size, prepared.size)) for c in (*CONDITIONS, "all")}
    for condition, saliency in zip(conditions, prepared.maps, strict=True):
        if total := saliency.sum(dtype=np.float64):
            density = saliency / (total / saliency.size)
            sums[condition] += density
            sums["all"] += density
    return {c: s / s.mean() for c, s in sums.items() if s.any()}


def places(prepared, i: int) -> np.ndarray:
    """Fixations of record ``i`` as shares of the picture: float64 (N, 2), rows (y, x) in (0, 1)."""
    return (prepared.fixations(i) + 0.5) / prepared.native_size[i]


def map_statistics(prepared) -> pd.DataFrame:
    """One row of numbers per record, about its map and its fixations.

    Columns beside ``record``, ``image_id``, ``condition``, ``source``:

    - ``n_fixations``: fixated pixels.
    - ``entropy``: of the map as a distribution, bits; ``2 log2(size)`` when spread evenly.
    - ``half_area``: smallest share of the picture that holds half of the attention.
    - ``peak_distance``: from the map's peak to the centre, as a share of half the diagonal.
    - ``offset_x``, ``offset_y``: mean place of the fixations minus 0.5 (right and down positive).
    - ``spread_x``, ``spread_y``: standard deviation of their place; 0.289 when spread evenly.
    - ``central``: share of fixations in the middle half × half of the picture; 0.25 when even.
    """
    rows = []
    for i, saliency in enumerate(prepared.maps):
        density = saliency.astype(np.float64).ravel()
        density /= density.sum() or 1.0
        some = density[density > 0]
        peak = np.array(np.unravel_index(int(density.argmax()), saliency.shape)) + 0.5
        place = places(prepared, i)
        y, x = place.T
        half = np.searchsorted(np.cumsum(np.sort(density)[::-1]), 0.5) + 1
        rows.append(
            {
                "n_fixations": len(place),
                "entropy": float(-(some * np.log2(some)).sum()),
                "half_area": half / density.size,
                "peak_distance": np.hypot(*(peak / prepared.size - 0.5)) / np.hypot(0.5, 0.5),
                "offset_x": x.mean() - 0.5,
                "offset_y": y.mean() - 0.5,
                "spread_x": x.std(),
                "spread_y": y.std(),
                "central": (np.abs(place - 0.5).max(axis=1) < 0.25).mean(),
            }
        )
    about = prepared.records[["record", "image_id", "condition", "source"]].reset_index(drop=True)
    return pd.concat([about, pd.DataFrame(rows)], axis=1)


# --- what a sentence changes ------------------------------------------------------------------


def cross_condition(prepared, *, image_ids: Collection[str] | None = None) -> pd.DataFrame:
    """Score the map of every condition against the gaze of every other one of the same image.

    Done at the prepared size, on the images seen in all four conditions, so that all cells are
    over the same images; fixations are scaled to it.

    Args:
        image_ids: only these images (those of the test part, say); all when None.

    Returns:
        Tidy rows, none where nobody read a sentence: ``image_id``, ``predictor`` (condition whose
        map is used as the prediction), ``gaze`` (condition it is scored against), ``metric``
        (``cc``: map with map, symmetric, 1 on the diagonal; ``nss``: map at the fixations, the
        diagonal is the map on its own fixations), ``value``. NaN where a map is constant.

    Raises:
        CsalganError: none of the images has all conditions.
    """
    rows = []
    for image_id, members in _groups(prepared, image_ids):
        flat = np.stack([prepared.maps[i].ravel() for i in members.values()]).astype(np.float32)
        flat -= flat.mean(axis=1, keepdims=True)
        with np.errstate(invalid="ignore", divide="ignore"):  # a constant map has no score: NaN
            flat /= flat.std(axis=1, keepdims=True)
        cc = flat @ flat.T / flat.shape[1]
        for a, predictor in enumerate(members):
            z = flat[a].reshape(prepared.size, prepared.size)
            for b, (gaze, i) in enumerate(members.items()):
                y, x = np.floor(places(prepared, i) * prepared.size).astype(int).T
                rows.append((image_id, predictor, gaze, "cc", float(cc[a, b])))
                rows.append((image_id, predictor, gaze, "nss", float(z[y, x].mean())))
    return pd.DataFrame(rows, columns=_PAIRS)


def fixation_map(places: np.ndarray, sigma: float, grid: int = _GRID) -> np.ndarray:
    """A smooth map from places (float (N, 2), rows (y, x) in (0, 1)): float64 (grid, grid).

    ``sigma`` is the blur as a share of the side. Sums to about N (a little is lost at the edge).
    """
    return gaussian_filter(counted(places, (grid, grid)), sigma * grid, mode="constant")


def fitted_blur(prepared, *, sample: int = 60, seed: int = 0) -> float:
    """The blur (share of the side) that turns fixations into maps most like the dataset's own.

    Tried from 0.01 to 0.12 on ``sample`` records drawn at random; the best mean CC wins.
    """
    chosen = np.random.default_rng(seed).permutation(len(prepared.records))[:sample]
    step = np.arange(_GRID) * prepared.size // _GRID
    tried = np.arange(0.01, 0.121, 0.005)
    score = np.zeros(len(tried))
    for i in chosen:
        target = gaussian_filter(prepared.maps[i].astype(np.float64), prepared.size / _GRID / 2)
        place = places(prepared, i)
        made = (fixation_map(place, sigma) for sigma in tried)
        score += [correlation(one, target[np.ix_(step, step)]) for one in made]
    return float(round(tried[score.argmax()], 3))


def density(saliency: np.ndarray, size: int) -> np.ndarray:
    """A map (any numeric (h, w) ≥ 0) at ``size`` × ``size`` with mean 1; a zero map stays zero.

    Resized as the prepared maps are (antialiased bilinear), so that the two can be compared.
    """
    small = resize(np.asarray(saliency), (size, size)).astype(np.float64)
    return small / (small.mean() or 1.0)


def total_variation(difference: np.ndarray) -> float:
    """Total variation distance of two densities: the share of all attention that moved.

    Args:
        difference: real (h, w), one density minus the other, both with mean 1
            (:func:`difference_map`).

    Returns:
        0 (the same density) … 1 (they overlap nowhere).
    """
    return float(np.abs(difference).mean() / 2)


def difference_map(prepared, record: str, reference: str) -> np.ndarray:
    """Difference map of two records of an image: where attention came (> 0) and went (< 0).

    Returns:
        float64 (size, size): density of ``record`` minus density of ``reference``, both with
        mean 1, so the unit is even attention: +2 says "twice even attention more"; it sums to 0.

    Raises:
        CsalganError: a record is not in the dataset.
    """
    row_of = {name: i for i, name in enumerate(prepared.records.record)}
    for name in (record, reference):
        if name not in row_of:
            raise CsalganError(f"record {name} is not in the dataset; see dataset.records.record.")
    told, untold = (
        density(prepared.maps[row_of[name]], prepared.size) for name in (record, reference)
    )
    return told - untold


# --- small statistics -------------------------------------------------------------------------


def over_images(
    table: pd.DataFrame, by: Sequence[str], *, draws: int = 1000, seed: int = 0
) -> pd.DataFrame:
    """Mean of ``value`` per group with a 95 % bootstrap interval over images.

    Args:
        table: with ``image_id``, ``value`` and the ``by`` columns; NaN values are left out.
        draws, seed: see :func:`csalgan.evaluation.interval`.

    Returns:
        ``by`` columns in order of first appearance, then ``mean``, ``low``, ``high``,
        ``n_images``. With a single image the interval is the mean itself; without any value all
        three are NaN.
    """
    found = means(table, by, bootstrap=draws, seed=seed)
    return found[[*by, "mean", "low", "high", "n_images"]]


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Pearson correlation (−1 … 1) of two real arrays of one shape; NaN when either is constant."""
    a, b = (np.asarray(m, dtype=np.float64).ravel() for m in (a, b))
    a, b = a - a.mean(), b - b.mean()
    norm = np.sqrt((a @ a) * (b @ b))
    return float(a @ b / norm) if norm > 0 else float("nan")


def _groups(
    prepared, image_ids: Collection[str] | None = None
) -> Iterator[tuple[str, dict[str, int]]]:
    """Images with four records: id and {condition: row}; none in data of free viewing."""
    records = prepared.records
    if (records.condition == "none").all():
        return
    chosen = records[records.n_records == 4]
    if image_ids is not None:
        chosen = chosen[chosen.image_id.isin(list(image_ids))]
    if chosen.empty:
        raise CsalganError(
            "no image has 4 records, so conditions cannot be compared; use a dataset with images "
            "seen in all four conditions."
        )
    chosen = chosen.sort_values("condition", key=lambda all_: all_.map(CONDITIONS.index))
    for image_id, group in chosen.groupby("image_id"):
        yield image_id, dict(zip(group.condition, group.index, strict=True))
