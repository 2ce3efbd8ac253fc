"""What notebook 04 asks the module for: models and baselines of a report."""

import pytest

import csalgan
from csalgan.evaluation.baselines import OBSERVERS, PEOPLE, YARDSTICKS
from csalgan.experiment.scores import evaluator_of, rows_of, score_baselines


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
