"""``csalgan ablation``: what each part of the compact model brings."""

from pathlib import Path
from typing import Annotated

import typer

from csalgan.cli.train import ProfileOption, SetOption
from csalgan.errors import CsalganError


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command()(ablation)


def ablation(
    out: Annotated[Path, typer.Option("--out", help="Folder of runs and tables.")],
    profile: ProfileOption = "best",
    data: Annotated[
        str, typer.Option(help="Dataset folder or archive; the embedded dataset when left out.")
    ] = "",
    only: Annotated[
        str, typer.Option(help="Comma list of variants; all when left out.", show_default=False)
    ] = "",
    seeds: Annotated[int, typer.Option(min=1, help="Seeds of the profile's own model.")] = 3,
    paper: Annotated[
        str, typer.Option(help="Profile of the paper's model beside it; empty for none.")
    ] = "paper-cpu",
    part: Annotated[str, typer.Option(help="Part to score: val or test.")] = "test",
    changes: SetOption = None,
) -> None:
    """Train the compact model and variants of it, and score all of them side by side."""
    from csalgan import comparison
    from csalgan.data.check import require_clean
    from csalgan.job import open_job

    if part not in ("val", "test"):
        raise CsalganError(f"--part {part}: use val or test.")
    variants = [name.strip() for name in only.split(",") if name.strip()] or [*comparison.VARIANTS]
    for name in variants:
        if name not in comparison.VARIANTS:
            known = ", ".join(comparison.VARIANTS)
            raise CsalganError(f"--only {name}: no such variant; use one of {known}.")
    job = open_job(profile, data, str(out), list(changes or []))
    if job.profile.model.kind != "compact":
        raise CsalganError(f"--profile {profile}: not of the compact model; use best.")
    require_clean(job.dataset)
    table = comparison.compare_models(
        job.profile,
        job.dataset,
        job.out,
        variants=variants,
        seeds=seeds,
        paper=paper or None,
        part=part,
    )
    print(table.read_text(encoding="utf-8"))
    print(f"table: {table}")
