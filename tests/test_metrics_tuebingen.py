"""The ``tuebingen`` profile equals pysaliency (recorded values) and decides its edge cases."""

import csv
from pathlib import Path

import numpy as np
import pytest
from reference import cases

from csalgan import metrics
from csalgan.metrics import tuebingen
from csalgan.metrics.negatives import NegativePool

REFERENCE = Path(__file__).parent / "reference"
TOLERANCE = 1e-6  # the profile's promise; sums in another order differ by about 1e-12


def recorded(name: str) -> dict[str, dict[str, float]]:
    with (REFERENCE / name).open(encoding="utf-8") as stream:
        rows = list(csv.reader(line for line in stream if not line.startswith("#")))
    header = rows[0][1:]
    return {row[0]: dict(zip(header, map(float, row[1:]), strict=True)) for row in rows[1:]}


def test_equals_pysaliency_on_random_maps():
    expected = recorded("pysaliency_random.csv")
    assert len(expected) == len(cases.RANDOM_KINDS) * cases.RANDOM_SEEDS
    for name, values in expected.items():
        kind, seed = name.rsplit("/", 1)
        case = cases.random_case(kind, int(seed))
        ours = metrics.score(case.pop("prediction"), **case, profile="tuebingen")
        assert set(ours) == set(values)
        for metric, value in values.items():
            assert ours[metric] == pytest.approx(value, abs=TOLERANCE), (name, metric)


@pytest.mark.real
def test_equals_pysaliency_on_real_records(real):
    expected = recorded("pysaliency_real.csv")
    chosen = cases.RealCases(real)
    if chosen.names != list(expected):
        pytest.skip("this folder holds other records than those that were recorded")
    assert len(expected) >= 60
    # The negatives come from our own pool here, from pysaliency's provider in the record.
    # pysaliency pools whatever it is given: so do we when asked, and on data of one condition.
    shapes = [m.shape for m in chosen.maps]
    pool = NegativePool(chosen.names, chosen.fixations, shapes, ["none"] * len(shapes))
    for i, name in enumerate(chosen.names):
        case = chosen[i]
        case["negatives"] = pool.negatives(name, chosen.maps[i].shape)
        alone = pool.negatives(name, chosen.maps[i].shape, condition="none")
        assert np.array_equal(case["negatives"], alone)
        ours = metrics.score(case.pop("prediction"), **case, profile="tuebingen")
        for metric, value in expected[name].items():
            assert ours[metric] == pytest.approx(value, abs=TOLERANCE), (name, metric)


def test_a_constant_map_is_chance():
    flat, points = np.full((6, 8), 0.1), np.array([[1, 2], [3, 4]])
    truth = np.arange(48.0).reshape(6, 8)
    assert tuebingen.auc(flat, points) == 0.5
    assert tuebingen.sauc(flat, points, points) == 0.5
    assert tuebingen.nss(flat, points) == 0  # 0.1 has no exact mean: the deviation is never used
    assert tuebingen.cc(flat, truth) == 0
    assert np.isnan(tuebingen.cc(truth, flat))
    assert tuebingen.ig_uniform(flat, points) == pytest.approx(0, abs=1e-12)
    assert 0 < tuebingen.sim(flat, truth) < 1


def test_no_fixation_is_undefined():
    values, none = np.arange(12.0).reshape(3, 4), np.zeros((0, 2), dtype=int)
    for name in ("auc", "nss", "ig_uniform"):
        assert np.isnan(getattr(tuebingen, name)(values, none)), name
    assert np.isnan(tuebingen.sauc(values, none, [[0, 0]]))
    assert np.isnan(tuebingen.sauc(values, [[0, 0]], none))
    assert np.isnan(tuebingen.ig(values, none, values + 1))


def test_one_fixation_ranks_its_pixel():
    values = np.arange(10.0).reshape(2, 5)
    assert tuebingen.auc(values, [[1, 4]]) == 0.95  # beats nine, ties with itself
    assert tuebingen.auc(values, [[0, 0]]) == 0.05


def test_all_pixels_fixated_is_chance():
    values = np.random.default_rng(0).random((5, 6))
    everywhere = np.argwhere(np.ones((5, 6), bool))
    assert tuebingen.auc(values, everywhere) == 0.5
    assert tuebingen.nss(values, everywhere) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_prediction_with_nan_or_infinity_has_no_score(bad):
    case = cases.random_case("uniform", 0)
    prediction = case.pop("prediction")
    prediction[2, 3] = bad
    scores = metrics.score(prediction, **case)
    assert scores
    assert all(np.isnan(value) for value in scores.values())


def test_negative_values_are_shifted_for_densities():
    values, truth = np.array([[-1.0, 0.0, 1.0]]), np.array([[0, 1, 2]])
    assert tuebingen.sim(values, truth) == pytest.approx(1)
    assert tuebingen.kl(values, truth) == pytest.approx(0, abs=1e-12)


def test_integers_score_as_their_values():
    case = cases.random_case("bytes", 1)
    prediction = case.pop("prediction")
    assert prediction.dtype == np.uint8
    as_float = metrics.score(prediction.astype(float), **case)
    assert metrics.score(prediction, **case) == as_float


def test_a_zero_under_a_fixation_costs_much_but_stays_finite():
    values = np.zeros((4, 4))
    values[0, 0] = 1
    assert tuebingen.ig_uniform(values, [[3, 3]]) == pytest.approx(np.log2(1e-20 * 16), abs=1e-6)
    assert np.isfinite(tuebingen.kl(values, np.ones((4, 4))))
