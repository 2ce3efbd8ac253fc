"""Sweeps: what a file asks for, what comes out, and that nothing is done twice."""

import json
import os
import re
import shutil
import subprocess
import sys

import pandas as pd
import pytest

from csalgan import pipeline
from csalgan.cli.train import sweep as command_line
from csalgan.data import make_split, open_dataset, synthesise
from csalgan.experiment import sweep
from csalgan.figures import figure_info
from csalgan.files.errors import CsalganError
from csalgan.runner import processes
from csalgan.runner.state import Done, State
from csalgan.training import Run

SPEC = """
profile: smoke
set: ["training.subsets=[total]"]
grid:
  training.learning_rate: [0.0002, 0.002]
seeds: 2
"""


def run(spec, out, data, *arguments):
    command = [sys.executable, "-m", "csalgan", "sweep", str(spec), "--out", str(out)]
    return subprocess.run(
        [*command, "--data", str(data), *arguments],
        capture_output=True,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )


@pytest.fixture
def spec(tmp_path):
    def write(text: str):
        path = tmp_path / "spec.yaml"
        path.write_text(text)
        return path

    return write


def test_points_are_all_combinations_on_one_split(spec):
    text = SPEC.replace("seeds: 2", "  text.encoder: [none, hashing]\nseeds: [0, 3]")
    made = sweep.points(sweep.read_spec(spec(text + "subsets: [total, sal]\n")))
    assert len(made) == len({point.name for point in made}) == 2 * 2 * 2 * 2
    assert {point.profile.split_seed for point in made} == {0}
    assert {point.seed for point in made} == {0, 3}
    for point in made:
        assert point.profile.training.learning_rate == point.values["training.learning_rate"]
        assert point.profile.text.encoder == point.values["text.encoder"]
        assert point.profile.seed == point.seed
    # A value that joins later leaves the others' folders alone.
    more = sweep.points(sweep.read_spec(spec(text.replace("0.002]", "0.002, 0.02]"))))
    assert {p.name for p in made if p.subset == "total"} < {p.name for p in more}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("seeds: [1, 1]", "seed-1_.*: twice; name each seed, subset and value of the grid once"),
        ("subsets: [sal, sal]", "sal_seed-0_.*: twice"),
        ("grid: {data.size: [32, 64, 32]}", "size=32_.*: twice"),
        ("seeds: []", "a sweep without a point"),
        ("subsets: []", "a sweep without a point"),
    ],
)
def test_each_point_is_asked_for_once_and_at_least_one(spec, text, message):
    with pytest.raises(CsalganError, match=message):
        sweep.points(sweep.read_spec(spec(f"profile: smoke\n{text}\n")))


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"manifest.json": '{"name": "my-web-app"}'}, "manifest.json: is of no sweep"),
        ({"manifest.json": '{"complete": true, "provenance": {}}'}, "is of no sweep"),
        ({"author_manifest.json": "{}"}, r"holds author_manifest\.json, no sweep"),
        ({"tables/scores.csv": "mine"}, "holds tables, no sweep"),
    ],
)
def test_what_somebody_keeps_in_a_folder_is_not_written_over(
    spec, embedded, tmp_path, files, message
):
    for name, text in files.items():
        (tmp_path / "out" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "out" / name).write_text(text)
    done = run(spec(SPEC), tmp_path / "out", embedded)
    assert done.returncode == 1
    assert re.search(message, done.stderr), done.stderr
    found = {p.relative_to(tmp_path / "out").as_posix(): p.read_text()
             for p in (tmp_path / "out").rglob("*") if p.is_file()}  # fmt: skip
    assert found == files


def test_a_sweep_that_was_killed_before_its_first_table_is_known_as_what_it_is(
    spec, embedded, tmp_path
):
    dataset, asked = open_dataset(embedded), sweep.read_spec(spec(SPEC))
    (tmp_path / "runs").mkdir()
    sweep.begin(asked, dataset, tmp_path)
    sweep.require_same(asked, dataset, tmp_path)
    assert not json.loads((tmp_path / "manifest.json").read_text())["complete"]
    with pytest.raises(CsalganError, match=r"holds a sweep with set \('training.subsets=\[total"):
        sweep.require_same(asked.model_copy(update={"set": ()}), dataset, tmp_path)
    with pytest.raises(CsalganError, match=r"holds manifest\.json and is not a report"):
        pipeline.reproduce("smoke", data=str(embedded), out=str(tmp_path))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("profile: [", r"spec\.yaml: not readable as YAML"),
        ("just text", "holds no keys"),
        ("grid: {}", "profile is missing"),
        ("profile: smoke\ngird: {}", r"unknown key gird \(did you mean grid\?\)"),
        ("profle: smoke", r"unknown key profle \(did you mean profile\?\)"),
        ("profile: smoke\nseeds: 0", "seeds.* is refused"),
        ("profile: smoke\nsubsets: [everything]", "subsets.0='everything' is refused"),
        ("profile: smoke\npart: train", "part='train' is refused"),
        ("profile: smoke\ngrid: {training.epochs: 3}", r"grid.training.epochs=3 is refused"),
        ("profile: smoke\ngrid: {training.epochs: []}", r"grid.training.epochs=\[\] is refused"),
        ("profile: smoke\ngrid: {training.epoch: [3]}", "unknown key training.epoch"),
        ("profile: smoke\ngrid: {training.epochs: [many]}", "training.epochs='many' is refused"),
        ("profile: elsewhere", "elsewhere: no such profile"),
        ("profile: smoke\ngrid: {seed: [0, 1]}", "seed: all points share one split and have"),
        ("profile: smoke\nset: [seed=5]", "seed: all points share one split and have"),
        ("profile: smoke\ngrid: {data.split: [image, record]}", "data.split: all points share one"),
        (
            "profile: smoke\nvariants: {a: {label: A, set: [data.split=record]}}",
            "data.split: all points share one split",
        ),
    ],
)
def test_a_bad_file_is_one_sentence(spec, text, message):
    with pytest.raises(CsalganError, match=message):
        sweep.points(sweep.read_spec(spec(text)))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(CsalganError, match=r"none\.yaml: no such file"):
        sweep.read_spec(tmp_path / "none.yaml")


def test_a_sweep_trains_scores_and_compares_and_does_nothing_twice(spec, embedded, tmp_path):
    out = tmp_path / "sweep"
    asked = SPEC.replace("0.0002, 0.002", "0.0002")
    done = run(spec(asked), out, embedded, "--jobs", "2")
    assert done.returncode == 0, done.stderr
    table = pd.read_csv(out / "tables" / "sweep.csv")
    assert set(table["training.learning_rate"]) == {0.0002}
    assert set(table["seed"]) == {0, 1}
    assert len(table["point"].unique()) == 2
    assert {"cc", "nss"} <= set(table["metric"])
    assert table["from_data"].str.contains("synthetic").all()
    scores = pd.read_csv(out / "tables" / "scores.csv")
    mean = scores[scores.metric == "cc"].groupby("point")["value"].mean()
    whole = table[(table.metric == "cc") & (table.condition == "all")].set_index("point")["mean"]
    assert mean.to_dict() == pytest.approx(whole.to_dict(), rel=1e-4)
    about = figure_info(out / "figures" / "00_comparison.png")
    assert about["profile"] == "smoke training.subsets=[total]"
    # The same again trains and scores nothing; one more value trains its two points only.
    written = [p for p in (out / "runs").rglob("*.*") if p.is_file()]
    made = [p for p in written if p.suffix in (".safetensors", ".pt") or p.name[:6] == "scores"]
    bytes_then = [p.read_bytes() for p in written]
    times_then = [p.stat().st_mtime_ns for p in made]
    run(spec(SPEC), out, embedded, "--jobs", "2")
    assert [p.read_bytes() for p in written] == bytes_then
    assert [p.stat().st_mtime_ns for p in made] == times_then
    assert len(pd.read_csv(out / "tables" / "sweep.csv")["point"].unique()) == 4


def status(out) -> list[dict]:
    command = [sys.executable, "-m", "csalgan", "status", str(out), "--json"]
    return json.loads(subprocess.run(command, capture_output=True, check=True).stdout)["steps"]


def test_a_sweep_that_somebody_runs_is_refused_and_its_point_runs_or_was_interrupted(
    spec, embedded, tmp_path, monkeypatch
):
    monkeypatch.setattr(processes, "run_tasks", lambda *_, **__: pytest.fail("two at once"))
    State(tmp_path).write("point", Done("", "running", "2026"))
    code = (
        "import sys; from pathlib import Path; from csalgan.files.locks import locked\n"
        f"with locked(Path({str(tmp_path)!r})): print('held', flush=True); sys.stdin.read()"
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", code], **pipes) as other:
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(CsalganError, match=rf"process {other.pid} on .* works on this"):
            command_line(str(spec(SPEC)), out=tmp_path, data=str(embedded))
        assert [row["status"] for row in status(tmp_path)] == ["running"]
        other.stdin.close()
    assert [row["status"] for row in status(tmp_path)] == ["interrupted"]


def test_another_commit_scores_a_point_again_and_leaves_its_weights(
    spec, embedded, tmp_path, monkeypatch
):
    dataset, asked = open_dataset(embedded), sweep.read_spec(spec(SPEC))
    about = json.loads(sweep.tasks(asked, dataset, tmp_path)[0].command[-1])
    scored = []
    score = sweep.score_model
    monkeypatch.setattr(sweep, "score_model", lambda *of: scored.append(1) or score(*of))
    stamps = []
    for commit in ("one", "one", "another"):
        monkeypatch.setattr(sweep, "commit", lambda commit=commit: commit)
        sweep.run_point(about)
        weights = next((tmp_path / "runs").rglob("best.safetensors"))
        stamps.append((weights.stat().st_mtime_ns, weights.stat().st_ino, len(scored)))
    assert [count for *_, count in stamps] == [1, 1, 2]
    assert len({stamp[:2] for stamp in stamps}) == 1


def test_a_point_that_fails_is_named_and_stops_no_other(spec, embedded, tmp_path):
    out = tmp_path / "sweep"
    text = SPEC.replace("seeds: 2", "").replace("0.002]", "1.0]") + "  data.size: [16]\n"
    wanted = spec(text)
    broken = sweep.points(sweep.read_spec(wanted))[1].name
    (out / "runs" / broken).mkdir(parents=True)
    (out / "runs" / broken / "thesis.tex").write_text("mine")
    done = run(wanted, out, embedded)
    assert done.returncode == 1
    (said,) = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert broken in said
    assert "not empty and not a run" in said
    assert {row["step"]: row["status"] for row in status(out)} == {
        point.folder: "failed" if point.name == broken else "done"
        for point in sweep.points(sweep.read_spec(wanted))
    }
    assert len(pd.read_csv(out / "tables" / "sweep.csv")["point"].unique()) == 1


def test_a_cross_validation_scores_every_image_by_a_model_that_did_not_see_it(embedded, tmp_path):
    out = tmp_path / "folds"
    command = [sys.executable, "-m", "csalgan", "crossval", "--profile", "smoke", "--folds", "2"]
    command += ["--seeds", "2", "--jobs", "2", "--data", str(embedded), "--out", str(out)]
    done = subprocess.run(
        command, capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"}
    )
    assert done.returncode == 0, done.stderr
    assert "all images in 2 folds" in done.stdout
    dataset = open_dataset(embedded)
    scores = pd.read_csv(out / "tables" / "scores.csv", dtype={"record": str, "image_id": str})
    for (_, _), group in scores[scores["metric"] == "cc"].groupby(["model", "seed"]):
        told = group["model"].iloc[0] == "free_viewing"
        whole = dataset.records[dataset.records["condition"] != "none"] if told else dataset.records
        assert sorted(group["record"]) == sorted(whole["record"])
    spec = sweep.Spec(profile="smoke", folds=2, seeds=2, part="test", yardsticks=True)
    for point in sweep.points(spec):
        split = make_split(dataset.records, point.profile.data.rule, point.profile.split_seed)
        mine = pd.read_csv(out / "runs" / point.folder / "scores-test.csv", dtype={"record": str})
        assert set(mine["record"]) <= set(split.test)
        if not point.yardsticks:
            run = Run.load(out / "runs" / point.folder)
            assert run.profile.data.rule == point.profile.data.rule
            assert run.info["records"]["train"] == len(split.train)
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["complete"]
    assert len(manifest["points"]) == 2 * 2 + 2
    assert {row["step"] for row in status(out) if row["status"] == "done"} == {*manifest["points"]}
    about = figure_info(out / "figures" / "00_comparison.png")
    assert about["profile"] == "smoke"

    # The same folder is for the same folds.
    tables = {path: path.read_bytes() for path in (out / "tables").iterdir()}
    other = subprocess.run([*command, "--folds", "3"], capture_output=True, text=True)
    assert other.returncode == 1
    assert "holds a sweep with folds 2, now 3" in other.stderr
    assert {path: path.read_bytes() for path in (out / "tables").iterdir()} == tables
    third = spec.model_copy(update={"folds": 3})  # as after a kill: nothing is mixed
    assert sweep.collect(third, dataset, tmp_path / "copy") is None
    shutil.copytree(out / "runs", tmp_path / "copy" / "runs")
    assert sweep.collect(third, dataset, tmp_path / "copy") is None

    # And for the same data: what was scored on others is neither shown nor replaced.
    changed = synthesise(tmp_path / "changed", n_images=16, seed=1)
    other = subprocess.run([*command, "--data", str(changed)], capture_output=True, text=True)
    assert other.returncode == 1
    assert f"holds a sweep with data {dataset.fingerprint[:12]}, now " in other.stderr
    assert {path: path.read_bytes() for path in (out / "tables").iterdir()} == tables
    assert sweep.collect(spec, open_dataset(changed), tmp_path / "copy") is None

    # And for what the profile says today: a suite of another version had another of its name.
    about = next((out / "runs").glob("total_seed-0*fold-1")) / "run.json"
    kept = about.read_text()
    info = json.loads(kept)
    info["profile"]["training"]["learning_rate"] = 0.25
    about.write_text(json.dumps(info))
    other = subprocess.run(command, capture_output=True, text=True)
    assert other.returncode == 1
    assert "holds runs of an earlier smoke (training.learning_rate 0.25 is now" in other.stderr
    assert {path: path.read_bytes() for path in (out / "tables").iterdir()} == tables
    about.write_text(kept)

    # Two of them are compared record by record, seeds averaged.
    compared = subprocess.run(
        [sys.executable, "-m", "csalgan", "compare", str(out), str(out), "--model-b", "mean_map"],
        capture_output=True,
        text=True,
    )
    assert compared.returncode == 0, compared.stderr
    assert f"{len(dataset.records)}  " in compared.stdout
    assert "note:" not in compared.stdout  # of one split

    # Without one fold a point waits: a table is over all images or not there.
    (next((out / "runs").glob("total_seed-1*fold-2")) / "scores-test.csv").unlink()
    sweep.collect(spec, dataset, out)
    assert set(pd.read_csv(out / "tables" / "sweep.csv").query("model == 'smoke'")["seed"]) == {0}
    assert not json.loads((out / "manifest.json").read_text())["complete"]


def test_the_ablation_is_a_sweep_whose_variants_differ_in_one_thing():
    spec = sweep.read_spec("ablation")
    made = {}
    for point in sweep.points(spec):
        made.setdefault(point.model, []).append(point)
    yardsticks = made.pop("")
    assert len(yardsticks) == 5
    assert len(made["compact"]) == 3 * 5
    assert len(made["paper's model"]) == 5
    whole = {p.profile.data.fold: p.profile for p in made["compact"] if p.seed == 0}
    for model, several in made.items():
        for point in several:
            base = whole[point.profile.data.fold]
            assert point.profile.data.rule == base.data.rule
            assert point.profile.split_seed == base.split_seed
            if model not in ("compact", "paper's model"):
                assert len(_different(base.as_dict(), point.profile.as_dict())) == 1, model


def test_pretraining_is_a_sweep_of_what_is_seen_before():
    base, found = {}, {}
    for point in sweep.points(sweep.read_spec("pretraining")):
        found.setdefault(point.model, []).append(point)
        if point.model == "both":
            base[point.profile.data.fold] = point.profile.as_dict()
    assert {len(several) for several in found.values()} == {5}
    for model, several in found.items():
        for point in several:
            differs = _different(base[point.profile.data.fold], point.profile.as_dict())
            assert len(differs) == (model != "both"), (model, differs)


def _different(a: dict, b: dict) -> list:
    found = [key for key in a if not isinstance(a[key], dict) and a[key] != b[key]]
    nested = [_different(a[key], b[key]) for key in a if isinstance(a[key], dict)]
    return found + [key for keys in nested for key in keys]
