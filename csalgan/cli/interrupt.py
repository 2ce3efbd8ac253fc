"""Ctrl-C: one sentence that says what stands, and how to go on."""

import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from csalgan.files.errors import CsalganError


class Interrupted(CsalganError):
    """The user stopped a command."""


@contextmanager
def telling(
    what_stands: Callable[[], str], *, add: Sequence[str] = (), drop: Sequence[str] = ()
) -> Iterator[None]:
    """Say what stands when the block is interrupted, and the command that goes on.

    Args:
        what_stands: asked then, unless the interruption brings a sentence of its own.
        add: options that the command needs to go on, when it has not got them.
        drop: options, each with its value, that would begin anew.
    """
    try:
        yield
    except KeyboardInterrupt as stop:
        given = sys.argv[1:]
        for name in drop:
            if name in given:
                place = given.index(name)
                del given[place : place + 2]
        command = shlex.join(["csalgan", *given, *(one for one in add if one not in given)])
        raise Interrupted(
            f"interrupted: {str(stop) or what_stands()}; go on with: {command}"
        ) from stop
