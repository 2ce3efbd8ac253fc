"""The embedded dataset: its layout, its determinism, and the truth it claims to know."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter

from csalgan.data import synthetic
from csalgan.data.pictures import FOLDERS
from csalgan.data.records import parse_stem, source_of
from csalgan.data.sentence_files import JSON_NAME
from csalgan.data.synthetic import ensure_embedded, scenes, synthesise, true_density
from csalgan.data.truth import NAME
from csalgan.files import paths
from csalgan.files.errors import CsalganError

SMALL = {"n_images": 8, "size": (96, 128), "observers": 3}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """24 images at the default size: 12 of them have four records."""
    return synthesise(tmp_path_factory.mktemp("synthetic") / "set", n_images=24, seed=3)


@pytest.fixture(scope="module")
def truth(folder) -> dict:
    return json.loads((folder / "synthetic.json").read_text(encoding="utf-8"))


def records_of(truth):
    """(record, its entry, its image's entry) for all records."""
    for image in truth["images"].values():
        for record, entry in image["records"].items():
            yield record, entry, image


def fixated(folder, record) -> np.ndarray:
    return np.array(Image.open(folder / "fixation" / f"{record}.png"))[..., 0] > 0


def digest(folder) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_files_follow_the_released_layout(folder, truth):
    expected = {record for record, _, _ in records_of(truth)}
    assert {entry.name for entry in folder.iterdir()} == {*FOLDERS, JSON_NAME, NAME}
    assert {path.name for path in (folder / "map").iterdir()} == {f"{r}.png" for r in expected}
    assert {path.name for path in (folder / "fixation").iterdir()} == {f"{r}.png" for r in expected}
    suffixes = [
        tuple(parse_stem(record).suffix for record in image["records"])
        for image in truth["images"].values()
    ]
    assert suffixes.count(("0", "1", "2", "3")) == 12
    assert suffixes.count(("0", "")) == 12
    for record, entry, _ in records_of(truth):
        assert parse_stem(record).condition == entry["condition"]
    assert {source_of(image_id) for image_id in truth["images"]} == {"COCO", "Flickr30k"}


def test_images_are_one_jpeg_each_or_one_rgba_png_per_record(folder, truth):
    kinds = []
    for image_id, image in truth["images"].items():
        files = sorted((folder / "image").glob(f"{image_id}[._]*"))
        pictures = [Image.open(path) for path in files]
        assert all(picture.size == (image["width"], image["height"]) for picture in pictures)
        if len(files) == 1:
            assert (files[0].name, pictures[0].mode) == (f"{image_id}.jpg", "RGB")
        else:
            assert [path.name for path in files] == sorted(f"{r}.png" for r in image["records"])
            assert {picture.mode for picture in pictures} == {"RGBA"}
            assert len({path.read_bytes() for path in files}) == 1
        kinds.append((len(files), image["height"] > image["width"]))
    assert {count for count, _ in kinds} == {1, 2, 4}
    assert {portrait for _, portrait in kinds} == {False, True}


def test_gaze_has_the_released_values_and_amounts(folder, truth):
    for record, _, image in records_of(truth):
        size = (image["height"], image["width"])
        marks = np.array(Image.open(folder / "fixation" / f"{record}.png"))
        saliency = np.array(Image.open(folder / "map" / f"{record}.png"))
        assert marks.shape == (*size, 3)
        assert set(np.unique(marks)) == {0, 255}
        assert 130 <= fixated(folder, record).sum() <= 195  # 15 observers of 10 to 13, less repeats
        assert (saliency.shape, saliency.dtype, saliency.max()) == (size, np.uint8, 255)


def test_the_sentences_are_those_of_the_truth(folder, truth):
    texts = json.loads((folder / "image_text.json").read_text(encoding="utf-8"))
    told = {record.lstrip("0"): entry["text"] for record, entry, _ in records_of(truth)}
    assert texts == told
    assert {key for key, text in texts.items() if not text} == {
        f"{int(image_id)}_0" for image_id in truth["images"]
    }


def test_same_seed_same_bytes_other_seed_other_pictures(tmp_path):
    one, two, other = (
        digest(synthesise(tmp_path / name, seed=seed, **SMALL))
        for name, seed in (("one", 5), ("two", 5), ("other", 6))
    )
    assert one == two
    assert not set(one.values()) & set(other.values())


def test_a_larger_set_begins_with_the_smaller_one(tmp_path):
    small = digest(synthesise(tmp_path / "small", **SMALL))
    large = digest(synthesise(tmp_path / "large", **(SMALL | {"n_images": 12})))
    gaze = {name: value for name, value in small.items() if "/" in name}
    assert gaze.items() < large.items()


def test_sentences_name_the_objects_of_the_truth(truth):
    for _record, entry, image in records_of(truth):
        roles = [image["objects"][index]["role"] for index in entry["named"]]
        if entry["condition"] == "none":
            assert (entry["text"], roles) == ("", [])
        elif entry["condition"] == "general":
            assert 2 <= len(set(entry["named"])) <= 3
        else:
            assert roles == [{"salient": "salient", "non_salient": "faint"}[entry["condition"]]]
        words = entry["text"].lower().rstrip(".").replace(",", "").split()
        for index, item in enumerate(image["objects"]):
            named = index in entry["named"]
            assert (item["colour"] in words) == named
            assert (item["shape"] in words) == named


def test_side_words_are_true_and_not_always_there(truth):
    one = [
        (entry, image)
        for _, entry, image in records_of(truth)
        if entry["condition"] in ("salient", "non_salient")
    ]
    sides = {"left", "right", "top", "bottom", "middle"}
    with_side = [pair for pair in one if sides & set(pair[0]["text"].rstrip(".,").split())]
    assert 0 < len(with_side) < len(one)
    for entry, image in one:
        y, x = image["objects"][entry["named"][0]]["center"]
        words = set(entry["text"].replace(",", "").rstrip(".").split())
        assert "left" not in words or x < image["width"] / 3
        assert "right" not in words or x > image["width"] * 2 / 3
        assert "top" not in words or y < image["height"] / 3
        assert "bottom" not in words or y > image["height"] * 2 / 3


def test_scenes_have_one_salient_object_a_faint_one_and_no_overlap(truth):
    for image in truth["images"].values():
        objects = image["objects"]
        roles = [item["role"] for item in objects]
        assert 2 <= len(objects) <= 5
        assert roles.count("salient") == 1
        assert "faint" in roles
        assert len({item["colour"] for item in objects}) == len(objects)
        assert len({item["shape"] for item in objects}) == len(objects)
        assert sum(item["salience"] for item in objects) == pytest.approx(1)
        assert max(objects, key=lambda item: item["salience"])["role"] == "salient"
        covered = np.zeros((image["height"], image["width"]), int)
        for item in objects:
            top, left, bottom, right = item["box"]
            assert 0 <= top < bottom <= image["height"]
            assert 0 <= left < right <= image["width"]
            y, x = np.mgrid[: image["height"], : image["width"]]
            covered += np.hypot(y - item["center"][0], x - item["center"][1]) < item["radius"]
        assert covered.max() == 1


@pytest.mark.parametrize("tone", scenes.TONES)
def test_every_ground_leaves_enough_colours(tone):
    mean = np.mean(scenes.TONES[tone], axis=0)
    distances = [np.linalg.norm(np.array(rgb) - mean) for rgb in scenes.COLOURS.values()]
    assert sum(distance > 0.42 + 0.05 for distance in distances) >= 5  # 0.05: what light shifts


def test_densities_sum_to_one_and_follow_the_formula(truth):
    model = truth["gaze_model"]
    for record, entry, image in records_of(truth):
        density = true_density(truth, record)
        assert density.shape == (image["height"], image["width"])
        assert density.min() > 0
        assert density.sum() == pytest.approx(1, abs=1e-9)
        image_id = parse_stem(record).image_id
        free = true_density(truth, f"{image_id}_0")
        objects = synthetic.component_densities(truth, image_id)["objects"]
        if entry["named"]:
            kappa = model["kappa"][entry["condition"]]
            mixed = (1 - kappa) * free + kappa * objects[entry["named"]].mean(0)
            np.testing.assert_allclose(density, mixed, rtol=1e-12)


def test_maps_agree_with_the_true_density(folder, truth):
    scores = []
    for record, _, _ in records_of(truth):
        saliency = np.array(Image.open(folder / "map" / f"{record}.png"), float)
        sigma = truth["gaze_model"]["map_sigma"] * max(saliency.shape)
        density = gaussian_filter(true_density(truth, record), sigma, mode="constant")
        scores.append(np.corrcoef(saliency.ravel(), density.ravel())[0, 1])
    # About 170 draws behind each map: what is missing to 1 is sampling noise.
    assert min(scores) > 0.80
    assert np.mean(scores) > 0.92


@pytest.mark.parametrize("condition", ["general", "non_salient", "salient"])
def test_pull_of_the_sentence_is_recovered_from_the_fixations(folder, truth, condition):
    """κ by moments: the rise of the share of fixations on the named objects, over the rise a pull
    of 1 would make. At least 12 records of 170 fixations each give it a standard error near 0.02;
    the tolerance of 0.08 also covers the repeats that one pixel cannot show."""
    rise = possible = 0.0
    for record, entry, image in records_of(truth):
        if entry["condition"] != condition:
            continue
        image_id = parse_stem(record).image_id
        region = np.zeros((image["height"], image["width"]), bool)
        for index in entry["named"]:
            top, left, bottom, right = image["objects"][index]["box"]
            region[top:bottom, left:right] = True
        after, before = fixated(folder, record), fixated(folder, f"{image_id}_0")
        rise += after[region].sum() / after.sum() - before[region].sum() / before.sum()
        named = synthetic.component_densities(truth, image_id)["objects"][entry["named"]].mean(0)
        possible += named[region].sum() - true_density(truth, f"{image_id}_0")[region].sum()
    assert rise / possible == pytest.approx(truth["gaze_model"]["kappa"][condition], abs=0.08)


def test_unknown_records_are_refused(truth):
    image_id = next(iter(truth["images"]))
    for record in ("000000000000_0", f"{image_id}_7", "nonsense"):
        with pytest.raises(CsalganError, match=r"synthetic\.json has no such"):
            true_density(truth, record)


def test_a_failure_leaves_the_previous_set(tmp_path, monkeypatch):
    path = synthesise(tmp_path / "set", **SMALL)
    before = digest(path)

    def fail(*_, **__):
        raise RuntimeError("the power went")

    monkeypatch.setattr("csalgan.data.synthetic.json.dumps", fail)
    with pytest.raises(RuntimeError):
        synthesise(path, seed=1, **SMALL)
    assert digest(path) == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_previous_set_is_replaced(tmp_path):
    path = synthesise(tmp_path / "set", **SMALL)
    before = digest(path)
    assert digest(synthesise(path, seed=1, **SMALL)) != before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("stranger", ["notes.txt", "image", "synthetic.json"])
def test_other_folders_are_never_overwritten(tmp_path, stranger):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / stranger).write_text("[]")
    with pytest.raises(CsalganError, match="will not be overwritten"):
        synthesise(tmp_path / "mine", **SMALL)
    assert (tmp_path / "mine" / stranger).read_text() == "[]"


def test_a_set_with_something_added_is_not_overwritten(tmp_path):
    path = synthesise(tmp_path / "set", **SMALL)
    (path / "notes.txt").write_text("keep me")
    with pytest.raises(CsalganError, match="will not be overwritten"):
        synthesise(path, **SMALL)


def test_a_file_in_the_way_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CsalganError, match="will not be overwritten"):
        synthesise(tmp_path / "file", **SMALL)


@pytest.mark.parametrize(
    "wrong", [{"n_images": 1}, {"seed": -1}, {"observers": 0}, {"size": (32, 320)}]
)
def test_arguments_out_of_range_are_refused(tmp_path, wrong):
    name, value = next(iter(wrong.items()))
    match = f"{name.removeprefix('n_')} {min(value) if name == 'size' else value}"
    with pytest.raises(CsalganError, match=match):
        synthesise(tmp_path / "set", **(SMALL | wrong))
    assert not list(tmp_path.iterdir())


def test_embedded_set_is_made_once_and_again_when_stale(monkeypatch, tmp_path):
    monkeypatch.setenv("CSALGAN_HOME", str(tmp_path))
    path = ensure_embedded(n_images=2)
    assert path.parent == paths.data_dir()
    made = (path / "synthetic.json").stat().st_mtime_ns
    assert ensure_embedded(n_images=2) == path
    assert (path / "synthetic.json").stat().st_mtime_ns == made
    monkeypatch.setattr(synthetic, "VERSION", synthetic.VERSION + 1)
    assert ensure_embedded(n_images=2) == path
    assert json.loads((path / "synthetic.json").read_text())["version"] == synthetic.VERSION
