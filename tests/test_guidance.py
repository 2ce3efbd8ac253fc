"""What the sentence does: rules for other sentences, pairing, people, difference maps."""

from collections import Counter
from functools import partial

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from csalgan import exploration, guidance
from csalgan.config import load_profile
from csalgan.data import open_dataset, prepare
from csalgan.experiment.job import open_job
from csalgan.figures import base
from csalgan.figures import exploration as draw
from csalgan.files.errors import CsalganError
from csalgan.files.provenance import Provenance
from csalgan.text.variants import sentence_variants


def drawn(fig):
    """Draw, coarsely, and make sure there is something on the figure."""
    fig.dpi = 40
    canvas = FigureCanvasAgg(fig)
    canvas.draw()
    assert np.asarray(canvas.buffer_rgba())[..., :3].std() > 5
    return fig


class Oracle:
    """Knows the measured map of every sentence; unknown sentences get that of free viewing."""

    def __init__(self, dataset, listens=True):
        self.listens = listens
        self.map_of = dataset.map
        records = dataset.records
        self.of_text = dict(zip(zip(records.image_id, records.text, strict=True), records.record,
                                strict=True))  # fmt: skip
        self.free = records[records.condition == "none"].set_index("image_id").record

    def __call__(self, records, texts=None, *, strength=1.0):
        texts = list(records.text) if texts is None else texts
        for record, image_id, text in zip(records.record, records.image_id, texts, strict=True):
            free = self.free[image_id]
            told = self.of_text.get((image_id, text), free) if self.listens else free
            untold = self.map_of(free).astype(float)
            mix = strength * self.map_of(told) + (1 - strength) * untold
            yield record, np.maximum(mix, 0).astype(np.float32)


def correlate(dataset):
    """A quick scorer with the columns of :class:`csalgan.evaluation.Evaluator`: CC and KL."""

    def score(pairs, records):
        rows = []
        about = records.set_index("record")
        for record, prediction in pairs:
            p, q = (exploration.density(m, 24) + 1e-6 for m in (prediction, dataset.map(record)))
            key = {"record": record, "image_id": about.image_id[record]}
            key["condition"] = about.condition[record]
            cc = float(np.corrcoef(p.ravel(), q.ravel())[0, 1])
            kl = float((q / q.sum() * np.log(q / q.sum() / (p / p.sum()))).sum())
            rows += [key | {"metric": "cc", "value": cc}, key | {"metric": "kl", "value": kl}]
        provenance = {"model": "m", "metric_profile": "tuebingen", "resize": "r", "epsilon": 0.0}
        return pd.DataFrame(rows).assign(**provenance, fingerprint=dataset.fingerprint[:12])

    return score


@pytest.fixture(scope="module")
def dataset(embedded):
    return open_dataset(embedded)


@pytest.fixture(scope="module")
def told(dataset):
    return dataset.records[dataset.records.condition != "none"].reset_index(drop=True)


@pytest.fixture(scope="module")
def variants(dataset):
    return sentence_variants(dataset.records, seed=1)


@pytest.fixture(scope="module")
def scores(dataset, variants):
    return guidance.score_variants(Oracle(dataset), dataset, variants, correlate(dataset))


# --- sentences --------------------------------------------------------------------------------


def wide(variants):
    return variants[variants.draw == 0].pivot(index="record", columns="variant", values="text")


def test_variants_say_what_they_promise(dataset, variants, told):
    table = wide(variants)
    text = told.set_index("record").text
    assert set(table.index) == set(told.record)  # free viewing has no sentence to vary
    assert (table["true"] == text[table.index]).all()
    assert (table["absent"] == "").all()
    assert (table["no_text"] == "").all()
    for record, mixed in table["shuffled"].items():
        assert Counter(mixed.split()) == Counter(text[record].split())
        assert mixed != text[record]
    by_record = dataset.records.set_index("record")
    swaps = {"salient": {"non_salient"}, "non_salient": {"salient"}}
    for row in variants[variants.variant == "swapped"].itertuples():
        assert by_record.condition[row.lender] in swaps[row.condition]
        assert by_record.image_id[row.lender] == row.image_id
        assert by_record.text[row.lender] == row.text
    general = by_record.condition[table.index] == "general"  # these have no counterpart
    assert table.loc[general[general].index, "swapped"].isna().all()
    assert table.loc[general[~general].index, "swapped"].notna().all()


def test_other_images_lend_every_sentence_once_in_each_draw(dataset, variants):
    lent = variants[variants.variant == "other_image"]
    by_record = dataset.records.set_index("record")
    assert (by_record.image_id[lent.lender].to_numpy() != lent.image_id.to_numpy()).all()
    assert (by_record.condition[lent.lender].to_numpy() == lent.condition.to_numpy()).all()
    assert set(lent.draw) == {0, 1, 2}
    assert not lent.duplicated(["record", "lender"]).any()
    for _, group in lent.groupby("draw"):
        assert sorted(group.lender) == sorted(group.record)
    assert set(variants.loc[variants.variant != "other_image", "draw"]) == {0}


def test_a_records_score_is_the_mean_over_draws(dataset, variants, scores):
    lent = variants[variants.variant == "other_image"]
    mine = lent[lent.record == lent.record.iloc[0]]
    row = dataset.records.set_index("record", drop=False).loc[list(mine.record)]
    score = correlate(dataset)
    each = [
        score(Oracle(dataset)(row.iloc[[k]], [text]), row.iloc[[k]]).query("metric == 'cc'").value
        for k, text in enumerate(mine.text)
    ]
    found = scores.query("variant == 'other_image' and metric == 'cc'").set_index("record").value
    assert found[mine.record.iloc[0]] == pytest.approx(np.mean(each))
    assert found.index.is_unique


def test_variants_depend_on_the_seed_and_not_on_the_order_of_rows(dataset, variants):
    again = sentence_variants(dataset.records, seed=1)
    pd.testing.assert_frame_equal(again, variants)
    turned = sentence_variants(dataset.records[::-1], seed=1)
    for name in ("shuffled", "swapped", "other_image"):
        assert (wide(turned)[name].fillna("") == wide(variants)[name].fillna("")).all()
    other = sentence_variants(dataset.records, seed=2)
    assert (wide(other)["shuffled"] != wide(variants)["shuffled"]).any()


def test_a_sentence_of_one_word_cannot_be_shuffled():
    records = pd.DataFrame(
        {"record": ["1_3"], "image_id": ["1"], "condition": ["salient"], "text": ["dog dog"]}
    )
    table = sentence_variants(records)
    assert table.variant.tolist() == ["true", "absent", "no_text"]


def test_content_words_are_what_the_list_of_function_words_leaves(variants):
    records = pd.DataFrame(
        {
            "record": ["1_3", "2_3", "3_3"],
            "image_id": ["1", "2", "3"],
            "condition": ["salient"] * 3,
            "text": ["A man, behind the RED bus, waves at us.", "It is on it.", "Green apples"],
        }
    )
    table = sentence_variants(records, ["content"])
    assert table.text.tolist() == ["man red bus waves"]  # nothing left; nothing to take away
    kept = variants[variants.variant == "content"]
    assert len(kept) == variants.record.nunique()
    assert not set(" ".join(kept.text).split()) & guidance.FUNCTION_WORDS


def test_a_sentence_without_each_of_its_words():
    assert guidance.without_each_word("A red, big bus") == [
        ("a", "red, big bus"),
        ("red", "A big bus"),
        ("big", "A red, bus"),
        ("bus", "A red, big"),
    ]
    assert guidance.without_each_word("Bus") == [("bus", "")]


def test_mistakes_are_named(dataset):
    with pytest.raises(CsalganError, match="'backwards'"):
        sentence_variants(dataset.records, ["true", "backwards"])
    with pytest.raises(CsalganError, match="none of the records has a sentence"):
        sentence_variants(dataset.records[dataset.records.condition == "none"])


# --- scores -----------------------------------------------------------------------------------


def test_a_model_that_does_not_listen_shows_no_effect(dataset, variants):
    deaf = guidance.score_variants(
        Oracle(dataset, listens=False), dataset, variants, correlate(dataset)
    )
    table = guidance.paired_differences(deaf, draws=50)
    assert set(table.variant) == set(guidance.VARIANTS) - {"true"}
    assert (table[["mean", "low", "high"]] == 0).all(axis=None)
    assert not table.excludes_zero.any()


def test_an_oracle_shows_the_effect_that_people_show(dataset, variants, scores):
    model = guidance.paired_differences(scores, draws=200)
    people = guidance.paired_differences(
        guidance.human_scores(dataset, variants, correlate(dataset)), draws=200
    )
    for name in ("swapped", "absent"):
        pd.testing.assert_frame_equal(
            model[model.variant == name].reset_index(drop=True),
            people[people.variant == name].reset_index(drop=True),
        )
    people = people[people.condition == "all"]
    cc = people[people.metric == "cc"].set_index("variant")
    assert (cc.high < 0).all()  # the simulated sentence moves gaze, so losing it must cost
    kl = people[people.metric == "kl"].set_index("variant")
    assert (kl.low > 0).all()


def test_pairs_are_formed_within_a_record():
    scores = pd.DataFrame(
        [
            ("1_3", "1", "true", 0.9), ("1_3", "1", "absent", 0.7),
            ("2_3", "2", "true", 0.1), ("2_3", "2", "absent", 0.0),
            ("3_3", "3", "true", 0.5),
        ],
        columns=["record", "image_id", "variant", "value"],
    ).assign(
        metric="cc", metric_profile="p", model="m", condition="salient", resize="r",
        epsilon=0.0, fingerprint="f",
    )  # fmt: skip
    table = guidance.paired_differences(scores, draws=100)
    row = table.iloc[0]
    table = table[table.condition == "all"]
    assert row["mean"] == pytest.approx(-0.15)
    assert (row.low, row.high) == pytest.approx((-0.2, -0.1))
    assert row.n_images == 2
    assert (row.score, row.reference) == pytest.approx((0.35, 0.5))  # 3_3 has no pair
    text = guidance.readable(table, "variant", "metric")
    assert text.loc["absent", "cc"] == "-0.150 [-0.200, -0.100]"


def test_strength_runs_from_no_sentence_to_the_sentence(dataset, told, variants, scores):
    oracle, score, key = Oracle(dataset), correlate(dataset), ["record", "metric"]
    for strength, variant in ((0, "absent"), (1, "true")):
        swept = score(oracle(told, strength=strength), told).set_index(key).value
        asked = scores[scores.variant == variant].set_index(key).value
        assert np.allclose(swept, asked[swept.index])


# --- difference maps --------------------------------------------------------------------------


def test_density_keeps_the_mean():
    big = np.random.default_rng(0).random((40, 60))
    small = exploration.density(big, 20)
    assert small.shape == (20, 20)
    assert small.mean() == pytest.approx(1)
    assert not exploration.density(np.zeros((5, 5)), 5).any()


def test_an_oracle_moves_attention_where_people_did(dataset, told):
    prepared = prepare(dataset, 32)
    moves = guidance.difference_maps(Oracle(dataset), dataset, prepared, told)
    assert all(abs(m.sum()) < 1e-6 for pair in moves.values() for m in pair)
    table = guidance.compare_differences(moves, told)
    assert (table.correlation > 0.98).all()  # the two resize the map differently, no more
    assert (table.control < table.correlation).all()
    assert np.allclose(table.predicted_share, table.measured_share, atol=0.02)
    summary = guidance.summarise_differences(table, draws=100).set_index(["condition", "measure"])
    assert summary.low["all", "correlation - control"] > 0
    deaf = guidance.difference_maps(Oracle(dataset, listens=False), dataset, prepared, told)
    still = guidance.compare_differences(deaf, told)
    assert still.correlation.isna().all()
    assert (still.predicted_share == 0).all()
    nothing = guidance.summarise_differences(still, draws=50)
    row = nothing.set_index(["condition", "measure"]).loc[("all", "correlation")]
    assert np.isnan(row["mean"])
    assert row.n_images == 0


# --- words ------------------------------------------------------------------------------------


def corner_of_bus(records, texts=None, *, strength=1.0):
    """Looks at one corner when there is a bus in the sentence, and evenly otherwise."""
    for record, text in zip(records.record, texts or records.text, strict=True):
        even = np.ones((8, 8))
        if "bus" in (text or ""):
            even[:2, :2] += 15
        yield record, even


@pytest.fixture(scope="module")
def buses():
    return pd.DataFrame(
        {
            "record": ["1_3", "2_2"],
            "image_id": ["1", "2"],
            "condition": ["salient", "non_salient"],
            "text": ["The red bus, over there.", "A dog."],
        }
    )


def test_a_word_moves_attention_to_its_place(buses, words_of):
    effects = guidance.leave_one_word_out(corner_of_bus, buses.head(1), 8)
    assert [effect.word for effect in effects] == ["the", "red", "bus", "over", "there"]
    assert [effect.is_content for effect in effects] == [False, True, True, False, False]
    for effect in effects:
        assert effect.difference.any() == (effect.word == "bus")
    bus = effects[2].difference
    assert (bus[:2, :2] > 0).all()
    assert (bus[2:] < 0).all()
    assert bus.sum() == pytest.approx(0, abs=1e-9)
    known = words_of(corner_of_bus, buses, 8)
    shares = known["shares"]
    assert shares.groupby("record").word.size().to_dict() == {"1_3": 5, "2_2": 2}
    # 4 of 64 places rise from 1 to 16: the corner holds 64 of 124 instead of 4 of 64.
    assert shares.set_index("word").share["bus"] == pytest.approx(64 / 124 - 4 / 64)
    summary = known["kinds"].set_index(["condition", "measure"])["mean"]
    assert summary["salient", "content"] == pytest.approx((64 / 124 - 4 / 64) / 2)
    assert summary["salient", "function"] == 0
    assert summary["all", "content - function"] == pytest.approx((64 / 124 - 4 / 64) / 4)


# --- models and encoders ----------------------------------------------------------------------


def test_models_are_compared_on_the_same_records(dataset, told):
    models = {"total": Oracle(dataset), "sal": Oracle(dataset, listens=False)}
    rows, score = dataset.records, correlate(dataset)
    scores = pd.concat(score(ask(rows), rows).assign(trained_on=k) for k, ask in models.items())
    gap = guidance.paired_differences(scores, by="trained_on", reference="total", draws=50)
    assert set(gap.trained_on) == {"sal"}
    cc = gap[gap.metric == "cc"].set_index("condition")
    assert cc.loc["none", "mean"] == 0  # both know free viewing
    assert cc.loc["salient", "high"] < 0


def test_models_with_other_encoders_are_asked_the_same(embedded, tmp_path, cell):
    job = open_job("smoke", str(embedded), str(tmp_path / "report"))
    trained = {}
    for name in ("none", "hashing"):
        chosen = load_profile("smoke", [f"text.encoder={name}"])
        trained[name] = job.beside(chosen, f"encoders/{name}/runs/total")
        assert trained[name].encoder.name == trained[name].provenance.encoder == name

    test = job.split.of("test", job.dataset.records)
    told = test[test.condition != "none"]
    chosen = sentence_variants(told, ["true", "other_image"])
    modules = {"exploration": exploration, "guidance": guidance, "pd": pd}
    modules["Provenance"] = Provenance
    given = {"job": job, "told": told, "variants": chosen, "evaluator": correlate(job.dataset)}
    given |= {"trained": trained, "draws": {"draws": 50, "seed": 0}}
    table = cell("05", "compared = pd.concat", **modules, **given)["compared"]
    assert (job.tables / "05_encoders.csv").is_file()
    means = table.set_index(["encoder", "measure"])["mean"]
    measures = ["cc", "other_image", "correlation - control", "recovered"]
    assert [m for e, m in means.index if e == "none"] == measures
    assert means["none", "other_image"] == means["none", "recovered"] == 0
    assert np.isnan(means["none", "correlation - control"])
    assert means["hashing", "recovered"] != 0


# --- figures ----------------------------------------------------------------------------------


def test_guidance_figures(dataset, told, variants, scores, cell):
    four = told[told.n_records == 4]
    members = dataset.records[dataset.records.image_id == four.image_id.iloc[0]]
    oracle = Oracle(dataset)
    maps = dict(oracle(members))
    drawn(draw.condition_samples(dataset, members.image_id.iloc[0], maps, model="m"))
    modules = {"base": base, "draw": draw, "exploration": exploration, "np": np}
    known = cell("05", "def pair_figure", **cell("05", "def show_differences", **modules))
    pair = partial(known["pair_figure"], dataset, members.image_id.iloc[0], "salient", name="m")
    drawn(pair(predictions=maps))
    deaf = dict(Oracle(dataset, listens=False)(members))
    fig = drawn(pair(predictions=deaf))
    moved = [ax.get_xlabel() for ax in fig.axes if "attention moved" in ax.get_xlabel()]
    assert len(moved) == 2  # measured, predicted
    assert not moved[0].startswith("0.0%")
    assert moved[1].startswith("0.0%")
