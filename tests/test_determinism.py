"""Twice the same: what a process trains and scores, another one trains and scores to the bit.

On the CPU everything is decided by the profile (its seed, its number of threads) and the data. On a
GPU convolutions add in an order of their own: there losses agree to 1 in 1000 after an epoch.
"""

import os
import shutil
import subprocess
import sys

import pandas as pd
import pytest
from conftest import GPUS

#: A training and its scores, as a user makes them.
CODE = """
import sys
from pathlib import Path
from csalgan.config import load_profile
from csalgan.data import make_split, open_dataset
from csalgan.evaluation import Evaluator
from csalgan.prediction import Predictor
from csalgan.training import train

out = Path(sys.argv[3])
dataset, profile = open_dataset(sys.argv[2]), load_profile(sys.argv[1], sys.argv[4:])
run = train(profile, dataset, "total", out, progress=False)
split = make_split(dataset.records, seed=profile.split_seed)
rows = split.of("test", dataset.records)
maps = Predictor.of_run(run).predict_records(dataset, rows)
scores = Evaluator(dataset, split, provenance=run.provenance)(maps, rows)
scores.to_csv(out / "scores.csv", index=False)
"""
MODELS = {
    "paper": ("smoke", ["training.epochs=2"]),
    "compact": ("demo-compact", ["training.epochs=2", "text.encoder=hashing"]),
}


def make(name: str, data, out, home, *more: str, threads: str = "1"):
    profile, changes = MODELS[name]
    command = [sys.executable, "-c", CODE, profile, str(data), str(out), *changes, *more]
    environment = os.environ | {"CSALGAN_HOME": str(home), "OMP_NUM_THREADS": threads}
    if "training.device=cuda" in more:
        del environment["CUDA_VISIBLE_DEVICES"]
        environment |= {} if GPUS is None else {"CUDA_VISIBLE_DEVICES": GPUS}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if "training.device=cuda: no CUDA device" in done.stderr:
        pytest.skip("no CUDA device that torch can use")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", MODELS)
def test_two_processes_give_the_same_bytes(name, embedded, tmp_path, home):
    """However many threads the machine or its user offers them."""
    how = ("training.device=cpu", "training.threads=2")
    for folder, threads in (("one", "1"), ("two", "3")):
        make(name, embedded, tmp_path / folder, home, *how, threads=threads)
    for file in ("history.csv", "best.safetensors", "last.safetensors", "scores.csv"):
        found = {(tmp_path / folder / file).read_bytes() for folder in ("one", "two")}
        assert len(found) == 1, file


@pytest.mark.skipif(not shutil.which("nvidia-smi"), reason="no CUDA device is here")
@pytest.mark.parametrize("name", MODELS)
def test_on_a_gpu_two_processes_agree_closely(name, embedded, tmp_path, home):
    for folder in ("one", "two"):
        make(name, embedded, tmp_path / folder, home, "training.device=cuda")
    one, two = (pd.read_csv(tmp_path / folder / "history.csv") for folder in ("one", "two"))
    pd.testing.assert_frame_equal(one.head(1), two.head(1), rtol=1e-3, atol=1e-3)
