"""Bad input at the command line: one sentence, a non-zero exit, no traceback, nothing written."""

import errno
import os
import re
import signal
import subprocess
import sys
import time
from importlib.metadata import version

import pytest

from csalgan.cli import main
from csalgan.files.progress import counted
from csalgan.training import Run


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
        (["train", "--profile", "dmo"], "dmo: no such profile (did you mean demo?)"),
        (
            ["train", "--profile", "smoke", "--set", "training.epoch=1"],
            "unknown key training.epoch (did you mean training.epochs?)",
        ),
        (["train", "--profile", "smoke", "--data", "absent-folder"], "absent-folder"),
        (
            ["train", "--profile", "smoke", "--set", "text.encoder=clip"]
            + ["--clip-weights", "absent.pt"],
            "absent.pt",
        ),
        (["reproduce", "--profile", "smoke", "--from", "09"], "--from 09: no such step"),
        # More folds than there are images: nothing is trained first.
        (["crossval", "--profile", "smoke", "--folds", "99"], "has no "),
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


def test_a_name_too_long_for_the_disk_is_one_sentence(tmp_path, monkeypatch, capsys):
    out = tmp_path / ("x" * 300)
    code, _, err = command(
        *("train", "--profile", "smoke", "--out", str(out)), monkeypatch=monkeypatch, capsys=capsys
    )
    assert code == 1
    assert "this name is too long" in err
    assert "Traceback" not in err


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
    common += ["--out", str(tmp_path / "run"), "--set", "training.keep_state=true"]
    for extra in ([], ["--resume", "--set", "training.epochs=2"]):
        code, out, err = command(*common, *extra, monkeypatch=monkeypatch, capsys=capsys)
        assert code == 0, err
    assert "2 epochs" in out
    assert "best epoch" in out
    for extra, named in (([], "--resume"), (["--seeds", "2"], "folder of their own")):
        code, _, err = command(*common, *extra, monkeypatch=monkeypatch, capsys=capsys)
        assert code == 1
        assert named in err
    fresh = ["train", "--profile", "smoke", "--data", str(embedded), "--resume"]
    fresh += ["--out", str(tmp_path / "misspelt")]
    code, _, err = command(*fresh, monkeypatch=monkeypatch, capsys=capsys)
    assert code == 0
    assert "no run is in" in err


def test_several_seeds_are_trained_on_one_split_and_told_with_their_spread(
    embedded, tmp_path, monkeypatch, capsys
):
    common = ("--profile", "smoke", "--data", str(embedded), "--out", str(tmp_path / "runs"))
    status, said, _ = command(
        "train", *common, "--seeds", "2", monkeypatch=monkeypatch, capsys=capsys
    )
    assert status == 0
    assert re.search(r"2 seeds: validation CC \S+ ± \S+, NSS \S+ ± \S+ \(mean ± SD\)", said)
    profiles = [Run.load(tmp_path / "runs" / f"seed-{seed}").profile for seed in (0, 1)]
    assert [profile.seed for profile in profiles] == [0, 1]
    assert [profile.split_seed for profile in profiles] == [0, 0]


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


def test_the_help_waits_for_nothing_heavy():
    code = (
        "import sys, csalgan.cli as c; c._register();"
        "heavy = 'torch', 'pandas', 'scipy', 'matplotlib', 'nbformat', 'pydantic', 'rich';"
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_version_is_shown(monkeypatch, capsys):
    code, out, _ = command("--version", monkeypatch=monkeypatch, capsys=capsys)
    assert code == 0
    assert out.startswith(f"csalgan {version('csalgan')} (commit ")


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        (["predict", "a.jpg", "--out", "maps", "--tetx", "A dog"], "--text"),
        (["predct"], "predict"),
        (["data", "chek"], "check"),
    ],
)
def test_a_slip_of_the_fingers_is_told_what_was_meant(arguments, meant, monkeypatch, capsys):
    code, _, err = command(*arguments, monkeypatch=monkeypatch, capsys=capsys)
    assert code == 2
    assert meant in err.splitlines()[-1]


def test_the_shell_completes_names_of_profiles():
    asked = {"_CSALGAN_COMPLETE": "complete_bash", "COMP_CWORD": "3"}
    asked |= {"COMP_WORDS": "csalgan train --profile dem"}
    code = "from csalgan.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.argv = ['csalgan']; {code}"],
        capture_output=True,
        text=True,
        env=os.environ | asked,
    )
    assert done.stdout.split() == ["demo", "demo-compact"]


def test_a_prediction_imports_no_transformers():
    """Which takes two seconds."""
    code = (
        "import sys; import numpy as np; from csalgan.prediction import Predictor as P;"
        "P.open().predict([np.zeros((64, 64, 3), np.uint8)], ['A dog']);"
        "print('transformers' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_profiles_are_listed(monkeypatch, capsys):
    code, out, _ = command("profiles", monkeypatch=monkeypatch, capsys=capsys)
    assert code == 0
    assert "author-cpu" in out


# --- while it works ---------------------------------------------------------------------------

_LOOP = """
import sys, time
from csalgan.files import progress
if "log" in sys.argv:
    progress.log_too()
with progress.doing("loading"):
    pass
for _ in progress.Progress(range(3), desc="score", unit=" records"):
    time.sleep(0.1)
"""


def test_a_log_gets_a_plain_line_after_a_second_where_a_command_asks_for_it():
    for argument, pause, lines in (("log", 0.6, 1), ("log", 0.01, 0), ("-", 0.6, 0)):
        loop = _LOOP.replace("0.1", str(pause))
        done = subprocess.run(
            [sys.executable, "-c", loop, argument], capture_output=True, text=True, check=True
        )
        said = done.stderr.splitlines()
        assert len(said) == lines
        assert all(re.fullmatch(r"score: 2/3, +1.\d+ records/s, 00:00 left", line) for line in said)
        assert "\r" not in done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are Unix's")
def test_a_terminal_shows_rate_and_time_left():
    import fcntl
    import pty
    import struct
    import termios

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
    child = subprocess.Popen([sys.executable, "-c", _LOOP], stderr=theirs, stdout=theirs)
    os.close(theirs)
    said = b""
    while True:
        try:
            said += os.read(ours, 4096)
        except OSError:  # Linux ends a pseudo-terminal so
            break
    assert child.wait() == 0
    text = said.decode()
    assert "loading … 00:00" in text
    assert re.search(r"score:  33%.* 1/3, +\d+\.\d+ records/s, 00:00 left", text)


def test_one_is_not_two():
    assert [counted(n, "record") for n in (0, 1, 2)] == ["0 records", "1 record", "2 records"]


# --- where nothing can be written, and Ctrl-C -------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        ["train", "--profile", "smoke", "--data", "DATA", "--out", "PLACE/run"],
        ["reproduce", "--profile", "smoke", "--data", "DATA", "--out", "PLACE/report"],
        ["crossval", "--profile", "smoke", "--data", "DATA", "--out", "PLACE/sweep"],
        ["predict", "DATA/image", "--out", "PLACE/maps"],
        ["evaluate", "DATA/map", "--data", "DATA", "--out", "PLACE/scores.csv"],
    ],
)
def test_a_place_that_cannot_be_written_to_is_told_before_the_work(
    arguments, embedded, tmp_path, monkeypatch, capsys
):
    opened = os.open

    def read_only(path, flags, *more, **named):
        if flags & os.O_CREAT:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        return opened(path, flags, *more, **named)

    def begun(*_, **__):
        pytest.fail("the work was begun")

    monkeypatch.setattr(os, "open", read_only)
    for work in (
        "csalgan.training.loop._train",
        "csalgan.data.open_dataset",
        "csalgan.experiment.job.open_dataset",
        "csalgan.prediction.Predictor.open",
        "csalgan.evaluation.Evaluator.__call__",
    ):
        monkeypatch.setattr(work, begun)
    named = {"DATA": str(embedded), "PLACE": str(tmp_path)}
    for word, path in named.items():
        arguments = [one.replace(word, path) for one in arguments]
    code, _, err = command(*arguments, monkeypatch=monkeypatch, capsys=capsys)
    assert code == 1
    assert re.search(rf"error: {tmp_path}\S*: cannot be written to \(Read-only", err), err
    assert not list(tmp_path.iterdir())


def test_ctrl_c_says_what_stands_and_how_to_go_on(embedded, tmp_path):
    """On a training, and on a report, whose half-written files go."""
    code = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    code += "from csalgan.cli import main; main()"
    asked = ["--profile", "smoke", "--data", str(embedded), "--set", "training.epochs=900"]
    for name, done in (
        ("train", rf"[1-9]\d* finished epochs stand in {tmp_path}/train"),
        ("reproduce", rf"0 of 9 steps stand in {tmp_path}/reproduce"),
    ):
        out = tmp_path / name
        process = subprocess.Popen(
            [sys.executable, "-c", code, name, *asked, "--out", str(out)],
            stderr=subprocess.PIPE,
            text=True,
        )
        begun = out / ("history.csv" if name == "train" else "events.jsonl")
        until = time.monotonic() + 120
        while not begun.exists():
            assert time.monotonic() < until
            time.sleep(0.05)
        half = out / "figures" / ".csalgan-12345678.png"
        half.parent.mkdir(exist_ok=True)
        half.write_bytes(b"half")
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=60)[1]
        assert process.returncode == 130
        again = " --resume" if name == "train" else ""
        command = rf"go on with: csalgan {name} --profile smoke .*--out {out}{again}"
        assert re.search(rf"^interrupted: {done}.*; {command}$", said, re.MULTILINE), said
        assert "Traceback" not in said
        assert name == "train" or not half.exists()
