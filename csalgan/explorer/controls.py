"""The explorer's controls and where they stand, before anything is opened."""

import html

import ipywidgets as w

from csalgan.explorer.parts import Gallery, Keep, Panels, PhotographInput, Slider

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
