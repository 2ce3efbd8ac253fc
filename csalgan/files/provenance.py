"""Where a number or a picture came from, carried by every table and figure."""

import subprocess
from collections.abc import Sequence
from dataclasses import asdict, fields, replace
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic.dataclasses import dataclass

from csalgan.files.errors import CsalganError
from csalgan.files.inputs import first_fault


@dataclass(frozen=True, config={"extra": "forbid", "strict": True})
class Provenance:
    """Where a result comes from.

    ``data`` says whether the gaze is real (``SJTU-TIS (510 images)``) or simulated
    (``embedded (synthetic, seed 0)``); ``fingerprint`` is the first 12 hex digits of the
    dataset's content hash. ``pretraining`` names the datasets seen before, with theirs;
    ``precision`` is the arithmetic that predicted what was scored or drawn, where something was,
    and ``test_scales`` the sides (pixels) at which the model saw the photographs then; ``device``
    is where the model was trained (``cpu``, ``cuda``); ``threads`` is the number that a CPU
    computed with (after a training on a GPU, too), on which the last digits depend (None: not
    known).
    """

    data: str
    fingerprint: str
    encoder: str
    profile: str
    seed: int
    commit: str
    pretraining: str = ""
    precision: str = ""
    test_scales: str = ""
    device: str = ""
    threads: int | None = None

    @classmethod
    def of(cls, values: Any, source: str) -> "Provenance":
        """From plain values (:meth:`as_dict`); ``source`` names their file in messages.

        Raises:
            CsalganError: other keys, or values of another type.
        """
        try:
            return cls(**values)
        except TypeError as error:  # no keys
            raise CsalganError(f"{source}: provenance is not csalgan's; make it again.") from error
        except ValidationError as error:
            why = first_fault(error, "csalgan/files/provenance.py")
            raise CsalganError(f"{source}: provenance: {why}") from error

    @property
    def synthetic(self) -> bool:
        """Whether the gaze is simulated."""
        return "synthetic" in self.data

    def line(self) -> str:
        """One line for the foot of a figure or the caption of a table."""
        before = f" · pretrained on {self.pretraining}" if self.pretraining else ""
        device = "" if self.device == "cpu" else self.device
        return (
            f"data: {self.data} [{self.fingerprint}]{before} · text: {self.encoder} · "
            f"profile: {self.profile} · seed: {self.seed} · commit: {self.commit}"
            + (f" · trained on {device}" if device else "")
            + (f" · predicted in {self.precision}" if self.precision else "")
            + (f" at {self.test_scales} px" if self.test_scales else "")
            + (f" · threads: {self.threads}" if self.threads else "")
        )

    def as_dict(self) -> dict[str, str | int]:
        """The same as plain values, for CSV columns, PNG metadata and JSON."""
        later = ("pretraining", "precision", "test_scales", "device", "threads")
        return {key: value for key, value in asdict(self).items() if value or key not in later}

    def with_(self, **changes) -> "Provenance":
        """A copy in which some fields differ (another encoder, say)."""
        return replace(self, **changes)

    def predicting(self, precision: str, test_scales: Sequence[int]) -> "Provenance":
        """The same of maps predicted in this arithmetic, from photographs of these sides."""
        return self.with_(precision=precision, test_scales="+".join(map(str, test_scales)))

    @classmethod
    def together(cls, several: Sequence["Provenance"]) -> "Provenance":
        """Of what several models made: all values of a field in which they differ."""
        found = {}
        for field in fields(cls):
            values = list(dict.fromkeys(getattr(one, field.name) for one in several))
            if field.name == "seed":
                found["seed"] = values[0]
            elif field.name == "threads":
                found["threads"] = values[0] if len(values) == 1 else None
            else:
                found[field.name] = ", ".join(filter(None, values))
        return cls(**found)


@cache
def commit() -> str:
    """Short commit of the code, with ``+`` where the package or a notebook differs from it.

    ``unknown`` when the package was not imported from a checkout.
    """
    checkout = Path(__file__).resolve().parents[2]
    if not (checkout / ".git").exists():
        return "unknown"
    git = {"cwd": checkout, "capture_output": True, "text": True, "check": True, "timeout": 20}
    # A checkout may be another member's of the group; looking at it changes nothing of it.
    ask = ["git", "--no-optional-locks", "-c", f"safe.directory={checkout}"]
    where = ["status", "--porcelain", "--", "csalgan", "notebooks"]
    try:
        short = subprocess.run([*ask, "rev-parse", "--short=10", "HEAD"], **git).stdout.strip()
        changed = subprocess.run([*ask, *where], **git).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return short + ("+" if changed else "")
