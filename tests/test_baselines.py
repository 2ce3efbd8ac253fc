"""Baselines: fitted on training records only, the same by the same seed, right where known."""

import numpy as np
import pytest
from gaze_sets import write_osie
from toy_gaze import Toy, ToySplit

from csalgan.data import Split, make_split, open_dataset
from csalgan.evaluation import Evaluator, baselines
from csalgan.files.errors import CsalganError
from csalgan.metrics import tuebingen
from csalgan.metrics.maps import resize


@pytest.fixture(scope="module")
def toy():
    return Toy()


@pytest.fixture(scope="module")
def train(toy):
    return ToySplit(toy).of("train", toy.records)


@pytest.fixture(scope="module")
def fitted(toy, train):
    return baselines.fit(toy, train, seed=3)


def test_the_fit_reads_training_records_only(toy, train, fitted):
    class Strict:
        records = toy.records

        def map(self, record):
            assert record in set(train["record"])
            return toy.map(record)

        def fixations(self, record):
            assert record in set(train["record"])
            return toy.fixations(record)

    again = baselines.fit(Strict(), train, seed=3)
    assert again.n_records == len(train)
    assert again.spread == fitted.spread
    assert all(np.array_equal(again.densities[c], d) for c, d in fitted.densities.items())
    assert again.map_sigma == fitted.map_sigma
    assert baselines.mean_map(Strict(), train).shape == (256, 256)


def test_the_centered_gaussian_finds_the_spread_it_was_drawn_from():
    class Drawn:
        records = Toy().records

        def map(self, record):
            return np.zeros((200, 400), np.uint8)

        def fixations(self, record):
            rng = baselines.record_rng(record, 0)
            points = rng.normal((100, 200), (0.1 * 200, 0.15 * 400), (4000, 2))
            return np.clip(np.rint(points), 0, (199, 399)).astype(np.int32)

    drawn = Drawn()
    drawn.records = drawn.records.assign(height=200, width=400)
    fit = baselines.fit(drawn, drawn.records)
    # 80,000 draws: the standard error of a standard deviation is 0.25 % of it.
    assert fit.spread == pytest.approx((0.1, 0.15), rel=0.02)
    gaussian = baselines.centered_gaussian((200, 400), fit.spread)
    assert gaussian.shape == (200, 400)
    assert np.allclose(gaussian, gaussian[::-1, ::-1])
    assert gaussian.max() <= 1


def test_the_density_is_one_and_leaves_nothing_impossible(fitted):
    assert set(fitted.densities) == {"", "none", "general", "salient", "non_salient"}
    for density in fitted.densities.values():
        assert density.sum() == pytest.approx(1)
        assert density.min() > 0


def gazes(draw) -> Toy:
    """A dataset whose pictures, 200 × 400, are looked at where ``draw(rng)`` says, as shares."""

    class Drawn(Toy):
        def fixations(self, record):
            places = draw(baselines.record_rng(record, 0))
            return np.clip(places * (200, 400), 0, (199, 399)).astype(np.int32)

    toy = Drawn()
    toy.records = toy.records.assign(height=200, width=400)
    return toy


def test_the_density_lies_where_people_look_and_a_hundredth_of_it_everywhere():
    toy = gazes(lambda rng: rng.uniform((0, 0), (1, 1 / 3), (1000, 2)))
    density = baselines.fit(toy, toy.records).densities[""]
    assert density[:, : len(density) // 3 + 1].sum() > 0.95
    assert density.min() == pytest.approx(0.01 / density.size, rel=1e-3)


def test_the_density_is_blurred_so_that_it_comes_close_to_what_the_gaze_is_drawn_from():
    centre, spread = np.array([0.3, 0.6]), np.array([0.08, 0.12])
    toy = gazes(lambda rng: rng.normal(centre, spread, (30, 2)))
    density = baselines.fit(toy, toy.records).densities[""]
    y, x = (((np.arange(128) + 0.5) / 128 - c) / s for c, s in zip(centre, spread, strict=True))
    drawn_from = np.exp(-(y[:, None] ** 2 + x**2) / 2)
    assert tuebingen.cc(density, drawn_from) > 0.97


def test_the_mean_map_is_the_mean():
    class Flat(Toy):
        def map(self, record):
            return np.full((20, 30), 40 if record.endswith("_0") else 80, np.uint8)

    toy = Flat()
    mean = baselines.mean_map(toy, toy.records)
    share = (toy.records["condition"] == "none").mean()
    assert np.allclose(mean, 40 * share + 80 * (1 - share))


def test_the_fitted_blur_finds_the_blur_that_made_the_maps():
    from scipy.ndimage import gaussian_filter

    class Blurred(Toy):
        def map(self, record):
            row = self.row(record)
            dots = np.zeros((row["height"], row["width"]))
            np.add.at(dots, tuple(self.fixations(record).T), 1)
            blurred = gaussian_filter(dots, 0.05 * max(dots.shape), mode="constant")
            return np.rint(255 * blurred / blurred.max()).astype(np.uint8)

    toy = Blurred()
    # One step of the search is 0.0025; the toy's pixels are coarse.
    assert baselines.fit(toy, toy.records).map_sigma == pytest.approx(0.05, abs=0.006)


def test_every_baseline_predicts_and_free_viewing_never_predicts_itself(toy, fitted):
    mean = np.ones((8, 8))
    for name in ("uniform", "center", "mean_map"):
        maps = dict(baselines.predictions(name, toy, toy.records, fitted, mean=mean))
        assert list(maps) == toy.records["record"].tolist()
        assert all(values.min() >= 0 for values in maps.values())
    free = dict(baselines.predictions("free_viewing", toy, toy.records, fitted))
    told = toy.records[toy.records["condition"] != "none"]
    assert list(free) == told["record"].tolist()
    assert np.array_equal(free["000000000000_3"], toy.map("000000000000_0"))


def test_halves_divide_the_fixations_and_depend_on_the_seed_and_record_only(toy, fitted):
    record = "000000000000_0"
    points, shape = toy.fixations(record), toy.map(record).shape

    def halves(seed):
        rng = baselines.record_rng(record, seed)
        return baselines.halves(points, shape, fitted.map_sigma, rng)

    prediction, second, truth = halves(0)
    assert len(second) == len(points) - len(points) // 2
    assert {tuple(p) for p in second} <= {tuple(p) for p in points}
    assert truth.shape == shape
    assert truth.dtype == np.uint8
    assert truth.max() == 255
    assert np.array_equal(halves(0)[0], prediction)
    assert not np.array_equal(halves(1)[0], prediction)
    # The two halves come from one place, so one predicts the other well.
    resized = baselines.blurred(points, shape, fitted.map_sigma)
    assert resized.shape == prediction.shape
    assert tuebingen.cc(resized, prediction) > 0.9
    assert baselines.halves(points[:1], shape, 0.05, np.random.default_rng(0)) is None


class InOrder:
    """A random generator that leaves everything in its order."""

    def permutation(self, of):
        return np.arange(of) if isinstance(of, int) else of


def test_one_half_predicts_and_the_other_is_the_truth():
    a, b = (20, 30), (70, 150)
    points = np.array([a] * 5 + [b] * 5)
    prediction, second, truth = baselines.halves(points, (100, 200), 0.03, InOrder())
    assert second.tolist() == [list(b)] * 5
    for made, place in ((prediction, a), (truth, b)):
        peak = np.unravel_index(made.argmax(), made.shape)
        assert baselines.relative(peak, made.shape)[0] == pytest.approx(
            baselines.relative(place, (100, 200))[0], abs=0.01
        )


def test_halves_of_two_conditions_are_compared_and_no_half_with_itself(monkeypatch, halves_of):
    class Two:
        records = Toy().records.query("image_id == '000000000000'").reset_index(drop=True)
        native_size = np.full((4, 2), 100)

        def __init__(self, order):
            self.points = np.array([(20, 30), (70, 80)])[order]

        def fixations(self, i):
            return self.points

    monkeypatch.setattr(np.random, "default_rng", lambda seed: InOrder())
    apart = halves_of(Two([0, 0, 0, 1, 1, 1]), 0.03)
    assert len(apart) == 4 * 4
    assert apart["value"].max() < 0
    alike = halves_of(Two([0, 1, 0, 0, 1, 0]), 0.03)
    assert alike["value"].min() == pytest.approx(1)


def test_blurring_keeps_the_mass_and_the_place():
    made = baselines.blurred(np.array([[50, 100]]), (101, 201), 0.02)
    assert made.sum() == pytest.approx(1, abs=1e-3)
    y, x = np.unravel_index(made.argmax(), made.shape)
    assert ((y + 0.5) / made.shape[0], (x + 0.5) / made.shape[1]) == pytest.approx(
        (0.5, 0.5), abs=0.01
    )


@pytest.mark.parametrize(("r", "whole"), [(0.5, 2 / 3), (1.0, 1.0), (0.0, 0.0), (-0.2, -0.2)])
def test_spearman_brown(r, whole):
    assert baselines.spearman_brown(r) == pytest.approx(whole)


def test_spearman_brown_predicts_the_agreement_of_whole_samples():
    """Halves of independent noisy measurements, corrected, agree like two whole ones."""
    rng = np.random.default_rng(0)
    signal = rng.normal(size=200_000)
    noisy = signal + rng.normal(size=(4, signal.size)) * 1.5
    half = np.corrcoef(noisy[0], noisy[1])[0, 1]
    whole = np.corrcoef(noisy[:2].mean(axis=0), noisy[2:].mean(axis=0))[0, 1]
    assert baselines.spearman_brown(half) == pytest.approx(whole, abs=0.01)


def test_without_training_records_nothing_is_fitted(toy):
    none = toy.records.iloc[:0]
    with pytest.raises(CsalganError, match="training part holds no record"):
        baselines.fit(toy, none)
    with pytest.raises(CsalganError, match="no training record"):
        baselines.mean_map(toy, none)


# --- people -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def watched(tmp_path_factory):
    """A dataset that says who fixated, parted by hand: train, validation and test images."""
    root = tmp_path_factory.mktemp("watched")
    write_osie(root, n_images=9, observers=5, seed=3)
    dataset = open_dataset(root)
    names = dataset.records["record"].to_numpy()
    return dataset, Split(names[:5], names[5:7], names[7:], rule="image", seed=0)


def test_each_observer_is_predicted_by_all_others_and_by_nobody_else(watched):
    dataset, split = watched
    evaluator = Evaluator(dataset, split, metric_profiles=["tuebingen", "paper"])
    test = split.of("test", dataset.records)
    scores = evaluator.baseline("observers", test)
    assert set(scores["metric"]) == {"auc", "sauc", "nss", "ig", "ig_uniform"}
    assert set(scores["metric_profile"]) == {"tuebingen"}
    for record in split.test:
        points, who = dataset.fixations(record), dataset.observers(record)
        shape = dataset.map(record).shape
        standing = []  # of every fixation, on the map of those who did not make it
        for point, observer in zip(points, who, strict=True):
            left = points[who != observer]
            assert len(left) < len(points)
            made = baselines.blurred(left, shape, evaluator.fitted.map_sigma)
            large = resize(made, shape)
            standing.append((large[tuple(point)] - large.mean()) / large.std())
        row = scores[(scores["record"] == record) & (scores["metric"] == "nss")].iloc[0]
        assert row["value"] == pytest.approx(np.mean(standing), rel=1e-6)
        assert row["n"] == len(points)


def test_where_observers_are_unknown_there_is_no_human_ceiling(embedded, watched):
    assert "observers" in Evaluator(*watched).yardsticks
    dataset = open_dataset(embedded)
    evaluator = Evaluator(dataset, make_split(dataset.records))
    assert "observers" not in evaluator.yardsticks
    with pytest.raises(CsalganError, match="does not say who made a fixation"):
        evaluator.baseline("observers", dataset.records)


def test_one_observer_alone_is_predicted_by_nobody():
    points = np.array([[1, 2], [3, 4]])
    assert list(baselines.others(points, (8, 8), 0.1, np.array([5, 5]))) == []
    found = list(baselines.others(points, (8, 8), 0.1, np.array([5, 2])))
    assert [left.tolist() for _, left in found] == [[[3, 4]], [[1, 2]]]
