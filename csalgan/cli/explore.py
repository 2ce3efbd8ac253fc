"""``csalgan explore``: trained models in the browser."""

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
from csalgan.files.progress import doing


def explore(
    profile: ProfileOption = "demo",
    data: DataOption = "",
    out: Annotated[
        Path | None, Option(help="Report whose models are offered; reports/<profile> else.")
    ] = None,
    weights: Annotated[
        Path | None, Option(help="Offer this too: a run's folder, a packed file, a generator_*.pt.")
    ] = None,
    port: Annotated[int, Option(min=0, max=65535, help="On this machine; 0: a free one.")] = 8866,
    browser: Annotated[bool, Option(help="Open a browser, or only print the address.")] = True,
    changes: SetOption = None,
    clip_weights: ClipOption = None,
) -> None:
    """Change the sentence and watch attention move, in a browser.

    Nothing is trained: it offers the weights that come with csalgan and the models of --out.
    """
    if weights and not weights.expanduser().exists():
        raise CsalganError(f"{weights}: no such file or folder; check --weights.")
    from csalgan.config import load_profile, resolved
    from csalgan.explorer.server import serve

    # What is wrong is said here; everything slow is left to the page, which says what it does.
    overrides = overrides_of(changes, clip_weights)
    load_profile(profile, overrides)
    with doing("opening the data"):
        root = str(open_clean(data).root) if data else ""
    settings = {
        "profile": resolved(profile),
        "data": root,
        "out": str(out.expanduser().resolve()) if out else "",
        "overrides": overrides,
    }
    chosen = str(weights.expanduser().resolve()) if weights else ""
    serve(settings, chosen, port=port, browser=browser)
