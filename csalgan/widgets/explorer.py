"""The explorer's widgets.

What loads slowly (torch, the models) is imported in the thread that works, so that the controls
stand on the screen within a second and say what is being waited for.
"""

import html
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from csalgan.errors import CsalganError
from csalgan.widgets.controls import INTRO, Controls
from csalgan.widgets.worker import Newest

if TYPE_CHECKING:
    from csalgan.job import Job
    from csalgan.widgets.cached import Model
    from csalgan.widgets.view import View, Word

#: More words of a sentence are not read: the encoders take some 75 to 125 pieces of words.
LONGEST_SENTENCE = 50
_CHUNK = 8  # words weighed at once, between looks at whether something newer was asked
_AHEAD = 2  # pictures looked at before they are asked for
_PARTS = {
    "train": "this model was <b>trained</b> on the image",
    "val": "the image is in this model's <b>validation</b> part",
    "test": "the image is in this model's <b>test</b> part",
    "new": "this model has never seen data like these",
}


class Wanted(NamedTuple):
    """What the controls ask for, taken at one moment."""

    picture: object
    record: str
    model: str
    sentences: tuple[str, str]
    strength: float
    opacity: float
    threshold: float
    cmap: str
    dots: bool
    active: tuple[int, ...]
    side: int


class Explorer(Controls):
    """Two sentences about one picture, side by side; show it as the last line of a cell.

    Three threads work: one draws, one scores, one finds pictures. Each does the newest of what it
    was asked and drops the rest, so dragging builds up no queue and a long sentence keeps nobody
    waiting. Every mistake becomes a sentence in the widget, and what was shown stays.

    Args:
        job: from :func:`csalgan.open_job`, or a function that gives it (called in a thread).
        models: name → model; by default what :func:`on_offer` finds trained. The first is shown.
        record: whose gaze to show first; by default a salient one of an image that the first model
            was tested on.
        weights: of one more model, as :func:`on_offer` takes it; it is shown first.

    Attributes:
        box: the whole widget. The controls are attributes too (``sentences``, ``strength`` …), so
            that a script or a test can set their ``value``; then :meth:`wait`.
        view: what is on the screen.
    """

    view: "View | None" = None

    def __init__(
        self,
        job: "Job | Callable[[], Job]",
        *,
        models: "Mapping[str, Model] | None" = None,
        record: str = "",
        weights: str = "",
    ):
        self._open = job if callable(job) else lambda: job
        self._models, self._weights = models, weights
        self._uploaded = None
        self._quiet = True  # until there is something to ask
        self._scores: dict[str, dict[str, float]] = {}
        super().__init__()
        self._drawing, self._scoring, self._finding = (Newest(self._failed) for _ in range(3))
        self._drawing.ask(self._start(record))

    def _repr_mimebundle_(self, **kwargs):
        return self.box._repr_mimebundle_(**kwargs)

    def wait(self, seconds: float = 60) -> bool:
        """Until everything that was asked is on the screen; whether it is."""
        return all(one.wait(seconds) for one in (self._drawing, self._scoring, self._finding))

    def _watch(self) -> None:
        asks = (*self.sentences, self.model, self.strength, self.opacity, self.threshold)
        for control in (*asks, self.colours, self.dots, self.condition):
            control.observe(self._on_view, "value")
        self.panels.observe(self._on_view, "active")
        self.panels.observe(self._on_zoom, "zoom")
        self.panels.observe(self._on_pointer, "pointer")
        self.zoom.observe(self._on_zoom, "value")
        for own in self.own:
            own.observe(self._on_own, "value")
        self.gallery.observe(self._on_picture, "chosen")
        self.gallery.observe(self._on_search, "wanted")
        self.search.observe(self._on_search, "value")
        self.photograph.on_msg(self._on_photograph)
        self.keep.on_msg(self._on_save)

    # What happens when it is set.

    def _on_view(self, change) -> None:
        if not self._quiet:
            with self._together():
                for own, sentence in zip(self.own, self.sentences, strict=True):
                    own.value = (
                        sentence.value if sentence.value in dict(own.options).values() else None
                    )

    def _on_own(self, change) -> None:
        if change["new"] is not None and not self._quiet:
            with self._together():
                self.sentences[self.own.index(change["owner"])].value = change["new"]

    def _on_picture(self, change) -> None:
        if not self._quiet:
            with self._together():
                self._choose(self._best_record(change["new"]))

    def _on_zoom(self, change) -> None:
        self.zoom.value = self.panels.zoom = change["new"]
        if not self._quiet:
            self._ask()

    def _on_pointer(self, change) -> None:
        where, view = change["new"], self.view
        inside = view is not None and len(where) == 2 and all(0 <= one < 1 for one in where)
        self.panels.reading = view.at(*where) if inside else ""

    def _on_search(self, change) -> None:
        if change["owner"] is self.search:
            self.gallery.wanted = 12
        if not self._quiet:
            self._finding.ask(self._find(self.search.value, self.gallery.wanted))

    def _on_photograph(self, widget, message, buffers) -> None:
        from csalgan.widgets.pictures import read_upload

        if message.get("kind") == "refused":
            self._say(str(message.get("message")))
        elif message.get("kind") == "photograph" and buffers and not self._quiet:
            with self._together():
                self._uploaded = read_upload(bytes(buffers[0]), str(message.get("name")))
                for own, sentence in zip(self.own, self.sentences, strict=True):
                    if own.value:  # a sentence about the picture that goes
                        sentence.value = ""
                    own.options = [("no sentence", "")]
                    own.value = None if sentence.value else ""
                self.gallery.chosen = ""
                self.dots.disabled = self.condition.disabled = True

    def _on_save(self, widget, message, buffers) -> None:
        if message.get("kind") == "save":
            try:
                self.keep.download(*self._file(message.get("what")))
            except CsalganError as error:
                self.keep.download(b"", "")
                self._say(str(error))

    def _file(self, what: str) -> tuple[bytes, str]:
        from csalgan.widgets import keep

        view = self.view
        if view is None:
            raise CsalganError("nothing is drawn yet; wait for the pictures.")
        if what == "maps":
            return keep.maps(view), "csalgan-maps.zip"
        if what == "scores":
            if not self._scores:
                raise CsalganError(
                    "there are no scores to save: they are not computed yet, or nobody's gaze is "
                    "known for this picture."
                )
            return keep.scores_csv(view, self._scores, self._record()), "csalgan-scores.csv"
        provenance = self.predictors.predictor(view.model).provenance
        return keep.snapshot(view, provenance, self._shown_data(), self._scores), "csalgan.png"

    @contextmanager
    def _together(self):
        """Set several controls, then ask once; mistakes become a sentence in the widget."""
        before, self._quiet = self._quiet, True
        try:
            yield
            if not before:
                self._ask()
        except CsalganError as error:
            self._say(str(error))
        finally:
            self._quiet = before

    # Choosing.

    def _start(self, record: str) -> Iterator[None]:
        """Open the data and the models, then show the first picture."""
        self._busy("Opening the data …")
        yield
        from csalgan.data.records import CONDITIONS
        from csalgan.figures import MAPS
        from csalgan.figures.base import CONDITION_LABELS
        from csalgan.widgets.cached import CachedPredictors, Truth, on_offer

        self.job = self._open()
        self._labels = CONDITION_LABELS
        records = self.job.dataset.records
        self._of_image = dict(tuple(records.groupby("image_id", sort=False)))
        self._busy("Loading the models …")
        models = self._models or on_offer(self.job, weights=self._weights)
        self.predictors, self.truth = CachedPredictors(models), Truth(self.job)
        kind = "drawn scenes and simulated gaze" if self.job.dataset.synthetic else "photographs"
        about = f"Shown are {kind}: {self.job.dataset.name}."
        self.intro.value = INTRO.format(data=html.escape(about))
        for control, names in ((self.model, self.predictors.names), (self.colours, MAPS)):
            control.options = names
            control.value = names[0]
        self._order = {c: number for number, c in enumerate(CONDITIONS)}
        self._choose(record or self._best_record(self._first_image()))
        self._watch()
        self._quiet = False
        self._finding.ask(self._find("", self.gallery.wanted))
        yield from self._show(self._wanted())

    def _first_image(self) -> str:
        """The example image where the first model was tested on it, else one that it was."""
        drawn = self.predictors.models[self.model.value].drawn(self.job.dataset)
        four = [i for i, rows in self._of_image.items() if len(rows) == 4] or list(self._of_image)
        tested = [image for image in four if drawn[image] == "test"] or four
        try:
            example = self.job.example_image()
        except CsalganError:  # no image has all four records
            return tested[0]
        return example if example in tested else tested[0]

    def _best_record(self, image_id: str) -> str:
        """The record of an image whose sentence names the most conspicuous thing."""
        rows = self._of_image[image_id]
        last = rows["condition"].map(self._order).idxmax()
        return rows.loc[last, "record"]

    def _record(self) -> str:
        return "" if self._uploaded else self.condition.value

    def _choose(self, record: str) -> None:
        """Show a record: A is the sentence its viewers had read, B another one of the image."""
        row = self.job.dataset.row(record)
        self._uploaded = None
        siblings = self._of_image[row["image_id"]]
        self.condition.options = [
            (self._labels[one.condition], one.record) for one in siblings.itertuples(index=False)
        ]
        self.condition.value = record
        told = siblings[siblings["condition"] != "none"]
        others = told[told["record"] != record]["text"].tolist()
        away = told[told["condition"] == "non_salient"]["text"].tolist()
        second = next((text for text in [*away, *others] if text != row["text"]), "")
        for own, sentence, text in zip(
            self.own, self.sentences, (row["text"], second), strict=True
        ):
            own.options = [("no sentence", "")] + [
                (f"{self._labels[one.condition]}: {one.text}", one.text)
                for one in told.itertuples(index=False)
            ]
            own.value = sentence.value = text
        self.gallery.chosen = row["image_id"]
        self.dots.disabled = self.condition.disabled = False

    def _find(self, words: str, wanted: int) -> Iterator[None]:
        """Thumbnails of the images with a sentence that holds all words; test images first."""
        from csalgan.widgets.pictures import encode, thumbnail

        drawn = self.predictors.models[self.model.value].drawn(self.job.dataset)
        told = {image: " / ".join(filter(None, r["text"])) for image, r in self._of_image.items()}
        parts = words.lower().split()
        found = [i for i in told if all(part in f"{i} {told[i]}".lower() for part in parts)]
        found.sort(key=lambda image: drawn[image] != "test")
        size, cells = tuple(self.gallery.size), []
        for image in found[:wanted]:
            cells.append(thumbnail(self._of_image[image]["image_path"].iloc[0], size))
            yield
        self.gallery.found = len(found)
        self.gallery.items = [{"id": i, "label": f"{i}: {told[i]}"} for i in found[:wanted]]
        self.gallery.sheet = encode(np.hstack(cells) if cells else np.zeros((1, 1, 3), np.uint8))

    # Showing.

    def _ask(self) -> None:
        self._drawing.ask(self._show(self._wanted()))

    def _wanted(self) -> Wanted:
        from csalgan.widgets.pictures import VIEW_SIDE

        record = self._record()
        return Wanted(
            picture=self._uploaded,
            record=record,
            model=self.model.value,
            sentences=tuple(" ".join(one.value.split()) for one in self.sentences),
            strength=self.strength.value,
            opacity=self.opacity.value,
            threshold=self.threshold.value,
            cmap=self.colours.value,
            dots=self.dots.value,
            active=tuple(self.panels.active),
            side=VIEW_SIDE if self.zoom.value == 1 else 2 * VIEW_SIDE,
        )

    def _show(self, wanted: Wanted) -> Iterator[None]:
        """Everything on the screen, what is waited for most first."""
        from csalgan.widgets.pictures import encode, gradient

        self._busy("Computing …")
        cut = [" ".join(text.split()[:LONGEST_SENTENCE]) for text in wanted.sentences]
        long = [s for s, one, text in zip("AB", cut, wanted.sentences, strict=True) if one != text]
        wanted = wanted._replace(sentences=tuple(cut))
        view = yield from self._viewed(wanted)
        self.view = view
        panels = []
        for name, panel in view.panels():
            self._draw(name, encode(panel.pixels))
            about = {key: getattr(panel, key) for key in ("title", "alt", "low", "high")}
            panels.append({"name": name, "colours": gradient(panel.cmap), **about})
            yield
        self.panels.panels = panels
        weights = self.predictors.models[view.model].weights
        self.keep.line = view.python(weights)
        self._say(
            f"Sentence {' and '.join(long)} is too long: only its first {LONGEST_SENTENCE} words "
            "are read."
            if long
            else ""
        )
        self._scoring.ask(self._score(view, wanted))
        self._busy("")
        yield
        yield from self._weigh_words(view)
        yield from self._look_ahead(view)

    def _draw(self, name: str, content: bytes) -> None:
        """Send a panel's picture, unless it is the one that is there."""
        if getattr(self.panels, name) != content:
            setattr(self.panels, name, content)

    def _viewed(self, wanted: Wanted) -> "Iterator[None]":
        """The view that is wanted (returned), computed in steps."""
        from csalgan.widgets.view import Measured, View

        ask, record = self.predictors, wanted.record
        picture = wanted.picture or self.truth.picture(record)
        maps = []
        for text in wanted.sentences:
            maps.append(ask.map(wanted.model, picture, text, wanted.strength))
            yield
        measured = None
        if record:
            condition = self._labels[self.job.dataset.row(record)["condition"]]
            title = f"measured gaze: {condition}"
            measured = Measured(title, self.truth.map(record), self.truth.fixations(record))
        return View(
            picture=picture,
            shown=ask.shown(picture, wanted.side),
            sentences=wanted.sentences,
            maps=tuple(maps),
            model=wanted.model,
            strength=wanted.strength,
            opacity=wanted.opacity,
            threshold=wanted.threshold,
            cmap=wanted.cmap,
            measured=measured,
            dots=wanted.dots and measured is not None,
            word=self._word(wanted, picture),
        )

    def _word(self, wanted: Wanted, picture) -> "Word | None":
        from csalgan.guidance.sentences import without_each_word
        from csalgan.widgets.view import Word

        words = [without_each_word(sentence) for sentence in wanted.sentences]
        names = [[word for word, _ in one] for one in words]
        if self.panels.words != names:
            before, self._quiet = self._quiet, True
            self.panels.active, self.panels.pinned, self.panels.shares = [], [], [[], []]
            self.panels.words = names
            self._quiet = before
            return None
        if len(wanted.active) != 2 or wanted.active[1] >= len(words[wanted.active[0]]):
            return None
        side, number = wanted.active
        word, rest = words[side][number]
        without = self.predictors.map(wanted.model, picture, rest, wanted.strength)
        return Word(word, side, without)

    def _weigh_words(self, view: "View") -> Iterator[None]:
        from csalgan.guidance.sentences import without_each_word

        shares: list[list[float]] = [[], []]
        for found, sentence in zip(shares, view.sentences, strict=True):
            rests = [rest for _, rest in without_each_word(sentence)]
            for start in range(0, len(rests), _CHUNK):
                part = rests[start : start + _CHUNK]
                found += self.predictors.shares(view.model, view.picture, sentence, part)
                yield
        if self.panels.shares != shares:
            self.panels.shares = shares

    def _look_ahead(self, view: "View") -> Iterator[None]:
        """Look at the next pictures of the gallery while nobody asks for anything."""
        shown = [item["id"] for item in self.gallery.items]
        here = shown.index(self.gallery.chosen) if self.gallery.chosen in shown else -1
        for image in shown[here + 1 : here + 1 + _AHEAD]:
            picture = self.truth.picture(self._best_record(image))
            yield
            self.predictors.look(view.model, picture)
            yield

    # What is said about it.

    def _failed(self, error: Exception) -> None:
        self._busy("")
        if not isinstance(error, CsalganError):
            traceback.print_exception(error)
            error = f"something went wrong here ({type(error).__name__}: {error}); try again."
        self._say(str(error))

    def _shown_data(self) -> str:
        return "an uploaded photograph" if self._uploaded else self.job.dataset.name

    def _score(self, view: "View", wanted: Wanted) -> Iterator[None]:
        """The table of scores below the pictures, and the receipt."""
        predictor = self.predictors.predictor(view.model)
        shown = "an uploaded photograph" if wanted.picture else self.job.dataset.name
        receipt = f"model: {predictor.name}, {predictor.provenance.line()} · shown: {shown}"
        foot = f"<p><small>{html.escape(receipt)}</small></p>"
        self._scores = {}
        if wanted.picture:
            self.facts.value = f"<p>Your own photograph: nobody's gaze to compare with.</p>{foot}"
            return
        if not self.facts.value:
            self.facts.value = f"<p>Scores follow: reading the gaze of all images …</p>{foot}"
            yield
            self.truth.prepare()
        from csalgan.widgets.cached import SHOWN_METRICS

        scores = {}
        for side, saliency in zip("AB", view.maps, strict=True):
            scores[side] = self.truth.scores(wanted.record, saliency)
            yield
        row = self.job.dataset.row(wanted.record)
        read = f"“{html.escape(row['text'])}”" if row["text"] else "nothing (free viewing)"
        part = self.predictors.models[view.model].part(self.job.dataset, row["image_id"])
        heads = [f"<th>{name.upper()} {better}</th>" for name, better in SHOWN_METRICS.items()]
        table = f"<tr><th>sentence</th>{''.join(heads)}</tr>"
        for side, values in scores.items():
            cells = "".join(f"<td>{values[name]:.3f}</td>" for name in SHOWN_METRICS)
            table += f"<tr><th>{side}</th>{cells}</tr>"
        self._scores = scores
        self.facts.value = (
            f"<p>Compared with the gaze of people who had read {read}; {_PARTS[part]}.</p>"
            f"<table>{table}</table>{foot}"
        )
