"""The explorer's widgets.

What loads slowly (torch, the models) is imported in the thread that works, so that the controls
stand on the screen within a second and say what is being waited for.
"""

import html
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import wraps
from threading import Condition, Thread
from typing import TYPE_CHECKING

import numpy as np

from csalgan.explorer.controls import INTRO, Controls
from csalgan.files.errors import CsalganError
from csalgan.text.words import LONGEST_SENTENCE

if TYPE_CHECKING:
    from csalgan.experiment.job import Job
    from csalgan.explorer.session import Model
    from csalgan.explorer.view import View

_AHEAD = 2  # pictures looked at before they are asked for
_MOST_THUMBNAILS = 600  # all stand in one picture side by side


class Newest:
    """A worker thread that runs one piece of work at a time; the newest replaces one that waits.

    A piece of work is an iterable: between its steps a newer one takes its place, so nobody waits
    for the answer to a question that is no longer asked.

    Args:
        failed: told of what a piece of work raised.
    """

    def __init__(self, failed: Callable[[Exception], None]):
        self._failed = failed
        self._changed = Condition()
        self._next: Iterable | None = None
        self._idle = True
        Thread(target=self._run, daemon=True).start()

    def ask(self, work: Iterable) -> None:
        """Do this next, instead of anything asked before."""
        with self._changed:
            self._next, self._idle = work, False
            self._changed.notify_all()

    def wait(self, seconds: float = 60) -> bool:
        """Until everything asked is done; whether it is."""
        with self._changed:
            return self._changed.wait_for(lambda: self._idle, seconds)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._idle = self._next is None
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._next is not None)
                work, self._next = self._next, None
            try:
                for _ in work:
                    if self._next is not None:
                        break
            except Exception as error:
                self._failed(error)


def _asking(handler: Callable) -> Callable:
    """Make a handler ask for a new view when it has set what it sets, once.

    What its own settings trigger is passed over; a mistake becomes a sentence in the widget.
    """

    @wraps(handler)
    def act(self, *args) -> None:
        if self._quiet:
            return
        self._quiet = True
        try:
            handler(self, *args)
        except CsalganError as error:
            self._say(str(error))
        else:
            self._ask()
        finally:
            self._quiet = False

    return act


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
        self._uploaded, self._quiet = None, False
        self._scored: tuple = (None, {})
        super().__init__()
        self._drawing, self._scoring, self._finding = (Newest(self._failed) for _ in range(3))
        self._drawing.ask(self._start(record))

    def _repr_mimebundle_(self, **kwargs):
        return self.box._repr_mimebundle_(**kwargs)

    def wait(self, seconds: float = 60) -> bool:
        """Until everything that was asked is on the screen; whether it is."""
        return all(one.wait(seconds) for one in (self._drawing, self._scoring, self._finding))

    def _watch(self) -> None:
        looks = (self.strength, self.opacity, self.threshold, self.zoom, self.colours, self.dots)
        for control in (*self.sentences, self.model, self.condition, *looks):
            control.observe(self._on_view, "value")
        for control in self.own:
            control.observe(self._on_own, "value")
        self.panels.observe(lambda change: self._ask(), "active")
        self.panels.observe(self._on_pointer, "pointer")
        self.gallery.observe(self._on_picture, "chosen")
        self.gallery.observe(self._on_search, "wanted")
        self.search.observe(self._on_search, "value")
        self.photograph.on_msg(self._on_photograph)
        self.keep.on_msg(self._on_save)

    # What happens when it is set.

    @_asking
    def _on_view(self, change) -> None:
        for own, sentence in zip(self.own, self.sentences, strict=True):
            known = sentence.value in dict(own.options).values()
            own.value = sentence.value if known else None

    @_asking
    def _on_own(self, change) -> None:
        self.sentences[self.own.index(change["owner"])].value = change["new"]

    @_asking
    def _on_picture(self, change) -> None:
        self._choose(self.session.best_record(change["new"]))

    def _on_pointer(self, change) -> None:
        where, view = self.panels.pointer, self.view
        inside = view is not None and len(where) == 2 and all(0 <= one < 1 for one in where)
        self.panels.reading = view.at(*where) if inside else ""

    def _on_search(self, change) -> None:
        if change["owner"] is self.search:
            self.gallery.wanted = 12
        self._finding.ask(self._find())

    @_asking
    def _on_photograph(self, widget, message, buffers) -> None:
        from csalgan.explorer.pictures import read_upload

        if message.get("kind") != "photograph" or not buffers:
            raise CsalganError(str(message.get("message")))
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
        from csalgan.explorer.view import maps_zip, scores_csv, snapshot

        if self.view is None:
            raise CsalganError("nothing is drawn yet; wait for the pictures.")
        view, (scored, scores) = self.view, self._scored
        known = scores if scored is view else {}
        if what == "maps":
            return maps_zip(view), "csalgan-maps.zip"
        if what == "picture":
            provenance = view.predictor.map_provenance
            shown = self.session.shown(view.record)
            return snapshot(view, provenance, shown, known), "csalgan.png"
        if known:
            return scores_csv(view, known), "csalgan-scores.csv"
        if not view.record:
            raise CsalganError("nobody's gaze is known for your photograph: there are no scores.")
        raise CsalganError("the scores are not there yet; they follow.")

    # Choosing.

    def _start(self, record: str) -> Iterator[None]:
        """Open the data and the models, then show the first picture."""
        self._busy("Opening the data …")
        yield
        from csalgan.explorer.session import Session, on_offer
        from csalgan.figures import MAPS

        self.job = job = self._open()
        self._busy("Loading the models …")
        models = self._models or on_offer(job, weights=self._weights)
        self.session = Session(job, models)
        kind = "drawn scenes and simulated gaze" if job.dataset.synthetic else "photographs"
        about = f"Shown are {kind}: {job.dataset.name}."
        self.intro.value = INTRO.format(data=html.escape(about))
        if not job.dataset.has_sentences:
            self.search.placeholder = "a number or name"
        for control, names in ((self.model, tuple(models)), (self.colours, MAPS)):
            control.options = names
            control.value = names[0]
        self._choose(record or self.session.first_record())
        self._watch()
        self._finding.ask(self._find())
        yield from self._show(self._wanted())

    def _choose(self, record: str) -> None:
        """Show a record: A is the sentence its viewers had read, B another one of the image."""
        self._uploaded = None
        rows = self.session.siblings(record)
        self.condition.options = list(zip(rows["label"], rows["record"], strict=True))
        self.condition.value = record
        told = rows[rows["condition"] != "none"]
        sentences = [(f"{row.label}: {row.text}", row.text) for row in told.itertuples()]
        texts = self.session.opening(record)
        for own, sentence, text in zip(self.own, self.sentences, texts, strict=True):
            own.options = [("no sentence", ""), *sentences]
            own.value = sentence.value = text
        self.gallery.chosen = self.job.dataset.row(record)["image_id"]
        self.dots.disabled = self.condition.disabled = False

    def _find(self) -> Iterator[None]:
        """Thumbnails of the images with a sentence that holds all words that are looked for."""
        from csalgan.explorer.pictures import encode, thumbnail

        found = self.session.find(self.search.value)
        shown = dict(list(found.items())[: min(self.gallery.wanted, _MOST_THUMBNAILS)])
        cells = [np.zeros((self.gallery.size[1], 0, 3), np.uint8)]
        for image in shown:
            cells.append(thumbnail(self.session.photograph(image), tuple(self.gallery.size)))
            yield
        labels = {image: f"{image}: {told}" if told else image for image, told in shown.items()}
        self.gallery.items = [{"id": image, "label": label} for image, label in labels.items()]
        self.gallery.sheet = encode(np.hstack(cells)) if shown else b""
        self.gallery.found = min(len(found), _MOST_THUMBNAILS)

    # Showing.

    def _ask(self) -> None:
        self._drawing.ask(self._show(self._wanted()))

    def _wanted(self) -> "View":
        from csalgan.explorer.pictures import VIEW_SIDE
        from csalgan.explorer.view import View

        settings = ("model", "strength", "opacity", "threshold")
        return View(
            self.session,
            uploaded=self._uploaded,
            record="" if self._uploaded else self.condition.value,
            sentences=tuple(" ".join(one.value.split()) for one in self.sentences),
            **{name: getattr(self, name).value for name in settings},
            cmap=self.colours.value,
            dots=self.dots.value and not self._uploaded,
            active=tuple(self.panels.active),
            side=VIEW_SIDE if self.zoom.value == 1 else 2 * VIEW_SIDE,
        )

    def _show(self, view: "View") -> Iterator[None]:
        """Everything on the screen, what is waited for most first."""
        from csalgan.explorer.pictures import encode, gradient

        self._busy("Computing …")
        cut = tuple(" ".join(text.split()[:LONGEST_SENTENCE]) for text in view.sentences)
        long = [s for s, one, text in zip("AB", cut, view.sentences, strict=True) if one != text]
        view = self._worded(replace(view, sentences=cut))
        panels = []
        for name in view.names:
            panel = view.panel(name)
            yield
            content = encode(panel.pixels)
            if getattr(self.panels, name) != content:  # else it is there
                setattr(self.panels, name, content)
            about = {key: getattr(panel, key) for key in ("title", "alt", "low", "high")}
            panels.append({"name": name, "colours": gradient(panel.cmap), **about})
        self.view, self.panels.panels = view, panels
        self._on_pointer(None)  # what is read off is of these maps
        self.keep.line = view.python(self.session.predictors.models[view.model].weights)
        said = f"is too long: only its first {LONGEST_SENTENCE} words are read."
        self._say(f"Sentence {' and '.join(long)} {said}" if long else "")
        self._scoring.ask(self._score(view))
        self._busy("")
        yield
        shares = yield from self.session.shares(view.model, view.picture, view.sentences)
        if self.panels.shares != shares:
            self.panels.shares = shares
        yield from self._look_ahead(view)

    def _worded(self, view: "View") -> "View":
        """Put the sentences' words below the pictures; no word of other ones is looked at."""
        from csalgan.text.words import without_each_word

        words = [[word for word, _ in without_each_word(text)] for text in view.sentences]
        if self.panels.words == words:
            return view
        self.panels.active, self.panels.pinned, self.panels.shares = [], [], [[], []]
        self.panels.words = words
        return replace(view, active=())

    def _look_ahead(self, view: "View") -> Iterator[None]:
        """Encode the next images of the gallery in advance, while nothing else is asked."""
        shown = [item["id"] for item in self.gallery.items]
        here = shown.index(self.gallery.chosen) if self.gallery.chosen in shown else -1
        for image in shown[here + 1 : here + 1 + _AHEAD]:
            picture = self.session.picture(self.session.best_record(image))
            yield
            self.session.predictors.look(view.model, picture)
            yield

    # What is said about it.

    def _failed(self, error: Exception) -> None:
        self._busy("")
        if not isinstance(error, CsalganError):
            traceback.print_exception(error)
            error = f"something went wrong here ({type(error).__name__}: {error}); try again."
        self._say(str(error))

    def _score(self, view: "View") -> Iterator[None]:
        """Fill the table of scores below the pictures, and the line that names the model."""
        from csalgan.explorer.pictures import UPLOAD_SIDE

        model, record = view.model, view.record
        source, self._scored = self.session.source(model, record), (view, {})
        if not record:
            seen = f"made smaller where a side is longer than {UPLOAD_SIDE} pixels"
            nobody = f"Your own photograph, {seen}: nobody's gaze to compare with."
            self.facts.value = f"<p>{nobody}</p>{source}"
            return
        if not self.facts.value:
            self.facts.value = f"<p>Scores follow: reading the gaze of all images …</p>{source}"
            yield
        scores = {}
        for side, saliency in zip("AB", view.maps, strict=True):
            scores[side] = self.session.scores(record, saliency)
            yield
        self._scored = view, scores
        self.facts.value = self.session.table(model, record, scores) + source
