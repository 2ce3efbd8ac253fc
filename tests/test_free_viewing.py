"""What is done with data in which nobody read a sentence: notebooks, plan, command line."""

import json
import sys

import matplotlib
import numpy as np
import pandas as pd
import pytest
from gaze_sets import write_hdf5, write_osie
from PIL import Image

import csalgan
from csalgan import exploration
from csalgan.cli import main
from csalgan.data import make_split, open_dataset, prepare
from csalgan.evaluation import Evaluator
from csalgan.figures import exploration as draw
from csalgan.files import paths
from csalgan.pipeline import plan

matplotlib.use("agg")


@pytest.fixture(scope="module")
def osie(tmp_path_factory):
    root = tmp_path_factory.mktemp("osie") / "set"
    write_osie(root, n_images=12, observers=4, size=(60, 80))
    return root


@pytest.fixture(scope="module")
def job(osie, tmp_path_factory):
    return csalgan.open_job("smoke", str(osie), str(tmp_path_factory.mktemp("report")))


@pytest.fixture
def run(monkeypatch, capsys):
    """Run the command line in this process; give back what it printed."""

    def command(*arguments) -> str:
        monkeypatch.setattr(sys, "argv", ["csalgan", *map(str, arguments)])
        with pytest.raises(SystemExit) as stopped:
            main()
        said = capsys.readouterr()
        assert not stopped.value.code, said.err
        return said.out

    return command


def test_only_what_there_is_gaze_for_is_trained_and_planned(job, embedded, capsys):
    assert job.profile.training.subsets == ("total",)
    csalgan.open_job("smoke", str(job.dataset.root), str(job.out))
    said = capsys.readouterr().err
    assert "OSIE (12 images): has no gaze of its own for the subsets general, sal, non_sal" in said
    names = [step.name for step in plan(job.profile, {}, has_sentences=False)]
    assert "03_adversarial_training-total" in names
    assert not [name for name in names if name.startswith("05")]
    whole = csalgan.open_job("smoke", str(embedded), str(job.out))
    assert whole.profile == csalgan.config.load_profile("smoke")
    assert capsys.readouterr().err == ""


def test_figures_about_sentences_say_that_there_are_none(job, halves_of):
    prepared = job.prepared
    effect = exploration.over_images(
        exploration.cross_condition(prepared), ["metric", "predictor", "gaze"]
    )
    assert effect.empty
    assert halves_of(prepared, 0.03).empty
    (text,) = draw.cross_condition_matrices(effect).axes[0].texts
    assert "Nobody read a sentence" in text.get_text()


@pytest.mark.parametrize("name", ["01_data_exploration", "06_prediction_explorer"])
def test_notebooks_run_on_it(name, job, monkeypatch):
    notebook = json.loads((paths.notebooks_dir() / f"{name}.ipynb").read_text(encoding="utf-8"))
    known = {"display": lambda *_: None}
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            exec("".join(cell["source"]), known)
            if "profile" in known and "job" not in known:  # the cell of parameters has run
                known |= {"profile": "smoke", "data": str(job.dataset.root), "out": str(job.out)}
    if name.startswith("01"):
        table = pd.read_csv(job.tables / "01_blind.csv")
        assert "observers" in set(table.model)
        assert (job.figures / "01_observers.png").is_file()


def test_predict_and_evaluate_on_photographs_inside_a_file(run, tmp_path):
    """pysaliency may keep photographs as arrays: there is no picture file to read."""
    write_hdf5(tmp_path / "set", stimuli="Stimuli")
    run("predict", "--data", tmp_path / "set", "--out", tmp_path / "maps", "--view", 64)
    dataset = open_dataset(tmp_path / "set")
    for record in dataset.records["record"]:
        with Image.open(tmp_path / "maps" / "maps" / f"{record}.png") as picture:
            assert picture.size[::-1] == dataset.map(record).shape
    assert prepare(dataset, 32).images.shape == (2, 32, 32, 3)


def test_evaluate_puts_people_beside_the_baselines(run, osie, tmp_path):
    dataset = open_dataset(osie)
    (tmp_path / "maps").mkdir()
    for record in dataset.records["record"]:
        Image.fromarray(dataset.map(record)).save(tmp_path / "maps" / f"{record}.png")
    said = run(
        *("evaluate", tmp_path / "maps", "--data", osie, "--split", "all", "--baselines"),
        *("--out", tmp_path / "scores.csv"),
    )
    assert "observers: each one predicted by all others" in said
    scores = pd.read_csv(tmp_path / "scores.csv")
    people = scores[(scores.model == "observers") & (scores.metric == "nss")]
    assert len(people) == 12
    own = scores[(scores.model == "maps") & (scores.metric == "nss")]
    # A map made from the very fixations it is scored on beats one made without them.
    assert own["value"].mean() > people["value"].mean()
    assert np.isfinite(people["value"]).all()


@pytest.mark.real
def test_people_predict_each_other_better_than_the_mean_map_does(shared):
    dataset = open_dataset(shared("osie"))
    few = dataset.records.iloc[:60]
    dataset.records = few
    split = make_split(few)
    evaluator = Evaluator(dataset, split)
    test = split.of("test", few)
    means = {
        name: evaluator.baseline(name, test).groupby("metric")["value"].mean()
        for name in ("mean_map", "observers")
    }
    for metric in ("auc", "sauc", "nss", "ig"):
        assert means["observers"][metric] > means["mean_map"][metric]
