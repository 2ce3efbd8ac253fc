"""Variants of the compact model side by side, seeds on one split, and weights in one file."""

import json
import sys

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from safetensors.torch import save_file

from csalgan import comparison, evaluation, weights
from csalgan.cli import main
from csalgan.config import load_profile
from csalgan.data import open_dataset
from csalgan.errors import CsalganError
from csalgan.figures import figure_info
from csalgan.job import open_job
from csalgan.models import CompactGenerator
from csalgan.prediction import Predictor
from csalgan.training import Run, finished

TINY = [
    "data.size=64",
    "training.epochs=1",
    "training.batch_size=4",
    "model.channels=16",
    "text.encoder=hashing",
]


@pytest.fixture(scope="module")
def dataset(embedded):
    return open_dataset(embedded)


@pytest.fixture(scope="module")
def trained(dataset, tmp_path_factory):
    """The compact model with two seeds and the one without text, one epoch each."""
    out = tmp_path_factory.mktemp("comparison")
    profile = load_profile("best", TINY)
    models = comparison.train_all(profile, dataset, out, variants=["compact", "without"], seeds=2)
    return list(models), out


def test_seeds_share_the_split_and_variants_differ_in_one_thing():
    profile = load_profile("best", ["seed=5", "data.split_seed=3"])
    for seed in (0, 1):
        other = comparison.changed(profile, "sentence", seed)
        assert (other.seed, other.split_seed) == (seed, 3)
        assert other.model.fusion == "sentence"
    same = comparison.changed(profile, "compact", 5)
    assert same == profile
    assert comparison.changed(profile, "unpaired", 5).training.losses.change == 0
    with pytest.raises(CsalganError, match="use one of compact"):
        comparison.changed(profile, "compct", 0)


def test_a_finished_run_is_not_trained_again(trained, dataset):
    models, _ = trained
    assert [(m.variant, m.seed) for m in models] == [("compact", 0), ("compact", 1), ("without", 0)]
    first = models[0].run
    before = (first.folder / "best.safetensors").stat().st_mtime_ns
    comparison.train_or_load(first.profile, dataset, first.folder)
    assert (first.folder / "best.safetensors").stat().st_mtime_ns == before
    other = (models[1].run.folder / "best.safetensors").read_bytes()
    assert (first.folder / "best.safetensors").read_bytes() != other


def test_the_table_says_what_exchanging_sentences_costs(trained, dataset):
    models, out = trained
    scores = comparison.score_all(models, dataset)
    summary = comparison.summarise_all(scores, bootstrap=20)
    cells = summary.set_index(["run", "condition", "metric"])["mean"]
    # A model that sees no text loses nothing, to the last bit.
    assert cells["without-0", "salient", "cc_lost"] == 0
    assert cells["without-0", "non_salient", "cc_lost"] == 0
    own = scores[(scores.run == "compact-0") & (scores.metric == "cc")]
    pairs = own.pivot_table(index="record", columns="variant", values="value").dropna()
    pairs = pairs.join(own.drop_duplicates("record").set_index("record")["condition"])
    salient = pairs[pairs.condition == "salient"]
    assert cells["compact-0", "salient", "cc_lost"] == pytest.approx(
        (salient["true"] - salient["swapped"]).mean()
    )
    receipt = models[0].run.provenance
    path = comparison.write(out, scores, summary, receipt, "test")
    text = path.read_text(encoding="utf-8")
    assert "compact, seed 0" in text
    assert "compact, 2 seeds: mean ± SD" in text
    assert text.rstrip().endswith(receipt.line())
    assert not figure_info(out / "figures" / "00_comparison.png")["photographs"]
    assert len(pd.read_csv(out / "tables" / "comparison.csv")) == len(summary)


def test_packed_weights_predict_like_the_run_they_came_from(trained, dataset, tmp_path):
    run = trained[0][0].run
    path = tmp_path / "packed.safetensors"
    about = weights.pack(run, dataset, path)
    generator, read = weights.load(path)
    assert read == about
    assert isinstance(generator, CompactGenerator)
    train = trained[0][0].run.info["records"]["train"]
    assert 0 < about["split"]["training_images"] < train
    assert path.stat().st_size < (run.folder / "best.safetensors").stat().st_size * 0.52
    images = [np.random.default_rng(0).integers(0, 255, (40, 50, 3), dtype=np.uint8)]
    mine = Predictor.of_run(run).predict(images, ["a ball"])[0]
    packed = Predictor.shipped(str(path))
    assert np.allclose(packed.predict(images, ["a ball"])[0], mine, atol=0.02)
    assert packed.provenance == run.provenance


def test_files_that_are_not_packed_weights_are_named(tmp_path):
    path = tmp_path / "x.safetensors"
    for content in ({"a": torch.zeros(1)}, None):
        if content:
            save_file(content, path)
        else:
            save_file({"a": torch.zeros(1)}, path, metadata={"csalgan": json.dumps({"a": 1})})
        with pytest.raises(CsalganError, match=r"x\.safetensors: not weights that csalgan packed"):
            weights.load(path)
    with pytest.raises(CsalganError, match="no such weights"):
        weights.load("compact-klingon")


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
    evaluator = evaluation.evaluator_of(job, ["tuebingen"])
    (scores,) = evaluation.score_companion(job, evaluator)
    assert weights_file.stat().st_mtime_ns == before
    assert set(scores["model"]) == {evaluation.COMPACT}
    assert set(scores["subset"]) == set(job.profile.training.subsets)
    assert set(scores["profile"]) == {"demo-compact"}
    assert evaluator.provenance == job.provenance
    for subset in job.profile.training.subsets:
        rows = evaluation.rows_of(job, subset)["record"]
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
