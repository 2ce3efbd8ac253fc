"""Nobody ever meets half a file."""

import errno

import pytest

from csalgan.errors import CsalganError
from csalgan.files import atomic_dir, atomic_file, write_text


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
    full = pytest.raises(CsalganError, match=r"weights\.bin: no space is left on the disk")
    with full, atomic_file(target) as temporary:
        temporary.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_place_of_a_folder_is_named(tmp_path):
    (tmp_path / "report").write_text("mine")
    with pytest.raises(CsalganError, match="report"):
        write_text(tmp_path / "report" / "a.csv", "x")
    assert (tmp_path / "report").read_text() == "mine"
