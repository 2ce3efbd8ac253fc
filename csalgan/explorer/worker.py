"""Work in a thread of its own, of which only the newest piece counts."""

from collections.abc import Callable, Iterable
from threading import Condition, Thread


class Newest:
    """Does one piece of work after the other; what was asked last replaces what still waits.

    A piece of work is an iterable: between its steps a newer one takes its place, so nobody waits
    for the answer to a question that is no longer asked.

    Args:
        failed: told of what a piece of work raised.
    """

    def __init__(self, failed: Callable[[Exception], None]):
        self._failed = failed
        self._changed = Condition()
        self._next: Iterable | None = None
        self._idle = True
        Thread(target=self._run, daemon=True).start()

    def ask(self, work: Iterable) -> None:
        """Do this next, instead of anything asked before."""
        with self._changed:
            self._next, self._idle = work, False
            self._changed.notify_all()

    def wait(self, seconds: float = 60) -> bool:
        """Until everything asked is done; whether it is."""
        with self._changed:
            return self._changed.wait_for(lambda: self._idle, seconds)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._idle = self._next is None
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._next is not None)
                work, self._next = self._next, None
            try:
                for _ in work:
                    if self._next is not None:
                        break
            except Exception as error:
                self._failed(error)
