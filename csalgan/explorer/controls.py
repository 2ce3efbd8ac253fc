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


#: name → value, lowest, highest, step, and what it does.
_SLIDERS = {
    "strength": (
        *(1.0, 0, 2, 0.05),
        "how much the sentence counts: 0 nothing read, 1 as it is, 2 exaggerated",
    ),
    "opacity": (0.6, 0, 1, 0.02, "of the colours over the picture"),
    "threshold": (0, 0, 99, 1, "hides the places below this percentile of a map"),
    "zoom": (
        *(1.0, 1, 8, 0.25),
        "drag a picture, or use the arrow keys in it, to move all of them",
    ),
}


class Controls:
    """What there is to set and to see; each control an attribute, all of them in ``box``.

    Each has its name as a CSS class (``csalgan-strength``), for style sheets and scripts.
    """

    def __init__(self):
        wide = {
            "layout": w.Layout(width="calc(100% - 4px)"),
            "style": {"description_width": "6em"},
        }
        self.intro = w.HTML(INTRO.format(data=""))
        self.message = w.HTML()
        self.status = w.HTML()
        self.sentences = tuple(
            w.Text(
                description=f"sentence {side}",
                placeholder="type a sentence, then Enter; empty is free viewing",
                continuous_update=False,  # predict when the sentence is done, not at every letter
                **wide,
            )
            for side in "AB"
        )
        self.own = tuple(w.Dropdown(description=f"{side} from", **wide) for side in "AB")
        for name, (value, low, high, step, says) in _SLIDERS.items():
            slider = Slider(label=name, help=says, value=value, min=low, max=high, step=step)
            setattr(self, name, slider)
        self.colours = w.Dropdown(description="colours", **wide)
        self.dots = w.Checkbox(False, description="show fixations", indent=False)
        hint = "words of a sentence, or a number"
        self.search = w.Text(description="find", placeholder=hint, **wide)
        self.gallery = Gallery()
        self.condition = w.Dropdown(description="gaze after", **wide)
        self.photograph = PhotographInput()
        self.model = w.Dropdown(description="model", **wide)
        self.panels = Panels()
        self.facts = w.HTML()
        self.keep = Keep(
            files=[
                ["picture", "Save as PNG"],
                ["maps", "Maps (.npy, 16-bit PNG)"],
                ["scores", "Scores (CSV)"],
            ]
        )
        for name, control in vars(self).items():
            if isinstance(control, w.DOMWidget):
                control.add_class(f"csalgan-{name}")
        for side, text, own in zip("AB", self.sentences, self.own, strict=True):
            text.add_class(f"csalgan-sentence-{side}")
            own.add_class(f"csalgan-own-{side}")
        self.box = self._arranged()

    def _arranged(self) -> w.Box:
        def part(name: str, *children) -> w.VBox:
            box = w.VBox(children)
            box.add_class(f"csalgan-{name}")
            return box

        def head(text: str) -> w.HTML:
            return w.HTML(f"<h3>{text}</h3>")

        say = part("say", *self.sentences, *self.own)
        settings = part(
            "set",
            self.strength,
            *(head("Picture"), self.search, self.gallery, self.photograph, self.condition),
            *(head("Drawing"), self.opacity, self.threshold, self.zoom, self.colours, self.dots),
            *(head("Model"), self.model),
        )
        see = part("see", self.status, self.message, self.panels, self.facts, self.keep)
        box = part("explorer", self.intro, part("body", say, see, settings))
        box.layout.overflow = "visible"
        return box

    def _busy(self, doing: str) -> None:
        text = f'<div role="status" class="csalgan-busy">{html.escape(doing)}</div>'
        self.status.value = text if doing else '<div role="status"></div>'

    def _say(self, sentence: str) -> None:
        text = html.escape(sentence)
        said = f'<div role="alert" class="csalgan-alert">{text}</div>' if text else ""
        if self.message.value != said:
            self.message.value = said
