"""The explorer, driven from Python: pixels change when they should, mistakes become sentences."""

import io
from collections import Counter
from datetime import UTC, datetime

import numpy as np
import pytest
from PIL import Image

from csalgan import widgets
from csalgan.errors import CsalganError
from csalgan.job import open_job


class FakePredictor:
    """Bright where the sentence's length says; counts what it is asked."""

    name = "fake model"

    def __init__(self, shift: int = 0):
        self.shift = shift
        self.asked = Counter()

    def predict(self, images, texts, *, strength=1.0):
        maps = []
        for image, text in zip(images, texts, strict=True):
            self.asked[text] += 1
            height, width = image.shape[:2]
            y, x = np.mgrid[:height, :width].astype(np.float32)
            column = (len(text) * 7 * strength + self.shift) % width
            maps.append(np.exp(-(((x - column) / 40) ** 2 + ((y - height / 2) / 40) ** 2)))
        return maps


def photograph(mode: str = "RGB", size=(60, 40), form: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, size, 0).save(buffer, form, **options)
    return buffer.getvalue()


def brought(content: bytes, name: str = "mine.png") -> tuple[dict]:
    """What the browser sends when a file is uploaded."""
    return (
        {
            "name": name,
            "type": "image/png",
            "size": len(content),
            "content": memoryview(content),
            "last_modified": datetime(2026, 1, 1, tzinfo=UTC),
        },
    )


@pytest.fixture(scope="module")
def job(embedded, tmp_path_factory):
    return open_job("smoke", data=str(embedded), out=str(tmp_path_factory.mktemp("out")))


@pytest.fixture
def predictor():
    return FakePredictor()


@pytest.fixture
def explorer(job, predictor):
    models = {"total": lambda: predictor, "sal": lambda: FakePredictor(50)}
    return widgets.Explorer(job, models=models)


# --- pixels -----------------------------------------------------------------------------------


def test_rendering_keeps_the_image_where_nothing_is_laid_on_it():
    image = np.full((30, 40, 3), 90, np.uint8)
    saliency = np.tile(np.linspace(0, 1, 40, dtype=np.float32), (30, 1))
    assert np.array_equal(widgets.render(image, saliency, opacity=0), image)
    half = widgets.render(image, saliency, opacity=0.8, threshold=50)
    assert np.array_equal(half[:, :20], image[:, :20])
    assert (half[:, 20:] != image[:, 20:]).any(axis=2).all()
    whole = widgets.render(image, saliency, opacity=0.8)
    assert np.array_equal(whole[:, 20:], half[:, 20:])
    dotted = widgets.render(image, saliency, opacity=0, fixations=np.array([[10.0, 20.0]]))
    assert (dotted[10, 20] == 255).all()
    assert np.array_equal(dotted[25:], image[25:])


def test_every_colour_map_offered_draws_another_picture():
    image = np.zeros((8, 8, 3), np.uint8)
    saliency = np.arange(64, dtype=np.float32).reshape(8, 8)
    drawn = {widgets.render(image, saliency, cmap=name).tobytes() for name in widgets.MAPS}
    assert len(drawn) == len(widgets.MAPS)
    with pytest.raises(CsalganError, match="jet"):
        widgets.render(image, saliency, cmap="jet")
    with pytest.raises(CsalganError, match="threshold 101"):
        widgets.render(image, saliency, threshold=101)


def test_a_constant_map_is_drawn():
    image = np.full((8, 8, 3), 90, np.uint8)
    assert widgets.render(image, np.ones((8, 8)), threshold=90).shape == image.shape


# --- uploads ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "form"), [("RGB", "JPEG"), ("L", "JPEG"), ("P", "PNG"), ("I;16", "PNG"), ("1", "PNG")]
)
def test_photographs_of_any_kind_become_rgb(mode, form):
    picture = widgets.read_upload(photograph(mode, form=form), "x")
    assert picture.image.shape == (40, 60, 3)
    assert picture.image.dtype == np.uint8


def test_transparent_parts_lie_on_white():
    assert (widgets.read_upload(photograph("RGBA"), "x").image == 255).all()


def test_a_photograph_is_turned_upright_and_made_smaller():
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    content = photograph(size=(3000, 1500), form="JPEG", exif=exif)
    assert widgets.read_upload(content, "x").image.shape == (1024, 512, 3)


@pytest.mark.parametrize("content", [b"", b"hello", b"\x89PNG\r\n\x1a\nbroken"])
def test_what_is_no_picture_is_said_so(content):
    with pytest.raises(CsalganError, match=r"^notes.txt: is not a picture"):
        widgets.read_upload(content, "notes.txt")


def test_a_truncated_photograph_is_refused():
    content = photograph(size=(300, 300))
    with pytest.raises(CsalganError, match="is not a picture"):
        widgets.read_upload(content[: len(content) // 2], "half.png")


@pytest.mark.parametrize("side", [7000, 10000, 14000])
def test_a_huge_photograph_is_refused_before_it_is_decoded(side, monkeypatch):
    content = photograph("1", (side, side))  # a few kB that unpack to 49, 100, 196 megapixels
    monkeypatch.setattr(Image.Image, "load", lambda *_: pytest.fail("it was decoded"))
    with pytest.raises(CsalganError, match=r"huge.png: has more than 40 megapixels"):
        widgets.read_upload(content, "huge.png")


# --- answers are remembered -------------------------------------------------------------------


def test_a_model_is_asked_once_a_question(predictor):
    opened = []
    predictions = widgets.Predictions({"m": lambda: opened.append(1) or predictor})
    picture = widgets.Picture("a", np.zeros((20, 30, 3), np.uint8))
    first = predictions.map("m", picture, "a dog")
    assert predictions.map("m", picture, "  a   dog ") is first
    assert not np.array_equal(predictions.map("m", picture, "a dog", 2.0), first)
    free = predictions.map("m", picture, "")
    assert predictions.map("m", picture, " ", 0.3) is free
    assert predictor.asked == {"a dog": 2, "": 1}
    assert opened == [1]
    assert not first.flags.writeable
    with pytest.raises(CsalganError, match="csalgan train"):
        widgets.Predictions({})


# --- the widget -------------------------------------------------------------------------------


def test_it_opens_with_a_sentence_a_picture_and_scores(explorer, job):
    row = job.dataset.row(explorer.record.value)
    assert row["condition"] == "salient"
    assert explorer.sentence.value == row["text"] == explorer.own.value
    with Image.open(io.BytesIO(explorer.picture.value)) as picture:
        assert picture.format == "JPEG"
        assert max(picture.size) <= widgets.VIEW_SIDE
    for name in ("AUC", "SAUC", "NSS", "CC", "SIM", "KL", "fake model", job.dataset.name):
        assert name in explorer.facts.value
    assert explorer.message.value == ""
    assert "application/vnd.jupyter.widget-view+json" in explorer._repr_mimebundle_()


@pytest.mark.parametrize(
    ("control", "value", "asks"),
    [
        ("opacity", 0.2, 0),
        ("threshold", 80, 0),
        ("colours", "viridis", 0),
        ("dots", True, 0),
        ("strength", 1.6, 1),
        ("sentence", "something else entirely", 1),
        ("sentence", "", 1),
    ],
)
def test_a_control_changes_the_picture_and_asks_the_model_only_when_it_must(
    explorer, predictor, control, value, asks
):
    before, asked = explorer.picture.value, predictor.asked.total()
    getattr(explorer, control).value = value
    assert explorer.picture.value != before
    assert predictor.asked.total() - asked == asks


def test_going_back_gives_the_same_picture_and_asks_nothing(explorer, predictor):
    before, asked = explorer.picture.value, predictor.asked.total()
    explorer.strength.value = 0.5
    explorer.strength.value = 1.0
    assert explorer.picture.value == before
    assert predictor.asked.total() == asked + 1


def test_another_model_gives_another_picture(explorer):
    before = explorer.picture.value
    explorer.model.value = "sal"
    assert explorer.picture.value != before


def test_a_record_brings_its_sentence_and_its_gaze(explorer, job):
    other = next(value for _, value in explorer.record.options if value != explorer.record.value)
    before = explorer.facts.value
    explorer.record.value = other
    assert explorer.sentence.value == job.dataset.row(other)["text"]
    assert explorer.facts.value != before


def test_a_sentence_is_compared_with_the_gaze_of_the_record(explorer):
    record, facts = explorer.record.value, explorer.facts.value
    explorer.sentence.value = "a sentence of one's own"
    assert explorer.own.value is None
    assert explorer.record.value == record
    assert explorer.facts.value != facts
    explorer.own.value = ""
    assert explorer.sentence.value == ""
    explorer.own.value = explorer.own.options[-1][1]
    assert explorer.sentence.value == explorer.own.options[-1][1]


def test_the_condition_narrows_the_list(explorer, job):
    explorer.condition.value = "none"
    names = [value for _, value in explorer.record.options]
    assert {job.dataset.row(name)["condition"] for name in names} == {"none"}
    assert explorer.record.value in names
    assert explorer.sentence.value == ""
    assert "free viewing" in explorer.facts.value
    explorer.condition.value = "all"
    assert len(explorer.record.options) == len(job.dataset.records)
    assert explorer.record.value in names


def test_a_photograph_of_ones_own(explorer):
    before = explorer.picture.value
    explorer.upload.value = brought(photograph(size=(200, 100)))
    assert explorer.picture.value != before
    assert explorer.upload.value == ()
    assert explorer.record.value is None
    assert "nobody's gaze" in explorer.facts.value
    assert "NSS" not in explorer.facts.value
    shown = explorer.picture.value
    explorer.sentence.value = "a much longer sentence about it"
    assert explorer.picture.value != shown
    explorer.condition.value = "salient"
    assert explorer.record.value is None
    explorer.record.value = explorer.record.options[0][1]
    assert "NSS" in explorer.facts.value


@pytest.mark.parametrize(
    ("content", "sentence"),
    [(b"no picture", "bad.png: is not a picture"), (None, "bad.png: has more than 40 megapixels")],
)
def test_a_bad_upload_becomes_a_sentence_and_leaves_the_picture(explorer, content, sentence):
    before, record = explorer.picture.value, explorer.record.value
    explorer.upload.value = brought(content or photograph("1", (8000, 8000)), "bad.png")
    assert sentence in explorer.message.value
    assert 'role="alert"' in explorer.message.value
    assert (explorer.picture.value, explorer.record.value) == (before, record)
    explorer.opacity.value = 0.1
    assert explorer.message.value == ""
    assert explorer.picture.value != before


def test_names_and_sentences_cannot_write_html(explorer):
    explorer.upload.value = brought(b"x", "<img src=x onerror=alert(1)>.png")
    assert "<img" not in explorer.message.value
    assert "&lt;img" in explorer.message.value


def test_a_model_that_cannot_be_opened_becomes_a_sentence(job, predictor):
    def broken():
        raise CsalganError("the weights are missing; provide them.")

    explorer = widgets.Explorer(job, models={"total": lambda: predictor, "sal": broken})
    before = explorer.picture.value
    explorer.model.value = "sal"
    assert "the weights are missing" in explorer.message.value
    assert explorer.picture.value == before


# --- without a browser ------------------------------------------------------------------------


def test_the_static_figure_has_a_row_a_sentence_and_says_its_scale(job, predictor, tmp_path):
    predictions = widgets.Predictions({"total": lambda: predictor})
    record = job.dataset.records["record"].iloc[0]
    picture = widgets.Truth(job.dataset, job.prepared).picture(record)
    sentences = {"salient": "a red circle", "general": "shapes on a ground"}
    fig = widgets.strength_figure(predictions, picture, sentences, (0.0, 1.0, 2.0))
    titles = [ax.get_title(loc="left") for ax in fig.axes]
    assert titles[:3] == ["strength 0", "strength 1", "strength 2"]
    assert len(titles) == 8
    assert titles[3] == titles[7]
    assert "±" in titles[3]
    assert job.save(fig, "06_test", photographs=True).is_file()


def test_models_on_offer_are_those_that_were_trained_with_these_settings(embedded, tmp_path):
    ready = open_job("smoke", data=str(embedded), out=str(tmp_path))
    ready.run("sal", progress=False)
    (tmp_path / "runs" / "general").mkdir()  # a run that broke off before its first epoch
    models = widgets.trained_models(ready, first="total")
    assert list(models) == ["total", "sal"]
    predictions = widgets.Predictions(models)
    picture = widgets.Picture("grey", np.full((40, 60, 3), 90, np.uint8))
    assert predictions.map("sal", picture, "a red circle").shape == (40, 60)
