"""The explorer's controls and where they stand, before anything is opened.

What ipywidgets lacks is written with anywidget: pictures with their words, a labelled slider with
one tab stop, thumbnails, upload of a photograph, download of files.
"""

import html
from pathlib import Path

import anywidget
import ipywidgets as w
import traitlets as t

_HERE = Path(__file__).resolve().parent
_FILES = [
    ["picture", "Save as PNG"],
    ["maps", "Maps (.npy, 16-bit PNG)"],
    ["scores", "Scores (CSV)"],
]


class Part(anywidget.AnyWidget):
    """A control with the shared style sheet."""

    _css = _HERE / "parts.css"


class Panels(Part):
    """Pictures side by side, zoomed and moved together, with their words below.

    A word is looked at while the pointer or the keyboard's focus is on it, and stays so after a
    click until it is clicked again.

    Attributes:
        panels: what is shown, in order: ``name`` (one of the four picture attributes), ``title``,
            ``alt`` (what the picture shows, in words), ``colours`` (CSS gradient of its colour
            bar), ``low`` and ``high`` (what the bar's ends mean).
        A, B, difference, measured: JPEG files.
        words: of each sentence, in reading order.
        shares: share of attention (0 … 1) each word holds, drawn as its underline; may be empty.
        active: ``[sentence, word]`` that is looked at, ``[]`` for none.
        pinned: the same of what was clicked.
        zoom: 1 shows the whole picture.
        pointer: ``[x, y]`` as shares of the picture's sides, ``[]`` when it points elsewhere.
        reading: the maps' values at the place that is pointed at, as text.
    """

    _esm = _HERE / "panels.js"
    panels = t.List(t.Dict()).tag(sync=True)
    A = t.Bytes().tag(sync=True)
    B = t.Bytes().tag(sync=True)
    difference = t.Bytes().tag(sync=True)
    measured = t.Bytes().tag(sync=True)
    words = t.List(t.List(t.Unicode()), [[], []]).tag(sync=True)
    shares = t.List(t.List(t.Float()), [[], []]).tag(sync=True)
    active = t.List(t.Int()).tag(sync=True)
    pinned = t.List(t.Int()).tag(sync=True)
    zoom = t.Float(1.0).tag(sync=True)
    pointer = t.List(t.Float()).tag(sync=True)
    reading = t.Unicode().tag(sync=True)


class Slider(Part):
    """A named number; ``help`` says in a few words what it does."""

    _esm = _HERE / "slider.js"
    label = t.Unicode().tag(sync=True)
    help = t.Unicode().tag(sync=True)
    value = t.Float().tag(sync=True)
    min = t.Float().tag(sync=True)
    max = t.Float().tag(sync=True)
    step = t.Float().tag(sync=True)


class Gallery(Part):
    """Thumbnails to choose a picture by.

    Attributes:
        items: ``id`` and ``label`` of each.
        sheet: one JPEG, the thumbnails from left to right.
        size: width and height of a thumbnail, pixels.
        chosen: id of the one that is shown.
        wanted: how many thumbnails are asked for; the last button asks for more.
        found: how many there are.
    """

    _esm = _HERE / "gallery.js"
    items = t.List(t.Dict()).tag(sync=True)
    sheet = t.Bytes().tag(sync=True)
    size = t.List(t.Int(), [84, 63]).tag(sync=True)
    chosen = t.Unicode().tag(sync=True)
    wanted = t.Int(12).tag(sync=True)
    found = t.Int().tag(sync=True)


class PhotographInput(Part):
    """Takes a photograph from the person's machine, made smaller there where it must be.

    A file of at most ``side`` pixels and 8 MB is sent as it is. A larger photograph is made smaller
    first, and so passes Jupyter's limit on a message (10 MB, above which the connection is cut
    without a word). What the browser cannot read as a picture is sent as it is, up to 8 MB, so that
    Python can say what is wrong with it.

    Messages: ``{"kind": "photograph", "name": …, "smaller": …}`` with one buffer, or
    ``{"kind": "refused", "message": …}``.

    Attributes:
        label: on the button.
        side: longest side of what is sent, pixels.
    """

    _esm = _HERE / "photograph.js"
    label = t.Unicode("Your photograph …").tag(sync=True)
    side = t.Int(1024).tag(sync=True)


class Keep(Part):
    """Buttons that download what is on the screen, and one that copies the Python line.

    Each sends ``{"kind": "save", "what": …}`` and downloads what comes back; see :meth:`download`.

    Attributes:
        files: ``[what, label]`` of each button.
        line: the Python line, also shown.
    """

    _esm = _HERE / "keep.js"
    files = t.List(_FILES).tag(sync=True)
    line = t.Unicode().tag(sync=True)

    def download(self, content: bytes, name: str) -> None:
        """Hand a file to the person's browser; without content, only free the button."""
        self.send({"kind": "file" if content else "none", "name": name}, [content])


#: Above everything; ``data`` says what is shown.
INTRO = """<h2>What does a sentence do to where people look?</h2>
<p>Type two sentences about one picture: bright is where a model expects people to look after
reading them, and the third picture shows what moves from A to B (red gains, blue loses).</p>
<p>Point at a word to see what it does. The line below a word says how much attention moves without
it. {data}</p>"""

_WIDE = {"layout": {"width": "calc(100% - 4px)"}, "style": {"description_width": "6em"}}
_TYPED = "type a sentence, then Enter; empty is free viewing"
_STRENGTH = "how much the sentence counts: 0 nothing read, 1 as it is, 2 exaggerated"
_ZOOM = "drag a picture, or use the arrow keys in it, to move all of them"
#: name → value, lowest, highest, step, and what it does.
_SLIDERS = {
    "strength": (1.0, 0, 2, 0.05, _STRENGTH),
    "opacity": (0.6, 0, 1, 0.02, "of the colours over the picture"),
    "threshold": (0, 0, 99, 1, "hides the places below this percentile of a map"),
    "zoom": (1.0, 1, 8, 0.25, _ZOOM),
}


class Controls:
    """What there is to set and to see; each control an attribute, all of them in ``box``.

    Each has its name as a CSS class (``csalgan-strength``), for style sheets and scripts.
    """

    def __init__(self):
        self.intro, self.message, self.status, self.facts = (w.HTML() for _ in range(4))
        self.intro.value = INTRO.format(data="")
        self.sentences = tuple(  # predicted when a sentence is done, not at every letter
            w.Text(description=f"sentence {side}", placeholder=_TYPED, continuous_update=False,
                   **_WIDE)
            for side in "AB"
        )  # fmt: skip
        self.own = tuple(w.Dropdown(description=f"{side} from", **_WIDE) for side in "AB")
        for name, (value, low, high, step, says) in _SLIDERS.items():
            slider = Slider(label=name, help=says, value=value, min=low, max=high, step=step)
            setattr(self, name, slider)
        self.condition, self.model, self.colours = (
            w.Dropdown(description=name, **_WIDE) for name in ("gaze after", "model", "colours")
        )
        self.dots = w.Checkbox(False, description="show fixations", indent=False)
        hint = "words of a sentence, or a number"
        self.search = w.Text(description="find", placeholder=hint, **_WIDE)
        self.gallery, self.photograph, self.panels = Gallery(), PhotographInput(), Panels()
        self.keep = Keep()
        t.link((self.zoom, "value"), (self.panels, "zoom"))
        named = dict(zip(("sentence-A", "sentence-B"), self.sentences, strict=True))
        named |= dict(zip(("own-A", "own-B"), self.own, strict=True))
        for name, control in (vars(self) | named).items():
            if isinstance(control, w.DOMWidget):
                control.add_class(f"csalgan-{name}")
        say = _part("say", *self.sentences, *self.own)
        see = _part("see", self.status, self.message, self.panels, self.facts, self.keep)
        places = ("Picture", self.search, self.gallery, self.photograph, self.condition)
        looks = ("Drawing", self.opacity, self.threshold, self.zoom, self.colours, self.dots)
        settings = _part("set", self.strength, *places, *looks, "Model", self.model)
        self.box = _part("explorer", self.intro, _part("body", say, see, settings))
        self.box.layout.overflow = "visible"

    def _busy(self, doing: str) -> None:
        text = f'<div role="status" class="csalgan-busy">{html.escape(doing)}</div>'
        self.status.value = text if doing else '<div role="status"></div>'

    def _say(self, sentence: str) -> None:
        text = html.escape(sentence)
        said = f'<div role="alert" class="csalgan-alert">{text}</div>' if text else ""
        if self.message.value != said:
            self.message.value = said


def _part(name: str, *children: w.Widget | str) -> w.VBox:
    """Controls below each other; a word among them is a heading."""
    heads = [w.HTML(f"<h3>{one}</h3>") if isinstance(one, str) else one for one in children]
    box = w.VBox(heads)
    box.add_class(f"csalgan-{name}")
    return box
