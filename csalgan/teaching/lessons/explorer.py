"""Exercises of notebook 06: looking at predictions."""

from typing import Any

import numpy as np

from csalgan.teaching.checking import About, exercise, one_function


@exercise(
    "06-1",
    "change code",
    """Write `strengthen(e, e0, s)`, the text feature at sentence strength `s`: `e` is the embedding
    of the sentence, `e0` that of the empty one. At 0 the model is to read nothing, at 1 the
    sentence as it is, at 2 twice the way from nothing to the sentence.""",
)
def strengthen(answer: Any, about: About) -> str:
    rng = np.random.default_rng(0)
    probes = [(*rng.normal(size=(2, 7)), s) for s in (0.0, 0.5, 1.0, 2.0)]
    one_function(
        answer,
        probes,
        lambda e, e0, s: e0 + s * (e - e0),
        [
            (
                lambda e, e0, s: s * e,
                "At s = 0 your feature is zero, and that is not what the empty sentence means to "
                "an encoder: start from e0.",
            ),
            (
                lambda e, e0, s: e0 + s * e,
                "At s = 1 your feature is e0 + e, and should be e: go along the *difference*.",
            ),
            (
                lambda e, e0, s: e + s * (e - e0),
                "You started at the sentence: at s = 0 nothing is to be read yet.",
            ),
            (
                lambda e, e0, s: e + s * (e0 - e),
                "Your slider runs backwards: at 0 it reads the sentence, at 1 nothing.",
            ),
            (
                lambda e, e0, s: e0 + min(s, 1.0) * (e - e0),
                "You stopped at the sentence; beyond 1 it is to be exaggerated.",
            ),
        ],
    )
    return "Right. Beyond 1 lie embeddings that no sentence has."


@exercise(
    "06-2",
    "change code",
    """Write `shown(saliency, percentile)`: which pixels does the threshold slider leave? A boolean
    array like `saliency`, true where the map is at or above its own `percentile` (0 to 100).""",
)
def shown(answer: Any, about: About) -> str:
    rng = np.random.default_rng(0)
    probes = [(rng.gamma(1.0, size=(9, 11)), percentile) for percentile in (50, 80, 95)]
    one_function(
        answer,
        probes,
        lambda saliency, p: saliency >= np.percentile(saliency, p),
        [
            (
                lambda saliency, p: saliency >= p / 100 * saliency.max(),
                "You took a share of the *largest value*. A percentile is the value below which "
                "that share of the pixels lies: np.percentile.",
            ),
            (
                lambda saliency, p: saliency >= saliency.min() + p / 100 * np.ptp(saliency),
                "You took a share of the *range of values*. A percentile is the value below which "
                "that share of the pixels lies: np.percentile.",
            ),
            (
                lambda saliency, p: saliency < np.percentile(saliency, p),
                "That is what the slider hides.",
            ),
            (
                lambda saliency, p: saliency >= np.percentile(saliency, 100 - p),
                "You kept the largest p per cent; the slider *hides* everything below percentile "
                "p, so 100 - p per cent stay.",
            ),
            (
                lambda saliency, p: saliency >= np.percentile(saliency, p / 100),
                "np.percentile takes 0 to 100 (np.quantile takes 0 to 1).",
            ),
            (
                lambda saliency, p: saliency * (saliency >= np.percentile(saliency, p)),
                "Those are the values that stay; the mask itself is asked for.",
            ),
            (
                lambda saliency, p: saliency >= p,
                "You compared the map with the percentile's number, as if its values ran from 0 "
                "to 100.",
            ),
        ],
    )
    return (
        "Right. It always leaves the same share of the picture, however flat the map is: the "
        "overlay of a map that knows nothing looks as decided as any other."
    )


@exercise(
    "06-3",
    "change code",
    """Change maps (with minus without) are to be shown side by side, and their colours compared.
    Write `limits(changes)`: the pair (low, high) for the ends of their colour scale, for a list of
    arrays.""",
)
def limits(answer: Any, about: About) -> str:
    rng = np.random.default_rng(0)
    probes = [
        ([rng.normal(size=(5, 6)), 3 * rng.normal(size=(5, 6)) - 4, rng.normal(size=(4, 4))],),
        ([0.2 * rng.normal(size=(5, 5)) + 0.3],),
    ]

    def right(changes):
        largest = max(np.abs(one).max() for one in changes)
        return (-largest, largest)

    def first(changes):
        return (-np.abs(changes[0]).max(), np.abs(changes[0]).max())

    one_function(
        answer,
        probes,
        right,
        [
            (
                lambda changes: (min(c.min() for c in changes), max(c.max() for c in changes)),
                "Your scale is not symmetric, so its middle, white, is not 0: a place that lost "
                "attention could look as if it had gained.",
            ),
            (first, "You looked at the first map only; then the others may leave the scale."),
            (
                lambda changes: (-max(c.max() for c in changes), max(c.max() for c in changes)),
                "You looked at gains only; a larger loss would leave the scale.",
            ),
            (
                lambda changes: [(-limit, limit) for limit in (np.abs(c).max() for c in changes)],
                "Each map got a scale of its own: then equal colours mean different changes.",
            ),
            (
                lambda changes: (0.0, right(changes)[1]),
                "Your scale begins at 0: every place that lost attention would look alike.",
            ),
            (
                lambda changes: right(changes)[1],
                "The size is right; give both ends, (low, high).",
            ),
        ],
    )
    return "Right: one scale for all, and 0 in its middle."
