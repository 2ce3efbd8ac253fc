"""Adversarial training: its losses, its two steps, and runs that resume to the same bits."""

import errno
import json
import math
import os
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torch.nn import functional as F

from csalgan.cli.evaluate import evaluate
from csalgan.cli.train import train as command_line
from csalgan.config import load_profile
from csalgan.data import make_split, open_dataset
from csalgan.data.synthetic import synthesise
from csalgan.experiment.job import Job
from csalgan.files.errors import CsalganError
from csalgan.metrics import tuebingen
from csalgan.models.build import new_players
from csalgan.prediction import Predictor, weights
from csalgan.training import (
    HISTORY_COLUMNS,
    Batch,
    Run,
    Trainer,
    discriminator_step,
    embed,
    generator_step,
    loop,
    losses,
    part_rows,
    train,
)
from csalgan.training import trainer as steps
from csalgan.training.run import subset_records


@pytest.fixture(scope="module")
def dataset(embedded):
    return open_dataset(embedded)


def profile(*overrides):
    return load_profile("smoke", list(overrides))


class EightNumbers:
    """A text encoder as far as the paper's generator asks."""

    dim = 8


def trainer_and_batch(*overrides):
    trainer = Trainer(profile("training.precision=float32", *overrides), EightNumbers())
    generator = torch.Generator().manual_seed(1)
    batch = Batch(
        image=torch.rand(3, 3, 32, 32, generator=generator),
        text=torch.randn(3, 8, generator=generator),
        measured=losses.Measured(
            torch.rand(3, 1, 32, 32, generator=generator), torch.ones(3, 1, 32, 32), torch.arange(3)
        ),
    )
    return trainer, batch


def copies(network):
    return {key: value.clone() for key, value in network.state_dict().items()}


def same(network, before):
    return all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


def test_losses_are_salgans_cross_entropies():
    logits = torch.tensor([[-2.0], [0.5], [3.0]])
    ones, zeros = torch.ones(3, 1), torch.zeros(3, 1)
    probability = torch.sigmoid(logits)
    assert losses.fooling_loss(logits).item() == pytest.approx(
        F.binary_cross_entropy(probability, ones).item(), rel=1e-6
    )
    expected = F.binary_cross_entropy(probability, ones) + F.binary_cross_entropy(
        torch.sigmoid(-logits), zeros
    )
    assert losses.discriminator_loss(logits, -logits).item() == pytest.approx(
        expected.item(), rel=1e-6
    )
    # An undecided discriminator pays 2 ln 2; a hopeless one stays finite.
    assert losses.discriminator_loss(zeros, zeros).item() == pytest.approx(2 * math.log(2))
    assert losses.fooling_loss(torch.tensor([[-1e4]])).item() == pytest.approx(1e4)


def test_the_discriminator_step_leaves_the_generator_alone():
    trainer, batch = trainer_and_batch()
    prediction = trainer.predict(batch)
    before = copies(trainer.generator)
    d_before = copies(trainer.discriminator)
    discriminator_step(trainer, batch, prediction)
    assert same(trainer.generator, before)
    assert all(parameter.grad is None for parameter in trainer.generator.parameters())
    assert not same(trainer.discriminator, d_before)


def test_the_generator_step_leaves_the_discriminator_alone():
    trainer, batch = trainer_and_batch()
    prediction = trainer.predict(batch)
    before = copies(trainer.discriminator)
    g_before = copies(trainer.generator)
    loss, content = generator_step(trainer, batch, prediction)
    assert same(trainer.discriminator, before)
    assert all(parameter.grad is None for parameter in trainer.discriminator.parameters())
    assert all(parameter.requires_grad for parameter in trainer.discriminator.parameters())
    assert not same(trainer.generator, g_before)
    fooling = losses.fooling_loss(trainer.discriminator.logits(prediction)).item()
    assert loss.item() == pytest.approx(content.item() + fooling, rel=1e-5)


def test_the_weights_of_the_losses_reach_the_gradient():
    def loss(*overrides):
        trainer, batch = trainer_and_batch(*overrides)
        return [float(x) for x in generator_step(trainer, batch, trainer.predict(batch))]

    both, content = loss("training.content_weight=0.05")
    only_content, _ = loss("training.content_weight=0.05", "training.adversarial_weight=0.0")
    only_game, _ = loss("training.content_weight=0.0")
    assert only_content == pytest.approx(0.05 * content, rel=1e-6)
    assert both == pytest.approx(only_content + only_game, rel=1e-5)


def test_bfloat16_stays_close_to_float32():
    outputs = []
    for precision in ("float32", "bfloat16"):
        trainer, batch = trainer_and_batch(f"training.precision={precision}")
        with torch.inference_mode():
            outputs.append(trainer.predict(batch))
    # bfloat16 keeps 8 bits of the mantissa: 2^-8 relative in each of a dozen layers.
    assert torch.allclose(*outputs, atol=0.02)


def test_bfloat16_gradients_of_both_players_are_those_of_float32():
    gradients = []
    for precision in ("float32", "bfloat16"):
        trainer, batch = trainer_and_batch(f"training.precision={precision}")
        prediction = trainer.predict(batch)
        for network in (trainer.generator, trainer.discriminator):
            for parameter in network.parameters():
                parameter.grad = None
        with trainer.autocast():
            fake = trainer.discriminator.logits(prediction)
        content = losses.content_loss(prediction, batch.measured, trainer.config.losses)
        (content + losses.fooling_loss(fake)).backward()
        networks = (trainer.generator, trainer.discriminator)
        gradients.append({(i, name): p.grad for i, network in enumerate(networks)
                          for name, p in network.named_parameters()})  # fmt: skip
    exact, rounded = gradients
    for name, gradient in exact.items():
        if gradient.norm() > 1e-4:  # a bias before a batch norm has no gradient but rounding
            angle = torch.cosine_similarity(gradient.flatten(), rounded[name].flatten(), dim=0)
            assert angle > 0.9, name  # rounding in a dozen layers; a wrong kernel has about 0


def test_the_discriminators_last_layer_takes_features_channels_first():
    discriminator = new_players(profile(), EightNumbers())[1]
    features = discriminator.features(torch.rand(2, 1, 32, 32))
    expected = F.linear(features.flatten(1), discriminator.decide.weight, discriminator.decide.bias)
    for order in (torch.contiguous_format, torch.channels_last):
        ours = discriminator.decide(features.contiguous(memory_format=order))
        assert torch.allclose(ours, expected, atol=1e-6)


def test_subsets_and_parts_follow_the_paper_or_its_code(dataset):
    ours, theirs = profile(), profile("data.free_viewing=all", "data.split=record")
    four = dataset.records["n_records"] == 4
    sal = subset_records(dataset, "sal")
    assert set(sal["condition"]) == {"none", "salient"}
    assert len(sal) == 2 * dataset.records.loc[four, "image_id"].nunique()
    everyone = subset_records(dataset, "sal", "all")
    assert (everyone["condition"] == "none").sum() == dataset.records["image_id"].nunique()

    split = make_split(dataset.records, rule="image", seed=0)
    parts = part_rows(dataset, ours, split, "total")
    images = {part: set(dataset.records.loc[rows, "image_id"]) for part, rows in parts.items()}
    assert not images["train"] & images["test"]
    assert not images["train"] & images["val"]
    assert sum(len(rows) for rows in parts.values()) == len(dataset.records)
    leaky = make_split(dataset.records, rule="record", seed=0)
    rows = part_rows(dataset, theirs, leaky, "total")
    leaked = set(dataset.records.loc[rows["train"], "image_id"])
    assert leaked & set(dataset.records.loc[rows["test"], "image_id"])


def test_the_authors_code_cuts_text_to_integers():
    class Encoder:
        def encode(self, texts):
            return np.array([[0.4, -0.9, 1.7, -2.2]] * len(texts), dtype=np.float32)

    assert embed(Encoder(), ["a"], cast_to_int=True).tolist() == [[0, 0, 1, -2]]
    assert embed(Encoder(), ["a"], cast_to_int=False).dtype == np.float32


@pytest.mark.parametrize(("schedule", "last"), [("constant", 1.0), ("cosine", 0.0269)])
def test_a_cosine_lowers_the_rate_until_the_last_step(
    dataset, tmp_path, monkeypatch, schedule, last
):
    step, rates = loop.step, []

    def noted(trainer, batch):
        rates.append(trainer.generator_optimiser.param_groups[0]["lr"])
        return step(trainer, batch)

    monkeypatch.setattr(loop, "step", noted)
    settings = ["training.epochs=2", "training.batch_size=4", f"training.schedule={schedule}"]
    asked = profile(*settings)
    run = train(asked, dataset, "total", tmp_path / "run", progress=False)
    assert len(rates) == 2 * math.ceil(run.info["records"]["train"] / 4) == 12
    assert rates[-1] == pytest.approx(last * asked.training.learning_rate, rel=0.01)


def test_a_run_leaves_everything_needed_to_reload_it(dataset, tmp_path):
    run = train(profile(), dataset, "total", tmp_path / "run", progress=False)
    assert sorted(path.name for path in run.folder.iterdir()) == [
        ".lock",
        "best.safetensors",
        "history.csv",
        "last.safetensors",
        "run.json",
    ]
    assert tuple(run.history.columns) == HISTORY_COLUMNS
    assert run.history["epoch"].tolist() == [1]
    assert np.isfinite(run.history.to_numpy()).all()
    assert run.complete
    assert run.profile == profile()
    assert run.provenance.fingerprint == dataset.fingerprint[:12]
    assert run.provenance.encoder == "hashing"
    assert "synthetic" in run.provenance.data
    assert sum(run.info["records"].values()) == len(dataset.records)


def test_the_generator_of_a_run_is_the_one_its_profile_keeps(dataset, tmp_path):
    run = train(profile("training.keep=last"), dataset, "sal", tmp_path / "run", progress=False)
    (run.folder / "best.safetensors").unlink()
    last = run.generator("last").state_dict()
    assert all(torch.equal(last[key], value) for key, value in run.generator().state_dict().items())
    keeping_best = Run(run.folder, run.info | {"profile": profile().as_dict()}, run.history)
    with pytest.raises(CsalganError, match=r"best\.safetensors"):
        keeping_best.generator()


def test_weights_for_others_are_trained_on_every_image(dataset, embedded, tmp_path):
    everything = profile("data.split=all", "training.keep=last")
    run = train(everything, dataset, "total", tmp_path / "run", progress=False)
    assert run.info["records"] == {"train": len(dataset.records), "val": 0, "test": 0}
    assert run.history["val_cc"].isna().all()  # no score that looks like one of images unseen
    known = weights.pack(run, tmp_path / "packed.safetensors")
    assert len(known["images"]) == dataset.records["image_id"].nunique()
    assert weights.load_packed(tmp_path / "packed.safetensors").info == known
    own = train(profile(), dataset, "sal", tmp_path / "sal", progress=False)
    packed = weights.pack(own, tmp_path / "sal.safetensors")
    assert packed["images"] == own.info["images"]
    assert len(packed["images"]) < own.info["records"]["train"]
    assert known["validation"] == {"cc": None, "nss": None}
    predictor = Predictor.of_run(run)
    assert not len(predictor.split_of(dataset).test)
    other = open_dataset(synthesise(tmp_path / "other", n_images=16, seed=1))
    assert len(predictor.split_of(other).test)  # none of those was seen
    with pytest.raises(CsalganError, match=r"trained on all of these images.*--split all"):
        evaluate(run.folder, data=str(embedded), split="test")
    with pytest.raises(CsalganError, match=r"data\.split=all.*training\.keep=last"):
        profile("data.split=all")
    with pytest.raises(CsalganError, match=r"data\.split=all leaves no image to test"):
        _ = Job(everything, dataset, tmp_path).split


def reversed_pictures(dataset, records, folders=("map", "fixation", "image")):
    """Turn the pictures of some records by half a turn, in place."""
    rows = dataset.records[dataset.records["record"].isin(records)]
    for path in set(rows[[f"{folder}_path" for folder in folders]].to_numpy().ravel()):
        with Image.open(path) as picture:
            turned = picture.transpose(Image.Transpose.ROTATE_180)
        turned.save(path)


def test_nothing_of_a_test_image_reaches_training_or_the_choice_of_an_epoch(embedded, tmp_path):
    two = profile("training.epochs=2")

    def trained(name: str, change=None):
        shutil.copytree(embedded, tmp_path / name / "set")
        dataset = open_dataset(tmp_path / name / "set")
        if change:
            change(dataset, make_split(dataset.records, rule="image", seed=two.split_seed))
            dataset = open_dataset(dataset.root)
        run = train(two, dataset, "total", tmp_path / name / "run", progress=False)
        weights = {
            one: (run.folder / f"{one}.safetensors").read_bytes() for one in ("best", "last")
        }
        return dataset.fingerprint, weights, run.history

    fingerprint, weights, history = trained("before")
    assert two.training.keep == "best"
    other, same_weights, same_history = trained(
        "test", lambda data, split: reversed_pictures(data, split.test)
    )
    assert other != fingerprint
    assert same_weights == weights
    pd.testing.assert_frame_equal(same_history, history)
    _, changed, _ = trained("train", lambda d, s: reversed_pictures(d, s.train[:1], ["map"]))
    assert changed["last"] != weights["last"]
    _, kept, validated = trained("val", lambda d, s: reversed_pictures(d, s.val[:1], ["map"]))
    assert kept["last"] == weights["last"]
    assert (validated["val_cc"] != history["val_cc"]).all()


def test_validation_is_the_mean_over_records_of_the_benchmarks_scores():
    trainer, batch = trainer_and_batch()
    mask = torch.rand(3, 1, 32, 32, generator=torch.Generator().manual_seed(2)) < 0.05
    batch = replace(batch, measured=batch.measured._replace(fixations=mask.float()))
    batches = [batch, batch.first(1)]  # the last one is smaller
    found, expected = loop._validate(trainer, batches), []
    for one in batches:
        with torch.inference_mode():
            made = trainer.predict(one, trainer.best_generator.eval())[:, 0].numpy()
        for values, truth, fixated in zip(made, one.measured.saliency_map, mask, strict=False):
            points = np.argwhere(fixated[0].numpy())
            expected.append((tuebingen.cc(values, truth[0].numpy()), tuebingen.nss(values, points)))
    assert (found["val_cc"], found["val_nss"]) == pytest.approx(np.mean(expected, axis=0))


def test_the_best_weights_are_those_of_the_best_validation_cc(dataset, tmp_path, monkeypatch):
    scores, lasts = iter([0.1, 0.3, 0.2]), []
    validate, save = loop._validate, loop._Training.save_epoch
    monkeypatch.setattr(loop, "_validate", lambda *of: validate(*of) | {"val_cc": next(scores)})

    def saved(run, trainer):
        save(run, trainer)
        lasts.append((run.out / "last.safetensors").read_bytes())

    monkeypatch.setattr(loop._Training, "save_epoch", saved)
    run = train(profile("training.epochs=3"), dataset, "sal", tmp_path / "run", progress=False)
    assert len(set(lasts)) == 3
    assert (run.folder / "best.safetensors").read_bytes() == lasts[1]
    assert run.info["best_epoch"] == run.kept["epoch"] == 2


#: So that a finished run can be given more epochs.
KEEP = "training.keep_state=true"


def test_a_finished_run_is_known_without_its_state_and_says_that_it_cannot_go_on(dataset, tmp_path):
    folder = tmp_path / "run"
    train(profile(), dataset, "sal", folder, progress=False)
    assert not (folder / "state.pt").exists()
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir() if path.suffix}
    assert train(profile(), dataset, "sal", folder, resume=True, progress=False).complete
    assert {path: path.stat().st_mtime_ns for path in before} == before
    more = profile("training.epochs=2")
    with pytest.raises(CsalganError, match=r"1 epochs, 2 are wanted.*training\.keep_state=true"):
        train(more, dataset, "sal", folder, resume=True, progress=False)
    kept = train(profile(KEEP), dataset, "sal", tmp_path / "kept", progress=False)
    assert (kept.folder / "state.pt").is_file()
    assert len(train(more, dataset, "sal", kept.folder, resume=True, progress=False).history) == 2
    assert not (kept.folder / "state.pt").exists()  # it was not asked to keep it this time


def test_resumed_training_ends_at_the_same_bits(dataset, tmp_path):
    three = profile("training.epochs=3")
    whole = train(three, dataset, "sal", tmp_path / "whole", progress=False)
    one = profile("training.epochs=1", KEEP)
    train(one, dataset, "sal", tmp_path / "cut", progress=False)
    state = torch.load(tmp_path / "cut" / "state.pt", weights_only=True)
    state["game"] = state.pop("trainer")  # as runs made before call it
    torch.save(state, tmp_path / "cut" / "state.pt")
    again = train(three, dataset, "sal", tmp_path / "cut", resume=True, progress=False)
    for name in ("best.safetensors", "last.safetensors", "history.csv"):
        assert (whole.folder / name).read_bytes() == (again.folder / name).read_bytes()


def test_a_finished_run_keeps_the_commit_that_trained_it(dataset, tmp_path, monkeypatch):
    folder = tmp_path / "run"
    trained = train(profile(KEEP), dataset, "sal", folder, progress=False).provenance.commit
    monkeypatch.setattr("csalgan.training.pretraining.commit", lambda: "another")
    again = train(profile(KEEP), dataset, "sal", folder, resume=True, progress=False)
    assert again.provenance.commit == trained != "another"
    more = profile("training.epochs=2")
    longer = train(more, dataset, "sal", folder, resume=True, progress=False)
    assert longer.provenance.commit == "another"


def test_a_run_is_not_overwritten_or_mixed(dataset, tmp_path):
    train(profile(), dataset, "sal", tmp_path / "run", progress=False)
    with pytest.raises(CsalganError, match="--resume"):
        train(profile(), dataset, "sal", tmp_path / "run", progress=False)
    with pytest.raises(CsalganError, match="training.learning_rate 0.0002 is now 0.001"):
        train(
            profile("training.learning_rate=0.001"),
            dataset,
            "sal",
            tmp_path / "run",
            resume=True,
            progress=False,
        )
    with pytest.raises(CsalganError, match="subset sal is now total"):
        train(profile(), dataset, "total", tmp_path / "run", resume=True, progress=False)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("mine")
    with pytest.raises(CsalganError, match="not empty and not a run"):
        train(profile(), dataset, "sal", tmp_path / "mine", progress=False)
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["thesis.tex"]
    (tmp_path / "file").write_text("mine")
    with pytest.raises(CsalganError, match="a file stands"):
        train(profile(), dataset, "sal", tmp_path / "file", progress=False)


def test_two_trainings_do_not_share_a_folder(dataset, embedded, tmp_path):
    """Nor does one work inside a folder that somebody else has, a report say."""
    folder = tmp_path / "report" / "runs" / "total"
    command = [sys.executable, "-c", HOLD, str(folder), str(folder.parents[1])]
    other = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert other.stdout.readline() == b"run\n"
    with pytest.raises(CsalganError, match=rf"total: process {other.pid} on .* works on this"):
        train(profile(), dataset, "total", folder, resume=True, progress=False)
    other.stdin.write(b"\n")
    other.stdin.flush()
    assert other.stdout.readline() == b"report\n"
    inside = rf"total: lies in .*report, on which process {other.pid}"
    with pytest.raises(CsalganError, match=inside):
        command_line(folder, profile="smoke", data=str(embedded))
    other.communicate(b"\n")
    assert [path.name for path in folder.iterdir()] == [".lock"]
    assert train(profile(), dataset, "total", folder, progress=False).complete


HOLD = """
import sys
from pathlib import Path
from csalgan.files.locks import locked
for name, folder in zip(("run", "report"), sys.argv[1:]):
    with locked(Path(folder)):
        print(name, flush=True)
        sys.stdin.readline()
"""


def test_two_notebooks_that_want_one_run_train_it_once(dataset, tmp_path, monkeypatch):
    job, epochs, others = Job(profile(), dataset, tmp_path), [], []
    one_more = loop._Training.train_one_more
    # What a notebook killed long ago left, its run.json gone, is no run and in nobody's way.
    (tmp_path / "runs" / "sal").mkdir(parents=True)
    (tmp_path / "runs" / "sal" / "history.csv").write_text("epoch,val_cc,val_nss\n1,1,1\n")
    with ThreadPoolExecutor(1) as pool:

        def train_one_more(*of):
            epochs.append(of)
            others.append(pool.submit(job.run, "sal", progress=False))
            time.sleep(0.5)
            assert not others[0].done()  # it waits
            assert not (tmp_path / "runs" / "sal" / "history.csv").exists()
            one_more(*of)

        monkeypatch.setattr(loop._Training, "train_one_more", train_one_more)
        mine = job.run("sal", progress=False)
        pd.testing.assert_frame_equal(others[0].result().history, mine.history)
    assert len(epochs) == len(mine.history) == 1


def test_unknown_and_empty_subsets_are_named(dataset, tmp_path):
    with pytest.raises(CsalganError, match="subset 'foo'"):
        train(profile(), dataset, "foo", tmp_path / "run", progress=False)

    class TwoRecordsOnly:
        root = dataset.root
        records = dataset.records[dataset.records["n_records"] == 2].reset_index(drop=True)

        def subset(self, name):
            return self.records.iloc[:0] if name in ("sal", "non_sal") else self.records

    split = make_split(TwoRecordsOnly.records, rule="image", seed=0)
    with pytest.raises(CsalganError, match="subset sal has no train records"):
        part_rows(TwoRecordsOnly(), profile(), split, "sal")


def test_a_loss_that_is_not_a_number_stops_with_one_sentence(dataset, tmp_path, monkeypatch):
    def broken(*_):
        return torch.tensor(float("nan"), requires_grad=True)

    monkeypatch.setattr("csalgan.training.trainer.content_loss", broken)
    with pytest.raises(CsalganError, match="the generator loss is nan at epoch 1, step 1"):
        train(profile(), dataset, "sal", tmp_path / "run", progress=False)
    assert not (tmp_path / "run" / "last.safetensors").exists()


def test_a_full_disk_stops_with_one_sentence_and_keeps_the_last_epoch(
    dataset, tmp_path, monkeypatch
):
    run = train(profile(KEEP), dataset, "sal", tmp_path / "run", progress=False)
    before = {path.name: path.read_bytes() for path in run.folder.iterdir()}
    whole = os.write

    def full(handle, data):
        if len(data) > 100_000:  # weights
            raise OSError(errno.ENOSPC, "No space left on device")
        return whole(handle, data)

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(CsalganError, match="No space left"):
        train(profile("training.epochs=2"), dataset, "sal", run.folder, resume=True, progress=False)
    after = {path.name: path.read_bytes() for path in run.folder.iterdir()}
    assert after == before


def test_a_broken_run_is_one_sentence(dataset, tmp_path):
    run = train(profile(), dataset, "sal", tmp_path / "run", progress=False)
    with pytest.raises(CsalganError, match="not a training run"):
        Run.load(tmp_path)
    info = json.loads((run.folder / "run.json").read_text())
    (run.folder / "best.safetensors").write_bytes(b"\xff" * 100)
    with pytest.raises(CsalganError, match=r"best\.safetensors"):
        run.generator()
    del info["subset"]
    (run.folder / "run.json").write_text(json.dumps(info))
    with pytest.raises(CsalganError, match="subset is missing"):
        Run.load(run.folder)
    (run.folder / "run.json").write_text("{")
    with pytest.raises(CsalganError, match="broken"):
        Run.load(run.folder)
    (run.folder / "state.pt").write_bytes(b"no state")
    with pytest.raises(CsalganError, match=r"cannot be read or go on from its state\.pt"):
        train(profile(), dataset, "sal", run.folder, resume=True, progress=False)


def test_a_run_json_of_another_make_is_one_sentence(dataset, tmp_path, quick):
    run = train(profile(), dataset, "sal", tmp_path / "run", progress=False)
    path, whole = run.folder / "run.json", json.loads((tmp_path / "run" / "run.json").read_text())
    provenance = whole["provenance"]
    for change in (
        {"provenance": [provenance]},
        {"provenance": {**provenance, "extra": 1}},
        {"provenance": {**provenance, "seed": "0"}},
        {"text_dim": 1e9},
        {"text_dim": 10**9},
        {"text_dim": True},
    ):
        path.write_text(json.dumps(whole | change))
        with pytest.raises(CsalganError, match=rf"run\.json: (provenance|{next(iter(change))})"):
            Run.load(run.folder)
    for text in ("[" * 100_000, json.dumps([whole]), "3", "null"):
        path.write_text(text)
        with pytest.raises(CsalganError, match="broken|not readable"):
            Run.load(run.folder)


def test_a_run_from_before_threads_were_written_down_is_still_opened(dataset, tmp_path, quick):
    run = train(profile("training.threads=1"), dataset, "sal", tmp_path / "run", progress=False)
    assert "threads: 1" in run.provenance.line()
    old = json.loads((run.folder / "run.json").read_text())
    for place in (old["profile"]["training"], old["provenance"]):
        del place["threads"]
    (run.folder / "run.json").write_text(json.dumps(old))
    again = train(
        profile("training.threads=2"), dataset, "sal", run.folder, resume=True, progress=False
    )
    assert again.complete
    assert "threads" not in again.provenance.line()


def test_the_generator_learns_a_map_it_is_shown(dataset, tmp_path):
    # Twelve epochs on a dozen images: the content loss must fall well below its start.
    learned = profile("training.epochs=12", "training.learning_rate=0.002")
    run = train(learned, dataset, "total", tmp_path / "run", progress=False)
    assert run.history["content"].iloc[-1] < 0.8 * run.history["content"].iloc[0]
    assert run.history["val_cc"].max() > run.history["val_cc"].iloc[0]


@pytest.mark.parametrize("where", ["loop._validate", "batches.Batches._batch"])
def test_no_room_outside_of_a_step_is_one_sentence_too(embedded, tmp_path, monkeypatch, where):
    def full(*_):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(f"csalgan.training.{where}", full)
    profile = load_profile("smoke", ["training.batch_size=8"])
    with pytest.raises(CsalganError, match="batch_size=8: .*; use a smaller training.batch_size"):
        train(profile, open_dataset(embedded), "total", tmp_path / "run", progress=False)


@pytest.mark.parametrize(("fits", "message"), [(3, "3 do, so use"), (0, "use a smaller data.size")])
def test_a_batch_too_large_for_the_device_names_the_largest_that_fits(
    embedded, tmp_path, monkeypatch, fits, message
):
    whole = steps.generator_step

    def step(trainer, batch, prediction):
        if len(batch) > fits:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return whole(trainer, batch, prediction)

    monkeypatch.setattr(steps, "generator_step", step)
    profile = load_profile("smoke", ["training.batch_size=8"])
    with pytest.raises(CsalganError, match=f"training.batch_size=8: .*{message}"):
        train(profile, open_dataset(embedded), "total", tmp_path / "run", progress=False)
    assert not (tmp_path / "run" / "state.pt").exists()
