"""The explorer's widgets."""

import html
from collections.abc import Mapping
from contextlib import contextmanager
from functools import lru_cache

import ipywidgets as w

from csalgan.data.records import CONDITIONS
from csalgan.errors import CsalganError
from csalgan.figures import MAPS
from csalgan.figures.base import CONDITION_LABELS
from csalgan.guidance.sentences import without_each_word
from csalgan.widgets.answers import SHOWN_METRICS, Model, Predictions, Truth, on_offer
from csalgan.widgets.parts import Keep, PhotographInput, WordStrip
from csalgan.widgets.pictures import UPLOAD_SIDE, Picture, encode, read_upload
from csalgan.widgets.view import SIDES, Measured, View, Word, snapshot

_ALL = "all"
_PARTS = {
    "train": "this model was <b>trained</b> on the image",
    "val": "the image is in this model's <b>validation</b> part",
    "test": "the image is in this model's <b>test</b> part",
    "new": "this model has never seen data like these",
}


class Explorer:
    """Two sentences about one picture, side by side; show it as the last line of a cell.

    A slider sends its next position only after the last one was answered (ipywidgets holds the
    newest back until then), so dragging builds up no queue. Pictures are drawn before anything
    else is computed. Every mistake becomes a sentence in the widget, and what was shown stays.

    Args:
        job: from :func:`csalgan.open_job`.
        models: name → model; by default what :func:`on_offer` finds trained. The first is shown.
        record: whose gaze to show first; by default the example image's salient one.

    Attributes:
        box: the whole widget. The controls are attributes too (``sentences``, ``strength`` …), so
            that a script or a test can set their ``value``.
        view: what is on the screen.
    """

    view: View

    def __init__(self, job, *, models: Mapping[str, Model] | None = None, record: str = ""):
        self.job = job
        self.predictions = Predictions(on_offer(job) if models is None else models)
        self.truth = Truth(job.dataset, job.prepared)
        self._records = job.dataset.records
        self._uploaded: Picture | None = None
        self._quiet = False
        self._scored = lru_cache(maxsize=64)(self._score)
        self._make()
        self._choose(record or self._first())
        self._watch()
        self._refresh()

    def _repr_mimebundle_(self, **kwargs):
        return self.box._repr_mimebundle_(**kwargs)

    # What there is to set.

    def _make(self) -> None:
        wide = {
            "layout": w.Layout(width="calc(100% - 6px)"),
            "style": {"description_width": "7.5em"},
        }
        present = [c for c in CONDITIONS if (self._records["condition"] == c).any()]
        names = self.predictions.names
        encoders = sorted({model.encoder for model in self.predictions.models.values()})
        self.model = w.Dropdown(options=names, description="model", **wide)
        self.encoder = w.Dropdown(
            options=[("any", _ALL), *((name, name) for name in encoders)],
            description="text encoder",
            **wide,
        )
        self.condition = w.Dropdown(
            options=[("all", _ALL), *((CONDITION_LABELS[c], c) for c in present)],
            description="gaze after",
            **wide,
        )
        self.record = w.Dropdown(description="image", **wide)
        self.photograph = PhotographInput(side=UPLOAD_SIDE)
        self.own = tuple(w.Dropdown(description=f"{side} from", **wide) for side in SIDES)
        self.sentences = tuple(
            w.Text(
                description=f"sentence {side}",
                placeholder="type a sentence, then Enter; empty is free viewing",
                continuous_update=False,  # predict when the sentence is done, not at every letter
                **wide,
            )
            for side in SIDES
        )
        self.strength = w.FloatSlider(1.0, min=0, max=2, step=0.05, description="strength", **wide)
        self.opacity = w.FloatSlider(0.6, min=0, max=1, step=0.02, description="opacity", **wide)
        self.threshold = w.IntSlider(0, min=0, max=99, description="threshold, %", **wide)
        self.colours = w.Dropdown(options=MAPS, description="colours", **wide)
        self.dots = w.Checkbox(False, description="show fixations", **wide)
        self.message = w.HTML()
        self.strips = tuple(WordStrip(label=f"words of sentence {side}") for side in SIDES)
        names = (*SIDES, "change", "measured")
        self.titles = {name: w.HTML() for name in names}
        self.pictures = {
            name: w.Image(format="jpeg", layout=w.Layout(width="100%")) for name in names
        }
        self.facts = w.HTML()
        self.keep = Keep()
        self._name_classes()
        self.box = self._arranged()

    def _name_classes(self) -> None:
        """A CSS class for each control and picture, for style sheets and scripts."""
        for name, control in vars(self).items():
            if isinstance(control, w.DOMWidget):
                control.add_class(f"csalgan-{name}")
        for several, names in (
            (self.sentences, ("sentence-A", "sentence-B")),
            (self.strips, ("words-A", "words-B")),
            (self.pictures.values(), self.pictures),
        ):
            for control, name in zip(several, names, strict=True):
                control.add_class(f"csalgan-{name}")

    def _arranged(self) -> w.Box:
        gap = w.HTML('<div style="height:.3em"></div>')
        controls = [self.sentences[0], self.own[0], self.sentences[1], self.own[1], gap]
        controls += [self.strength, self.opacity, self.threshold, self.colours, self.dots, gap]
        controls += [self.condition, self.record, self.photograph, gap, self.model, self.encoder]
        left = w.VBox(
            controls, layout=w.Layout(flex="1 1 20em", min_width="18em", max_width="28em")
        )
        cell = w.Layout(flex="1 1 17em", min_width="0", max_width="500px")
        panels = {
            name: w.VBox([self.titles[name], self.pictures[name]], layout=cell)
            for name in self.pictures
        }
        for side, strip in zip(SIDES, self.strips, strict=True):
            panels[side].children = (*panels[side].children, strip)
        rows = w.Layout(display="flex", flex_flow="row wrap", width="100%", grid_gap="12px")
        right = w.VBox(
            [
                self.message,
                w.Box([panels[side] for side in SIDES], layout=rows),
                w.Box([panels["change"], panels["measured"]], layout=rows),
                self.facts,
                self.keep,
            ],
            layout=w.Layout(flex="3 1 36em", min_width="0"),
        )
        return w.Box([left, right], layout=rows)

    def _watch(self) -> None:
        self.condition.observe(self._on_condition, "value")
        self.record.observe(self._on_record, "value")
        self.encoder.observe(self._on_encoder, "value")
        self.photograph.on_msg(self._on_photograph)
        self.keep.on_msg(self._on_save)
        for own in self.own:
            own.observe(self._on_own, "value")
        for strip in self.strips:
            strip.observe(self._on_word, "active")
        for control in (
            *self.sentences,
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

    def _on_encoder(self, change) -> None:
        models = self.predictions.models
        with self._together():
            now = self.model.value
            names = [n for n in models if change["new"] in (_ALL, models[n].encoder)]
            self.model.options = names
            self.model.value = now if now in names else names[0]

    def _on_photograph(self, widget, message, buffers) -> None:
        if message.get("kind") == "refused":
            self._say(str(message.get("message")))
        elif message.get("kind") == "photograph" and buffers:
            with self._together():
                name = str(message.get("name"))
                self._uploaded = read_upload(bytes(buffers[0]), name)
                self._offer(None)
                for own in self.own:
                    own.options = [("no sentence", "")]
                    own.value = None
                self.dots.disabled = True

    def _on_own(self, change) -> None:
        if change["new"] is not None and not self._quiet:
            with self._together():
                self.sentences[self.own.index(change["owner"])].value = change["new"]

    def _on_word(self, change) -> None:
        if not self._quiet:
            with self._together():
                other = self.strips[1 - self.strips.index(change["owner"])]
                if change["new"] >= 0:  # one word at a time
                    other.active = other.pinned = -1

    def _on_view(self, change) -> None:
        if self._quiet:
            return
        with self._together():
            for own, sentence in zip(self.own, self.sentences, strict=True):
                texts = [text for _, text in own.options]
                own.value = sentence.value if sentence.value in texts else None

    def _on_save(self, widget, message, buffers) -> None:
        if message.get("kind") == "save":
            predictor = self.predictions.predictor(self.view.model)
            png = snapshot(self.view, predictor.provenance, self._shown_data(), self._scores())
            self.keep.download(png, "csalgan.png")

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
        if self.condition.value != _ALL:
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
        """Show a record: A is the sentence its viewers had read, B another one of the image."""
        row = self.job.dataset.row(record)
        self._uploaded = None
        self._offer(record)
        siblings = self._records[self._records["image_id"] == row["image_id"]]
        told = siblings[siblings["condition"] != "none"]
        others = told[told["record"] != record]["text"].tolist()
        away = told[told["condition"] == "non_salient"]["text"].tolist()
        second = next((text for text in [*away, *others] if text != row["text"]), "")
        for own, sentence, text in zip(
            self.own, self.sentences, (row["text"], second), strict=True
        ):
            own.options = [("no sentence", "")] + [
                (f"{CONDITION_LABELS[one.condition]}: {one.text}", one.text)
                for one in told.itertuples(index=False)
            ]
            own.value = sentence.value = text
        self.dots.disabled = False

    def _refresh(self) -> None:
        self.view = self._seen()
        panels = self.view.panels()
        for name, picture in self.pictures.items():
            title, pixels = panels.get(name, ("", None))
            self.titles[name].value = f'<div style="line-height:1.3">{html.escape(title)}</div>'
            picture.layout.display = "none" if pixels is None else ""
            if pixels is not None:
                self._draw(name, pixels)
        self.keep.line = self.view.python(self.predictions.models[self.view.model].weights)
        self._say("")
        self.facts.value = self._table()
        self._weigh_words()

    def _draw(self, name: str, pixels) -> None:
        """Send a panel's picture, unless it is the one that is there."""
        content = encode(pixels)
        if self.pictures[name].value != content:
            self.pictures[name].value = content

    def _seen(self) -> View:
        record = None if self._uploaded else self.record.value
        picture = self._uploaded or self.truth.picture(record)
        model, strength = self.model.value, self.strength.value
        sentences = tuple(" ".join(one.value.split()) for one in self.sentences)
        maps = tuple(self.predictions.map(model, picture, text, strength) for text in sentences)
        measured = None
        if record:
            condition = self.job.dataset.row(record)["condition"]
            title = f"measured gaze: {CONDITION_LABELS[condition]}"
            measured = Measured(title, self.truth.map(record), self.truth.fixations(record))
        return View(
            picture=picture,
            shown=self.predictions.shown(picture),
            sentences=sentences,
            maps=maps,
            model=model,
            strength=strength,
            opacity=self.opacity.value,
            threshold=self.threshold.value,
            cmap=self.colours.value,
            measured=measured,
            dots=self.dots.value,
            word=self._word(model, picture, sentences, strength),
        )

    def _word(self, model, picture, sentences, strength) -> Word | None:
        found = None
        for side, (strip, sentence) in enumerate(zip(self.strips, sentences, strict=True)):
            words = without_each_word(sentence)
            if strip.words != [word for word, _ in words]:
                strip.active = strip.pinned = -1
                strip.shares = []
                strip.words = [word for word, _ in words]
            if 0 <= strip.active < len(words):
                word, rest = words[strip.active]
                without = self.predictions.map(model, picture, rest, strength)
                found = Word(word, side, without)
        return found

    def _weigh_words(self) -> None:
        view = self.view
        for strip, sentence in zip(self.strips, view.sentences, strict=True):
            shares = list(self.predictions.shares(view.model, view.picture, sentence))
            if strip.shares != shares:
                strip.shares = shares

    # What is said about it.

    def _say(self, sentence: str) -> None:
        text = html.escape(sentence)
        style = (
            "padding:.4em .7em; border-left:4px solid #B03C07; background:#FBEDE6; color:#22262B"
        )
        self.message.value = f'<div role="alert" style="{style}">{text}</div>' if text else ""

    def _scores(self) -> dict[str, dict[str, float]]:
        if self._uploaded:
            return {}
        asked = (self.record.value, self.view.model, self.view.picture)
        return {
            side: self._scored(*asked, text, self.view.strength)
            for side, text in zip(SIDES, self.view.sentences, strict=True)
        }

    def _score(self, record: str, *asked) -> dict[str, float]:
        return self.truth.scores(record, self.predictions.map(*asked))

    def _shown_data(self) -> str:
        return "an uploaded photograph" if self._uploaded else self.job.dataset.name

    def _table(self) -> str:
        predictor = self.predictions.predictor(self.view.model)
        receipt = html.escape(
            f"model: {predictor.name}, {predictor.provenance.line()} · shown: {self._shown_data()}"
        )
        foot = f'<p style="font-size:80%; opacity:.75; line-height:1.35">{receipt}</p>'
        scores = self._scores()
        if not scores:
            return f"<p>Your own photograph: nobody's gaze to compare with.</p>{foot}"
        row = self.job.dataset.row(self.record.value)
        read = f"“{html.escape(row['text'])}”" if row["text"] else "nothing (free viewing)"
        part = self.predictions.models[self.view.model].part(self.job.dataset, row["image_id"])
        cell = 'style="padding:0 .8em 0 0; text-align:left"'
        lines = [
            f"<th {cell}>{name.upper()} {better}</th>" for name, better in SHOWN_METRICS.items()
        ]
        table = [f"<tr><th {cell}></th>{''.join(lines)}</tr>"]
        for side, values in scores.items():
            cells = "".join(f"<td {cell}>{values[name]:.3f}</td>" for name in SHOWN_METRICS)
            table.append(f"<tr><th {cell}>{side}</th>{cells}</tr>")
        return (
            f"<p>Compared with the gaze of people who had read {read}; {_PARTS[part]}.</p>"
            f"<table>{''.join(table)}</table>{foot}"
        )
