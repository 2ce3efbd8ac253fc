"""The same sweep on a real Slurm; skipped where none runs (``tests/slurm/start.sh`` starts one)."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from csalgan.data import open_dataset
from csalgan.experiment import sweep
from csalgan.files.errors import CsalganError
from csalgan.runner import slurm
from csalgan.runner.processes import Task

ROOT = Path(__file__).resolve().parent.parent
SPEC = """
profile: smoke
set: ["training.subsets=[total]", "training.epochs=EPOCHS"]
grid: {training.learning_rate: [0.0002, 0.002]}
cluster: {cpus: 1, memory_gb: 2.0, minutes: 20}
"""


def asking(**more) -> dict:
    return sweep.Cluster(cpus=1, memory_gb=2.0, **more).model_dump()


def running() -> bool:
    if shutil.which("sinfo") is None:
        return False
    done = subprocess.run(["sinfo", "--noheader"], capture_output=True, text=True)
    return done.returncode == 0 and bool(done.stdout.strip())


needs_slurm = pytest.mark.skipif(
    not running(), reason="no Slurm runs here: tests/slurm/start.sh starts one (Debian, as root)"
)


@pytest.fixture
def environment(monkeypatch, home):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    return os.environ


@needs_slurm
def test_a_sweep_through_slurm_is_the_sweep_on_this_machine(embedded, tmp_path, environment):
    path = tmp_path / "spec.yaml"
    path.write_text(SPEC.replace("EPOCHS", "2"))
    command = [sys.executable, "-m", "csalgan", "sweep", str(path), "--data", str(embedded)]
    for executor in ("local", "slurm"):
        done = subprocess.run(
            [*command, "--out", str(tmp_path / executor), "--executor", executor],
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
    here, there = (
        {p.relative_to(tmp_path / kind): p.read_bytes() for p in sorted(found)}
        for kind in ("local", "slurm")
        for found in [
            [*(tmp_path / kind).glob("runs/*/*.safetensors"), tmp_path / kind / "tables/scores.csv"]
        ]
    )
    assert len(here) == 5
    assert here == there


@needs_slurm
def test_a_job_that_is_put_back_goes_on_to_the_same_bits(embedded, tmp_path, environment):
    path = tmp_path / "spec.yaml"
    path.write_text(SPEC.replace("EPOCHS", "60").replace("[0.0002, 0.002]", "[0.0002]"))
    spec, dataset = sweep.read_spec(path), open_dataset(embedded)
    (whole,) = sweep.tasks(spec, dataset, tmp_path / "whole")
    assert subprocess.run(whole.command, stderr=subprocess.DEVNULL).returncode == 0
    (task,) = sweep.tasks(spec, dataset, tmp_path / "broken")
    history = tmp_path / "broken" / "runs" / task.name / "history.csv"
    put_back = []

    def tell(event):
        if event["event"] == "submitted":
            until = time.monotonic() + 120
            while not history.exists() or len(history.read_text().splitlines()) < 4:
                assert time.monotonic() < until, "the training did not begin"
                time.sleep(0.05)
            job = event["message"].split()[1]
            put_back.append(len(history.read_text().splitlines()) - 1)
            subprocess.run(["scontrol", "requeue", job], check=True)
            # A job that was put back waits for two minutes; it need not.
            subprocess.run(["scontrol", "update", f"jobid={job}", "starttime=now"])

    outcome = slurm.run_tasks([task], tmp_path / "slurm", asking(), on_event=tell)
    assert outcome[task.name].ok, outcome
    assert 3 <= put_back[0] < 60
    for name in ("history.csv", "best.safetensors", "last.safetensors"):
        one, other = (
            (tmp_path / kind / "runs" / task.name / name).read_bytes()
            for kind in ("whole", "broken")
        )
        assert one == other, name


@needs_slurm
def test_a_job_that_fails_says_why(tmp_path, environment):
    tasks = [
        Task(name, (sys.executable, "-c", code), tmp_path / f"{name}.log")
        for name, code in [("good", "pass"), ("bad", "import sys; sys.exit('error: too cold')")]
    ]
    found = slurm.run_tasks(tasks, tmp_path / "slurm", asking())
    assert found["good"].ok
    assert (found["bad"].ok, found["bad"].message) == (False, "too cold")


def jobs_of(names: str = "csalgan") -> list[str]:
    command = ["squeue", "--noheader", "--array", f"--name={names}", "--format=%i"]
    return subprocess.run(command, capture_output=True, text=True).stdout.split()


def until(condition, seconds: float) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


@needs_slurm
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_stopped_as_soon_as_its_jobs_are_there_it_leaves_none(
    embedded, tmp_path, environment, number
):
    path = tmp_path / "spec.yaml"
    path.write_text(SPEC.replace("EPOCHS", "60"))
    command = [sys.executable, "-m", "csalgan", "sweep", str(path), "--data", str(embedded)]
    command += ["--out", str(tmp_path / "out"), "--executor", "slurm"]
    until(lambda: not jobs_of(), 60)
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    until(jobs_of, 60)
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert "interrupted: finished points and epochs stand in" in said
    assert "; go on with: csalgan sweep" in said
    until(lambda: not jobs_of(), 90)


@needs_slurm
def test_a_job_that_somebody_cancels_is_said_to_be_gone(tmp_path, environment):
    tasks = [Task("long", (sys.executable, "-c", "import time; time.sleep(300)"), tmp_path / "log")]
    told = []

    def tell(event):
        told.append(event["event"])
        if event["event"] == "started":
            subprocess.run(["scancel", event["message"].split()[1]], check=True)

    found = slurm.run_tasks(tasks, tmp_path / "slurm", asking(), on_event=tell)
    assert told == ["submitted", "started", "failed"]
    assert "left the queue without a result" in found["long"].message


def test_a_signal_while_jobs_are_submitted_waits_until_they_are_known():
    known = []
    # What starts in the background begins with SIGINT ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt), slurm._not_now(signal.SIGINT):
            signal.raise_signal(signal.SIGINT)
            known.append("job")
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
    assert known == ["job"]


@needs_slurm
def test_a_partition_that_is_not_there_is_one_sentence(tmp_path, environment):
    task = Task("a", ("true",), tmp_path / "log")
    with pytest.raises(CsalganError, match="the scheduler did not take the jobs"):
        slurm.run_tasks([task], tmp_path / "slurm", asking(partition="elsewhere"))
