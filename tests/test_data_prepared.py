"""Packed arrays: the same pixels, packed once, never half written."""

import errno

import numpy as np
import pytest

from csalgan.data import open_dataset, prepare
from csalgan.data import prepared as module
from csalgan.files.errors import CsalganError


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("CSALGAN_HOME", str(tmp_path / "home"))


def test_arrays_are_the_files_resized(embedded):
    dataset = open_dataset(embedded)
    prepared = prepare(dataset, 32)
    n = len(dataset.records)
    assert prepared.images.shape == (12, 32, 32, 3)
    assert prepared.maps.shape == (n, 32, 32)
    assert prepared.images.dtype == prepared.maps.dtype == np.uint8
    for row, record in enumerate(dataset.records["record"]):
        assert np.array_equal(prepared.maps[row], module.square(dataset.map(record), 32))
        assert np.array_equal(prepared.fixations(row), dataset.fixations(record))
        assert prepared.native_size[row].tolist() == list(dataset.map(record).shape)
        image = module.square(dataset.image(record), 32).astype(int)
        # JPEG at quality 95 without chroma subsampling.
        assert np.abs(prepared.images[prepared.image_index[row]] - image).mean() < 3


def test_fixation_masks_are_scaled_coordinates(embedded):
    dataset = open_dataset(embedded)
    prepared = prepare(dataset, 32)
    height, width = prepared.native_size[0]
    mask = prepared.fixation_masks([0])[0]
    expected = {
        (y * 32 // height, x * 32 // width)
        for y, x in dataset.fixations(prepared.records["record"].iloc[0])
    }
    assert set(map(tuple, np.argwhere(mask))) == expected
    assert set(np.unique(mask)) == {0, 1}


def test_what_was_packed_is_used_again_and_what_was_torn_is_not(embedded, monkeypatch):
    dataset = open_dataset(embedded)
    path = prepare(dataset, 32).path
    with monkeypatch.context() as patch:
        patch.setattr(module, "_pack", lambda *_: 1 / 0)
        maps = prepare(dataset, 32).maps
    path.write_bytes(path.read_bytes()[:-5])
    assert np.array_equal(prepare(dataset, 32).maps, maps)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1  # the same length, another byte
    path.write_bytes(content)
    assert np.array_equal(prepare(dataset, 32).maps, maps)
    path.write_bytes(b"")
    assert np.array_equal(prepare(dataset, 32).maps, maps)
    assert prepare(dataset, 16).path != path


def test_a_full_disk_leaves_nothing_half_packed(embedded, tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(module.np, "savez_compressed", full)
    with pytest.raises(CsalganError, match="No space left"):
        prepare(open_dataset(embedded), 32)
    assert list((tmp_path / "home" / "data" / "cache" / "prepared").iterdir()) == []


def test_real_data_packs_small(real):
    prepared = prepare(open_dataset(real), 256)
    assert prepared.path.stat().st_size < 60e6
    assert prepared.maps.shape == (1530, 256, 256)
