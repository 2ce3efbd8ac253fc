"""What decides the result of a step, as one number: equal keys, equal results."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import nbformat

_DECIDES_NOTHING = {"__pycache__", "notebooks", "templates", "cli", "pipeline", "runner", "sweeps"}


def step_key(
    notebook: Path,
    parameters: Mapping[str, Any],
    profile: Mapping[str, Any],
    data: str,
    reads: Sequence[str],
) -> str:
    """64 hex digits.

    Args:
        notebook: its cells count, their outputs do not.
        parameters: those that decide a result; not where files stand.
        profile: every value of the profile.
        data: the dataset's fingerprint.
        reads: keys of the steps whose results it reads.
    """
    cells = nbformat.read(notebook, as_version=4).cells
    parts = {
        "notebook": [[cell.cell_type, cell.source] for cell in cells],
        "parameters": dict(parameters),
        "profile": dict(profile),
        "package": package_digest(),
        "data": data,
        "reads": list(reads),
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
