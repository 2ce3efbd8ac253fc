"""The ``paper`` profile: what the four numbers of the author's code are made of."""

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter

from csalgan import metrics
from csalgan.metrics import author


def blobs(seed: int, shape=(64, 80)) -> np.ndarray:
    return gaussian_filter(np.random.default_rng(seed).random(shape), 4)


def grey(values: np.ndarray) -> np.ndarray:
    return np.uint8(np.rint(255 * (values - values.min()) / np.ptp(values)))


def cut(values: np.ndarray) -> np.ndarray:
    """Above the value at index int(0.8 n) of the sorted pixels, in plain Python."""
    ordered = sorted(values.ravel().tolist())
    return values > ordered[int(0.8 * len(ordered))]


def pairwise_auc(scores: np.ndarray, labels: np.ndarray) -> float:
    """Every positive against every negative, ties ½."""
    positive, negative = scores[labels].astype(int), scores[~labels].astype(int)
    gap = positive[:, None] - negative[None]
    return ((gap > 0).sum() + (gap == 0).sum() / 2) / gap.size


@pytest.mark.parametrize("seed", range(5))
def test_auc_compares_two_binary_maps(seed):
    prediction, truth = blobs(seed, (20, 25)), grey(blobs(seed + 50, (20, 25)))
    expected = pairwise_auc(cut(prediction).ravel(), cut(truth).ravel())
    assert author.auc(prediction, truth) == pytest.approx(expected, abs=1e-12)


def test_auc_has_few_values_whatever_the_order_inside_the_top_fifth():
    prediction, truth = blobs(1), blobs(2)
    top = cut(prediction)
    assert author.auc(prediction, truth) == author.auc(top.astype(float), truth)
    assert author.auc(truth, truth) == 1


def test_sauc_labels_random_background_positive():
    prediction, truth = blobs(3, (20, 25)), grey(blobs(4, (20, 25)))
    labels = cut(truth).ravel()
    extra = np.random.default_rng(7).choice(np.flatnonzero(~labels), labels.sum(), replace=False)
    labels[extra] = True
    expected = pairwise_auc(cut(prediction).ravel(), labels)
    assert author.sauc(prediction, truth, seed=7) == pytest.approx(expected, abs=1e-12)


def test_sauc_is_near_the_middle_of_auc_and_chance():
    prediction, truth = blobs(5, (200, 200)) + blobs(6, (200, 200)), blobs(5, (200, 200))
    auc = author.auc(prediction, truth)
    values = [author.sauc(prediction, truth, seed=s) for s in range(20)]
    assert auc > 0.7
    # 8,000 random labels: each value scatters by about 0.003.
    assert np.mean(values) == pytest.approx((auc + 0.5) / 2, abs=0.005)


def test_the_papers_own_table_shows_it():
    table = {"total": (0.684, 0.597), "general": (0.716, 0.608), "sal": (0.714, 0.607)}
    table["non_sal"] = (0.682, 0.591)
    for subset, (auc, sauc) in table.items():
        assert sauc == pytest.approx((auc + 0.5) / 2, abs=0.006), subset


def test_nss_counts_every_pixel_above_zero_with_ddof_1():
    prediction, truth = blobs(8), grey(blobs(9))
    truth[truth < 100] = 0
    z = (prediction - prediction.mean()) / prediction.std(ddof=1)
    assert author.nss(prediction, truth) == pytest.approx(z[truth > 0].mean(), abs=1e-12)


def test_cc_is_pearson():
    prediction, truth = blobs(10), blobs(11)
    expected = np.corrcoef(prediction.ravel(), truth.ravel())[0, 1]
    assert author.cc(prediction, truth) == pytest.approx(expected, abs=1e-12)


def test_score_brings_both_maps_to_256_pixels_and_8_bit_maps_stay_8_bit():
    prediction, truth = blobs(12, (120, 160)), grey(blobs(13, (120, 160)))
    scores = metrics.score(prediction, saliency_map=truth, profile="paper", seed=3)
    small = Image.fromarray(truth).resize((256, 256), Image.Resampling.BILINEAR)
    p = metrics.maps.resize(prediction, (256, 256))
    assert list(scores) == ["auc", "sauc", "cc", "nss"]
    assert scores["nss"] == author.nss(p, np.asarray(small, float))
    assert scores["sauc"] == author.sauc(p, np.asarray(small, float), seed=3)


def test_a_batch_of_four_is_flattened_into_one():
    predictions = [blobs(s, (256, 256)) * (1 + s) for s in range(6)]
    truths = [blobs(20 + s, (256, 256)) for s in range(6)]
    scores = author.score_batches(predictions, truths)
    first = author.cc(np.stack(predictions[:4]), np.stack(truths[:4]))
    second = author.cc(np.stack(predictions[4:]), np.stack(truths[4:]))
    assert scores["cc"] == pytest.approx((first + second) / 2, abs=1e-12)
    single = [author.cc(p, t) for p, t in zip(predictions, truths, strict=True)]
    assert scores["cc"] != pytest.approx(np.mean(single), abs=1e-3)
    alone = author.score_batches(predictions[:1], truths[:1], seed=4)
    assert alone == metrics.score(predictions[0], saliency_map=truths[0], profile="paper", seed=4)


def test_constant_and_zero_maps():
    flat, truth = np.full((20, 20), 0.3), blobs(0, (20, 20))
    assert author.auc(flat, truth) == 0.5
    assert author.sauc(flat, truth) == 0.5
    assert np.isnan(author.cc(flat, truth))
    assert np.isnan(author.nss(flat, truth))
    assert np.isnan(author.auc(truth, flat))
    assert np.isnan(author.nss(truth, np.zeros((20, 20))))


def test_negative_and_integer_predictions_score_as_their_values():
    truth = blobs(1, (30, 30))
    values = np.random.default_rng(0).integers(-5, 6, (30, 30))
    assert author.auc(values, truth) == author.auc(values.astype(float), truth)
    assert author.nss(values, truth) == pytest.approx(
        author.nss(values * 2.0 + 9, truth), abs=1e-12
    )


def test_no_score_with_nan_and_fixations_do_not_matter():
    prediction, truth = blobs(2, (256, 256)), blobs(3, (256, 256))
    none = np.zeros((0, 2), dtype=int)
    with_points = metrics.score(prediction, saliency_map=truth, fixations=none, profile="paper")
    assert with_points == metrics.score(prediction, saliency_map=truth, profile="paper")
    prediction[0, 0] = np.nan
    scores = metrics.score(prediction, saliency_map=truth, profile="paper")
    assert all(np.isnan(value) for value in scores.values())
