"""The three profiles as receipts: which metrics, what they need, resize rule, ε, and why."""

from collections.abc import Callable
from dataclasses import dataclass
from inspect import getdoc, signature
from types import ModuleType

from csalgan.files.errors import CsalganError
from csalgan.metrics import author, mit, tuebingen
from csalgan.metrics.common import RESIZE

PROFILES = ("mit", "tuebingen", "paper")

#: Every metric name, in the order tables use.
METRICS = ("auc", "auc_borji", "sauc", "cc", "nss", "sim", "kl", "ig", "ig_uniform")

#: Metrics that read a map as a probability density.
PROBABILISTIC = frozenset({"kl", "ig", "ig_uniform"})
_OPTIONS = ("seed", "splits")  # arguments of metrics that are no truth


@dataclass(frozen=True)
class ProfileInfo:
    """What a receipt says about a profile.

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
    """The receipt of a profile. Raises :class:`CsalganError` for an unknown name."""
    if profile not in PROFILES:
        raise CsalganError(
            f"there is no metric profile {profile!r}; choose from {', '.join(PROFILES)}."
        )
    return _INFO[profile]


def _info(name: str, module: ModuleType, title: str, sizes: str, **rest) -> ProfileInfo:
    functions = {metric: vars(module)[metric] for metric in METRICS if metric in vars(module)}
    needs, seeded, reasons = {}, [], {}
    for metric, function in functions.items():
        _, *needs[metric] = (n for n in signature(function).parameters if n not in _OPTIONS)
        if "seed" in signature(function).parameters:
            seeded.append(metric)
        reasons[metric] = (getdoc(function) or "").partition("\n\n")[0].replace("\n", " ")
    resize = f"{sizes}; {RESIZE}"
    return ProfileInfo(name, title, functions, needs, seeded, reasons, resize, **rest)


_INFO = {
    "mit": _info(
        "mit",
        mit,
        "the MIT benchmark's original MATLAB definitions",
        "prediction to native size",
        epsilon=mit.EPSILON,
        negative_images=10,
    ),
    "tuebingen": _info(
        "tuebingen",
        tuebingen,
        "the current MIT/Tübingen benchmark, as pysaliency computes",
        "prediction to native size",
        epsilon=tuebingen.EPSILON,
        negative_images=None,
    ),
    "paper": _info(
        "paper",
        author,
        "as the author's code computes the paper's Table I",
        f"prediction and map to {author.SIZE} × {author.SIZE}",
        epsilon=float("nan"),
        negative_images=0,
    ),
}
