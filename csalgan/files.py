"""Writing files so that nobody ever meets half of one."""

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from csalgan.errors import CsalganError

_SENTENCES = {
    (errno.ENOSPC, errno.EDQUOT): (
        "no space is left on the disk; free some space or choose another folder, nothing "
        "half-written was kept."
    ),
    (errno.EACCES, errno.EPERM, errno.EROFS): (
        "this place cannot be written to; choose another folder or change its permissions."
    ),
    (errno.ENOTDIR, errno.EEXIST): (
        "a file stands where a folder is needed; move it or choose another folder."
    ),
}


@contextmanager
def explaining(target: Path) -> Iterator[None]:
    """One sentence for the write errors a user meets; any other error stays what it is."""
    try:
        yield
    except OSError as error:
        for numbers, sentence in _SENTENCES.items():
            if error.errno in numbers:
                raise CsalganError(f"{target}: {sentence}") from error
        raise


@contextmanager
def atomic_file(target: str | os.PathLike) -> Iterator[Path]:
    """Yield a temporary path beside ``target``; rename it to ``target`` when the block succeeds.

    When the block raises, or the process is killed, ``target`` is what it was before.
    Parent folders are made. The temporary name keeps the suffix of ``target``, because image
    writers choose their format by it.

    Raises:
        CsalganError: the disk is full or the place cannot be written to.
    """
    target = Path(target)
    temporary = None
    try:
        with explaining(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(
                dir=target.parent, prefix=".csalgan-", suffix=target.suffix
            )
            os.close(handle)
            temporary = Path(name)
            os.chmod(temporary, 0o666 & ~_umask())
            yield temporary
            os.replace(temporary, target)
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


@contextmanager
def atomic_dir(target: str | os.PathLike) -> Iterator[Path]:
    """Yield a temporary folder beside ``target``; put it in the place of ``target`` at the end.

    An existing ``target`` is replaced only when the block succeeds.

    Raises:
        CsalganError: the disk is full or the place cannot be written to.
    """
    target = Path(target)
    temporary = None
    try:
        with explaining(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            temporary = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}-"))
            os.chmod(temporary, 0o777 & ~_umask())
            yield temporary
            if target.exists():
                old = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}-old-"))
                os.replace(target, old / "old")
                os.replace(temporary, target)
                shutil.rmtree(old, ignore_errors=True)
            else:
                os.replace(temporary, target)
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)


def write_text(target: str | os.PathLike, text: str) -> Path:
    """Write UTF-8 text atomically and give back the path."""
    with atomic_file(target) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return Path(target)


def _umask() -> int:
    """The process's umask; reading it needs setting it."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
