"""Nobody ever meets half a file."""

import errno
import os
import subprocess
import sys
from pathlib import Path
from unittest.mock import Mock

import pytest

from csalgan.files.errors import CsalganError
from csalgan.files.writing import atomic_dir, atomic_file, require_writable, write_text


def test_a_file_appears_only_when_the_block_succeeds(tmp_path):
    target = tmp_path / "new" / "table.csv"
    with pytest.raises(ZeroDivisionError), atomic_file(target) as temporary:
        temporary.write_text("half")
        1 / 0  # noqa: B018
    assert list(target.parent.iterdir()) == []
    write_text(target, "whole")
    with pytest.raises(ZeroDivisionError), atomic_file(target) as temporary:
        temporary.write_text("half")
        1 / 0  # noqa: B018
    assert target.read_text() == "whole"
    assert [path.name for path in target.parent.iterdir()] == ["table.csv"]


def test_a_file_is_on_the_disk_before_it_has_its_name_and_its_folder_after(tmp_path, monkeypatch):
    sync, rename, events = os.fsync, os.replace, []

    def synced(handle):
        events.append(os.fstat(handle).st_ino)
        sync(handle)

    def renamed(source, target):
        events.append("renamed")
        rename(source, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", renamed)
    path = write_text(tmp_path / "table.csv", "whole")
    assert events == [path.stat().st_ino, "renamed", tmp_path.stat().st_ino]


def test_files_and_folders_are_readable_by_whom_the_umask_says(tmp_path):
    before = os.umask(0o027)
    try:
        write_text(tmp_path / "table.csv", "whole")
        with atomic_dir(tmp_path / "packed") as temporary:
            (temporary / "a").write_text("1")
    finally:
        os.umask(before)
    modes = [(tmp_path / name).stat().st_mode & 0o777 for name in ("table.csv", "packed")]
    assert modes == [0o640, 0o750]


def test_a_folder_is_replaced_whole_or_not_at_all(tmp_path):
    target = tmp_path / "packed"
    with atomic_dir(target) as temporary:
        (temporary / "a").write_text("1")
    with pytest.raises(ZeroDivisionError), atomic_dir(target) as temporary:
        (temporary / "a").write_text("2")
        1 / 0  # noqa: B018
    assert (target / "a").read_text() == "1"
    with atomic_dir(target) as temporary:
        (temporary / "b").write_text("2")
    assert [path.name for path in target.iterdir()] == ["b"]
    assert [path.name for path in tmp_path.iterdir()] == ["packed"]


def test_a_full_disk_is_one_sentence_and_leaves_nothing(tmp_path):
    target = tmp_path / "weights.bin"
    full = pytest.raises(CsalganError, match=r"weights\.bin: cannot be written to .No space")
    with full, atomic_file(target) as temporary:
        temporary.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_place_of_a_folder_is_named(tmp_path):
    (tmp_path / "report").write_text("mine")
    with pytest.raises(CsalganError, match="report"):
        write_text(tmp_path / "report" / "a.csv", "x")
    assert (tmp_path / "report").read_text() == "mine"


def test_what_a_killed_process_left_half_made_goes_with_a_folder_made_later(tmp_path):
    code = (
        "from csalgan.files.writing import atomic_dir\n"
        f"with atomic_dir({str(tmp_path / 'set')!r}) as folder: print(folder, flush=True); input()"
    )
    command = [sys.executable, "-c", code]
    making = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    living, killed = (Path(one.stdout.readline().strip()) for one in making)
    making[1].kill()
    making[1].communicate()
    os.utime(killed, (0, 0))  # as if days had passed
    with atomic_dir(tmp_path / "other"):
        pass
    assert living.is_dir()
    assert not killed.exists()
    making[0].communicate("\n")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other", "set"]


def test_a_place_is_tried_before_the_work_and_left_as_it_was(tmp_path, monkeypatch):
    require_writable(tmp_path / "not" / "yet")
    assert not list(tmp_path.iterdir())
    with monkeypatch.context() as patch, pytest.raises(CsalganError, match="cannot be written to"):
        missing = FileNotFoundError(errno.ENOENT, "as in /proc")
        patch.setattr(os, "open", Mock(side_effect=missing))
        require_writable(tmp_path / "not" / "yet")
    for number, sentence in ((errno.ENOSPC, "No space"), (errno.EROFS, "Read-only")):

        def refuse(*_, number=number):
            raise OSError(number, os.strerror(number))

        with monkeypatch.context() as patch:
            patch.setattr(os, "write", refuse)
            with pytest.raises(CsalganError, match=rf"yet: .*{sentence}"):
                require_writable(tmp_path / "not" / "yet")
    assert not list(tmp_path.iterdir())
