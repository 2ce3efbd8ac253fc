"""What notebook 04 asks the module for: baselines of a report, and figures that show them."""

import numpy as np
import pandas as pd
import pytest

import csalgan
from csalgan import evaluation
from csalgan.evaluation.baselines import OBSERVERS, PEOPLE, SPLIT_HALF, YARDSTICKS
from csalgan.experiment.scores import evaluator_of, rows_of, score_baselines
from csalgan.figures import metrics as draw
from csalgan.figures import scores as show


@pytest.fixture(scope="module")
def job(embedded, tmp_path_factory):
    out = tmp_path_factory.mktemp("report")
    return csalgan.open_job(profile="smoke", data=str(embedded), out=str(out))


@pytest.fixture(scope="module")
def evaluator(job):
    return evaluator_of(job, ["tuebingen"])


@pytest.fixture(scope="module")
def baseline_scores(job, evaluator):
    return score_baselines(job, evaluator)


def test_every_baseline_stands_in_every_column_of_table_one(job, baseline_scores):
    found = set(zip(baseline_scores["model"], baseline_scores["subset"], strict=True))
    subsets = job.profile.training.subsets
    elsewhere = {OBSERVERS, PEOPLE}  # nobody says who fixated; people read other sentences in 05
    assert found == {(m, s) for m in set(YARDSTICKS) - elsewhere for s in subsets}
    for (model, subset), rows in baseline_scores.groupby(["model", "subset"]):
        expected = rows_of(job, subset)
        if model == "free_viewing":
            expected = expected[expected["condition"] != "none"]
        assert set(rows["record"]) == set(expected["record"])
        assert not rows.duplicated(["record", "metric"]).any()


def test_only_test_images_are_scored_and_only_training_images_are_fitted(job, evaluator):
    tested = {i for s in job.profile.training.subsets for i in rows_of(job, s).image_id}
    trained = set(rows_of(job, "total", "train")["image_id"])
    assert tested
    assert not tested & trained
    assert evaluator.fitted.n_records == len(rows_of(job, "total", "train"))


def test_the_mean_map_is_that_of_the_models_subset(job, evaluator, baseline_scores):
    rows = rows_of(job, "sal")
    train = rows_of(job, "sal", "train")
    expected = evaluator.baseline("mean_map", rows, train=train)["value"].to_numpy()
    mine = baseline_scores.query("model == 'mean_map' and subset == 'sal'")["value"].to_numpy()
    assert mine == pytest.approx(expected)
    every = evaluator.baseline("mean_map", rows)["value"].to_numpy()
    assert mine != pytest.approx(every)


@pytest.mark.filterwarnings("error")
def test_every_metric_can_be_drawn_for_ordinary_and_odd_predictions(job, evaluator):
    record = job.dataset.subset("non_sal")["record"].iloc[1]
    truth = evaluator.truth(record)
    given = evaluator.inputs(record, truth, "tuebingen")
    shape = truth.saliency_map.shape
    for prediction in (np.random.default_rng(0).random(shape), np.ones(shape)):
        figures = [
            draw.nss_anatomy(prediction, truth.fixations, truth.saliency_map),
            draw.cc_anatomy(prediction, truth.saliency_map),
            draw.sim_anatomy(prediction, truth.saliency_map),
            draw.kl_anatomy(prediction, truth.saliency_map),
            draw.ig_anatomy(prediction, truth.fixations, given["center_bias"]),
            draw.sauc_anatomy(prediction, truth.fixations, given["negatives"]),
            draw.auc_anatomy(prediction, truth.fixations),
        ]
        for fig in figures:
            fig.draw_without_rendering()
            assert fig.get_suptitle()


def test_the_numbers_on_the_figures_are_the_metrics(job, evaluator):
    record = job.dataset.subset("sal")["record"].iloc[1]
    truth = evaluator.truth(record)
    prediction = np.random.default_rng(1).random(truth.saliency_map.shape)
    scores = evaluator({record: prediction}, share=0).set_index("metric")["value"]
    titles = [
        ax.get_title(loc="left")
        for fig in (
            draw.auc_anatomy(prediction, truth.fixations),
            draw.cc_anatomy(prediction, truth.saliency_map),
            draw.kl_anatomy(prediction, truth.saliency_map),
        )
        for ax in fig.axes
    ]
    for metric, name in (("auc", "AUC"), ("cc", "CC"), ("kl", "KL")):
        assert any(title.startswith(f"{name} {scores[metric]:.3f}") for title in titles)


def test_score_figures_have_a_panel_for_everything(baseline_scores):
    labels = {m: evaluation.METRIC_LABELS[m] for m in ("auc", "cc", "nss", "kl")}
    two = baseline_scores[baseline_scores["model"].isin(["mean_map", SPLIT_HALF])]
    spread = show.distributions(two.query("subset == 'total'"), labels, "spread")
    titles = {ax.get_title(loc="left") for ax in spread.axes}
    assert titles >= {"AUC", "CC", "NSS", "KL (nat, less is better)"}
    summary = evaluation.summarise(two, ["model", "subset"], bootstrap=10)
    cc = summary[summary["metric"] == "cc"]
    paper = evaluation.PAPER_TABLE_I.loc["cc"]
    beside = show.beside_the_paper(cc, paper, {"mean_map": "mean", SPLIT_HALF: "top"}, metric="CC")
    assert [ax.get_title(loc="left") for ax in beside.axes] == [
        "total",
        "general",
        "sal",
        "non_sal",
    ]
    lines = [line.get_xdata()[0] for line in beside.axes[0].lines if line.get_linestyle() == "--"]
    assert lines == [0.408]
    drawn = show.beside_the_paper(cc, None, {"mean_map": "mean", SPLIT_HALF: "top"}, metric="CC")
    assert not [line for ax in drawn.axes for line in ax.lines if line.get_linestyle() == "--"]
    assert "paper" not in drawn.get_suptitle()
    mine = pd.concat(
        [two[two["model"] == "mean_map"].assign(metric_profile=p) for p in ("mit", "tuebingen")]
    )
    profiles = show.profile_values(
        evaluation.summarise(mine, ["subset"], bootstrap=10), evaluation.METRIC_LABELS, "profiles"
    )
    assert [text.get_text() for text in profiles.legends[0].get_texts()] == ["mit", "tuebingen"]
