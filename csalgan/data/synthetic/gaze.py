"""The gaze model of the embedded set, and the exact density it draws from.

Every fixation is drawn independently from

    p = (1 − κ) · free + κ · named
    free = ε · uniform + (1 − ε) · [β · center + (1 − β) · Σᵢ wᵢ · objectᵢ]
    named = mean of objectᵢ over the objects the sentence names

where ``center`` and ``objectᵢ`` are Gaussians cut off at the border of the picture, wᵢ is the
object's salience (a power of radius times contrast, summing to 1 over the objects) and κ, the pull
of the sentence, depends on the condition (0 when nothing was read). Simulated observers do not
differ from each other and have no memory of where they looked before.

The numbers are chosen so that the conditions differ about as much as they do in SJTU-TIS. Here the
free-viewing map of an image scores a CC of 0.71 on general, 0.80 on salient and 0.45 on non-salient
records; there (510 images) it is 0.77, 0.71 and 0.44.
"""

import numpy as np
from scipy.ndimage import gaussian_filter

from csalgan.data.records import parse_stem
from csalgan.files.errors import CsalganError

#: Every number of the model; written to ``synthetic.json``, from which alone densities are made.
GAZE_MODEL = {
    "formula": "p = (1-kappa)*(epsilon*uniform + (1-epsilon)*(beta*center"
    " + (1-beta)*sum_i salience_i*object_i)) + kappa*mean_named(object_i)",
    "kappa": {"none": 0.0, "general": 0.40, "non_salient": 0.35, "salient": 0.50},
    "beta": 0.60,
    "epsilon": 0.06,
    "center_sigma": [0.17, 0.17],  # shares of height and width
    "object_sigma_per_radius": 0.40,
    "object_sigma_floor": 0.02,  # share of the shorter side: how well the eye lands
    "salience": "(radius * contrast) ** salience_exponent, divided by its sum over the objects",
    "salience_exponent": 0.8,
    "fixations_per_observer": [10, 13],  # drawn uniformly, ends included
    "map_sigma": 0.0375,  # share of the longer side
}


def saliences(objects) -> np.ndarray:
    """Salience weights of the objects of one scene, float (n,), sum 1."""
    sizes = np.array([[item.radius, item.contrast] for item in objects])
    weights = (sizes[:, 0] * sizes[:, 1]) ** GAZE_MODEL["salience_exponent"]
    return weights / weights.sum()


def component_densities(truth: dict, image_id: str) -> dict[str, np.ndarray]:
    """The parts of the mixture for one image: ``uniform``, ``center`` and ``objects``.

    ``uniform`` and ``center`` are float64 (H, W), ``objects`` is (n, H, W); each map sums to 1.
    """
    image, model = truth["images"][image_id], truth["gaze_model"]
    size = np.array([image["height"], image["width"]])
    floor = model["object_sigma_floor"] * size.min()
    objects = []
    for item in image["objects"]:
        sigma = model["object_sigma_per_radius"] * item["radius"] + floor
        objects.append(_gaussian(size, item["center"], (sigma, sigma)))
    return {
        "uniform": np.full(size, 1 / size.prod()),
        "center": _gaussian(size, (size - 1) / 2, size * model["center_sigma"]),
        "objects": np.stack(objects),
    }


def true_density(truth: dict, record: str) -> np.ndarray:
    """The exact density fixations of a record were drawn from.

    Args:
        truth: the parsed ``synthetic.json`` (``Dataset.truth``).
        record: a record's name, as ``000000000109_2``.

    Returns:
        float64 (H, W), non-negative, sum 1.

    Raises:
        CsalganError: the record is not in the truth.
    """
    stem = parse_stem(record)
    image = truth["images"].get(stem.image_id) if stem else None
    if image is None or record not in image["records"]:
        raise CsalganError(
            f"{record}: synthetic.json has no such record; use the truth of the same dataset."
        )
    entry = image["records"][record]
    model, parts = truth["gaze_model"], component_densities(truth, stem.image_id)
    weights = [item["salience"] for item in image["objects"]]
    seen = model["beta"] * parts["center"]
    seen = seen + (1 - model["beta"]) * np.tensordot(weights, parts["objects"], axes=1)
    free = model["epsilon"] * parts["uniform"] + (1 - model["epsilon"]) * seen
    pull = model["kappa"][entry["condition"]]
    if not entry["named"]:
        return free
    return (1 - pull) * free + pull * parts["objects"][entry["named"]].mean(axis=0)


def look(density: np.ndarray, observers: int, model: dict, rng) -> np.ndarray:
    """Draw the fixations of all observers: int (N, 2), rows (y, x), repeats possible."""
    low, high = model["fixations_per_observer"]
    count = int(rng.integers(low, high, observers, endpoint=True).sum())
    cumulative = np.cumsum(density.ravel())
    drawn = np.searchsorted(cumulative, rng.random(count) * cumulative[-1], side="right")
    return np.stack(np.unravel_index(drawn, density.shape), axis=1)


def saliency_map(fixations: np.ndarray, size: tuple[int, int], model: dict) -> np.ndarray:
    """Blur fixations (N, 2) of (y, x) into a map: uint8 (H, W), largest value 255."""
    counts = np.zeros(size)
    np.add.at(counts, tuple(fixations.T), 1)
    blurred = gaussian_filter(counts, model["map_sigma"] * max(size), mode="constant")
    return np.round(255 * blurred / blurred.max()).astype(np.uint8)


def _gaussian(size, centre, sigma) -> np.ndarray:
    """A Gaussian on the pixel grid, sum 1. ``centre`` and ``sigma`` as (y, x) in pixels."""
    y, x = (
        np.exp(-0.5 * ((np.arange(n) - c) / s) ** 2)
        for n, c, s in zip(size, centre, sigma, strict=True)
    )
    return np.outer(y / y.sum(), x / x.sum())
