"""``csalgan status``: what of a report is done, running, stale or failed."""

import json
from pathlib import Path
from typing import Annotated

import typer


def status(
    report: Annotated[Path, typer.Argument(help="Folder of a report.")],
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """Show what of a report is done, running, stale or failed, with times.

    stale: done, but the notebook, the modules it reads, the profile, the data or a step before it
    has changed since, or one of its files; interrupted: begun by a run that is gone.
    """
    from csalgan.files.locks import holder, is_locked
    from csalgan.pipeline import open_report

    _, steps = open_report(report)
    working = is_locked(report)
    if as_json:
        print(json.dumps({"working": working, "steps": steps}, indent=1, ensure_ascii=False))
        return
    for step in steps:
        seconds = f"{step['seconds']:7.1f} s" if step["seconds"] else ""
        print(f"{step['step']:<34} {step['status']:<12} {step['started'][:19]:<19} {seconds}")
        if step["message"]:
            print(f"    {step['message']}")
    print(f"{holder(report)} works on it" if working else "nobody works on it")
