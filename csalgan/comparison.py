"""What each part of the compact model brings: variants trained and scored side by side.

Every variant is trained with one profile and a few changed values, and scored on the same test
images, beside the paper's model, the baselines and the ceiling.
"""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from csalgan import figures, guidance
from csalgan.baselines import BASELINES, CEILING, CEILING_LABEL
from csalgan.config import Profile, load_profile, profile_from
from csalgan.data import Dataset, make_split
from csalgan.errors import CsalganError
from csalgan.evaluation import Evaluator, compare, summarise
from csalgan.figures.scores import side_by_side
from csalgan.files import write_text
from csalgan.prediction import Predictor
from csalgan.provenance import Provenance
from csalgan.training import Run, part_rows, train


class Variant(NamedTuple):
    """A label and the values of the profile that differ."""

    label: str
    changes: dict[str, dict]


#: The model of the profile first: it alone is trained with several seeds.
VARIANTS: dict[str, Variant] = {
    "compact": Variant("compact", {}),
    "without": Variant("compact without text", {"model": {"fusion": "none"}}),
    "none": Variant("compact, encoder none", {"text": {"encoder": "none"}}),
    "hashing": Variant("compact, hashing", {"text": {"encoder": "hashing"}}),
    "sentence": Variant("compact, sentence only", {"model": {"fusion": "sentence"}}),
    "cold": Variant("compact, no class names", {"model": {"semantic_start": False}}),
    "unpaired": Variant("compact, no change term", {"losses": {"change": 0.0}}),
    "game": Variant("compact, with the game", {"training": {"adversarial_weight": 0.05}}),
    "words": Variant("compact, words only", {"model": {"fusion": "words"}}),
}
PAPER = "paper's model"
#: What the compact model was built to reach on real gaze (``tuebingen``), drawn as lines.
WANTED = {
    "cc, all": 0.79,
    "nss, all": 2.00,
    "cc, salient": 0.78,
    "cc, non_salient": 0.60,
    "cc_lost, salient": 0.18,
    "cc_lost, non_salient": 0.15,
}
METRICS = ("cc", "nss", "sauc", "auc", "sim", "kl")
_CONDITIONS = ("none", "general", "salient", "non_salient")
_EXCHANGED = ("salient", "non_salient")


def changed(profile: Profile, variant: str, seed: int) -> Profile:
    """The profile of a variant and seed; the split stays the same.

    Raises:
        CsalganError: an unknown variant.
    """
    if variant not in VARIANTS:
        raise CsalganError(f"variant {variant!r}: use one of {', '.join(VARIANTS)}.")
    values = profile.of_seed(seed).as_dict()
    for section, new in VARIANTS[variant].changes.items():
        target = values["training"] if section == "losses" else values
        target[section] = {**target[section], **new}
    return profile_from(values, f"variant {variant}")


def train_or_load(profile: Profile, dataset: Dataset, folder: Path) -> Run:
    """The run in a folder: loaded, finished if it was begun there, or trained."""
    begun = (folder / "state.pt").exists()
    return train(profile, dataset, "total", folder, resume=begun)


class Trained(NamedTuple):
    """One row of the comparison: a trained network."""

    label: str
    variant: str
    seed: int
    run: Run


def train_all(
    profile: Profile,
    dataset: Dataset,
    out: Path,
    *,
    variants: Sequence[str] = tuple(VARIANTS),
    seeds: int = 3,
    paper: Profile | None = None,
) -> Iterator[Trained]:
    """Train every variant, the first one with several seeds, and the paper's model if asked.

    Args:
        profile: of the compact model.
        out: runs go to ``out/runs``; those that are finished there are not trained again.
        paper: profile of the paper's model, on the same split.
    """
    for variant in variants:
        for seed in range(seeds if variant == "compact" else 1):
            folder = out / "runs" / f"{variant}-{seed}"
            run = train_or_load(changed(profile, variant, seed), dataset, folder)
            yield Trained(VARIANTS[variant].label, variant, seed, run)
    if paper is not None:
        run = train_or_load(paper, dataset, out / "runs" / "paper")
        yield Trained(PAPER, "paper", paper.seed, run)


def score_all(trained: Sequence[Trained], dataset: Dataset, part: str = "test") -> pd.DataFrame:
    """Tidy scores of every network, the baselines and the ceiling on one part's records.

    Returns:
        The evaluator's columns, ``variant`` (``true`` or ``swapped``, the sentence that was
        read) and ``run`` (``variant-seed``).

    Raises:
        CsalganError: a network was trained on another split.
    """
    profile = trained[0].run.profile
    split = make_split(dataset.records, rule=profile.data.split, seed=profile.split_seed)
    rows = dataset.records.loc[part_rows(dataset, profile, split, "total")[part]]
    sentences = guidance.sentence_variants(rows, ["swapped"])
    sentences = sentences[sentences["condition"].isin(_EXCHANGED)]
    evaluator = Evaluator(dataset, split, seed=profile.seed)
    tables = []
    for one in trained:
        other = one.run.profile
        if (other.data.split, other.split_seed) != (profile.data.split, profile.split_seed):
            raise CsalganError(f"{one.run.folder}: trained on another split; train it again.")
        predictor = Predictor.of_run(one.run)
        evaluator.provenance = one.run.provenance
        maps = predictor.predict_records(dataset, rows, progress=sys.stderr.isatty())
        both = [
            evaluator(maps, rows, model=one.label).assign(variant="true"),
            guidance.score_variants(
                guidance.Reader(predictor, dataset), dataset, sentences, evaluator
            ),
        ]
        tables.append(pd.concat(both).assign(model=one.label, run=f"{one.variant}-{one.seed}"))
    evaluator.provenance = None
    for name in (*BASELINES, CEILING):
        scored = evaluator.baseline(name, rows)
        if len(scored):
            label = CEILING_LABEL if name == CEILING else BASELINES[name]
            tables.append(scored.assign(model=label, variant="true", run=name))
    return pd.concat(tables, ignore_index=True)


def summarise_all(scores: pd.DataFrame, *, bootstrap: int = 1000, seed: int = 0) -> pd.DataFrame:
    """Means with 95 % intervals over images, one row a run, condition and measure.

    Returns:
        ``run``, ``model``, ``condition`` (``all`` and the four), ``metric``, ``mean``, ``low``,
        ``high``, ``n_records``, ``n_images``. ``metric`` is also ``cc_lost``: CC with the true
        sentence minus CC with the salient and non-salient sentences of an image exchanged.
    """
    true = scores[(scores["variant"] == "true") & scores["metric"].isin(METRICS)]
    every = pd.concat([true.assign(condition="all"), true])
    options = {"bootstrap": bootstrap, "seed": seed}
    table = summarise(every, ["run", "model", "condition"], **options)
    lost = []
    for (run, model), group in scores[scores["metric"] == "cc"].groupby(["run", "model"]):
        a, b = (group[group["variant"] == name] for name in ("true", "swapped"))
        if len(b):
            found = compare(a[a["record"].isin(b["record"])], b, **options)
            lost.append(found.assign(run=run, model=model, metric="cc_lost"))
    lost = pd.concat(lost).rename(columns={"difference": "mean"})
    columns = ["run", "model", "condition", "metric", "mean", "low", "high"]
    columns += ["n_records", "n_images"]
    return pd.concat([table[columns], lost[columns]], ignore_index=True)


def markdown(summary: pd.DataFrame, line: str, part: str = "test") -> str:
    """The comparison as people read it: a row a model, several seeds as mean ± spread."""
    columns = [
        ("CC", "cc", "all"),
        ("NSS", "nss", "all"),
        ("sAUC", "sauc", "all"),
        ("SIM", "sim", "all"),
        ("KL", "kl", "all"),
        *[(f"CC {c.replace('_', '-')}", "cc", c) for c in _CONDITIONS],
        *[(f"CC lost, {c.replace('_', '-')}", "cc_lost", c) for c in _EXCHANGED],
    ]
    head = ["model", *[name for name, *_ in columns]]
    lines = [
        f"Scores on the {part} images, profile `tuebingen`: the mean over records and its 95 % "
        "interval over images. *CC lost*: what CC loses when the salient and non-salient "
        "sentences of an image are exchanged.",
        "",
        "| " + " | ".join(head) + " |",
        "|---" * len(head) + "|",
    ]
    found = summary.set_index(["run", "condition", "metric"])[["mean", "low", "high"]]
    for model, group in summary.groupby("model", sort=False):
        runs = group["run"].drop_duplicates().tolist()
        for run in runs:
            name = f"{model}, seed {run.rsplit('-', 1)[1]}" if len(runs) > 1 else model
            cells = [_cell(found, run, condition, metric) for _, metric, condition in columns]
            lines.append("| " + " | ".join([name, *cells]) + " |")
        if len(runs) > 1:
            spread = [_spread(found, runs, condition, metric) for _, metric, condition in columns]
            name = f"**{model}, {len(runs)} seeds: mean ± SD**"
            lines.append("| " + " | ".join([name, *spread]) + " |")
    return "\n".join([*lines, "", line, ""])


def write(
    out: Path, scores: pd.DataFrame, summary: pd.DataFrame, receipt: Provenance, part: str
) -> Path:
    """Write the tables and the figure of a comparison; returns ``tables/comparison.md``."""
    tables, line = out / "tables", receipt.line()
    title = f"Side by side on the {part} images; dashed: the goal on real gaze"
    fig = side_by_side(summary, WANTED, title=title)
    figures.save(fig, out / "figures", "00_comparison", receipt, photographs=False)
    write_text(tables / "comparison.csv", summary.to_csv(index=False, float_format="%.6g"))
    write_text(tables / "scores.csv", scores.to_csv(index=False, float_format="%.6g"))
    return write_text(tables / "comparison.md", markdown(summary, line, part))


def compare_models(
    profile: Profile,
    dataset: Dataset,
    out: Path,
    *,
    variants: Sequence[str] = tuple(VARIANTS),
    seeds: int = 3,
    paper: str | None = "paper-cpu",
    part: str = "test",
) -> Path:
    """Train, score and write everything; the path of the Markdown table."""
    published = load_profile(paper) if paper else None
    if published is not None and published.split_seed != profile.split_seed:
        values = published.as_dict()
        values["data"]["split_seed"] = profile.split_seed
        published = profile_from(values, f"profile {paper}")
    trained = list(
        train_all(profile, dataset, out, variants=variants, seeds=seeds, paper=published)
    )
    scores = score_all(trained, dataset, part)
    return write(out, scores, summarise_all(scores), trained[0].run.provenance, part)


def _cell(found: pd.DataFrame, run: str, condition: str, metric: str) -> str:
    if (run, condition, metric) not in found.index:
        return "–"
    mean, low, high = found.loc[(run, condition, metric)]
    return f"{mean:.3f} [{low:.3f}, {high:.3f}]"


def _spread(found: pd.DataFrame, runs: Sequence[str], condition: str, metric: str) -> str:
    means = np.array([found.loc[(run, condition, metric), "mean"] for run in runs])
    return f"{means.mean():.3f} ± {means.std(ddof=1):.3f}"
