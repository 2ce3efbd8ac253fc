"""Bad input of every kind, at every command that reads it: refused in one sentence, or taken right.

The tables below are commands × damages. A refusal is exit status 1 and one sentence that names the
file (``csalgan data check`` lists faults instead), within seconds, with nothing left behind and no
code of the attacker's run. What is taken must give the values of the undamaged file.
"""

import contextlib
import io
import json
import os
import pickle
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import attacks
import numpy as np
import pandas as pd
import pytest
import torch
from damage import ACCEPTED, REFUSED, copy_of
from gaze_sets import GAZE
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from safetensors.torch import save_file

from csalgan.cli import main
from csalgan.config import load_profile, profile_from
from csalgan.data import open_dataset, prepare, synthesise
from csalgan.data.pictures import read_photograph
from csalgan.data.sentence_files import read_json, read_workbook
from csalgan.evaluation import read_map
from csalgan.experiment.job import open_job
from csalgan.explorer.pictures import read_upload
from csalgan.files.errors import CsalganError
from csalgan.files.writing import write_text
from csalgan.pipeline.report import _table_one, pack, write_page
from csalgan.prediction import predict, weights
from csalgan.runner.state import Done, State
from csalgan.text import get_encoder
from csalgan.training import train

_SECONDS = 60.0  # a hang, and not a busy machine


class Taken(Exception):
    """A command has accepted its dataset and would begin the work."""

    def __init__(self, dataset):
        self.dataset = dataset


def outcome(call: list | Callable[[], object]) -> tuple[int, str, str, object]:
    """Exit status, stdout, stderr and the dataset taken of a command line, or of a function."""
    out, err, taken, status = io.StringIO(), io.StringIO(), None, 0
    began = time.monotonic()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            if callable(call):
                call()
            else:
                with pytest.MonkeyPatch.context() as patch:
                    patch.setattr("sys.argv", ["csalgan", *map(str, call)])
                    main()
        except Taken as found:
            taken = found.dataset
        except SystemExit as ended:
            status = int(ended.code or 0)
        except CsalganError as error:
            assert callable(call), "main() prints it"
            status = 1
            err.write(f"error: {error}\n")
    assert time.monotonic() - began < _SECONDS
    return status, out.getvalue(), err.getvalue(), taken


def listing(folder: Path, *without: Path) -> set[Path]:
    return {p for p in folder.rglob("*") if not any(p.is_relative_to(w) for w in without)}


def assert_refused(call, named: str, folder: Path, out: Path) -> str:
    """The sentence it is refused with.

    Args:
        named: what the sentence must tell.
        folder: where everything of this case lies, ``out`` too; nothing may be added to it.
    """
    before = listing(folder, out)
    status, _, said, _ = outcome(call)
    assert status == 1, f"it was accepted: {said}"
    lines = said.strip().splitlines()
    assert len(lines) == 1, said
    assert lines[0].startswith("error: ")
    assert named in lines[0]
    assert len(lines[0]) < 2000
    assert listing(folder, out) == before
    assert not (folder / "canary").exists()
    left = [p for p in out.rglob("*") if p.is_file() and not p.name.startswith(".")]
    assert left == [], "it left something behind"
    return lines[0]


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


# --- what is damaged, made once ---------------------------------------------------------------


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> Path:
    """An embedded dataset of four images, twelve records."""
    return synthesise(tmp_path_factory.mktemp("small") / "set", n_images=4, seed=0, size=(64, 80))


@pytest.fixture(scope="module")
def values(small):
    """Every array of the undamaged dataset."""
    return arrays(open_dataset(small))


def arrays(dataset) -> dict[str, tuple[np.ndarray, ...]]:
    names = dataset.records["record"]
    return {n: (dataset.image(n), dataset.map(n), dataset.fixations(n)) for n in names}


@pytest.fixture(scope="module")
def damaged(small, tmp_path_factory):
    """Damage → (folder, name that must be told), made on first use and kept."""
    made: dict[str, tuple[Path, str]] = {}
    root = tmp_path_factory.mktemp("damaged")

    def make(name: str) -> tuple[Path, str]:
        if name not in made:
            folder = root / f"{len(made)}" / "set"
            copy_of(small, folder)
            made[name] = folder, (REFUSED | ACCEPTED)[name](folder)
        return made[name]

    return make


@pytest.fixture(scope="module")
def run(embedded, tmp_path_factory):
    """A trained run, and the data it was trained on beside it."""
    root = tmp_path_factory.mktemp("run")
    shutil.copytree(embedded, root / "data")
    dataset = open_dataset(root / "data")
    profile = load_profile("smoke", ["training.keep_state=true"])
    train(profile, dataset, "total", root / "total", progress=False)
    return root / "total"


@pytest.fixture(scope="module")
def maps(small, tmp_path_factory) -> Path:
    """Predictions of every record of the small dataset: a ramp each."""
    folder = tmp_path_factory.mktemp("maps") / "ramps"
    folder.mkdir()
    for number, record in enumerate(open_dataset(small).records["record"]):
        ramp = np.add.outer(np.arange(16) * (number % 3), np.arange(20)).astype(np.uint8)
        Image.fromarray(ramp).save(folder / f"{record}.png")
    return folder


@pytest.fixture(scope="module")
def clone(tmp_path_factory) -> Path:
    """A folder laid out as the author's repository."""
    folder = tmp_path_factory.mktemp("clone") / "clone"
    (folder / "model" / "epoch_50_lr_0.0002").mkdir(parents=True)
    (folder / "model" / "epoch_50_lr_0.0002" / "generator_sal.pt").write_bytes(b"x")
    return folder


# --- datasets ---------------------------------------------------------------------------------

#: Command → its arguments; DATA, OUT, RUN, MAPS, CLONE and SPEC are filled in.
DATASETS = {
    "data check": ["data", "check", "DATA", "--allow-warnings"],
    "data prepare": ["data", "prepare", "DATA", "--size", "32"],
    "evaluate": ["evaluate", "MAPS", "--data", "DATA", "--bootstrap", "10", "--out", "OUT/s.csv"],
    "predict": ["predict", "--data", "DATA", "--run", "RUN", "--out", "OUT", "--no-overlays"],
    "train": ["train", "--data", "DATA", "--profile", "smoke", "--out", "OUT"],
    "explore": ["explore", "--data", "DATA", "--profile", "smoke", "--no-browser"],
    "reproduce": ["reproduce", "--data", "DATA", "--profile", "smoke", "--out", "OUT"],
    "sweep": ["sweep", "SPEC", "--data", "DATA", "--out", "OUT"],
    "crossval": ["crossval", "--data", "DATA", "--profile", "smoke", "--out", "OUT"],
    "author": ["author", "CLONE", "--data", "DATA", "--out", "OUT"],
}


@pytest.fixture
def filled(run, maps, clone, place, monkeypatch):
    """Fills arguments in; commands that would compute for long stop once they took their data."""
    spec = place / "spec.yaml"
    spec.write_text("profile: smoke\ngrid: {training.learning_rate: [0.1]}\n")

    def take(*arguments, **options):
        raise Taken(next(a for a in [*arguments, *options.values()] if hasattr(a, "records")))

    monkeypatch.setattr("csalgan.training.train", take)
    monkeypatch.setattr("csalgan.experiment.sweep.tasks", take)
    monkeypatch.setattr("csalgan.author.score_clone", take)
    monkeypatch.setattr("csalgan.pipeline._reproduce", lambda job, *_: take(job.dataset))
    # Four images are too few to train on, which would be the first thing it says.
    monkeypatch.setattr("csalgan.experiment.job.Job.refuse_other_runs", lambda job: None)
    monkeypatch.setattr(
        "csalgan.explorer.server.serve",
        lambda asked, *_, **options: take(open_dataset(asked["data"])),
    )
    places = {"RUN": run, "MAPS": maps, "CLONE": clone, "SPEC": spec, "OUT": place / "out"}

    def fill(arguments: list[str], **more) -> list[str]:
        for word, path in {**places, **more}.items():
            arguments = [argument.replace(word, str(path)) for argument in arguments]
        return arguments

    return fill


#: These open their data as `train` does (``open_job``): one damage of each kind will do.
_LIKE_TRAIN = ("reproduce", "crossval")
_FEW = ("map, 16 bits", "image, a pipe", "fixation, twice by case", "no map folder",
        "sentences, a list", "truth, {}", "a name that is not UTF-8")  # fmt: skip


@pytest.mark.parametrize(
    ("command", "damage"),
    [(c, d) for c in DATASETS for d in (_FEW if c in _LIKE_TRAIN else REFUSED)],
)
def test_a_damaged_dataset_is_refused_by_every_command(command, damage, damaged, filled, place):
    root, named = damaged(damage)
    call = filled(DATASETS[command], DATA=root)
    if command == "data check":
        status, said, error, _ = outcome(call)
        assert status == 1
        assert error == "" or error.startswith("error: ")
        assert any("error" in line and named in line for line in (said + error).splitlines()), said
        assert "Traceback" not in error
    else:
        assert_refused(call, named, place, place / "out")


@pytest.fixture(scope="module")
def results(small, maps, run, tmp_path_factory):
    """What the commands that compute give for the undamaged dataset."""
    out = tmp_path_factory.mktemp("results")
    scores = ["evaluate", maps, "--data", small, "--bootstrap", 10, "--out", out / "s.csv"]
    assert outcome(scores)[0] == 0
    wanted = ["predict", "--data", small, "--run", run, "--out", out / "maps", "--no-overlays"]
    assert outcome(wanted)[0] == 0
    return (
        pd.read_csv(out / "s.csv")["value"],
        read_maps(out / "maps"),
        prepare(open_dataset(small), 32),
    )


def read_maps(folder: Path) -> dict[str, np.ndarray]:
    return {path.name: read_map(path) for path in (folder / "maps").iterdir()}


@pytest.mark.parametrize("change", ACCEPTED)
@pytest.mark.parametrize("command", DATASETS)
def test_a_dataset_stored_otherwise_gives_the_same_values(
    command, change, damaged, filled, place, values, results
):
    root, _ = damaged(change)
    status, said, error, taken = outcome(filled(DATASETS[command], DATA=root))
    assert status == 0, error + said
    scores, predicted, prepared = results
    out = place / "out"
    if command == "data check":
        assert "4 images, 12 records" in said
        assert " 0 errors" in said
    elif command == "data prepare":
        found = prepare(open_dataset(root), 32)
        assert np.array_equal(found.maps, prepared.maps)
        every = range(len(prepared.records))
        assert np.array_equal(found.fixation_masks(every), prepared.fixation_masks(every))
        assert np.abs(found.images.astype(int) - prepared.images).max() <= 1
    elif command == "evaluate":
        assert np.allclose(pd.read_csv(out / "s.csv")["value"], scores, equal_nan=True)
    elif command == "predict":
        found = read_maps(out)
        assert found.keys() == predicted.keys()
        # The scale is 65,535 levels; threads may add in another order.
        assert all(np.abs(found[name] - predicted[name]).max() < 2 for name in found)
    else:
        found = arrays(taken)
        assert found.keys() == values.keys()
        for name, (image, *others) in values.items():
            assert np.array_equal(found[name][0], image)
            assert all(map(np.array_equal, found[name][1:], others))


# --- gaze of other releases -------------------------------------------------------------------


@pytest.fixture(scope="module")
def gaze(tmp_path_factory):
    """Damage → the folder of a release, made on first use."""
    made: dict[str, Path] = {}
    root = tmp_path_factory.mktemp("gaze")

    def make(name: str) -> Path:
        if name not in made:
            made[name] = root / str(len(made))
            GAZE[name](made[name])
        return made[name]

    return make


@pytest.mark.parametrize("damage", GAZE)
@pytest.mark.parametrize("command", ["data check", "predict"])
def test_gaze_that_is_not_as_released_is_refused(command, damage, gaze, filled, place):
    root = gaze(damage)
    call = filled(DATASETS[command], DATA=root)
    if command == "data check":
        status, said, error, _ = outcome(call)
        assert (status, "Traceback" in error) == (1, False)
        assert "error" in said + error
    else:
        assert_refused(call, str(root), place, place / "out")


# --- archives ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def archives(small, tmp_path_factory) -> dict[str, Path]:
    members = {f"map/{path.name}": path.read_bytes() for path in (small / "map").iterdir()}
    folder = tmp_path_factory.mktemp("archives")
    made = {}
    for name, content in attacks.archives(members):
        made[name] = folder / name
        made[name].write_bytes(content)
    return made


ARCHIVES = [name for name, _ in attacks.archives({"map/a.png": b"x" * 999})]


@pytest.mark.parametrize("damage", ARCHIVES)
@pytest.mark.parametrize("command", ["data check", "evaluate"])
def test_a_damaged_archive_is_refused(command, damage, archives, filled, place):
    call = filled(DATASETS[command], DATA=archives[damage])
    if command == "data check" and damage == "something else.zip":
        status, said, _, _ = outcome(call)  # it is a folder, whose faults are listed
        assert (status, "missing folder" in said) == (1, True)
        return
    # The folder of an archive that could be unpacked is named by its content.
    named = "archives" if damage == "something else.zip" else damage
    said = assert_refused(call, "" if damage == "nothing.zip" else named, place, place / "out")
    assert not list(archives[damage].parent.rglob("*outside*"))
    assert "Traceback" not in said


# --- photographs ------------------------------------------------------------------------------

_NAMES = {"a pipe": os.mkfifo, "a loop of links": lambda p: p.symlink_to(p),
          "a link to nothing": lambda p: p.symlink_to("nowhere"),
          "a device": lambda p: p.symlink_to("/dev/zero")}  # fmt: skip
PHOTOGRAPHS = {
    **attacks.NO_PICTURES,
    **{f"WEBP {what}": content for what, content in attacks.pieces(attacks.picture("WEBP"))},
    "16 bits": attacks.png(np.full((9, 9), 40_000, np.uint16)),
    **_NAMES,
}
READERS = {
    "predict FILE": lambda path, run, out: ["predict", path, "--run", run, "--out", out],
    "predict FOLDER": lambda path, run, out: ["predict", path.parent, "--run", run, "--out", out],
    "csalgan.predict": lambda path, run, out: lambda: predict(path, "a dog", weights=str(run)),
    "the explorer": lambda path, run, out: lambda: read_upload(path.read_bytes(), path.name),
}


@pytest.mark.parametrize("damage", PHOTOGRAPHS)
@pytest.mark.parametrize("reader", READERS)
def test_what_is_no_photograph_is_refused(reader, damage, run, place):
    if damage in _NAMES and reader == "the explorer":
        pytest.skip("a browser sends bytes")
    folder = place / "photos"
    folder.mkdir()
    path = folder / f"{damage.replace('/', ' of ')}.png"
    Image.new("RGB", (20, 20)).save(folder / "a whole one.png")
    make = PHOTOGRAPHS[damage]
    make(path) if callable(make) else path.write_bytes(make)
    assert_refused(READERS[reader](path, run, place / "out"), path.name, place, place / "out")


# --- predictions of others --------------------------------------------------------------------

MAPS = {
    **{f"{what}.npy": content for what, content in attacks.ARRAYS.items()},
    **{f"{what}.png": content for what, content in attacks.NO_PICTURES.items()},
    "coloured.png": attacks.picture("PNG"),
    "a pipe.png": os.mkfifo,
    "a loop of links.npy": lambda path: path.symlink_to(path),
    "a device.npy": lambda path: path.symlink_to("/dev/zero"),
}


@pytest.mark.parametrize("damage", MAPS)
@pytest.mark.parametrize("command", ["alone", "beside others", "explain"])
def test_a_prediction_that_is_none_is_named(command, damage, small, maps, place):
    folder = place / "maps"
    records = open_dataset(small).records["record"].tolist()
    if command == "beside others":
        shutil.copytree(maps, folder)
        (folder / f"{records[0]}.png").unlink()
    else:
        folder.mkdir()
    path = folder / f"{records[0]}{Path(damage).suffix}"
    make = MAPS[damage]
    make(path) if callable(make) else path.write_bytes(make)
    call = ["evaluate", folder, "--data", small, "--bootstrap", 10]
    if command == "explain":
        assert_refused([*call, "--explain", records[0]], path.name, place, place / "out")
        return
    call += ["--out", place / "out" / "s.csv"]
    status, _, error, _ = outcome(call)
    assert "Traceback" not in error
    assert [line for line in error.splitlines() if path.name in line and "unreadable" in line]
    if command == "alone":
        assert status == 1
        assert error.count("error: ") == 1
        assert not (place / "out").exists()
    else:
        assert status == 0, error
        scores = pd.read_csv(place / "out" / "s.csv", dtype={"record": str})
        assert set(scores["record"]) == set(records[1:])


# --- profiles, sweeps, values -----------------------------------------------------------------

PROFILES = {
    "train": ["train", "--profile", "FILE", "--out", "OUT"],
    "reproduce": ["reproduce", "--profile", "FILE", "--out", "OUT"],
    "crossval": ["crossval", "--profile", "FILE", "--out", "OUT"],
    "explore": ["explore", "--profile", "FILE", "--no-browser"],
    "sweep": ["sweep", "FILE", "--out", "OUT"],
}


@pytest.mark.parametrize("damage", [*attacks.YAMLS, "a gigabyte", "a pipe"])
@pytest.mark.parametrize("command", PROFILES)
def test_a_profile_that_is_none_is_refused(command, damage, filled, place):
    path = place / "profile.yaml"
    if damage == "a gigabyte":
        with path.open("wb") as file:
            file.truncate(2**30)  # a hole: nothing may read it
    elif damage == "a pipe":
        os.mkfifo(path)
    else:
        path.write_bytes(attacks.YAMLS[damage])
    assert_refused(filled(PROFILES[command], FILE=path), path.name, place, place / "out")


@pytest.mark.parametrize("value", attacks.VALUES, ids=lambda value: value[:40])
def test_a_value_that_no_profile_takes_is_refused(value, place):
    call = ["train", "--profile", "smoke", "--set", value, "--out", place / "out"]
    assert_refused(call, "", place, place / "out")


# --- runs, weights, encoders ------------------------------------------------------------------

_RUN_JSON = {
    **{what: lambda about, part=part: part for what, part in attacks.pieces(b'{"profile": {}}')},
    "a list": lambda about: b"[]",
    "nested deeply": lambda about: b"[" * 100_000,
    "no profile": lambda about: {k: v for k, v in about.items() if k != "profile"},
    "a profile of numbers": lambda about: {**about, "profile": 3},
    "an unknown key": lambda about: {**about, "profile": {**about["profile"], "x": 1}},
    "another text": lambda about: {**about, "text_dim": 7},
    "a text of words": lambda about: {**about, "text_dim": "many"},
    "a text of 1e9": lambda about: {**about, "text_dim": 10**9},
    "provenance in a list": lambda about: {**about, "provenance": [1]},
    "provenance with more": lambda about: {
        **about, "provenance": {**about["provenance"], "x": 1}},
}  # fmt: skip
RUN_FILES = [
    *(("run.json", what) for what in [*_RUN_JSON, "missing", "a pipe"]),
    *(("history.csv", what) for what in ("missing", "binary", "empty")),
    *(("best.safetensors", what) for what in ("cut", "empty", "text", "a pickle", "other tensors",
                                              "header of 2 EB", "missing")),
]  # fmt: skip
RUNS = {
    "evaluate": ["evaluate", "RUN", "--data", "DATA", "--bootstrap", "10", "--out", "OUT/s.csv"],
    "predict": ["predict", "PHOTO", "--run", "RUN", "--out", "OUT"],
    "csalgan.predict": None,
}


@pytest.mark.parametrize(("file", "damage"), RUN_FILES)
@pytest.mark.parametrize("command", RUNS)
def test_a_damaged_run_is_refused(command, file, damage, run, small, filled, place):
    broken = place / "broken"
    shutil.copytree(run, broken)
    path = broken / file
    whole = path.read_bytes()
    path.unlink()
    if damage == "a pipe":
        os.mkfifo(path)
    elif damage != "missing":
        path.write_bytes(_run_content(file, damage, whole))
    photo = place / "photo.png"
    Image.new("RGB", (20, 20)).save(photo)
    call = lambda: predict(photo, "a dog", weights=str(broken))  # noqa: E731
    if RUNS[command]:
        call = filled(RUNS[command], RUN=broken, DATA=small, PHOTO=photo)
    # Without run.json it is no run: a folder of maps, or weights by another name.
    named = "" if damage == "missing" else "broken"
    assert_refused(call, named, place, place / "out")


def _run_content(file: str, damage: str, whole: bytes) -> bytes:
    if file == "run.json":
        made = _RUN_JSON[damage](json.loads(whole))
        return made if isinstance(made, bytes) else json.dumps(made).encode()
    if file == "history.csv":
        return {"binary": b"\xff\x00\xfe" * 50, "empty": b""}[damage]
    found = dict(attacks.safetensors(whole))
    return found[{"cut": "cut to 3/6", "header of 2 EB": f"header of {2**63}"}.get(damage, damage)]


def _clothed(content: object) -> bytes:
    """A pickle in torch's clothes."""
    buffer = io.BytesIO()
    torch.save({"trainer": content}, buffer)
    return buffer.getvalue()


STATES = {**dict(attacks.pieces(_clothed(1))), "a pickle": pickle.dumps(attacks.Exploit()),
          "a pickle in torch's clothes": _clothed(attacks.Exploit())}  # fmt: skip


@pytest.mark.parametrize("damage", STATES)
def test_a_damaged_checkpoint_is_refused(damage, run, place):
    broken = place / "broken"
    shutil.copytree(run, broken)
    (broken / "state.pt").write_bytes(STATES[damage])
    dataset = open_dataset(run.parent / "data")
    profile = load_profile("smoke", ["training.epochs=2"])
    before = {path: path.read_bytes() for path in broken.iterdir()}

    def resumed():
        train(profile, dataset, "total", broken, resume=True, progress=False)

    assert_refused(resumed, "broken", place, place / "out")
    assert {path: path.read_bytes() for path in broken.iterdir()} == before


SAFETENSORS = {**dict(attacks.safetensors(_bytes := (
    weights.FOLDER / "compact-minilm.safetensors").read_bytes())),
    **dict(attacks.packed_weights(_bytes))}  # fmt: skip


@pytest.mark.parametrize("damage", SAFETENSORS)
def test_packed_weights_that_are_none_are_refused(damage, place):
    path = place / "w.safetensors"
    path.write_bytes(SAFETENSORS[damage])
    Image.new("RGB", (20, 20)).save(place / "a.png")
    call = ["predict", place / "a.png", "--weights", path, "--out", place / "out"]
    assert_refused(call, path.name, place, place / "out")
    path.unlink()  # nine megabytes each


@pytest.fixture(scope="module")
def encoders(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("encoders")
    save_file({"a": torch.zeros(3)}, folder / "good.safetensors")
    whole = (folder / "good.safetensors").read_bytes()
    found = {}
    for number, (what, content) in enumerate([*attacks.safetensors(whole), ("whole", whole)]):
        found[what] = folder / f"{number}.safetensors"
        found[what].write_bytes(content)
    for what, content in {
        "torch": _clothed(attacks.Exploit()),
        "pickle.pt": STATES["a pickle"],
    }.items():
        found[what] = folder / f"{what}.pt"
        found[what].write_bytes(content)
    found["missing"] = folder / "nowhere.pt"
    return found


def test_weights_of_encoders_that_are_none_are_refused(encoders, place):
    for path in encoders.values():

        def read(path=path):
            return get_encoder("clip", clip_weights=str(path)).encode(["a"])

        assert_refused(read, path.name, place, place / "out")


def _torch(state: object) -> bytes:
    buffer = io.BytesIO()
    torch.save(state, buffer)
    return buffer.getvalue()


_ONE = torch.ones(4, 4, 1, 1)
GENERATORS = {
    **dict(attacks.pieces(_torch({"text_feature_conv.weight": _ONE}))),
    "a pickle": pickle.dumps(attacks.Exploit()),
    "a pickle in torch's clothes": _clothed(attacks.Exploit()),
    "a pipe": os.mkfifo,
    "a device": lambda path: path.symlink_to("/dev/zero"),
    "a loop of links": lambda path: path.symlink_to(path),
    **{
        what: _torch(state)
        for what, state in {
            "a list": [_ONE],
            "keys that are numbers": {1: _ONE},
            "other tensors": {"a": _ONE},
            "no content": {"text_feature_conv.weight": _ONE.to("meta")},
            "sparse": {"text_feature_conv.weight": _ONE.to_sparse()},
            "complex": {"text_feature_conv.weight": _ONE * 1j},
            "NaN": {"text_feature_conv.weight": _ONE * torch.nan},
            "infinite": {"text_feature_conv.weight": _ONE, "a": _ONE / 0},
            "no text": {"text_feature_conv.weight": _ONE[:, :0]},
        }.items()
    },
}


@pytest.mark.parametrize("damage", GENERATORS)
@pytest.mark.parametrize("command", ["predict", "author"])
def test_a_generator_of_the_author_that_is_none_is_refused(
    command, damage, small, place, monkeypatch
):
    folder = place / "clone" / "model" / "epoch_50_lr_0.0002"
    folder.mkdir(parents=True)
    path, make = folder / "generator_sal.pt", GENERATORS[damage]
    make(path) if callable(make) else path.write_bytes(make)
    Image.new("RGB", (20, 20)).save(place / "a.png")
    if command == "predict":
        call = ["predict", place / "a.png", "--weights", path, "--out", place / "out"]
        assert_refused(call, path.name, place, place / "out")
        return
    monkeypatch.setattr("csalgan.author.Bench", lambda *_, **options: None)
    monkeypatch.setattr("csalgan.prediction.author.clip_or_none", lambda *_: None)
    status, _, said, _ = outcome(
        ["author", place / "clone", "--data", small, "--out", place / "out"]
    )
    assert status == 1
    passed_over, error = said.strip().splitlines()
    assert path.name in passed_over
    assert error.startswith("error: ")
    assert not (place / "canary").exists()
    assert [path.name for path in (place / "out").iterdir()] == [".lock"]


# --- reports ----------------------------------------------------------------------------------


@pytest.mark.parametrize("damage", attacks.PLANS)
@pytest.mark.parametrize("command", ["status", "report", "report --zip"])
def test_a_report_with_a_damaged_plan_is_refused(command, damage, place):
    path, make = place / "mine" / "steps" / "plan.json", attacks.PLANS[damage]
    path.parent.mkdir(parents=True)
    make(path) if callable(make) else path.write_bytes(make)
    more = ["--zip", place / "out" / "a.zip"] if command.endswith("zip") else []
    assert_refused([command.split()[0], place / "mine", *more], "", place, place / "out")


@pytest.mark.parametrize("damage", ["a pipe", "a device", "a list", "nothing", "nested deeply"])
def test_a_damaged_record_of_a_step_is_none(damage, place):
    state = State(place)
    state.write("01", Done("key", "done", "now", files={"gone": "x", "/dev/zero": "x"}))
    assert not state.is_current("01", "key")
    path = state.folder / "01.json"
    path.unlink()
    {
        "a pipe": os.mkfifo,
        "a device": lambda path: path.symlink_to("/dev/zero"),
        "a list": lambda path: path.write_text("[]"),
        "nothing": lambda path: None,
        "nested deeply": lambda path: path.write_text("[" * 100_000),
    }[damage](path)
    assert state.read("01") is None
    assert state.written("01") == set()


def test_a_report_owns_nothing_outside_it(place):
    """Nor removes it, whatever a record or a link in it says."""
    report, other = place / "report", place / "other"
    for folder in (report, other):
        folder.mkdir()
    (other / "mine.txt").write_text("mine")
    (report / "link").symlink_to(other)
    state = State(report)
    names = ("../other/mine.txt", "link/mine.txt", str(other / "mine.txt"))
    state.write("01", Done("key", "done", "now", files=dict.fromkeys(names, "x")))
    state.ledger("01").write_text("".join(f"{report / name}\n" for name in names))
    assert state.written("01") == set()
    (report / "a.txt").write_text("ours")
    state = State(other / ".." / "report")
    state.write("01", Done("key", "done", "now", files={"a.txt": "x"}))
    assert [path.name for path in state.written("01")] == ["a.txt"]


@pytest.mark.parametrize("damage", ["missing", "damaged", "of another profile"])
def test_a_page_written_again_trains_nothing(damage, run, place):
    report = place / "report"
    job = open_job("smoke", str(run.parent / "data"), str(report), ["training.keep_state=true"])
    if damage != "missing":
        shutil.copytree(run, report / "runs" / "total")
        assert job.finished_run("total").history is not None
    if damage == "damaged":
        (report / "runs" / "total" / "run.json").write_text("{}")
    elif damage == "of another profile":
        job = open_job("smoke", str(run.parent / "data"), str(report), ["seed=5"])
    before = {path: path.read_bytes() for path in report.rglob("*") if path.is_file()}
    said = (
        "a training of other set" if damage == "of another profile" else "is no finished training"
    )
    with pytest.raises(CsalganError, match=f"runs/total: {said}"):
        job.finished_run("total")
    assert {path: path.read_bytes() for path in report.rglob("*") if path.is_file()} == before


def test_a_table_one_that_is_none_is_refused(place):
    for content in ("a,b\n1,2\n", "metric,row,Total,Total_low,Total_high\na,b,c,d,e\n"):
        path = place / "04_table_one_paper.csv"
        path.write_text(content)
        assert_refused(lambda path=path: _table_one(path, "paper"), path.name, place, place / "o")
    path.write_text("profile,metric,row,Total,Total_low,Total_high\npaper,CC,ours,0.5,,\n")
    ((row,),) = _table_one(path, "paper")["blocks"].values()
    assert (row["metric"], row["row"], row["Total"]) == ("CC", "ours", 0.5)


def test_a_folder_where_a_file_is_to_be_is_one_sentence(place):
    (place / "manifest.json").mkdir()
    wrote = lambda: write_text(place / "manifest.json", "{}")  # noqa: E731
    assert_refused(wrote, "manifest.json", place, place / "o")


@pytest.fixture
def packed(place) -> Path:
    report = place / "report"
    for folder in ("figures", "tables", "notebooks"):
        (report / folder).mkdir(parents=True)
    for name in ("index.html", "manifest.json", "figures/01.png", "notebooks/01.ipynb"):
        (report / name).write_text("x")
    return report


@pytest.mark.parametrize(
    "target", ["report/a.zip", "report/index.html", "report/figures/a.zip", "link", "pages/a.zip"]
)
def test_a_report_is_not_packed_into_itself(target, packed, place):
    (place / "link").symlink_to(packed / "index.html")
    (place / "pages").symlink_to(packed / "figures")
    assert_refused(lambda: pack(packed, place / target), "lies in the report", place, place / "o")
    assert (packed / "index.html").read_text() == "x"


@pytest.mark.parametrize("name", ["figures/02.png", "tables/02.csv", "index.html"])
def test_a_link_out_of_a_report_is_not_packed(name, packed, place):
    (place / "secret").write_text("secret")
    (packed / name).unlink(missing_ok=True)
    (packed / name).symlink_to(place / "secret")
    assert_refused(lambda: pack(packed, place / "a.zip"), "02" if "02" in name else name,
                   place, place / "o")  # fmt: skip


NOTEBOOKS = {
    **dict(attacks.pieces(b'{"nbformat":4,"nbformat_minor":5,"metadata":{},"cells":[]}')),
    "a list": b"[]",
    "no cells": b'{"nbformat":4,"nbformat_minor":5,"metadata":{}}',
    "cells of text": b'{"nbformat":4,"nbformat_minor":5,"metadata":{},"cells":["a"]}',
    "nested deeply": b"[" * 100_000,
    "version 99": b'{"nbformat":99,"nbformat_minor":5,"metadata":{},"cells":[]}',
    "a pipe": os.mkfifo,
}


@pytest.mark.parametrize("damage", NOTEBOOKS)
def test_a_notebook_that_is_none_is_refused(damage, place):
    path, make = place / "01.ipynb", NOTEBOOKS[damage]
    make(path) if callable(make) else path.write_bytes(make)
    assert_refused(lambda: write_page(path, synthetic=True), path.name, place, place / "o")


# --- tables of scores, sentences --------------------------------------------------------------


@pytest.fixture(scope="module")
def scored(small, maps, tmp_path_factory) -> dict[str, bytes]:
    """Tables of scores: the good one and those that are none."""
    out = tmp_path_factory.mktemp("scores") / "s.csv"
    assert outcome(["evaluate", maps, "--data", small, "--bootstrap", 10, "--out", out])[0] == 0
    return {"good": out.read_bytes(), **dict(attacks.score_tables(out.read_text()))}


_COLUMNS = "record,image_id,condition,model,metric_profile,metric,value,resize,epsilon,fingerprint"
TABLES = [what for what, _ in attacks.score_tables(f"{_COLUMNS}\n{'1,' * 9}1\n")]


@pytest.mark.parametrize("damage", TABLES)
@pytest.mark.parametrize("side", ["A", "B"])
def test_scores_that_are_none_are_refused(side, damage, scored, place):
    for name, content in (("good.csv", scored["good"]), ("bad.csv", scored[damage])):
        (place / name).write_bytes(content)
    tables = [place / "good.csv", place / "bad.csv"]
    call = ["compare", *(tables if side == "B" else tables[::-1]), "--out", place / "out" / "d.csv"]
    named = "different datasets" if damage == "another dataset" else "bad.csv"
    assert_refused([*call, "--bootstrap", 10], named, place, place / "out")


WORKBOOKS = dict(attacks.workbooks())


@pytest.mark.parametrize("damage", [f"JSON {what}" for what in attacks.JSONS] + [*WORKBOOKS])
def test_sentences_that_are_none_are_refused(damage, place):
    content = WORKBOOKS.get(damage) or attacks.JSONS.get(damage.removeprefix("JSON "), b"")
    path = place / "sentences"
    path.write_bytes(content)
    read = read_workbook if damage in WORKBOOKS else read_json
    assert_refused(lambda: read(path), path.name, place, place / "out")


# --- mistakes on the command line -------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        ["predict", "missing.jpg", "--text", "a", "--out", "o"],
        ["predict", ".", "--text", "a", "--out", "o"],
        ["train", "--profile", "nowhere", "--out", "o"],
        ["train", "--profile", "smoke", "--subset", "none", "--out", "o"],
        ["train", "--profile", "smoke", "--set", "training.epochs=x", "--out", "o"],
        ["train", "--profile", "smoke", "--data", "missing", "--out", "o"],
        ["train", "--profile", "smoke", "--clip-weights", "missing", "--set",
         "text.encoder=clip", "--out", "o"],
        ["reproduce", "--profile", "smoke", "--data", "missing", "--out", "o"],
        ["status", "missing"],
        ["sweep", "missing.yaml", "--out", "o"],
        ["evaluate", "missing", "--data", "missing"],
        ["compare", "missing.csv", "missing2.csv"],
        ["data", "check", "missing"],
        ["data", "prepare", "missing"],
        ["crossval", "--profile", "magic", "--out", "o"],
        ["crossval", "--subset", "magic", "--out", "o"],
        ["crossval", "--profile", "smoke", "--set", "data.size=banana", "--out", "o"],
        ["explore", "--data", "missing", "--port", "0", "--no-browser"],
    ],
    ids=" ".join,
)  # fmt: skip
def test_a_mistake_on_the_command_line_is_one_line(arguments, place):
    assert_refused(arguments, "", place, place / "o")


@pytest.mark.parametrize(
    "arguments",
    [
        *(["author", ".", "--data", ".", "--out", "o", option, value]
          for option, value in (("--draws", "1000000000000"), ("--draws", "0"),
                                ("--repeats", "1"), ("--repeats", "1000000"),
                                ("--seed", str(2**70)), ("--seed", "-1"))),
        *(["data", "synth", "o", option, value]
          for option, value in (("--images", str(10**9)), ("--observers", str(10**9)),
                                ("--observers", "0"), ("--seed", str(2**70)))),
        *(["evaluate", ".", option, value]
          for option, value in (("--bootstrap", str(10**12)), ("--bootstrap", "9"),
                                ("--seed", str(2**70)))),
        *(["compare", "a", "b", option, value]
          for option, value in (("--bootstrap", str(10**12)), ("--seed", str(2**70)))),
        *(["crossval", "--out", "o", option, value]
          for option, value in (("--seeds", str(10**9)), ("--folds", "101"), ("--jobs", "0"))),
        ["data", "prepare", ".", "--size", str(10**9)],
        ["train", "--out", "o", "--seeds", str(10**9)],
        ["reproduce", "--out", "o", "--jobs", str(10**9)],
        ["explore", "--port", "65536"],
        ["predict", "a.png", "--out", "o", "--strength", "much"],
    ],
    ids=" ".join,
)  # fmt: skip
def test_a_number_out_of_range_is_named(arguments, place):
    status, _, said, _ = outcome(arguments)
    assert status == 2
    assert said.strip().splitlines()[-1].startswith("Error: Invalid value for")
    assert not (place / "o").exists()


def test_an_error_is_one_line_whatever_the_name(place):
    said = assert_refused(["data", "check", "a\nb\x1b[31m"], "", place, place / "out")
    assert "a\\nb\\x1b[31m" in said


# --- anything at all --------------------------------------------------------------------------


@settings(max_examples=150, derandomize=True, deadline=None,
          suppress_health_check=[HealthCheck.function_scoped_fixture])  # fmt: skip
@given(data=st.data())
def test_a_picture_with_changed_bytes_is_read_or_refused(data, tmp_path):
    form = data.draw(st.sampled_from(["PNG", "JPEG", "WEBP"]))
    content = bytearray(attacks.picture(form))
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / "changed"
    path.write_bytes(content)
    try:
        image = read_photograph(path)
    except CsalganError:
        return
    assert image.dtype == np.uint8
    assert image.shape[2] == 3


@settings(max_examples=150, derandomize=True, deadline=None)
@given(
    st.sampled_from(["data.size", "training.epochs", "training.losses", "name", "seed", "x.y"]),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
        max_leaves=6,
    ),
)
def test_any_value_of_a_profile_is_taken_or_refused(key, value):
    try:
        taken = load_profile("smoke", [f"{key}={json.dumps(value)}"])
    except CsalganError:
        return
    # What is taken can be kept in run.json and read again.
    assert profile_from(json.loads(json.dumps(taken.as_dict())), "kept") == taken
