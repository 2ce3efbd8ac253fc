"""A model that keeps what it saw of a picture: same maps as before, one look a picture."""

from dataclasses import replace

import numpy as np
import pytest

from csalgan import guidance
from csalgan.data import open_dataset
from csalgan.files.errors import CsalganError
from csalgan.files.provenance import Provenance
from csalgan.models import PaperGenerator
from csalgan.models.paper import initialise
from csalgan.prediction import Predictor
from csalgan.text import get_encoder
from csalgan.text.variants import sentence_variants


@pytest.fixture(scope="module")
def dataset(embedded):
    return open_dataset(embedded)


@pytest.fixture(scope="module")
def told(dataset):
    return dataset.records[dataset.records.condition != "none"].head(6).reset_index(drop=True)


def untrained(encoder: str) -> Predictor:
    """A paper model as it is drawn, which is all that reading needs."""
    generator = PaperGenerator(512)
    initialise(generator, 0)
    provenance = Provenance("d", "f" * 12, encoder, "p", 0, "c")
    return Predictor("m", generator.eval(), get_encoder(encoder, cache=False), (32,), provenance)


class Counting(Predictor):
    """Counts how often pictures are looked at."""

    looks = 0

    def encode_images(self, images):
        type(self).looks += len(images)
        return super().encode_images(images)


def test_reading_gives_the_predictors_maps_with_one_look_a_picture(dataset, told):
    predictor = Counting(**vars(untrained("hashing")))
    reader = guidance.CachedPredictor(predictor, dataset)
    pictures = told.image_id.nunique()
    assert pictures < len(told)
    for texts, strength in ((None, 1.0), (["a red ring"] * len(told), 1.0), (None, 0.5)):
        read = list(reader(told, texts, strength=strength))
        assert [record for record, _ in read] == told.record.tolist()
        for (record, got), text in zip(read, texts or told.text, strict=True):
            image = dataset.image(record)
            wanted = untrained("hashing").predict([image], [text], strength=strength)[0]
            assert got.shape == image.shape[:2]
            np.testing.assert_allclose(got, wanted, atol=1e-6)
    assert Counting.looks == pictures


def test_a_text_for_every_record(dataset, told):
    reader = guidance.CachedPredictor(untrained("hashing"), dataset)
    with pytest.raises(CsalganError, match="6 records and 1 sentences"):
        list(reader(told, ["one sentence"]))


def test_no_text_at_all_is_zeros_where_the_empty_sentence_is_not(dataset, told):
    class Loud:
        """The empty sentence has an embedding of its own, as CLIP's and MiniLM's has."""

        name, fingerprint, free_viewing, dim = "loud", "loud", "", 512

        def encode(self, texts):
            return np.stack([np.full(512, 0.5 + len(text), np.float32) for text in texts])

    row = told.head(1)
    reader = guidance.CachedPredictor(replace(untrained("hashing"), encoder=Loud()), dataset)
    (_, empty), (_, nothing) = *reader(row, [""]), *reader(row, [None])
    assert np.abs(empty - nothing).max() > 1e-4
    zeros = untrained("none").predict([dataset.image(row.record[0])], ["whatever"])[0]
    np.testing.assert_allclose(nothing, zeros, atol=1e-6)


def test_the_encoder_none_shows_exactly_no_effect(dataset, told, words_of):
    """All texts are the same zeros, so no number may differ, not even in its last bit."""
    reader = guidance.CachedPredictor(untrained("none"), dataset)
    variants = sentence_variants(told, seed=1)
    by_record = told.set_index("record", drop=False)
    base = dict(reader(told))
    for name, group in variants.groupby("variant"):
        texts = [None] * len(group) if name == "no_text" else group.text.tolist()
        for record, got in reader(by_record.loc[group.record], texts):
            np.testing.assert_array_equal(got, base[record])
    assert (words_of(reader, told.head(2), 16)["shares"].share == 0).all()
    effect = guidance.summarise_effect(guidance.text_effect(reader, dataset, told, 16), draws=20)
    assert (effect[["mean", "low", "high"]] == 0).all(axis=None)
    assert not effect.excludes_zero.any()
    assert not effect.covers_truth.any()
