"""Commands in processes of their own, several at once, none left behind."""

import ctypes
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from itertools import takewhile
from pathlib import Path
from typing import Any, NamedTuple

from tqdm import tqdm

from csalgan.files.errors import CsalganError

#: Environment variable: the process without which a task is to end.
PARENT = "CSALGAN_PARENT"
_PAUSE = 0.05  # seconds between two looks at the children
_GRACE = 5.0  # seconds a child has between SIGTERM and SIGKILL
_LOOK = "{n_fmt}/{total_fmt}, about {remaining} left | {desc}"

Event = dict[str, Any]


class Task(NamedTuple):
    """A command and what must have succeeded before it.

    Attributes:
        name: unique, fit for a file's name; a task stands behind those it waits for.
        command: program and arguments; it runs in a process group of its own, without input.
        log: what it prints is added here.
        after: names of other tasks.
    """

    name: str
    command: tuple[str, ...]
    log: Path
    after: tuple[str, ...] = ()

    def begun(self) -> int:
        """Size of the log so far, whose folder is made."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        return self.log.stat().st_size if self.log.exists() else 0

    def failure(self, start: int, status: int) -> str:
        """Why it ended with a status, by what its log says from byte ``start`` on; ``""`` for 0."""
        if status == 0:
            return ""
        said = [line for line in self.said(start) if line.startswith("error: ")]
        if said:
            return said[-1].removeprefix("error: ")
        what = signal.Signals(-status).name if status < 0 else f"exit status {status}"
        return f"ended with {what} (see {self.log})"

    def said(self, start: int) -> list[str]:
        """Lines of its log from byte ``start`` on."""
        with self.log.open("rb") as log:
            log.seek(start)
            return log.read().decode("utf-8", "replace").splitlines()


class Outcome(NamedTuple):
    """How a task ended.

    ``message`` is, for a failure, what followed ``error:`` in the last such line of its log, else
    the signal or exit status; ``not run: NAME failed`` when it was never started.
    """

    name: str
    ok: bool
    seconds: float
    message: str

    def event(self) -> Event:
        """The event of :func:`run_tasks` about it."""
        kind = "finished" if self.ok else "failed"
        return event(kind, self.name, round(self.seconds, 2), self.message)

    def line(self, count: int, total: int) -> str:
        """What a person is told: it is the ``count``-th of ``total`` that ended."""
        end = f"{self.seconds:6.1f} s" if self.ok else f"failed: {self.message}"
        return f"{f'[{count}/{total}] {self.name}':<42} {end}"


def run_tasks(
    tasks: Sequence[Task], *, jobs: int = 1, on_event: Callable[[Event], None] = lambda one: None
) -> dict[str, Outcome]:
    """Run tasks, at most ``jobs`` at once; one's failure stops only those that wait for it.

    To be called in the main thread. Where there are several GPUs, each task gets one. When this
    process is interrupted or killed, so are its children. A terminal shows what runs; a log gets a
    line for what begins and ends.

    Args:
        on_event: is told ``{"event": "started" | "finished" | "failed", "step", "time",
            "seconds", "message"}`` as it happens.

    Returns:
        name → outcome, in the order of ``tasks``.
    """
    waiting = {task.name: task for task in tasks}
    running: dict[str, _Child] = {}
    ended: dict[str, Outcome] = {}
    live = sys.stderr.isatty()
    look = {"bar_format": _LOOK, "smoothing": 0, "leave": False, "dynamic_ncols": True}
    bar = tqdm(total=len(tasks), disable=not live, **look)

    def end(outcome: Outcome) -> None:
        ended[outcome.name] = outcome
        bar.update()
        tqdm.write(outcome.line(len(ended), len(tasks)), file=sys.stderr)
        sys.stderr.flush()
        on_event(outcome.event())

    # SIGTERM ends like Ctrl-C here, so that the children are ended too.
    before = signal.signal(signal.SIGTERM, end_at_signal)
    try:
        while waiting or running:
            for name in list(waiting):
                lost = [a for a in waiting[name].after if a in ended and not ended[a].ok]
                if lost:
                    del waiting[name]
                    end(Outcome(name, False, 0.0, f"not run: {lost[0]} failed"))
                elif len(running) < jobs and all(a in ended for a in waiting[name].after):
                    slot = min(set(range(jobs)) - {child.slot for child in running.values()})
                    if not live:
                        print(f"{name} …", file=sys.stderr, flush=True)
                    on_event(event("started", name, 0.0, ""))  # before it can write anything
                    running[name] = _Child(waiting.pop(name), slot)
            for name in list(running):
                if (outcome := running[name].outcome()) is not None:
                    del running[name]
                    end(outcome)
            if live:
                doing = " | ".join(child.doing() for child in running.values())
                bar.set_description_str(doing[:200], refresh=time.time() - bar.last_print_t > 0.5)
            time.sleep(_PAUSE)
    finally:
        for child in running.values():
            child.signal(signal.SIGTERM)
        for child in running.values():
            child.end()
        bar.close()
        signal.signal(signal.SIGTERM, before)
    return {task.name: ended[task.name] for task in tasks}


def event(kind: str, step: str, seconds: float, message: str) -> Event:
    """An event as :func:`run_tasks` gives it to ``on_event``, with the time now."""
    time_ = datetime.now(UTC).isoformat(timespec="milliseconds")
    return {"event": kind, "step": step, "time": time_, "seconds": seconds, "message": message}


def tie_to_parent() -> None:
    """End this process when the one that runs its task ends, however that happens.

    Called first by commands that :func:`run_tasks` may start. Linux only: elsewhere a task whose
    runner was killed outright goes on, and the locks of what it writes keep others away.
    """
    parent = os.environ.pop(PARENT, "")
    if parent and sys.platform == "linux":
        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)
        if os.getppid() != int(parent):  # it ended before we could ask
            os._exit(1)


def module_task(module: str, about: dict[str, Any], name: str, log: Path, *after: str) -> Task:
    """A task that runs ``python -m module`` with one argument, ``about`` as JSON."""
    return Task(name, (sys.executable, "-m", module, json.dumps(about)), log, after)


def main_of(work: Callable[[dict[str, Any]], None]) -> None:
    """The main program of a module that :func:`module_task` runs: ``work`` on its one argument.

    A :class:`CsalganError` becomes the last line of the log, and exit status 1.
    """
    tie_to_parent()
    try:
        work(json.loads(sys.argv[1]))
    except CsalganError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)


class _Child:
    """A running task."""

    def __init__(self, task: Task, slot: int):
        self.task, self.slot, self.began = task, slot, time.monotonic()
        self.start = task.begun()
        with task.log.open("ab") as log:
            self.process = subprocess.Popen(
                task.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=os.environ | _gpu(slot) | {PARENT: str(os.getpid())},
                start_new_session=True,
            )

    def outcome(self) -> Outcome | None:
        status = self.process.poll()
        if status is None:
            return None
        seconds = time.monotonic() - self.began
        return Outcome(self.task.name, status == 0, seconds, self.task.failure(self.start, status))

    def doing(self) -> str:
        said = [line.strip() for line in self.task.said(self.start) if line.strip()]
        seconds = time.monotonic() - self.began
        return f"{self.task.name} {seconds:.0f} s: {said[-1][:60] if said else ''}"

    def signal(self, number: int) -> None:
        with suppress(ProcessLookupError):  # it has ended by itself
            os.killpg(self.process.pid, number)

    def end(self) -> None:
        try:
            self.process.wait(_GRACE)
        except subprocess.TimeoutExpired:
            self.signal(signal.SIGKILL)
            self.process.wait()


def _gpu(slot: int) -> dict[str, str]:
    """Environment that gives a job one of the GPUs, where there are several."""
    import torch

    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible:  # CUDA stops at the first that is none
        gpus = list(takewhile(lambda gpu: gpu.strip() not in ("", "-1"), visible.split(",")))
    else:
        gpus = [str(i) for i in range(torch.cuda.device_count())]
    return {"CUDA_VISIBLE_DEVICES": gpus[slot % len(gpus)]} if len(gpus) > 1 else {}


class EndedBySignal(SystemExit):
    """A signal asked this process to end."""


def end_at_signal(number: int, frame: object) -> None:
    """A handler of SIGTERM that lets ``finally`` blocks run."""
    raise EndedBySignal(128 + number)
