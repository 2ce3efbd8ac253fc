"""How much of a *known* sentence effect a model recovers (embedded data only).

There, gaze after a sentence is drawn from ``(1 − κ)·free + κ·named``, with κ, the pull of the
sentence, known for every condition (:mod:`csalgan.data.synthetic.gaze`). So the sentence changes
the density by ``κ·d`` with ``d = named − free``. If a model changes its own density by ``c`` when
it reads the sentence, the least-squares estimate of its κ is

    κ̂ = ⟨c, d⟩ / ⟨d, d⟩

with sums over places: how far the model moves along the direction in which gaze was really moved.
A model that ignores text has κ̂ = 0, one that moves half as far has half of κ, one that moves to
another place has about 0, however far it moves. Both densities are at the model's size and
blurred as the dataset's maps are.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.ndimage import gaussian_filter

from csalgan.data.synthetic import true_density
from csalgan.exploration import correlation, density, over_images
from csalgan.files.errors import CsalganError
from csalgan.guidance.changes import predicted_changes
from csalgan.guidance.reading import Ask

_ROUNDING = 1e-6  # maps are float32


def expected_map(truth: dict, record: str) -> np.ndarray:
    """The map that infinitely many simulated observers would leave: float64 (H, W), sum 1.

    It is :func:`csalgan.data.synthetic.true_density`, blurred as the dataset's maps are.
    """
    exact = true_density(truth, record)
    sigma = truth["gaze_model"]["map_sigma"] * max(exact.shape)
    blurred = gaussian_filter(exact, sigma, mode="constant")
    return blurred / blurred.sum()  # a little is lost at the border


def text_effect(
    ask: Ask, dataset, records: pd.DataFrame, size: int, texts: Sequence[str] | None = None
) -> pd.DataFrame:
    """The pull of the sentence as a model has it, beside the true one.

    Args:
        ask: any model: a :class:`csalgan.guidance.Reader`, or a function from records and texts
            to maps.
        dataset: an embedded dataset.
        records: its rows with a sentence.
        size: side of the square the maps are compared at.
        texts: other sentences than the records' own: what a wrong sentence still moves in the
            right direction.

    Returns:
        One row per record: ``record``, ``image_id``, ``condition``, ``true`` (κ), ``recovered``
        (κ̂) and ``correlation`` of the model's change with the true one (NaN where it moved
        nothing).

    Raises:
        CsalganError: the data are real, so that nobody knows the effect.
    """
    truth = dataset.truth
    if truth is None:
        raise CsalganError(
            f"{dataset.root}: the true effect of a sentence is known for embedded data only; "
            "compare with the measured change (csalgan.guidance.changes) on real gaze."
        )
    free = dataset.records[dataset.records.condition == "none"].set_index("image_id").record
    rows = []
    moved = predicted_changes(ask, records, size, None if texts is None else list(texts))
    for row, (record, predicted) in zip(records.itertuples(index=False), moved, strict=True):
        told, untold = (
            density(expected_map(truth, name), size) for name in (record, free[row.image_id])
        )
        actual = told - untold  # κ·d
        kappa = truth["gaze_model"]["kappa"][row.condition]
        share = (predicted * actual).sum() / np.square(actual).sum()
        key = (record, row.image_id, row.condition)
        rows.append((*key, kappa, kappa * share, correlation(predicted, actual)))
    columns = ["record", "image_id", "condition", "true", "recovered", "correlation"]
    return pd.DataFrame(rows, columns=columns)


def summarise_effect(table: pd.DataFrame, *, draws: int = 1000, seed: int = 0) -> pd.DataFrame:
    """True and recovered pull, with a 95 % bootstrap interval over images.

    Args:
        table: what :func:`text_effect` gave.

    Returns:
        Rows ``condition`` (``all`` first), ``true`` (mean κ of these records), ``mean`` (κ̂),
        ``low``, ``high``, ``n_images``, ``covers_truth`` and ``excludes_zero`` (of the interval).
    """
    both = pd.concat([table.assign(condition="all"), table])
    tidy = both.rename(columns={"recovered": "value"})
    found = over_images(tidy, ["condition"], draws=draws, seed=seed)
    true = both.groupby("condition")["true"].mean()
    found.insert(1, "true", found["condition"].map(true))
    within = (found.low - _ROUNDING <= found.true) & (found.true <= found.high + _ROUNDING)
    nothing = (found.low <= _ROUNDING) & (found.high >= -_ROUNDING)
    return found.assign(covers_truth=within, excludes_zero=~nothing)
