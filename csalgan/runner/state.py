"""What was done, kept in the report's folder: one small file a step, a lock, a log of events.

::

    steps/<name>.json      key, status, times, files with their digests, why it failed
    steps/<name>.written   what the step has written so far, while it runs
    steps/plan.json        what the report was asked for, so that its state can be told later
    events.jsonl           one line an event, for machines
"""

import hashlib
import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from csalgan.files import locks
from csalgan.files.errors import CsalganError
from csalgan.files.inputs import open_file, read_json, read_text
from csalgan.files.writing import append_text, write_text

#: The largest file of a report, weights among them.
MOST_BYTES = 16 * 2**30
#: Files and folders of a report that belong to the runner.
NAMES = ("steps", "logs", "events.jsonl", *locks.NAMES)


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


_DONE = TypeAdapter(Done)


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
            return _DONE.validate_json(read_text(self.folder / f"{step}.json"), strict=True)
        except (OSError, ValueError, CsalganError):
            return None

    def write(self, step: str, done: Done) -> None:
        """Keep what is known of a step."""
        write_text(self.folder / f"{step}.json", json.dumps(asdict(done), indent=1) + "\n")

    def forget(self, step: str) -> None:
        """Remove a step's record."""
        for path in (self.folder / f"{step}.json", self.ledger(step)):
            path.unlink(missing_ok=True)

    def known(self) -> list[str]:
        """Names of the steps with a record."""
        return sorted(path.stem for path in self.folder.glob("*.json") if path.stem != "plan")

    def ledger(self, step: str) -> Path:
        """The file that names what a step writes while it runs (:data:`.writing.LEDGER`)."""
        return self.folder / f"{step}.written"

    def written(self, step: str) -> set[Path]:
        """The files of the report that a step wrote: by its record, and since, by its ledger."""
        done, ledger = self.read(step), self.ledger(step)
        found = {self.out / name for name in done.files} if done else set()
        if ledger.is_file():
            found |= {Path(line) for line in read_text(ledger).splitlines()}
        return {path for path in found if self._is_ours(path) and path.is_file()}

    def _is_ours(self, path: Path) -> bool:
        """Whether a path leads into the report; records of somebody may name any place."""
        return (
            path.is_relative_to(self.out)
            and ".." not in path.relative_to(self.out).parts
            and path.parent.resolve().is_relative_to(self.out.resolve())
        )

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

    def agree(self, step: str, files: dict[str, str]) -> None:
        """Tell the other steps of files that they had written before this one did, as it left them.

        Four trainings draw one figure of what they share: the last one's stands for all.
        """
        for other in set(self.known()) - {step}:
            done = self.read(other)
            if done and (same := {n: files[n] for n in done.files.keys() & files.keys()}):
                self.write(other, replace(done, files=done.files | same))

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
            asked = read_json(path)
            texts = [asked["profile"], asked["data"], asked.get("author", ""), *asked["overrides"]]
            if not all(isinstance(text, str) for text in texts):
                raise ValueError("not what a report was asked for")
            for text in texts:
                if "\0" in text or "\n" in text:
                    raise ValueError("names no file")
                os.fsencode(text)  # or it cannot be printed
        except (OSError, ValueError, TypeError, KeyError, AttributeError, CsalganError) as error:
            raise CsalganError(
                f"{self.out}: no report of `csalgan reproduce` (no readable {path.name}); "
                "give a report's folder."
            ) from error
        return asked

    def add_event(self, event: dict[str, Any]) -> None:
        """Append a line to ``events.jsonl``."""
        append_text(self.out / "events.jsonl", json.dumps(event, ensure_ascii=False) + "\n")


def _digest(path: Path) -> str:
    try:
        with open_file(path, MOST_BYTES) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, CsalganError):
        return ""
