"""``csalgan reproduce``, ``report`` and ``status``: every notebook, one report."""

import json
import sys
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from csalgan.cli.options import (
    ClipOption,
    DataOption,
    JobsOption,
    ProfileOption,
    SetOption,
    overrides_of,
    telling,
)
from csalgan.files.errors import CsalganError
from csalgan.files.progress import doing

ReportArgument = Annotated[Path, Argument(metavar="REPORT", help="Its folder.")]


def reproduce(
    profile: ProfileOption = "demo",
    data: DataOption = "",
    out: Annotated[Path | None, Option(help="Its folder, or reports/<profile>.")] = None,
    fresh: Annotated[bool, Option("--fresh", help="Do everything again, trainings too.")] = False,
    from_step: Annotated[
        str, Option("--from", metavar="STEP", help="Do this step (04) and later ones again.")
    ] = "",
    author: Annotated[Path | None, Option(help="Clone of the author's code, shown beside.")] = None,
    jobs: JobsOption = 1,
    changes: SetOption = None,
    clip_weights: ClipOption = None,
) -> None:
    """Run the notebooks: figures, tables and a page (index.html).

    Steps whose result stands already are skipped. Stop it at any time: the same command goes on.
    """
    with doing("loading"):
        from csalgan.pipeline import reproduce as run_notebooks

    with telling(lambda: "nothing was begun", drop={"--from": 1, "--fresh": 0}):
        asked = profile, data, str(out or ""), overrides_of(changes, clip_weights)
        index = run_notebooks(*asked, fresh=fresh, from_step=from_step, jobs=jobs, author=author)
    print(f"report: {index}")


def profiles() -> None:
    """List the profiles that come with the package."""
    from csalgan.config import load_profile, profile_names

    for name in profile_names():
        print(f"{name:<16}{load_profile(name).description}")


def report(
    folder: ReportArgument,
    file: Annotated[Path | None, Option("--zip", metavar="FILE", help="Pack it into.")] = None,
) -> None:
    """Write a report's page again; pack it for others.

    A page whose results are of earlier code or settings is left as it was.
    """
    from csalgan.files.locks import locked
    from csalgan.pipeline import open_report
    from csalgan.pipeline import report as reports

    job, steps = open_report(folder)
    for step in steps:
        if step["status"] not in ("done", "stale"):
            raise CsalganError(
                f"{folder}: {step['step']} has not been done; finish it with csalgan reproduce."
            )
    if any(step["status"] == "stale" for step in steps):
        # A page of today's code and settings would say of old results that they are of these.
        note = "what decides its results has changed since; csalgan reproduce makes them anew."
        print(f"note: the page is left as it was, {note}", file=sys.stderr)
    else:
        seconds = {step["step"]: step["seconds"] for step in steps}
        with locked(job.out):
            print(f"report: {reports.write(job, [*seconds], seconds)}")
    if file is not None:
        reports.pack(job.out, file)
        print(f"{file}: {file.stat().st_size / 1e6:.1f} MB")
        if shown := reports.photographs(job.out):
            note = "of its figures show photographs of the dataset, which must not be published."
            print(f"note: {len(shown)} {note}", file=sys.stderr)


def status(
    folder: ReportArgument,
    as_json: Annotated[bool, Option("--json", help="For machines.")] = False,
) -> None:
    """Show what of a report or a sweep is done, running or failed.

    stale: done, but the notebook, the modules it reads, the profile, the data or a step before it
    has changed since, or one of its files; interrupted: begun by a run that is gone. Times: UTC.
    """
    from csalgan.files.locks import holder
    from csalgan.runner.state import State

    state, working = State(folder), holder(folder)
    if state.known() and not (state.folder / "plan.json").exists():  # a sweep, a crossval
        # A job on a cluster outlives the command that sent it.
        runs = Path(folder) / "runs"
        steps = [
            state.row(name, working=bool(working or holder(runs / name))) for name in state.known()
        ]
    else:
        from csalgan.pipeline import open_report

        _, steps = open_report(folder)
    if as_json:
        print(json.dumps({"working": bool(working), "steps": steps}, indent=1, ensure_ascii=False))
        return
    for step in steps:
        seconds = f"{step['seconds']:7.1f} s" if step["seconds"] else ""
        print(f"{step['step']:<34} {step['status']:<12} {step['started'][:19]:<19} {seconds}")
        if step["message"]:
            print(f"    {step['message']}")
    print(f"{working} works on it" if working else "nobody works on it")
