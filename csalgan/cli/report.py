"""``csalgan report``: a report's page written again, and one file to hand around."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from csalgan.files.errors import CsalganError


def report(
    folder: Annotated[Path, typer.Argument(metavar="REPORT", help="Folder of a report.")],
    file: Annotated[
        Path | None,
        typer.Option("--zip", metavar="FILE", help="Pack page, pictures, tables and notebooks."),
    ] = None,
) -> None:
    """Write a report's page again from what stands in its folder; pack it for others."""
    from csalgan.pipeline import open_report
    from csalgan.pipeline import report as reports

    job, steps = open_report(folder)
    missing = [step["step"] for step in steps if step["status"] not in ("done", "stale")]
    if missing:
        raise CsalganError(
            f"{folder}: {missing[0]} has not been done; finish the report with csalgan reproduce."
        )
    seconds = {step["step"]: step["seconds"] for step in steps}
    print(f"report: {reports.write(job, [*seconds], seconds)}")
    if file is not None:
        reports.pack(job.out, file)
        print(f"{file}: {file.stat().st_size / 1e6:.1f} MB")
        if shown := reports.photographs(job.out):
            print(
                f"note: {len(shown)} of its figures show photographs of the dataset, which must "
                "not be published.",
                file=sys.stderr,
            )
