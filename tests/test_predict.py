"""``csalgan predict`` and ``csalgan.predict``: photographs in, maps, overlays and a list out."""

import os
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from damage import a_record, copy_of
from PIL import Image

import csalgan
from csalgan import prediction
from csalgan.cli import main
from csalgan.config import load_profile
from csalgan.data import make_split, open_dataset
from csalgan.evaluation import read_map
from csalgan.figures import output
from csalgan.files.errors import CsalganError
from csalgan.files.spreadsheets import read_csv
from csalgan.prediction import Predictor, weights
from csalgan.training import train

SETTINGS = ["data.size=64", "training.epochs=1", "text.encoder=hashing"]
SETTINGS += ["training.augment.sizes=[64, 96]"]


@pytest.fixture(scope="module")
def dataset(embedded):
    return open_dataset(embedded)


@pytest.fixture(scope="module")
def run(dataset, tmp_path_factory):
    """A compact model after one epoch: its maps are poor, and depend on the sentence."""
    folder = tmp_path_factory.mktemp("predict") / "run"
    return train(load_profile("best", SETTINGS), dataset, "total", folder, progress=False)


@pytest.fixture(scope="module")
def packed(run, tmp_path_factory):
    path = tmp_path_factory.mktemp("packed") / "tiny.safetensors"
    weights.pack(run, path)
    return path


@pytest.fixture
def photographs(tmp_path):
    folder = tmp_path / "photos"
    (folder / "more").mkdir(parents=True)
    draw = np.random.default_rng(0)
    for name, shape in [("one.jpg", (60, 80)), ("two.png", (90, 50)), ("more/one.jpg", (40, 40))]:
        image = draw.integers(0, 255, (*shape, 3), dtype=np.uint8)
        Image.fromarray(image).save(folder / name)
    (folder / "notes.txt").write_text("not a picture")
    return folder


def command(*arguments, monkeypatch, capsys) -> tuple[int, str, str]:
    monkeypatch.setattr(sys, "argv", ["csalgan", "predict", *map(str, arguments)])
    with pytest.raises(SystemExit) as stopped:
        main()
    said = capsys.readouterr()
    return int(stopped.value.code or 0), said.out, said.err


def test_folders_and_sentences_give_maps_overlays_sheets_and_a_list(
    run, photographs, tmp_path, monkeypatch, capsys
):
    out = tmp_path / "out"
    arguments = [photographs, "--text", "a red ball", "--text", "", "--npy"]
    arguments += ["--run", run.folder, "--out", out, "--threads", 1]
    code, said, err = command(*arguments, monkeypatch=monkeypatch, capsys=capsys)
    assert code == 0, err
    assert "left out: notes.txt" in err
    assert "threads: 1" in said
    assert "6 maps of 3 photographs" in said
    table = pd.read_csv(out / "predictions.csv", keep_default_na=False)
    assert sorted(table["map"]) == [
        f"maps/{name}-{k}.png" for name in ("more/one", "one", "two") for k in (1, 2)
    ]
    assert set(table["text"]) == {"a red ball", ""}
    assert set(table["commit"]) == {run.provenance.commit}
    assert set(table["strength"]) == {1.0}
    assert set(table["test_scales"]) == {"256+448"}
    predictor = Predictor.of_run(run)
    for name, shape in [("one", (60, 80)), ("two", (90, 50)), ("more/one", (40, 40))]:
        source = next(photographs.glob(f"{name}.*"))
        expected = predictor.predict([np.asarray(Image.open(source))], ["a red ball"])[0]
        stored = np.load(out / "arrays" / f"{name}-1.npy")
        assert stored.dtype == np.float32
        # Batched with photographs of the same square, whatever their own sizes.
        assert np.allclose(stored, expected, atol=0.02)
        with Image.open(out / "maps" / f"{name}-1.png") as picture:
            assert picture.mode == "I;16"
            assert picture.size == shape[::-1]
        assert np.allclose(read_map(out / "maps" / f"{name}-1.png") / 65535, stored, atol=1e-4)
        with Image.open(out / "overlays" / f"{name}-2.jpg") as picture:
            assert picture.size == shape[::-1]
        with Image.open(out / "sheets" / f"{name}.png") as picture:
            assert picture.width > 3 * 400
    one = np.load(out / "arrays" / "one-1.npy")
    assert not np.allclose(one, np.load(out / "arrays" / "one-2.npy"), atol=1e-4)


def test_a_datasets_predictions_are_what_evaluate_reads(
    run, dataset, tmp_path, monkeypatch, capsys
):
    out = tmp_path / "out"
    arguments = ["--data", dataset.root, "--part", "test", "--run", run.folder, "--no-overlays"]
    code, _, err = command(*arguments, "--out", out, monkeypatch=monkeypatch, capsys=capsys)
    assert code == 0, err
    assert not (out / "overlays").exists()
    capsys.readouterr()
    scores = []
    for what in (out / "maps", run.folder):
        table = tmp_path / "scores.csv"
        line = ["evaluate", what, "--data", dataset.root, "--split", "test", "--out", table]
        monkeypatch.setattr(sys, "argv", ["csalgan", *map(str, line)])
        with pytest.raises(SystemExit):
            main()
        scores.append(pd.read_csv(table).set_index(["record", "metric"])["value"].sort_index())
    # Without maps of other images there are no densities, so no KL and no IG.
    assert 0 < len(scores[0]) < len(scores[1])
    assert set(scores[0].index) < set(scores[1].index)
    cc = [table.xs("cc", level="metric") for table in scores]
    assert np.allclose(*cc, atol=2e-3)


@pytest.mark.parametrize("part", ["all", "test"])
def test_it_says_which_records_the_model_was_trained_on(
    part, run, dataset, tmp_path, monkeypatch, capsys
):
    arguments = ["--data", dataset.root, "--part", part, "--run", run.folder, "--no-overlays"]
    code, _, err = command(*arguments, "--out", tmp_path, monkeypatch=monkeypatch, capsys=capsys)
    assert code == 0, err
    split = make_split(dataset.records, rule=run.profile.data.split, seed=run.profile.split_seed)
    seen = len(split.of("train", dataset.records))
    assert seen > 0
    told = pd.read_csv(tmp_path / "predictions.csv")
    assert told["trained_on"].sum() == (seen if part == "all" else 0)
    note = f"note: {seen} of {len(dataset.records)} records show images this model was trained on"
    assert (note in err) == (part == "all")
    # Whoever scores the maps later is told, too.
    maps = ["csalgan", "evaluate", str(tmp_path / "maps"), "--data", str(dataset.root)]
    monkeypatch.setattr(sys, "argv", [*maps, "--uniform-share", "0.1", "--bootstrap", "10"])
    with pytest.raises(SystemExit):
        main()
    note = f"note: {seen} records of images that the model was trained on"
    assert (note in capsys.readouterr().out) == (part == "all")


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ([], "give photographs or folders"),
        (["PHOTOS", "--data", "x"], "one of the two"),
        (["absent.jpg"], "absent.jpg: no such file"),
        (["EMPTY"], "empty: holds no photograph"),
        (["PHOTOS/notes.txt"], "notes.txt: is not a picture"),
        (["absent.jpg", "PHOTOS/notes.txt"], "notes.txt: is not a picture"),  # all are named
        (["PHOTOS/one.jpg", "PHOTOS/more/one.jpg"], "has the same name as"),
        (["PHOTOS", "--text", "  "], "a sentence of blanks"),
        (["--data", "x", "--part", "tset"], "--part tset: use one of all"),
        (["--data", "x", "--text", "a"], "brings its own sentences"),
        (["PHOTOS", "--text", "a dog " * 40], "a sentence of 80 words"),
        (["PHOTOS", "--test-scale", "100"], "--test-scale 100: use a multiple of 32"),
        (["PHOTOS", "--run", "PHOTOS", "--weights", "x"], "--run and --weights each name a model"),
        (["PHOTOS", "--run", "nowhere"], "--run nowhere: no such folder"),
        (["PHOTOS", "--weights", "PHOTOS/notes.txt"], "notes.txt: no such weights"),
        (["PHOTOS", "--part", "test"], "--part and --subset choose records"),
        (["PHOTOS", "--weights", "nothing"], "nothing: no such weights"),
    ],
)
def test_a_mistake_is_one_sentence(
    arguments, named, run, photographs, tmp_path, monkeypatch, capsys
):
    (tmp_path / "empty").mkdir()
    places = {"PHOTOS": str(photographs), "EMPTY": str(tmp_path / "empty")}
    for word, path in places.items():
        arguments = [each.replace(word, path) for each in arguments]
    if "--run" not in arguments and "--weights" not in arguments:
        arguments = [*arguments, "--run", run.folder]
    out = tmp_path / "out"
    code, _, err = command(*arguments, "--out", out, monkeypatch=monkeypatch, capsys=capsys)
    assert code == 1
    lines = [line for line in err.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1
    assert named in lines[0]
    assert "Traceback" not in err
    assert not (out / "predictions.csv").exists()


def test_a_folder_in_use_is_left_alone(run, photographs, tmp_path, monkeypatch, capsys):
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine.txt").write_text("mine")
    arguments = [photographs / "one.jpg", "--run", run.folder, "--out", out]
    code, _, err = command(*arguments, monkeypatch=monkeypatch, capsys=capsys)
    assert code == 1
    assert "--force" in err
    code, _, _ = command(*arguments, "--force", monkeypatch=monkeypatch, capsys=capsys)
    assert code == 0
    assert (out / "maps" / "one.png").exists()
    assert (out / "mine.txt").read_text() == "mine"


def test_one_line_in_python(packed, photographs):
    path = photographs / "two.png"
    prediction.opened.cache_clear()
    found = csalgan.predict(path, "a red ball", weights=packed)
    assert found.shape == (90, 50)
    assert found.dtype == np.float32
    assert 0 <= found.min() < found.max() <= 1
    picture = Image.open(path)
    several = csalgan.predict(picture, ["a red ball", ""], weights=str(packed))
    assert np.allclose(several[0], found, atol=0.02)
    free = csalgan.predict(np.asarray(picture), weights=str(packed))
    assert np.array_equal(csalgan.predict(picture, None, weights=str(packed)), free)
    assert np.allclose(several[1], free, atol=0.02)
    silent = csalgan.predict(picture, "a red ball", weights=str(packed), strength=0.0)
    assert np.allclose(silent, free, atol=1e-3)
    assert prediction.opened.cache_info().currsize == 1
    with pytest.raises(CsalganError, match="is not a picture"):
        csalgan.predict(photographs / "notes.txt", weights=str(packed))
    with pytest.raises(CsalganError, match="a sentence of 80 words"):
        csalgan.predict(picture, "a dog " * 40, weights=str(packed))


def test_the_benchmark_of_the_command_still_runs(run, photographs, tmp_path):
    from benchmarks.predicting import rate
    from csalgan.cli.predict import _photographs

    work = _photographs([photographs / "one.jpg"], ("a red ball",))
    assert rate(work, Predictor.of_run(run), tmp_path / "out", overlays=True) > 0
    assert len(list((tmp_path / "out").rglob("one.*"))) == 2


def test_several_test_scales_are_averaged_as_densities(run):
    image = np.random.default_rng(0).integers(0, 255, (96, 96, 3), dtype=np.uint8)
    predictor = Predictor.of_run(run)
    alone = []
    for side in (64, 96):
        predictor.test_scales = (side,)
        features = predictor.encode_images([image])
        view = features[0]
        text = predictor.text_features(["a red ball"])
        with torch.inference_mode(), predictor._computing():
            alone.append(predictor.generator.read(view, text, 96)[0, 0].float().numpy())
    predictor.test_scales = (64, 96)
    both = predictor.predict([image], ["a red ball"])[0]
    mean = sum(one / one.sum() for one in alone)
    assert np.allclose(both, mean / mean.max(), atol=1e-3)


def test_an_open_picture_is_seen_as_its_file_is(packed, tmp_path):
    random = np.random.default_rng(0)
    pixels = random.integers(0, 255, (40, 70, 4), dtype=np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6
    path = tmp_path / "turned.png"
    Image.fromarray(pixels, "RGBA").save(path, exif=exif)
    with Image.open(path) as picture:
        found = csalgan.predict(picture, "a red ball", weights=packed)
    assert found.shape == (70, 40)
    assert np.array_equal(found, csalgan.predict(path, "a red ball", weights=packed))
    deep = Image.fromarray(random.integers(0, 60_000, (40, 70)).astype(np.uint16))
    with pytest.raises(CsalganError, match="has 16-bit grey pixels"):
        csalgan.predict(deep, weights=packed)


def test_a_turned_photograph_is_predicted_upright(packed, tmp_path):
    image = np.random.default_rng(0).integers(0, 255, (40, 70, 3), dtype=np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held upright: show it turned by a quarter
    Image.fromarray(image).save(tmp_path / "turned.png", exif=exif)
    assert csalgan.predict(tmp_path / "turned.png", weights=str(packed)).shape == (70, 40)


def test_long_sentences_fit_the_contact_sheet():
    image = np.zeros((50, 80, 3), np.uint8)
    long = "supercalifragilistic" * 9
    sheet = output.sheet([image] * 3, ["the photograph", long, "word " * 60], "line")
    assert sheet.height < 500


@pytest.mark.parametrize("strength", ["nan", "inf", "-inf", "1e30", "-11"])
def test_a_strength_that_is_none_is_refused(
    strength, run, photographs, tmp_path, monkeypatch, capsys
):
    out = tmp_path / "out"
    arguments = (photographs / "one.jpg", "--run", run.folder, f"--strength={strength}")
    code, _, err = command(*arguments, "--out", out, monkeypatch=monkeypatch, capsys=capsys)
    assert code == 1
    assert err.count("\n") == 1
    assert "use a number from -10 to 10" in err
    assert not out.exists()
    with pytest.raises(CsalganError, match="--strength"):
        Predictor.of_run(run).predict(
            [np.zeros((9, 9, 3), np.uint8)], [""], strength=float(strength)
        )


def test_what_fails_halfway_leaves_nothing_behind(run, photographs, tmp_path, monkeypatch, capsys):
    whole = (photographs / "two.png").read_bytes()
    (photographs / "two.png").write_bytes(whole[: len(whole) // 2])
    monkeypatch.setattr("csalgan.data.pictures.require_photograph", lambda path: 1)  # until now
    (photographs / "notes.txt").unlink(missing_ok=True)
    out = tmp_path / "out"
    arguments = (photographs, "--run", run.folder, "--out", out)
    monkeypatch.setattr("csalgan.cli.predict._BATCH", 1)
    code, _, err = command(*arguments, monkeypatch=monkeypatch, capsys=capsys)
    assert code == 1
    assert "two.png: is not a picture that can be read" in err
    assert not out.exists()
    (out / ".csalgan-left" / "maps").mkdir(parents=True)  # by one that was killed
    code, _, err = command(*arguments, monkeypatch=monkeypatch, capsys=capsys)
    assert "two.png: is not a picture" in err  # and not that the folder is in use
    assert not any(out.iterdir())
    (out / "maps").mkdir(parents=True)
    (out / "maps" / "one.png").write_bytes(b"an earlier one")
    command(*arguments, "--force", monkeypatch=monkeypatch, capsys=capsys)
    assert [path.name for path in out.rglob("*")] == ["maps", "one.png"]
    assert (out / "maps" / "one.png").read_bytes() == b"an earlier one"
    (photographs / "two.png").write_bytes(whole)
    code, _, err = command(*arguments, "--force", monkeypatch=monkeypatch, capsys=capsys)
    assert code == 0, err
    assert read_map(out / "maps" / "one.png").max() > 0
    assert {path.name for path in out.iterdir()} == {"maps", "overlays", "predictions.csv"}


def test_names_of_photographs(run, photographs, tmp_path, monkeypatch, capsys):
    pixels = (photographs / "one.jpg").read_bytes()

    def predicted(name, *texts):
        (tmp_path / name).write_bytes(pixels)
        arguments = [tmp_path / name, "--run", run.folder, "--out", tmp_path / f"out{len(texts)}"]
        arguments += [word for text in texts for word in ("--text", text)]
        code, _, err = command(*arguments, monkeypatch=monkeypatch, capsys=capsys)
        return code, err

    long = "é" * 123 + ".jpg"  # 250 bytes
    code, err = predicted(long)
    # A slow machine shows progress; nothing else is to be said.
    assert (code, [line for line in err.splitlines() if "photographs/s" not in line]) == (0, [])
    assert (tmp_path / "out0" / "maps" / f"{'é' * 123}.png").is_file()
    code, err = predicted("a" * 251 + ".jpg", "a", "b")
    assert (code, "too long" in err) == (1, True)
    code, err = predicted(os.fsdecode(b"caf\xe9.jpg"), "a", "b")
    assert (code, r"caf\udce9.jpg: not UTF-8" in err) == (1, True)
    assert not (tmp_path / "out2").exists()


def test_a_dataset_is_seen_as_its_records_are(run, embedded, tmp_path, monkeypatch, capsys):
    """Transparent pixels are dropped, not laid on white; a turned photograph is upright."""
    root = copy_of(embedded, tmp_path / "set")
    record = a_record(root, "salient")
    pixels = open_dataset(root).image(record)
    clear = np.dstack([pixels, np.where(pixels[..., :1] > 99, 255, 0).astype(np.uint8)])
    exif = Image.Exif()
    exif[0x0112] = 8
    Image.fromarray(np.rot90(clear, -1)).save(root / "image" / f"{record}.png", exif=exif)
    dataset = open_dataset(root)
    assert np.array_equal(dataset.image(record), pixels)
    arguments = ["--data", root, "--run", run.folder, "--no-overlays", "--npy"]
    code, _, err = command(
        *arguments, "--out", tmp_path / "out", monkeypatch=monkeypatch, capsys=capsys
    )
    assert code == 0, err
    rows = dataset.records[dataset.records["record"] == record]
    ((_, expected),) = Predictor.of_run(run).predict_records(dataset, rows)
    found = np.load(tmp_path / "out" / "arrays" / f"{record}.npy")
    assert found.shape == pixels.shape[:2]
    assert np.allclose(found, expected, atol=1e-5)


def test_a_sentence_in_the_list_is_text_to_a_spreadsheet(
    run, photographs, tmp_path, monkeypatch, capsys
):
    formula = '=HYPERLINK("http://example.org","a dog")'
    arguments = (photographs / "one.jpg", "--run", run.folder, "--text", formula)
    command(*arguments, "--out", tmp_path / "out", monkeypatch=monkeypatch, capsys=capsys)
    table = tmp_path / "out" / "predictions.csv"
    assert pd.read_csv(table)["text"].tolist() == [f"'{formula}"]
    assert read_csv(table)["text"].tolist() == [formula]
