"""Scores with their provenance: the right truth, the right negatives, the right intervals."""

import math
import threading

import numpy as np
import pandas as pd
import pytest
from toy_gaze import Toy, ToySplit

from csalgan import evaluation, prediction
from csalgan.data import make_split, open_dataset
from csalgan.data.records import SUBSETS
from csalgan.evaluation import baselines
from csalgan.files.errors import CsalganError
from csalgan.files.provenance import Provenance, commit
from csalgan.files.spreadsheets import write_csv
from csalgan.metrics import PROFILES, profile_info, score
from csalgan.metrics.maps import resize

SHARE = 0.25  # of the mass of every map, in these tests


def subsets(dataset):
    return {name: dataset.subset(name) for name in SUBSETS}


@pytest.fixture(scope="module")
def toy():
    return Toy()


@pytest.fixture(scope="module")
def evaluator(toy):
    return evaluation.Evaluator(toy, ToySplit(toy), metric_profiles=PROFILES, seed=4)


@pytest.fixture(scope="module")
def scores(toy, evaluator):
    return evaluator(noisy(toy), model="noisy", share=SHARE)


def noisy(toy, seed=0, size=(12, 16)):
    rng = np.random.default_rng(seed)
    for record in toy.records["record"]:
        yield record, rng.random(size)


# --- scoring ----------------------------------------------------------------------------------


def test_every_row_carries_its_provenance(scores, toy):
    assert list(scores.columns) == list(evaluation.COLUMNS)
    expected = sum(len(profile_info(p).metrics) for p in PROFILES) * len(toy.records)
    assert len(scores) == expected
    assert set(scores["fingerprint"]) == {toy.fingerprint[:12]}
    assert set(scores["seed"]) == {4}
    assert set(scores["split"]) == {"image, seed 0"}
    for profile in PROFILES:
        rows = scores[scores["metric_profile"] == profile]
        assert set(rows["resize"]) == {profile_info(profile).resize}
    kl = scores[(scores["metric"] == "kl") & (scores["metric_profile"] == "tuebingen")]
    assert set(kl["epsilon"]) == {1e-20}
    assert scores.loc[scores["metric"] == "cc", "epsilon"].isna().all()


def test_n_counts_fixations_or_pixels(scores, toy):
    record = "000000000002_3"
    mine = scores[scores["record"] == record].set_index(["metric_profile", "metric"])["n"]
    assert mine["tuebingen", "nss"] == len(toy.fixations(record))
    assert mine["tuebingen", "cc"] == toy.map(record).size
    assert mine["paper", "nss"] == 256 * 256


def test_values_are_those_of_score(scores, toy, evaluator):
    record, prediction = list(noisy(toy))[5]
    center = evaluator.inputs(evaluator.truth(record), "tuebingen")["center_bias"]
    image_id = toy.row(record)["image_id"]
    condition = toy.row(record)["condition"]
    shape = toy.map(record).shape
    negatives = evaluator.pool.negatives(image_id, shape, condition=condition)
    expected = score(
        prediction,
        fixations=toy.fixations(record),
        saliency_map=toy.map(record),
        negatives=negatives,
        center_bias=center,
        uniform_share=SHARE,
    )
    mine = scores[(scores["record"] == record) & (scores["metric_profile"] == "tuebingen")]
    assert dict(zip(mine["metric"], mine["value"], strict=True)) == pytest.approx(expected)


def rows_apart(images: int = 8):
    """Each image's gaze lies in a row of its own, so a negative tells which image it is from."""
    toy = Toy(images)
    number = {image: k for k, image in enumerate(sorted(toy.records["image_id"].unique()))}
    toy.records = toy.records.assign(height=24, width=32)
    for row in toy.records.itertuples():
        toy._maps[row.record] = np.ones((24, 32), np.uint8)
        toy._maps[row.record][0, 0] = 2
        columns = np.arange(10, dtype=np.int32)
        toy._fixations[row.record] = np.stack([np.full(10, number[row.image_id]), columns], axis=1)
    return toy, number


def test_negatives_are_of_ten_other_images_in_mit_and_of_all_in_tuebingen():
    toy, number = rows_apart(images=24)
    evaluator = evaluation.Evaluator(toy, ToySplit(toy))
    for row in toy.records[toy.records["condition"] == "salient"].itertuples():
        seen = {}
        for profile in ("mit", "tuebingen"):
            given = evaluator.inputs(evaluator.truth(row.record), profile)
            seen[profile] = set(given["negatives"][:, 0].tolist())
        assert (len(seen["mit"]), len(seen["tuebingen"])) == (10, 11)
        assert number[row.image_id] not in seen["tuebingen"] | seen["mit"]


def test_negatives_never_come_from_another_condition_of_the_same_image():
    toy, number = rows_apart()
    evaluator = evaluation.Evaluator(toy, ToySplit(toy), seed=1)
    pooled = evaluation.Evaluator(toy, ToySplit(toy), seed=1, controls="pooled")
    for row in toy.records.itertuples():
        truth = evaluator.truth(row.record)
        others = toy.records[toy.records["image_id"] != row.image_id]
        same = others[others["condition"] == row.condition]
        for profile in ("tuebingen", "mit"):
            given = evaluator.inputs(truth, profile)
            seen = set(given["negatives"][:, 0].tolist())
            assert seen <= {number[image] for image in same["image_id"]}
        every = evaluator.inputs(truth, "tuebingen")
        assert len(every["negatives"]) == 10 * len(same)
        every = pooled.inputs(truth, "tuebingen")
        assert len(every["negatives"]) == 10 * len(others)


def test_controls_come_from_the_same_condition_and_stand_in_the_provenance(toy, evaluator, scores):
    controls = scores.groupby(["metric_profile", "metric"])["controls"].agg(set)
    assert controls["tuebingen", "sauc"] == controls["tuebingen", "ig"] == {"same condition"}
    assert controls["tuebingen", "cc"] == controls["paper", "sauc"] == {""}
    pooled = evaluation.Evaluator(toy, ToySplit(toy), seed=4, controls="pooled")
    other = pooled(noisy(toy), model="noisy", share=SHARE)
    both = scores.merge(other, on=["record", "metric_profile", "metric"])
    changed = both.loc[~np.isclose(both["value_x"], both["value_y"]), "metric"]
    assert set(changed) == {"sauc", "ig"}
    with pytest.raises(CsalganError, match="sauc with another controls in the two tables"):
        evaluation.compare(scores, other)
    # Tables written before there was a choice were pooled.
    old = other.drop(columns="controls")
    assert not evaluation.compare(other, old)["excludes_zero"].any()
    with pytest.raises(CsalganError, match="controls 'mine': use one of condition, pooled"):
        evaluation.Evaluator(toy, ToySplit(toy), controls="mine")


def test_a_map_is_scored_as_a_density_only_once_it_is_made_one(toy, evaluator):
    """A map of zeros and one peak: as it is, KL and IG would be those of the ε."""
    rng = np.random.default_rng(0)

    def peaks(rows):
        for record in rows["record"]:
            values = np.zeros((12, 16))
            values[tuple(rng.integers(0, 12, 2))] = 1
            yield record, values

    plain = evaluator(peaks(toy.records))
    assert not {"kl", "ig"} & set(plain.loc[plain["metric_profile"] == "tuebingen", "metric"])
    score_them = evaluator.fitted_to(peaks)
    share = score_them.keywords["share"]
    assert 0.5 < share <= 1  # the toy's gaze is nowhere near
    table = score_them(peaks(toy.records)).query("metric_profile == 'tuebingen'")
    assert set(table.loc[table["metric"] == "kl", "uniform_share"]) == {share}
    assert table.loc[table["metric"] == "cc", "uniform_share"].isna().all()
    assert table.loc[table["metric"] == "ig_uniform", "value"].mean() > -0.2
    # The share makes the fixations it was fitted on more likely than any other would.
    gains = [
        evaluator(peaks(toy.records), share=s).query("metric == 'ig_uniform'")["value"].mean()
        for s in (share / 3, 1e-6)
    ]
    assert max(gains) < 0


def test_the_uniform_share_is_fitted_without_test_gaze(toy, evaluator):
    seen = []

    def predict(rows):
        seen.extend(rows["image_id"])
        return ((record, toy.map(record)) for record in rows["record"])

    share = evaluator.uniform_share(predict)
    assert set(seen) == set(ToySplit(toy).of("val", toy.records)["image_id"])
    assert share == evaluator.uniform_share(predict)
    assert share < 0.2  # the measured map is nearly a density of its own gaze
    assert evaluator.uniform_share(predict, toy.records.iloc[:0]) is None


def test_a_map_of_each_conditions_center_bias_scores_half_only_under_the_same_condition():
    """Gaze left in one condition and right in the other: pooled, a fixed map wins and loses."""
    toy = Toy()
    for row in toy.records.itertuples():
        rng = baselines.record_rng(row.record, 0)
        height, width = toy.map(row.record).shape
        half = rng.integers(0, width // 2, 200) + (width // 2) * (row.condition == "none")
        toy._fixations[row.record] = np.stack([rng.integers(0, height, 200), half], axis=1)
    right = {r: np.tile(np.arange(16.0), (12, 1)) for r in toy.records["record"]}
    for controls, apart in (("condition", 0.0), ("pooled", 0.2)):
        table = evaluation.Evaluator(toy, ToySplit(toy), controls=controls)(right)
        mean = table[table["metric"] == "sauc"].groupby("condition")["value"].mean()
        if apart:
            assert mean["none"] > 0.5 + apart
            assert mean["salient"] < 0.5 - apart / 2
        else:
            assert mean.to_numpy() == pytest.approx(0.5, abs=0.03)


def test_a_perfect_map_beats_noise_and_the_uniform_map_scores_nothing(toy, evaluator):
    perfect = evaluator({r: toy.map(r) for r in toy.records["record"]}, model="perfect", share=0)
    flat = evaluator.baseline("uniform", toy.records)
    mean = pd.concat([perfect, flat]).query("metric_profile == 'tuebingen'")
    mean = mean.groupby(["model", "metric"])["value"].mean()
    assert mean["perfect", "cc"] == pytest.approx(1)
    assert mean["perfect", "kl"] == pytest.approx(0, abs=1e-9)
    assert mean["uniform", "auc"] == 0.5
    assert mean["uniform", "nss"] == 0
    assert mean["uniform", "ig_uniform"] == pytest.approx(0, abs=1e-12)
    assert mean["perfect", "nss"] > 1


def test_the_same_numbers_for_any_number_of_threads(toy, scores):
    for workers in (1, 3):
        one = evaluation.Evaluator(
            toy, ToySplit(toy), metric_profiles=PROFILES, seed=4, workers=workers
        )
        pd.testing.assert_frame_equal(one(noisy(toy), model="noisy", share=SHARE), scores)


def test_predictions_are_consumed_as_they_are_scored(toy):
    """At most a few predictions are alive at once, so memory does not grow with the dataset."""
    evaluator = evaluation.Evaluator(toy, ToySplit(toy))
    alive, most, lock = set(), 0, threading.Lock()

    class Watched:
        def __init__(self, record):
            self.record = record

        def __array__(self, dtype=None, copy=None):
            with lock:
                alive.discard(self.record)
            return np.random.default_rng(0).random((8, 8))

    def source():
        nonlocal most
        for record in toy.records["record"]:
            with lock:
                alive.add(record)
                most = max(most, len(alive))
            yield record, Watched(record)

    evaluator(source())
    assert most <= 2 * 4 + 1
    assert len(toy.records) > 2 * most


def test_gaze_in_memory_is_the_gaze(toy, evaluator):
    for record in toy.records["record"]:
        assert np.array_equal(evaluator.fixations[record], toy.fixations(record))


def test_records_choose_what_is_scored(toy, evaluator):
    part = toy.subset("sal")
    chosen = evaluator(noisy(toy), part)
    assert set(chosen["record"]) == set(part["record"])


def test_provenance_of_the_model_stands_in_every_row(toy):
    provenance = Provenance("toy", "ab", "hashing", "smoke", 0, "abc123")
    table = evaluation.Evaluator(toy, ToySplit(toy), provenance=provenance)(noisy(toy), model="m")
    assert set(table["encoder"]) == {"hashing"}
    assert set(table["profile"]) == {"smoke"}
    assert set(table["commit"]) == {f"abc123, scored by {commit()}"}


def test_a_constant_and_a_nan_prediction_are_scored_as_the_profile_says(toy, evaluator):
    shape = toy.map("000000000000_0").shape
    bad = {"000000000000_0": np.ones(shape), "000000000000_1": np.full(shape, np.nan)}
    table = evaluator(bad).set_index(["record", "metric_profile", "metric"])["value"]
    assert table["000000000000_0", "tuebingen", "nss"] == 0
    assert math.isnan(table["000000000000_0", "mit", "nss"])
    assert table["000000000000_1"].isna().all()


def test_unknown_records_are_refused(toy, embedded):
    dataset = open_dataset(embedded)
    evaluator = evaluation.Evaluator(dataset, make_split(dataset.records))
    known = dataset.records["record"].iloc[0]
    with pytest.raises(CsalganError, match=f"no record '7'; names are like {known}"):
        evaluator({"7": np.ones((4, 4))})
    with pytest.raises(CsalganError, match=f"no record '9'; names are like {known}"):
        evaluation.explain(evaluator, "9", np.ones((4, 4)))
    with pytest.raises(CsalganError, match="no metric profile 'best'"):
        evaluation.Evaluator(toy, ToySplit(toy), metric_profiles=["best"])


def test_no_predictions_give_an_empty_table_with_the_columns(evaluator):
    assert list(evaluator({}).columns) == list(evaluation.COLUMNS)
    assert evaluator({}).empty


def test_split_half_reliability_stands_uncorrected_and_in_cc_corrected_as_well(toy, evaluator):
    both = evaluator.baseline("split_half", toy.records).set_index(
        ["record", "metric_profile", "metric"]
    )
    table = both[both["model"] == "split_half"]
    corrected = both[both["model"] == "split_half_corrected"]["value"]
    assert set(corrected.index.get_level_values("metric")) == {"cc"}
    record = "000000000004_2"
    row = toy.row(record)
    made, points, truth = baselines.halves(
        toy.fixations(record),
        (row["height"], row["width"]),
        evaluator.fitted.map_sigma,
        baselines.record_rng(record, 4),
    )
    raw = score(made, fixations=points, saliency_map=truth)
    value = table["value"]
    assert value[record, "tuebingen", "cc"] == pytest.approx(raw["cc"])
    expected = 2 * raw["cc"] / (1 + raw["cc"])
    assert corrected[record, "tuebingen", "cc"] == pytest.approx(expected)
    assert value[record, "tuebingen", "nss"] == pytest.approx(raw["nss"])
    assert table.loc[(record, "tuebingen", "nss"), "n"] == len(points)


# --- statistics -------------------------------------------------------------------------------


def tidy(values, images, **more):
    table = pd.DataFrame({"value": values, "image_id": images})
    table["record"] = [f"r{k}" for k in range(len(values))]
    fixed = {
        "condition": "none",
        "model": "m",
        "metric_profile": "tuebingen",
        "metric": "cc",
        "resize": "rule",
        "epsilon": math.nan,
        "fingerprint": "f",
    }
    return table.assign(**(fixed | more))


def test_intervals_resample_images_not_records():
    """Ten records of one image know no more than one: four copies leave the interval as it is."""
    rng = np.random.default_rng(0)
    values = rng.normal(size=50)
    images = np.arange(50)
    single = evaluation.interval(values, images, bootstrap=4000)
    copies = evaluation.interval(np.repeat(values, 4), np.repeat(images, 4), bootstrap=4000)
    assert copies == pytest.approx(single)
    naive = evaluation.interval(np.repeat(values, 4), np.arange(200), bootstrap=4000)
    assert (naive[2] - naive[1]) == pytest.approx((single[2] - single[1]) / 2, rel=0.1)


def test_the_interval_is_that_of_the_mean():
    values = np.random.default_rng(1).normal(3, 2, 400)
    mean, low, high = evaluation.interval(values, np.arange(400), bootstrap=4000)
    half = 1.96 * values.std() / 20
    # The percentiles of 4000 resamples wander by a few per cent.
    assert (mean - low, high - mean) == pytest.approx((half, half), rel=0.1)
    assert evaluation.interval(np.array([2.0]), np.array(["a"])) == (2.0, 2.0, 2.0)
    assert all(math.isnan(v) for v in evaluation.interval(np.zeros(0), np.zeros(0)))


def test_summary_leaves_undefined_values_out_and_counts_them():
    table = tidy([1.0, 3.0, math.nan], ["a", "b", "c"])
    row = evaluation.summarise(table).iloc[0]
    assert row["mean"] == 2
    assert (row["n_records"], row["n_images"], row["n_undefined"]) == (2, 2, 1)


def test_summary_keeps_the_usual_order(scores):
    table = evaluation.summarise(scores, ["model", "condition"], bootstrap=10)
    assert table["condition"].drop_duplicates().tolist() == [
        "none",
        "general",
        "non_salient",
        "salient",
    ]
    first = table[(table["condition"] == "none") & (table["metric_profile"] == "tuebingen")]
    assert first["metric"].tolist() == list(profile_info("tuebingen").metrics)


def test_subsets_overlap_as_in_the_paper(scores, toy):
    both = evaluation.with_subsets(scores, subsets(toy))
    for name in ("total", "general", "sal", "non_sal"):
        mine = both.loc[both["subset"] == name, "record"]
        assert set(mine) == set(toy.subset(name)["record"])


def test_paired_differences_find_a_shift_that_the_means_hide():
    rng = np.random.default_rng(0)
    base = rng.normal(size=60)
    images = np.repeat(np.arange(30), 2)
    a = tidy(base + 0.1 + rng.normal(size=60) * 0.05, images, model="a")
    b = tidy(base, images, model="b")
    table = evaluation.compare(a, b)
    assert table["condition"].tolist() == ["all", "none"]
    row = table.iloc[0]
    assert row["difference"] == pytest.approx(0.1, abs=0.03)
    assert row["excludes_zero"]
    assert row["better"] == "A"
    alone = evaluation.summarise(pd.concat([a, b]), ["model"])
    assert alone["low"].max() < alone["high"].min()  # unpaired, the intervals overlap


def test_less_kl_is_better_and_equal_scores_are_not_told_apart():
    a, b = (tidy([v] * 9, range(9), metric="kl") for v in (1.0, 2.0))
    assert evaluation.compare(a, b).iloc[0]["better"] == "A"
    same = evaluation.compare(a, a).iloc[0]
    assert not same["excludes_zero"]
    assert same["better"] == ""


def test_pairs_with_nan_are_left_out():
    a, b = tidy([1.0, math.nan, 2.0], "xyz"), tidy([0.0, 0.0, math.nan], "xyz")
    row = evaluation.compare(a, b).iloc[0]
    assert (row["n_records"], row["difference"]) == (1, 1.0)


def test_scores_of_other_data_or_other_rules_are_not_compared():
    a = tidy([1.0], ["x"])
    with pytest.raises(CsalganError, match=r"different datasets \(fingerprints f and g\)"):
        evaluation.compare(a, a.assign(fingerprint="g"))
    with pytest.raises(CsalganError, match="another resize in the two tables"):
        evaluation.compare(a, a.assign(resize="nearest"))
    with pytest.raises(CsalganError, match="share no record"):
        evaluation.compare(a, a.assign(record="other"))


def test_a_model_may_be_called_as_nothing_is(evaluator, tmp_path):
    record = evaluator.dataset.records["record"].iloc[0]
    scores = evaluator({record: np.eye(8)}, model="NA")
    path = write_csv(tmp_path / "scores.csv", scores)
    again = evaluation.read_scores(path)
    assert set(again["model"]) == {"NA"}
    numbers = ["value", "epsilon", "uniform_share", "n", "seed"]
    texts = again.columns.drop(numbers)
    assert again[texts].equals(scores[texts].astype(again[texts].dtypes))
    assert np.allclose(again[numbers].astype(float), scores[numbers].astype(float), equal_nan=True)


def test_one_model_is_chosen_or_asked_for():
    table = pd.concat([tidy([1.0], ["x"], model=m) for m in ("mine", "uniform", "split_half")])
    assert set(evaluation.one_model(table, None, "t.csv")["model"]) == {"mine"}
    assert set(evaluation.one_model(table, "uniform", "t.csv")["model"]) == {"uniform"}
    with pytest.raises(CsalganError, match=r"t\.csv: has no model 'yours'; it holds mine, unif"):
        evaluation.one_model(table, "yours", "t.csv")
    two = pd.concat([table, tidy([1.0], ["x"], model="other")])
    with pytest.raises(CsalganError, match=r"t\.csv: holds 2 models \(mine, other\); name one"):
        evaluation.one_model(two, None, "t.csv")
    with pytest.raises(CsalganError, match=r"t\.csv: has no column image_id"):
        evaluation.one_model(table.drop(columns="image_id"), None, "t.csv")
    again = pd.concat([table, table])
    with pytest.raises(CsalganError, match="scores record r0 twice for mine"):
        evaluation.one_model(again, None, "t.csv")


# --- tables -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def table_scores(toy, evaluator, scores):
    tables = [evaluator.baseline(b, toy.records) for b in (*baselines.BASELINES, "split_half")]
    return evaluation.with_subsets(pd.concat([scores, *tables]), subsets(toy))


def test_the_papers_numbers_are_the_papers():
    assert evaluation.PAPER_TABLE_I.at["cc", "total"] == 0.408
    assert evaluation.PAPER_TABLE_I.at["nss", "non_sal"] == 0.186
    assert evaluation.PAPER_TABLE_I.shape == (4, 4)


def test_table_one_sets_ours_beside_the_papers_and_the_baselines(table_scores):
    table = evaluation.table_one(table_scores, "tuebingen", bootstrap=20)
    assert table["metric"].drop_duplicates().tolist() == [
        *("AUC", "sAUC", "CC", "NSS"),
        *("SIM", "KL", "IG"),
    ]
    cc = table[table["metric"] == "CC"].set_index("row")
    assert cc.index[0] == "noisy"
    assert cc.at["paper, as printed", "Total"] == 0.408
    assert "mean training map" in cc.index
    assert cc.index[-2].startswith("split-half reliability: half")
    assert cc.index[-1].endswith("corrected to whole samples")
    assert not table.loc[table["metric"] != "CC", "row"].str.contains("corrected").any()
    mine = table_scores.query(
        "metric_profile == 'tuebingen' and metric == 'cc' and model == 'noisy' and subset == 'sal'"
    )
    assert cc.at["noisy", "Sal"] == pytest.approx(mine["value"].mean())
    assert cc.at["noisy", "Sal_low"] <= cc.at["noisy", "Sal"] <= cc.at["noisy", "Sal_high"]
    for data in ("embedded (synthetic, seed 0, 12 images)", "OSIE (700 images)"):
        other = table_scores.assign(data=data)
        rows = evaluation.table_one(other, "tuebingen", bootstrap=20)["row"]
        assert not rows.str.contains("paper").any()  # it is of SJTU-TIS
    paper = evaluation.table_one(table_scores, "paper", bootstrap=20)
    assert paper["metric"].drop_duplicates().tolist() == ["AUC", "sAUC", "CC", "NSS"]


def test_table_one_is_written_in_three_ways_with_its_provenance(table_scores, tmp_path):
    table = evaluation.table_one(table_scores, "tuebingen", bootstrap=20)
    provenance = Provenance("toy_set", "ab", "hashing", "smoke", 0, "abc")
    evaluation.write_table_one(tmp_path, table, "04_table_one_tuebingen", provenance)
    back = pd.read_csv(tmp_path / "04_table_one_tuebingen.csv")
    assert back["Total"].tolist() == pytest.approx(table["Total"].tolist(), rel=1e-5, nan_ok=True)
    text = (tmp_path / "04_table_one_tuebingen.md").read_text()
    assert provenance.line() in text
    assert "| **CC** | noisy |" in text
    assert "| 0.408 | 0.458 | 0.423 | 0.377 |" in text
    tex = (tmp_path / "04_table_one_tuebingen.tex").read_text()
    assert r"Non\_sal" in tex
    assert provenance.line() in tex
    assert "−" not in tex
    rows = [line for line in tex.splitlines() if line.endswith(r"\\")]
    assert {line.count(" & ") for line in rows} == {5}
    assert (tmp_path / "04_table_one_tuebingen.source.txt").read_text() == provenance.line() + "\n"


def test_table_one_says_what_it_needs(scores):
    only = scores[scores["metric_profile"] == "mit"].assign(subset="total")
    with pytest.raises(CsalganError, match="nothing of profile paper"):
        evaluation.table_one(only, "paper")


# --- explain ----------------------------------------------------------------------------------


def test_explain_shows_every_profile_and_a_reason_for_each_number(toy, evaluator, scores):
    record = "000000000000_3"
    prediction = dict(noisy(toy))[record]
    text = evaluation.explain(evaluator, record, prediction, SHARE)
    table = {line[:14].strip(): line.split() for line in text.splitlines() if "." in line[14:]}
    mine = scores[scores["record"] == record].set_index(["metric_profile", "metric"])["value"]
    for place, profile in enumerate(reversed(PROFILES), 1):
        for metric, reason in profile_info(profile).reasons.items():
            assert table[evaluation.METRIC_LABELS[metric]][-place] == f"{mine[profile, metric]:.3f}"
            assert reason.endswith(".")
            assert reason in text
    assert "the salient thing" in text
    assert "map > 0" in text
    assert "uniform share of 0.250" in text
    alone = evaluation.explain(evaluator, record, prediction)
    kl = next(line for line in alone.splitlines() if line.startswith("KL"))
    assert kl.split()[-2] == "–"  # of tuebingen
    assert "no KL and IG of tuebingen" in alone


# --- real gaze --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def real_evaluator(real):
    dataset = open_dataset(real)
    return evaluation.Evaluator(dataset, make_split(dataset.records, seed=0))


@pytest.mark.real
def test_the_mean_map_scores_what_the_design_says(real_evaluator):
    rows = real_evaluator.split.of("test", real_evaluator.dataset.records)
    table = real_evaluator.baseline("mean_map", rows)
    mean = table.groupby("metric")["value"].mean()
    # Which images are left out moves the mean by about its standard error, 0.02 and 0.05.
    assert mean["cc"] == pytest.approx(0.56, abs=0.04)
    assert mean["nss"] == pytest.approx(1.20, abs=0.1)


@pytest.mark.real
def test_the_mean_map_is_chance_in_every_condition(real_evaluator):
    """Over all images, because 38 of them move the mean of a condition by 0.03.

    At 96 × 128 pixels, which changes nothing about a map this smooth and takes seconds.
    """
    evaluator, dataset = real_evaluator, real_evaluator.dataset
    mean = resize(baselines.mean_map(dataset, dataset.records), (96, 128))
    found = {}
    for row in dataset.records.itertuples():
        places = baselines.relative(evaluator.fixations[row.record], (row.height, row.width))
        points = (places * mean.shape).astype(int)
        given = evaluator.inputs(evaluation.Truth(row.record, points, mean), "tuebingen")
        value = score(mean, metrics=["sauc"], **given)["sauc"]
        found.setdefault(row.condition, []).append(value)
    for condition, values in found.items():
        assert np.mean(values) == pytest.approx(0.5, abs=0.02), condition


# --- precision --------------------------------------------------------------------------------


@pytest.mark.real
def test_bfloat16_changes_no_printed_digit(real_evaluator, monkeypatch):
    """Means over records, which tables print with three decimals, stay within the last of them."""
    evaluator, dataset = real_evaluator, real_evaluator.dataset
    rows = evaluator.split.of("test", dataset.records)
    tables = {}
    for computed in ("bfloat16", "float32"):
        monkeypatch.setattr(prediction, "precision_of", lambda *_, computed=computed: computed)
        predictor = prediction.Predictor.open()
        evaluator.provenance = predictor.map_provenance
        maps = predictor.predict_records(dataset, rows.head(120))
        table = evaluator(maps, model="shipped", share=0.001)
        assert set(table["precision"]) == {computed}
        assert f"predicted in {computed}" in predictor.map_provenance.line()
        tables[computed] = table.groupby("metric")["value"].mean()
    gap = (tables["bfloat16"] - tables["float32"]).abs()
    assert 0 < gap.max() < 0.001, gap
