"""What a report scores: each model on the test records of its own subset, beside every baseline."""

from collections.abc import Sequence
from functools import partial

import pandas as pd

from csalgan.evaluation.scoring import Evaluator
from csalgan.evaluation.tables import COMPACT, OURS
from csalgan.experiment.job import Job
from csalgan.training import part_rows


def evaluator_of(job: Job, metric_profiles: Sequence[str]) -> Evaluator:
    """An evaluator of a report's data, split, seed and receipt."""
    return Evaluator(
        job.dataset,
        job.split,
        metric_profiles=metric_profiles,
        seed=job.profile.seed,
        provenance=job.provenance,
    )


def rows_of(job: Job, subset: str, part: str = "test") -> pd.DataFrame:
    """Rows of the dataset that a model of this report trains (``train``) or is tested on."""
    numbers = part_rows(job.dataset, job.profile, job.split, subset)[part]
    return job.dataset.records.loc[numbers]


def score_models(job: Job, evaluator: Evaluator, *, progress: bool = False) -> pd.DataFrame:
    """Every model of the report on its own subset's test records.

    Returns:
        Tidy scores with a ``subset`` column, ``model`` is :data:`OURS`. Runs that do not exist
        yet are trained (:meth:`csalgan.experiment.job.Job.run`).
    """
    tables = []
    for subset in job.profile.training.subsets:
        rows = rows_of(job, subset)
        predict = partial(job.predictor(subset).predict_records, job.dataset)
        score = evaluator.fitted_to(predict, rows_of(job, subset, "val"))
        maps = predict(rows, progress=progress)
        tables.append(score(maps, rows, model=OURS).assign(subset=subset))
    return pd.concat(tables, ignore_index=True)


def score_companion(job: Job, evaluator: Evaluator) -> pd.DataFrame | None:
    """The model beside the report's own (:meth:`Job.companion`) on each subset.

    Returns:
        Tidy scores with a ``subset`` column, ``model`` is :data:`COMPACT`; None where the profile
        names no such model.
    """
    predictor = job.companion()
    if predictor is None:
        return None
    every = _tested(job)
    receipt, evaluator.provenance = evaluator.provenance, predictor.receipt
    predict = partial(predictor.predict_records, job.dataset)
    scores = evaluator.fitted_to(predict)(predict(every), every, model=COMPACT)
    evaluator.provenance = receipt
    return _by_subset(job, scores)


def score_baselines(job: Job, evaluator: Evaluator) -> pd.DataFrame:
    """Every baseline and ceiling on the test records of each subset.

    The mean map is taken over the training records of the subset; all others are the same for
    every subset, so they are scored once and handed to the subsets their records belong to.

    Returns:
        Tidy scores with a ``subset`` column.
    """
    every = _tested(job)
    shared = [
        evaluator.baseline(name, every) for name in evaluator.yardsticks if name != "mean_map"
    ]
    tables = [_by_subset(job, pd.concat([table for table in shared if len(table)]))]
    for subset in job.profile.training.subsets:
        rows, train = rows_of(job, subset), rows_of(job, subset, "train")
        tables.append(evaluator.baseline("mean_map", rows, train=train).assign(subset=subset))
    return pd.concat(tables, ignore_index=True)


def _tested(job: Job) -> pd.DataFrame:
    """The test records of all the report's models, each once."""
    rows = [rows_of(job, subset) for subset in job.profile.training.subsets]
    return pd.concat(rows).drop_duplicates("record")


def _by_subset(job: Job, scores: pd.DataFrame) -> pd.DataFrame:
    """The scores once for each model of the report whose test records they are of."""
    tested = {subset: rows_of(job, subset)["record"] for subset in job.profile.training.subsets}
    return pd.concat(
        scores[scores["record"].isin(records)].assign(subset=subset)
        for subset, records in tested.items()
    )
