"""Bad input at the command line: one sentence, a non-zero exit, no traceback, nothing written."""

import subprocess
import sys

import pytest

from csalgan.cli import main


def command(*arguments: str, monkeypatch, capsys) -> tuple[int, str, str]:
    """Run the command line in this process and give back exit status, stdout and stderr."""
    monkeypatch.setattr(sys, "argv", ["csalgan", *arguments])
    with pytest.raises(SystemExit) as stopped:
        main()
    said = capsys.readouterr()
    return int(stopped.value.code or 0), said.out, said.err


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["train", "--profile", "smoke", "--subset", "foo"], "--subset foo"),
        (["train", "--profile", "nope"], "nope: no such profile"),
        (
            ["train", "--profile", "smoke", "--set", "training.epoch=1"],
            "unknown key training.epoch",
        ),
        (["train", "--profile", "smoke", "--data", "absent-folder"], "absent-folder"),
        (
            ["train", "--profile", "smoke", "--set", "text.encoder=clip"]
            + ["--clip-weights", "absent.pt"],
            "absent.pt",
        ),
    ],
)
def test_a_mistake_is_one_sentence(arguments, named, tmp_path, monkeypatch, capsys):
    out = tmp_path / "run"
    code, _, err = command(*arguments, "--out", str(out), monkeypatch=monkeypatch, capsys=capsys)
    assert code == 1
    lines = [line for line in err.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1
    assert named in lines[0]
    assert "Traceback" not in err
    assert not out.exists()


def test_missing_clip_weights_name_the_three_ways(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    code, _, err = command(
        *("train", "--profile", "paper", "--out", str(tmp_path / "run")),
        monkeypatch=monkeypatch,
        capsys=capsys,
    )
    assert code == 1
    assert "--clip-weights" in err
    assert "Traceback" not in err
    assert not (tmp_path / "run").exists()


def test_an_empty_folder_is_named(tmp_path, monkeypatch, capsys):
    (tmp_path / "empty").mkdir()
    code, _, err = command(
        *("reproduce", "--profile", "smoke", "--data", str(tmp_path / "empty")),
        *("--out", str(tmp_path / "report")),
        monkeypatch=monkeypatch,
        capsys=capsys,
    )
    assert code == 1
    assert "empty" in err
    assert not (tmp_path / "report").exists()


def test_train_and_resume_at_the_command_line(embedded, tmp_path, monkeypatch, capsys):
    common = ["train", "--profile", "smoke", "--subset", "sal", "--data", str(embedded)]
    common += ["--out", str(tmp_path / "run")]
    for extra in ([], ["--resume", "--set", "training.epochs=2"]):
        code, out, err = command(*common, *extra, monkeypatch=monkeypatch, capsys=capsys)
        assert code == 0, err
    assert "2 epochs" in out
    assert "best epoch" in out
    code, _, err = command(*common, monkeypatch=monkeypatch, capsys=capsys)
    assert code == 1
    assert "--resume" in err


def test_a_dataset_with_a_fault_is_not_trained_on(embedded, tmp_path, monkeypatch, capsys):
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(embedded, copy)
    broken = sorted((copy / "map").iterdir())[3]
    broken.write_bytes(broken.read_bytes()[:200])
    code, _, err = command(
        *("train", "--profile", "smoke", "--data", str(copy), "--out", str(tmp_path / "run")),
        monkeypatch=monkeypatch,
        capsys=capsys,
    )
    assert code == 1
    assert broken.name in err
    assert "csalgan data check" in err
    assert not (tmp_path / "run").exists()


def test_the_help_does_not_wait_for_torch():
    code = "import sys, csalgan.cli as c; c._register(); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_a_prediction_imports_neither_timm_nor_transformers():
    """Each takes two seconds, and both bring torch's compiler along."""
    code = (
        "import sys; import numpy as np; from csalgan.prediction import Predictor as P;"
        "P.shipped().predict([np.zeros((64, 64, 3), np.uint8)], ['A dog']);"
        "print([n for n in ('timm', 'transformers', 'torch._dynamo') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_profiles_are_listed(monkeypatch, capsys):
    code, out, _ = command("profiles", monkeypatch=monkeypatch, capsys=capsys)
    assert code == 0
    assert "author-cpu" in out
