"""Every recipe of docs/own-research.md runs as it stands, and gives what it says."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch
from damage import copy_of

from csalgan.config import load_profile
from csalgan.data import check_dataset, make_split, open_dataset
from csalgan.evaluation import Evaluator, interval, summarise, table_one
from csalgan.experiment.scores import comparison_table, score_model
from csalgan.files.errors import CsalganError
from csalgan.guidance import asking
from csalgan.models import CompactGenerator, PaperGenerator
from csalgan.prediction import Predictor
from csalgan.training import Trainer, train

PAGE = Path(__file__).parents[1] / "docs" / "own-research.md"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The names that the page's code leaves behind, run from top to bottom in an empty folder."""
    before, folder = Path.cwd(), tmp_path_factory.mktemp("research")
    os.chdir(folder)
    names: dict = {"__name__": "research"}
    try:
        for code in re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S):
            exec(compile(code, str(PAGE), "exec"), names)
    finally:
        os.chdir(before)
    return names | {"folder": folder}


def test_a_model_of_ones_own_is_scored_like_the_suites(made):
    scores, theirs = made["scores"], made["theirs"]
    assert set(scores["model"]) == {"mine"}
    assert {"lost_content", "lost_exchange", "lost_sentence", "kl", "ig"} <= set(scores["metric"])
    assert set(scores["record"]) == set(made["test"]["record"]) == set(theirs["record"])
    assert "mean_map" in set(made["beside"]["model"])
    line = comparison_table(pd.concat([scores, theirs]), "of here", "test records")
    assert "| mine |" in line
    assert "| compact-minilm |" in line
    with pytest.raises(CsalganError, match="with_subsets"):
        table_one(scores, "tuebingen")
    with pytest.raises(CsalganError, match="metric 'foo': use one of"):
        made["evaluator"]({}, made["test"], metrics=["foo"])


def test_a_run_of_another_loss_says_so_and_is_never_taken_for_one_without(made):
    runs, dataset, profile = made["folder"] / "runs", made["dataset"], made["profile"]
    info = json.loads((runs / "squared" / "run.json").read_text())
    assert info["code"].endswith("Squared")
    assert info["provenance"]["profile"] == "smoke with Squared"
    with pytest.raises(CsalganError, match="code 1.1 Squared is now 1.1"):
        train(profile, dataset, "total", runs / "squared", resume=True, progress=False)
    again = train(profile, dataset, "total", runs / "squared", resume=True, trainer=made["Squared"])
    assert again.info == info
    stock = train(profile, dataset, "total", runs / "stock", progress=False)
    assert (
        not again.generator()
        .state_dict()["fusion_conv.weight"]
        .equal(stock.generator().state_dict()["fusion_conv.weight"])
    )


def test_another_loss_goes_through_pretraining_and_soup(made, tmp_path):
    class Counted(Trainer):
        made = 0

        def __init__(self, *about):
            super().__init__(*about)
            Counted.made += 1

    other = copy_of(made["dataset"].root, tmp_path / "other")
    for name in ("image", "map", "fixation"):  # other images: those of one set are refused
        for path in (other / name).iterdir():
            path.rename(path.with_name("9" + path.name[1:]))
    for path in [*other.glob("*.xlsx"), other / "synthetic.json"]:
        path.unlink()
    stems = {p.stem for p in (other / "map").iterdir()}
    texts = {s: "a cup" if not s.endswith("_0") else "" for s in stems}
    (other / "image_text.json").write_text(json.dumps(texts))
    told = [f"training.pretrain.data=[{other}]", "training.pretrain.epochs=1", "training.soup=2"]
    told += ["training.epochs=1", "text.encoder=none"]
    profile = load_profile("demo-compact", told)
    train(profile, made["dataset"], "total", tmp_path / "run", progress=False, trainer=Counted)
    assert Counted.made == 3  # before, and for each of the soup


def test_an_encoder_of_ones_own_is_wanted_again(made):
    run = made["run"]
    assert run.provenance.encoder == "letters"
    assert made["own"].encoder.name == "letters"
    with pytest.raises(CsalganError, match="trained with letters"):
        Predictor.of_run(run)


@pytest.mark.parametrize(("kind", "parts"), [(CompactGenerator, 8), (PaperGenerator, 4)])
def test_embeddings_of_a_length_that_cannot_be_parted_are_refused(kind, parts):
    with pytest.raises(CsalganError, match=f"embeddings of 50 numbers: .* into {parts}"):
        kind(50)


def test_observers_of_data_of_ones_own_predict_each_other(made):
    table = made["mine_too"]
    assert set(table["model"]) == {"observers"}
    assert table["value"].notna().any()
    assert made["gaze"].title == "my photographs"


def test_single_pieces(made):
    assert 0 <= made["share"] <= 1
    assert made["low"] <= made["mean"] <= made["high"]
    assert sum(p.numel() for p in made["generator"].parameters()) == 918_081
    assert isinstance(made["generator"], torch.nn.Module)
    assert interval([0.5, 0.7], ["a", "b"])[0] == pytest.approx(0.6)
    with pytest.raises(CsalganError, match="2 values and 1 images"):
        interval([0.5, 0.7], ["a"])
    table = pd.DataFrame({"record": list("abcdef"), "image_id": list("aabbcd")})
    split = make_split(table)
    parts = [set(split.of(part, table)["image_id"]) for part in ("train", "val", "test")]
    assert sum(map(len, parts)) == len(set.union(*parts)) == 4


def test_data_may_have_a_name_of_their_own(embedded, tmp_path):
    root = copy_of(embedded, tmp_path / "set")
    (root / "synthetic.json").unlink()
    assert open_dataset(root).name == "SJTU-TIS (12 images)"
    (root / "dataset.json").write_text('{"name": "My photographs"}')
    dataset = open_dataset(root)
    assert dataset.name == "My photographs (12 images)"
    assert set(dataset.records["source"]) == {"My photographs"}
    assert check_dataset(root).errors == []
    scores = Evaluator(dataset, make_split(dataset.records)).baseline(
        "center", dataset.records.head(3)
    )
    table = table_one(scores.assign(subset="total"), "tuebingen")
    assert not table["row"].str.contains("as printed").any()
    for wrong in ("[]", '{"name": ""}', '{"name": "a\\nb"}', "{"):
        (root / "dataset.json").write_text(wrong)
        with pytest.raises(CsalganError, match=r"dataset\.json"):
            open_dataset(root)


def test_evaluate_takes_a_name_for_the_model(embedded, tmp_path):
    dataset = open_dataset(embedded)
    command = [sys.executable, "-m", "csalgan", "evaluate", str(embedded / "map"), "--name", "mine"]
    command += ["--data", str(embedded), "--out", str(tmp_path / "s.csv"), "--bootstrap", "20"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert set(pd.read_csv(tmp_path / "s.csv")["model"]) == {"mine"}
    own = score_model(
        Evaluator(dataset, make_split(dataset.records)),
        asking(lambda image, text: image.mean(axis=2) + 1, dataset),
        dataset.records.head(6),
        "grey",
    )
    assert set(summarise(own)["model"]) == {"grey"}
