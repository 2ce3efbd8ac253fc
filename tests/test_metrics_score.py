"""``score``: profiles, resizing, chosen metrics, negatives, and one sentence for bad input."""

import subprocess
import sys
import tracemalloc

import numpy as np
import pytest

from csalgan import metrics
from csalgan.files.errors import CsalganError
from csalgan.metrics import tuebingen
from csalgan.metrics.maps import over_uniform, resize
from csalgan.metrics.negatives import NegativePool


@pytest.fixture
def truth():
    rng = np.random.default_rng(0)
    return {
        "fixations": np.array([[3, 4], [10, 20], [23, 31]]),
        "saliency_map": rng.integers(0, 256, (24, 32)).astype(np.uint8),
        "negatives": np.array([[1, 1], [20, 30], [12, 16]]),
        "center_bias": rng.random((24, 32)),
    }


@pytest.fixture
def prediction():
    return np.random.default_rng(1).random((24, 32))


def test_every_profile_gives_its_metrics_in_table_order(prediction, truth):
    for profile in metrics.PROFILES:
        info = metrics.profile_info(profile)
        scores = metrics.score(prediction, **truth, profile=profile)
        assert tuple(scores) == info.metrics
        assert all(isinstance(value, float) for value in scores.values())
        assert [m for m in metrics.METRICS if m in scores] == list(scores)
        assert set(info.reasons) == set(info.needs) == set(info.metrics)
        assert info.resize
    assert "auc_borji" not in metrics.profile_info("tuebingen").metrics


def test_only_what_the_truth_allows_is_scored(prediction, truth):
    by_points = metrics.score(prediction, fixations=truth["fixations"])
    assert set(by_points) == {"auc", "nss", "ig_uniform"}
    by_map = metrics.score(prediction, saliency_map=truth["saliency_map"])
    assert set(by_map) == {"cc", "sim", "kl"}
    assert metrics.score(prediction, fixations=truth["fixations"], profile="paper") == {}
    chosen = metrics.score(prediction, **truth, metrics=["nss", "auc"])
    assert list(chosen) == ["nss", "auc"]


def test_a_map_of_another_size_is_resized_first(truth):
    small = np.random.default_rng(2).random((12, 16))
    native = resize(small, (24, 32))
    assert metrics.score(small, **truth) == metrics.score(native, **truth)
    only_points = {"fixations": truth["fixations"], "shape": (24, 32)}
    assert metrics.score(small, **only_points)["nss"] == tuebingen.nss(native, truth["fixations"])
    with pytest.raises(CsalganError, match="outside the map of 12 × 16 pixels"):
        metrics.score(small, fixations=truth["fixations"])


def test_resize_is_bilinear_with_half_pixel_centres():
    ramp = np.tile(np.arange(4.0), (3, 1))
    doubled = resize(ramp, (3, 8))
    expected = np.clip((np.arange(8) + 0.5) / 2 - 0.5, 0, 3)
    np.testing.assert_allclose(doubled, np.tile(expected, (3, 1)), atol=1e-6)  # float32
    assert resize(ramp, (3, 4)) is ramp
    np.testing.assert_allclose(resize(np.full((7, 5), 3.0), (20, 30)), 3.0)
    tiny = resize(ramp * 1e-60, (3, 8))  # would be zero in float32 without the scale
    np.testing.assert_allclose(tiny * 1e60, doubled, atol=1e-6)


def test_shrinking_averages_instead_of_picking():
    checks = np.indices((64, 64)).sum(axis=0) % 2.0
    np.testing.assert_allclose(resize(checks, (16, 16)), 0.5, atol=0.02)


def test_a_map_of_small_integers_is_the_density_that_its_values_are(truth):
    levels = np.random.default_rng(2).integers(-128, 128, (24, 32)).astype(np.int8)
    share = {"uniform_share": 0.05}
    assert metrics.score(levels, **truth, **share) == pytest.approx(
        metrics.score(levels.astype(float), **truth, **share), rel=1e-12
    )
    places = np.random.default_rng(3).random((9, 2))
    ratios = over_uniform(levels, places)
    assert np.allclose(ratios, over_uniform(levels.astype(float), places), rtol=1e-12)


def test_resize_lets_nan_through(truth):
    small = np.random.default_rng(2).random((12, 16))
    small[3, 3] = np.nan
    assert all(np.isnan(value) for value in metrics.score(small, **truth).values())


def test_integer_lists_and_booleans_are_maps(truth):
    values = np.random.default_rng(3).integers(0, 2, (24, 32))
    for kind in (np.uint8, np.int32, bool, np.float32):
        assert metrics.score(values.astype(kind), **truth) == metrics.score(values, **truth)
    assert metrics.score(values.tolist(), **truth) == metrics.score(values, **truth)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"prediction": np.zeros(5)}, r"prediction has shape \(5,\)"),
        ({"prediction": np.zeros((0, 4))}, "prediction has shape"),
        ({"prediction": np.zeros((4, 4), complex)}, "give real numbers"),
        ({"fixations": np.zeros((2, 3), int)}, r"rows \(y, x\)"),
        ({"fixations": np.array([[0.5, 1.0]])}, "whole pixels"),
        ({"fixations": [[24, 0]]}, "outside the map of 24 × 32"),
        ({"fixations": [[-1, 0]]}, "outside the map"),
        ({"negatives": [[0, 32]]}, "negatives reach outside"),
        ({"saliency_map": np.full((24, 32), np.nan)}, "saliency map holds NaN"),
        ({"saliency_map": -np.ones((24, 32))}, "give values ≥ 0"),
        ({"center_bias": np.ones((5, 5))}, "center bias has shape"),
        ({"profile": "oxford"}, "no metric profile 'oxford'; choose from mit, tuebingen, paper"),
        ({"metrics": ["auc_borji"]}, "tuebingen has no metric 'auc_borji'"),
        ({"metrics": ["sauc"], "negatives": None}, "sauc of profile tuebingen needs negatives"),
    ],
)
def test_bad_input_gets_one_sentence(prediction, truth, change, words):
    arguments = {"prediction": prediction, **truth, **change}
    with pytest.raises(CsalganError, match=words) as error:
        metrics.score(arguments.pop("prediction"), **arguments)
    assert "\n" not in str(error.value)


def test_negatives_leave_out_every_record_of_the_image():
    ids = ["a", "b", "a", "c"]
    points = [[[0, 0]], [[1, 1], [2, 2]], [[3, 3]], [[5, 7]]]
    pool = NegativePool(ids, points, [(10, 10)] * 3 + [(20, 40)], ["none"] * 4)
    assert pool.negatives("a", (10, 10)).tolist() == [[1, 1], [2, 2], [2, 1]]
    assert pool.negatives("b", (10, 10)).tolist() == [[0, 0], [3, 3], [2, 1]]
    assert len(pool.negatives("elsewhere", (10, 10))) == 5


def test_negatives_can_be_kept_to_one_condition():
    ids = ["a", "b", "a", "c", "c"]
    points = [[[k, k]] for k in range(5)]
    conditions = ["none", "none", "salient", "none", "salient"]
    pool = NegativePool(ids, points, [(10, 10)] * 5, conditions)
    assert pool.negatives("a", (10, 10), condition="none").tolist() == [[1, 1], [3, 3]]
    assert pool.negatives("a", (10, 10), condition="salient").tolist() == [[4, 4]]
    assert pool.negatives("b", (10, 10)).tolist() == [[0, 0], [2, 2], [3, 3], [4, 4]]
    one = pool.negatives("a", (10, 10), condition="none", n_images=1)
    assert one.tolist() in ([[1, 1]], [[3, 3]])
    assert not len(pool.negatives("a", (10, 10), condition="general"))


def test_negatives_are_mapped_down_to_whole_pixels():
    pool = NegativePool(["a", "b"], [[[9, 9]], [[0, 5]]], [(10, 10), (10, 10)], ["none"] * 2)
    assert pool.negatives("b", (15, 25)).tolist() == [[13, 22]]  # ⌊13.5⌋, ⌊22.5⌋
    assert pool.negatives("b", (3, 4)).tolist() == [[2, 3]]  # the last pixel stays inside


def test_negatives_of_some_images_follow_the_seed():
    ids = [str(i) for i in range(30) for _ in range(2)]
    points = [np.array([[i // 2, k] for k in range(3)]) for i in range(60)]
    pool = NegativePool(ids, points, [(30, 30)] * 60, ["none"] * 60)
    ten = pool.negatives("7", (30, 30), n_images=10, seed=1)
    assert len(set(ten[:, 0])) == 10
    assert 7 not in ten[:, 0]
    assert len(ten) == 10 * 2 * 3
    assert ten.tolist() == pool.negatives("7", (30, 30), n_images=10, seed=1).tolist()
    assert ten.tolist() != pool.negatives("7", (30, 30), n_images=10, seed=2).tolist()


def test_scoring_does_not_load_torch():
    code = "import sys, csalgan.metrics; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_memory_does_not_grow_with_the_negatives(prediction):
    def peak(count: int) -> int:
        rng = np.random.default_rng(0)
        negatives = np.stack([rng.integers(0, 24, count), rng.integers(0, 32, count)], axis=1)
        tracemalloc.start()
        metrics.score(prediction, fixations=[[3, 4]], negatives=negatives, metrics=["sauc"])
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(10)  # first use
    assert peak(400_000) < 2 * peak(40_000)  # worked on in pieces


def test_points_of_every_integer_type_are_the_same(prediction):
    points = np.array([[3, 4], [23, 31]])
    expected = tuebingen.nss(prediction, points)
    for kind in (np.uint8, np.int16, np.uint32, np.uint64):
        assert tuebingen.nss(prediction, points.astype(kind)) == expected
        assert tuebingen.sauc(prediction, points, points.astype(kind)) == 0.5
