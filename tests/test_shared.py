"""Several people and processes at once, and files of other versions."""

import json
import os
import subprocess
import sys
import time

import pytest
import torch

from csalgan.config import load_profile
from csalgan.data import make_split, open_dataset, prepare, require_clean, synthesise
from csalgan.evaluation import Evaluator
from csalgan.files import locks, provenance, writing
from csalgan.files.errors import CsalganError
from csalgan.files.provenance import Provenance
from csalgan.runner.state import State
from csalgan.training import Run, Trainer, train

HOLD = """
import sys, time
from pathlib import Path
from csalgan.files.locks import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def holding(folder):
    command = [sys.executable, "-c", HOLD, str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    return process


def test_who_works_is_told_to_whoever_may_read_the_folder(tmp_path, monkeypatch):
    process = holding(tmp_path)

    def refused(*_, **__):
        raise PermissionError("not ours to write")

    monkeypatch.setattr(locks, "FileLock", refused)
    try:
        assert f"process {process.pid} on" in locks.holder(tmp_path)
    finally:
        process.kill()
        process.wait()
    assert locks.holder(tmp_path) == ""


def test_where_the_system_has_no_locks_a_marked_file_is_one(tmp_path, monkeypatch):
    def none(*_):
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr("fcntl.flock", none)
    (tmp_path / ".lock").touch()
    assert locks.holder(tmp_path) == ""
    (tmp_path / ".lock").write_text("4711\nnode3\n")
    assert locks.holder(tmp_path) == "another process"


def test_a_point_that_trains_on_is_running_though_its_command_is_gone(tmp_path, command):
    state = State(tmp_path)
    state.expect(["point"])
    state.tell({"event": "started", "step": "point", "time": "t", "seconds": 0.0, "message": ""})
    (tmp_path / "runs" / "point").mkdir(parents=True)
    assert "interrupted" in command("status", tmp_path)[1]
    process = holding(tmp_path / "runs" / "point")
    try:
        assert "running" in command("status", tmp_path)[1]
    finally:
        process.kill()


def test_who_waits_says_for_whom(tmp_path, capsys):
    process = holding(tmp_path)
    time.sleep(0.1)
    code = HOLD.replace("(Path(sys.argv[1]))", "(Path(sys.argv[1]), wait=True)")
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    waiter = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], **pipes)
    assert f"waits for process {process.pid}" in waiter.stderr.readline()
    process.kill()
    assert waiter.stdout.readline() == "held\n"
    waiter.kill()


def test_data_that_change_while_they_are_read_are_not_kept_under_their_old_name(
    tmp_path, monkeypatch
):
    root = synthesise(tmp_path / "set", n_images=4, seed=3)
    dataset = open_dataset(root)
    fingerprint = dataset.fingerprint
    path = next((root / "map").iterdir())
    whole = path.read_bytes()
    path.write_bytes(next(p for p in (root / "map").iterdir() if p != path).read_bytes())
    with pytest.raises(CsalganError, match="was changed meanwhile"):
        prepare(dataset, 32)
    with pytest.raises(CsalganError, match="was changed meanwhile"):
        require_clean(dataset)
    path.write_bytes(whole)
    again = open_dataset(root)
    assert again.fingerprint == fingerprint
    row = again.records["map_path"].tolist().index(str(path))
    assert (
        prepare(again, 32).maps[row].tolist() == prepare(open_dataset(root), 32).maps[row].tolist()
    )


def test_half_made_files_of_killed_processes_go_after_a_day(tmp_path):
    old, new = (tmp_path / f"{writing.TEMPORARY}{name}" for name in ("old.npz", "new.npz"))
    for path in (old, new):
        path.touch()
    os.utime(old, (0, 0))
    (tmp_path / f"{writing.TEMPORARY}folder").mkdir()
    os.utime(tmp_path / f"{writing.TEMPORARY}folder", (0, 0))
    writing.remove_abandoned(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [new.name]


def test_a_pretraining_by_a_trainer_of_ones_own_is_nobody_elses(tmp_path):
    own, other = (open_dataset(synthesise(tmp_path / str(k), 12, seed=k)) for k in range(2))
    told = [f"training.pretrain.data=[{other.root}]", "training.pretrain.epochs=1"]
    profile = load_profile("smoke", ["training.epochs=1", *told])
    losses = []
    for weight in (1.0, 50.0):

        class Mine(Trainer):
            def content(self, prediction, measured, weight=weight):
                return weight * super().content(prediction, measured)

        train(profile, own, "total", tmp_path / f"{weight}", progress=False, trainer=Mine)
        losses.append((tmp_path / f"{weight}" / "pretraining.csv").read_text())
    assert losses[0] != losses[1]


def test_the_commit_is_told_of_a_checkout_of_another_member(monkeypatch):
    asked = []

    def run(command, **_):
        asked.append(command)
        raise OSError

    monkeypatch.setattr(provenance.subprocess, "run", run)
    assert provenance.commit.__wrapped__() == "unknown"
    checkout = provenance.Path(provenance.__file__).resolve().parents[2]
    assert f"safe.directory={checkout}" in asked[0]
    assert "--no-optional-locks" in asked[0]


def test_files_of_a_later_version_are_said_to_be(embedded, tmp_path):
    profile, dataset = load_profile("smoke", ["training.epochs=1"]), open_dataset(embedded)
    run = train(profile, dataset, "total", tmp_path, progress=False)
    for later in (2, "2"):
        (tmp_path / "run.json").write_text(json.dumps(run.info | {"format": later}))
        with pytest.raises(CsalganError, match="made by a later csalgan"):
            Run.load(tmp_path)
    (tmp_path / "run.json").write_text(
        json.dumps({key: value for key, value in run.info.items() if key != "format"})
    )
    assert isinstance(Run.load(tmp_path).generator(), torch.nn.Module)


def test_scores_say_what_trained_and_what_scored(embedded):
    dataset = open_dataset(embedded)
    old = Provenance("", "", "", "", 0, "aaaaaaaaaa")
    evaluator = Evaluator(dataset, make_split(dataset.records), provenance=old)
    rows = dataset.records.head(2)
    table = evaluator({r: dataset.map(r) for r in rows["record"]}, rows)
    assert set(table["commit"]) == {f"aaaaaaaaaa, scored by {provenance.commit()}"}
