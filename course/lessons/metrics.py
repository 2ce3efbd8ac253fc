"""Exercises of notebook 04: the metrics."""

from typing import Any

import numpy as np

from course.checking import About, Wrong, called, exercise, one_function, some_words
from csalgan.metrics import mit, profile_info, score, tuebingen
from csalgan.metrics.negatives import NegativePool

_OTHER_IMAGES = 12  # whose fixations are the negatives of shuffled AUC here


@exercise("04-1", "predict")
def blind_to_squares(answer: Any, about: About) -> str:
    names = profile_info("tuebingen").metrics
    found = some_words(answer, names, "metrics")
    prediction, given = _case(about.job)
    before = score(prediction, **given)
    after = score(prediction**2, **given)
    right = {name for name in names if np.isclose(before[name], after[name], atol=1e-9)}
    for name in sorted(found - right):
        raise Wrong(
            f"{name} changes: from {before[name]:.3f} to {after[name]:.3f} when the free-viewing "
            "map of the example image is squared. It reads values, not only their order."
        )
    if not found:
        raise Wrong("Some metric does stay. Which ones look at nothing but the order of values?")
    for name in sorted(right - found):
        raise Wrong(
            f"What you name does stay, and so does {name}: squaring keeps the order of values that "
            "are nowhere negative, and it looks at nothing else."
        )
    return "Only the order of the values enters both areas under the curve."


@exercise("04-2", "change code")
def nss(answer: Any, about: About) -> str:
    def every_fixation(prediction, fixations):
        z = (prediction - prediction.mean()) / prediction.std(ddof=1)
        return z[fixations[:, 0], fixations[:, 1]].mean()

    one_function(
        answer,
        _gaze_probes(),
        mit.nss,
        (
            tuebingen.nss,
            "That is the NSS of tuebingen: the population's deviation (ddof=0), and every "
            "fixation counts. MATLAB divides by N - 1 and counts a pixel once.",
        ),
        (every_fixation, "A pixel that is fixated twice is to count once: np.unique does it."),
    )
    return "Right. 0 is chance, there is no upper end; repeats are what the two profiles differ by."


@exercise("04-3", "change code")
def sim(answer: Any, about: About) -> str:
    one_function(
        answer,
        _map_probes(),
        mit.sim,
        (
            tuebingen.sim,
            "That is the SIM of tuebingen, which subtracts nothing: subtract each map's "
            "minimum first.",
        ),
        (
            lambda p, truth: mit.sim(p, truth) / p.size,
            "That is the mean over pixels; SIM is the sum.",
        ),
    )
    return "Right: 1 for equal densities, 0 where they never overlap."


@exercise("04-4", "build")
def fool_auc(answer: Any, about: About) -> str:
    record = _example(about.job, "non_salient")
    truth = about.job.dataset.map(record).astype(float)
    fixations = about.job.dataset.fixations(record)
    try:
        built = np.asarray(answer, dtype=float)
    except (TypeError, ValueError):
        raise Wrong("Give the map itself, as an array of numbers.") from None
    if built.shape != truth.shape:
        raise Wrong(f"The measured map has shape {truth.shape}, yours {built.shape}.")
    if not np.isfinite(built).all() or built.min() == built.max():
        raise Wrong("Your map is constant, or holds NaN or infinity: its values have no order.")
    built = built / np.abs(built).max()  # so that no square is infinite
    goal, reached = tuebingen.auc(truth, fixations), tuebingen.auc(built, fixations)
    like = tuebingen.cc(built, truth)
    scores = f"AUC {reached:.3f} (the measured map: {goal:.3f}) and CC {like:.3f}"
    if reached < 0.5:
        raise Wrong(f"{scores}: the order is upside down. Change the sign.")
    if reached < goal - 1e-9:
        raise Wrong(
            f"{scores}: AUC notices. Keep the *order* of the measured map's values and change "
            "the values."
        )
    if like >= 0.5:
        raise Wrong(
            f"{scores}: AUC is high because the map is good. Keep the order of its values, and "
            "change the values until CC falls below 0.5."
        )
    return f"{scores}, NSS {tuebingen.nss(built, fixations):.2f}. AUC alone would print a success."


@exercise("04-5", "change code")
def same_image(answer: Any, about: About) -> str:
    dataset = about.job.dataset
    records = dataset.records
    four = records[records["n_records"] == 4]
    chosen = four.iloc[[1, 2, -1]]["record"]

    def members(record):
        return records.loc[records["image_id"] == dataset.row(record)["image_id"], "record"]

    def stacked(names):
        points = np.concatenate([dataset.fixations(name) for name in names])
        return points[np.lexsort(points.T)]

    def right(record):
        return stacked(set(members(record)) - {record})

    def every_other_image(record):
        same = records[records["condition"] == dataset.row(record)["condition"]]
        return stacked(set(same["record"]) - set(members(record)))

    def ordered(record):
        try:
            points = np.asarray(called(lambda name: answer(dataset, name), (record,)))
        except ValueError:  # arrays of several lengths in a list
            points = np.zeros(0)
        if points.ndim != 2 or points.shape[1] != 2:
            raise Wrong(
                f"Your function gives an array of shape {points.shape}; rows (y, x) are asked "
                "for, shape (N, 2). np.concatenate puts arrays under each other."
            )
        return points[np.lexsort(points.T)]

    one_function(
        ordered if callable(answer) else answer,
        [(record,) for record in chosen],
        right,
        (
            lambda record: stacked(members(record)),
            "The record's own fixations are among your negatives: nothing can beat itself.",
        ),
        (
            every_other_image,
            "Those are the fixations of other *images*: that is shuffled AUC as it is.",
        ),
    )
    record = _example(about.job, "non_salient")
    prediction, given = _case(about.job)
    usual = tuebingen.sauc(prediction, given["fixations"], given["negatives"])
    hard = tuebingen.sauc(prediction, given["fixations"], right(record))
    return (
        f"The free-viewing map scores {usual:.3f} with other images' fixations and {hard:.3f} with "
        "these. It has become a test of the *sentence*: what is worth looking at in this picture "
        "anyway is now among the negatives."
    )


def _example(job, condition: str) -> str:
    """The example image's record of a condition."""
    members = job.dataset.records[job.dataset.records["image_id"] == job.example_image()]
    return members.loc[members["condition"] == condition, "record"].iloc[0]


def _case(job) -> tuple[np.ndarray, dict]:
    """The example image's free-viewing map as a prediction, and its non-salient gaze as truth."""
    dataset, records, image_id = job.dataset, job.dataset.records, job.example_image()
    members = records[records["image_id"] == image_id].set_index("condition")
    row = members.loc["non_salient"]
    shape = (row["height"], row["width"])
    same = records["condition"] == "non_salient"  # each condition is an experiment of its own
    others = records[same & (records["image_id"] != image_id)].head(_OTHER_IMAGES)
    pool = NegativePool(
        others["image_id"].tolist(),
        [dataset.fixations(record) for record in others["record"]],
        others[["height", "width"]].to_numpy(),
        others["condition"],
    )
    y, x = (np.linspace(-1, 1, side) for side in shape)
    truth = {
        "fixations": dataset.fixations(row["record"]),
        "saliency_map": dataset.map(row["record"]),
        "negatives": pool.negatives(image_id, shape),
        "center_bias": np.exp(-2 * (y[:, None] ** 2 + x[None] ** 2)),
        "profile": "tuebingen",
    }
    return dataset.map(members.loc["none", "record"]).astype(float), truth


def _gaze_probes() -> list[tuple[np.ndarray, np.ndarray]]:
    """Square maps, so that exchanged columns give a number; some pixels fixated twice."""
    probes = []
    for seed in (0, 1):
        rng = np.random.default_rng(seed)
        side = 12 + 4 * seed
        fixations = rng.integers(0, side, (9, 2))
        probes.append((rng.gamma(2.0, size=(side, side)), np.vstack([fixations, fixations[:3]])))
    return probes


def _map_probes() -> list[tuple[np.ndarray, np.ndarray]]:
    """Maps that are nowhere 0, so that subtracting the minimum matters."""
    rng = np.random.default_rng(0)
    return [tuple(1 + scale * rng.gamma(2.0, size=(2, 9, 13))) for scale in (1.0, 30.0)]
