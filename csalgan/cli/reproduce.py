"""``csalgan reproduce``: every notebook, one report."""

from pathlib import Path
from typing import Annotated

import typer

from csalgan.cli.interrupt import telling
from csalgan.cli.options import ClipOption, DataOption, ProfileOption, SetOption, overrides_of
from csalgan.files.progress import doing


def reproduce(
    profile: ProfileOption = "demo",
    data: DataOption = "",
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder of the report; reports/<profile> else.")
    ] = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Do everything again, trainings too.")
    ] = False,
    from_step: Annotated[
        str, typer.Option("--from", metavar="STEP", help="Do this step (04) and later ones again.")
    ] = "",
    author: Annotated[
        Path | None,
        typer.Option(help="A clone of the author's repository: its logs, weights and pictures."),
    ] = None,
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, max=256, help="Steps at once.")] = 1,
    changes: SetOption = None,
    clip_weights: ClipOption = None,
) -> None:
    """Execute the numbered notebooks and write figures, tables and index.html.

    Steps whose result stands already are skipped. Stop it at any time: the same command goes on.
    """
    with doing("loading"):
        from csalgan.pipeline import reproduce as run_notebooks

    with telling(lambda: "nothing was begun", drop=["--from"]):
        index = run_notebooks(
            profile,
            data,
            str(out) if out else "",
            overrides_of(changes, clip_weights),
            fresh=fresh,
            from_step=from_step,
            jobs=jobs,
            author=author,
        )
    print(f"report: {index}")


def profiles() -> None:
    """List the profiles that come with the package."""
    from csalgan.config import load_profile, profile_names

    for name in profile_names():
        print(f"{name:<16}{load_profile(name).description}")
