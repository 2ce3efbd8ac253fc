"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

from csalgan.data.records import SUBSETS
from csalgan.files.errors import CsalganError

PARTS = ("all", "train", "val", "test")


def _profiles() -> list[str]:
    from csalgan.config import profile_names

    return profile_names()


ProfileOption = Annotated[
    str,
    typer.Option(
        "--profile",
        "-p",
        help="A profile's name or the path of a YAML file.",
        autocompletion=_profiles,
    ),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Replace a value of the profile; repeatable."),
]
ClipOption = Annotated[
    Path | None, typer.Option("--clip-weights", help="A local file with CLIP's weights.")
]
DataOption = Annotated[
    str, typer.Option(help="Dataset folder or archive; the embedded dataset when left out.")
]
SubsetOption = Annotated[str, typer.Option(help="total, general, sal or non_sal.")]
BootstrapOption = Annotated[
    int, typer.Option(min=10, max=1_000_000, help="Resamples of the images.")
]


def overrides_of(changes: list[str] | None, clip_weights: Path | None) -> list[str]:
    """Overrides as the profile reads them; a weights file becomes an absolute path."""
    overrides = list(changes or [])
    if clip_weights is not None:
        overrides.append(f"text.clip_weights={clip_weights.expanduser().resolve()}")
    return overrides


def open_clean(data: str):
    """A dataset without faults; the embedded one for ``""``.

    Raises:
        CsalganError: no dataset there, or one with faults.
    """
    from csalgan.data import ensure_embedded, open_dataset, require_clean

    dataset = open_dataset(data or ensure_embedded())
    require_clean(dataset)
    return dataset


def require_one_of(option: str, value: str, choices: tuple[str, ...] = SUBSETS) -> None:
    """Refuse a value that is none of the choices."""
    if value not in choices:
        raise CsalganError(f"{option} {value}: use one of {', '.join(choices)}.")
