"""One writer a folder: a report, a run, a sweep.

::

    .lock          held while somebody works in the folder
    .holder.json   who that is, in words for those who come second
"""

import json
import os
import socket
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from csalgan.files.errors import CsalganError
from csalgan.files.inputs import read_json
from csalgan.files.writing import explaining, require_writable, write_text

#: What stands in a folder because of its lock.
NAMES = (".lock", ".holder.json")


@contextmanager
def locked(folder: Path, *, wait: bool = False) -> Iterator[None]:
    """Keep a folder for this process while the block runs; it is made, and tried, before.

    The operating system gives the lock back when its holder ends, however that happens. A block
    inside another one for the same folder, in one thread, holds it once.

    Args:
        wait: for the one who holds it, instead of being refused.

    Raises:
        CsalganError: somebody works there, the disk is full, or nothing can be written there.
    """
    require_writable(folder)
    with explaining(folder):
        folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / ".lock", is_singleton=True)
    try:
        with explaining(folder):
            acquire(lock, lambda: f"{folder}: waits for {_told(folder)}" if wait else "")
    except Timeout as error:
        raise CsalganError(
            f"{folder}: {_told(folder)} works on this; wait for it, or choose another folder."
        ) from error
    try:
        if lock.lock_counter == 1:
            command = textwrap.shorten(" ".join([Path(sys.argv[0]).name, *sys.argv[1:]]), 200)
            about = {"pid": os.getpid(), "host": socket.gethostname(), "command": command}
            write_text(folder / ".holder.json", json.dumps(about) + "\n")
        yield
    finally:
        if lock.lock_counter == 1:
            (folder / ".holder.json").unlink(missing_ok=True)
        lock.release()


def acquire(lock: FileLock, waits: Callable[[], str]) -> None:
    """Take a lock, or say so and wait for it.

    Args:
        waits: what is said; ``""`` means not to wait.

    Raises:
        Timeout: somebody holds it, and it is not to be waited for.
    """
    try:
        lock.acquire(timeout=0)
    except Timeout:
        if not (said := waits()):
            raise
        print(said, file=sys.stderr)
        lock.acquire()


def holder(folder: Path) -> str:
    """Who works in a folder now, in words; ``""`` for nobody."""
    if not (folder / ".lock").exists():
        return ""
    try:
        import fcntl

        with (folder / ".lock").open("rb") as file:  # somebody else's may be open to reading only
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _told(folder)
    except (ImportError, OSError):  # no such locks here: a file that says so itself
        return _told(folder) if _marked(folder / ".lock") else ""
    return ""


def _marked(lock: Path) -> bool:
    """Whether a lock is held where the system knows none: its file then names the holder."""
    with suppress(OSError):
        return lock.stat().st_size > 0
    return False


def refuse_inside(folder: Path) -> None:
    """Refuse a folder inside one that somebody works on.

    Raises:
        CsalganError: naming the outer folder and who holds it.
    """
    for outer in folder.resolve().parents:
        if who := holder(outer):
            raise CsalganError(
                f"{folder}: lies in {outer}, on which {who} works; wait for it, or "
                "choose another folder."
            )


def _told(folder: Path) -> str:
    try:
        about = read_json(folder / ".holder.json")
        return f"process {about['pid']} on {about['host']} ({about['command']})"
    except (OSError, CsalganError, KeyError, TypeError):
        return "another process"
