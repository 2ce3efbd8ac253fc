"""The explorer, driven from Python: pixels change when they should, mistakes become sentences."""

import io
import re
import subprocess
import sys
import time
import zipfile
from collections import Counter
from dataclasses import replace
from threading import Event
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import csalgan
from csalgan.data import synthesise
from csalgan.experiment.job import open_job
from csalgan.explorer.page import LONGEST_SENTENCE, Explorer, Newest
from csalgan.explorer.pictures import VIEW_SIDE, Picture, read_upload, render
from csalgan.explorer.session import Measured, Model, PredictionCache, Session, on_offer
from csalgan.explorer.view import View, maps_zip, robust_limit, snapshot
from csalgan.figures import MAPS
from csalgan.files.errors import CsalganError
from csalgan.files.provenance import Provenance
from csalgan.training.run import digests


class FakePredictor:
    """Bright where the sentence's length says; counts what it is asked."""

    name = "fake model"
    cheap_to_reread = False
    reads = True
    encoder = SimpleNamespace(name="fake")
    provenance = Provenance("fake gaze", "0" * 12, "fake", "smoke", 0, "unknown")
    map_provenance = provenance.with_(precision="bfloat16", test_scales="64")

    def __init__(self, shift: int = 0):
        self.shift = shift
        self.asked = Counter()
        self.encoded = 0

    def encode_images(self, images):
        self.encoded += 1
        return "features"

    def read(self, features, texts, shapes, *, strength=1.0):
        assert features == "features"
        maps = []
        for text, (height, width) in zip(texts, shapes, strict=True):
            self.asked[text] += 1
            y, x = np.mgrid[:height, :width].astype(np.float32)
            column = (len(text) * 7 * strength + self.shift) % width
            maps.append(np.exp(-(((x - column) / 40) ** 2 + ((y - height / 2) / 40) ** 2)))
        return maps


def photograph(mode: str = "RGB", size=(60, 40), form: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, size, 0).save(buffer, form, **options)
    return buffer.getvalue()


def model(predictor) -> Model:
    return Model(lambda: predictor, weights="weights")


def bring(explorer, content: bytes, name: str = "mine.png") -> None:
    """What the browser sends when a photograph is chosen."""
    message = {"kind": "photograph", "name": name}
    explorer._on_photograph(explorer.photograph, message, [memoryview(content)])
    assert explorer.wait()


@pytest.fixture(scope="module")
def job(embedded, tmp_path_factory):
    return open_job("smoke", data=str(embedded), out=str(tmp_path_factory.mktemp("out")))


@pytest.fixture
def predictor():
    return FakePredictor()


@pytest.fixture
def explorer(job, predictor):
    models = {"total": model(predictor), "sal": model(FakePredictor(50))}
    return ready(Explorer(job, models=models))


def ready(explorer):
    assert explorer.wait()
    return explorer


# --- pixels -----------------------------------------------------------------------------------


def test_rendering_keeps_the_image_where_nothing_is_laid_on_it():
    image = np.full((30, 40, 3), 90, np.uint8)
    saliency = np.tile(np.linspace(0, 1, 40, dtype=np.float32), (30, 1))
    assert np.array_equal(render(image, saliency, opacity=0), image)
    half = render(image, saliency, opacity=0.8, threshold=50)
    assert np.array_equal(half[:, :20], image[:, :20])
    assert (half[:, 20:] != image[:, 20:]).any(axis=2).all()
    whole = render(image, saliency, opacity=0.8)
    assert np.array_equal(whole[:, 20:], half[:, 20:])
    dotted = render(image, saliency, opacity=0, fixations=np.array([[10.0, 20.0]]))
    assert (dotted[10, 20] == 255).all()
    assert np.array_equal(dotted[25:], image[25:])


def test_every_colour_map_offered_draws_another_picture():
    image = np.zeros((8, 8, 3), np.uint8)
    saliency = np.arange(64, dtype=np.float32).reshape(8, 8)
    drawn = {render(image, saliency, cmap=name).tobytes() for name in MAPS}
    assert len(drawn) == len(MAPS)
    with pytest.raises(CsalganError, match="jet"):
        render(image, saliency, cmap="jet")
    with pytest.raises(CsalganError, match="threshold 101"):
        render(image, saliency, threshold=101)


def test_a_constant_map_is_drawn():
    image = np.full((8, 8, 3), 90, np.uint8)
    assert render(image, np.ones((8, 8)), threshold=90).shape == image.shape


# --- uploads ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "form"), [("RGB", "JPEG"), ("L", "JPEG"), ("P", "PNG"), ("1", "PNG")]
)
def test_photographs_of_any_kind_become_rgb(mode, form):
    picture = read_upload(photograph(mode, form=form), "x")
    assert picture.image.shape == (40, 60, 3)
    assert picture.image.dtype == np.uint8


def test_transparent_parts_lie_on_white():
    assert (read_upload(photograph("RGBA"), "x").image == 255).all()


def test_a_photograph_is_turned_upright_and_made_smaller():
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    content = photograph(size=(3000, 1500), form="JPEG", exif=exif)
    assert read_upload(content, "x").image.shape == (1024, 512, 3)


@pytest.mark.parametrize("content", [b"", b"hello", b"\x89PNG\r\n\x1a\nbroken"])
def test_what_is_no_picture_is_said_so(content):
    with pytest.raises(CsalganError, match=r"^notes.txt: is not a picture"):
        read_upload(content, "notes.txt")


def test_a_truncated_photograph_is_refused():
    content = photograph(size=(300, 300))
    with pytest.raises(CsalganError, match="is not a picture"):
        read_upload(content[: len(content) // 2], "half.png")


@pytest.mark.parametrize("side", [7000, 10000, 14000])
def test_a_huge_photograph_is_refused_before_it_is_decoded(side, monkeypatch):
    content = photograph("1", (side, side))  # a few kB that unpack to 49, 100, 196 megapixels
    monkeypatch.setattr(Image.Image, "load", lambda *_: pytest.fail("it was decoded"))
    with pytest.raises(CsalganError, match=r"huge.png: has more than 40 megapixels"):
        read_upload(content, "huge.png")


# --- answers are remembered -------------------------------------------------------------------


def test_a_model_is_asked_once_a_question(predictor):
    opened = []
    offer = {"m": Model(lambda: opened.append(1) or predictor)}
    predictors = PredictionCache(offer)
    picture = Picture("a", np.zeros((20, 30, 3), np.uint8))
    first = predictors.map("m", picture, "a dog")
    assert predictors.map("m", picture, "  a   dog ") is first
    assert not np.array_equal(predictors.map("m", picture, "a dog", 2.0), first)
    free = predictors.map("m", picture, "")
    assert predictors.map("m", picture, " ", 0.3) is free
    assert predictor.asked == {"a dog": 2, "": 1}
    assert (opened, predictor.encoded) == ([1], 1)
    assert not first.flags.writeable
    with pytest.raises(CsalganError, match="csalgan train"):
        PredictionCache({})


def test_the_share_of_a_word_is_what_moves_without_it(predictor):
    picture = Picture("a", np.zeros((20, 30, 3), np.uint8))
    predictors = PredictionCache({"m": model(predictor)})
    assert predictors.shares("m", picture, "a dog", ["dog", "a"]) == ()  # a slow one is not asked
    predictor.cheap_to_reread = True
    first, second = predictors.shares("m", picture, "a dog", ["dog", "a"])
    maps = predictor.read("features", ["a dog", "dog", "a"], [(96, 96)] * 3)
    whole, *without = [one / one.mean() for one in maps]
    expected = [np.abs(whole - one).mean() / 2 for one in without]
    assert [first, second] == pytest.approx(expected, rel=1e-4)
    assert predictors.shares("m", picture, "", []) == ()


def test_models_know_which_part_an_image_was_in(job):
    fingerprint = job.dataset.fingerprint[:12]
    here = Model(FakePredictor, data=fingerprint, split=("image", 0))
    elsewhere = here._replace(data="1" * 12)
    known = frozenset(digests(job.split.of("train", job.dataset.records)["image_id"]))
    more = elsewhere._replace(images=known)  # of data that hold these images, too
    session = Session(job, {"here": here, "elsewhere": elsewhere, "more": more})
    for part in ("train", "val", "test"):
        for image in job.split.of(part, job.dataset.records)["image_id"]:
            assert session.part("here", image) == part
            assert session.part("elsewhere", image) == "new"
            assert session.part("more", image) == ("train" if part == "train" else "new")


# --- a view -----------------------------------------------------------------------------------


@pytest.fixture
def view():
    image = np.full((30, 40, 3), 120, np.uint8)
    left, right = np.zeros((30, 40), np.float32), np.zeros((30, 40), np.float32)
    left[:, :10], right[:, 30:] = 1, 1
    answers = {"a dog": left, "it's a cat": right, "a": np.ones((30, 40), np.float32)}
    predictors = SimpleNamespace(
        map=lambda model, picture, sentence, strength: answers[sentence],
        shown=lambda picture, side: picture.image,
        predictor=lambda name: FakePredictor(),
    )
    measured = Measured("measured", left, np.array([[3, 4]]))
    return View(
        SimpleNamespace(predictors=predictors, measured=lambda record: measured),
        uploaded=Picture("p", image, "'photo.png'"),
        record="",
        sentences=("a dog", "it's a cat"),
        model="m",
        strength=1.5,
    )


def test_the_difference_is_b_minus_a_and_a_words_is_with_minus_without(view):
    assert view.difference[:, :10] == pytest.approx(-4)  # a quarter held all attention
    assert view.difference[:, 30:] == pytest.approx(4)
    panel = view.panel("difference")
    assert panel.title == "Difference: B minus A"
    assert (panel.low, panel.high[:4]) == ("−5", "+5 ×")
    assert "100 % of all attention moves, to the upper right" in panel.alt
    red, _, blue = panel.pixels[15, 35].astype(int)
    assert red > blue + 50
    red, _, blue = panel.pixels[15, 5].astype(int)
    assert blue > red + 50
    word = replace(view, active=(0, 1))
    assert word.difference[:, :10] == pytest.approx(3)
    assert word.limit == view.limit  # one scale while the pointer moves over words
    assert "because of “dog” in A" in word.panel("difference").title


def test_a_map_of_no_sentence_is_not_shown_as_one_of_a_sentence(view, monkeypatch):
    assert view.panel("A").title == "A: “a dog”"
    monkeypatch.setattr(FakePredictor, "reads", False)
    panel = view.panel("A")
    assert panel.title == "A: no sentence is read by this model"
    assert "“a dog”" not in panel.alt
    assert view.python("w").endswith("strength=1.5) for text in ['', '']]")
    same = replace(view, sentences=("a dog", "a dog"))
    assert same.panel("difference").alt == "Difference: B minus A: no attention moves."


def test_the_line_names_clips_weights_and_photographs_inside_a_file(view, monkeypatch):
    text = SimpleNamespace(clip_weights="clip.safetensors")
    view.session.job = SimpleNamespace(profile=SimpleNamespace(text=text))
    assert "clip" not in view.python("w")
    monkeypatch.setattr(FakePredictor, "encoder", SimpleNamespace(name="clip"))
    assert ", strength=1.5, clip_weights='clip.safetensors') for" in view.python("w")
    inside = Picture("p", view.shown, "stimuli.hdf5", "csalgan.open_dataset('d').image('7')")
    line = replace(view, uploaded=inside).python("w")
    assert line.startswith("[csalgan.predict(csalgan.open_dataset('d').image('7'), text, weights")


def test_images_of_pretraining_are_called_so(job):
    image, other = job.dataset.records["image_id"].unique()[:2]
    kept = Model(FakePredictor, pretraining_images=frozenset(digests(pd.Series([image]))))
    whole = Model(FakePredictor, pretraining=f"OSIE [{job.dataset.fingerprint[:12]}]")
    session = Session(job, {"kept": kept, "whole": whole, "none": Model(FakePredictor)})
    assert [session.part("kept", one) for one in (image, other)] == ["pretrained", "new"]
    assert session.part("whole", other) == "pretrained"
    assert session.part("none", image) == "new"
    record = job.dataset.records["record"].iloc[0]
    assert "was <b>pretrained</b> on the image" in session.table("whole", record, {"A": {"cc": 1}})


def test_a_peak_does_not_make_the_other_differences_pale():
    difference = np.full((100, 100), 0.5, np.float32)
    difference[40:44, 40:44] = 40
    assert robust_limit(difference) == 0.5
    assert robust_limit(difference / 1000) == 0.1  # what is next to nothing looks so
    assert robust_limit(difference * 1.1) == 0.7


def test_a_view_without_gaze_has_no_measured_panel(view):
    assert list(view.names) == ["A", "B", "difference"]
    with_it = replace(view, record="7_0", dots=True)
    assert list(with_it.names) == ["A", "B", "difference", "measured"]
    assert (with_it.panel("A").pixels != view.panel("A").pixels).any()


def test_what_is_pointed_at_is_read_off_all_maps(view):
    assert view.at(0.99, 0.5).startswith("x 39, y 15: A 0.00, B 4.00, B minus A +4.00")
    assert view.at(0.0, 0.0).startswith("x 0, y 0: A 4.00, B 0.00, B minus A -4.00")


def test_a_snapshot_says_all_that_decided_it_and_shows_what_was_shown(view):
    provenance = view.predictor.map_provenance
    content = snapshot(view, provenance, "drawn here", {"A": {"cc": 0.5}})
    saved = Image.open(io.BytesIO(content))
    facts = {k.removeprefix("csalgan:"): v for k, v in saved.text.items()}
    assert facts["sentence B"] == "it's a cat"
    assert (facts["strength"], facts["model"], facts["shown"]) == ("1.5", "m", "drawn here")
    assert (facts["data"], facts["precision"]) == ("fake gaze", "bfloat16")
    assert facts["photographs"] == "yes"
    assert content == snapshot(view, provenance, "drawn here", {"A": {"cc": 0.5}})
    left = np.asarray(saved.convert("RGB"))[:, :560]
    for pixel in (15, 5), (15, 35):
        assert (np.abs(left - view.panel("A").pixels[pixel].astype(int)) < 4).all(2).any()


def test_maps_are_kept_as_arrays_and_as_16_bit_pictures(view):
    with zipfile.ZipFile(io.BytesIO(maps_zip(view))) as archive:
        assert sorted(archive.namelist()) == ["A.npy", "A.png", "B.npy", "B.png"]
        for side, saliency in zip("AB", view.maps, strict=True):
            array = np.load(io.BytesIO(archive.read(f"{side}.npy")), allow_pickle=False)
            assert np.array_equal(array, saliency)
            with Image.open(io.BytesIO(archive.read(f"{side}.png"))) as picture:
                assert picture.mode == "I;16"
                assert np.allclose(np.asarray(picture) / 65535, saliency, atol=1e-4)


# --- the newest question counts -----------------------------------------------------------------


def test_the_newest_replaces_what_waits_and_stops_what_runs():
    said, go, failures = [], Event(), []

    def work(name, steps=1):
        for step in range(steps):
            said.append(f"{name}{step}")
            go.wait(10)
            yield

    worker = Newest(failures.append)
    worker.ask(work("long", 1000))
    while not said:
        time.sleep(0.01)
    worker.ask(work("replaced"))
    worker.ask(work("last", 2))
    go.set()
    assert worker.wait(10)
    assert said == ["long0", "last0", "last1"]

    def broken():
        yield
        raise CsalganError("no")

    worker.ask(broken())
    assert worker.wait(10)
    assert [str(one) for one in failures] == ["no"]


# --- the widget -------------------------------------------------------------------------------


def shown(explorer, name: str = "A") -> bytes:
    assert explorer.wait()
    return getattr(explorer.panels, name)


def panel(explorer, name: str = "A") -> dict:
    assert explorer.wait()
    return {one["name"]: one for one in explorer.panels.panels}[name]


def test_controls_stand_before_anything_slow_is_imported():
    code = (
        "import sys; from csalgan.explorer.page import Explorer;"
        "from csalgan.explorer.server import serve;"
        "print([m for m in ('torch', 'pandas', 'matplotlib', 'csalgan.data') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr


def test_it_opens_with_two_sentences_four_pictures_and_scores(explorer, job):
    row = job.dataset.row(explorer.condition.value)
    assert row["condition"] == "salient"
    assert row["image_id"] == explorer.gallery.chosen
    assert explorer.sentences[0].value == row["text"] == explorer.own[0].value
    other = job.dataset.records.set_index(["image_id", "condition"]).text
    assert explorer.sentences[1].value == other[row["image_id"], "non_salient"]
    names = ("A", "B", "difference", "measured")
    assert len({shown(explorer, name) for name in names}) == 4
    with Image.open(io.BytesIO(shown(explorer))) as picture:
        assert picture.format == "JPEG"
        assert max(picture.size) <= VIEW_SIDE
    for name in ("AUC", "SAUC", "NSS", "CC", "SIM", "fake model", job.dataset.name):
        assert name in explorer.facts.value
    assert explorer.message.value == ""
    assert "simulated gaze" in explorer.intro.value
    assert "application/vnd.jupyter.widget-view+json" in explorer._repr_mimebundle_()


def test_the_packages_weights_and_an_image_they_were_tested_on_come_first(embedded, tmp_path):
    explorer = ready(Explorer(lambda: open_job("smoke", str(embedded), str(tmp_path))))
    assert explorer.model.value == "compact-minilm (comes with csalgan)"
    assert explorer.session.parts(explorer.model.value)[explorer.gallery.chosen] == "test"


@pytest.mark.parametrize(
    ("control", "value", "asks"),
    [
        ("opacity", 0.2, 0),
        ("threshold", 80, 0),
        ("colours", "viridis", 0),
        ("dots", True, 0),
        ("strength", 1.6, 2),
    ],
)
def test_a_slider_changes_the_pictures_and_asks_the_model_only_when_it_must(
    explorer, predictor, control, value, asks
):
    before, asked = shown(explorer), predictor.asked.total()
    getattr(explorer, control).value = value
    assert shown(explorer) != before
    assert predictor.asked.total() - asked == asks


@pytest.mark.parametrize("text", ["something else entirely", ""])
def test_a_sentence_changes_its_own_picture(explorer, predictor, text):
    before, other, asked = shown(explorer), shown(explorer, "B"), predictor.asked.total()
    explorer.sentences[0].value = text
    assert shown(explorer) != before
    assert shown(explorer, "B") == other
    assert predictor.asked.total() - asked == 1
    assert (text or "free viewing") in panel(explorer)["title"]
    assert "most attention at the" in panel(explorer)["alt"]


def test_a_newer_sentence_replaces_the_one_that_is_computed(explorer, predictor, monkeypatch):
    going, go, read = Event(), Event(), predictor.read

    def slow(features, texts, shapes, **rest):
        if texts == ["one that takes long"]:
            going.set()
            go.wait(10)
        return read(features, texts, shapes, **rest)

    monkeypatch.setattr(predictor, "read", slow)
    explorer.sentences[0].value = "one that takes long"
    assert going.wait(10)
    assert "Computing" in explorer.status.value
    for text in ("one in between", "the last one"):
        explorer.sentences[0].value = text
    go.set()
    assert "the last one" in panel(explorer)["title"]
    assert "one in between" not in predictor.asked
    assert "Computing" not in explorer.status.value


def test_a_sentence_that_is_too_long_is_cut_and_that_is_said(explorer, predictor):
    explorer.sentences[0].value = " ".join(f"word{k}" for k in range(300))
    assert explorer.wait()
    assert "Sentence A is too long: only its first 50 words are read." in explorer.message.value
    assert len(explorer.panels.words[0]) == LONGEST_SENTENCE
    assert max(len(text.split()) for text in predictor.asked) == LONGEST_SENTENCE
    explorer.sentences[0].value = "short again"
    assert explorer.wait()
    assert explorer.message.value == ""


def test_going_back_gives_the_same_picture_and_asks_nothing(explorer, predictor):
    before, asked = shown(explorer), predictor.asked.total()
    explorer.strength.value = 0.5
    assert shown(explorer) != before
    explorer.strength.value = 1.0
    assert shown(explorer) == before
    assert predictor.asked.total() == asked + 2


def test_another_model_gives_another_picture(explorer):
    before = shown(explorer)
    explorer.model.value = "sal"
    assert shown(explorer) != before


def test_slider_and_pictures_zoom_together_and_sharpen(explorer):
    explorer.zoom.value = 2.0
    assert explorer.panels.zoom == 2.0
    shown(explorer)
    close = explorer.view.side
    explorer.panels.zoom = 1.0  # by a wheel over a picture
    assert explorer.zoom.value == 1.0
    shown(explorer)
    assert explorer.view.side == close / 2


def test_a_word_shows_what_it_does(explorer, predictor):
    explorer.sentences[0].value = "a red dog"
    before = shown(explorer, "difference")
    assert explorer.panels.words[0] == ["a", "red", "dog"]
    explorer.panels.active = [0, 1]
    assert shown(explorer, "difference") != before
    assert predictor.asked["a dog"] == 1
    assert "because of “red” in A" in panel(explorer, "difference")["title"]
    explorer.panels.active = [1, 0]
    assert "in B" in panel(explorer, "difference")["title"]
    explorer.panels.active = []
    assert shown(explorer, "difference") == before
    explorer.panels.active = [0, 2]
    explorer.sentences[0].value = "another"
    assert explorer.wait()
    assert explorer.panels.active == []


def test_words_are_weighed_for_a_model_that_is_cheap_to_reread(job, predictor):
    predictor.cheap_to_reread = True
    explorer = ready(Explorer(job, models={"total": model(predictor)}))
    explorer.sentences[0].value = "a red dog"
    assert explorer.wait()
    assert len(explorer.panels.shares[0]) == 3
    assert all(share > 0 for share in explorer.panels.shares[0])


def test_the_next_pictures_are_looked_at_before_they_are_asked_for(explorer, predictor):
    known = [item["id"] for item in explorer.gallery.items]
    explorer.gallery.chosen = known[0]
    assert explorer.wait()
    looked = predictor.encoded
    explorer.gallery.chosen = known[1]
    assert explorer.wait()
    assert predictor.encoded <= looked + 1  # only the one that comes after the two already seen


def test_a_picture_brings_its_sentences_and_its_gaze(explorer, job):
    facts, measured = explorer.facts.value, shown(explorer, "measured")
    other = next(i["id"] for i in explorer.gallery.items if i["id"] != explorer.gallery.chosen)
    explorer.gallery.chosen = other
    assert shown(explorer, "measured") != measured
    assert explorer.facts.value != facts
    row = job.dataset.row(explorer.condition.value)
    assert row["image_id"] == other
    assert explorer.sentences[0].value == row["text"]


def test_pictures_are_found_by_the_words_of_their_sentences(explorer, job):
    records = job.dataset.records
    assert explorer.gallery.found == records["image_id"].nunique()
    word = explorer.sentences[0].value.split()[-1].strip(".").lower()
    explorer.search.value = f" {word.upper()} "
    assert explorer.wait()
    having = records[records["text"].str.lower().str.contains(re.escape(word))]
    assert explorer.gallery.found == having["image_id"].nunique() > 0
    assert all(word in item["label"].lower() for item in explorer.gallery.items)
    with Image.open(io.BytesIO(explorer.gallery.sheet)) as sheet:
        assert sheet.size == (84 * len(explorer.gallery.items), 63)
    explorer.search.value = "nothing of the kind"
    assert explorer.wait()
    assert explorer.gallery.items == []


def test_more_thumbnails_come_when_they_are_asked_for(explorer):
    assert len(explorer.gallery.items) == 12
    explorer.gallery.wanted = 24
    assert explorer.wait()
    assert len(explorer.gallery.items) == min(24, explorer.gallery.found)


def test_a_sentence_is_compared_with_the_gaze_of_the_record(explorer):
    record, facts = explorer.condition.value, explorer.facts.value
    explorer.sentences[1].value = "a sentence of one's own"
    assert explorer.wait()
    assert explorer.own[1].value is None
    assert explorer.condition.value == record
    assert explorer.facts.value != facts
    explorer.own[1].value = ""
    assert explorer.sentences[1].value == ""
    explorer.own[1].value = explorer.own[1].options[-1][1]
    assert explorer.sentences[1].value == explorer.own[1].options[-1][1]


def test_the_gaze_of_another_condition_keeps_the_sentences(explorer, job):
    sentences = [one.value for one in explorer.sentences]
    none = next(record for label, record in explorer.condition.options if label == "no sentence")
    explorer.condition.value = none
    assert explorer.wait()
    assert "nothing (free viewing)" in explorer.facts.value
    assert [one.value for one in explorer.sentences] == sentences


def test_a_photograph_of_ones_own_takes_the_old_sentences_away(explorer):
    before = shown(explorer)
    explorer.sentences[1].value = "typed by hand"
    bring(explorer, photograph(size=(200, 100)))
    assert shown(explorer) != before
    assert [one.value for one in explorer.sentences] == ["", "typed by hand"]
    assert [one.options for one in explorer.own] == [(("no sentence", ""),)] * 2
    assert explorer.gallery.chosen == ""
    assert "nobody's gaze" in explorer.facts.value
    assert "NSS" not in explorer.facts.value
    assert [one["name"] for one in explorer.panels.panels] == ["A", "B", "difference"]
    now = shown(explorer)
    explorer.sentences[0].value = "a much longer sentence about it"
    assert shown(explorer) != now
    explorer.gallery.chosen = explorer.gallery.items[0]["id"]
    assert explorer.wait()
    assert "NSS" in explorer.facts.value
    assert panel(explorer, "measured")["title"].startswith("simulated gaze")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [(b"no picture", "bad.png: is not a picture"), (None, "bad.png: has more than 40 megapixels")],
)
def test_a_bad_upload_becomes_a_sentence_and_leaves_the_picture(explorer, content, sentence):
    before, chosen = shown(explorer), explorer.gallery.chosen
    bring(explorer, content or photograph("1", (8000, 8000)), "bad.png")
    assert sentence in explorer.message.value
    assert 'role="alert"' in explorer.message.value
    assert (shown(explorer), explorer.gallery.chosen) == (before, chosen)
    explorer.opacity.value = 0.1
    assert shown(explorer) != before
    assert explorer.message.value == ""


def test_what_the_browser_refused_is_said(explorer):
    refused = {"kind": "refused", "message": "big.raw: is not a picture this browser can read."}
    explorer._on_photograph(explorer.photograph, refused, [])
    assert "big.raw: is not a picture" in explorer.message.value


def test_names_and_sentences_cannot_write_html(explorer):
    bring(explorer, b"x", "<img src=x onerror=alert(1)>.png")
    assert "<img" not in explorer.message.value
    assert "&lt;img" in explorer.message.value
    explorer.sentences[0].value = "<script>alert(1)</script>"
    assert explorer.wait()
    assert "<script" not in explorer.facts.value + explorer.message.value


def test_a_model_that_cannot_be_opened_becomes_a_sentence(job, predictor):
    def broken():
        raise CsalganError("the weights are missing; provide them.")

    models = {"total": model(predictor), "sal": Model(broken)}
    explorer = ready(Explorer(job, models=models))
    before = shown(explorer)
    explorer.model.value = "sal"
    assert shown(explorer) == before
    assert "the weights are missing" in explorer.message.value


def test_data_that_cannot_be_opened_become_a_sentence():
    explorer = ready(Explorer(lambda: open_job("smoke", "/nowhere/at/all")))
    assert "no such dataset" in explorer.message.value
    assert "Opening" not in explorer.status.value


def test_the_view_can_be_kept_as_files(explorer, monkeypatch):
    sent = []
    monkeypatch.setattr(explorer.keep, "send", lambda *message: sent.append(message))
    for what, _ in explorer.keep.files:
        explorer._on_save(explorer.keep, {"kind": "save", "what": what}, [])
    (png,), (archive,), (table,) = (content for _, content in sent)
    names = [message["name"] for message, _ in sent]
    assert names == ["csalgan.png", "csalgan-maps.zip", "csalgan-scores.csv"]
    saved = Image.open(io.BytesIO(png))
    assert saved.text["csalgan:sentence A"] == explorer.sentences[0].value
    assert saved.text["csalgan:shown"] == explorer.job.dataset.name
    assert zipfile.is_zipfile(io.BytesIO(archive))
    rows = pd.read_csv(io.BytesIO(table))
    assert rows["sentence"].tolist() == [one.value for one in explorer.sentences]
    assert rows["cc"].notna().all()
    bring(explorer, photograph())
    explorer._on_save(explorer.keep, {"kind": "save", "what": "scores"}, [])
    assert sent[-1][0]["kind"] == "none"
    assert "known for your photograph: there are no scores" in explorer.message.value


def test_the_python_line_computes_what_is_shown_to_the_last_bit_that_counts(embedded, tmp_path):
    opened = open_job("smoke", data=str(embedded), out=str(tmp_path))
    models = on_offer(opened, first="total")
    explorer = ready(Explorer(opened, models=models))
    told = explorer.sentences[0].value
    for name in explorer.model.options:
        explorer.model.value = name
        for strength, second in ((1.4, "a dog"), (0.0, "a dog"), (1.0, ""), (0.0, "")):
            explorer.strength.value = strength
            explorer.sentences[1].value = second
            assert explorer.wait()
            assert explorer.view.sentences == (told, second)
            again = eval(explorer.keep.line, {"csalgan": csalgan})
            assert str(embedded / "image") in explorer.keep.line
            for one, other in zip(again, explorer.view.maps, strict=True):
                assert np.abs(one - other).max() < 1e-4


# --- without a browser ------------------------------------------------------------------------


def test_models_on_offer_are_those_of_this_data_and_those_in_the_package(embedded, tmp_path):
    ready = open_job("smoke", data=str(embedded), out=str(tmp_path))
    assert list(on_offer(ready)) == ["compact-minilm (comes with csalgan)"]
    ready.run("sal", progress=False)
    (tmp_path / "runs" / "general").mkdir()  # a run that broke off before its first epoch
    models = on_offer(ready, first="total")
    own = ["paper, total", "paper, sal"]
    assert next(iter(on_offer(ready))) == "compact-minilm (comes with csalgan)"
    assert list(models) == [*own, "compact-minilm (comes with csalgan)"]
    assert [models[name].weights for name in own] == [
        str(tmp_path / "runs" / subset) for subset in ("total", "sal")
    ]
    assert {models[name].open().encoder.name for name in own} == {ready.profile.text.encoder}
    predictors = PredictionCache(models)
    picture = Picture("grey", np.full((40, 60, 3), 90, np.uint8))
    for name in models:
        assert predictors.map(name, picture, "a red circle").shape == (40, 60)
    other = synthesise(tmp_path / "other", n_images=12, seed=1)
    elsewhere = open_job("smoke", data=str(other), out=str(tmp_path))
    assert list(on_offer(elsewhere)) == ["compact-minilm (comes with csalgan)"]
