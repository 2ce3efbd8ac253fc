"""What a report and a sweep score: models beside every baseline, and side by side.

A report's models are scored on the test records of their own subsets; models side by side also by
what reading is worth to them, in one table and one figure (:mod:`csalgan.experiment.sweep`).
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pandas as pd

from csalgan import figures, guidance
from csalgan.evaluation import METRIC_LABELS, over_seeds, row_label, summarise, with_subsets
from csalgan.evaluation.baselines import PEOPLE
from csalgan.evaluation.scoring import Evaluator
from csalgan.evaluation.tables import COMPACT, OURS
from csalgan.experiment.job import Job
from csalgan.figures.scores import side_by_side
from csalgan.files.provenance import Provenance
from csalgan.files.writing import write_text
from csalgan.prediction import Predictor
from csalgan.text.variants import sentence_variants
from csalgan.training import part_rows

_CONDITIONS = ("none", "general", "salient", "non_salient")
_TOLD = ("salient", "non_salient")
#: Columns of the table: metric, condition.
COLUMNS = (
    *((metric, "all") for metric in ("cc", "nss", "sauc", "sim", "kl", "ig")),
    *(("cc", condition) for condition in _CONDITIONS),
    *((cost, condition) for cost in guidance.COSTS for condition in _TOLD),
)
#: What stands above the table.
_ABOUT = (
    "Scores on {}, profile `tuebingen`: the mean over records and its 95 % interval over "
    "images. *CC lost*: what CC loses when the model reads, in place of the record's sentence, "
    "one of **another image after the same kind of sentence** (three draws, averaged: this is "
    "what the content is worth); the other sentence of the same image, salient and non-salient "
    "exchanged (content and kind); none. People: what the measured map of that other condition "
    "loses. Split halves are noisy on both sides and a model need not be, so where gaze is sparse "
    "one may pass them; the corrected row says what a second sample would reach, a perfect model "
    "its square root (of CC)."
)


def evaluator_of(job: Job, metric_profiles: Sequence[str]) -> Evaluator:
    """An evaluator of a report's data, split, seed and provenance."""
    return Evaluator(
        job.dataset,
        job.split,
        metric_profiles=metric_profiles,
        seed=job.profile.seed,
        provenance=job.predicted,
    )


def rows_of(job: Job, subset: str, part: str = "test") -> pd.DataFrame:
    """Rows of the dataset that a model of this report trains (``train``) or is tested on."""
    numbers = part_rows(job.dataset, job.profile, job.split, subset)[part]
    return job.dataset.records.loc[numbers]


def score_models(job: Job, evaluator: Evaluator) -> pd.DataFrame:
    """Every model of the report on its own subset's test records.

    Returns:
        Tidy scores with a ``subset`` column, ``model`` is :data:`OURS`. Runs that do not exist
        yet are trained (:meth:`csalgan.experiment.job.Job.run`).
    """
    tables = []
    for subset, rows in _tested(job).items():
        predict = partial(job.predictor(subset).predict_records, job.dataset)
        score = evaluator.fitted_to(predict, rows_of(job, subset, "val"))
        tables.append(score(predict(rows), rows, model=OURS).assign(subset=subset))
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
    tested = _tested(job)
    every = pd.concat(tested.values()).drop_duplicates("record")
    provenance, evaluator.provenance = evaluator.provenance, predictor.map_provenance
    predict = partial(predictor.predict_records, job.dataset)
    scores = evaluator.fitted_to(predict)(predict(every), every, model=COMPACT)
    evaluator.provenance = provenance
    return with_subsets(scores, tested)


def score_baselines(job: Job, evaluator: Evaluator) -> pd.DataFrame:
    """Every baseline and split-half reliability on the test records of each subset.

    The mean map is taken over the training records of the subset; all others are the same for
    every subset, so they are scored once and handed to the subsets their records belong to.

    Returns:
        Tidy scores with a ``subset`` column.
    """
    tested = _tested(job)
    every = pd.concat(tested.values()).drop_duplicates("record")
    shared = [
        evaluator.baseline(name, every) for name in evaluator.yardsticks if name != "mean_map"
    ]
    tables = [with_subsets(pd.concat([table for table in shared if len(table)]), tested)]
    for subset, rows in tested.items():
        train = rows_of(job, subset, "train")
        tables.append(evaluator.baseline("mean_map", rows, train=train).assign(subset=subset))
    return pd.concat(tables, ignore_index=True)


def _tested(job: Job) -> dict[str, pd.DataFrame]:
    """Subset → the test records of the report's model of it."""
    return {subset: rows_of(job, subset) for subset in job.profile.training.subsets}


def score_model(
    evaluator: Evaluator, asked: Predictor | guidance.Ask, rows: pd.DataFrame, model: str
) -> pd.DataFrame:
    """Tidy scores of a model, among them what it loses when it reads other sentences.

    Args:
        evaluator: on the split the model was trained on.
        asked: the model; one of yours as :func:`csalgan.guidance.asking` gives it.
        rows: of the dataset, to score; sentences are exchanged among them.
        model: what tables call it.
    """
    dataset, predict, ask = evaluator.dataset, asked, asked
    if isinstance(asked, Predictor):
        evaluator.provenance = asked.map_provenance
        predict = partial(asked.predict_records, dataset)
        ask = guidance.CachedPredictor(asked, dataset)
    share = evaluator.uniform_share(predict)
    variants = _variants(rows, evaluator.seed)
    if variants is None:
        return evaluator(predict(rows), model=model, share=share)
    own = evaluator(ask(rows), model=model, share=share)
    score = partial(evaluator, model=model, metrics=("cc",))
    other = guidance.score_variants(ask, dataset, variants, score)
    return pd.concat([own, guidance.costs(own, other)], ignore_index=True)


def score_yardsticks(evaluator: Evaluator, rows: pd.DataFrame, train: pd.DataFrame) -> pd.DataFrame:
    """Baselines, split halves, and what people lose: tidy scores.

    Args:
        rows: of the dataset, to score.
        train: rows the mean map is taken over.
    """
    tables = [evaluator.baseline(name, rows, train=train) for name in evaluator.yardsticks]
    variants = _variants(rows, evaluator.seed)
    if variants is not None:
        score = partial(evaluator, model=PEOPLE, metrics=("cc",))
        people = guidance.human_scores(evaluator.dataset, variants, score)
        tables.append(guidance.costs(people[people["variant"] == "true"], people))
    return pd.concat([table for table in tables if len(table)], ignore_index=True)


def _variants(rows: pd.DataFrame, seed: int) -> pd.DataFrame | None:
    if not (rows["text"].str.strip() != "").any():
        return None  # free viewing only: there is nothing to read
    return sentence_variants(rows, ("true", *guidance.COSTS.values()), seed=seed)


def comparison_table(scores: pd.DataFrame, line: str, where: str) -> str:
    """A row a model: mean and 95 % interval over images, of several seeds the spread as well.

    Args:
        scores: tidy, of one model or several; without a column ``subset``, of ``total``. Shown are
            those of ``tuebingen``.
        line: of the provenance.
        where: the records, in words.
    """
    scores = scores[scores["metric_profile"] == "tuebingen"]
    scores = scores if "subset" in scores else scores.assign(subset="total")
    keys = ["model", "subset", "condition", "metric"]
    shown = _summary(scores).set_index(keys)
    both = pd.concat([scores.assign(condition="all"), scores])
    spread = both.groupby([*keys, "seed"])["value"].mean().groupby(keys).std(ddof=1)
    seeds = scores.groupby(keys[:2], sort=False)["seed"].nunique()
    heads = [
        METRIC_LABELS[metric] + ("" if kind == "all" else f", {kind.replace('_', '-')}")
        for metric, kind in COLUMNS
    ]
    lines = [_ABOUT.format(where), "", f"| {' | '.join(['model', *heads])} |"]
    lines.append("|---" * (len(heads) + 1) + "|")
    for (model, subset), count in seeds.items():
        of = f", {subset}" if scores["subset"].nunique() > 1 else ""
        several = f" (mean ± SD of {count} seeds)" if count > 1 else ""
        cells = [row_label(model) + of + several]
        for metric, kind in COLUMNS:
            key = (model, subset, kind, metric)
            if key in shown.index:
                mean, low, high, images = shown.loc[key, ["mean", "low", "high", "n_images"]]
                around = f" ± {spread.loc[key]:.3f}" if count > 1 else ""
                within = f"[{low:.3f}, {high:.3f}]" if images > 1 else "(one image)"
                cells.append(f"{mean:.3f}{around} {within}")
            else:
                cells.append("–")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, "", line, ""])


def write_comparison(out: Path, scores: pd.DataFrame, provenance: Provenance, where: str) -> Path:
    """Write the table and the figure of models side by side; returns ``tables/comparison.md``."""
    fig = side_by_side(_summary(scores), title=f"Side by side on {where}")
    figures.save(fig, out / "figures", "00_comparison", provenance, photographs=False)
    text = comparison_table(scores, provenance.line(), where)
    return write_text(out / "tables" / "comparison.md", text)


def _summary(scores: pd.DataFrame) -> pd.DataFrame:
    averaged = over_seeds(scores)
    both = pd.concat([averaged.assign(condition="all"), averaged])
    return summarise(both, ["model", "subset", "condition"])
