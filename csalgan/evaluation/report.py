"""What a report scores: each model on the test records of its own subset, beside every baseline."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd

from csalgan.baselines import BASELINES, CEILING
from csalgan.evaluation.scoring import Evaluator

if TYPE_CHECKING:
    from csalgan.job import Job

#: The ``model`` column of the models trained by the report; the encoder has its own column.
OURS = "ours"


def evaluator_of(job: "Job", metric_profiles: Sequence[str]) -> Evaluator:
    """An evaluator of a report's data, split, seed and receipt."""
    return Evaluator(
        job.dataset,
        job.split,
        metric_profiles=metric_profiles,
        seed=job.profile.seed,
        provenance=job.provenance,
    )


def rows_of(job: "Job", subset: str, part: str = "test") -> pd.DataFrame:
    """Rows of the dataset that a model of this report trains (``train``) or is tested on."""
    from csalgan.training import part_rows

    numbers = part_rows(job.dataset, job.profile, job.split, subset)[part]
    return job.dataset.records.loc[numbers]


def score_models(job: "Job", evaluator: Evaluator, *, progress: bool = False) -> pd.DataFrame:
    """Every model of the report on its own subset's test records.

    Returns:
        Tidy scores with a ``subset`` column, ``model`` is :data:`OURS`. Runs that do not exist
        yet are trained (:meth:`csalgan.job.Job.run`).
    """
    tables = []
    for subset in job.profile.training.subsets:
        rows = rows_of(job, subset)
        maps = job.run(subset).predictor().predict_records(job.dataset, rows, progress=progress)
        tables.append(evaluator(maps, rows, model=OURS).assign(subset=subset))
    return pd.concat(tables, ignore_index=True)


def score_baselines(job: "Job", evaluator: Evaluator) -> pd.DataFrame:
    """Every baseline and the ceiling on the test records of each subset.

    The mean map is taken over the training records of the subset; all others are the same for
    every subset, so they are scored once and handed to the subsets their records belong to.

    Returns:
        Tidy scores with a ``subset`` column.
    """
    parts = {subset: rows_of(job, subset) for subset in job.profile.training.subsets}
    every = pd.concat(list(parts.values())).drop_duplicates("record")
    shared = [evaluator.baseline(b, every) for b in (*BASELINES, CEILING) if b != "mean_map"]
    shared = pd.concat([table for table in shared if len(table)], ignore_index=True)
    tables = []
    for subset, rows in parts.items():
        train = rows_of(job, subset, "train")
        mean = evaluator.baseline("mean_map", rows, train=train)
        mine = shared[shared["record"].isin(rows["record"])]
        tables.append(pd.concat([mine, mean], ignore_index=True).assign(subset=subset))
    return pd.concat(tables, ignore_index=True)
