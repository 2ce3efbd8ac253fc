"""The released layout, read exactly."""

import json
import shutil

import numpy as np
import pytest
from damage import a_record, copy_of, workbook
from PIL import Image

from csalgan.data import check_dataset, open_dataset
from csalgan.data.records import parse_stem, source_of
from csalgan.data.sentence_files import PARTS_SHEET, WHOLE_SHEET, read_json, read_workbook
from csalgan.files.errors import CsalganError

COLUMNS = "record image_id condition text image_path map_path fixation_path width height source"


def test_names_of_records():
    assert parse_stem("000000000109_2") == ("000000000109", "2", "non_salient")
    assert parse_stem("000000000071") == ("000000000071", "", "general")
    assert parse_stem("12345678_0") == ("12345678", "0", "none")
    for bad in ("1234567", "1234567890123", "000000000109_4", "000000000109_", "a00000000109"):
        assert parse_stem(bad) is None
    assert (source_of("000000000109"), source_of("1030041880")) == ("COCO", "Flickr30k")


def test_the_table_of_records(embedded):
    dataset = open_dataset(embedded)
    assert dataset.records.columns.tolist() == [*COLUMNS.split(), "n_records"]
    assert dataset.synthetic
    assert "synthetic, seed 0" in dataset.name
    order = dataset.records.groupby("image_id")["condition"].agg(tuple).unique().tolist()
    assert set(order) == {("none", "general"), ("none", "general", "non_salient", "salient")}
    assert (dataset.records["text"] == "").equals(dataset.records["condition"] == "none")


def test_arrays_have_the_types_and_sizes_of_the_contract(embedded):
    dataset = open_dataset(embedded)
    for record, width, height in dataset.records[["record", "width", "height"]].values.tolist():
        assert dataset.image(record).shape == (height, width, 3)
        assert dataset.map(record).shape == (height, width)
        fixations = dataset.fixations(record)
        assert fixations.dtype == np.int32
        assert fixations.shape[1] == 2
        assert (fixations >= 0).all()
        assert (fixations < [height, width]).all()
    assert dataset.image(record).dtype == dataset.map(record).dtype == np.uint8


def test_fixations_are_the_white_pixels(embedded):
    dataset = open_dataset(embedded)
    row = dataset.records.iloc[0]
    white = np.asarray(Image.open(row["fixation_path"]).convert("L")) == 255
    found = np.zeros_like(white)
    found[tuple(dataset.fixations(row["record"]).T)] = True
    assert np.array_equal(white, found)


def test_workbook_and_json_give_the_same_records(embedded, tmp_path):
    root = copy_of(embedded, tmp_path / "set")
    with_json = open_dataset(root)
    (root / "image_text.json").unlink()
    with_workbook = open_dataset(root)
    assert with_json.records["text"].tolist() == with_workbook.records["text"].tolist()
    assert with_json.fingerprint == with_workbook.fingerprint


def test_the_fingerprint_is_of_the_content_not_of_the_place(embedded, tmp_path):
    root = copy_of(embedded, tmp_path / "elsewhere")
    before = open_dataset(embedded).fingerprint
    assert open_dataset(root).fingerprint == before
    path = next((root / "map").iterdir())
    pixels = np.asarray(Image.open(path)).copy()
    pixels[0, 0] ^= 1
    Image.fromarray(pixels).save(path)
    assert open_dataset(root).fingerprint != before


def test_pictures_per_record_and_jpeg_maps_are_read(embedded, tmp_path):
    root = copy_of(embedded, tmp_path / "set")
    record = a_record(root, "salient")
    image_id = record.split("_")[0]
    shared = open_dataset(root).row(record)["image_path"]
    own = root / "image" / f"{record}.png"
    height, width = open_dataset(root).map(record).shape
    Image.new("RGBA", (width, height), (10, 20, 30, 0)).save(own)
    dataset = open_dataset(root)
    assert dataset.row(record)["image_path"] == str(own)
    assert dataset.row(f"{image_id}_0")["image_path"] != str(own)
    assert dataset.image(record)[0, 0].tolist() == [10, 20, 30]  # transparency is dropped
    assert shared != str(own)
    map_path = root / "map" / f"{record}.png"
    Image.open(map_path).convert("L").save(map_path.with_suffix(".jpg"), quality=95)
    map_path.unlink()
    assert open_dataset(root).map(record).dtype == np.uint8


def test_subsets_are_the_papers(embedded):
    dataset = open_dataset(embedded)
    four = (dataset.records["n_records"] == 4).groupby(dataset.records["image_id"]).any().sum()
    images = dataset.records["image_id"].nunique()
    sizes = {name: len(dataset.subset(name)) for name in ("total", "general", "sal", "non_sal")}
    assert sizes == {
        "total": len(dataset.records),
        "general": 2 * images,
        "sal": 2 * four,
        "non_sal": 2 * four,
    }
    with pytest.raises(CsalganError, match="subset 'foo'"):
        dataset.subset("foo")


def test_real_data_is_what_the_design_says(real):
    dataset = open_dataset(real)
    assert (dataset.records["image_id"].nunique(), len(dataset.records)) == (510, 1530)
    sizes = {name: len(dataset.subset(name)) for name in ("total", "general", "sal", "non_sal")}
    assert sizes == {"total": 1530, "general": 1020, "sal": 510, "non_sal": 510}
    assert dataset.name == "SJTU-TIS (510 images)"
    assert not dataset.synthetic
    workbook = next(real.glob("*.xlsx"))
    sentences = {k: v for k, v in read_json(real / "image_text.json").items() if v}
    assert read_workbook(workbook) == sentences
    assert dataset.row("000000021571_3")["text"].split()[1] == "dog"
    counts = [len(dataset.fixations(record)) for record in dataset.records["record"].head(40)]
    assert 100 < np.mean(counts) < 250


def test_rows_of_a_workbook_are_not_cut_off_in_silence(embedded, tmp_path, monkeypatch):
    path = next(copy_of(embedded, tmp_path / "set").glob("*.xlsx"))
    monkeypatch.setattr("csalgan.data.sentence_files._MOST_ROWS", 11)
    with pytest.raises(CsalganError, match="more than 11 rows"):
        read_workbook(path)


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        (lambda root: shutil.rmtree(root), "no such dataset"),
        (lambda root: [shutil.rmtree(p) if p.is_dir() else p.unlink() for p in root.iterdir()],
         "is empty"),
        (lambda root: shutil.rmtree(root / "map"), "there is no map/ folder"),
        (lambda root: [p.unlink() for p in (root / "map").iterdir()], "has no map file"),
        (lambda root: [p.unlink() for p in (*root.glob("*.xlsx"), root / "image_text.json")],
         "nor a workbook is there"),
        (lambda root: (root / "image_text.json").write_text("{"), "not readable as JSON"),
        (lambda root: (root / "image_text.json").write_text('{"1": "a", "1": "b"}'),
         "'1' stands there twice"),
        (lambda root: (root / "image_text.json").write_text('{"1": 3}'), "is not a sentence"),
        (lambda root: (root / "image_text.json").write_text("[]"), "must hold an object"),
        (lambda root: (root / "image_text.json").write_text("{}"), "has no sentence"),
        (lambda root: next((root / "fixation").iterdir()).unlink(), "has no fixation file"),
        (lambda root: (root / "map" / "stray.png").write_bytes(b"x"), "no record's name"),
    ],
)  # fmt: skip
def test_a_dataset_that_cannot_be_opened_is_one_sentence(embedded, tmp_path, damage, named):
    root = copy_of(embedded, tmp_path / "set")
    damage(root)
    with pytest.raises(CsalganError) as caught:
        open_dataset(root)
    assert named in str(caught.value)
    assert str(root.name) in str(caught.value) or ".json" in str(caught.value)


def test_one_corrupt_png_is_named(embedded, tmp_path):
    root = copy_of(embedded, tmp_path / "set")
    record = a_record(root, "salient")
    path = root / "map" / f"{record}.png"
    path.write_bytes(path.read_bytes()[:120])
    with pytest.raises(CsalganError, match=rf"{record}\.png: is not a picture that can be read"):
        open_dataset(root).map(record)
    with pytest.raises(CsalganError, match="no record 'x'; names are like 0"):
        open_dataset(root).map("x")


def test_workbooks_that_are_wrong_are_named(tmp_path):
    whole = [["image", "text"], [71, "A train."]]
    parts = [["image", "描述种类", "text"], [109, "整体", "A"], [109, "显著", "B"]]
    good = workbook(tmp_path / "good.xlsx", {WHOLE_SHEET: whole, PARTS_SHEET: parts})
    assert read_workbook(good) == {"71": "A train.", "109_1": "A", "109_3": "B"}
    cases = {
        "sheets": ({"Sheet1": whole}, f"'{WHOLE_SHEET}' not found"),
        "column": ({WHOLE_SHEET: [["image"], [71]], PARTS_SHEET: parts}, "'text'"),
        "kind": ({WHOLE_SHEET: whole, PARTS_SHEET: [*parts, [1, "別", "x"]]}, "another 描述种类"),
        "id": ({WHOLE_SHEET: [*whole, ["dog", "x"]], PARTS_SHEET: parts}, "'dog'  is not an image"),
        "twice": ({WHOLE_SHEET: [*whole, [71, "x"]], PARTS_SHEET: parts}, "second sentence"),
    }
    for name, (sheets, message) in cases.items():
        path = workbook(tmp_path / f"{name}.xlsx", sheets)
        with pytest.raises(CsalganError, match=message):
            read_workbook(path)
    (tmp_path / "noise.xlsx").write_bytes(b"PK\x03\x04 no workbook")
    with pytest.raises(CsalganError, match=r"noise\.xlsx: not readable as the released workbook"):
        read_workbook(tmp_path / "noise.xlsx")


def test_a_formula_is_not_evaluated(tmp_path):
    parts = [["image", "描述种类", "text"]]
    path = workbook(
        tmp_path / "f.xlsx", {WHOLE_SHEET: [["image", "text"], [71, "=1+1"]], PARTS_SHEET: parts}
    )
    assert read_workbook(path) == {"71": ""}


@pytest.mark.parametrize(
    "content",
    [b"{", b"{}", b"[]", b"3", b"[" * 100_000, b'{"a":' * 100_000, b"\xff", b'{"seed": 0}', "seed",
     "kappa", "record", "named"],
)  # fmt: skip
def test_broken_truth_is_named(content, embedded, tmp_path):
    root = copy_of(embedded, tmp_path / "set")
    path = root / "synthetic.json"
    assert json.loads(path.read_text()) == open_dataset(root).truth
    values = json.loads(path.read_text())
    image = next(iter(values["images"].values()))
    name, record = next(iter(image["records"].items()))
    match content:
        case "seed":
            values["seed"] = "0"
        case "kappa":
            del values["gaze_model"]["kappa"]["none"]
        case "record":
            del image["records"][name]
        case "named":
            record["named"] = [99]
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(values).encode())
    with pytest.raises(CsalganError, match=r"synthetic\.json: ") as refused:
        open_dataset(root)
    assert "\n" not in str(refused.value)
    assert [fault.kind for fault in check_dataset(root).faults] == ["unreadable truth"]
