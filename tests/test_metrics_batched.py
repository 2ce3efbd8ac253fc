"""The tensor metrics equal the NumPy ones, map by map."""

import numpy as np
import pytest
import torch

from csalgan.metrics import batched, tuebingen

TOLERANCE = 1e-9  # float64 sums in another order


@pytest.fixture(scope="module")
def maps():
    rng = np.random.default_rng(0)
    prediction = rng.random((5, 1, 12, 16))
    prediction[1] = rng.integers(0, 4, (1, 12, 16)) / 4  # ties
    prediction[2] = 0.1  # constant
    prediction[3] -= 0.5  # negative values
    target = rng.random((5, 1, 12, 16))
    mask = (rng.random((5, 1, 12, 16)) < 0.1).astype(np.uint8)
    mask[4] = 0  # nobody looked
    return prediction, target, mask


def test_maps_equal_numpy(maps):
    prediction, target, _ = maps
    ours = batched.cc(torch.from_numpy(prediction), torch.from_numpy(target))
    expected = [tuebingen.cc(p[0], t[0]) for p, t in zip(prediction, target, strict=True)]
    assert ours.shape == (5,)
    np.testing.assert_allclose(ours.numpy(), expected, rtol=0, atol=TOLERANCE)


def test_fixations_equal_numpy(maps):
    prediction, _, mask = maps
    ours = batched.nss(torch.from_numpy(prediction), torch.from_numpy(mask))
    expected = [
        tuebingen.nss(p[0], np.argwhere(m[0])) for p, m in zip(prediction, mask, strict=True)
    ]
    assert np.isnan(expected[4])
    np.testing.assert_allclose(ours.numpy(), expected, rtol=0, atol=TOLERANCE)


def test_counts_in_the_mask_are_weights():
    values = torch.arange(12.0).reshape(1, 1, 3, 4)
    mask = torch.zeros(1, 1, 3, 4, dtype=torch.uint8)
    mask[..., 2, 3], mask[..., 0, 0] = 3, 1
    points = [[2, 3], [2, 3], [2, 3], [0, 0]]
    array = values[0, 0].numpy()
    assert batched.nss(values, mask).item() == pytest.approx(tuebingen.nss(array, points))


def test_float32_input_is_summed_in_float64():
    rng = np.random.default_rng(1)
    prediction = rng.random((2, 1, 64, 64)).astype(np.float32)
    target = rng.integers(0, 256, (2, 1, 64, 64)).astype(np.uint8)
    ours = batched.cc(torch.from_numpy(prediction), torch.from_numpy(target))
    assert ours.dtype == torch.float64
    expected = [tuebingen.cc(p[0], t[0]) for p, t in zip(prediction, target, strict=True)]
    np.testing.assert_allclose(ours.numpy(), expected, rtol=0, atol=TOLERANCE)


def test_three_dimensions_are_a_batch_too_and_nan_stays_nan():
    prediction = torch.rand(3, 8, 8, generator=torch.Generator().manual_seed(0))
    prediction[1, 2, 2] = torch.nan
    mask = torch.ones(3, 8, 8)
    for value in (
        batched.cc(prediction, prediction.nan_to_num()),
        batched.nss(prediction, mask),
    ):
        assert value.shape == (3,)
        assert torch.isnan(value).tolist() == [False, True, False]


def test_a_constant_target_has_no_correlation():
    values = torch.rand(1, 1, 8, 8)
    assert torch.isnan(batched.cc(values, torch.ones(1, 1, 8, 8))).all()
    assert batched.cc(torch.full((1, 1, 8, 8), 0.1), values).item() == 0


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_the_gpu_agrees_with_the_cpu(maps):
    prediction, target, mask = (torch.from_numpy(part) for part in maps)
    for name, other in (("cc", target), ("nss", mask)):
        metric = getattr(batched, name)
        there = metric(prediction.cuda(), other.cuda())
        assert there.is_cuda
        torch.testing.assert_close(
            there.cpu(), metric(prediction, other), rtol=0, atol=TOLERANCE, equal_nan=True
        )
