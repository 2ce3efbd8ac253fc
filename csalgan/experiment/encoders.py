"""The same model trained with different text encoders, each asked the same questions."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pandas as pd

from csalgan.config import load_profile, profile_from
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
    for name in names:
        values = load_profile(profile).as_dict()
        values["seed"] = job.profile.seed
        values["text"] |= {"encoder": name, "clip_weights": job.profile.text.clip_weights}
        values["training"] |= {"epochs": epochs or values["training"]["epochs"]}
        chosen = profile_from(values, f"text encoder {name}")  # an unknown one is refused here
        chosen = chosen.on_split_of(job.profile)
        try:
            get_encoder(name, clip_weights=chosen.text.clip_weights)
        except CsalganError as missing:
            skipped[name] = str(missing)
            continue
        own = replace(job, profile=chosen, out=job.out / "runs" / "encoders" / name)
        trained[name] = own.predictor("total")
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
    tables = []
    for name, predictor in predictors.items():
        ask = Reader(predictor, job.dataset)
        scores = score_variants(ask, job.dataset, variants, score)
        scores = scores[scores.metric == "cc"]
        true = over_images(scores[scores.variant == "true"], ["metric"], draws=draws, seed=seed)
        cost = paired_differences(scores, draws=draws, seed=seed)
        moves = {r: (p, m) for r, p, m in difference_maps(ask, job.dataset, job.prepared, records)}
        agreement = summarise_differences(
            compare_differences(moves, records, seed=seed), draws=draws, seed=seed
        )
        found = [
            true.rename(columns={"metric": "measure"}),
            cost[cost.condition == "all"].rename(columns={"variant": "measure"}),
            agreement[
                (agreement.condition == "all") & (agreement.measure == "correlation - control")
            ],
        ]
        if job.dataset.synthetic:
            effect = text_effect(ask, job.dataset, records, job.prepared.size)
            effect = summarise_effect(effect, draws=draws, seed=seed)
            found.append(effect[effect.condition == "all"].assign(measure="recovered"))
        tables.append(pd.concat(found).assign(encoder=name)[columns])
    return pd.concat(tables, ignore_index=True)
