"""What several commands share: options, opening of data, the message after Ctrl-C."""

import shlex
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from os.path import realpath
from pathlib import Path
from types import MappingProxyType
from typing import Annotated

from typer import CallbackParam, Option

from csalgan.data.records import SUBSETS
from csalgan.files.errors import CsalganError
from csalgan.files.inputs import MOST_SEED
from csalgan.files.writing import require_writable
from csalgan.runner.processes import EndedBySignal


def one_of(*choices: str) -> Callable[[CallbackParam, str], str]:
    """An option's callback that refuses, in one sentence, a value that is none of the choices."""

    def check(param: CallbackParam, value: str) -> str:
        if value not in choices:
            raise CsalganError(f"--{param.name} {value}: use one of {', '.join(choices)}.")
        return value

    return check


def _profiles() -> list[str]:
    from csalgan.config import profile_names

    return profile_names()


ProfileOption = Annotated[
    str,
    Option("--profile", "-p", help="A profile's name or YAML file.", autocompletion=_profiles),
]
SetOption = Annotated[
    list[str] | None, Option("--set", metavar="KEY=VALUE", help="Change the profile; repeatable.")
]
ClipOption = Annotated[Path | None, Option(help="A local file with CLIP's weights.")]
DataOption = Annotated[str, Option(help="Dataset folder or archive; the embedded one else.")]
SubsetOption = Annotated[
    str, Option(help="total, general, sal or non_sal.", callback=one_of(*SUBSETS))
]
PartOption = Annotated[
    str, Option(help="all, train, val or test.", callback=one_of("all", "train", "val", "test"))
]
OutOption = Annotated[Path, Option(help="Folder of what is written.")]
SeedOption = Annotated[int, Option(min=0, max=MOST_SEED, help="Of all that is drawn.")]
BootstrapOption = Annotated[int, Option(min=10, max=1_000_000, help="Resamples of the images.")]
JobsOption = Annotated[int, Option("--jobs", "-j", min=1, max=256, help="So many at once, here.")]


def overrides_of(changes: list[str] | None, clip_weights: Path | None) -> list[str]:
    """Overrides as the profile reads them; a weights file becomes an absolute path."""
    clip = [f"text.clip_weights={clip_weights.expanduser().resolve()}"] if clip_weights else []
    return [*(changes or []), *clip]


def open_clean(data: str):
    """A dataset without faults; the embedded one for ``""``.

    Raises:
        CsalganError: no dataset there, or one with faults.
    """
    from csalgan.data import ensure_embedded, open_dataset, require_clean

    dataset = open_dataset(data or ensure_embedded())
    require_clean(dataset)
    return dataset


def require_table(out: Path | None, *read: Path) -> None:
    """Refuse, before the work, a place for a table that is none or that holds what is read."""
    if out is None:
        return
    if out.suffix.lower() != ".csv" or out.is_dir():
        raise CsalganError(f"--out {out}: tables are CSV; give the name of a .csv file.")
    for path in read:
        # Path.resolve stops with a traceback at a loop of links.
        if Path(realpath(out)).is_relative_to(realpath(path)):
            raise CsalganError(f"--out {out}: {path} is read here; write the table elsewhere.")
    require_writable(out.parent)


class Interrupted(CsalganError):
    """The user, or the system at a signal, stopped a command; ``status`` is what it exits with."""

    def __init__(self, message: str, status: int):
        super().__init__(message)
        self.status = status


@contextmanager
def telling(
    what_stands: Callable[[], str],
    *,
    add: Sequence[str] = (),
    drop: Mapping[str, int] = MappingProxyType({}),
) -> Iterator[None]:
    """Turn Ctrl-C, or a signal that ends the block, into a message: what is finished, and the
    command that goes on.

    Args:
        what_stands: gives the first part, unless the interruption brings it (``stands``).
        add: options to add to the command so that it goes on.
        drop: options to take off, since they would begin anew → how many values each takes.
    """
    try:
        yield
    except (KeyboardInterrupt, EndedBySignal) as stop:
        given, stands = sys.argv[1:], getattr(stop, "stands", "")
        for name, values in drop.items() if stands else ():
            while name in given:
                place = given.index(name)
                del given[place : place + 1 + values]
            given = [one for one in given if not one.startswith(f"{name}=")]
        command = shlex.join(["csalgan", *given, *(one for one in add if one not in given)])
        raise Interrupted(
            f"interrupted: {stands or what_stands()}; go on with: {command}",
            getattr(stop, "code", 130),
        ) from stop
