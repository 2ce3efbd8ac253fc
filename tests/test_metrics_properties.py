"""What must hold for every map (hypothesis; few examples, small maps)."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from csalgan.metrics import mit, tuebingen
from csalgan.metrics.maps import doubled_wins

SHAPES = st.tuples(st.integers(2, 6), st.integers(2, 6))
few = settings(max_examples=60, deadline=None, derandomize=True)


@st.composite
def maps_and_points(draw, elements=None, constant=False):
    """An integer map (exact under transformations), some fixations, and some negatives."""
    shape = draw(SHAPES)
    values = draw(hnp.arrays(np.int64, shape, elements=elements or st.integers(-20, 20)))
    if not constant and values.min() == values.max():
        values[0, 0] += 1
    points = st.lists(
        st.tuples(st.integers(0, shape[0] - 1), st.integers(0, shape[1] - 1)),
        min_size=1,
        max_size=8,
    )
    return values, np.array(draw(points)), np.array(draw(points))


@few
@given(maps_and_points(), st.sampled_from([lambda v: v**3, lambda v: np.exp(v / 4.0)]))
def test_auc_is_invariant_under_monotone_maps(case, change):
    values, points, negatives = case
    changed = change(values)
    assert tuebingen.auc(changed, points) == tuebingen.auc(values, points)
    assert tuebingen.sauc(changed, points, negatives) == tuebingen.sauc(values, points, negatives)
    assert np.array_equal(mit.auc(changed, points), mit.auc(values, points), equal_nan=True)


@few
@given(maps_and_points())
def test_the_inverted_map_has_one_minus_auc(case):
    values, points, negatives = case
    # Exact fractions, one rounding each.
    assert abs(tuebingen.auc(-values, points) + tuebingen.auc(values, points) - 1) < 1e-12
    both = tuebingen.sauc(-values, points, negatives) + tuebingen.sauc(values, points, negatives)
    assert abs(both - 1) < 1e-12


@few
@given(SHAPES, st.floats(-1e6, 1e6), maps_and_points())
def test_a_constant_map_has_auc_one_half(shape, value, case):
    _, points, negatives = case
    flat = np.full((6, 6), value)
    assert tuebingen.auc(flat, points) == 0.5
    assert tuebingen.sauc(flat, points, negatives) == 0.5
    assert mit.auc(flat, points) == 0.5


@few
@given(maps_and_points(), st.integers(1, 9), st.integers(-9, 9))
def test_nss_and_cc_are_invariant_under_positive_affine_maps(case, gain, offset):
    values, points, _ = case
    truth = np.arange(values.size).reshape(values.shape) ** 2
    changed = gain * values + offset
    for module in (tuebingen, mit):
        assert np.isclose(module.nss(changed, points), module.nss(values, points), atol=1e-9)
        assert np.isclose(module.cc(changed, truth), module.cc(values, truth), atol=1e-9)
        assert -1 <= module.cc(values, truth) <= 1


positive = hnp.arrays(np.float64, (4, 5), elements=st.floats(0, 100, allow_subnormal=False))


@few
@given(positive, positive)
def test_kl_is_not_negative_and_zero_for_the_same_map(first, second):
    assert tuebingen.kl(first, second) >= -1e-12
    assert abs(tuebingen.kl(first, first)) < 1e-12
    if first.any():
        assert mit.kl(first, second) >= -1e-12


@few
@given(positive, positive)
def test_sim_lies_between_zero_and_one_and_is_symmetric(first, second):
    for module in (tuebingen, mit):
        value = module.sim(first, second)
        assert np.isnan(value) or -1e-12 <= value <= 1 + 1e-12
        assert np.array_equal(value, module.sim(second, first), equal_nan=True)
    assert np.isclose(tuebingen.sim(first, first), 1)


@few
@given(
    hnp.arrays(np.float64, st.integers(1, 12), elements=st.floats(-1e300, 1e300)),
    hnp.arrays(np.float64, st.integers(1, 60), elements=st.floats(-1e300, 1e300)),
    st.integers(0, 12),
)
def test_ranks_count_every_pair(positives, negatives, shared):
    negatives[: min(shared, negatives.size)] = positives[0]  # some exact ties
    positives[shared // 2 : shared] = positives[0]
    won = (positives[:, None] > negatives).sum(axis=0)
    tied = (positives[:, None] == negatives).sum(axis=0)
    assert doubled_wins(positives, negatives).tolist() == (2 * won + tied).tolist()
    # Straight lines: half credit for all positives of the largest value not above the negative.
    floors = [positives[positives <= negative] for negative in negatives]
    half = np.array([(floor == floor.max(initial=-np.inf)).sum() for floor in floors])
    straight = doubled_wins(positives, negatives, straight=True)
    assert straight.tolist() == (2 * won + half).tolist()


def test_shuffled_auc_of_the_center_bias_is_near_one_half():
    rng = np.random.default_rng(0)

    def gaze(n):  # one viewer like another: the same central Gaussian in every image
        points = rng.normal((24, 32), (8, 10), size=(n, 2)).astype(int)
        return np.clip(points, 0, (47, 63))

    y, x = np.mgrid[:48, :64]
    center = np.exp(-(((y - 24) / 8) ** 2 + ((x - 32) / 10) ** 2) / 2)
    shuffled = [tuebingen.sauc(center, gaze(100), gaze(4000)) for _ in range(40)]
    split = [mit.sauc(center, gaze(100), gaze(1000), seed=k) for k in range(40)]
    # One image scatters by about 0.03, forty of them by 0.005. ``mit`` takes each negative pixel
    # once, which thins out the crowded middle and lifts it a little.
    assert abs(np.mean(shuffled) - 0.5) < 0.02
    assert abs(np.mean(split) - 0.5) < 0.1
    assert np.mean([tuebingen.auc(center, gaze(100)) for _ in range(10)]) > 0.7
