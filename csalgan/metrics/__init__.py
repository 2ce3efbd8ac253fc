"""Metrics one can trust: three named profiles, and a receipt for every number.

``mit``, ``tuebingen`` and ``paper`` (its module is ``author``) are pure functions on maps of one
size. :func:`score` resizes, picks the functions of a profile and returns a dict. docs/metrics.md
gives the formulae, the edge cases and the sources. Tensors: :mod:`csalgan.metrics.batched`.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from csalgan.files.errors import CsalganError
from csalgan.metrics import author, mit, tuebingen
from csalgan.metrics.common import checked_map, resize, with_uniform
from csalgan.metrics.profiles import METRICS, PROBABILISTIC, PROFILES, ProfileInfo, profile_info
from csalgan.metrics.ranks import Map


def score(
    prediction,
    *,
    fixations=None,
    saliency_map=None,
    negatives=None,
    center_bias=None,
    profile: str = "tuebingen",
    metrics: Sequence[str] | None = None,
    seed: int = 0,
    shape: tuple[int, int] | None = None,
    uniform_share: float = 0.0,
) -> dict[str, float]:
    """Score one prediction under one profile.

    Parameters
    ----------
    prediction
        (h, w) array, any real type and range, any size: it is resized to the native size first.
    fixations
        int (N, 2), rows (y, x) in native pixels.
    saliency_map
        (H, W) ground truth ≥ 0 at native size.
    negatives
        int (M, 2), rows (y, x): fixations of other *images*, already mapped to this one's pixels
        (:class:`csalgan.metrics.negatives.NegativePool`).
    center_bias
        (H, W) ≥ 0, the baseline of information gain; need not sum to 1.
    profile
        One of :data:`PROFILES`.
    metrics
        Names from ``profile_info(profile).metrics``; by default all that the given truth allows.
    seed
        For AUC-Borji and shuffled AUC of ``mit`` and "sAUC" of ``paper``.
    shape
        Native (H, W); needed only when neither map says it and the prediction has another size.
    uniform_share
        Of ``tuebingen``: spread evenly over the density that KL and information gain read
        (:func:`csalgan.metrics.common.with_uniform`). 0 scores the map itself, as pysaliency does.

    Returns
    -------
    dict of floats in the profile's order; NaN where the metric is undefined (docs/metrics.md).

    Raises
    ------
    CsalganError
        Unknown profile or metric, a metric asked for without the truth it needs, or inputs of
        another shape or type.
    """
    info = profile_info(profile)
    given = {
        "fixations": fixations,
        "saliency_map": saliency_map,
        "negatives": negatives,
        "center_bias": center_bias,
    }
    names = _chosen(info, metrics, given)
    prediction = checked_map(prediction)
    if profile == "paper":
        if not names:
            return {}
        truth = author.truth_at_size(saliency_map)
        prediction = author.prediction_at_size(prediction)
        drawn = {"sauc": {"seed": seed}}
        return {
            name: getattr(author, name)(prediction, truth, **drawn.get(name, {})) for name in names
        }
    prediction = resize(prediction, _native_shape(shape, saliency_map, center_bias, prediction))
    shape = prediction.shape
    prediction = Map(prediction)  # one Map of each, so that metrics share sums and ranks
    for key, name in (("saliency_map", "saliency map"), ("center_bias", "center bias")):
        if any(key in info.needs[metric] for metric in names):
            given[key] = Map.truth(given[key], shape, name)
    module = {"mit": mit, "tuebingen": tuebingen}[profile]
    options = {"sauc": {"seed": seed}, "auc_borji": {"seed": seed}} if profile == "mit" else {}
    density = prediction
    if uniform_share and profile == "tuebingen" and prediction.finite:
        density = Map(with_uniform(prediction.values, uniform_share))
    return {
        name: getattr(module, name)(
            density if name in PROBABILISTIC else prediction,
            *(given[need] for need in info.needs[name]),
            **options.get(name, {}),
        )
        for name in names
    }


def _chosen(info: ProfileInfo, metrics, given: Mapping) -> list[str]:
    if metrics is None:
        return [
            name
            for name in info.metrics
            if all(given[need] is not None for need in info.needs[name])
        ]
    for name in metrics:
        if name not in info.needs:
            raise CsalganError(
                f"the profile {info.name} has no metric {name!r}; "
                f"choose from {', '.join(info.metrics)}."
            )
        missing = [need for need in info.needs[name] if given[need] is None]
        if missing:
            raise CsalganError(
                f"the metric {name} of profile {info.name} needs {' and '.join(missing)}; give it."
            )
    return list(metrics)


def _native_shape(shape, saliency_map, center_bias, prediction) -> tuple[int, int]:
    if shape is not None:
        return tuple(shape)
    known = (truth for truth in (saliency_map, center_bias, prediction) if truth is not None)
    return np.shape(next(known))
