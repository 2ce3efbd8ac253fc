"""The n-th write fails, for every n: one sentence, nothing half-written, and the same bytes after.

Every file of a training, a prediction and a report goes through :mod:`csalgan.files.writing`, which
asks the system by ``os.open``, ``os.write``, ``os.fsync``, ``os.replace`` and ``os.mkdir``; these
fail here. Not covered: what the kernel of a notebook and the logs
of child processes write by other ways, a disk that says yes and loses data, a failing ``unlink``.
"""

import errno
import json
import os
import shutil
import threading
from pathlib import Path

import nbformat
import papermill.engines
from PIL import Image

from csalgan import pipeline
from csalgan.cli.predict import predict
from csalgan.config import load_profile
from csalgan.data import open_dataset
from csalgan.files.errors import CsalganError
from csalgan.files.writing import LEDGER
from csalgan.runner.processes import Outcome, event
from csalgan.runner.step import execute
from csalgan.training import train

#: A full disk and one that was made read-only stay so; a fault of the device passes.
FAULTS = (errno.ENOSPC, errno.EROFS, errno.EIO)
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


class Disk:
    """What is written below a folder, counted; from the ``n``-th time on it fails."""

    def __init__(self, folder: Path, monkeypatch):
        self.folder, self.count, self.n, self.fault = str(folder), 0, 0, 0
        self.mine: set[int] = set()  # file descriptors
        self.lock = threading.Lock()
        self.whole = {name: getattr(os, name) for name in ("open", "close")}
        monkeypatch.setattr(os, "open", self.open)
        monkeypatch.setattr(os, "close", self.close)
        for name in ("write", "replace", "mkdir"):
            monkeypatch.setattr(os, name, self.counted(getattr(os, name)))
        monkeypatch.setattr(os, "fsync", self.counted(lambda handle: None))  # here nothing is lost

    def fails(self, n: int, fault: int) -> None:
        self.count, self.n, self.fault = 0, n, fault

    def open(self, path, flags, *more, **named):
        inside = isinstance(path, str | os.PathLike) and str(path).startswith(self.folder)
        if inside and flags & WRITING:
            self.step()
        handle = self.whole["open"](path, flags, *more, **named)
        if inside:
            self.mine.add(handle)
        return handle

    def close(self, handle):
        self.mine.discard(handle)
        return self.whole["close"](handle)

    def counted(self, real):
        def call(first, *more, **named):
            if first in self.mine or str(first).startswith(self.folder):
                self.step()
            return real(first, *more, **named)

        return call

    def step(self) -> None:
        with self.lock:
            self.count += 1
        over = self.count == self.n if self.fault == errno.EIO else self.count >= self.n
        if self.n and over:
            raise OSError(self.fault, os.strerror(self.fault))


def every_failure(disk: Disk, begin, work, check) -> int:
    """Let ``work`` fail at each of its writes, with the faults in turn, then go on.

    Asserts after each: one sentence, nothing half-written, and in the end the same bytes. Gives
    back how many writes there were.
    """
    begin()
    disk.fails(0, 0)
    work()
    writes, wanted = disk.count, check(None)
    for n in range(1, writes + 1):
        begin()
        disk.fails(n, FAULTS[n % len(FAULTS)])
        try:
            work()
        except CsalganError as error:
            said = str(error)
        else:  # it was tried again, and went well
            check(wanted)
            continue
        assert f"cannot be written to ({os.strerror(disk.fault)})" in said
        disk.fails(0, 0)
        assert not list(Path(disk.folder).rglob(".csalgan-*")), n
        check(wanted, whole=False)
        work(again=True)
        check(wanted)
    return writes


def contents(folder: Path, normal) -> dict[str, bytes]:
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != ".lock"]
    return {path.relative_to(folder).as_posix(): normal(path) for path in files}


def checker(folder: Path, normal, passing: tuple[str, ...] = ()):
    """All files are those wanted; after a failure, those that are there, and ``passing`` ones."""

    def check(wanted, whole: bool = True):
        found = contents(folder, normal)
        if wanted is None:
            return found
        if whole:
            assert found == wanted
            return found
        for name, content in found.items():
            if not any(part in name for part in passing):
                assert content == wanted.get(name), name
        return found

    return check


def but_for_times(path: Path) -> bytes:
    if path.name == "run.json":
        return json.dumps(json.loads(path.read_text()) | {"seconds_per_epoch": 0}).encode()
    return path.read_bytes()


def test_a_training(embedded, tmp_path, monkeypatch, quick):
    dataset, folder = open_dataset(embedded), tmp_path / "disk" / "run"
    profile = load_profile("smoke", ["training.epochs=2"])

    def begin():
        shutil.rmtree(folder, ignore_errors=True)

    def work(again=False):
        train(profile, dataset, "sal", folder, resume=again, progress=False)

    # What an epoch leaves, the next one replaces.
    check = checker(folder, but_for_times, passing=("state", "last", "best", "run", "history"))
    writes = every_failure(Disk(tmp_path / "disk", monkeypatch), begin, work, check)
    assert writes >= 40  # the layer that fails is passed


def test_a_prediction(embedded, tmp_path, monkeypatch, quick):
    dataset = open_dataset(embedded)
    run = train(load_profile("smoke"), dataset, "sal", tmp_path / "run", progress=False)
    photo = tmp_path / "photo.png"
    Image.fromarray(dataset.image(dataset.records["record"][0])).resize((80, 60)).save(photo)
    out = tmp_path / "disk" / "maps"

    def begin():
        shutil.rmtree(out, ignore_errors=True)

    def work(again=False):
        asked = {"run": run.folder, "text": ["a dog", ""], "npy": True, "force": again}
        predict(out, [photo], **asked)

    (tmp_path / "disk").mkdir()
    check = checker(out, Path.read_bytes)
    writes = every_failure(Disk(tmp_path / "disk", monkeypatch), begin, work, check)
    assert writes >= 40  # the layer that fails is passed


class Here(papermill.engines.Engine):
    """Executes a notebook in this process: no kernel, whose writes nothing here could fail."""

    @classmethod
    def execute_managed_notebook(cls, nb_man, kernel_name, **kwargs):
        scope = {}
        for cell in nb_man.nb.cells:
            if cell.cell_type != "code":
                continue
            try:
                exec(cell.source, scope)
            except CsalganError as error:
                failed = {"ename": "CsalganError", "evalue": str(error), "traceback": []}
                cell.outputs = [nbformat.v4.new_output("error", **failed)]
                break


def test_a_report(embedded, tmp_path, monkeypatch, quick):
    """Runner and steps in this process; a step writes a table and opens the run, which stands."""
    folder = small_notebook(tmp_path / "notebooks")
    name = "03_adversarial_training"
    monkeypatch.setattr("csalgan.files.paths.notebooks_dir", lambda: folder)
    monkeypatch.setattr(pipeline, "NOTEBOOKS", (name,))
    monkeypatch.setattr(pipeline, "_READERS", ())
    monkeypatch.setattr(pipeline, "run_tasks", run_here)
    monkeypatch.setitem(papermill.engines.papermill_engines._engines, None, Here)
    changes = ["training.subsets=[sal]"]
    profile, out = load_profile("smoke", changes), tmp_path / "disk" / "report"
    trained = tmp_path / "run"
    train(profile, open_dataset(embedded), "sal", trained, progress=False)

    def begin():
        shutil.rmtree(out, ignore_errors=True)
        shutil.copytree(trained, out / "runs" / "sal")

    def work(again=False):
        pipeline.reproduce("smoke", str(embedded), str(out), changes)

    def normal(path: Path) -> bytes:
        if path.suffix in (".csv", ".txt", ".safetensors"):
            return path.read_bytes()
        if path.suffix in (".json", ".ipynb"):
            json.loads(path.read_text())
        return b"times"

    check = checker(out, normal, passing=("steps/", "logs/"))
    writes = every_failure(Disk(tmp_path / "disk", monkeypatch), begin, work, check)
    assert writes >= 60  # the layer that fails is passed


def small_notebook(folder: Path) -> Path:
    declared = "profile = 'smoke'\ndata = ''\nout = ''\noverrides = []\nsubset = 'total'"
    source = (
        "import csalgan\n"
        "job = csalgan.open_job(profile=profile, data=data, out=out, overrides=overrides)\n"
        "job.save_table(job.run(subset).history, f'03_history-{subset}')"
    )
    made = nbformat.v4.new_notebook(
        cells=[
            nbformat.v4.new_markdown_cell("# A training", id="t"),
            nbformat.v4.new_code_cell(declared, id="p", metadata={"tags": ["parameters"]}),
            nbformat.v4.new_code_cell(source, id="c"),
        ]
    )
    made.metadata.kernelspec = {"name": "python3", "display_name": "Python 3"}
    made.metadata.language_info = {"name": "python"}
    folder.mkdir()
    nbformat.write(made, folder / "03_adversarial_training.ipynb")
    return folder


def run_here(tasks, jobs, on_event):
    """As :func:`csalgan.runner.run_tasks`, without processes."""
    ended = {}
    for task in tasks:
        on_event(event("started", task.name, 0.0, ""))
        spec = json.loads(task.command[-1])
        message = ""
        os.environ[LEDGER] = spec["ledger"]
        try:
            where = (Path(spec["notebook"]), spec["parameters"], Path(spec["output"]))
            execute(spec["name"], *where)
        except CsalganError as error:
            message = str(error)
        finally:
            del os.environ[LEDGER]
        ended[task.name] = Outcome(task.name, not message, 0.0, message)
        on_event(event("failed" if message else "finished", task.name, 0.0, message))
    return ended
