"""``csalgan evaluate`` and ``compare``: anyone's maps, and a sentence for every mistake."""

import re

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from csalgan.data import make_split, open_dataset, synthesise
from csalgan.evaluation import COLUMNS, read_map
from csalgan.files.errors import CsalganError


@pytest.fixture(scope="module")
def dataset(embedded):
    return open_dataset(embedded)


@pytest.fixture(scope="module")
def maps(dataset, tmp_path_factory):
    """A prediction of every record, in every format and at several sizes."""
    folder = tmp_path_factory.mktemp("maps") / "blobs"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for k, row in enumerate(dataset.records.itertuples()):
        height, width = (row.height, row.width) if k % 2 else (30, 40)
        y, x = np.mgrid[:height, :width] / [[[height]], [[width]]]
        centre = rng.uniform(0.4, 0.6, 2)
        values = np.exp(-((y - centre[0]) ** 2 + (x - centre[1]) ** 2) / 0.05)
        levels = np.rint(values * 255).astype(np.uint8)
        if k % 4 == 0:
            np.save(folder / f"{row.record}.npy", values.astype(np.float32))
        elif k % 4 == 1:
            Image.fromarray(levels).convert("RGB").save(folder / f"{row.record}.jpg", quality=95)
        elif k % 4 == 2:
            Image.fromarray(levels).convert("RGBA").save(folder / f"{row.record}.png")
        else:
            Image.fromarray(levels).save(folder / f"{row.record}.PNG")
    return folder


def test_a_folder_of_maps_is_scored(command, maps, embedded, dataset, tmp_path):
    out = tmp_path / "deep" / "scores.csv"
    code, said, err = command(
        *("evaluate", maps, "--data", embedded, "--profile", "tuebingen,paper"),
        *("--bootstrap", 20, "--out", out),
    )
    assert (code, err) == (0, "")
    scores = pd.read_csv(out, dtype={"record": str, "image_id": str})
    assert list(scores.columns) == [*COLUMNS, "trained_on"]
    assert scores["trained_on"].isna().all()  # nobody knows
    assert set(scores["record"]) == set(dataset.records["record"])
    assert set(scores["metric_profile"]) == {"tuebingen", "paper"}
    assert set(scores["model"]) == {"blobs"}
    for word in ("none", "general", "non_salient", "salient", "total", "sal", "non_sal", "sAUC"):
        assert word in said
    auc = scores.query("metric == 'auc' and metric_profile == 'tuebingen' and condition == 'none'")
    assert f"{auc['value'].mean():.3f} [" in said
    assert list(out.parent.iterdir()) == [out]


def test_part_subset_and_baselines_are_chosen(command, maps, embedded, dataset, tmp_path):
    out = tmp_path / "s.csv"
    code, said, err = command(
        *("evaluate", maps, "--data", embedded, "--subset", "sal", "--split", "test"),
        *("--seed", 3, "--baselines", "--bootstrap", 20, "--out", out),
    )
    assert (code, err) == (0, "")
    scores = pd.read_csv(out, dtype={"record": str, "image_id": str})
    split = make_split(dataset.records, seed=3)
    expected = set(split.of("test", dataset.subset("sal"))["record"])
    assert set(scores.loc[scores["model"] == "blobs", "record"]) == expected
    assert set(scores["model"]) == {
        *("blobs", "uniform", "center", "mean_map", "free_viewing"),
        *("split_half", "split_half_corrected"),
    }
    assert "mean training map" in said
    assert set(scores["seed"]) == {3}


def test_every_faulty_prediction_is_named(command, maps, embedded, dataset, tmp_path):
    folder = tmp_path / "faulty"
    folder.mkdir()
    names = dataset.records["record"].tolist()
    size = (20, 30)
    Image.fromarray(np.arange(600, dtype=np.uint16).reshape(size)).save(folder / f"{names[0]}.png")
    np.save(folder / f"{names[1]}.npy", np.full(size, np.nan))
    np.save(folder / f"{names[2]}.npy", np.ones(size))
    np.save(folder / f"{names[3]}.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    (folder / f"{names[4]}.png").write_bytes(b"\x89PNG broken")
    noise = np.random.default_rng(0).integers(0, 256, (*size, 3)).astype(np.uint8)
    Image.fromarray(noise).save(folder / f"{names[5]}.png")
    np.save(folder / f"{names[6]}.npy", np.ones((2, 3, 4)))
    Image.fromarray(noise[..., 0]).save(folder / "000000999999_0.png")
    (folder / "README.txt").write_text("nobody's prediction")
    code, said, err = command("evaluate", folder, "--data", embedded, "--bootstrap", 20)
    assert code == 0
    lines = err.splitlines()
    assert f"missing: {names[-1]}" in lines
    assert sum(line.startswith("missing: ") for line in lines) == len(names) - 7
    assert any(line.startswith("extra: 000000999999_0.png") for line in lines)
    assert any(line.startswith(f"NaN or infinity: {names[1]}.npy") for line in lines)
    assert any(line.startswith(f"constant: {names[2]}.npy") for line in lines)
    for k, why in (
        (3, "is no .npy file of plain numbers"),
        (4, "is not a picture that can be read"),
        (5, "is a coloured picture"),
        (6, "shape (2, 3, 4)"),
    ):
        assert any(line.startswith(f"unreadable: {names[k]}") and why in line for line in lines)
    assert "README" not in err
    assert f"3 of {len(names)} records scored" in lines[-1]
    assert "(1 NaN)" in said


def test_explain_prints_one_record_under_all_profiles(command, maps, embedded, dataset):
    record = dataset.subset("non_sal")["record"].iloc[1]
    code, said, err = command("evaluate", maps, "--data", embedded, "--explain", record)
    assert (code, err) == (0, "")
    assert said.startswith(record)
    assert re.search(r"^ +mit +tuebingen +paper$", said, re.M)
    assert re.search(r"^NSS +-?\d\.\d+ +-?\d\.\d+ +-?\d\.\d+$", said, re.M)
    assert said.count("map > 0") == 1
    code, _, err = command("evaluate", maps, "--data", embedded, "--explain", "7")
    assert code == 1
    assert "no record '7'; names are like" in err


def test_compare_tells_two_models_apart(command, maps, embedded, tmp_path):
    scores, table = tmp_path / "s.csv", tmp_path / "differences.csv"
    command(
        *("evaluate", maps, "--data", embedded, "--baselines", "--bootstrap", 20, "--out", scores)
    )
    code, said, err = command(
        *("compare", scores, scores, "--model-b", "uniform", "--bootstrap", 200, "--out", table)
    )
    assert (code, err) == (0, "")
    assert said.startswith(f"A: blobs ({scores})\nB: uniform ({scores})")
    line = next(x for x in said.splitlines() if re.match(r"CC +all ", x))
    assert "excludes zero, A is better" in line
    written = pd.read_csv(table)
    assert set(written["condition"]) >= {"all", "none", "salient"}
    assert written["a_from"].str.startswith("model: blobs · data: embedded (synthetic").all()
    assert written["b_from"].str.startswith("model: uniform · ").all()
    code, said, _ = command("compare", scores, scores, "--bootstrap", 20)
    assert code == 0
    assert "\n0 of " in said
    assert "note: " not in said
    # One image has no interval, and another split's fits are another yardstick.
    table = pd.read_csv(scores, dtype=str)
    one, other = tmp_path / "one.csv", tmp_path / "other.csv"
    table[table["image_id"] == table["image_id"].iloc[0]].to_csv(one, index=False)
    table.assign(value="0", seed="5").to_csv(other, index=False)
    code, said, _ = command("compare", one, other, "--model-a", "blobs", "--model-b", "blobs")
    assert code == 0
    assert "excludes zero" not in said
    assert said.count("one image") == 2 * int(re.search(r"\n0 of (\d+)", said)[1])
    assert "another split or seed" in said


def test_a_training_run_is_scored_like_a_folder(command, embedded, dataset, tmp_path):
    run, out = tmp_path / "run", tmp_path / "s.csv"
    common = ("--data", embedded)
    code, _, err = command("train", "--profile", "smoke", "--subset", "sal", *common, "--out", run)
    assert code == 0, err
    code, said, err = command(
        *("evaluate", run, *common, "--subset", "sal", "--bootstrap", 20, "--out", out)
    )
    assert (code, err) == (0, "")
    scores = pd.read_csv(out, dtype={"record": str, "image_id": str})
    assert set(scores["model"]) == {"paper model, sal"}
    assert set(scores["encoder"]) == {"hashing"}
    assert set(scores["test_scales"].astype(str)) == {"32"}
    seen = make_split(dataset.records).of("train", dataset.records)["image_id"]
    known = scores["image_id"].astype(str).isin(seen)
    assert scores["trained_on"].equals(known.rename("trained_on"))
    assert known.any() and not known.all()  # noqa: PT018
    code, compared, _ = command("compare", out, out, "--bootstrap", 20)
    told = f"({out}) was trained on the images of {scores.loc[known, 'record'].nunique()} records"
    assert compared.count(told) == 2
    assert len(set(scores["record"])) == len(dataset.subset("sal"))
    assert re.search(r"note: \d+ records of images that the model was trained on", said)
    assert "trained on other data" not in said
    # Images are known wherever they stand: more of the same scenes are other data.
    more = synthesise(tmp_path / "more", n_images=20)
    code, said, _ = command("evaluate", run, "--data", more, "--bootstrap", 20)
    assert code == 0
    assert re.search(r"note: \d+ records of images that the model was trained on", said)
    assert "note: the model was trained on other data" in said
    record = dataset.subset("sal")["record"].iloc[0]
    code, said, _ = command("evaluate", run, *common, "--explain", record)
    assert code == 0
    assert said.startswith(record)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--profile", "best"], "no metric profile 'best'"),
        (["--subset", "foo"], "--subset foo: use one of total, general, sal, non_sal"),
        (["--split", "dev"], "--split dev: use one of all, train, val, test"),
        (["--explain", "123"], "--explain prints one record and writes no table"),
        (["--out", "scores.txt"], "--out scores.txt: tables are CSV"),
    ],
)
def test_a_mistake_is_one_sentence(command, maps, embedded, tmp_path, arguments, named):
    out = tmp_path / "s.csv"
    code, _, err = command("evaluate", maps, "--data", embedded, "--out", out, *arguments)
    assert code == 1
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert named in err
    assert not out.exists()


def test_a_missing_or_foreign_folder_is_named(command, embedded, dataset, tmp_path):
    code, _, err = command("evaluate", tmp_path / "absent", "--data", embedded)
    assert code == 1
    assert "absent: no such folder" in err
    (tmp_path / "foreign").mkdir()
    Image.new("L", (4, 4)).save(tmp_path / "foreign" / "map.png")
    code, _, err = command("evaluate", tmp_path / "foreign", "--data", embedded)
    assert code == 1
    assert f"no prediction for any of the {len(dataset.records)} records" in err
    assert f"{dataset.records['record'].iloc[0]}.png" in err
    code, _, err = command("evaluate", tmp_path / "foreign", "--data", tmp_path / "nodata")
    assert code == 1
    assert "nodata" in err
    record = dataset.records["record"].iloc[0]
    for suffix in (".png", ".jpg"):
        Image.new("L", (4, 4)).save(tmp_path / "foreign" / (record + suffix))
    code, _, err = command("evaluate", tmp_path / "foreign", "--data", embedded)
    assert code == 1
    assert f"{record}.jpg and {record}.png are both predictions" in err


def test_nothing_readable_is_an_error(command, embedded, dataset, tmp_path):
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / f"{dataset.records['record'].iloc[0]}.npy").write_bytes(b"no array")
    code, _, err = command("evaluate", tmp_path / "m", "--data", embedded)
    assert code == 1
    assert "is no .npy file of plain numbers" in err
    assert err.splitlines()[-1].startswith("error: ")


def test_a_table_is_never_written_over_what_is_read(command, maps, embedded, tmp_path):
    sentences = (embedded / "scores.csv", embedded / "fixation" / "scores.csv")
    for out in sentences:
        code, _, err = command("evaluate", maps, "--data", embedded, "--out", out)
        assert code == 1
        assert f"{embedded} is read here" in err
        assert not out.exists()
    scores = tmp_path / "scores.csv"
    some = ("evaluate", maps, "--data", embedded, "--split", "test", "--bootstrap", 20)
    assert command(*some, "--out", scores)[0] == 0
    before = scores.read_bytes()
    code, _, err = command("compare", scores, scores, "--out", scores)
    assert code == 1
    assert "scores.csv is read here" in err
    assert scores.read_bytes() == before
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    for call in (("evaluate", maps, "--data", loop), ("compare", loop, scores)):
        code, _, err = command(*call, "--out", tmp_path / "other.csv")
        assert code == 1
        assert err.startswith("error: ")


def test_compare_names_the_file_it_cannot_use(command, maps, embedded, tmp_path):
    good, other, bad = (tmp_path / name for name in ("good.csv", "other.csv", "bad.csv"))
    command(
        *("evaluate", maps, "--data", embedded, "--split", "test", "--bootstrap", 20),
        *("--out", good),
    )
    table = pd.read_csv(good, dtype=str)
    table.assign(fingerprint="0123456789ab").to_csv(other, index=False)
    bad.write_text("a,b\n1,2\n")
    for b, named in (
        (tmp_path / "absent.csv", "absent.csv: no such file"),
        (bad, "bad.csv: has no column record"),
        (other, "come from different datasets"),
        (maps, "scores.csv: no such file"),
    ):
        code, _, err = command("compare", good, b)
        assert code == 1
        assert named in err
        assert err.startswith("error: ")
        assert err.count("\n") == 1
    parts = pd.concat([table.assign(subset=name) for name in ("total", "sal")])
    parts.to_csv(tmp_path / "parts.csv", index=False)
    code, _, err = command("compare", tmp_path / "parts.csv", good)
    assert code == 1
    assert "twice for blobs; keep one subset (--subset)" in err
    code, _, err = command("compare", tmp_path / "parts.csv", tmp_path / "parts.csv")
    assert code == 1
    both = (tmp_path / "parts.csv", tmp_path / "parts.csv", "--bootstrap", 20)
    assert command("compare", *both, "--subset", "sal")[0] == 0
    code, _, err = command("compare", *both, "--subset", "foo")
    assert code == 1
    assert "--subset foo: " in err
    (tmp_path / "empty.csv").write_text("")
    code, _, err = command("compare", good, tmp_path / "empty.csv")
    assert code == 1
    assert "empty.csv: cannot be read as CSV" in err


def test_maps_are_read_as_they_are(tmp_path):
    deep = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    Image.fromarray(deep).save(tmp_path / "deep.png")
    assert np.array_equal(read_map(tmp_path / "deep.png"), deep)
    np.save(tmp_path / "channel.npy", deep[None].astype(np.float32))
    assert read_map(tmp_path / "channel.npy").shape == (256, 256)
    grey = np.arange(256, dtype=np.uint8).reshape(16, 16)
    Image.fromarray(grey).convert("P").save(tmp_path / "palette.png")
    assert np.array_equal(read_map(tmp_path / "palette.png"), grey)
    whole = (tmp_path / "channel.npy").read_bytes()
    (tmp_path / "cut.npy").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CsalganError, match=r"cut\.npy: .* cut short"):
        read_map(tmp_path / "cut.npy")
    np.save(tmp_path / "words.npy", np.array([["a"]]))
    with pytest.raises(CsalganError, match=r"words\.npy: holds <U1 values"):
        read_map(tmp_path / "words.npy")
    np.save(tmp_path / "complex.npy", np.ones((2, 2), complex))
    with pytest.raises(CsalganError, match=r"complex\.npy: holds complex128 values"):
        read_map(tmp_path / "complex.npy")
