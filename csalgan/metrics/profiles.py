"""The three profiles as receipts: which metrics, what they need, resize rule, ε, and why."""

from dataclasses import dataclass
from types import MappingProxyType

from csalgan.files.errors import CsalganError
from csalgan.metrics import author, mit, tuebingen
from csalgan.metrics.common import RESIZE

PROFILES = ("mit", "tuebingen", "paper")

#: Every metric name, in the order tables use.
METRICS = ("auc", "auc_borji", "sauc", "cc", "nss", "sim", "kl", "ig", "ig_uniform")

#: Metrics that read a map as a probability density.
PROBABILISTIC = frozenset({"kl", "ig", "ig_uniform"})

_NEEDS = {
    "auc": ("fixations",),
    "auc_borji": ("fixations",),
    "sauc": ("fixations", "negatives"),
    "cc": ("saliency_map",),
    "nss": ("fixations",),
    "sim": ("saliency_map",),
    "kl": ("saliency_map",),
    "ig": ("fixations", "center_bias"),
    "ig_uniform": ("fixations",),
}


@dataclass(frozen=True)
class ProfileInfo:
    """What a receipt says about a profile.

    Attributes
    ----------
    name, title
        ``tuebingen`` and one line about it.
    metrics
        Names in table order.
    needs
        Metric → the truths it needs (keywords of :func:`csalgan.metrics.score`).
    reasons
        Metric → one sentence on how the number is made, for ``--explain``.
    resize
        How prediction and truth come to one size.
    epsilon
        The ε of KL and information gain (NaN where the profile has neither).
    negative_images
        From how many other images the negatives of shuffled AUC come; None for all, 0 for none.
    """

    name: str
    title: str
    metrics: tuple[str, ...]
    needs: MappingProxyType
    reasons: MappingProxyType
    resize: str
    epsilon: float
    negative_images: int | None


def profile_info(profile: str) -> ProfileInfo:
    """The receipt of a profile. Raises :class:`CsalganError` for an unknown name."""
    try:
        return _INFO[profile]
    except (KeyError, TypeError):
        raise CsalganError(
            f"there is no metric profile {profile!r}; choose from {', '.join(PROFILES)}."
        ) from None


def _info(name, title, reasons, needs=None, **rest) -> ProfileInfo:
    metrics = tuple(metric for metric in METRICS if metric in reasons)
    needs = {metric: (needs or _NEEDS[metric]) for metric in metrics}
    return ProfileInfo(
        name=name,
        title=title,
        metrics=metrics,
        needs=MappingProxyType(needs),
        reasons=MappingProxyType(reasons),
        **rest,
    )


_INFO = {
    "mit": _info(
        "mit",
        "the MIT benchmark's original MATLAB definitions",
        {
            "auc": "AUC-Judd: one threshold per distinct fixated value, straight lines between; "
            "negatives are the pixels without fixation.",
            "auc_borji": f"Mean of {mit.SPLITS} seeded draws of random pixels, as many as "
            f"fixations; thresholds in steps of {mit.STEP} on the min–max scaled map.",
            "sauc": f"Mean of {mit.SPLITS} seeded draws among the fixations of ten other images "
            f"of the same condition; thresholds in steps of {mit.STEP} on the min–max scaled map.",
            "cc": "Pearson correlation over pixels; NaN when a map is constant.",
            "nss": "Mean z-score at the fixated pixels, deviation with ddof 1; NaN for a constant "
            "map.",
            "sim": "Both maps min–max scaled, then divided by their sums: the background no longer "
            "counts, which changes the value most for smooth maps.",
            "kl": "Maps divided by their sums, ε = 2.2e-16 inside the logarithm and the quotient: "
            "a zero in the prediction costs at most about 36 nats.",
            "ig": "Both maps min–max scaled before they are densities, so each has a zero that "
            "ε = 2.2e-16 prices at about −52 bits.",
            "ig_uniform": "As ig, against 1/pixels (an addition: the benchmark has no such file).",
        },
        resize=f"prediction to native size; {RESIZE}",
        epsilon=mit.EPSILON,
        negative_images=10,
    ),
    "tuebingen": _info(
        "tuebingen",
        "the current MIT/Tübingen benchmark, as pysaliency computes",
        {
            "auc": "Exact ranks of the fixated values among all pixels, ties count ½.",
            "sauc": "Exact ranks of the fixated values among the fixations of all other images of "
            "the same condition, ties count ½.",
            "cc": "Pearson correlation over pixels; 0 for a constant prediction.",
            "nss": "Mean z-score at the fixations, deviation with ddof 0; 0 for a constant map.",
            "sim": "Maps divided by their sums, nothing subtracted: a background above zero "
            "keeps its weight.",
            "kl": "The map divided by its sum, with a uniform share mixed in that was fitted on "
            "training gaze: a map of zeros and peaks is no density until then.",
            "ig": "log2 of that density over the center bias of the condition at the fixations.",
            "ig_uniform": "log2 of that density over 1/pixels at the fixations.",
        },
        resize=f"prediction to native size; {RESIZE}",
        epsilon=tuebingen.EPSILON,
        negative_images=None,
    ),
    "paper": _info(
        "paper",
        "as the author's code computes the paper's Table I",
        {
            "auc": "Prediction and ground-truth map are both cut at their 80th percentile, so this "
            "is balanced accuracy of two binary maps; no fixation is used.",
            "sauc": "As auc, but as many random background pixels are labelled positive too, so "
            "the value falls to about (AUC + ½)/2; nothing is shuffled between images.",
            "cc": f"Pearson correlation at {author.SIZE} × {author.SIZE}.",
            "nss": "Mean z-score over all pixels with map > 0 instead of the fixations: a large "
            "area, so the value is small.",
        },
        needs=("saliency_map",),
        resize=f"prediction and map to {author.SIZE} × {author.SIZE}; {RESIZE}",
        epsilon=float("nan"),
        negative_images=0,
    ),
}
