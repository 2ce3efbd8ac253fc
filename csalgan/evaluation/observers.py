"""How well people predict each other: the ceiling that a model of all people's gaze has.

Each observer's fixations are predicted by the blurred fixations of all others who saw the image
(leave one observer out). It needs data that say who fixated; where they do not, halves of all
fixations are what is left (:mod:`csalgan.baselines`), and those share their observers.
"""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from csalgan import baselines
from csalgan.evaluation.scoring import OVER_FIXATIONS, Evaluator, Truth, threaded
from csalgan.metrics import score

#: What tables call it: key and label.
PEOPLE, PEOPLE_LABEL = "people", "people: the other observers predict each one"


def people(evaluator: Evaluator, records: pd.DataFrame) -> pd.DataFrame:
    """Score the others' map on each observer's fixations.

    Only metrics that are means over fixations are scored: one observer's few fixations are no map.
    An image's value is the mean over observers, each with the weight of their fixations, so that it
    can be compared with a model's on the fixations of all. The blur is ``fitted.map_sigma``.

    Args:
        evaluator: of a dataset with observers; its profiles but ``paper``, which has no fixations.
        records: rows of the dataset to score; those with fixations of one observer are left out.

    Returns:
        Rows with :data:`csalgan.evaluation.COLUMNS`, ``model`` = ``people``.

    Raises:
        CsalganError: the dataset does not say who fixated.
    """
    profiles = [info for info in evaluator.profiles if info.name != "paper"]

    def one(record: str) -> list[dict]:
        parts = list(others(evaluator, record))
        if not parts:
            return []
        weights = [len(points) for _, points in parts]
        truth = Truth(evaluator.gaze.fixations(record), evaluator.dataset.map(record))
        rows = []
        for info in profiles:
            given = evaluator.inputs(record, truth, info.name)
            names = [
                name
                for name in info.metrics
                if name in OVER_FIXATIONS and all(n in given for n in info.needs[name])
            ]
            each = [
                score(prediction, **given | {"fixations": points}, metrics=names)
                for prediction, points in parts
            ]
            means = {n: np.average([one[n] for one in each], weights=weights) for n in names}
            rows += evaluator.rows(record, info, means, truth)
        return rows

    scored = threaded(one, records["record"], evaluator.workers)
    return evaluator.table(scored, PEOPLE)


def others(evaluator: Evaluator, record: str) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """For each observer of a record: the map of all others' fixations, and theirs, int (N, 2)."""
    shape = tuple(evaluator.dataset.row(record)[["height", "width"]])
    points, who = evaluator.gaze.fixations(record), evaluator.dataset.observers(record)
    for observer in np.unique(who):
        left = points[who != observer]
        if len(left):
            made = baselines.blurred(left, shape, evaluator.fitted.map_sigma)
            yield made, points[who == observer]
