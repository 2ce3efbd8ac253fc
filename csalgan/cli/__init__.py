"""The command line: one file a group of commands, errors in one sentence."""

import errno
import sys
from functools import cache
from pathlib import Path
from typing import Annotated

import typer

from csalgan.cli.options import Interrupted, telling
from csalgan.files.errors import CsalganError
from csalgan.files.inputs import printable, require_utf8
from csalgan.files.progress import log_too
from csalgan.runner.processes import tie_to_parent

_DENIED = "this may not be read; ask its owner for the permission, or choose another."
_NOT_OPENED = {errno.EACCES: _DENIED, errno.EPERM: _DENIED}
_NOT_OPENED[errno.ENAMETOOLONG] = "this name is too long; use a shorter one."

app = typer.Typer(
    name="csalgan",
    help="Text-guided image saliency: data, training, evaluation, reports.",
    context_settings={"max_content_width": 110},
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # half of what `csalgan --help` took was the import of rich
)


def _show_version(wanted: bool) -> None:
    if wanted:
        from csalgan import __version__
        from csalgan.files import provenance

        print(f"csalgan {__version__} (commit {provenance.commit()})")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", is_eager=True, callback=_show_version, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    """What every command shares."""


@cache
def _register() -> None:
    """Import the groups lazily, so that `csalgan --help` does not wait for torch."""
    from csalgan.cli.compare import compare
    from csalgan.cli.data import check, prepare, synth
    from csalgan.cli.evaluate import author, evaluate
    from csalgan.cli.explore import explore
    from csalgan.cli.predict import predict
    from csalgan.cli.reproduce import profiles, report, reproduce, status
    from csalgan.cli.train import crossval, sweep, train

    data = typer.Typer(help="Check, make and pack datasets.", no_args_is_help=True)
    app.add_typer(data, name="data")
    every = (train, author, evaluate, compare, predict, explore, reproduce, profiles, report)
    groups = {data: (check, synth, prepare), app: (*every, status, sweep, crossval)}
    for group, commands in groups.items():
        for command in commands:
            group.command()(telling(lambda: "nothing is left half-written")(command))


def main() -> None:
    """Run the command line; a user's mistake is one sentence on stderr and exit status 1."""
    tie_to_parent()
    log_too()
    if hasattr(sys.stdout, "reconfigure"):  # a terminal or pipe of another encoding than UTF-8
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        for argument in sys.argv[1:]:
            require_utf8(Path(argument))
        _register()
        app()
    except (Interrupted, KeyboardInterrupt) as stop:
        print(f"\n{str(stop) or 'interrupted'}", file=sys.stderr)
        sys.exit(getattr(stop, "status", 130))
    except (CsalganError, OSError, RuntimeError) as error:
        if isinstance(error, OSError) and error.errno in _NOT_OPENED:
            error = f"{error.filename}: {_NOT_OPENED[error.errno]}"
        elif isinstance(error, RuntimeError) and "home directory" in str(error):  # of pathlib
            error = (
                "a path begins with ~ and a name that no user of this machine has; write it out."
            )
        elif not isinstance(error, CsalganError):
            raise
        # Names of files are somebody's: a line break or an escape in one is shown, not obeyed.
        print(f"error: {printable(str(error))}", file=sys.stderr)
        sys.exit(1)
