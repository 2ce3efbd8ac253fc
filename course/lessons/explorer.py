"""Exercises of notebook 06: looking at predictions."""

from typing import Any

import numpy as np

from course.checking import About, exercise, one_function


@exercise("06-1", "change code")
def strengthen(answer: Any, about: About) -> str:
    rng = np.random.default_rng(0)
    probes = [(*rng.normal(size=(2, 7)), s) for s in (0.0, 0.5, 1.0, 2.0)]
    one_function(
        answer,
        probes,
        lambda e, e0, s: e0 + s * (e - e0),
        (
            lambda e, e0, s: s * e,
            "At s = 0 your feature is zero, and that is not what the empty sentence means to "
            "an encoder: start from e0.",
        ),
        (
            lambda e, e0, s: e0 + s * e,
            "At s = 1 your feature is e0 + e, and should be e: go along the *difference*.",
        ),
        (lambda e, e0, s: e0 + s * (e0 - e), "The difference points from e0 to e: e - e0."),
    )
    return "Right. Beyond 1 lie embeddings that no sentence has."


@exercise("06-2", "change code")
def shown(answer: Any, about: About) -> str:
    rng = np.random.default_rng(0)
    probes = [(rng.gamma(1.0, size=(9, 11)), percentile) for percentile in (50, 80, 95)]
    one_function(
        answer,
        probes,
        lambda saliency, p: saliency >= np.percentile(saliency, p),
        (
            lambda saliency, p: saliency >= p / 100 * saliency.max(),
            "You took a share of the *largest value*. A percentile is the value below which "
            "that share of the pixels lies: np.percentile.",
        ),
        (
            lambda saliency, p: saliency >= np.percentile(saliency, 100 - p),
            "You kept the largest p per cent; the slider *hides* everything below percentile "
            "p, so 100 - p per cent stay.",
        ),
    )
    return (
        "Right. It always leaves the same share of the picture, however flat the map is: the "
        "overlay of a map that knows nothing looks as decided as any other."
    )


@exercise("06-3", "change code")
def limits(answer: Any, about: About) -> str:
    rng = np.random.default_rng(0)
    probes = [
        ([rng.normal(size=(5, 6)), 3 * rng.normal(size=(5, 6)) - 4, rng.normal(size=(4, 4))],),
        ([0.2 * rng.normal(size=(5, 5)) + 0.3],),
    ]

    def right(maps):
        largest = max(np.abs(one).max() for one in maps)
        return (-largest, largest)

    one_function(
        answer,
        probes,
        right,
        (
            lambda maps: (min(c.min() for c in maps), max(c.max() for c in maps)),
            "Your scale is not symmetric, so its middle, white, is not 0: a place that lost "
            "attention could look as if it had gained.",
        ),
        (
            lambda maps: right(maps[:1]),
            "You looked at the first map only; then the others may leave the scale.",
        ),
    )
    return "Right: one scale for all, and 0 in its middle."
