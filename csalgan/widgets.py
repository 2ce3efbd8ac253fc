"""The explorer: change the sentence and watch attention move.

Three layers, each usable without the next: functions from a state to pixels (:func:`render`,
:func:`read_upload`), :class:`Predictions`, which asks models and remembers their answers, and
:class:`Explorer`, the sliders. Moving a slider of the view asks no model again.
"""

import html
import io
from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache, partial
from hashlib import sha256

import ipywidgets as w
import numpy as np
from PIL import Image, ImageDraw

from csalgan.data.records import CONDITIONS, SUBSETS
from csalgan.errors import CsalganError
from csalgan.figures import MAPS, blend, figure, overlay, show_change, themed
from csalgan.figures.base import CONDITION_LABELS, unit, wrapped
from csalgan.metrics import score
from csalgan.metrics.negatives import NegativePool
from csalgan.photographs import read_photograph

#: Longest side of what is shown, and of an uploaded photograph once it is read, pixels.
VIEW_SIDE, UPLOAD_SIDE = 640, 1024
#: Scores shown when there is gaze to compare with, and which way is better.
SHOWN_METRICS = {"auc": "↑", "sauc": "↑", "nss": "↑", "cc": "↑", "sim": "↑", "kl": "↓"}


# --- from a state to pixels -------------------------------------------------------------------


@dataclass(frozen=True)
class Picture:
    """A photograph to look at.

    Attributes:
        key: names the content; two pictures with one key are taken for the same.
        image: uint8 (H, W, 3) RGB.
    """

    key: str
    image: np.ndarray = field(compare=False, repr=False)


def read_upload(content: bytes, name: str) -> Picture:
    """Decode a photograph that somebody brought.

    As :func:`csalgan.photographs.read_photograph` does, no side longer than :data:`UPLOAD_SIDE`.

    Args:
        content: the bytes of a JPEG, PNG or WebP file.
        name: the file's name, for the message.

    Raises:
        CsalganError: not such a picture, damaged, or too large.
    """
    image = read_photograph(io.BytesIO(content), name, side=UPLOAD_SIDE)
    return Picture(f"upload {sha256(content).hexdigest()}", image)


def fit_side(image: np.ndarray, side: int = VIEW_SIDE) -> np.ndarray:
    """A uint8 (H, W, 3) image, made smaller (never larger) so that no side exceeds ``side``."""
    small = Image.fromarray(image)
    small.thumbnail((side, side), Image.Resampling.BILINEAR)
    return np.asarray(small)


def render(
    image: np.ndarray,
    saliency: np.ndarray,
    *,
    opacity: float = 0.6,
    threshold: float = 0.0,
    cmap: str = MAPS[0],
    fixations: np.ndarray | None = None,
) -> np.ndarray:
    """The picture the explorer shows.

    Args:
        image: uint8 (H, W, 3) RGB.
        saliency: float (h, w), any size; scaled to its own range for looking.
        opacity: of the map, in [0, 1].
        threshold: percentile in [0, 100]; pixels below it show the bare image.
        cmap: one of :data:`csalgan.figures.MAPS`.
        fixations: float or int (N, 2) rows (y, x) in pixels of ``image``, drawn as dots.

    Returns:
        uint8 (H, W, 3).

    Raises:
        CsalganError: opacity or threshold out of range, or another colour map.
    """
    if not 0 <= threshold <= 100:
        raise CsalganError(f"threshold {threshold} is outside 0 … 100; give a percentile.")
    height, width = image.shape[:2]
    shown = unit(saliency)
    if shown.shape != (height, width):
        small = Image.fromarray(shown).resize((width, height), Image.Resampling.BILINEAR)
        shown = np.asarray(small)
    mixed = blend(image, shown, opacity=opacity, cmap=cmap)
    if threshold > 0:
        below = shown < np.percentile(shown, threshold)
        mixed[below] = image[below]
    if fixations is not None:
        mixed = _dotted(mixed, fixations)
    return mixed


def encode(picture: np.ndarray) -> bytes:
    """A uint8 (H, W, 3) picture as JPEG, small enough to follow a slider over a network."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=88)
    return buffer.getvalue()


def _dotted(picture: np.ndarray, fixations: np.ndarray) -> np.ndarray:
    canvas = Image.fromarray(picture)
    draw = ImageDraw.Draw(canvas)
    for y, x in fixations:
        draw.ellipse((x - 2.5, y - 2.5, x + 2.5, y + 2.5), fill="white", outline="black")
    return np.array(canvas)


# --- models and their answers -----------------------------------------------------------------


def trained_models(job, first: str = "total") -> dict[str, Callable]:
    """The trained models of a report, to be opened when somebody asks for them.

    Args:
        job: from :func:`csalgan.open_job`.
        first: subset of the model that must be there; trained now when it is not.

    Returns:
        subset → function that opens its predictor; ``first`` leads.

    Raises:
        CsalganError: as :meth:`csalgan.job.Job.run`.
    """
    from csalgan.prediction import Predictor
    from csalgan.training import Run, describe, same_settings

    models = {first: partial(Predictor.of_run, job.run(first))}
    for subset in SUBSETS:
        folder = job.out / "runs" / subset
        if subset == first or not folder.is_dir():
            continue
        try:
            run = Run.load(folder)
            wanted = describe(job.profile, job.dataset, subset)
        except CsalganError:  # a broken or foreign run is simply not on offer
            continue
        if run.complete and same_settings(wanted, run.info) is None:
            models[subset] = partial(Predictor.of_run, run)
    return models


class Predictions:
    """Models and the maps they gave, remembered by picture, sentence, strength and model.

    Args:
        models: name → function that opens the predictor (called once, on first use).
    """

    def __init__(self, models: Mapping[str, Callable]):
        if not models:
            raise CsalganError("there is no trained model to ask; run `csalgan train` first.")
        self.names = tuple(models)
        self.predictor = lru_cache(maxsize=None)(lambda name: models[name]())
        self._map = lru_cache(maxsize=32)(self._ask)
        self._shown = lru_cache(maxsize=8)(lambda picture: fit_side(picture.image))

    def map(self, model: str, picture: Picture, sentence: str, strength: float = 1.0):
        """float32 (H, W) in [0, 1] at the picture's size, read-only; ``""`` is free viewing."""
        if not sentence.strip():
            sentence, strength = "", 1.0  # nothing to strengthen: one map serves every strength
        return self._map(model, picture, " ".join(sentence.split()), round(float(strength), 4))

    def shown(self, picture: Picture) -> np.ndarray:
        """The picture at the size it is shown."""
        return self._shown(picture)

    def _ask(self, model: str, picture: Picture, sentence: str, strength: float) -> np.ndarray:
        predictor = self.predictor(model)
        (saliency,) = predictor.predict([picture.image], [sentence], strength=strength)
        saliency.setflags(write=False)
        return saliency


class Truth:
    """The gaze that predictions are compared with, read when it is first needed.

    Args:
        dataset: an opened dataset.
        prepared: its packed arrays, whose fixations are the negatives of shuffled AUC.
    """

    def __init__(self, dataset, prepared):
        self.dataset, self._prepared = dataset, prepared
        self.picture = lru_cache(maxsize=8)(self._picture)
        self.fixations = lru_cache(maxsize=16)(dataset.fixations)
        self._map = lru_cache(maxsize=16)(dataset.map)
        self._pool = lru_cache(maxsize=1)(self._pool_of_all)

    def scores(self, record: str, saliency: np.ndarray) -> dict[str, float]:
        """Metrics of :data:`SHOWN_METRICS` (profile ``tuebingen``) against a record's gaze."""
        row = self.dataset.row(record)
        negatives = self._pool().negatives(row["image_id"], (row["height"], row["width"]))
        return score(
            saliency,
            fixations=self.fixations(record),
            saliency_map=self._map(record),
            negatives=negatives,
            metrics=list(SHOWN_METRICS),
        )

    def _picture(self, record: str) -> Picture:
        # The records of an image show the same photograph, so their predictions are shared.
        return Picture(f"image {self.dataset.row(record)['image_id']}", self.dataset.image(record))

    def _pool_of_all(self) -> NegativePool:
        p = self._prepared
        points = (p.fixations(i) for i in range(len(p.records)))
        return NegativePool(p.records["image_id"].tolist(), points, p.native_size)


# --- without a browser ------------------------------------------------------------------------


@themed
def strength_figure(
    predictions: Predictions,
    picture: Picture,
    sentences: Mapping[str, str],
    strengths: Sequence[float] = (0.0, 1.0, 2.0),
    *,
    model: str | None = None,
):
    """One picture, a row a sentence, a column a strength, and what the sentence changed.

    Args:
        sentences: label → sentence.
        strengths: from silence (0) to exaggeration (2).
        model: a name of ``predictions``; by default its first.

    Returns:
        A figure. The last column shows the map at strength 1 minus that at 0, both as multiples of
        evenly spread attention, on one scale in all rows.
    """
    model = model or predictions.names[0]
    shown = predictions.shown(picture)
    height, width = shown.shape[:2]
    columns = len(strengths) + 1
    cell = 2.5  # inches
    fig = figure(
        cell * columns,
        (cell * height / width + 0.65) * len(sentences) + 0.4,
        title=f"Louder and softer ({predictions.predictor(model).name})",
    )
    free = _even(predictions.map(model, picture, ""))
    changes = [_even(predictions.map(model, picture, text)) - free for text in sentences.values()]
    limit = max(float(np.abs(change).max()) for change in changes)
    rows = fig.subfigures(len(sentences), 1, squeeze=False)[:, 0]
    for row, change, (label, text) in zip(rows, changes, sentences.items(), strict=True):
        row.suptitle(
            f"{label}: {wrapped(text, 100, 1)}", x=0.005, ha="left", size=10.5, weight="normal"
        )
        *panels, last = row.subplots(1, columns)
        for ax, strength in zip(panels, strengths, strict=True):
            saliency = predictions.map(model, picture, text, strength)
            overlay(ax, shown, saliency, title=f"strength {strength:g}")
        show_change(last, change, limit=limit, title=f"change, 0 to 1 (±{limit:.2g})")
    return fig


def _even(saliency: np.ndarray) -> np.ndarray:
    """The map as multiples of evenly spread attention (mean 1)."""
    mean = float(saliency.mean())
    return saliency / mean if mean > 0 else np.ones_like(saliency)


# --- the sliders ------------------------------------------------------------------------------


class Explorer:
    """The explorer's widgets; show it as the last line of a notebook cell.

    A slider sends its next position only after the last one was answered (ipywidgets holds the
    newest back until then), so dragging builds up no queue. Every mistake becomes a sentence in
    the widget, and what was shown before stays.

    Args:
        job: from :func:`csalgan.open_job`.
        models: name → function that opens a predictor; by default :func:`trained_models`.
        record: what to show first; by default the example image with its salient sentence.

    Attributes:
        box: the whole widget. The controls are attributes too (``sentence``, ``strength`` …), so
            that a script or a test can set their ``value``.
    """

    def __init__(self, job, *, models: Mapping[str, Callable] | None = None, record: str = ""):
        self.job = job
        self.predictions = Predictions(trained_models(job) if models is None else models)
        self.truth = Truth(job.dataset, job.prepared)
        self._records = job.dataset.records
        self._part = {  # a published split puts an image into several parts: the training part wins
            image: part
            for part in ("test", "val", "train")
            for image in job.split.of(part, self._records)["image_id"]
        }
        self._uploaded: Picture | None = None
        self._quiet = False
        self._scores = lru_cache(maxsize=64)(self._score)
        self._make()
        self._choose(record or self._first())
        self._watch()
        self._refresh()

    def _repr_mimebundle_(self, **kwargs):
        return self.box._repr_mimebundle_(**kwargs)

    # What there is to set.

    def _make(self) -> None:
        wide = {"layout": w.Layout(width="100%"), "style": {"description_width": "7.5em"}}
        present = [c for c in CONDITIONS if (self._records["condition"] == c).any()]
        self.condition = w.Dropdown(
            options=[("all", "all"), *((CONDITION_LABELS[c], c) for c in present)],
            description="gaze after",
            **wide,
        )
        self.record = w.Dropdown(description="image", **wide)
        self.upload = w.FileUpload(
            accept=".jpg,.jpeg,.png,.webp",
            description="upload (≤ 8 MB)",
            layout=w.Layout(width="auto", margin="2px 2px 8px 7.9em"),
        )
        self.own = w.Dropdown(description="its sentences", **wide)
        self.sentence = w.Text(
            description="sentence",
            placeholder="type a sentence, then Enter; empty is free viewing",
            continuous_update=False,  # predict when the sentence is done, not at every letter
            **wide,
        )
        self.model = w.Dropdown(options=self.predictions.names, description="trained on", **wide)
        self.strength = w.FloatSlider(1.0, min=0, max=2, step=0.05, description="strength", **wide)
        self.opacity = w.FloatSlider(0.6, min=0, max=1, step=0.02, description="opacity", **wide)
        self.threshold = w.IntSlider(0, min=0, max=99, description="threshold, %", **wide)
        self.colours = w.Dropdown(options=MAPS, description="colours", **wide)
        self.dots = w.Checkbox(False, description="show fixations", **wide)
        self.message = w.HTML()
        self.picture = w.Image(format="jpeg", layout=w.Layout(max_width="100%"))
        self.facts = w.HTML()
        left = w.VBox(
            [
                self.condition,
                self.record,
                self.upload,
                self.own,
                self.sentence,
                self.strength,
                self.model,
                self.opacity,
                self.threshold,
                self.colours,
                self.dots,
            ],
            layout=w.Layout(flex="1 1 20em", min_width="18em", max_width="30em"),
        )
        right = w.VBox(
            [self.message, self.picture, self.facts],
            layout=w.Layout(flex="2 1 24em", min_width="0"),
        )
        row = w.Layout(display="flex", flex_flow="row wrap", width="100%", grid_gap="16px")
        self.box = w.Box([left, right], layout=row)

    def _watch(self) -> None:
        self.condition.observe(self._on_condition, "value")
        self.record.observe(self._on_record, "value")
        self.upload.observe(self._on_upload, "value")
        self.own.observe(self._on_own, "value")
        for control in (
            self.sentence,
            self.model,
            self.strength,
            self.opacity,
            self.threshold,
            self.colours,
            self.dots,
        ):
            control.observe(self._on_view, "value")

    # What happens when it is set.

    def _on_condition(self, change) -> None:
        with self._together():
            names = self._offered()
            if self._uploaded is None and self.record.value not in names:
                self._choose(names[0])
            else:
                self._offer(self.record.value)

    def _on_record(self, change) -> None:
        if change["new"] is not None and not self._quiet:
            with self._together():
                self._choose(change["new"])

    def _on_upload(self, change) -> None:
        if not change["new"] or self._quiet:
            return
        file = change["new"][0]
        with self._together():
            self.upload.value = ()  # the same file can be given again
            self._uploaded = read_upload(bytes(file["content"]), file["name"])
            self._offer(None)
            self.own.options = [("no sentence", "")]
            self.own.value = None
            self.dots.disabled = True

    def _on_own(self, change) -> None:
        if change["new"] is not None and not self._quiet:
            with self._together():
                self.sentence.value = change["new"]

    def _on_view(self, change) -> None:
        if self._quiet:
            return
        with self._together():
            if change["owner"] is self.sentence:
                texts = [text for _, text in self.own.options]
                self.own.value = change["new"] if change["new"] in texts else None

    @contextmanager
    def _together(self):
        """Set several controls, then draw once; mistakes become a sentence in the widget."""
        before, self._quiet = self._quiet, True
        try:
            yield
            if not before:
                self._refresh()
        except CsalganError as error:
            self._say(str(error))
        finally:
            self._quiet = before

    # State.

    def _first(self) -> str:
        example = self._records[self._records["image_id"] == self.job.example_image()]
        salient = example[example["condition"] == "salient"]
        return (salient if len(salient) else example)["record"].iloc[0]

    def _offered(self) -> list[str]:
        chosen = self._records
        if self.condition.value != "all":
            chosen = chosen[chosen["condition"] == self.condition.value]
        return chosen["record"].tolist()

    def _offer(self, record: str | None) -> None:
        rows = self._records[self._records["record"].isin(self._offered())]
        self.record.options = [
            (f"{row.image_id} · {CONDITION_LABELS[row.condition]}", row.record)
            for row in rows.itertuples(index=False)
        ]
        self.record.value = record

    def _choose(self, record: str) -> None:
        """Show a record with the sentence that its viewers had read."""
        row = self.job.dataset.row(record)
        self._uploaded = None
        self._offer(record)
        siblings = self._records[self._records["image_id"] == row["image_id"]]
        told = siblings[siblings["condition"] != "none"]
        self.own.options = [("no sentence", "")] + [
            (f"{CONDITION_LABELS[one.condition]}: {one.text}", one.text)
            for one in told.itertuples(index=False)
        ]
        self.own.value = self.sentence.value = row["text"]
        self.dots.disabled = False

    def _score(self, record: str, *asked) -> dict[str, float]:
        return self.truth.scores(record, self.predictions.map(*asked))

    def _refresh(self) -> None:
        record = None if self._uploaded else self.record.value
        picture = self._uploaded or self.truth.picture(record)
        asked = (self.model.value, picture, self.sentence.value, self.strength.value)
        saliency = self.predictions.map(*asked)
        shown = self.predictions.shown(picture)
        fixations = None
        if record and self.dots.value:
            scale = np.array(shown.shape[:2]) / picture.image.shape[:2]
            fixations = (self.truth.fixations(record) + 0.5) * scale
        self.picture.value = encode(
            render(
                shown,
                saliency,
                opacity=self.opacity.value,
                threshold=self.threshold.value,
                cmap=self.colours.value,
                fixations=fixations,
            )
        )
        self.facts.value = self._table(record, self._scores(record, *asked) if record else None)
        self._say("")

    def _say(self, sentence: str) -> None:
        text = html.escape(sentence)
        style = (
            "padding:.4em .7em; border-left:4px solid #B03C07; background:#FBEDE6; color:#22262B"
        )
        self.message.value = f'<div role="alert" style="{style}">{text}</div>' if text else ""

    def _table(self, record: str | None, scores: dict[str, float] | None) -> str:
        predictor = self.predictions.predictor(self.model.value)
        receipt = html.escape(f"{predictor.name} · {self.job.provenance.line()}")
        foot = f'<p style="font-size:80%; opacity:.75; line-height:1.35">{receipt}</p>'
        if record is None:
            return f"<p>Your own photograph: nobody's gaze to compare with.</p>{foot}"
        row = self.job.dataset.row(record)
        read = f"“{html.escape(row['text'])}”" if row["text"] else "nothing (free viewing)"
        part = {"train": "training", "val": "validation", "test": "test"}[
            self._part[row["image_id"]]
        ]
        head = "".join(
            f'<th style="padding:0 .8em 0 0; text-align:left">{name.upper()} {better}</th>'
            for name, better in SHOWN_METRICS.items()
        )
        cells = "".join(
            f'<td style="padding:0 .8em 0 0">{scores[name]:.3f}</td>' for name in SHOWN_METRICS
        )
        return (
            f"<p>Compared with the gaze of people who had read {read}; "
            f"the image is in the <b>{part}</b> part.</p>"
            f"<table><tr>{head}</tr><tr>{cells}</tr></table>{foot}"
        )
