"""A known sentence effect is recovered: whole, half, not at all, and by what is trained."""

import numpy as np
import pytest
from toy_gaze import Toy

from csalgan import guidance
from csalgan.config import load_profile
from csalgan.data import make_split, open_dataset, synthesise
from csalgan.data.synthetic import component_densities
from csalgan.files.errors import CsalganError
from csalgan.prediction import Predictor
from csalgan.text.variants import sentence_variants
from csalgan.training import train

SIZE = 32
KAPPA = {"general": 0.40, "non_salient": 0.35, "salient": 0.50}


@pytest.fixture(scope="module")
def dataset(embedded):
    return open_dataset(embedded)


@pytest.fixture(scope="module")
def told(dataset):
    return dataset.records[dataset.records.condition != "none"].reset_index(drop=True)


def oracle(dataset, pull: float = 1.0):
    """Knows the gaze model; a record's sentence moves it ``pull`` times as far as people."""
    truth, records = dataset.truth, dataset.records
    free = records[records.condition == "none"].set_index("image_id").record
    own = dict(zip(records.record, records.text, strict=True))

    def ask(rows, texts=None, *, strength=1.0):
        for record, image_id, text in zip(
            rows.record, rows.image_id, texts or rows.text, strict=True
        ):
            untold = guidance.expected_map(truth, free[image_id])
            told = guidance.expected_map(truth, record if text == own[record] else free[image_id])
            yield record, untold + pull * strength * (told - untold)

    return ask


def recovered(ask, dataset, told, texts=None):
    table = guidance.text_effect(ask, dataset, told, SIZE, texts)
    return table, guidance.summarise_effect(table, draws=200).set_index("condition")


def test_the_true_density_recovers_the_true_pull(dataset, told):
    table, effect = recovered(oracle(dataset), dataset, told)
    assert table.record.tolist() == told.record.tolist()
    for condition, kappa in KAPPA.items():
        row = effect.loc[condition]
        assert row.true == pytest.approx(kappa)
        # Maps are cast to float32 on the way.
        assert (row["mean"], row.low, row.high) == pytest.approx((kappa,) * 3, abs=1e-5)
    assert effect.true["all"] == pytest.approx(told.condition.map(KAPPA).mean())
    assert effect.covers_truth.all()
    assert effect.excludes_zero.all()
    assert (table.correlation > 0.9999).all()


def test_half_an_effect_is_half(dataset, told):
    table, effect = recovered(oracle(dataset, pull=0.5), dataset, told)
    # Maps are scaled to mean 1 after resizing, so half-way is linear to about 1e-4.
    assert effect["mean"].to_numpy() == pytest.approx(effect.true.to_numpy() / 2, rel=1e-3)
    assert not effect.covers_truth.any()
    assert effect.excludes_zero.all()
    _, other_way = recovered(oracle(dataset, pull=-0.5), dataset, told)
    assert (other_way.high < 0).all()


def test_a_model_that_ignores_text_shows_no_effect(dataset, told):
    table, effect = recovered(oracle(dataset, pull=0), dataset, told)
    assert (effect[["mean", "low", "high"]] == 0).all(axis=None)
    assert not effect.excludes_zero.any()
    assert not effect.covers_truth.any()
    assert table.correlation.isna().all()


def test_the_oracle_ignores_a_sentence_that_is_not_the_records(dataset, told):
    _, effect = recovered(oracle(dataset), dataset, told, ["a purple cow"] * len(told))
    assert not effect.excludes_zero.any()


def test_moving_far_to_the_wrong_place_recovers_nothing(dataset, told):
    """The whole of attention goes to an object that the sentence does not name."""
    truth = dataset.truth
    salient = told[told.condition == "salient"]

    def ask(rows, texts=None, *, strength=1.0):
        texts = texts or rows.text
        for record, image_id, text in zip(rows.record, rows.image_id, texts, strict=True):
            objects = component_densities(truth, image_id)["objects"]
            named = truth["images"][image_id]["records"][record]["named"]
            other = next(k for k in range(len(objects)) if k not in named)
            even = np.full(objects.shape[1:], 1 / objects[0].size)
            yield record, objects[other] if text else even

    _, effect = recovered(ask, dataset, salient)
    assert effect.high["salient"] < 0.25 * KAPPA["salient"]


def test_simulated_observers_recover_the_pull_within_their_noise(dataset, told):
    table, effect = recovered(guidance.measured(dataset), dataset, told)
    assert effect.covers_truth["all"]
    assert 0 < effect.high["all"] - effect.low["all"] < 0.2
    assert table.correlation.mean() > 0.7


def test_real_gaze_has_no_known_effect():
    toy = Toy()
    toy.truth = None
    with pytest.raises(CsalganError, match="embedded data only"):
        guidance.text_effect(None, toy, toy.records, SIZE)


# --- what is trained --------------------------------------------------------------------------

#: The models the suite trains, by name: profile and changes to it.
TRAINED = {
    "paper": ("smoke", ()),
    "paper, none": ("smoke", ("text.encoder=none",)),
    "compact, none": ("demo-compact", ("text.encoder=none", "training.epochs=1")),
}


@pytest.fixture(scope="module")
def trained(dataset, tmp_path_factory):
    """Name in :data:`TRAINED` → the effect its model shows on test images."""

    def train_and_ask(name: str):
        profile = load_profile(*TRAINED[name])
        run = train(profile, dataset, "total", tmp_path_factory.mktemp("runs") / "total",
                    progress=False)  # fmt: skip
        split = make_split(dataset.records, rule=profile.data.split, seed=profile.split_seed)
        test = split.of("test", dataset.records)
        reader = guidance.CachedPredictor(Predictor.of_run(run), dataset)
        table = guidance.text_effect(
            reader, dataset, test[test.condition != "none"], profile.data.size
        )
        draws = profile.evaluation.bootstrap
        return guidance.summarise_effect(table, draws=draws).set_index("condition").loc["all"]

    return train_and_ask


@pytest.mark.parametrize(
    ("name", "covers", "moves"),
    [
        # The paper's model adds one text vector to all places alike: nothing can be recovered.
        pytest.param("paper", False, None, id="paper"),
        pytest.param("paper, none", False, False, id="paper-none"),
        pytest.param("compact, none", False, False, id="compact-none"),
    ],
)
def test_what_a_trained_model_recovers(trained, name, covers, moves):
    effect = trained(name)
    assert np.isfinite(effect[["mean", "low", "high"]].astype(float)).all()
    assert effect.covers_truth == covers
    if moves is not None:
        assert effect.excludes_zero == moves
    if moves is False:
        assert effect["mean"] == effect.low == effect.high == 0


def test_the_compact_model_recovers_the_known_effect(tmp_path):
    """Places of 8 × 8, 96 images to learn from: enough for objects that stand out.

    The interval covers the truth for salient sentences. Those of pale and small objects move
    the model in the right direction and not far enough; see docs/compact.md.
    """
    dataset = open_dataset(synthesise(tmp_path / "set", n_images=120, seed=0))
    changes = ["data.size=128", "training.epochs=12", "training.augment.crop=1.0"]
    profile = load_profile("demo-compact", changes)
    run = train(profile, dataset, "total", tmp_path / "run", progress=False)
    split = make_split(dataset.records, rule=profile.data.split, seed=profile.split_seed)
    test = split.of("test", dataset.records)
    told = test[test.condition != "none"]
    reader = guidance.CachedPredictor(Predictor.of_run(run), dataset)
    table = guidance.text_effect(reader, dataset, told, profile.data.size)
    effect = guidance.summarise_effect(table, draws=1000).set_index("condition")
    assert effect.true.to_dict() == pytest.approx({**KAPPA, "all": effect.true["all"]})
    assert effect.covers_truth["salient"], effect
    assert effect.excludes_zero.all(), effect
    assert (effect["mean"] > 0).all()
    # Sentences of other images still say whether what they name stands out, and no more.
    borrowed = sentence_variants(told, ["other_image"])
    rows = told.set_index("record", drop=False).loc[borrowed.record]
    table = guidance.text_effect(reader, dataset, rows, profile.data.size, borrowed.text.tolist())
    elsewhere = guidance.summarise_effect(table, draws=1000).set_index("condition")
    assert elsewhere["mean"]["all"] < effect.low["all"]
