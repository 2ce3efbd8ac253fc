"""The same model trained with different text encoders, each asked the same questions."""

from collections.abc import Mapping, Sequence

import pandas as pd

from csalgan.config import load_profile
from csalgan.experiment.job import Job
from csalgan.exploration import over_images
from csalgan.files.errors import CsalganError
from csalgan.guidance import (
    Reader,
    Score,
    compare_differences,
    difference_maps,
    paired_differences,
    score_variants,
    summarise_differences,
    summarise_effect,
    text_effect,
)
from csalgan.prediction import Predictor
from csalgan.text import get_encoder


def train_encoders(
    job: Job, names: Sequence[str], *, profile: str = "demo-compact", epochs: int = 0
) -> tuple[dict[str, Predictor], dict[str, str]]:
    """Train one model on the report's data once with each text encoder, all else equal.

    The runs stand in ``runs/encoders/`` of the report and are found again.

    Args:
        names: from :data:`csalgan.text.ENCODERS`.
        profile: of the model; a small one, because it is trained as often as there are encoders.
        epochs: of each; 0 is as many as that profile says.

    Returns:
        Encoder → predictor, and encoder → why it was left out (its weights are not here).

    Raises:
        CsalganError: an unknown encoder or profile.
    """
    trained, skipped = {}, {}
    settings = {"text.clip_weights": job.profile.text.clip_weights, "training.epochs": epochs}
    for name in names:
        changes = [f"{key}={value}" for key, value in settings.items() if value]
        chosen = load_profile(profile, [f"text.encoder={name}", *changes])
        try:
            get_encoder(name, clip_weights=chosen.text.clip_weights)
        except CsalganError as missing:
            skipped[name] = str(missing)
        else:
            trained[name] = job.beside(chosen, f"encoders/{name}/runs/total")
    return trained, skipped


def compare_encoders(
    predictors: Mapping[str, Predictor],
    job: Job,
    records: pd.DataFrame,
    variants: pd.DataFrame,
    score: Score,
    *,
    draws: int = 1000,
    seed: int = 0,
) -> pd.DataFrame:
    """What each model makes of the same sentences.

    Args:
        predictors: encoder → model (:func:`train_encoders`).
        records: rows with a sentence.
        variants: their sentences, at least ``true``.

    Returns:
        Rows ``encoder``, ``measure``, ``mean``, ``low``, ``high`` (95 % bootstrap over images),
        ``n_images``. Measures: ``cc`` with the true sentence; for every other variant the paired
        difference in CC, by the variant's name; ``correlation - control`` of the changes (see
        :func:`csalgan.guidance.compare_differences`); on embedded data ``recovered``, the κ̂ of
        :func:`csalgan.guidance.text_effect`.
    """
    columns = ["encoder", "measure", "mean", "low", "high", "n_images"]
    how = {"draws": draws, "seed": seed}
    tables = []
    for name, predictor in predictors.items():
        ask = Reader(predictor, job.dataset)
        scores = score_variants(ask, job.dataset, variants, score)
        scores = scores[scores.metric == "cc"]
        true = over_images(scores[scores.variant == "true"], ["metric"], **how)
        cost = paired_differences(scores, **how)
        moves = {r: (p, m) for r, p, m in difference_maps(ask, job.dataset, job.prepared, records)}
        agreement = summarise_differences(compare_differences(moves, records, seed=seed), **how)
        found = [
            cost.rename(columns={"variant": "measure"}),
            agreement[agreement.measure == "correlation - control"],
        ]
        if job.dataset.synthetic:
            effect = text_effect(ask, job.dataset, records, job.prepared.size)
            found.append(summarise_effect(effect, **how).assign(measure="recovered"))
        whole = [table[table.condition == "all"] for table in found]
        both = pd.concat([true.rename(columns={"metric": "measure"}), *whole])
        tables.append(both.assign(encoder=name)[columns])
    return pd.concat(tables, ignore_index=True)
