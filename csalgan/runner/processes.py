"""Commands in processes of their own, several at once, none left behind."""

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from tqdm import tqdm

#: Environment variable: the process without which a task is to end.
PARENT = "CSALGAN_PARENT"
_PAUSE = 0.05  # seconds between two looks at the children
_GRACE = 5.0  # seconds a child has between SIGTERM and SIGKILL

Event = dict[str, Any]


@dataclass(frozen=True)
class Task:
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
        """What :func:`run_tasks` tells of it."""
        kind = "finished" if self.ok else "failed"
        return event(kind, self.name, round(self.seconds, 2), self.message)

    def line(self, count: int, total: int) -> str:
        """What a person is told: it is the ``count``-th of ``total`` that ended."""
        end = f"{self.seconds:6.1f} s" if self.ok else f"failed: {self.message}"
        return f"{f'[{count}/{total}] {self.name}':<42} {end}"


def run_tasks(
    tasks: Sequence[Task], *, jobs: int = 1, on_event: Callable[[Event], None] | None = None
) -> dict[str, Outcome]:
    """Run tasks, at most ``jobs`` at once; one's failure stops only those that wait for it.

    Where there are several GPUs, each task gets one. When this process is interrupted or killed,
    so are its children.

    Args:
        on_event: is told ``{"event": "started" | "finished" | "failed", "step", "time",
            "seconds", "message"}`` as it happens.

    Returns:
        name → outcome, in the order of ``tasks``.
    """
    tell = on_event or (lambda one: None)
    waiting = {task.name: task for task in tasks}
    running: dict[str, _Child] = {}
    ended: dict[str, Outcome] = {}
    bar = _Bar(len(tasks))

    def end(outcome: Outcome) -> None:
        ended[outcome.name] = outcome
        bar.ended(outcome)
        tell(outcome.event())

    with _ending_on_signal():
        try:
            while waiting or running:
                for name in list(waiting):
                    lost = [a for a in waiting[name].after if a in ended and not ended[a].ok]
                    if lost:
                        del waiting[name]
                        end(Outcome(name, False, 0.0, f"not run: {lost[0]} failed"))
                    elif len(running) < jobs and all(a in ended for a in waiting[name].after):
                        slot = min(set(range(jobs)) - {child.slot for child in running.values()})
                        running[name] = _Child(waiting.pop(name), slot)
                        bar.started(name)
                        tell(event("started", name, 0.0, ""))
                for name in list(running):
                    if (outcome := running[name].outcome()) is not None:
                        del running[name]
                        end(outcome)
                bar.show(running)
                time.sleep(_PAUSE)
        finally:
            for child in running.values():
                child.ask_to_end()
            for child in running.values():
                child.end()
            bar.close()
    return {task.name: ended[task.name] for task in tasks}


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


class _Child:
    """A running task."""

    def __init__(self, task: Task, slot: int):
        self.task, self.slot, self.began = task, slot, time.monotonic()
        task.log.parent.mkdir(parents=True, exist_ok=True)
        self._start = task.log.stat().st_size if task.log.exists() else 0
        with task.log.open("ab") as log:
            self.process = subprocess.Popen(
                task.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=os.environ | _share(slot) | {PARENT: str(os.getpid())},
                start_new_session=True,
            )

    def outcome(self) -> Outcome | None:
        status = self.process.poll()
        if status is None:
            return None
        seconds = time.monotonic() - self.began
        message = failure(self.task.log, self._start, status)
        return Outcome(self.task.name, status == 0, seconds, message)

    def last_line(self) -> str:
        with self.task.log.open("rb") as log:
            log.seek(max(self._start, self.task.log.stat().st_size - 2000))
            lines = log.read().decode("utf-8", "replace").replace("\r", "\n").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "")

    def ask_to_end(self) -> None:
        self._signal(signal.SIGTERM)

    def end(self) -> None:
        try:
            self.process.wait(_GRACE)
        except subprocess.TimeoutExpired:
            self._signal(signal.SIGKILL)
            self.process.wait()

    def _signal(self, number: int) -> None:
        with suppress(ProcessLookupError):  # it has ended by itself
            os.killpg(self.process.pid, number)


class _Bar:
    """Progress: what runs now and the time left, live on a terminal; in a log a plain line for
    each task that begins or ends."""

    def __init__(self, total: int):
        self.total, self.count, self.began = total, 0, time.monotonic()
        look = {"leave": False, "dynamic_ncols": True, "bar_format": "{desc}"}
        self._bar = tqdm(total=total, **look) if sys.stderr.isatty() else None
        self._shown = 0.0

    def started(self, name: str) -> None:
        if self._bar is None:
            print(f"{name} …", file=sys.stderr, flush=True)

    def ended(self, outcome: Outcome) -> None:
        self.count += 1
        left = "" if self._bar or self.count == self.total else self._left()
        tqdm.write(outcome.line(self.count, self.total) + left, file=sys.stderr)
        sys.stderr.flush()

    def show(self, running: dict[str, _Child]) -> None:
        if self._bar is None or time.monotonic() - self._shown < 0.5:
            return
        self._shown = time.monotonic()
        parts = [f"{self.count}/{self.total}{self._left()}"]
        for name, child in running.items():
            seconds = time.monotonic() - child.began
            parts.append(f"{name} {seconds:.0f} s: {child.last_line()[:60]}")
        self._bar.set_description_str(" | ".join(parts)[:200])

    def _left(self) -> str:
        """What the tasks that ended took, times those that did not: a guess, and called about."""
        if not self.count:
            return ""
        each = (time.monotonic() - self.began) / self.count
        return f", about {tqdm.format_interval(each * (self.total - self.count))} left"

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()


def _share(slot: int) -> dict[str, str]:
    """What one of several jobs gets of the machine."""
    import torch

    if torch.cuda.device_count() > 1:
        visible = os.environ.get("CUDA_VISIBLE_DEVICES")
        all_ = visible.split(",") if visible else [str(i) for i in range(torch.cuda.device_count())]
        return {"CUDA_VISIBLE_DEVICES": all_[slot % len(all_)]}
    return {}


@contextmanager
def _ending_on_signal() -> Iterator[None]:
    """SIGTERM ends like Ctrl-C while the block runs, so that the children are ended too."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(number, frame):
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def failure(log: Path, start: int, status: int) -> str:
    """Why a command failed: what its log says from byte ``start`` on; ``""`` for status 0."""
    if status == 0:
        return ""
    with log.open("rb") as file:
        file.seek(start)
        text = file.read().decode("utf-8", "replace")
    said = [line for line in text.splitlines() if line.startswith("error: ")]
    if said:
        return said[-1].removeprefix("error: ")
    what = signal.Signals(-status).name if status < 0 else f"exit status {status}"
    return f"ended with {what} (see {log})"


def event(kind: str, step: str, seconds: float, message: str) -> Event:
    """What :func:`run_tasks` tells."""
    time_ = datetime.now(UTC).isoformat(timespec="milliseconds")
    return {"event": kind, "step": step, "time": time_, "seconds": seconds, "message": message}
