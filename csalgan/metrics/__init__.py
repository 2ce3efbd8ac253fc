"""Metrics one can trust: three named profiles, and the provenance of every number.

``mit``, ``tuebingen`` and ``paper`` (its module is ``author``) are pure functions on maps of one
size. :func:`score` resizes, picks the functions of a profile and returns a dict. docs/metrics.md
gives the formulae, the edge cases and the sources.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from inspect import getdoc, signature
from types import ModuleType

import numpy as np

from csalgan.files.errors import CsalganError
from csalgan.metrics import author, mit, tuebingen
from csalgan.metrics.maps import RESIZE, Map, checked_map, resize, with_uniform

#: Every metric name, in the order tables use.
METRICS = ("auc", "auc_borji", "sauc", "cc", "nss", "sim", "kl", "ig", "ig_uniform")

#: Metrics that read a map as a probability density.
PROBABILISTIC = frozenset({"kl", "ig", "ig_uniform"})
_OPTIONS = ("seed", "splits")  # arguments of metrics that are no truth


@dataclass(frozen=True)
class ProfileInfo:
    """What is known of a profile.

    Attributes
    ----------
    name, title
        ``tuebingen`` and one line about it.
    functions
        Metric → its function, in table order.
    needs
        Metric → the truths it needs (keywords of :func:`csalgan.metrics.score`).
    seeded
        Metrics that draw at random.
    reasons
        Metric → one sentence on how the number is made, for ``--explain``: the first paragraph of
        its function's docstring.
    resize
        How prediction and truth come to one size.
    epsilon
        The ε of KL and information gain (NaN where the profile has neither).
    negative_images
        From how many other images the negatives of shuffled AUC come; None for all, 0 for none.
    """

    name: str
    title: str
    functions: dict[str, Callable[..., float]]
    needs: dict[str, list[str]]
    seeded: list[str]
    reasons: dict[str, str]
    resize: str
    epsilon: float
    negative_images: int | None

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names in table order."""
        return tuple(self.functions)


def profile_info(profile: str) -> ProfileInfo:
    """What is known of a profile. Raises :class:`CsalganError` for an unknown name."""
    if profile not in PROFILES:
        raise CsalganError(
            f"there is no metric profile {profile!r}; choose from {', '.join(PROFILES)}."
        )
    return _INFO[profile]


def _info(name: str, module: ModuleType) -> ProfileInfo:
    functions = {metric: vars(module)[metric] for metric in METRICS if metric in vars(module)}
    arguments = {metric: list(signature(one).parameters) for metric, one in functions.items()}
    texts = {metric: getdoc(function) or "" for metric, function in functions.items()}
    return ProfileInfo(
        name=name,
        title=module.TITLE,
        functions=functions,
        needs={m: [n for n in names[1:] if n not in _OPTIONS] for m, names in arguments.items()},
        seeded=[metric for metric, names in arguments.items() if "seed" in names],
        reasons={m: text.partition("\n\n")[0].replace("\n", " ") for m, text in texts.items()},
        resize=f"{module.SIZES}; {RESIZE}",
        epsilon=module.EPSILON,
        negative_images=module.NEGATIVE_IMAGES,
    )


_INFO = {"mit": _info("mit", mit), "tuebingen": _info("tuebingen", tuebingen)}
_INFO["paper"] = _info("paper", author)
PROFILES = tuple(_INFO)


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
        (:func:`csalgan.metrics.maps.with_uniform`). 0 scores the map itself, as pysaliency does.

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
    prediction = density = checked_map(prediction)
    if profile != "paper":
        if shape is None:
            known = (one for one in (saliency_map, center_bias, prediction) if one is not None)
            shape = np.shape(next(known))
        # One Map of each, so that metrics share sums and ranks.
        prediction = density = Map(resize(prediction, tuple(shape)))
        for key in ("saliency_map", "center_bias"):
            if any(key in info.needs[name] for name in names):
                given[key] = Map.truth(given[key], prediction.shape, key)
        if uniform_share and profile == "tuebingen" and prediction.finite:
            density = Map(with_uniform(prediction.values, uniform_share))
    elif names:
        given["saliency_map"] = author.truth_at_size(saliency_map)
        prediction = author.prediction_at_size(prediction)
    return {
        name: info.functions[name](
            density if name in PROBABILISTIC else prediction,
            *(given[need] for need in info.needs[name]),
            **({"seed": seed} if name in info.seeded else {}),
        )
        for name in names
    }


def _chosen(info: ProfileInfo, metrics: Sequence[str] | None, given: Mapping) -> Sequence[str]:
    """The metrics asked for, or all that the given truths allow."""
    missing = {name: [n for n in needs if given[n] is None] for name, needs in info.needs.items()}
    if metrics is None:
        return [name for name, needs in missing.items() if not needs]
    for name in metrics:
        if name not in missing:
            raise CsalganError(
                f"the profile {info.name} has no metric {name!r}; "
                f"choose from {', '.join(info.metrics)}."
            )
        if missing[name]:
            needs = " and ".join(missing[name])
            raise CsalganError(f"the metric {name} of profile {info.name} needs {needs}; give it.")
    return metrics
