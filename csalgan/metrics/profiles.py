"""The three profiles as receipts: which metrics, what they need, resize rule, ε, and why."""

from collections.abc import Callable
from dataclasses import dataclass
from inspect import getdoc, signature
from types import ModuleType

from csalgan.files.errors import CsalganError
from csalgan.metrics import author, mit, tuebingen
from csalgan.metrics.common import RESIZE

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
