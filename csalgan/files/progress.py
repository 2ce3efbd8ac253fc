"""What a command says while it works."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread

from tqdm import tqdm

_LINE = "{desc}: {n_fmt}/{total_fmt}, {rate_noinv_fmt}, {remaining} left"
_BAR = "{desc}: {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt}, {rate_noinv_fmt}, {remaining} left"
_PAUSE = 10.0  # seconds between two lines of a log
_commands = False


def log_too() -> None:
    """From now on progress goes into logs too; commands ask for it, notebooks do not."""
    global _commands
    _commands = True


class Progress(tqdm):
    """Rate and time left of a loop: a live line on a terminal, in a log a plain one now and then.

    Arguments are those of tqdm.
    """

    def __init__(self, *args, **options):
        self._live = sys.stderr.isatty()
        if not self._live:
            plain = {"bar_format": _LINE, "mininterval": _PAUSE, "maxinterval": _PAUSE}
            plain |= {"smoothing": 0, "delay": 1e-9}  # the rate so far; nothing at the start
            options = plain | {"disable": not _commands} | options
        shared = {"leave": False, "dynamic_ncols": True, "bar_format": _BAR}
        super().__init__(*args, **shared | options)
        if not self._live and not self.disable:  # the first line of a log after a second
            self.last_print_t -= _PAUSE - 1

    def display(self, msg=None, pos=None):
        """Show how far the loop is (tqdm's own hook)."""
        if self._live:
            return super().display(msg, pos)
        if msg is None:
            print(self, file=sys.stderr, flush=True)
        return True

    def close(self):
        """End the live line; a log needs nothing."""
        self.disable = self.disable or not self._live
        super().close()


@contextmanager
def doing(what: str) -> Iterator[None]:
    """Say on a terminal what is being done, and for how long, while a ``with`` block runs."""
    if not sys.stderr.isatty():
        yield
        return
    ended = Event()
    with Progress(total=0, desc=f"{what} …", bar_format="{desc} {elapsed}") as line:

        def tick() -> None:
            while not ended.wait(1):
                line.refresh()

        clock = Thread(target=tick, daemon=True)
        clock.start()
        try:
            yield
        finally:
            ended.set()
            clock.join()


def counted(number: int, noun: str) -> str:
    """``1 record``, ``2 records``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
