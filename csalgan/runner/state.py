"""What was done, kept in the report's folder: one small file a step, a lock, a log of events.

::

    steps/<name>.json   key, status, times, files with their digests, why it failed
    steps/plan.json     what the report was asked for, so that its state can be told later
    events.jsonl        one line an event, for machines
    .lock               held while somebody works on the report
"""

import hashlib
import json
import os
import socket
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from csalgan.errors import CsalganError
from csalgan.files import write_text

#: Files and folders of a report that belong to the runner.
NAMES = ("steps", "logs", "events.jsonl", ".lock", ".holder.json")


@dataclass(frozen=True)
class Done:
    """What is known of a step.

    Attributes:
        key: see :func:`csalgan.runner.keys.step_key`.
        status: ``running``, ``done`` or ``failed``.
        started: ISO time, UTC.
        seconds: how long it took.
        files: file, relative to the report → SHA-256.
        message: why it failed: the cell, the exception and where the output is.
    """

    key: str
    status: str
    started: str
    seconds: float = 0.0
    files: dict[str, str] = field(default_factory=dict)
    message: str = ""


class State:
    """The state of a report's steps.

    Args:
        out: the report's folder.
    """

    def __init__(self, out: Path):
        self.out = out
        self.folder = out / "steps"

    def read(self, step: str) -> Done | None:
        """What is known of a step; None for nothing, or nothing that can be read."""
        try:
            values = json.loads((self.folder / f"{step}.json").read_text(encoding="utf-8"))
            return Done(**values)
        except (OSError, ValueError, TypeError):
            return None

    def write(self, step: str, done: Done) -> None:
        """Keep what is known of a step."""
        write_text(self.folder / f"{step}.json", json.dumps(asdict(done), indent=1) + "\n")

    def forget(self, step: str) -> None:
        """Remove a step's record."""
        (self.folder / f"{step}.json").unlink(missing_ok=True)

    def known(self) -> list[str]:
        """Names of the steps with a record."""
        return sorted(path.stem for path in self.folder.glob("*.json") if path.stem != "plan")

    def digests(self, files: Iterable[Path]) -> dict[str, str]:
        """Files relative to the report, with their digests."""
        return {
            path.relative_to(self.out).as_posix(): _digest(path)
            for path in sorted(files)
            if path.is_file()
        }

    def is_current(self, step: str, key: str) -> bool:
        """Whether a step was done with this key and all its files are still as it left them."""
        done = self.read(step)
        return (
            done is not None
            and (done.status, done.key) == ("done", key)
            and all(_digest(self.out / name) == was for name, was in done.files.items())
        )

    def write_plan(self, asked: dict[str, Any]) -> None:
        """Keep what the report was asked for."""
        write_text(self.folder / "plan.json", json.dumps(asked, indent=1) + "\n")

    def plan(self) -> dict[str, Any]:
        """What the report was asked for.

        Raises:
            CsalganError: the folder is no report of this runner.
        """
        path = self.folder / "plan.json"
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise CsalganError(
                f"{self.out}: no report of `csalgan reproduce` (no readable {path.name}); "
                "give a report's folder."
            ) from error

    def add_event(self, event: dict[str, Any]) -> None:
        """Append a line to ``events.jsonl``."""
        with (self.out / "events.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(event, ensure_ascii=False) + "\n")


@contextmanager
def locked(out: Path) -> Iterator[None]:
    """Keep a report for this process while the block runs.

    The operating system gives the lock back when its holder ends, however that happens.

    Raises:
        CsalganError: somebody works on the report.
    """
    out.mkdir(parents=True, exist_ok=True)
    lock = FileLock(out / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise CsalganError(f"{out}: {holder(out)} works on this report; wait for it.") from error
    try:
        command = " ".join([Path(sys.argv[0]).name, *sys.argv[1:]])
        about = {"pid": os.getpid(), "host": socket.gethostname(), "command": command}
        write_text(out / ".holder.json", json.dumps(about) + "\n")
        yield
    finally:
        (out / ".holder.json").unlink(missing_ok=True)
        lock.release()


def is_locked(out: Path) -> bool:
    """Whether somebody works on the report now."""
    lock = FileLock(out / ".lock")
    if not (out / ".lock").exists():
        return False
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return True
    lock.release()
    return False


def holder(out: Path) -> str:
    """Who holds the lock, in words."""
    try:
        about = json.loads((out / ".holder.json").read_text(encoding="utf-8"))
        return f"process {about['pid']} on {about['host']} ({about['command']})"
    except (OSError, ValueError, KeyError):
        return "another process"


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""
