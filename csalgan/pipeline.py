"""Executing the numbered notebooks in order, and leaving a report behind.

The notebooks do the work; this module plans them, checks their parameters before anything runs,
executes them through papermill, and collects what they left.
"""

import os
import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import papermill
from papermill.exceptions import PapermillExecutionError

from csalgan import paths, report
from csalgan.config import Profile
from csalgan.data.check import require_clean
from csalgan.errors import CsalganError
from csalgan.files import write_text
from csalgan.job import Job, open_job

#: The notebooks in the order they build on each other; the third runs once a subset.
NOTEBOOKS = (
    "01_data_exploration",
    "02_model_definition",
    "03_adversarial_training",
    "04_metric_evaluation",
    "05_text_guidance_ablation",
    "06_prediction_explorer",
)
_PER_SUBSET = "03_adversarial_training"
_RECEIPT = "manifest.json"


@dataclass(frozen=True)
class Step:
    """One notebook with its parameters."""

    name: str
    notebook: Path
    parameters: dict[str, Any] = field(default_factory=dict)


def plan(profile: Profile, shared: dict[str, Any]) -> list[Step]:
    """The steps of a report, in order; ``shared`` are the parameters every notebook gets."""
    folder = paths.notebooks_dir()
    steps = []
    for name in NOTEBOOKS:
        if name == _PER_SUBSET:
            steps += [
                Step(f"{name}-{subset}", folder / f"{name}.ipynb", {**shared, "subset": subset})
                for subset in profile.training.subsets
            ]
        else:
            steps.append(Step(name, folder / f"{name}.ipynb", dict(shared)))
    return steps


def check_parameters(steps: Sequence[Step]) -> None:
    """Refuse a notebook that is missing or does not declare a parameter it is to be given.

    Papermill itself only warns about an unknown parameter and runs on with the default.

    Raises:
        CsalganError: naming the notebook and the parameter.
    """
    for step in steps:
        if not step.notebook.is_file():
            raise CsalganError(f"{step.notebook}: this notebook is missing; restore it from git.")
        declared = papermill.inspect_notebook(str(step.notebook))
        for name in step.parameters:
            if name not in declared:
                raise CsalganError(
                    f"{step.notebook}: has no parameter {name}; add it to the cell tagged "
                    "'parameters'."
                )


def reproduce(
    profile: str,
    data: str = "",
    out: str = "",
    overrides: Sequence[str] = (),
    *,
    fresh: bool = False,
) -> Path:
    """Run every notebook and write the report.

    Args:
        profile: a profile's name or YAML file.
        data: a dataset's folder or archive; ``""`` is the embedded dataset.
        out: the report's folder; ``""`` is ``reports/<profile>``.
        overrides: ``key.path=value`` changes to the profile.
        fresh: train again even where a finished run with the same settings stands.

    Returns:
        The path of ``index.html``.

    Raises:
        CsalganError: bad parameters (before anything runs), a dataset with faults, a folder that
            is not a report, or a failing notebook (named with its cell; its partial output is
            kept).
    """
    job = open_job(profile, data, out, overrides)
    shared = {
        "profile": str(profile),
        "data": str(job.dataset.root) if data else "",
        "out": str(job.out),
        "overrides": list(overrides),
    }
    steps = plan(job.profile, shared)
    check_parameters(steps)
    require_clean(job.dataset)
    _clear(job, fresh)

    notebooks = job.out / "notebooks"
    seconds: dict[str, float] = {}
    for number, step in enumerate(steps, start=1):
        began = time.perf_counter()
        execute(step, notebooks / f"{step.name}.ipynb", f"[{number}/{len(steps)}] {step.name}")
        seconds[step.name] = round(time.perf_counter() - began, 1)
    return report.write(job, [step.name for step in steps], seconds)


def execute(step: Step, output: Path, label: str) -> None:
    """Execute one notebook with one live progress line.

    Raises:
        CsalganError: naming the failing cell and what it said; ``output`` keeps what ran.
    """
    output.parent.mkdir(parents=True, exist_ok=True)
    live = sys.stderr.isatty()
    began = time.perf_counter()
    try:
        papermill.execute_notebook(
            str(step.notebook),
            str(output),
            parameters=step.parameters,
            kernel_name="python3",
            progress_bar={"desc": label, "leave": False, "ascii": " ="} if live else False,
            cwd=str(paths.root()) if paths.root().is_dir() else None,
            # The kernel listens on this machine only; its notice about that is no news to a user.
            extra_arguments=["--IPKernelApp.log_level=40"],
            iopub_timeout=120,  # nbclient's 4 s are too few where other work keeps the cores
        )
    except PapermillExecutionError as error:
        raise CsalganError(
            f"{step.name}: cell {error.cell_index} failed with {error.ename}: "
            f"{_first_line(error.evalue)} (what ran is in {output})"
        ) from error
    print(f"{label:<42} {time.perf_counter() - began:6.1f} s", file=sys.stderr, flush=True)


def _clear(job: Job, fresh: bool) -> None:
    """Remove an earlier report's figures, tables and notebooks, so that nothing stale is shown."""
    if job.out.exists() and not job.out.is_dir():
        raise CsalganError(f"{job.out}: a file stands where the report is to be; choose another.")
    ours = ("figures", "tables", "notebooks", "runs", _RECEIPT, "index.html")
    if job.out.is_dir():
        foreign = [entry.name for entry in job.out.iterdir() if entry.name not in ours]
        if foreign and not (job.out / _RECEIPT).exists():
            raise CsalganError(
                f"{job.out}: holds {foreign[0]} and is not a report; choose another --out folder."
            )
    for name in ours:
        if name == "runs" and not fresh:
            continue
        path = job.out / name
        if path.is_dir():
            shutil.rmtree(path)
        elif path.exists():
            os.unlink(path)
    # The receipt comes first, half empty, so that a report cut short is still known as one.
    write_text(job.out / _RECEIPT, '{"complete": false}\n')


def _first_line(text: str) -> str:
    return text.strip().splitlines()[0] if text.strip() else "(no message)"
