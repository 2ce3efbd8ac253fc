"""Other datasets seen before the training itself."""

import json
import shutil
import sys

import numpy as np
import pytest
import torch
from gaze_sets import write_osie, write_scene500
from safetensors.torch import load_file

from csalgan.cli import main
from csalgan.config import load_profile
from csalgan.data import open_dataset
from csalgan.files.errors import CsalganError
from csalgan.prediction import Predictor
from csalgan.text import get_encoder
from csalgan.training import Run, Trainer, describe, loop, pretraining, same_settings, train


@pytest.fixture(scope="module")
def dataset(embedded, tmp_path_factory):
    """The embedded dataset, with two sets of free viewing beside it."""
    beside = tmp_path_factory.mktemp("pretraining")
    shutil.copytree(embedded, beside / "main")
    write_osie(beside / "osie")
    write_scene500(beside / "scene500")
    return open_dataset(beside / "main")


def profile(*overrides, data="[osie, scene500]"):
    fixed = ["training.patience=0", "training.epochs=2", "training.subsets=[total]"]
    before = [f"training.pretrain.data={data}", "training.pretrain.epochs=2"]
    return load_profile("smoke", [*fixed, *before, *overrides])


@pytest.fixture(scope="module")
def run(dataset, tmp_path_factory):
    return train(profile(), dataset, "total", tmp_path_factory.mktemp("run") / "a", progress=False)


def test_the_run_says_what_was_seen_before(run, dataset):
    names = run.provenance.pretraining
    prints = [open_dataset(dataset.root.parent / n).fingerprint[:12] for n in ("osie", "scene500")]
    assert names == f"OSIE (6 images) [{prints[0]}], Scene500 (3 images) [{prints[1]}]"
    assert f"pretrained on {names}" in run.provenance.line()
    assert run.info["pretrained_on"] == prints
    rows = (run.folder / "pretraining.csv").read_text().splitlines()
    assert [row.split(",")[0] for row in rows] == ["epoch", "1", "2"]
    assert run.history["epoch"].tolist() == [1, 2]
    assert len(run.info["seconds_per_epoch"]) == 2
    assert run.complete


def test_it_changes_what_is_learnt_and_none_leaves_all_as_it_was(run, dataset, tmp_path):
    plain = train(profile(data="[]"), dataset, "total", tmp_path / "none", progress=False)
    assert plain.provenance.pretraining == ""
    assert "pretraining" not in plain.provenance.as_dict()
    assert not (plain.folder / "pretraining.csv").exists()
    bare = load_profile("smoke", ["training.patience=0", "training.epochs=2"])
    same = train(bare, dataset, "total", tmp_path / "bare", progress=False)
    files = [r.folder / "last.safetensors" for r in (run, plain, same)]
    assert files[1].read_bytes() == files[2].read_bytes()
    weights, others = load_file(files[0]), load_file(files[1])
    assert any(not torch.equal(weights[key], others[key]) for key in weights)


@pytest.mark.parametrize("stop", [2, 3, 4])
def test_it_resumes_to_the_same_bits(run, dataset, tmp_path, monkeypatch, stop):
    """Killed in the second epoch of pretraining, right after it, and in the second after that."""

    class Stop(Exception):
        pass

    original, calls = loop._train_epoch, []

    def cut(*arguments):
        calls.append(1)
        if len(calls) == stop:
            raise Stop
        return original(*arguments)

    monkeypatch.setattr(pretraining, "cached", lambda info: tmp_path / "cache")  # none is known
    with pytest.MonkeyPatch.context() as patch, pytest.raises(Stop):
        patch.setattr(loop, "_train_epoch", cut)
        train(profile(), dataset, "total", tmp_path / "run", progress=False)
    half = Run.load(tmp_path / "run")
    assert not half.complete
    assert len(half.history) == max(0, stop - 3)
    again = train(profile(), dataset, "total", tmp_path / "run", resume=True, progress=False)
    for name in ("best.safetensors", "last.safetensors", "history.csv", "pretraining.csv"):
        assert (run.folder / name).read_bytes() == (again.folder / name).read_bytes()


def test_runs_that_differ_after_pretraining_share_it(run, dataset, tmp_path, monkeypatch):
    epochs = []
    original = loop._train_epoch
    monkeypatch.setattr(loop, "_train_epoch", lambda *a: epochs.append(a) or original(*a))
    folds = profile("data.split=folds", "data.fold=2", "training.epochs=1")
    fold = train(folds, dataset, "total", tmp_path / "fold", progress=False)
    assert len(epochs) == 1
    again = train(profile(), dataset, "total", tmp_path / "again", progress=False)
    assert len(epochs) == 1 + 2
    for name in ("last.safetensors", "history.csv", "pretraining.csv"):
        assert (run.folder / name).read_bytes() == (again.folder / name).read_bytes()
    before = "pretraining.csv"
    assert (fold.folder / before).read_bytes() == (run.folder / before).read_bytes()
    paths = {pretraining.cached(describe(p, dataset, "total")) for p in (folds, profile())}
    assert len(paths) == 1
    for change in (
        "seed=1",
        "data.size=64",
        "training.pretrain.epochs=3",
        "training.ema_decay=0.5",
    ):
        info = describe(profile(change), dataset, "total")
        assert pretraining.cached(info) not in paths
    (path,) = paths
    path.write_bytes(path.read_bytes()[:1000])  # a damaged cache costs time only
    mended = train(profile(), dataset, "total", tmp_path / "mended", progress=False)
    assert (mended.folder / before).read_bytes() == (run.folder / before).read_bytes()
    assert len(epochs) == 1 + 2 + 4


def test_all_free_viewing_is_seen_without_a_sentence(dataset):
    encoder = get_encoder("hashing")
    sets = pretraining.other_sets(profile("training.batch_size=2"), dataset)
    trainer = pretraining.first_trainer(profile("training.batch_size=2"), encoder)
    seen = pretraining.Mixed(sets, trainer, encoder)
    empty = torch.from_numpy(encoder.encode([""]))
    found = list(seen.shuffled(0, 1))
    assert len(found) == len(seen) == 3 + 2
    assert sum(map(len, found)) == 9
    assert all(torch.equal(batch.text, empty.expand(len(batch), -1)) for batch in found)
    again = [batch.image for batch in seen.shuffled(0, 1)]
    assert all(torch.equal(a.image, b) for a, b in zip(found, again, strict=True))
    other = [batch.image for batch in seen.shuffled(0, 2)]
    assert any(a.image.shape != b.shape or not torch.equal(a.image, b)
               for a, b in zip(found, other, strict=True))  # fmt: skip


def test_the_second_game_begins_with_the_average_of_the_first():
    encoder = get_encoder("hashing")
    settings = profile("training.ema_decay=0.9")
    first, second = (Trainer(settings, encoder) for _ in range(2))
    with torch.no_grad():
        for number, weight in enumerate(first.averaged.module.parameters()):
            weight.fill_(number / 100)
    pretraining.take_over(second, pretraining.hand_over(first))
    for network in (second.generator, second.best_generator):
        for number, weight in enumerate(network.parameters()):
            assert torch.equal(weight, torch.full_like(weight, number / 100))


def test_where_the_data_lie_is_no_part_of_a_run(run, dataset, tmp_path):
    places = [str(dataset.root.parent / name) for name in ("osie", "scene500")]
    moved = profile(data=json.dumps(places))
    assert same_settings(describe(moved, dataset, "total"), run.info) is None
    write_osie(tmp_path / "osie", seed=5)
    other = profile(data=json.dumps([str(tmp_path / "osie"), places[1]]))
    difference = same_settings(describe(other, dataset, "total"), run.info)
    assert difference.startswith("pretraining data [")
    longer = describe(profile("training.pretrain.epochs=3"), dataset, "total")
    assert "training.pretrain.epochs" in same_settings(longer, run.info)


def test_a_run_from_before_this_setting_is_the_same_run(run, dataset):
    plain = describe(profile("training.pretrain.epochs=4", data="[]"), dataset, "total")
    old = json.loads(json.dumps(plain))
    del old["pretrained_on"], old["profile"]["training"]["pretrain"]
    assert same_settings(plain, old) is None


def test_data_that_cannot_be_pretrained_on_are_one_sentence(dataset, tmp_path):
    with pytest.raises(CsalganError, match=r"there is no .*/nowhere; put the dataset there"):
        pretraining.other_sets(profile(data="[nowhere]"), dataset)
    with pytest.raises(CsalganError, match=r"and 11 more of the images of .*; pretrain on others"):
        pretraining.other_sets(profile(data="[main]"), dataset)
    part = tmp_path / "part"  # those that are tested are among all of the release
    shutil.copytree(dataset.root, part)
    first = dataset.records["image_id"].iloc[0]
    for path in part.glob(f"*/{first}*"):
        path.unlink()
    whole = profile(data=f"[{dataset.root}]")
    with pytest.raises(CsalganError, match=r"and 10 more of the images of .*part; pretrain on"):
        pretraining.other_sets(whole, open_dataset(part))


def test_what_was_pretrained_on_is_said_when_it_is_predicted_or_scored(
    run, dataset, tmp_path, monkeypatch, capsys
):
    seen, other = dataset.root.parent / "osie", tmp_path / "other"
    write_osie(other, n_images=8)  # another release, with the six images in it
    for arguments in (
        ("predict", "--data", seen, "--part", "test", "--run", run.folder, "--out", tmp_path / "a"),
        ("evaluate", run.folder, "--data", seen, "--split", "test"),
        ("evaluate", run.folder, "--data", other, "--split", "test"),
    ):
        monkeypatch.setattr(sys, "argv", ["csalgan", *map(str, arguments)])
        with pytest.raises(SystemExit) as stopped:
            main()
        said = capsys.readouterr()
        assert not stopped.value.code, said.err
        assert "pretrained on 6 images of these data" in said.out + said.err
    (weights_of := run.info.copy()).pop("pretraining_images")  # a run of before
    predictor = Predictor.of_run(Run(run.folder, weights_of, run.history))
    assert [predictor.pretrained_on(open_dataset(one)) for one in (seen, other)] == [6, 0]


def test_history_of_pretraining_is_finite(run):
    values = np.genfromtxt(run.folder / "pretraining.csv", delimiter=",", names=True)
    assert all(np.isfinite(values[name]).all() for name in values.dtype.names)
