"""Unpacking a dataset's archive, and nothing else: no member may leave the folder."""

import errno
import gzip
import lzma
import shutil
import tarfile
import zipfile
import zlib
from hashlib import sha256
from pathlib import Path, PurePosixPath

from csalgan import paths
from csalgan.errors import CsalganError
from csalgan.files import atomic_dir

#: The released dataset has 5,400 files and 2 GB; far more than that is no dataset.
MOST_FILES, MOST_BYTES = 100_000, 20 * 2**30

#: What the readers raise on archives that are cut short, altered or encrypted.
_BROKEN = (
    *(zipfile.BadZipFile, tarfile.TarError, gzip.BadGzipFile, lzma.LZMAError, zlib.error),
    *(EOFError, RuntimeError, ValueError),
)


def unpacked(archive: Path) -> Path:
    """The folder of a dataset packed as ``.zip`` or ``.tar`` (also gz, bz2, xz).

    It is unpacked once into the cache, named by the archive's content. A layout that stands one
    folder deep in the archive is found.

    Raises:
        CsalganError: not an archive, broken, too large, or a member that would be written outside
            the folder (absolute path, ``..``) or is a link or a device.
    """
    with archive.open("rb") as file:
        digest = sha256()
        while block := file.read(1 << 20):
            digest.update(block)
    folder = paths.cache_dir() / "archives" / digest.hexdigest()[:16]
    if not folder.is_dir():
        with atomic_dir(folder) as temporary:
            _unpack(archive, temporary)
    if (folder / "map").is_dir():
        return folder
    return next((path.parent for path in sorted(folder.glob("*/map")) if path.is_dir()), folder)


def _unpack(archive: Path, folder: Path) -> None:
    try:
        # Tar first: a tar that holds the workbook (a zip) at its end looks like a zip as well.
        if tarfile.is_tarfile(archive):
            with tarfile.open(archive) as packed:
                members = packed.getmembers()
                for member in members:
                    _check(archive, member.name, plain=member.isfile() or member.isdir())
                _check_size(archive, [member.size for member in members])
                packed.extractall(folder, filter="data")
                _check_end(packed)
        elif zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as packed:
                members = packed.infolist()
                for member in members:
                    # The upper bits of external_attr are the Unix mode; 0o120000 is a link.
                    link = (member.external_attr >> 16) & 0o170000 == 0o120000
                    _check(archive, member.filename, plain=not link)
                _check_size(archive, [member.file_size for member in members])
                packed.extractall(folder)
        elif _looks_packed(archive):
            raise CsalganError(f"{archive}: broken, perhaps cut short; copy the archive again.")
        else:
            raise CsalganError(f"{archive}: neither a folder nor a .zip or .tar; give one of them.")
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


def _looks_packed(archive: Path) -> bool:
    """Whether it begins like a .zip, .gz, .bz2 or .xz."""
    with archive.open("rb") as file:
        return file.read(6).startswith((b"PK", b"\x1f\x8b", b"BZh", b"\xfd7zXZ"))


def _check_end(packed: tarfile.TarFile) -> None:
    """The reader takes a damaged header for the end; a real end is zeros and nothing else."""
    packed.fileobj.seek(packed.offset)
    zeros = 0
    while block := packed.fileobj.read(1 << 20):  # to the last byte: checksums stand there
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
            f"{archive}: its member {name!r} is a link or a device; "
            "nothing was unpacked, get the archive from its source."
        )


def _check_size(archive: Path, sizes: list[int]) -> None:
    if len(sizes) > MOST_FILES or sum(sizes) > MOST_BYTES:
        raise CsalganError(
            f"{archive}: {len(sizes)} files of {sum(sizes) / 2**30:.1f} GiB are more than any "
            "release of SJTU-TIS has; unpack it yourself and give the folder."
        )
