"""Writing files so that nobody ever meets half of one.

A file is written under a temporary name, brought to the disk (``fsync``), renamed, and its folder
brought to the disk too: after a kill or a power cut it is the old one or the new one, whole.
"""

import errno
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from csalgan.files.errors import CsalganError

#: Environment variable: a file to which the path of every file written is added. The runner sets
#: it for a step, which so owns what it wrote and nothing else.
LEDGER = "CSALGAN_WRITTEN"
#: How the names of what is being written begin.
TEMPORARY = ".csalgan-"
#: What file managers leave in any folder.
CLUTTER = frozenset({".DS_Store", "Thumbs.db", "desktop.ini"})
_ABANDONED = 86_400.0  # seconds: nobody makes a folder for a day

#: Write errors that a user can do something about.
_TOLD = {errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS, errno.EIO}
_TOLD |= {errno.ENOTDIR, errno.EEXIST, errno.EISDIR, errno.EBUSY}
_TOLD |= {errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP}  # shares that know no locks


@contextmanager
def explaining(target: str | os.PathLike) -> Iterator[None]:
    """Turn the common write errors (:data:`_TOLD`) into a :class:`CsalganError`."""
    try:
        yield
    except OSError as error:
        if error.errno not in _TOLD:
            raise
        raise CsalganError(
            f"{target}: cannot be written to ({os.strerror(error.errno)}); free some space, change "
            "permissions or choose another place (for all defaults: CSALGAN_HOME), nothing "
            "half-written was kept."
        ) from error


@contextmanager
def atomic_file(target: str | os.PathLike) -> Iterator[Path]:
    """Yield a temporary path beside ``target``; rename it to ``target`` when the block succeeds.

    When the block raises, or the process is killed, ``target`` is what it was before. The block
    makes the file; parent folders are made here. The temporary name keeps the suffix of
    ``target``, because image writers choose their format by it. Writers that do not say why they
    failed (safetensors, torch, Pillow) write to memory, and :func:`write_bytes` the result.

    Raises:
        CsalganError: the disk is full or the place cannot be written to.
    """
    target = Path(target)
    temporary = _beside(target)
    with explaining(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield temporary
            _to_disk(temporary)
            # Before the file is there: what is noted and missing harms nobody, the reverse would.
            if ledger := os.environ.get(LEDGER):
                append_text(ledger, f"{target.absolute()}\n")
            os.replace(temporary, target)
            _to_disk(target.parent)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def atomic_dir(target: str | os.PathLike) -> Iterator[Path]:
    """Yield a temporary folder beside ``target``; put it in the place of ``target`` at the end.

    An existing ``target`` is replaced only when the block succeeds. What killed processes left
    half-made beside it is removed when it is a day old.

    Raises:
        CsalganError: the disk is full or the place cannot be written to.
    """
    target = Path(target)
    temporary, old = _beside(target), _beside(target)
    with explaining(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        remove_abandoned(target.parent)
        temporary.mkdir()
        try:
            yield temporary
            if hasattr(os, "sync"):
                os.sync()  # thousands of files at once: one by one would take a minute
            if target.exists():
                old.mkdir()
                os.replace(target, old / "old")
            os.replace(temporary, target)
            _to_disk(target.parent)
        finally:
            if old.exists() and not target.exists():
                os.replace(old / "old", target)
            for one in (temporary, old):
                shutil.rmtree(one, ignore_errors=True)


def write_bytes(target: str | os.PathLike, data: bytes | memoryview) -> Path:
    """Write a file atomically and give back its path."""
    with atomic_file(target) as temporary:
        _write(temporary, data, os.O_EXCL)
    return Path(target)


def write_text(target: str | os.PathLike, text: str) -> Path:
    """Write UTF-8 text atomically and give back the path."""
    return write_bytes(target, text.encode("utf-8"))


def append_text(target: str | os.PathLike, text: str) -> None:
    """Add UTF-8 text to the end of a file, in one write.

    Raises:
        CsalganError: the disk is full or the place cannot be written to.
    """
    with explaining(target):
        _write(target, text.encode("utf-8"), os.O_APPEND)


def require_writable(folder: str | os.PathLike) -> None:
    """Try a place before the work: write to the folder, or to the one it will be made in.

    Raises:
        CsalganError: the disk is full or the place cannot be written to.
    """
    place = Path(folder).absolute()
    with explaining(folder):
        while not place.exists():
            place = place.parent
        probe = _beside(place / "probe")
        try:
            _write(probe, bytes(4096), os.O_EXCL)
            _to_disk(probe)
        except FileNotFoundError as error:  # a folder that lets nobody make a file, as /proc
            raise PermissionError(errno.EACCES, str(error)) from error
        finally:
            probe.unlink(missing_ok=True)


def remove_abandoned(folder: Path) -> None:
    """Remove what killed processes left half-made in a folder that others write to, too."""
    for left in folder.glob(f"{TEMPORARY}*"):
        with suppress(OSError):  # gone meanwhile, or somebody else's
            if time.time() - left.stat().st_mtime > _ABANDONED:
                shutil.rmtree(left) if left.is_dir() else left.unlink()


def remove_leftovers(folder: Path) -> None:
    """Remove the temporary files in a folder that killed processes left; nobody may write there."""
    for path in folder.glob(f"{TEMPORARY}*"):
        if path.is_file():
            path.unlink(missing_ok=True)


def _beside(target: Path) -> Path:
    """A name that nothing has, in the folder of ``target``."""
    return target.parent / f"{TEMPORARY}{uuid4().hex}{target.suffix}"


def _write(path: str | os.PathLike, data: bytes | memoryview, how: int) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | how, 0o666)
    try:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(handle, rest) :]
    finally:
        os.close(handle)


def _to_disk(path: Path) -> None:
    """``fsync`` of a file or folder; filesystems that know none of folders are left alone."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except PermissionError:  # folders on Windows
        return
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(handle)
