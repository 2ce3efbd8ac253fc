"""Archives are unpacked into their folder and nowhere else."""

import bz2
import errno
import gzip
import io
import lzma
import os
import shutil
import tarfile
import zipfile
from pathlib import Path

import pytest

from csalgan.data import archive as archives
from csalgan.data import open_dataset
from csalgan.files.errors import CsalganError


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("CSALGAN_HOME", str(tmp_path / "home"))


@pytest.mark.parametrize("kind", ["zip", "tar", "gztar"])
@pytest.mark.parametrize("nested", [False, True])
def test_an_archive_is_the_folder_it_was_made_of(embedded, tmp_path, kind, nested):
    root, base = (embedded.parent, embedded.name) if nested else (embedded, ".")
    path = shutil.make_archive(str(tmp_path / "packed"), kind, root, base)
    dataset = open_dataset(path)
    assert dataset.fingerprint == open_dataset(embedded).fingerprint
    assert dataset.root.is_relative_to(tmp_path / "home")
    before = dataset.root.stat().st_mtime_ns
    assert open_dataset(path).root.stat().st_mtime_ns == before  # unpacked once


def outside(tmp_path):
    """Everything under ``tmp_path`` but the archives themselves."""
    return [p for p in tmp_path.rglob("*") if p.is_file() and p.suffix not in (".zip", ".tar")]


@pytest.mark.parametrize(
    "name", ["../evil.txt", "/tmp/evil.txt", "a/../../evil.txt", "..\\evil", "C:\\evil"]
)
def test_a_member_that_would_leave_the_folder_is_refused(tmp_path, name):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as packed:
        packed.writestr("map/000000000001.png", b"x")
        packed.writestr(name, b"evil")
    with tarfile.open(tmp_path / "a.tar", "w") as packed:
        member = tarfile.TarInfo(name)
        member.size = 4
        packed.addfile(member, io.BytesIO(b"evil"))
    for suffix in ("zip", "tar"):
        with pytest.raises(CsalganError, match="would be written outside"):
            open_dataset(tmp_path / f"a.{suffix}")
    assert outside(tmp_path) == []


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_are_refused(tmp_path, kind):
    with tarfile.open(tmp_path / "a.tar", "w") as packed:
        member = tarfile.TarInfo("map/link.png")
        member.type, member.linkname = kind, "/etc/hostname"
        packed.addfile(member)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as packed:
        member = zipfile.ZipInfo("map/link.png")
        member.external_attr = 0o120777 << 16
        packed.writestr(member, "/etc/hostname")
    for suffix in ("zip", "tar"):
        with pytest.raises(CsalganError, match="is a link or a device"):
            open_dataset(tmp_path / f"a.{suffix}")
    assert outside(tmp_path) == []


def test_what_is_no_archive_too_large_or_broken_is_named(embedded, tmp_path, monkeypatch):
    (tmp_path / "notes.txt").write_text("not an archive")
    with pytest.raises(CsalganError, match="neither a folder nor"):
        open_dataset(tmp_path / "notes.txt")
    whole = shutil.make_archive(str(tmp_path / "whole"), "zip", embedded)
    content = bytearray((tmp_path / "whole.zip").read_bytes())
    content[1000:3000] = bytes(2000)
    (tmp_path / "torn.zip").write_bytes(content)
    with pytest.raises(CsalganError, match=r"torn\.zip: broken or encrypted"):
        open_dataset(tmp_path / "torn.zip")
    shutil.make_archive(str(tmp_path / "packed"), "gztar", embedded)
    content = (tmp_path / "packed.tar.gz").read_bytes()
    (tmp_path / "cut.tar.gz").write_bytes(content[: len(content) // 2])
    with pytest.raises(CsalganError, match=r"cut\.tar\.gz: broken or encrypted"):
        open_dataset(tmp_path / "cut.tar.gz")
    (tmp_path / "flipped.tar.gz").write_bytes(content[:5000] + bytes(300) + content[5300:])
    with pytest.raises(CsalganError, match=r"flipped\.tar\.gz: broken or encrypted"):
        open_dataset(tmp_path / "flipped.tar.gz")
    shutil.make_archive(str(tmp_path / "plain"), "tar", embedded)
    with tarfile.open(tmp_path / "plain.tar") as packed:
        header = packed.getmembers()[9].offset
    content = (tmp_path / "plain.tar").read_bytes()
    (tmp_path / "short.tar").write_bytes(content[:header])  # ends where a member would begin
    with pytest.raises(CsalganError, match=r"short\.tar: broken or encrypted"):
        open_dataset(tmp_path / "short.tar")
    assert not (tmp_path / "home" / "data" / "cache" / "archives").exists() or not list(
        (tmp_path / "home" / "data" / "cache" / "archives").iterdir()
    )
    monkeypatch.setattr(archives, "MOST_BYTES", 1000)
    with pytest.raises(CsalganError, match="unpacks to more than|MB are more than"):
        open_dataset(whole)


@pytest.mark.parametrize(("kind", "suffix"), [("bztar", "tar.bz2"), ("zip", "zip")])
@pytest.mark.parametrize("share", [0.1, 0.6, 0.98])
def test_an_archive_cut_short_or_altered_is_called_broken(embedded, tmp_path, kind, suffix, share):
    content = Path(shutil.make_archive(str(tmp_path / "whole"), kind, embedded)).read_bytes()
    place = int(share * len(content))
    path = tmp_path / f"damaged.{suffix}"
    altered = bytes(255 - value for value in content[place : place + 200])
    for damaged in (content[:place], content[:place] + altered + content[place + 200 :]):
        path.write_bytes(damaged)
        with pytest.raises(CsalganError, match=r"damaged\.(zip|tar\.bz2): broken"):
            open_dataset(path)


@pytest.mark.parametrize("names", [["map", "map/a.png"], ["map/a.png", "map"], ["a" * 300]])
def test_names_that_cannot_stand_on_disk_are_one_sentence(tmp_path, names):
    with tarfile.open(tmp_path / "a.tar", "w") as packed:
        for name in names:
            packed.addfile(tarfile.TarInfo(name))
    with pytest.raises(CsalganError, match=r"a\.tar: .*the names of its members"):
        open_dataset(tmp_path / "a.tar")
    assert outside(tmp_path) == []


def test_a_full_disk_leaves_nothing_half_unpacked(embedded, tmp_path, monkeypatch):
    path = shutil.make_archive(str(tmp_path / "whole"), "zip", embedded)
    copy, calls = shutil.copyfileobj, []

    def full(*arguments):
        calls.append(arguments)
        if len(calls) > 5:  # some members are written already
            raise OSError(errno.ENOSPC, "No space left on device")
        return copy(*arguments)

    monkeypatch.setattr("zipfile.shutil.copyfileobj", full)
    with pytest.raises(CsalganError, match="No space left"):
        open_dataset(path)
    assert len(calls) == 6
    assert outside(tmp_path) == []


def tar_of(path, *members, mode="w"):
    with tarfile.open(path, mode) as packed:
        for member, content in members:
            packed.addfile(member, content)
    return path


class Zeros(io.RawIOBase):
    """As many zeros as anybody reads."""

    def read(self, size=-1):
        return bytes(size)


def member(name: str, size: int = 0, **options) -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.size = size
    for key, value in options.items():
        setattr(made, key, value)
    return made


@pytest.mark.parametrize("how", ["bz2", "gz", "xz"])
def test_a_bomb_is_refused_before_it_has_been_unpacked(how, tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "FLOOR_BYTES", 2**22)
    bomb = (member("map/a.png", 2**25), Zeros())
    path = tar_of(tmp_path / f"a.tar.{how}", bomb, mode=f"w:{how}")
    assert path.stat().st_size < 2**16
    with pytest.raises(CsalganError, match=r"a\.tar\..*: unpacks to more than 0.0039 GiB"):
        open_dataset(path)
    # Many members that are small each, and zeros behind the end.
    small = [(member(f"map/{k}.png", 2**16), Zeros()) for k in range(80)]
    with pytest.raises(CsalganError, match="unpacks to more than"):
        open_dataset(tar_of(tmp_path / f"b.tar.{how}", *small, mode=f"w:{how}"))
    openers = {"bz2": bz2.open, "gz": gzip.open, "xz": lzma.open}
    with openers[how](tmp_path / f"c.tar.{how}", "wb") as file:
        file.write(member("map/a.png").tobuf() + bytes(2**23))
    with pytest.raises(CsalganError, match="unpacks to more than"):
        open_dataset(tmp_path / f"c.tar.{how}")


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME])
def test_a_header_of_gigabytes_is_not_read(kind, tmp_path):
    header = member("h", 7 * 2**30, type=kind).tobuf(tarfile.GNU_FORMAT)
    with gzip.open(tmp_path / "a.tar.gz", "wb") as file:
        file.write(header + bytes(2**20))
    (tmp_path / "b.tar").write_bytes(header)
    with (tmp_path / "b.tar").open("ab") as file:
        file.truncate(2**27)  # a hole: it takes no disk
    for name in ("a.tar.gz", "b.tar"):
        with pytest.raises(CsalganError, match="a header of more than 16 MiB"):
            open_dataset(tmp_path / name)


def test_holes_in_a_member_are_refused(tmp_path):
    pax = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": "1000000"}
    sparse = member("map/a.png", 512, pax_headers=pax)
    path = tar_of(tmp_path / "a.tar", (sparse, io.BytesIO(b"1\n0\n5\n" + bytes(506))))
    with pytest.raises(CsalganError, match="has holes"):
        open_dataset(path)


def test_a_zip_is_bounded_too(tmp_path, monkeypatch):
    with zipfile.ZipFile(tmp_path / "ratio.zip", "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("map/a.png", bytes(65 * 2**20))
    with pytest.raises(CsalganError, match="unpacks to more than"):
        open_dataset(tmp_path / "ratio.zip")
    with zipfile.ZipFile(tmp_path / "list.zip", "w") as packed:
        for k in range(20):
            packed.writestr(f"map/{k}.png", b"")
    content = (tmp_path / "list.zip").read_bytes()
    at = content.rindex(b"PK\x05\x06")
    huge = content[: at + 12] + b"\xff\xff\xff\x7f" + content[at + 16 :]
    (tmp_path / "list.zip").write_bytes(huge)
    locator = b"PK\x06\x07" + bytes(16)
    (tmp_path / "zip64.zip").write_bytes(content[:at] + locator + content[at:])
    for name in ("list.zip", "zip64.zip"):
        with pytest.raises(CsalganError, match=f"{name}: (broken|unpacks to more)"):
            open_dataset(tmp_path / name)


def test_what_is_no_file_or_far_too_large_is_not_read(tmp_path):
    os.mkfifo(tmp_path / "pipe.zip")
    with pytest.raises(CsalganError, match="no regular file"):
        open_dataset(tmp_path / "pipe.zip")
    with (tmp_path / "a.zip").open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(CsalganError, match="MB are more than"):
        open_dataset(tmp_path / "a.zip")
    with (tmp_path / "b.zip").open("wb") as file:
        file.truncate(2**32)
    with pytest.raises(CsalganError, match="neither a folder nor"):
        open_dataset(tmp_path / "b.zip")
