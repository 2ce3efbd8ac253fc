"""The ``mit`` profile against a slow, independent reading of the MATLAB files."""

from fractions import Fraction
from itertools import combinations, product

import numpy as np
import pytest

from csalgan import metrics
from csalgan.metrics import mit

EPS = np.finfo(float).eps


def trapezoids(curve) -> Fraction:
    """Area under a list of (false, true) positive rates, in whole fractions."""
    return sum(
        ((x1 - x0) * (y1 + y0) / 2 for (x0, y0), (x1, y1) in zip(curve, curve[1:], strict=False)),
        Fraction(0),
    )


def judd(values: list, fixated: list[bool]) -> float:
    """AUC_Judd.m in loops; equal fixated values share one threshold."""
    positives = [v for v, f in zip(values, fixated, strict=True) if f]
    negatives = [v for v, f in zip(values, fixated, strict=True) if not f]
    curve = [(Fraction(0), Fraction(0))]
    for threshold in sorted(set(positives), reverse=True):
        hits = sum(v >= threshold for v in positives)
        alarms = sum(v >= threshold for v in negatives)
        curve.append((Fraction(alarms, len(negatives)), Fraction(hits, len(positives))))
    return float(trapezoids([*curve, (Fraction(1), Fraction(1))]))


def judd_as_printed(values: np.ndarray, fixated: np.ndarray) -> float:
    """AUC_Judd.m as its loop runs when no two values are equal (jitter off)."""
    s, n = np.sort(values[fixated])[::-1], fixated.sum()
    fp, tp = [0.0], [0.0]
    for i, threshold in enumerate(s, start=1):
        tp.append(i / n)
        fp.append(((values >= threshold).sum() - i) / (values.size - n))
    return float(np.trapezoid([*tp, 1.0], [*fp, 1.0]))


def split_auc(positives, drawn) -> float:
    """The loop AUC_Borji.m and AUC_shuffled.m share, one split at a time."""
    areas = []
    for split in drawn:
        top = max([*positives, *split])
        curve = [(Fraction(0), Fraction(0))]
        for threshold in [k / 10 for k in range(11) if k / 10 <= top][::-1]:
            hits = sum(bool(v >= threshold) for v in positives)
            alarms = sum(bool(v >= threshold) for v in split)
            curve.append((Fraction(alarms, len(split)), Fraction(hits, len(positives))))
        areas.append(float(trapezoids([*curve, (Fraction(1), Fraction(1))])))
    return float(np.mean(areas))


def points_of(mask: np.ndarray) -> np.ndarray:
    return np.argwhere(mask)


@pytest.mark.parametrize(("shape", "levels"), [((2, 2), 4), ((2, 3), 2)])
def test_auc_judd_on_every_small_map(shape, levels):
    size = shape[0] * shape[1]
    for values in product(range(levels), repeat=size):
        array = np.reshape(values, shape)
        for count in range(1, size):
            for chosen in combinations(range(size), count):
                mask = np.isin(np.arange(size), chosen)
                ours = mit.auc(array, points_of(mask.reshape(shape)))
                assert ours == judd(list(values), list(mask)), (values, chosen)


def test_auc_judd_is_the_printed_loop_when_no_values_are_equal():
    rng = np.random.default_rng(0)
    for _ in range(20):
        values, mask = rng.permutation(200).reshape(10, 20) / 200, rng.random((10, 20)) < 0.1
        mask[0, 0] = True
        # Rounding of the printed loop's rates, about 1e-16 each.
        assert mit.auc(values, points_of(mask)) == pytest.approx(
            judd_as_printed(values, mask), abs=1e-12
        )


def test_a_jitter_scaled_to_the_map_differs_by_half_a_fixation_at_most():
    rng = np.random.default_rng(1)
    values, mask = rng.integers(0, 4, (12, 15)).astype(float), rng.random((12, 15)) < 0.15
    n = mask.sum()
    jittered = [judd_as_printed(values + rng.random(values.shape) * 0.5, mask) for _ in range(300)]
    gap = np.mean(jittered) - mit.auc(values, points_of(mask))
    noise = 4 * np.std(jittered) / np.sqrt(len(jittered))
    # Equal values, once drawn apart, gain 1/(2n) for every negative among them, never more.
    assert -noise <= gap <= 1 / (2 * n) + noise


@pytest.mark.parametrize("seed", range(4))
def test_auc_borji_and_shuffled_auc_are_the_loops(seed):
    rng = np.random.default_rng(seed)
    values = rng.integers(0, 11, (6, 7)) if seed % 2 else rng.normal(size=(6, 7))
    mask, others = rng.random((6, 7)) < 0.2, rng.random((6, 7)) < 0.4
    mask[0, 0] = others[1, 1] = True
    scaled = ((values - values.min()) / (values.max() - values.min())).ravel()
    positives = scaled[mask.ravel()]

    draws = np.random.default_rng(5).integers(0, values.size, size=(30, positives.size))
    ours = mit.auc_borji(values, points_of(mask), seed=5, splits=30)
    assert ours == split_auc(positives, scaled[draws])

    generator, places = np.random.default_rng(5), np.flatnonzero(others)
    count = min(positives.size, places.size)
    draws = [generator.choice(places, count, replace=False) for _ in range(30)]
    ours = mit.sauc(values, points_of(mask), points_of(others), seed=5, splits=30)
    assert ours == split_auc(positives, [scaled[d] for d in draws])


def test_random_splits_follow_the_seed():
    rng = np.random.default_rng(0)
    values, points = rng.random((20, 20)), np.argwhere(rng.random((20, 20)) < 0.05)
    assert mit.auc_borji(values, points, seed=1) == mit.auc_borji(values, points, seed=1)
    assert mit.auc_borji(values, points, seed=1) != mit.auc_borji(values, points, seed=2)
    assert mit.sauc(values, points, points, seed=1) == mit.sauc(values, points, points, seed=1)


def test_random_splits_are_a_hundred():
    rng = np.random.default_rng(0)
    values, points = rng.random((20, 20)), np.argwhere(rng.random((20, 20)) < 0.05)
    others = np.argwhere(rng.random((20, 20)) < 0.4)
    known = {"fixations": points, "negatives": others, "seed": 3}
    made = metrics.score(values, profile="mit", metrics=["auc_borji", "sauc"], **known)
    for splits, same in ((100, True), (99, False)):
        borji = mit.auc_borji(values, points, seed=3, splits=splits)
        shuffled = mit.sauc(values, points, others, seed=3, splits=splits)
        assert (made["auc_borji"] == borji, made["sauc"] == shuffled) == (same, same)


def test_maps_and_fixations_follow_the_formulae():
    rng = np.random.default_rng(3)
    p, t, c = rng.random((9, 11)) + 0.2, rng.random((9, 11)), rng.random((9, 11))
    mask = rng.random((9, 11)) < 0.2
    points = points_of(mask)

    def stretched(m):
        m = (m - m.min()) / (m.max() - m.min())
        return m / m.sum()

    z = (p - p.mean()) / p.std(ddof=1)
    q, truth = p / p.sum(), t / t.sum()
    gain = np.log2(EPS + stretched(p)[mask]) - np.log2(EPS + stretched(c)[mask])
    uniform = np.log2(EPS + stretched(p)[mask]) - np.log2(EPS + 1 / p.size)
    # The same sums in another order: 1e-12.
    assert mit.nss(p, points) == pytest.approx(z[mask].mean(), abs=1e-12)
    assert mit.cc(p, t) == pytest.approx(np.corrcoef(p.ravel(), t.ravel())[0, 1], abs=1e-12)
    assert mit.sim(p, t) == pytest.approx(np.minimum(stretched(p), stretched(t)).sum(), abs=1e-12)
    kl = (truth * np.log(EPS + truth / (q + EPS))).sum()
    assert mit.kl(p, t) == pytest.approx(kl, abs=1e-12)
    assert mit.ig(p, points, c) == pytest.approx(gain.mean(), abs=1e-12)
    assert mit.ig_uniform(p, points) == pytest.approx(uniform.mean(), abs=1e-12)


def test_min_max_before_sim_changes_it():
    y, x = np.mgrid[:60, :80]
    blob = np.exp(-((y - 30) ** 2 + (x - 40) ** 2) / 200)
    lifted = blob + 2.0  # the same map on a raised background
    raw = metrics.score(lifted, saliency_map=blob, profile="tuebingen", metrics=["sim"])["sim"]
    scaled = metrics.score(lifted, saliency_map=blob, profile="mit", metrics=["sim"])["sim"]
    assert scaled == pytest.approx(1)
    assert raw < 0.5


def test_a_repeated_fixation_counts_once():
    values = np.arange(12.0).reshape(3, 4)
    once, thrice = [[2, 3], [0, 1]], [[2, 3], [2, 3], [2, 3], [0, 1]]
    for name in ("auc", "nss", "auc_borji", "ig_uniform"):
        assert getattr(mit, name)(values, once) == getattr(mit, name)(values, thrice), name


def test_a_constant_map_is_undefined_except_for_judd():
    flat, truth, points = np.full((4, 5), 2.0), np.arange(20.0).reshape(4, 5), [[1, 1], [2, 2]]
    assert mit.auc(flat, points) == 0.5
    for value in (
        mit.auc_borji(flat, points),
        mit.sauc(flat, points, points),
        mit.nss(flat, points),
        mit.cc(flat, truth),
        mit.cc(truth, flat),
        mit.sim(flat, truth),
        mit.ig(flat, points, truth),
        mit.ig_uniform(flat, points),
    ):
        assert np.isnan(value)
    assert np.isfinite(mit.kl(flat, truth))
    assert mit.sim(np.zeros((4, 5)), truth) == 0  # similarity.m leaves a zero map alone


def test_no_one_and_all_fixations():
    values, none = np.arange(12.0).reshape(3, 4), np.zeros((0, 2), dtype=int)
    for name in ("auc", "auc_borji", "nss", "ig_uniform"):
        assert np.isnan(getattr(mit, name)(values, none)), name
    assert np.isnan(mit.sauc(values, none, [[0, 0]]))
    assert np.isnan(mit.sauc(values, [[0, 0]], none))
    assert mit.auc(values, [[2, 3]]) == 1.0
    assert mit.nss(values, [[2, 3]]) == pytest.approx((11 - 5.5) / values.std(ddof=1))
    assert mit.auc_borji(values, [[2, 3]]) > 0.5
    everywhere = np.argwhere(np.ones((3, 4), bool))
    assert np.isnan(mit.auc(values, everywhere))  # no negative is left
    assert mit.nss(values, everywhere) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_prediction_with_nan_or_infinity_has_no_score(bad):
    values, truth = np.arange(12.0).reshape(3, 4), np.ones((3, 4)) + np.eye(3, 4)
    values[1, 1] = bad
    scores = metrics.score(
        values,
        fixations=[[0, 0], [2, 2]],
        saliency_map=truth,
        negatives=[[1, 2], [0, 3]],
        center_bias=truth,
        profile="mit",
    )
    assert set(scores) == set(metrics.profile_info("mit").metrics)
    assert all(np.isnan(value) for value in scores.values())


def test_negative_values_are_shifted_for_kl():
    values, truth = np.array([[-1.0, 0.0, 1.0]]), np.array([[0, 1, 2]])
    assert mit.kl(values, truth) == pytest.approx(0, abs=1e-12)
    assert mit.sim(values, truth) == pytest.approx(1)


def test_integers_score_as_their_values():
    values = np.random.default_rng(0).integers(0, 256, (9, 9)).astype(np.uint8)
    truth, points = values[::-1], [[1, 1], [4, 7], [8, 0]]
    for name, args in (("auc", points), ("nss", points), ("sim", truth), ("kl", truth)):
        metric = getattr(mit, name)
        assert metric(values, args) == metric(values.astype(float), args), name
