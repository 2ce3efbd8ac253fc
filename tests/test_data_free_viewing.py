"""Datasets of free viewing with known observers: OSIE, Scene500, and what pysaliency wrote."""

import shutil

import h5py
import numpy as np
import pytest
from gaze_sets import photograph, write_hdf5, write_osie, write_scene500
from PIL import Image
from scipy.io import savemat
from scipy.ndimage import gaussian_filter

from csalgan.data import check_dataset, make_split, open_dataset, prepare, require_clean
from csalgan.files.errors import CsalganError


@pytest.fixture(scope="module")
def osie(tmp_path_factory):
    root = tmp_path_factory.mktemp("osie") / "set"
    return root, write_osie(root)


def test_osie_becomes_the_same_table_of_records(osie, embedded):
    dataset = open_dataset(osie[0])
    assert dataset.records.columns.tolist() == open_dataset(embedded).records.columns.tolist()
    assert dataset.records["record"].tolist() == [str(1001 + k) for k in range(6)]
    assert (dataset.records["condition"] == "none").all()
    assert (dataset.records["text"] == "").all()
    assert dataset.name == "OSIE (6 images)"
    assert dataset.has_observers
    assert not dataset.has_sentences
    assert not dataset.synthetic
    assert len(dataset.subset("general")) == 6
    assert dataset.subset("sal").empty


def test_osie_counts_from_1_and_loses_each_viewers_first_fixation(osie):
    dataset = open_dataset(osie[0])
    for record, looked in zip(dataset.records["record"], osie[1], strict=True):
        found, who = dataset.fixations(record), dataset.observers(record)
        assert found.dtype == who.dtype == np.int32
        for number, trial in enumerate(looked):
            expected = np.floor(trial[1:] + 0.5) - 1
            assert np.array_equal(found[who == number], expected)
        assert len(found) == sum(max(len(trial) - 1, 0) for trial in looked)


def test_a_map_is_the_fixations_blurred_by_one_degree(osie):
    dataset = open_dataset(osie[0])
    counts = np.zeros((60, 80))
    np.add.at(counts, tuple(dataset.fixations("1003").T), 1)
    expected = gaussian_filter(counts, 24, mode="constant", truncate=3.5)
    found = dataset.map("1003")
    assert found.dtype == np.uint8
    assert np.abs(found - 255 * expected / expected.max()).max() < 0.51


def test_it_splits_and_packs(osie):
    dataset = open_dataset(osie[0])
    split = make_split(dataset.records, seed=0)
    assert sum(map(len, (split.train, split.val, split.test))) == 6
    prepared = prepare(dataset, 32)
    assert prepared.maps.shape == (6, 32, 32)
    assert np.array_equal(prepared.fixations(2), dataset.fixations("1003"))


def test_the_fingerprint_knows_gaze_and_photographs(osie, tmp_path):
    before = open_dataset(osie[0]).fingerprint
    root = shutil.copytree(osie[0], tmp_path / "set")
    assert open_dataset(root).fingerprint == before
    photograph(root / "data" / "stimuli" / "1002.jpg", (60, 80), np.random.default_rng(9))
    changed = open_dataset(root).fingerprint
    write_osie(root / "other", seed=1)
    shutil.move(root / "other/data/eye/fixations.mat", root / "data/eye/fixations.mat")
    assert len({before, changed, open_dataset(root).fingerprint}) == 3


def test_an_archive_one_folder_deep(osie, tmp_path):
    archive = shutil.make_archive(str(tmp_path / "osie"), "zip", osie[0].parent)
    assert open_dataset(archive).fingerprint == open_dataset(osie[0]).fingerprint


def test_the_check_knows_it(osie, tmp_path):
    report = check_dataset(osie[0])
    assert report.faults == []
    assert report.records["record"].tolist() == open_dataset(osie[0]).records["record"].tolist()
    require_clean(open_dataset(osie[0]))
    root = shutil.copytree(osie[0], tmp_path / "set")
    path = root / "data" / "stimuli" / "1002.jpg"
    path.write_bytes(path.read_bytes()[:-200])
    assert [(f.file, f.kind) for f in check_dataset(root).faults] == [
        ("data/stimuli/1002.jpg", "unreadable file")
    ]
    path.unlink()
    assert [(f.file, f.message) for f in check_dataset(root).faults] == [
        ("data/stimuli/1002.jpg", "no such file; check the path")
    ]


def _cell(**viewer):
    subjects = np.empty((1, 1), object)
    subjects[0, 0] = {"fix_x": [5.0, 6.0], "fix_y": [5.0, 6.0]} | viewer
    cell = np.empty((1, 1), object)
    cell[0, 0] = {"img": "1001.jpg", "subjects": subjects}
    return cell


@pytest.mark.parametrize(
    ("fixations", "named"),
    [
        (np.zeros((3, 3)), "is not as released"),
        (np.array([[{"img": "1001.jpg"}]], object), "is not as released"),
        (np.array([[{"img": 3, "subjects": 4}]], object), "is not as released"),
        (
            np.array([[{"img": "../a.jpg", "subjects": 4}]], object),
            "called '../a.jpg'",
        ),
        (_cell(fix_x="left"), "is not as released"),
        (_cell(fix_x=[1.0, np.nan]), "numbers that are not finite"),
        (_cell(fix_x=[1.0, 2.0, 3.0]), "is not as released"),
        (_cell(fix_x=[1.0, 900.0]), "outside it, at row 5, column 899"),
        (_cell(fix_x=[1.0], fix_y=[1.0]), "holds no fixation on any image"),
    ],
)
def test_gaze_that_is_not_as_released_is_one_sentence(osie, tmp_path, fixations, named):
    root = shutil.copytree(osie[0], tmp_path / "set")
    savemat(root / "data" / "eye" / "fixations.mat", {"fixations": fixations})
    with pytest.raises(CsalganError) as caught:
        open_dataset(root)
    assert named in str(caught.value)
    assert "fixations.mat" in str(caught.value)
    assert [fault.kind for fault in check_dataset(root).faults] == ["not as released"]


def test_a_damaged_mat_file_is_one_sentence(osie, tmp_path):
    root = shutil.copytree(osie[0], tmp_path / "set")
    path = root / "data" / "eye" / "fixations.mat"
    whole = path.read_bytes()
    for content in (b"", b"x" * 500, whole[:300], whole[: len(whole) // 2]):
        path.write_bytes(content)
        with pytest.raises(CsalganError, match="fixations.mat"):
            open_dataset(root)
    savemat(path, {"other": np.zeros(3)})
    with pytest.raises(CsalganError, match="with the variable fixations"):
        open_dataset(root)


@pytest.fixture(scope="module")
def scene500(tmp_path_factory):
    root = tmp_path_factory.mktemp("scene") / "set"
    return root, write_scene500(root)


def test_scene500_has_rows_first_and_one_blur_on_the_screen(scene500):
    dataset = open_dataset(scene500[0])
    assert dataset.name == "Scene500 (3 images)"
    assert dataset.records[["record", "height", "width"]].to_numpy().tolist() == [
        ["001", 48, 64],
        ["002", 48, 48],
        ["003", 80, 48],
    ]
    for record, looked in zip(dataset.records["record"], scene500[1], strict=True):
        found, who = dataset.fixations(record), dataset.observers(record)
        for number, trial in enumerate(looked):
            assert np.array_equal(found[who == number], np.floor(trial[1:]))
    # 8 of 256 pixels where the height of the screen is filled: all three are less than 16 : 9.
    for record, height in (("001", 48), ("002", 48), ("003", 80)):
        counts = np.zeros(dataset.map(record).shape)
        np.add.at(counts, tuple(dataset.fixations(record).T), 1)
        expected = gaussian_filter(counts, height / 32, mode="constant", truncate=3.5)
        assert np.abs(dataset.map(record) - 255 * expected / expected.max()).max() < 0.51


def _cells(shape, each):
    cells = np.empty(shape, object)
    for place in np.ndindex(shape):
        cells[place] = each
    return cells


@pytest.mark.parametrize(
    ("name", "content", "named"),
    [
        ("fixations", np.empty((3, 0)), "holds no fixation on any image"),
        ("fixations", _cells((2, 3), np.zeros((2, 4))), "is not as released"),
        ("fixations", _cells((3, 1), np.zeros((2, 3))), "for 4 columns of numbers"),
        ("imgInfo", {"sizes": 3}, "is not as released"),
        ("imgInfo", {"size": np.full((3, 2), 50)}, "001.jpg: is not 50 × 50"),
    ],
)
def test_scene500_that_is_not_as_released_is_one_sentence(scene500, tmp_path, name, content, named):
    root = shutil.copytree(scene500[0], tmp_path / "set")
    savemat(root / "data" / "tidy" / f"{name}.mat", {name: content})
    with pytest.raises(CsalganError) as caught:
        open_dataset(root)
    assert named in str(caught.value)


@pytest.mark.parametrize("fixations", ["FixationTrains", "ScanpathFixations", "Fixations"])
def test_what_pysaliency_wrote(tmp_path, fixations):
    rows = write_hdf5(tmp_path / "MIT", fixations=fixations)
    dataset = open_dataset(tmp_path / "MIT")
    names = ["Art_001", "Art_002", "Inside_001"]
    # Nobody looked at the second image: it has no record.
    assert dataset.records["record"].tolist() == [names[0], names[2]]
    assert dataset.name == "MIT (2 images)"
    for k, who, trial in rows:
        found = dataset.fixations(names[k])[dataset.observers(names[k]) == who]
        assert np.array_equal(found, np.floor(trial))  # none is left out
    for record, size in ((names[0], (40, 60)), (names[2], (60, 40))):
        assert dataset.image(record).shape == (*size, 3)
        assert dataset.map(record).shape == size
    assert check_dataset(tmp_path / "MIT").faults == []
    assert prepare(dataset, 16).maps.shape == (2, 16, 16)


def test_one_of_several_parts_is_opened_by_its_file(tmp_path):
    write_hdf5(tmp_path / "SALICON", suffix="_train")
    write_hdf5(tmp_path / "SALICON", suffix="_val", seed=1)
    parts = [open_dataset(tmp_path / "SALICON" / f"fixations_{p}.hdf5") for p in ("train", "val")]
    assert parts[0].fingerprint != parts[1].fingerprint
    assert check_dataset(parts[1].root).faults == []
    require_clean(parts[1])
    with pytest.raises(CsalganError, match="fixations_val.hdf5; give one of these files"):
        open_dataset(tmp_path / "SALICON")
    # Of each kind of gaze, pysaliency keeps the fixations alone in a folder of its own.
    own = tmp_path / "SALICON2017_fixations" / "fixations_train.hdf5"
    own.parent.mkdir()
    (tmp_path / "SALICON" / "fixations_train.hdf5").rename(own)
    records = open_dataset(own).records
    assert records["image_id"].tolist() == parts[0].records["image_id"].tolist()
    assert records["image_path"].tolist() == parts[0].records["image_path"].tolist()


def test_gaze_that_is_too_much_is_said_to_be(tmp_path, monkeypatch):
    write_hdf5(tmp_path)
    monkeypatch.setattr("csalgan.data.hdf5.MOST_ARRAY", 50)
    with pytest.raises(CsalganError, match="fixations.hdf5: its train_ys has 0.0 GiB, more than"):
        open_dataset(tmp_path)


def test_observers_may_have_names(tmp_path):
    rows = write_hdf5(tmp_path, fixations="Fixations")
    with h5py.File(tmp_path / "fixations.hdf5", "r+") as file:
        names = np.array([f"viewer {number}".encode() for number in file["subjects"]])
        del file["subjects"]
        file["subjects"] = names
    dataset = open_dataset(tmp_path)
    told = np.unique(np.concatenate([dataset.observers(r) for r in dataset.records["record"]]))
    assert told.tolist() == list(range(len({who for _, who, _ in rows})))


def test_fixations_outside_the_image_are_left_out(tmp_path):
    rows = write_hdf5(tmp_path, fixations="Fixations")
    with h5py.File(tmp_path / "fixations.hdf5", "r+") as file:
        file["x"][0], file["y"][1] = -0.5, 1000
    dataset = open_dataset(tmp_path)
    count = sum(len(dataset.fixations(record)) for record in dataset.records["record"])
    assert count == sum(len(trial) for _, _, trial in rows) - 2


def _spoil(root, change):
    names = (root / "stimuli.hdf5", root / "fixations.hdf5")
    with h5py.File(names[0], "r+") as stimuli, h5py.File(names[1], "r+") as fixations:
        change(stimuli, fixations)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda s, f: f.attrs.update(type="Stimuli"), "fixations.hdf5: holds Stimuli, not fix"),
        (lambda s, f: s.attrs.update(type="Fixations"), "stimuli.hdf5: holds Fixations, not sti"),
        (lambda s, f: f.attrs.clear(), "fixations.hdf5: is not as released"),
        (lambda s, f: f.pop("train_xs"), "train_xs is missing or a link"),
        (lambda s, f: f["train_ns"].write_direct(np.full(len(f["train_ns"]), 9)),
         "has fixations on image 9, but stimuli.hdf5 holds 3"),
        (lambda s, f: s["filenames"].write_direct(np.array(["../a.jpg"] * 3, object)),
         "names the photograph '../a.jpg' outside its folder"),
    ],
)  # fmt: skip
def test_hdf5_that_is_not_pysaliencys_is_one_sentence(tmp_path, change, named):
    write_hdf5(tmp_path)
    _spoil(tmp_path, change)
    with pytest.raises(CsalganError) as caught:
        open_dataset(tmp_path)
    assert named in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_damaged_hdf5_file_is_one_sentence(tmp_path):
    write_hdf5(tmp_path)
    whole = (tmp_path / "stimuli.hdf5").read_bytes()
    for content in (b"", b"x" * 500, whole[: len(whole) // 2]):
        (tmp_path / "stimuli.hdf5").write_bytes(content)
        with pytest.raises(CsalganError, match="stimuli.hdf5: is not as released"):
            open_dataset(tmp_path)
    (tmp_path / "stimuli.hdf5").unlink()
    with pytest.raises(CsalganError, match="fixations.hdf5: there is no stimuli.hdf5 beside it"):
        open_dataset(tmp_path)


def test_pixels_may_be_in_the_file(tmp_path):
    write_hdf5(tmp_path, stimuli="Stimuli")
    dataset = open_dataset(tmp_path)
    with h5py.File(tmp_path / "stimuli.hdf5") as file:
        for name in dataset.records["image_id"]:
            seen = np.atleast_3d(file[name][...])[..., :3]
            assert np.array_equal(dataset.image(name), np.broadcast_to(seen, (*seen.shape[:2], 3)))
    with h5py.File(tmp_path / "stimuli.hdf5", "r+") as file:
        del file["1"]
        file["1"] = np.zeros((4, 4))
    with pytest.raises(CsalganError, match="stimulus 1 is float64"):
        open_dataset(tmp_path)


def test_unknown_observers_are_said(embedded):
    dataset = open_dataset(embedded)
    assert not dataset.has_observers
    with pytest.raises(CsalganError, match="does not say who made a fixation"):
        dataset.observers(dataset.records["record"][0])


@pytest.mark.real
def test_osie_as_released(shared):
    dataset = open_dataset(shared("osie"))
    records = dataset.records["record"]
    assert len(records) == 700
    viewers = np.array([np.bincount(dataset.observers(r), minlength=15) for r in records])
    assert viewers.shape == (700, 15)
    assert viewers.sum() == 98321 - 700 * 15  # all but the first of each
    assert dataset.image("1700").shape == (600, 800, 3)
    assert Image.open(dataset.row("1700")["image_path"]).getexif().get(274) in (None, 1)


@pytest.mark.real
def test_scene500_as_released(shared):
    dataset = open_dataset(shared("scene500"))
    records = dataset.records["record"]
    assert len(records) == 500
    viewers = np.array([np.bincount(dataset.observers(r), minlength=12) for r in records])
    assert viewers.shape == (500, 12)
    assert viewers.sum() == 43894 - 5948  # all but the first of each trial that has one
    assert dataset.row("500")[["height", "width"]].tolist() == list(dataset.map("500").shape)
