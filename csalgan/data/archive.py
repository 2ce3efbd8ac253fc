"""Unpacking a dataset's archive, and nothing else: bounded, and no member may leave the folder."""

import bz2
import errno
import gzip
import lzma
import shutil
import struct
import tarfile
import time
import zipfile
import zlib
from collections.abc import Iterator
from hashlib import file_digest
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from csalgan.files import paths
from csalgan.files.errors import CsalganError
from csalgan.files.inputs import open_file
from csalgan.files.writing import atomic_dir

#: The released dataset has 5,400 files and 2 GB; far more than that is no dataset.
MOST_FILES, MOST_BYTES = 100_000, 8 * 2**30
#: Pictures hardly pack: what unpacks to this many times its size, and to more than the floor, is
#: none. A gigabyte of zeros in a kilobyte is refused before it has been unpacked.
MOST_RATIO, FLOOR_BYTES = 100, 64 * 2**20
#: A header of a member (a long name, say), and the list of members of a .zip.
MOST_HEADER, MOST_LIST = 2**14, 2**24
#: Seconds for listing a .tar, and bytes of it that allow one second more.
MOST_SECONDS, BYTES_PER_SECOND = 30, 2**20

#: What the readers raise on archives that are cut short, altered or encrypted.
_BROKEN = (
    *(zipfile.BadZipFile, tarfile.TarError, gzip.BadGzipFile, lzma.LZMAError, zlib.error),
    *(EOFError, RuntimeError, ValueError, struct.error, MemoryError),
)
#: How a packed .tar begins → what unpacks it.
_PACKERS = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ": lzma.open}


class _TooLarge(Exception):
    """An archive unpacks to more than a dataset has; the text says to what."""


def unpacked(archive: Path) -> Path:
    """The folder of a dataset packed as ``.zip`` or ``.tar`` (also gz, bz2, xz).

    It is unpacked once into the cache, named by the archive's content. A layout that stands one
    folder deep in the archive is found.

    Raises:
        CsalganError: not an archive, broken, larger than a dataset (as it is, unpacked, or in one
            of its headers), or a member that would be written outside the folder (absolute path,
            ``..``), is a link or a device, or has holes.
    """
    with open_file(archive, MOST_BYTES) as file:
        _require_packed(archive, file)
        folder = paths.cache_dir() / "archives" / file_digest(file, "sha256").hexdigest()[:16]
        if not folder.is_dir():
            with atomic_dir(folder) as temporary:
                _unpack(archive, file, temporary)
    if (folder / "map").is_dir():
        return folder
    return next((path.parent for path in sorted(folder.glob("*/map")) if path.is_dir()), folder)


def _require_packed(archive: Path, file: BinaryIO) -> None:
    """Refuse what does not begin like an archive, before all of it is read."""
    begins = file.read(512)
    file.seek(0)
    if not begins.startswith((b"PK", *_PACKERS)) and begins[257:262] != b"ustar":
        raise CsalganError(f"{archive}: neither a folder nor a .zip or .tar; give one of them.")


def _unpack(archive: Path, file: BinaryIO, folder: Path) -> None:
    size = archive.stat().st_size
    most = min(MOST_BYTES, max(FLOOR_BYTES, MOST_RATIO * size))
    file.seek(0)
    begins = file.read(6)
    file.seek(0)
    try:
        if begins.startswith(b"PK"):
            _unpack_zip(archive, file, folder, most)
        else:
            packer = next((_PACKERS[how] for how in _PACKERS if begins.startswith(how)), None)
            _unpack_tar(archive, packer(file) if packer else file, folder, most, size)
    except _TooLarge as error:
        raise CsalganError(
            f"{archive}: {error}; no release of SJTU-TIS has that, unpack it yourself and give "
            "the folder."
        ) from error
    except _BROKEN as error:
        raise CsalganError(f"{archive}: broken or encrypted; copy the archive again.") from error
    except OSError as error:
        if error.errno in (errno.EISDIR, errno.ENOTDIR, errno.EEXIST, errno.ENAMETOOLONG):
            raise CsalganError(
                f"{archive}: the names of its members contradict each other or are too long; "
                "get the archive from its source."
            ) from error
        if error.errno is not None:
            raise
        # bz2 reports a damaged stream as an OSError without a number.
        raise CsalganError(f"{archive}: broken or encrypted; copy the archive again.") from error
    shutil.rmtree(folder / "__MACOSX", ignore_errors=True)


class _Bounded:
    """A stream for :mod:`tarfile` that goes no further than ``most`` bytes.

    A seek beyond them is refused before anything is unpacked, and so is a read of more than a
    header may have: :mod:`tarfile` reads members in small pieces, and headers whole.
    """

    def __init__(self, file: BinaryIO, most: int):
        self._file, self._most = file, most
        self.tell, self.deadline = file.tell, float("inf")

    def seek(self, place: int, whence: int = 0) -> int:
        if whence == 0 and place > self._most:
            raise _TooLarge(f"unpacks to more than {self._most / 2**30:.2g} GiB")
        return self._file.seek(place, whence)

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= MOST_HEADER:
            raise _TooLarge(f"has a header of more than {MOST_HEADER >> 10} KiB")
        if time.monotonic() > self.deadline:
            raise _TooLarge("takes too long to list")
        if self.tell() > self._most:
            raise _TooLarge(f"unpacks to more than {self._most / 2**30:.2g} GiB")
        return self._file.read(size)


def _unpack_tar(archive: Path, file: BinaryIO, folder: Path, most: int, size: int) -> None:
    bounded = _Bounded(file, most)
    bounded.deadline = time.monotonic() + MOST_SECONDS + size / BYTES_PER_SECOND
    with tarfile.open(fileobj=bounded, mode="r:") as packed:
        for member in _counted(packed, most, lambda member: member.size):
            plain = (member.isfile() or member.isdir()) and not member.issparse()
            _check(archive, member.name, plain=plain)
        bounded.deadline = float("inf")
        packed.extractall(folder, filter="data")
        _check_end(packed)


def _unpack_zip(archive: Path, file: BinaryIO, folder: Path, most: int) -> None:
    _check_list(file)
    with zipfile.ZipFile(file) as packed:
        for member in _counted(packed.infolist(), most, lambda member: member.file_size):
            # The upper bits of external_attr are the Unix mode; 0o120000 is a link.
            link = (member.external_attr >> 16) & 0o170000 == 0o120000
            _check(archive, member.filename, plain=not link)
        packed.extractall(folder)


def _counted(members, most: int, size) -> Iterator:
    """The members one by one, as long as they are not too many and not too large together."""
    total = 0
    for number, member in enumerate(members, 1):
        total += size(member)
        if number > MOST_FILES:
            raise _TooLarge(f"has more than {MOST_FILES} files")
        if total > most:
            raise _TooLarge(f"unpacks to more than {most / 2**30:.2g} GiB")
        yield member


def _check_list(file: BinaryIO) -> None:
    """Refuse a .zip whose list of members, which is read whole, is too long."""
    size = file.seek(0, 2)
    file.seek(max(0, size - 2**16 - 22))
    tail = file.read()
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or len(tail) < at + 22:
        raise zipfile.BadZipFile("no end")
    (length,) = struct.unpack("<I", tail[at + 12 : at + 16])
    # What stands 20 bytes before the end announces a list of more than 4 GiB or 65,535 files.
    if length > MOST_LIST or tail[max(0, at - 20) :].startswith(b"PK\x06\x07"):
        raise _TooLarge(f"has a list of members of more than {MOST_LIST >> 20} MiB")
    file.seek(0)


def _check_end(packed: tarfile.TarFile) -> None:
    """The reader takes a damaged header for the end; a real end is zeros and nothing else."""
    packed.fileobj.seek(packed.offset)
    zeros = 0
    while block := packed.fileobj.read(MOST_HEADER):  # to the last byte: checksums stand there
        if block.strip(b"\0"):
            raise tarfile.ReadError("data behind the last member")
        zeros += len(block)
    if zeros < tarfile.BLOCKSIZE:
        raise tarfile.ReadError("cut short between two members")


def _check(archive: Path, name: str, *, plain: bool) -> None:
    path = PurePosixPath(name.replace("\\", "/"))
    drive = len(name) > 1 and name[1] == ":"  # C:\\ leaves the folder on Windows
    if path.is_absolute() or ".." in path.parts or drive:
        raise CsalganError(
            f"{archive}: its member {name!r} would be written outside the folder; "
            "nothing was unpacked, get the archive from its source."
        )
    if not plain:
        raise CsalganError(
            f"{archive}: its member {name!r} is a link or a device, or has holes; "
            "nothing was unpacked, get the archive from its source."
        )
