"""The command line: one file a group of commands, errors in one sentence."""

import sys
from functools import cache
from pathlib import Path

import typer

from csalgan.errors import CsalganError
from csalgan.inputs import require_utf8
from csalgan.runner.processes import tie_to_parent

app = typer.Typer(
    name="csalgan",
    help="Text-guided image saliency: data, training, evaluation, reports.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@cache
def _register() -> None:
    """Import the groups lazily, so that `csalgan --help` does not wait for torch."""
    from csalgan.cli import (
        author,
        data,
        evaluate,
        explore,
        predict,
        reproduce,
        status,
        sweep,
        train,
    )

    app.add_typer(data.app, name="data")
    train.register(app)
    author.register(app)
    evaluate.register(app)
    predict.register(app)
    explore.register(app)
    reproduce.register(app)
    status.register(app)
    sweep.register(app)


def main() -> None:
    """Run the command line; a user's mistake is one sentence on stderr and exit status 1."""
    tie_to_parent()
    _register()
    try:
        for argument in sys.argv[1:]:
            require_utf8(Path(argument))
        app()
    except CsalganError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
