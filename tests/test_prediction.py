"""Predictions at the photograph's own size, and the strength of a sentence."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from csalgan.config import load_profile
from csalgan.data import open_dataset
from csalgan.files.errors import CsalganError
from csalgan.prediction import Predictor, resize_map
from csalgan.training import Run, train


@pytest.fixture(scope="module")
def dataset(embedded):
    return open_dataset(embedded)


@pytest.fixture(scope="module")
def run(dataset, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "total"
    return train(load_profile("smoke"), dataset, "total", folder, progress=False)


@pytest.fixture(scope="module")
def predictor(run):
    return Predictor.of_run(run)


def test_maps_have_the_size_and_range_of_the_contract(predictor, dataset):
    images = [np.zeros((50, 80, 3), np.uint8), np.full((33, 20, 3), 200, np.uint8)]
    maps = predictor.predict(images, ["a red circle", ""])
    assert [one.shape for one in maps] == [(50, 80), (33, 20)]
    assert all(one.dtype == np.float32 and 0 <= one.min() <= one.max() <= 1 for one in maps)
    assert predictor.predict([], []) == []


def test_batches_do_not_change_a_prediction(predictor, dataset):
    records = dataset.records.head(5)
    together = dict(predictor.predict_records(dataset, records))
    for record, text in zip(records["record"], records["text"], strict=True):
        alone = predictor.predict([dataset.image(record)], [text])[0]
        # The order of float sums differs with the batch size, nothing more.
        np.testing.assert_allclose(together[record], alone, atol=1e-5)


def test_strength_goes_from_free_viewing_to_the_sentence_and_beyond(predictor, dataset):
    image = dataset.image(dataset.records["record"].iloc[0])
    sentence = "a small grey triangle"
    free = predictor.predict([image], [""])[0]
    none = predictor.predict([image], [sentence], strength=0.0)[0]
    full = predictor.predict([image], [sentence])[0]
    double = predictor.predict([image], [sentence], strength=2.0)[0]
    np.testing.assert_allclose(none, free, atol=1e-6)
    assert np.abs(full - free).max() > 1e-5
    assert np.abs(double - full).max() > 1e-5


def test_the_text_feature_of_the_papers_model_is_linear_in_the_strength(predictor):
    class Encoder:
        def encode(self, texts):
            return np.array([[len(text), 3.0 - len(text)] for text in texts], np.float32)

    reader = replace(predictor, encoder=Encoder())
    free, half, whole = (reader.text_features(["a cup"], s).tolist() for s in (0.0, 0.5, 1.0))
    assert (free, half, whole) == ([[0, 3]], [[2.5, 0.5]], [[5, -2]])


def test_a_run_of_another_text_encoder_is_refused(run, tmp_path):
    folder = shutil.copytree(run.folder, tmp_path / "run")
    info = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps(info | {"text_fingerprint": "f" * 64}))
    with pytest.raises(
        CsalganError, match=r"trained with hashing, of other weights or code \(f{12}, now"
    ):
        Predictor.of_run(Run.load(folder))


def test_folded_batch_norms_and_bfloat16_give_nearly_the_same_maps(predictor, dataset):
    records = dataset.records.head(6)
    images = [dataset.image(record) for record in records["record"]]
    texts = records["text"].tolist()
    plain = predictor.predict(images, texts)
    fast = predictor.fast_copy()
    assert not any(type(part) is torch.nn.BatchNorm2d for part in fast.generator.modules())
    for one, other in zip(plain, fast.predict(images, texts), strict=True):
        assert np.abs(one - other).max() <= 0.03
    fast.fast = False  # folded, in float32
    for one, other in zip(plain, fast.predict(images, texts), strict=True):
        np.testing.assert_allclose(one, other, atol=2e-5)
    assert predictor.fast is False


def test_other_sentences_can_be_put_in_the_place_of_the_records(predictor, dataset):
    records = dataset.records.head(2)
    swapped = [
        text for _, text in predictor.predict_records(dataset, records.assign(text=["a", "b"]))
    ]
    own = [text for _, text in predictor.predict_records(dataset, records)]
    assert np.abs(swapped[1] - own[1]).max() > 0


def test_wrong_input_is_one_sentence(predictor, dataset):
    with pytest.raises(CsalganError, match="2 images and 1 sentences"):
        predictor.predict([np.zeros((8, 8, 3), np.uint8)] * 2, ["a"])
    with pytest.raises(CsalganError, match="uint8 RGB"):
        predictor.predict([np.zeros((8, 8), np.uint8)], ["a"])


def test_a_resized_map_keeps_a_constant_and_a_ramp():
    assert np.allclose(resize_map(np.full((4, 4), 0.3), (9, 17)), 0.3)
    ramp = resize_map(np.tile(np.arange(8.0), (8, 1)), (16, 16))
    assert (np.diff(ramp, axis=1) >= 0).all()
