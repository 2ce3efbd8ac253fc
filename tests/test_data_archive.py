"""Archives are unpacked into their folder and nowhere else."""

import errno
import io
import shutil
import tarfile
import zipfile
from pathlib import Path

import pytest

from csalgan.data import archive as archives
from csalgan.data import open_dataset
from csalgan.errors import CsalganError


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
    with pytest.raises(CsalganError, match="more than any"):
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
    with pytest.raises(CsalganError, match=r"a\.tar: the names of its members"):
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
    with pytest.raises(CsalganError, match="no space is left on the disk"):
        open_dataset(path)
    assert len(calls) == 6
    assert outside(tmp_path) == []
