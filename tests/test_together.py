"""One model trained by two processes: the same losses, the same weights, files written once."""

import os
import subprocess
import sys

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from csalgan.training import together

#: Profile and changes: float32, and no layer that draws at random in each process.
MODELS = {
    "paper": ("smoke", ["training.batch_size=5"]),
    "compact": (
        "demo-compact",
        ["data.size=64", "text.encoder=hashing", "training.batch_size=3", "model.dropout=0.0"]
        + ["model.channels=16", "training.augment.drop_words=0.0"],
    ),
}


LAUNCH = [sys.executable, "-m", "torch.distributed.run", "--standalone"]


def train(name: str, data, out, processes: int, home) -> str:
    profile, changes = MODELS[name]
    launcher = [sys.executable, "-m", "csalgan"]
    if processes > 1:
        launcher = [*LAUNCH, f"--nproc-per-node={processes}", "-m", "csalgan"]
    command = [*launcher, "train", "--profile", profile, "--data", str(data), "--out", str(out)]
    for change in ("training.precision=float32", "training.epochs=1", *changes):
        command += ["--set", change]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "CSALGAN_HOME": str(home)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


#: The first step of a training; what each network's gradient was goes to a file.
STEP = """
import sys, torch
from csalgan import losses
from csalgan.config import load_profile
from csalgan.data import make_split, open_dataset, prepare
from csalgan.text import get_encoder
from csalgan.text.sentences import read_sentences
from csalgan.training import Batches, Game, discriminator_step, embed, generator_step, together
from csalgan.training.run import part_rows

profile = load_profile(sys.argv[1], sys.argv[4:])
dataset = open_dataset(sys.argv[2])
with together.joined():
    encoder, prepared = get_encoder(profile.text.encoder), prepare(dataset, profile.data.size)
    texts = dataset.records["text"].tolist()
    compact = profile.model.kind == "compact"
    text = read_sentences(encoder, texts) if compact else embed(encoder, texts, False)
    game = Game(profile, encoder)
    split = make_split(dataset.records, seed=0)
    rows = part_rows(dataset, profile, split, "total")["train"]
    batches = Batches(prepared, rows, text, profile.training.batch_size, game.device,
                      by=profile.training.batches, map_size=game.map_size)
    game.begin_epoch(2)  # after the epoch in which a pretrained encoder stands still
    batch = next(batches.shuffled(0, 1))
    prediction = game.predict(batch)
    values = {"d_loss": discriminator_step(game, batch, prediction)}
    values |= {f"d {k}": p.grad for k, p in game.discriminator.named_parameters()}
    values["g_loss"], values["content"] = generator_step(game, batch, prediction)
    values |= {f"g {k}": p.grad for k, p in game.generator.named_parameters() if p.grad is not None}
    if together.is_first():
        torch.save(values, sys.argv[3])
"""


def first_step(name: str, data, out, processes: int, home) -> dict[str, torch.Tensor]:
    script = out.with_suffix(".py")
    script.write_text(STEP)
    profile, changes = MODELS[name]
    changes = ["training.precision=float32", "training.adversarial_weight=0.5", *changes]
    command = [sys.executable, str(script)]
    if processes > 1:
        command = [*LAUNCH, f"--nproc-per-node={processes}", str(script)]
    command += [profile, str(data), str(out), *changes]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "CSALGAN_HOME": str(home)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    return torch.load(out, weights_only=True)


@pytest.mark.parametrize("name", MODELS)
def test_the_gradient_of_two_processes_is_that_of_one(name, embedded, tmp_path, home):
    one = first_step(name, embedded, tmp_path / "one", 1, home)
    two = first_step(name, embedded, tmp_path / "two", 2, home)
    assert one.keys() == two.keys()
    assert sum(key.startswith("g ") for key in one) > 10
    # Eleven batch norms over five records multiply the rounding of float32 on the way down.
    tolerance = {"paper": 3e-2, "compact": 1e-3}[name]
    largest = max(float(value.abs().max()) for value in one.values())
    for key, value in one.items():
        # A bias in front of batch norm has no gradient but rounding.
        scale = max(1e-3 * largest, float(value.abs().max()))
        assert torch.allclose(value, two[key], rtol=0, atol=tolerance * scale), (
            key,
            float((value - two[key]).abs().max()) / scale,
        )


@pytest.mark.parametrize("name", MODELS)
def test_two_processes_train_what_one_does(name, embedded, tmp_path, home):
    """An epoch's losses agree to 5 in 10,000: sums are taken in another order, and Adam divides
    by gradients that are nothing but rounding."""
    train(name, embedded, tmp_path / "one", 1, home)
    said = train(name, embedded, tmp_path / "two", 2, home)
    assert said.count("best epoch") == 1
    one, two = (pd.read_csv(tmp_path / kind / "history.csv") for kind in ("one", "two"))
    losses = ["generator", "discriminator", "content"]
    pd.testing.assert_frame_equal(one[losses], two[losses], rtol=5e-4)
    pd.testing.assert_frame_equal(one, two, atol=2e-2)  # of barely trained networks
    one, two = (load_file(tmp_path / kind / "last.safetensors") for kind in ("one", "two"))
    assert one.keys() == two.keys()


def test_batch_norm_of_the_whole_batch_is_batch_norm():
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT="0")
    torch.manual_seed(0)
    plain = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))
    torch.distributed.init_process_group("gloo", rank=0, world_size=1, store=_store())
    try:
        x = torch.randn(5, 3, 6, 6)
        for training in (True, False):
            plain.train(training)
            before = {k: v.clone() for k, v in plain.state_dict().items()}
            expected = plain(x)
            after = {k: v.clone() for k, v in plain.state_dict().items()}
            plain.load_state_dict(before)
            other = together.with_whole_batch_norms(nn.Sequential(*plain)).train(training)
            assert torch.allclose(other(x), expected, atol=1e-5)
            for key, value in other.state_dict().items():
                assert torch.allclose(value, after[key], atol=1e-5), key
    finally:
        torch.distributed.destroy_process_group()


def _store():
    return torch.distributed.HashStore()
