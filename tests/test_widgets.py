"""The explorer, driven from Python: pixels change when they should, mistakes become sentences."""

import io
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

import csalgan
from csalgan import widgets
from csalgan.data import synthesise
from csalgan.errors import CsalganError
from csalgan.evaluation import Evaluator
from csalgan.job import open_job
from csalgan.provenance import Provenance
from csalgan.widgets.view import Measured, Word


class FakePredictor:
    """Bright where the sentence's length says; counts what it is asked."""

    name = "fake model"
    quick = False
    provenance = Provenance("fake gaze", "0" * 12, "fake", "smoke", 0, "unknown")

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


def model(predictor, encoder: str = "hashing") -> widgets.Model:
    return widgets.Model(encoder, lambda: predictor, weights="weights")


def bring(explorer, content: bytes, name: str = "mine.png") -> None:
    """What the browser sends when a photograph is chosen."""
    message = {"kind": "photograph", "name": name}
    explorer._on_photograph(explorer.photograph, message, [memoryview(content)])


@pytest.fixture(scope="module")
def job(embedded, tmp_path_factory):
    return open_job("smoke", data=str(embedded), out=str(tmp_path_factory.mktemp("out")))


@pytest.fixture
def predictor():
    return FakePredictor()


@pytest.fixture
def explorer(job, predictor):
    models = {"total": model(predictor), "sal": model(FakePredictor(50), "none")}
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
    offer = {"m": widgets.Model("hashing", lambda: opened.append(1) or predictor)}
    predictions = widgets.Predictions(offer)
    picture = widgets.Picture("a", np.zeros((20, 30, 3), np.uint8))
    first = predictions.map("m", picture, "a dog")
    assert predictions.map("m", picture, "  a   dog ") is first
    assert not np.array_equal(predictions.map("m", picture, "a dog", 2.0), first)
    free = predictions.map("m", picture, "")
    assert predictions.map("m", picture, " ", 0.3) is free
    assert predictor.asked == {"a dog": 2, "": 1}
    assert (opened, predictor.encoded) == ([1], 1)
    assert not first.flags.writeable
    with pytest.raises(CsalganError, match="csalgan train"):
        widgets.Predictions({})


def test_the_share_of_a_word_is_what_moves_without_it(predictor):
    picture = widgets.Picture("a", np.zeros((20, 30, 3), np.uint8))
    predictions = widgets.Predictions({"m": model(predictor)})
    assert predictions.shares("m", picture, "a dog") == ()  # a slow model is not asked
    predictor.quick = True
    first, second = predictions.shares("m", picture, "a dog")
    maps = predictor.read("features", ["a dog", "dog", "a"], [(96, 96)] * 3)
    whole, *without = [one / one.mean() for one in maps]
    expected = [np.abs(whole - one).mean() / 2 for one in without]
    assert [first, second] == pytest.approx(expected, rel=1e-4)
    assert predictions.shares("m", picture, "") == ()


def test_models_know_which_part_an_image_was_in(job):
    fingerprint = job.dataset.fingerprint[:12]
    here = widgets.Model("none", FakePredictor, data=fingerprint, split=("image", 0))
    for part in ("train", "val", "test"):
        for image in job.split.of(part, job.dataset.records)["image_id"]:
            assert here.part(job.dataset, image) == part
    elsewhere = here._replace(data="1" * 12)
    assert elsewhere.part(job.dataset, image) == "new"


# --- a view -----------------------------------------------------------------------------------


@pytest.fixture
def view():
    image = np.full((30, 40, 3), 120, np.uint8)
    left, right = np.zeros((30, 40), np.float32), np.zeros((30, 40), np.float32)
    left[:, :10], right[:, 30:] = 1, 1
    return widgets.View(
        picture=widgets.Picture("p", image, "'photo.png'"),
        shown=image,
        sentences=("a dog", "it's a cat"),
        maps=(left, right),
        model="m",
        strength=1.5,
    )


def test_the_change_is_b_minus_a_and_a_words_is_with_minus_without(view):
    assert view.change[:, :10] == pytest.approx(-4)  # a quarter of the image held all attention
    assert view.change[:, 30:] == pytest.approx(4)
    title, pixels = view.panels()["change"]
    assert "B minus A (blue −4 … red +4" in title
    red, _, blue = pixels[15, 35].astype(int)
    assert red > blue + 50
    red, _, blue = pixels[15, 5].astype(int)
    assert blue > red + 50
    nothing = np.ones((30, 40), np.float32)
    word = replace(view, word=Word("dog", 0, nothing))
    assert word.change[:, :10] == pytest.approx(3)
    assert "because of “dog” in A" in word.panels()["change"][0]


def test_a_view_without_gaze_has_no_measured_panel(view):
    assert list(view.panels()) == ["A", "B", "change"]
    truth = Measured("measured", view.maps[0], np.array([[3, 4]]))
    with_it = replace(view, measured=truth, dots=True)
    assert list(with_it.panels()) == ["A", "B", "change", "measured"]
    assert (with_it.panels()["A"][1] != view.panels()["A"][1]).any()


def test_a_snapshot_says_all_that_decided_it(view):
    receipt = FakePredictor.provenance
    content = widgets.snapshot(view, receipt, "drawn here", {"A": {"cc": 0.5}})
    saved = Image.open(io.BytesIO(content))
    facts = {k.removeprefix("csalgan:"): v for k, v in saved.text.items()}
    assert facts["sentence B"] == "it's a cat"
    assert (facts["strength"], facts["model"], facts["shown"]) == ("1.5", "m", "drawn here")
    assert facts["data"] == "fake gaze"
    assert content == widgets.snapshot(view, receipt, "drawn here", {"A": {"cc": 0.5}})


# --- the widget -------------------------------------------------------------------------------


def shown(explorer, name: str = "A") -> bytes:
    return explorer.pictures[name].value


def test_it_opens_with_two_sentences_four_pictures_and_scores(explorer, job):
    row = job.dataset.row(explorer.record.value)
    assert row["condition"] == "salient"
    assert explorer.sentences[0].value == row["text"] == explorer.own[0].value
    other = job.dataset.records.set_index(["image_id", "condition"]).text
    assert explorer.sentences[1].value == other[row["image_id"], "non_salient"]
    assert len({shown(explorer, name) for name in explorer.pictures}) == 4
    with Image.open(io.BytesIO(shown(explorer))) as picture:
        assert picture.format == "JPEG"
        assert max(picture.size) <= widgets.VIEW_SIDE
    for name in ("AUC", "SAUC", "NSS", "CC", "SIM", "fake model", job.dataset.name):
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
    assert predictor.encoded == 1  # the photograph has not changed


@pytest.mark.parametrize("text", ["something else entirely", ""])
def test_a_sentence_changes_its_own_picture(explorer, predictor, text):
    before, other, asked = shown(explorer), shown(explorer, "B"), predictor.asked.total()
    explorer.sentences[0].value = text
    assert shown(explorer) != before
    assert shown(explorer, "B") == other
    assert predictor.asked.total() - asked == 1
    assert (text or "free viewing") in explorer.titles["A"].value


def test_going_back_gives_the_same_picture_and_asks_nothing(explorer, predictor):
    before, asked = shown(explorer), predictor.asked.total()
    explorer.strength.value = 0.5
    explorer.strength.value = 1.0
    assert shown(explorer) == before
    assert predictor.asked.total() == asked + 2


def test_another_model_gives_another_picture_and_encoders_narrow_the_list(explorer):
    before = shown(explorer)
    explorer.model.value = "sal"
    assert shown(explorer) != before
    explorer.encoder.value = "hashing"
    assert explorer.model.options == ("total",)
    assert shown(explorer) == before
    explorer.encoder.value = "all"
    assert explorer.model.options == ("total", "sal")


def test_a_word_shows_where_it_pulls_and_one_word_at_a_time(explorer, predictor):
    explorer.sentences[0].value = "a red dog"
    assert explorer.strips[0].words == ["a", "red", "dog"]
    before = shown(explorer, "change")
    explorer.strips[0].active = 1
    assert shown(explorer, "change") != before
    assert predictor.asked["a dog"] == 1
    assert "because of “red” in A" in explorer.titles["change"].value
    explorer.strips[1].active = 0
    assert explorer.strips[0].active == -1
    assert "in B" in explorer.titles["change"].value
    explorer.strips[1].active = -1
    assert shown(explorer, "change") == before
    explorer.strips[0].active = 2
    explorer.sentences[0].value = "another"
    assert explorer.strips[0].active == -1


def test_words_are_weighed_for_a_quick_model(job, predictor):
    predictor.quick = True
    explorer = widgets.Explorer(job, models={"total": model(predictor)})
    explorer.sentences[0].value = "a red dog"
    assert len(explorer.strips[0].shares) == 3
    assert all(share > 0 for share in explorer.strips[0].shares)


def test_a_record_brings_its_sentence_and_its_gaze(explorer, job):
    other = next(value for _, value in explorer.record.options if value != explorer.record.value)
    before, measured = explorer.facts.value, shown(explorer, "measured")
    explorer.record.value = other
    assert explorer.sentences[0].value == job.dataset.row(other)["text"]
    assert explorer.facts.value != before
    assert shown(explorer, "measured") != measured


def test_a_sentence_is_compared_with_the_gaze_of_the_record(explorer):
    record, facts = explorer.record.value, explorer.facts.value
    explorer.sentences[1].value = "a sentence of one's own"
    assert explorer.own[1].value is None
    assert explorer.record.value == record
    assert explorer.facts.value != facts
    explorer.own[1].value = ""
    assert explorer.sentences[1].value == ""
    explorer.own[1].value = explorer.own[1].options[-1][1]
    assert explorer.sentences[1].value == explorer.own[1].options[-1][1]


def test_the_condition_narrows_the_list(explorer, job):
    explorer.condition.value = "none"
    names = [value for _, value in explorer.record.options]
    assert {job.dataset.row(name)["condition"] for name in names} == {"none"}
    assert explorer.record.value in names
    assert explorer.sentences[0].value == ""
    assert "free viewing" in explorer.facts.value
    explorer.condition.value = "all"
    assert len(explorer.record.options) == len(job.dataset.records)
    assert explorer.record.value in names


def test_a_photograph_of_ones_own(explorer):
    before = shown(explorer)
    bring(explorer, photograph(size=(200, 100)))
    assert shown(explorer) != before
    assert explorer.record.value is None
    assert "nobody's gaze" in explorer.facts.value
    assert "NSS" not in explorer.facts.value
    assert explorer.pictures["measured"].layout.display == "none"
    now = shown(explorer)
    explorer.sentences[0].value = "a much longer sentence about it"
    assert shown(explorer) != now
    explorer.condition.value = "salient"
    assert explorer.record.value is None
    explorer.record.value = explorer.record.options[0][1]
    assert "NSS" in explorer.facts.value
    assert explorer.pictures["measured"].layout.display == ""


@pytest.mark.parametrize(
    ("content", "sentence"),
    [(b"no picture", "bad.png: is not a picture"), (None, "bad.png: has more than 40 megapixels")],
)
def test_a_bad_upload_becomes_a_sentence_and_leaves_the_picture(explorer, content, sentence):
    before, record = shown(explorer), explorer.record.value
    bring(explorer, content or photograph("1", (8000, 8000)), "bad.png")
    assert sentence in explorer.message.value
    assert 'role="alert"' in explorer.message.value
    assert (shown(explorer), explorer.record.value) == (before, record)
    explorer.opacity.value = 0.1
    assert explorer.message.value == ""
    assert shown(explorer) != before


def test_what_the_browser_refused_is_said(explorer):
    refused = {"kind": "refused", "message": "big.raw: is not a picture this browser can read."}
    explorer._on_photograph(explorer.photograph, refused, [])
    assert "big.raw: is not a picture" in explorer.message.value


def test_names_and_sentences_cannot_write_html(explorer):
    bring(explorer, b"x", "<img src=x onerror=alert(1)>.png")
    assert "<img" not in explorer.message.value
    assert "&lt;img" in explorer.message.value
    explorer.sentences[0].value = "<script>alert(1)</script>"
    assert "<script" not in explorer.titles["A"].value + explorer.facts.value


def test_a_model_that_cannot_be_opened_becomes_a_sentence(job, predictor):
    def broken():
        raise CsalganError("the weights are missing; provide them.")

    models = {"total": model(predictor), "sal": widgets.Model("none", broken)}
    explorer = widgets.Explorer(job, models=models)
    before = shown(explorer)
    explorer.model.value = "sal"
    assert "the weights are missing" in explorer.message.value
    assert shown(explorer) == before


def test_the_view_can_be_kept_as_a_picture(explorer, monkeypatch):
    sent = []
    monkeypatch.setattr(explorer.keep, "send", lambda *message: sent.append(message))
    explorer._on_save(explorer.keep, {"kind": "save"}, [])
    ((message, (content,)),) = sent
    assert (message["kind"], message["name"]) == ("file", "csalgan.png")
    saved = Image.open(io.BytesIO(content))
    assert saved.text["csalgan:sentence A"] == explorer.sentences[0].value
    assert saved.text["csalgan:shown"] == explorer.job.dataset.name


def test_the_python_line_computes_what_is_shown(embedded, tmp_path):
    ready = open_job("smoke", data=str(embedded), out=str(tmp_path))
    explorer = widgets.Explorer(ready, models=widgets.on_offer(ready, first="total"))
    explorer.strength.value = 1.4
    for name in explorer.model.options:
        explorer.model.value = name
        again = eval(explorer.keep.line, {"csalgan": csalgan})
        for one, other in zip(again, explorer.view.maps, strict=True):
            assert np.allclose(one, other, atol=2e-3)  # two sentences at once or one by one


def test_live_scores_are_those_of_the_tables(job):
    """Shuffled AUC too: both take their negatives from the same condition."""
    record = job.dataset.records.query("condition == 'salient'")["record"].iloc[0]
    saliency = np.random.default_rng(0).random(job.dataset.map(record).shape)
    live = widgets.Truth(job.dataset, job.prepared).scores(record, saliency)
    table = Evaluator(job.dataset, job.split)({record: saliency}).set_index("metric")["value"]
    assert live == pytest.approx({metric: table[metric] for metric in widgets.SHOWN_METRICS})


# --- without a browser ------------------------------------------------------------------------


def test_the_static_figure_has_a_row_a_sentence_and_says_its_scale(job, predictor, tmp_path):
    predictions = widgets.Predictions({"total": model(predictor)})
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


def test_models_on_offer_are_those_of_this_data_and_those_in_the_package(embedded, tmp_path):
    ready = open_job("smoke", data=str(embedded), out=str(tmp_path))
    assert list(widgets.on_offer(ready)) == ["compact-minilm (comes with csalgan)"]
    ready.run("sal", progress=False)
    (tmp_path / "runs" / "general").mkdir()  # a run that broke off before its first epoch
    models = widgets.on_offer(ready, first="total")
    own = ["paper, total", "paper, sal"]
    assert list(models) == [*own, "compact-minilm (comes with csalgan)"]
    assert [models[name].encoder for name in own] == [ready.profile.text.encoder] * 2
    predictions = widgets.Predictions(models)
    picture = widgets.Picture("grey", np.full((40, 60, 3), 90, np.uint8))
    for name in models:
        assert predictions.map(name, picture, "a red circle").shape == (40, 60)
    other = synthesise(tmp_path / "other", n_images=12, seed=1)
    elsewhere = open_job("smoke", data=str(other), out=str(tmp_path))
    assert list(widgets.on_offer(elsewhere)) == ["compact-minilm (comes with csalgan)"]
