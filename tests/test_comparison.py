"""Variants of the compact model side by side, seeds on one split, and weights in one file."""

import json
import sys

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from safetensors.torch import save_file

from csalgan import evaluation, guidance
from csalgan.cli import main
from csalgan.config import load_profile
from csalgan.data import make_split, open_dataset
from csalgan.experiment import scores as scoring
from csalgan.experiment.job import open_job
from csalgan.experiment.scores import evaluator_of, rows_of, score_companion
from csalgan.files.errors import CsalganError
from csalgan.models import CompactGenerator
from csalgan.prediction import Predictor, weights
from csalgan.training import Run, train
from csalgan.training.run import finished

TINY = [
    "data.size=64",
    "training.epochs=1",
    "training.batch_size=4",
    "training.augment.sizes=[64, 96]",
    "text.encoder=hashing",
]


@pytest.fixture(scope="module")
def dataset(embedded):
    return open_dataset(embedded)


@pytest.fixture(scope="module")
def run(dataset, tmp_path_factory):
    """The compact model after one epoch."""
    out = tmp_path_factory.mktemp("comparison")
    return train(load_profile("best", TINY), dataset, "total", out / "run", progress=False)


def test_costs_are_what_other_sentences_take_from_cc(run, dataset):
    split = make_split(dataset.records, run.profile.data.rule, run.profile.split_seed)
    rows = split.of("test", dataset.records)
    evaluator = evaluation.Evaluator(dataset, split)
    predictor = Predictor.of_run(run)
    scores = scoring.score_model(evaluator, predictor, rows, "tiny")
    assert set(scores["model"]) == {"tiny"}
    assert set(scores.loc[scores["metric"] == "kl", "uniform_share"].notna()) == {True}
    cost = scores.set_index(["metric", "record"])["value"]
    record = rows.loc[rows["condition"] == "salient", "record"].iloc[0]
    row = rows[rows["record"] == record]
    sibling = rows[(rows["image_id"] == row["image_id"].iloc[0])].set_index("condition")["text"]
    ask = guidance.CachedPredictor(predictor, dataset)
    for metric, text in (("lost_exchange", sibling["non_salient"]), ("lost_sentence", "")):
        other = evaluator(ask(row, [text]), metrics=["cc"])["value"].iloc[0]
        assert cost[metric, record] == pytest.approx(cost["cc", record] - other)
    conditions = scores.groupby("metric")["condition"].agg(set)
    assert conditions["lost_exchange"] == {"salient", "non_salient"}
    assert conditions["lost_content"] <= {"general", "salient", "non_salient"}


def test_a_model_without_text_loses_nothing_to_the_last_bit(dataset, tmp_path):
    profile = load_profile("best", [*TINY, "model.fusion=none"])
    run = train(profile, dataset, "total", tmp_path / "run", progress=False)
    split = make_split(dataset.records, profile.data.rule, profile.split_seed)
    rows = split.of("test", dataset.records)
    scores = scoring.score_model(
        evaluation.Evaluator(dataset, split), Predictor.of_run(run), rows, "deaf"
    )
    assert (scores.loc[scores["metric"].isin(guidance.COSTS), "value"] == 0).all()


def test_people_lose_by_exchange_what_their_maps_differ(dataset):
    split = make_split(dataset.records)
    rows = split.of("test", dataset.records)
    train_rows = split.of("train", dataset.records)
    evaluator = evaluation.Evaluator(dataset, split)
    scores = scoring.score_yardsticks(evaluator, rows, train_rows)
    people = scores[scores["model"] == "people"]
    assert set(people["metric"]) == {"lost_exchange", "lost_sentence"}
    lost = people[people["metric"] == "lost_exchange"].set_index(["image_id", "condition"])["value"]
    image = rows.loc[rows["n_records"] == 4, "image_id"].iloc[0]
    # One correlation of two maps, whichever of them predicts.
    assert lost[image, "salient"] == pytest.approx(lost[image, "non_salient"])
    assert lost[image, "salient"] > 0.05
    assert {"mean_map", "split_half", "split_half_corrected"} < set(scores["model"])


def test_several_seeds_are_one_row_with_their_spread(tmp_path):
    records = [f"r{k}" for k in range(6)]
    tables = [
        pd.DataFrame(
            {
                "record": records,
                "image_id": records,
                "condition": "salient",
                "metric": "cc",
                "metric_profile": "tuebingen",
                "value": value,
                "model": model,
                "subset": "total",
                "seed": seed,
            }
        )
        for model, seed, value in (("mine", 0, 0.5), ("mine", 1, 0.7), ("mean_map", 0, 0.4))
    ]
    text = scoring.comparison_table(pd.concat(tables), "provenance", "all images in 2 folds")
    assert "| mine (mean ± SD of 2 seeds) | 0.600 ± 0.141 [0.600, 0.600] |" in text
    assert "| mean training map | 0.400 [0.400, 0.400] |" in text
    assert text.rstrip().endswith("provenance")


def test_packed_weights_predict_like_the_run_they_came_from(run, tmp_path):
    path = tmp_path / "packed.safetensors"
    about = weights.pack(run, path)
    packed = weights.load_packed(path)
    generator, read = packed.generator(), packed.info
    assert read == about
    assert isinstance(generator, CompactGenerator)
    train = run.info["records"]["train"]
    assert 0 < len(about["images"]) < train
    assert path.stat().st_size < (run.folder / "best.safetensors").stat().st_size * 0.52
    images = [np.random.default_rng(0).integers(0, 255, (40, 50, 3), dtype=np.uint8)]
    mine = Predictor.of_run(run).predict(images, ["a ball"])[0]
    packed = Predictor.open(str(path))
    assert np.allclose(packed.predict(images, ["a ball"])[0], mine, atol=0.02)
    assert packed.provenance == run.provenance
    ours = Predictor.open()  # trained with one thread, asked on any machine
    assert (ours.provenance.threads, ours.threads) == (1, 2)
    assert "threads: 2" in ours.map_provenance.line()


def test_files_that_are_not_packed_weights_are_named(tmp_path):
    path = tmp_path / "x.safetensors"
    for content in ({"a": torch.zeros(1)}, None):
        if content:
            save_file(content, path)
        else:
            save_file({"a": torch.zeros(1)}, path, metadata={"csalgan": json.dumps({"a": 1})})
        with pytest.raises(
            CsalganError,
            match=r"x\.safetensors: (not weights that csalgan packed|profile is missing)",
        ):
            weights.load_packed(path)
    with pytest.raises(CsalganError, match=r"no such weights; .*\(compact-minilm\)"):
        weights.load_packed("compact-klingon")


def test_a_report_sets_another_profiles_model_beside_its_own(embedded, tmp_path):
    beside = tmp_path / "tiny.yaml"
    profile = load_profile("demo-compact", TINY)
    beside.write_text(yaml.safe_dump(profile.as_dict()), encoding="utf-8")
    out = str(tmp_path / "report")
    job = open_job("smoke", str(embedded), out, [f"beside={beside}", "seed=3"])
    predictor = job.companion()
    assert isinstance(predictor.generator, CompactGenerator)
    assert predictor.split == ("image", job.profile.split_seed) == ("image", 3)
    weights_file = job.out / "runs" / "beside" / "best.safetensors"
    before = weights_file.stat().st_mtime_ns
    evaluator = evaluator_of(job, ["tuebingen"])
    scores = score_companion(job, evaluator)
    assert weights_file.stat().st_mtime_ns == before
    assert set(scores["model"]) == {evaluation.COMPACT}
    assert set(scores["subset"]) == set(job.profile.training.subsets)
    assert set(scores["profile"]) == {"demo-compact"}
    assert evaluator.provenance == job.predicted
    for subset in job.profile.training.subsets:
        rows = rows_of(job, subset)["record"]
        assert set(scores.loc[scores["subset"] == subset, "record"]) == set(rows)
    assert open_job("smoke", str(embedded), out, ["beside=null"]).companion() is None


def test_training_stops_when_patience_runs_out():
    profile = load_profile("best", ["training.epochs=9", "training.patience=2"])
    assert not finished(profile, [0.1, 0.3, 0.2])
    assert finished(profile, [0.1, 0.3, 0.2, 0.3])
    assert not finished(profile, [0.1, 0.3, 0.2, 0.31])
    assert finished(load_profile("best", ["training.epochs=2"]), [0.1, 0.2])


def test_several_seeds_are_trained_from_the_command_line(embedded, tmp_path, monkeypatch, capsys):
    line = ["train", "--profile", "best", "--data", embedded, "--out", tmp_path, "--seeds", "2"]
    changes = [word for change in TINY for word in ("--set", change)]
    monkeypatch.setattr(sys, "argv", ["csalgan", *map(str, line), *changes])
    with pytest.raises(SystemExit) as stopped:
        main()
    said = capsys.readouterr()
    assert not stopped.value.code, said.err
    assert "2 seeds: validation CC" in said.out
    runs = [Run.load(tmp_path / f"seed-{seed}") for seed in range(2)]
    assert [run.profile.seed for run in runs] == [0, 1]
    assert {run.profile.split_seed for run in runs} == {0}
    assert runs[0].history["val_cc"].iloc[0] != runs[1].history["val_cc"].iloc[0]
