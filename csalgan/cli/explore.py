"""``csalgan explore``: the explorer as an app in the browser."""

from pathlib import Path
from typing import Annotated

from typer import Option

from csalgan.cli.options import (
    ClipOption,
    DataOption,
    ProfileOption,
    SetOption,
    open_clean,
    overrides_of,
)
from csalgan.files.errors import CsalganError


def explore(
    profile: ProfileOption = "demo",
    data: DataOption = "",
    out: Annotated[
        Path | None,
        Option(help="Report whose trained models are offered; reports/<profile>."),
    ] = None,
    weights: Annotated[
        Path | None,
        Option(help="Also offer this: a run's folder, a packed file, or a generator_*.pt."),
    ] = None,
    port: Annotated[
        int, Option(min=0, max=65535, help="Port on this machine; 0 takes a free one.")
    ] = 8866,
    browser: Annotated[
        bool, Option(help="Open a browser; --no-browser only prints the address.")
    ] = True,
    changes: SetOption = None,
    clip_weights: ClipOption = None,
) -> None:
    """Change the sentence and watch attention move: sliders in the browser, no notebook.

    Nothing is trained: it offers the weights that come with csalgan and the models of --out.
    """
    if weights and not weights.expanduser().exists():
        raise CsalganError(f"{weights}: no such file or folder; check --weights.")
    from csalgan.config import load_profile
    from csalgan.explorer.server import serve

    # What is wrong is said here; everything slow is left to the page, which says what it does.
    overrides = overrides_of(changes, clip_weights)
    load_profile(profile, overrides)
    dataset = open_clean(data) if data else None
    serve(
        {
            "profile": profile,
            "data": str(dataset.root) if dataset else "",
            "out": str(out.expanduser().resolve()) if out else "",
            "overrides": overrides,
        },
        str(weights.expanduser().resolve()) if weights else "",
        port=port,
        browser=browser,
    )
