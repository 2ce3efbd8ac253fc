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


def score_companion(job: Job, evaluator: Evaluator) -> list[pd.DataFrame]:
    """The model beside the report's own (:meth:`Job.companion`) on each subset.

    Returns:
        One table of tidy scores with a ``subset`` column, ``model`` is :data:`COMPACT`; none
        where the profile names no such model.
    """
    predictor = job.companion()
    if predictor is None:
        return []
    parts = {subset: rows_of(job, subset) for subset in job.profile.training.subsets}
    every = pd.concat(list(parts.values())).drop_duplicates("record")
    receipt, evaluator.provenance = evaluator.provenance, predictor.receipt
    predict = partial(predictor.predict_records, job.dataset)
    scores = evaluator.fitted_to(predict)(predict(every), every, model=COMPACT)
    evaluator.provenance = receipt
    return [
        pd.concat(
            scores[scores["record"].isin(rows["record"])].assign(subset=subset)
            for subset, rows in parts.items()
        )
    ]


def score_baselines(job: Job, evaluator: Evaluator) -> pd.DataFrame:
    """Every baseline and ceiling on the test records of each subset.

    The mean map is taken over the training records of the subset; all others are the same for
    every subset, so they are scored once and handed to the subsets their records belong to.

    Returns:
        Tidy scores with a ``subset`` column.
    """
    parts = {subset: rows_of(job, subset) for subset in job.profile.training.subsets}
    every = pd.concat(list(parts.values())).drop_duplicates("record")
    shared = [evaluator.baseline(b, every) for b in evaluator.yardsticks if b != "mean_map"]
    shared = pd.concat([table for table in shared if len(table)], ignore_index=True)
    tables = []
    for subset, rows in parts.items():
        train = rows_of(job, subset, "train")
        mean = evaluator.baseline("mean_map", rows, train=train)
        mine = shared[shared["record"].isin(rows["record"])]
        tables.append(pd.concat([mine, mean], ignore_index=True).assign(subset=subset))
    return pd.concat(tables, ignore_index=True)


def best_and_worst(
    job: Job, subset: str, scores: pd.DataFrame, *, metric: str = "nss", each: int = 3
) -> list[dict]:
    """The records a model of the report predicts best, then those it predicts worst.

    Args:
        scores: tidy scores of the report under one profile.
        metric: decides; a metric in which more is better.
        each: how many of both.

    Returns:
        A dict a record, the best one first and the worst one last: ``image``, ``truth``,
        ``prediction``, ``fixations``, ``heading``, ``text`` (:func:`csalgan.figures.scores.cases`).
    """
    mine = scores[
        (scores["model"] == OURS) & (scores["subset"] == subset) & (scores["metric"] == metric)
    ]
    ranked = mine.dropna(subset="value").sort_values("value", ascending=False, kind="stable")
    chosen = pd.concat([ranked.head(each), ranked.iloc[each:].tail(each)])
    value_of = dict(zip(chosen["record"], chosen["value"], strict=True))
    rows = job.dataset.records.set_index("record", drop=False).loc[list(value_of)]
    maps = job.predictor(subset).predict_records(job.dataset, rows)
    return [
        {
            "image": job.dataset.image(record),
            "truth": job.dataset.map(record),
            "prediction": prediction,
            "fixations": job.dataset.fixations(record),
            "heading": f"{record}\n{metric.upper()} {value_of[record]:.2f}",
            "text": rows.at[record, "text"],
        }
        for record, prediction in maps
    ]
