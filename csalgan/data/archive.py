"""Unpacking a dataset's archive, and nothing else: bounded, and no member may leave the folder."""

import bz2
import errno
import gzip
import lzma
import re
import shutil
import struct
import tarfile
import zipfile
import zlib
from hashlib import file_digest
from pathlib import Path
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
#: Read at once: a header of a .tar (a long name, say), or the list of a .zip's members.
MOST_HEADER = 2**24

#: What the readers raise on archives that are cut short, altered or encrypted.
_BROKEN = (
    *(zipfile.BadZipFile, tarfile.TarError, gzip.BadGzipFile, lzma.LZMAError, zlib.error),
    *(EOFError, RuntimeError, ValueError, struct.error, MemoryError),
)
#: Errors that names of members cause; bz2 reports a damaged stream as one without a number.
_NAMES = (None, errno.EISDIR, errno.ENOTDIR, errno.EEXIST, errno.ENAMETOOLONG)
#: How a packed .tar begins → what unpacks it.
_PACKERS = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ": lzma.open}
#: A name that leaves its folder: absolute, with a drive (on Windows), or with ``..``.
_OUTSIDE = re.compile(r"/|.:|(.*/)?\.\.(/|$)", re.DOTALL)


def unpacked(archive: Path) -> Path:
    """The folder of a dataset packed as ``.zip`` or ``.tar`` (also gz, bz2, xz).

    It is unpacked once into the cache, named by the archive's content.

    Raises:
        CsalganError: not an archive, broken, larger than a dataset (as it is, unpacked, or in one
            of its headers), or a member that would be written outside the folder (absolute path,
            ``..``), is a link or a device, or has holes.
    """
    with open_file(archive, MOST_BYTES) as file:
        begins = file.read(512)
        if not begins.startswith((b"PK", *_PACKERS)) and begins[257:262] != b"ustar":
            raise CsalganError(f"{archive}: neither a folder nor a .zip or .tar; give one of them.")
        file.seek(0)
        folder = paths.cache_dir() / "archives" / file_digest(file, "sha256").hexdigest()[:16]
        if not folder.is_dir():
            file.seek(0)
            with atomic_dir(folder) as temporary:
                try:
                    _unpack(archive, file, begins, temporary)
                except (*_BROKEN, OSError) as error:
                    if getattr(error, "errno", None) not in _NAMES:  # a full disk, say
                        raise
                    raise CsalganError(
                        f"{archive}: broken or encrypted, or the names of its members contradict "
                        "each other or are too long; get the archive from its source again."
                    ) from error
    return folder


class _Bounded:
    """A stream that goes no further than ``most`` bytes and reads no long header at once."""

    def __init__(self, archive: Path, file: BinaryIO, most: int):
        self._archive, self._file, self._most = archive, file, most
        self.tell, self.seekable = file.tell, file.seekable

    def require(self, *, fits: bool) -> None:
        """Refuse an archive that is larger than a dataset."""
        if not fits:
            raise CsalganError(
                f"{self._archive}: unpacks to more than {self._most / 2**30:.2g} GiB, or has more "
                f"than {MOST_FILES} files or a header of more than {MOST_HEADER >> 20} MiB; no "
                "dataset has that, unpack it yourself and give the folder."
            )

    def seek(self, place: int, whence: int = 0) -> int:
        self.require(fits=place <= self._most)
        return self._file.seek(place, whence)

    def read(self, size: int = -1) -> bytes:
        self.require(fits=size <= MOST_HEADER and self.tell() <= self._most)
        return self._file.read(size)


def _unpack(archive: Path, file: BinaryIO, begins: bytes, folder: Path) -> None:
    most = min(MOST_BYTES, max(FLOOR_BYTES, MOST_RATIO * archive.stat().st_size))
    packer = next((_PACKERS[how] for how in _PACKERS if begins.startswith(how)), lambda file: file)
    bounded = _Bounded(archive, packer(file), most)
    is_zip, total = begins.startswith(b"PK"), 0
    with zipfile.ZipFile(bounded) if is_zip else tarfile.open(fileobj=bounded, mode="r:") as packed:
        for number, member in enumerate(packed.infolist() if is_zip else packed, 1):
            if is_zip:
                name, size = member.filename, member.file_size
                # The upper bits of external_attr are the Unix mode; 0o120000 is a link.
                plain = (member.external_attr >> 16) & 0o170000 != 0o120000
            else:
                name, size = member.name, member.size
                plain = (member.isfile() or member.isdir()) and not member.issparse()
            total += size
            bounded.require(fits=number <= MOST_FILES and total <= most)
            if not plain or _OUTSIDE.match(name.replace("\\", "/")):
                raise CsalganError(
                    f"{archive}: its member {name!r} would be written outside the folder, is a "
                    "link or a device, or has holes; nothing was unpacked, get it from its source."
                )
        known = not is_zip and hasattr(tarfile, "data_filter")  # Python 3.11.2 has none
        packed.extractall(folder, **({"filter": "data"} if known else {}))
        if not is_zip:
            _check_end(packed)
    shutil.rmtree(folder / "__MACOSX", ignore_errors=True)


def _check_end(packed: tarfile.TarFile) -> None:
    """The reader takes a damaged header for the end; a real end is zeros and nothing else."""
    packed.fileobj.seek(packed.offset)
    zeros = 0
    while block := packed.fileobj.read(2**14):  # to the last byte: checksums stand there
        zeros += len(block)
        if block.strip(b"\0"):
            raise tarfile.ReadError("data behind the last member")
    if zeros < tarfile.BLOCKSIZE:
        raise tarfile.ReadError("cut short between two members")
