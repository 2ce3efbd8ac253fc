"""What decides a step's result, and what was done, kept in the report's folder: a file a step.

::

    steps/<name>.json      key, status, times, files with their digests, why it failed
    steps/<name>.written   what the step has written so far, while it runs
    steps/plan.json        what the report was asked for, so that its state can be told later
    events.jsonl           one line an event, for machines
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, StringConstraints, TypeAdapter

from csalgan.files import locks
from csalgan.files.errors import CsalganError
from csalgan.files.inputs import open_file, read_text
from csalgan.files.writing import append_text, write_text

#: The largest file of a report, weights among them.
MOST_BYTES = 16 * 2**30
#: Files and folders of a report that belong to the runner.
NAMES = ("steps", "logs", "events.jsonl", *locks.NAMES)
#: What is told of a step → what it then is; anything else has failed.
_STATUS = {"submitted": "waiting", "started": "running", "finished": "done"}
_DECIDES_NOTHING = {"__pycache__", "notebooks", "templates", "cli", "pipeline", "runner", "sweeps"}

Line = Annotated[str, StringConstraints(pattern=r"^[^\x00\n]*$")]


class Asked(BaseModel):
    """What a report was asked for: parameters that every notebook gets."""

    profile: Line
    data: Line
    overrides: list[Line]
    author: Line | None = None
    """A clone of the author's repository, for the notebooks that show its material."""


@dataclass(frozen=True)
class Done:
    """The record of a step.

    Attributes:
        key: see :func:`step_key`.
        status: ``waiting``, ``running``, ``done`` or ``failed``.
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
        """The record of a step; None where there is none that can be read."""
        try:
            return _DONE.validate_json(read_text(self.folder / f"{step}.json"), strict=True)
        except (OSError, ValueError, CsalganError):
            return None

    def write(self, step: str, done: Done) -> None:
        """Write a step's record, and the new digests of its files into other steps' records.

        Two steps may write one file: each of the four trainings draws the same figure, and what
        the last one wrote is there.
        """
        self._write(step, done)
        for other in set(self.known()) - {step} if done.files else ():
            known = self.read(other)
            if known and (same := known.files.keys() & done.files.keys()):
                files = known.files | {name: done.files[name] for name in same}
                self._write(other, replace(known, files=files))

    def _write(self, step: str, done: Done) -> None:
        write_text(self.folder / f"{step}.json", json.dumps(asdict(done), indent=1) + "\n")

    def tell(self, told: dict[str, Any], key: str = "", files: Mapping[str, str] = {}) -> None:
        """Append an event of :func:`.processes.run_tasks`, and update the record of its step."""
        self.add_event(told)
        before, kind = self.read(told["step"]), told["event"]
        began = before.started if before and kind != "started" else told["time"]
        done = Done(
            key, _STATUS.get(kind, "failed"), began, told["seconds"], {**files}, told["message"]
        )
        self.write(told["step"], done)

    def expect(self, steps: Sequence[str]) -> None:
        """Remove the records of all other steps; steps without a record get one, ``waiting``."""
        for other in set(self.known()) - set(steps):
            (self.folder / f"{other}.json").unlink()
        for step in set(steps) - set(self.known()):
            self.write(step, Done("", "waiting", ""))

    def row(self, step: str, *, working: bool, current: bool = True) -> dict[str, Any]:
        """A step as ``csalgan status`` shows it.

        Args:
            working: whether somebody works on the folder.
            current: whether its result is what would be made now.

        Returns:
            ``step``; ``status`` (``done``, ``stale``, ``running``, ``interrupted``, ``failed`` or
            ``waiting``); ``started`` (ISO time, UTC, or ``""``); ``seconds``; ``message``.
        """
        done = self.read(step) or Done("", "waiting", "")
        status = done.status
        if status == "done" and not current:
            status = "stale"
        elif status == "running" and not working:
            status = "interrupted"
        message = done.message if status != "waiting" or working else ""  # its job is gone, too
        about = {"started": done.started, "seconds": done.seconds, "message": message}
        return {"step": step, "status": status, **about}

    def known(self) -> list[str]:
        """Names of the steps with a record."""
        return sorted(path.stem for path in self.folder.glob("[!.]*.json") if path.stem != "plan")

    def ledger(self, step: str) -> Path:
        """The file that names what a step writes while it runs (:data:`.writing.LEDGER`)."""
        return self.folder / f"{step}.written"

    def written(self, step: str) -> set[Path]:
        """The files that a step wrote, by its record and, while it runs, by its ledger.

        A record may come from somebody else and name any path: those outside the report's folder
        are left out.
        """
        done, ledger = self.read(step), self.ledger(step)
        found = {self.out / name for name in done.files} if done else set()
        if ledger.is_file():
            found |= {Path(line) for line in read_text(ledger).splitlines()}
        home = self.out.resolve()
        found = {path for path in found if path.is_relative_to(self.out) and path.is_file()}
        return {path for path in found if path.parent.resolve().is_relative_to(home)}

    def clear(self, step: str, others: Iterable[str]) -> None:
        """Remove the files that this step alone wrote, and its ledger.

        Files in ``runs/`` stay: a training goes on from its last epoch.
        """
        kept = {path for other in others for path in self.written(other)}
        for path in self.written(step) - kept:
            if self.out / "runs" not in path.parents:
                path.unlink()
        self.ledger(step).unlink(missing_ok=True)

    def digests(self, files: Iterable[Path]) -> dict[str, str]:
        """Path relative to the report → SHA-256, of the files that exist."""
        return {
            path.relative_to(self.out).as_posix(): digest(path)
            for path in sorted(files)
            if path.is_file()
        }

    def is_current(self, step: str, key: str) -> bool:
        """Whether a step was done with this key and all its files are still as it left them."""
        done = self.read(step)
        return (
            done is not None
            and (done.status, done.key) == ("done", key)
            and all(digest(self.out / name) == was for name, was in done.files.items())
        )

    def write_plan(self, asked: Asked) -> None:
        """Keep what the report was asked for."""
        text = asked.model_dump_json(indent=1, exclude_none=True)
        write_text(self.folder / "plan.json", text + "\n")

    def plan(self) -> Asked:
        """What the report was asked for.

        Raises:
            CsalganError: the folder is no report of this runner.
        """
        try:
            text = read_text(self.folder / "plan.json")
            return Asked.model_validate_json(text, strict=True)
        except (OSError, ValueError, CsalganError) as error:
            raise CsalganError(
                f"{self.out}: no report that `csalgan reproduce` made here (no readable "
                "steps/plan.json); give a report's folder."
            ) from error

    def add_event(self, event: dict[str, Any]) -> None:
        """Append a line to ``events.jsonl``."""
        append_text(self.out / "events.jsonl", json.dumps(event, ensure_ascii=False) + "\n")


def step_key(
    notebook: Path,
    parameters: Mapping[str, Any],
    profile: Mapping[str, Any],
    data: str,
    reads: Sequence[str],
) -> str:
    """SHA-256 over all that decides a step's result: 64 hex digits.

    Args:
        notebook: its cells count, their outputs do not.
        parameters: those that decide a result; not where files stand.
        profile: every value of the profile.
        data: the dataset's fingerprint.
        reads: keys of the steps whose results it reads.
    """
    import nbformat  # takes most of a second, and few commands need it

    cells = nbformat.read(notebook, as_version=4).cells
    parts = {
        "notebook": [[cell.cell_type, cell.source] for cell in cells],
        "parameters": parameters,
        "profile": profile,
        "package": package_digest(),
        "data": data,
        "reads": reads,
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


@cache
def package_digest() -> str:
    """Digest of what a notebook's result may come from: the package's files (modules, profiles,
    weights) and what notebooks show of the course. Exercises decide no result, nor does what runs
    the notebooks and makes pages of them.
    """
    folder = Path(__file__).resolve().parents[1]
    whole = hashlib.sha256()
    for path in [*sorted(folder.rglob("*")), *sorted(folder.parent.glob("course/*.py"))]:
        inside = path.relative_to(folder.parent)
        if path.is_file() and not _DECIDES_NOTHING & set(inside.parts):
            whole.update(f"{inside.as_posix()}\0".encode())
            whole.update(hashlib.sha256(path.read_bytes()).digest())
    return whole.hexdigest()


def digest(path: Path) -> str:
    """SHA-256 of a file, 64 hex digits; ``""`` where it cannot be read."""
    try:
        with open_file(path, MOST_BYTES) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, CsalganError):
        return ""
