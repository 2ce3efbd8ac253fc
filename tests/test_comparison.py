"""Variants of the compact model side by side, seeds on one split, and weights in one file."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import save_file

from csalgan import comparison, weights
from csalgan.config import load_profile
from csalgan.data import open_dataset
from csalgan.errors import CsalganError
from csalgan.models import CompactGenerator
from csalgan.prediction import Predictor

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
    path = comparison.write(out, scores, summary, "a receipt", "test")
    text = path.read_text(encoding="utf-8")
    assert "compact, seed 0" in text
    assert "compact, 2 seeds: mean ± SD" in text
    assert text.rstrip().endswith("a receipt")
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
