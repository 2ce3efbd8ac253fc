"""What other machines have or lack: macOS, containers, clusters, shares, other encodings."""

import errno
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
from gaze_sets import write_osie
from PIL import Image

from csalgan.cli.predict import _photographs
from csalgan.data import matlab, open_dataset
from csalgan.files import paths
from csalgan.files.errors import CsalganError
from csalgan.files.writing import CLUTTER, explaining
from csalgan.pipeline import _require_report
from csalgan.training.trainer import precision_of


def test_torch_without_onednn_computes_in_float32(monkeypatch):
    """Its wheels for macOS have none of the operators that are asked for bfloat16."""
    monkeypatch.setattr("torch.backends.mkldnn.is_available", lambda: False)
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", None)
    assert precision_of("auto", torch.device("cpu")) == "float32"


def test_an_archive_is_unpacked_by_a_python_without_filters(embedded, tmp_path, monkeypatch, home):
    with tarfile.open(tmp_path / "set.tar", "w") as packed:
        packed.add(embedded, "set")
        packed.addfile(tarfile.TarInfo("set/more"))
    extract = tarfile.TarFile.extractall

    def old(self, path):
        extract(self, path, filter="fully_trusted")

    monkeypatch.delattr(tarfile, "data_filter")
    monkeypatch.setattr(tarfile.TarFile, "extractall", old)
    assert len(open_dataset(tmp_path / "set.tar").records) == len(open_dataset(embedded).records)


def test_a_home_that_is_a_link_or_unknown(tmp_path, monkeypatch):
    monkeypatch.delenv("CSALGAN_HOME")
    monkeypatch.setattr(paths, "_PACKAGE", tmp_path / "site-packages" / "csalgan")
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "link")
    assert paths.root() == tmp_path / "real" / "csalgan"

    def unknown():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", unknown)
    with pytest.raises(CsalganError, match="set CSALGAN_HOME"):
        paths.root()


def test_where_no_limit_can_be_set_matlab_files_are_read_all_the_same(tmp_path, monkeypatch):
    write_osie(tmp_path)
    refused = "class resource:\n  RLIMIT_AS = RLIMIT_CORE = 0\n"
    refused += "  def setrlimit(*_): raise ValueError('current limit exceeds maximum limit')\n"
    trial = matlab._TRIAL.replace("try:\n    import resource", f"{refused}try:\n    pass")
    monkeypatch.setattr(matlab, "_TRIAL", trial)
    matlab._readable.cache_clear()
    assert len(open_dataset(tmp_path).records) == 6


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_share_without_locks_is_one_sentence(number):
    with pytest.raises(CsalganError, match="choose another place"), explaining("/share"):
        raise OSError(number, os.strerror(number))


def test_what_file_managers_leave_is_passed_over(tmp_path):
    Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(tmp_path / "a.png")
    (tmp_path / "._a.png").write_bytes(b"resources")
    assert [one.name for one in _photographs([tmp_path], ("",))] == ["a"]
    report = tmp_path / "report"
    report.mkdir()
    for name in CLUTTER:
        (report / name).touch()
    _require_report(report)


def test_photographs_whose_names_are_one_where_case_does_not_count(tmp_path, monkeypatch):
    for folder, name in (("a", "IMG.png"), ("b", "img.png")):
        (tmp_path / folder).mkdir()
        Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(tmp_path / folder / name)
    both = [tmp_path / "a" / "IMG.png", tmp_path / "b" / "img.png"]
    assert [one.name for one in _photographs(both, ("",))] == ["IMG.png", "img.png"]
    monkeypatch.setattr("sys.platform", "darwin")
    with pytest.raises(CsalganError, match="same name"):
        _photographs(both, ("",))


def test_a_photograph_cut_short_is_refused_before_anything_is_predicted(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "cut.jpg")
    whole = (tmp_path / "cut.jpg").read_bytes()
    (tmp_path / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CsalganError, match=r"cut\.jpg: is not a picture"):
        _photographs([tmp_path], ("",))


@pytest.mark.parametrize("encoding", ["cp1252", "iso-8859-1", "ascii"])
def test_help_can_be_printed_in_any_encoding(encoding):
    command = [sys.executable, "-m", "csalgan", "train", "--help"]
    environment = os.environ | {"PYTHONIOENCODING": encoding}
    done = subprocess.run(command, env=environment, capture_output=True)
    assert done.returncode == 0, done.stderr
    assert b"--resume" in done.stdout


def test_the_sockets_of_the_explorers_kernels_have_short_names(tmp_path):
    """A name has at most 103 characters on macOS, whose temporary folder takes 48 of them."""
    code = (
        "import os; from csalgan.explorer import server\n"
        "app = server.App(); app.init_settings = lambda: 1 / 0\n"
        "make = server.tempfile.TemporaryDirectory\n"
        "def told(**how): print('in', how['dir']); return make(**how)\n"
        "server.tempfile.TemporaryDirectory = told\n"
        "try: app.start()\n"
        "except ZeroDivisionError: pass\n"
    )
    (tmp_path / ("a" * 40)).mkdir()
    for folder, told in (("/tmp", "in None"), (str(tmp_path / ("a" * 40)), "in /tmp")):
        command, environment = [sys.executable, "-c", code], os.environ | {"TMPDIR": folder}
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
        assert told in done.stdout, done.stderr
