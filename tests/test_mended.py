"""What readers of the code found, each by the situation in which it went wrong."""

import errno
import io
import json
import os
import signal
import sys
import time

import numpy as np
import pandas as pd
import pytest
import torch
from gaze_sets import write_hdf5
from PIL import Image
from safetensors.torch import save_file

from csalgan import pipeline
from csalgan.cli.options import Interrupted, telling
from csalgan.cli.predict import Photograph, _batches, _making
from csalgan.config import load_profile, resolved
from csalgan.data import check_dataset, dataset, open_dataset, prepare, synthesise
from csalgan.data.clone import author_files
from csalgan.data.pictures import MAX_SIDE, read_photograph
from csalgan.experiment import sweep
from csalgan.experiment.job import open_job
from csalgan.explorer.pictures import thumbnail
from csalgan.explorer.session import Model, Session
from csalgan.files.errors import CsalganError
from csalgan.files.progress import doing
from csalgan.files.provenance import Provenance, commit
from csalgan.files.tensors import read_tensors
from csalgan.files.writing import TEMPORARY
from csalgan.pipeline import report
from csalgan.prediction import Predictor
from csalgan.runner.processes import end_at_signal
from csalgan.runner.state import Asked, Done, State
from csalgan.text import get_encoder
from csalgan.training import describe, same_settings, train

# --- nothing is lost --------------------------------------------------------------------------


@pytest.mark.parametrize("stood", ["", "3 of 8 steps stand in r"])
def test_the_command_that_goes_on_does_not_begin_anew_what_stands(monkeypatch, stood):
    given = ["csalgan", "reproduce", "--fresh", "--from", "04", "--from=05", "--out", "r"]
    monkeypatch.setattr(sys, "argv", given)
    with (
        pytest.raises(Interrupted) as said,
        telling(lambda: "nothing was begun", drop={"--from": 1, "--fresh": 0}),
    ):
        stop = KeyboardInterrupt()
        stop.stands = stood
        raise stop
    again = "csalgan reproduce --out r" if stood else " ".join(given)
    assert str(said.value).endswith(f"go on with: {again}")


def test_a_signal_that_ends_a_command_says_what_stands_too(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["csalgan", "sweep", "a.yaml", "--out", "r"])
    with pytest.raises(Interrupted) as said, telling(lambda: "points stand in r"):
        end_at_signal(signal.SIGTERM, None)
    assert said.value.status == 128 + signal.SIGTERM
    told = "interrupted: points stand in r; go on with: csalgan sweep a.yaml --out r"
    assert str(said.value) == told


def test_two_predictions_do_not_meet_in_a_new_folder(tmp_path):
    out = tmp_path / "maps"
    with _making(out) as first:
        (first / "a.png").write_bytes(b"1")
        with pytest.raises(CsalganError, match="predicts into it; choose another"), _making(out):
            raise AssertionError
    assert [path.name for path in out.iterdir()] == ["a.png"]
    (out / f"{TEMPORARY}killed").mkdir()
    with _making(out):
        pass
    assert [path.name for path in out.iterdir()] == ["a.png"]


def test_a_report_is_written_where_it_was_looked_for(tmp_path, monkeypatch, home):
    (home / "thesis").mkdir(exist_ok=True)
    (home / "thesis" / "thesis.tex").touch()
    monkeypatch.chdir(tmp_path)  # where there is no such folder: the root's is taken
    with pytest.raises(CsalganError, match=r"thesis: holds thesis\.tex and is not a report"):
        pipeline.reproduce("smoke", out="thesis")


def test_reports_and_sweeps_do_not_take_each_other_for_their_own(embedded, tmp_path):
    spec = sweep.Spec(profile="smoke")
    folds, stranger, mine = (tmp_path / name for name in ("folds", "stranger", "mine"))
    for folder, manifest in ((folds, {"complete": True, "sweep": {}}), (stranger, {"name": "x"})):
        folder.mkdir()
        (folder / "manifest.json").write_text(json.dumps(manifest))
        with pytest.raises(CsalganError, match=r"holds manifest\.json and is not a report"):
            pipeline.reproduce("smoke", data=str(embedded), out=str(folder))
    State(mine).write_plan(Asked(profile="smoke", data="", overrides=[]))
    with pytest.raises(CsalganError, match="mine: holds steps/plan.json, no sweep"):
        sweep.require_same(spec, open_dataset(embedded), mine)
    killed = tmp_path / "killed"
    (killed / f"{TEMPORARY}half").mkdir(parents=True)
    pipeline._require_report(killed)  # what a kill left is no stranger's


def test_a_folder_that_cannot_be_replaced_stays_what_it_was(tmp_path, monkeypatch):
    first = synthesise(tmp_path / "set", n_images=2)
    before = {p.relative_to(first): p.read_bytes() for p in first.rglob("*") if p.is_file()}
    replace = os.replace

    def busy(at: int):
        calls = []

        def move(source, target):
            if str(first) in (str(source), str(target)):
                calls.append(target)
                if len(calls) == at:
                    raise OSError(errno.EBUSY, "busy", str(source))
            replace(source, target)

        return move

    for at in (1, 2):  # the old one away, the new one in its place
        with monkeypatch.context() as patch:
            patch.setattr(os, "replace", busy(at))
            with pytest.raises(CsalganError, match="cannot be written to .*busy"):
                synthesise(first, n_images=3)
        found = {p.relative_to(first): p.read_bytes() for p in first.rglob("*") if p.is_file()}
        assert found == before
        assert [path.name for path in tmp_path.iterdir()] == ["set"]


# --- nothing stale, nothing that lies ---------------------------------------------------------


def test_a_job_that_waits_for_the_cluster_has_not_failed(tmp_path):
    state = State(tmp_path)
    about = {"step": "a", "time": "2026", "seconds": 0.0, "message": "job 17_0"}
    state.tell({"event": "submitted", **about})
    assert state.row("a", working=True)["status"] == "waiting"
    (tmp_path / "steps" / f"{TEMPORARY}b.json").touch()
    assert state.known() == ["a"]


def test_a_profile_is_the_same_file_from_any_folder(tmp_path, monkeypatch, embedded):
    text = "name: mine\ndescription: x\ntraining: {learning_rate: 1e-4}\n"
    (tmp_path / "mine.yaml").write_text(text)
    monkeypatch.chdir(tmp_path)
    assert resolved("mine.yaml") == str(tmp_path / "mine.yaml")
    assert resolved("smoke") == "smoke"
    assert load_profile("mine.yaml").training.learning_rate == 1e-4
    small = load_profile("smoke", ["training.learning_rate=5e-05", "description=1e"])
    assert (small.training.learning_rate, small.description) == (5e-05, "1e")


def test_variants_of_one_label_are_refused():
    both = {name: sweep.Variant(label="same") for name in "ab"}
    with pytest.raises(CsalganError, match="'same' is the label of two"):
        sweep.points(sweep.Spec(profile="smoke", variants=both))


def test_a_step_is_stale_when_a_file_outside_has_changed(embedded, tmp_path):
    clone, beside = tmp_path / "clone", tmp_path / "beside.yaml"
    (clone / "log" / "run").mkdir(parents=True)
    (clone / "log" / "run" / "log_sal.txt").write_text("one")
    beside.write_text("name: b\ndescription: b\n")
    job = open_job("smoke", str(embedded), str(tmp_path / "r"), [f"beside={beside}"])
    asked = Asked(profile="smoke", data="", overrides=[], author=str(clone))

    def keys() -> dict[str, str]:
        steps = pipeline.keyed_steps(job, pipeline._steps_of(job, asked))
        return {name: step.key for name, step in steps.items()}

    first = keys()
    assert keys() == first
    (author_files(clone)[0]).write_text("two")
    second = keys()
    assert first["01_data_exploration"] == second["01_data_exploration"]
    assert first["03_adversarial_training-sal"] != second["03_adversarial_training-sal"]
    beside.write_text("name: b\ndescription: b\nseed: 1\n")
    assert keys()["01_data_exploration"] != second["01_data_exploration"]


def test_a_page_of_old_results_is_not_signed_anew(command, monkeypatch, tmp_path):
    (tmp_path / "index.html").write_text("old")
    rows = [{"step": "01", "status": "stale", "seconds": 1.0}]
    job = type("Job", (), {"out": tmp_path})
    monkeypatch.setattr(pipeline, "open_report", lambda out: (job, rows))
    monkeypatch.setattr(report, "write", lambda *given: pytest.fail("written"))
    code, _, err = command("report", tmp_path)
    assert code == 0
    assert "the page is left as it was" in err


def test_a_picture_of_somebody_does_not_stop_a_report(embedded, tmp_path):
    job = open_job("smoke", str(embedded), str(tmp_path / "r"), ["training.subsets=[total]"])
    job.figures.mkdir(parents=True)
    Image.new("L", (8, 8)).save(job.figures / "01_mine.png")
    State(job.out).write("01", Done("key", "done", "2026"))
    job.run("total", progress=False)
    assert report._manifest(job, ["01"], {})["figures"] == {}


# --- one sentence -----------------------------------------------------------------------------


def test_what_the_system_refuses_is_one_sentence(command, monkeypatch, tmp_path):
    def refuse(path):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    with monkeypatch.context() as patch:
        patch.setattr("csalgan.data.check.recognise", refuse)
        code, _, err = command("data", "check", tmp_path)
    assert (code, err.count("\n")) == (1, 1)
    assert err.startswith(f"error: {tmp_path}: this may not be read")
    code, _, err = command("data", "check", "~nobody-of-this-name/data")
    assert (code, err.count("\n")) == (1, 1)
    assert "no user of this machine has" in err


def test_names_of_somebody_are_shown_and_not_obeyed(command, embedded, tmp_path):
    folder = synthesise(tmp_path / "set", n_images=2)
    path = folder / "image_text.json"
    known = json.loads(path.read_text()) | {"\ud800": "x", "\x1b[2J": "y"}
    path.write_text(json.dumps(known))
    code, out, _ = command("data", "check", folder)
    assert code == 1
    assert "\\ud800" in out
    assert "\x1b" not in out


@pytest.mark.parametrize("change", ["longer", "shorter", "empty"])
def test_gaze_that_does_not_fit_together_is_one_sentence(tmp_path, change):
    import h5py

    write_hdf5(tmp_path, stimuli="Stimuli", fixations="Fixations")
    with h5py.File(tmp_path / "fixations.hdf5", "r+") as file:
        n = file["n"][...]
        del file["n"]
        file["n"] = {"longer": np.append(n, 0), "shorter": n[:-1], "empty": n[:0]}[change]
        if change == "empty":
            for key in ("x", "y", "subjects"):
                del file[key]
                file[key] = np.zeros(0)
    if change == "empty":
        with h5py.File(tmp_path / "stimuli.hdf5", "r+") as file:
            file.attrs["size"] = 0
    with pytest.raises(CsalganError, match=r"fixations\.hdf5: is not as released"):
        open_dataset(tmp_path)


def test_weights_of_a_type_that_nothing_computes_with_are_refused(tmp_path):
    save_file({"a": torch.zeros(2).to(torch.float8_e4m3fn)}, tmp_path / "small.safetensors")
    with pytest.raises(CsalganError, match="not a flat state_dict"):
        read_tensors(tmp_path / "small.safetensors")


def test_packed_arrays_that_claim_another_compression_are_packed_anew(embedded):
    packed = prepare(open_dataset(embedded), 16)
    content = bytearray(packed.path.read_bytes())
    at = content.find(b"PK\x01\x02")
    while at >= 0:
        content[at + 10] = 99  # the compression method of a member
        at = content.find(b"PK\x01\x02", at + 1)
    packed.path.write_bytes(content)
    assert np.array_equal(prepare(open_dataset(embedded), 16).maps, packed.maps)


# --- large and unusual, and right -------------------------------------------------------------


def test_a_file_of_gaze_may_be_large(tmp_path):
    with (tmp_path / "stimuli.hdf5").open("wb") as file:
        file.truncate(300 * 2**20)
    assert len(dataset._file_digest(str(tmp_path / "stimuli.hdf5"))) == 64


def test_a_side_that_no_jpeg_has_is_refused(tmp_path):
    Image.new("L", (MAX_SIDE + 1, 2)).save(tmp_path / "long.png")
    with pytest.raises(CsalganError, match="65500 pixels a side; make it smaller"):
        read_photograph(tmp_path / "long.png")


def test_large_photographs_are_predicted_one_by_one():
    def photograph(area: int, sentences: int) -> Photograph:
        return Photograph("a", None, ("x",) * sentences, None, area)

    small, large = photograph(10**5, 4), photograph(24 * 10**6, 4)
    assert [len(batch) for batch in _batches([small] * 20)] == [16, 4]
    assert [len(batch) for batch in _batches([large, large, small])] == [1, 1, 1]
    assert list(_batches([])) == []


def test_photographs_inside_a_file_have_thumbnails(tmp_path, home):
    write_hdf5(tmp_path, stimuli="Stimuli")
    job = open_job("smoke", str(tmp_path), str(tmp_path / "r"), ["training.subsets=[total]"])
    session = Session(job, {"none": Model(lambda: None)})
    image = next(iter(session.of_image))
    assert thumbnail(session.photograph(image), (20, 10)).shape == (10, 20, 3)
    assert not check_dataset(tmp_path).errors


# --- found by an audit of what earlier issues promised ------------------------------------------


def test_clips_weights_may_lie_elsewhere_on_another_machine(embedded, tmp_path, monkeypatch):
    theirs, mine = tmp_path / "server" / "clip.safetensors", tmp_path / "clip.safetensors"
    profile = load_profile("smoke", [f"text.clip_weights={theirs}"])
    data = open_dataset(embedded)
    run = train(profile, data, "total", tmp_path / "run", progress=False)
    asked = []

    def encoder(name, **given):
        asked.append(str(given["clip_weights"]))
        return get_encoder(name)

    monkeypatch.setattr("csalgan.prediction.get_encoder", encoder)
    Predictor.open(run.folder)
    Predictor.open(run.folder, clip_weights=mine)
    assert asked == [str(theirs), str(mine)]
    # Nor is the path a setting: what lies there is compared, wherever that is.
    other = load_profile("smoke", [f"text.clip_weights={mine}"])
    assert same_settings(describe(other, data, "total"), run.info) is None
    keys = []
    for name, content in (("a", b"1"), ("b", b"1"), ("c", b"2")):
        (tmp_path / name).write_bytes(content)
        overrides = [f"text.clip_weights={tmp_path / name}"]
        job = open_job("smoke", str(embedded), str(tmp_path / "report"), overrides)
        steps = pipeline.keyed_steps(job, pipeline.plan(job.profile, {"out": str(job.out)}))
        keys.append([step.key for step in steps.values()])
    assert keys[0] == keys[1]
    assert not set(keys[0]) & set(keys[2])


def test_what_is_saved_says_which_models_it_shows(embedded, tmp_path):
    overrides = ["beside=demo-compact", "training.subsets=[total]"]
    job = open_job("smoke", str(embedded), str(tmp_path), overrides)
    table = pd.DataFrame({"a": [1]})
    job.save_table(table, "01_counts")
    assert "predicted" not in (job.tables / "01_counts.source.txt").read_text()
    own = job.predictor("total")
    job.save_table(table, "04_own")
    said = (job.tables / "04_own.source.txt").read_text()
    assert f"profile: smoke · seed: 0 · commit: {commit()} · predicted in float32 at 32 px" in said
    quick = ["training.epochs=1", "text.encoder=none", "training.threads=1"]
    other = job.beside(load_profile("demo-compact", quick), "other")
    job.asked.append(other.map_provenance)
    job.save_table(table, "05_both")
    said = (job.tables / "05_both.source.txt").read_text()
    assert "text: hashing, none · profile: smoke, demo-compact · seed: 0" in said
    assert f"predicted in float32, {other.precision} at 32, 64 px · threads: 1" in said
    alone = Provenance.together([other.map_provenance])
    job.save_table(table, "05_other", source=alone)
    assert (job.tables / "05_other.source.txt").read_text() == alone.line() + "\n"
    assert own.map_provenance.test_scales == "32"


def test_drawn_scenes_come_from_no_collection_of_photographs(embedded):
    assert set(open_dataset(embedded).records["source"]) == {"drawn"}


def test_what_is_being_done_is_told_by_the_second(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr(sys, "stderr", Terminal())
    with doing("reading"):
        time.sleep(2.3)
    assert "00:01" in sys.stderr.getvalue()
    assert "00:02" in sys.stderr.getvalue()
