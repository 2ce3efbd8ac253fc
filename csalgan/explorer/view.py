"""A state of the explorer and everything it shows: panels, what can be read off, files to keep."""

import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd
from PIL.PngImagePlugin import PngInfo

from csalgan.exploration import total_variation
from csalgan.explorer.pictures import (
    DIFFERENCE,
    VIEW_SIDE,
    Picture,
    colours_of,
    render,
    render_difference,
)
from csalgan.explorer.session import Measured, Session
from csalgan.figures import MAPS, output
from csalgan.files.provenance import Provenance
from csalgan.files.spreadsheets import csv_text
from csalgan.prediction import Predictor
from csalgan.text.words import without_each_word

#: The two sentences, as they are called wherever one of them is meant.
SIDES = ("A", "B")
Scores = Mapping[str, Mapping[str, float]]
#: Share of the places (percent) whose difference the colour scale reaches; the rest is clipped.
WITHIN = 99
_STEPS = (1.0, 1.5, 2.0, 3.0, 5.0, 7.0)
_BAR = 9  # height of a colour bar in a snapshot, pixels
_LEAST = 0.1  # the finest scale of differences: below it everything looks alike


@dataclass(frozen=True)
class Panel:
    """One picture of a view.

    Attributes:
        title: what it shows.
        alt: the same in words for who cannot see it.
        pixels: uint8 (h, w, 3).
        cmap, low, high: its colour bar and what the ends of it mean.
    """

    title: str
    alt: str
    pixels: np.ndarray = field(repr=False)
    cmap: str
    low: str
    high: str


@dataclass(frozen=True)
class View:
    """A state of the explorer: what its controls ask for, and everything they are shown for it.

    Nothing is computed before it is asked for, so the first panel does not wait for the others.

    Attributes:
        session: the models and the data.
        uploaded: the person's own photograph, else None.
        record: whose picture and gaze are shown, ``""`` for an uploaded one.
        sentences: A and B.
        model: its name.
        strength: how much the sentences count.
        opacity, threshold, cmap: see :func:`csalgan.explorer.pictures.render`.
        dots: whether the record's fixations are drawn.
        active: ``(sentence, word)`` that is looked at, or ``()``.
        side: longest side of a panel, pixels.
    """

    session: Session
    uploaded: Picture | None
    record: str
    sentences: tuple[str, str]
    model: str = ""
    strength: float = 1.0
    opacity: float = 0.6
    threshold: float = 0.0
    cmap: str = MAPS[0]
    dots: bool = False
    active: tuple[int, ...] = ()
    side: int = VIEW_SIDE

    @cached_property
    def picture(self) -> Picture:
        """The photograph."""
        return self.uploaded or self.session.picture(self.record)

    @cached_property
    def shown(self) -> np.ndarray:
        """uint8 (h, w, 3), the photograph at the size of a panel."""
        return self.session.predictors.shown(self.picture, self.side)

    @property
    def predictor(self) -> Predictor:
        """The model."""
        return self.session.predictors.predictor(self.model)

    def map(self, sentence: str) -> np.ndarray:
        """float32 (H, W) in [0, 1], the model's map for a sentence."""
        return self.session.predictors.map(self.model, self.picture, sentence, self.strength)

    @cached_property
    def maps(self) -> tuple[np.ndarray, np.ndarray]:
        """The maps for A and B, float32 (H, W) in [0, 1]."""
        return self.map(self.sentences[0]), self.map(self.sentences[1])

    @cached_property
    def measured(self) -> Measured | None:
        """The gaze to compare with, if any."""
        return self.session.measured(self.record) if self.record else None

    @cached_property
    def difference(self) -> np.ndarray:
        """B minus A, or with a word minus without: float32 (H, W), multiples of even attention."""
        if not self.active:
            return even(self.maps[1]) - even(self.maps[0])
        side, word = self.active
        _, rest = without_each_word(self.sentences[side])[word]
        return even(self.maps[side]) - even(self.map(rest))

    @cached_property
    def limit(self) -> float:
        """The end of the colour scale of differences; see :func:`robust_limit`.

        Of B minus A too while a word is looked at, so that moving over words keeps the scale.
        """
        both = self.difference
        if self.active:
            both = np.stack([both, even(self.maps[1]) - even(self.maps[0])])
        return robust_limit(both)

    @property
    def names(self) -> tuple[str, ...]:
        """What :meth:`panel` takes: ``A``, ``B``, ``difference`` and, with gaze, ``measured``."""
        return (*SIDES, "difference", *(["measured"] if self.record else []))

    def panel(self, name: str) -> Panel:
        """One of the pictures; ``A`` needs no map but the first."""
        if name == "difference":
            return self._differing()
        if name == "measured":
            gaze = self.measured
            alt = f"Map of {gaze.title}: {peak(gaze.saliency)}."
            return self._laid(gaze.title, alt, gaze.saliency)
        text = self.sentences[SIDES.index(name)]
        saliency, says = self.map(text), told(text)
        if text and not self.predictor.reads:  # a map of no sentence is not shown as one of it
            says = "no sentence is read by this model"
        alt = f"The model's map for sentence {name}, {says}: {peak(saliency)}."
        return self._laid(f"{name}: {says}", alt, saliency)

    def python(self, weights: str) -> str:
        """The line that gives :attr:`maps` again (``weights`` as ``csalgan.predict`` takes it).

        One call a sentence: read together, two sentences differ in the last bits of bfloat16.
        """
        model = self.predictor
        texts = [text if model.reads else "" for text in self.sentences]
        clip = self.session.job.profile.text.clip_weights if model.encoder.name == "clip" else None
        more = f", clip_weights={clip!r}" if clip else ""
        return (
            f"[csalgan.predict({self.picture.python or repr(self.picture.path)}, text, "
            f"weights={weights!r}, strength={self.strength:g}{more}) for text in {texts!r}]"
        )

    def at(self, x: float, y: float) -> str:
        """Values of all maps at a place, given in shares of the picture's width and height."""
        height, width = self.maps[0].shape
        column, row = min(int(x * width), width - 1), min(int(y * height), height - 1)
        there = zip(SIDES, self.maps, strict=True)
        said = [f"{side} {even(saliency)[row, column]:.2f}" for side, saliency in there]
        said.append(f"{self._what()} {self.difference[row, column]:+.2f}")
        if self.measured is not None:
            said.append(f"measured {even(self.measured.saliency)[row, column]:.2f}")
        return f"x {column}, y {row}: {', '.join(said)} (1 is evenly spread attention)"

    def _what(self) -> str:
        if not self.active:
            return "B minus A"
        side, word = self.active
        text, _ = without_each_word(self.sentences[side])[word]
        return f"because of “{text}” in {SIDES[side]}"

    def _laid(self, title: str, alt: str, saliency: np.ndarray) -> Panel:
        scale = np.array(self.shown.shape[:2]) / self.picture.image.shape[:2]
        fixations = (self.measured.fixations + 0.5) * scale if self.dots and self.record else ()
        drawn = {key: getattr(self, key) for key in ("opacity", "threshold", "cmap")}
        pixels = render(self.shown, saliency, **drawn, fixations=fixations)
        return Panel(title, alt, pixels, self.cmap, "least", "most in this map")

    def _differing(self) -> Panel:
        difference, limit = self.difference, self.limit
        pixels = render_difference(self.shown, difference, limit)
        title = self._what() if self.active else "Difference: B minus A"
        share = f"{100 * total_variation(difference):.0f} % of all attention moves"
        alt = f"{title}: {share}, to {place(difference)}, away from {place(-difference)}."
        if not difference.any():
            alt = f"{title}: no attention moves."
        high = f"+{limit:g} × even attention; {WITHIN} % of places lie within"
        return Panel(title, alt, pixels, DIFFERENCE, f"−{limit:g}", high)


def told(sentence: str) -> str:
    """A sentence as a title."""
    return f"“{sentence}”" if sentence.strip() else "nothing read (free viewing)"


def even(saliency: np.ndarray) -> np.ndarray:
    """A map (H, W) ≥ 0 as multiples of evenly spread attention: its mean is 1."""
    mean = float(saliency.mean())
    return saliency / mean if mean > 0 else np.ones_like(saliency)


def robust_limit(difference: np.ndarray) -> float:
    """The end of a colour scale: :data:`WITHIN` percent of the magnitudes lie within.

    ``difference`` is float (…, H, W) in multiples of even attention, and so is the result, at least
    :data:`_LEAST`. One peak then does not make everything else pale. Rounded up to 1, 1.5, 2, 3, 5,
    7 times a power of ten, so that the scale stays while a slider moves.
    """
    magnitudes = np.abs(difference[..., ::4, ::4])  # maps are smooth: every 16th place will do
    value = max(_LEAST, float(np.percentile(magnitudes, WITHIN)))
    power = 10.0 ** np.floor(np.log10(value))
    end = next((step for step in _STEPS if step * power >= 0.999 * value), 10)
    return float(f"{end * power:.2g}")


def place(saliency: np.ndarray) -> str:
    """Where a map, real (H, W), is highest, in words."""
    row, column = np.unravel_index(int(np.argmax(saliency)), saliency.shape)
    y, x = (row + 0.5) / saliency.shape[0], (column + 0.5) / saliency.shape[1]
    vertical = "" if 1 / 3 <= y <= 2 / 3 else "upper " if y < 0.5 else "lower "
    horizontal = "middle" if 1 / 3 <= x <= 2 / 3 else "left" if x < 0.5 else "right"
    return f"the {vertical}{horizontal} ({100 * x:.0f} % from left, {100 * y:.0f} % from top)"


def peak(saliency: np.ndarray) -> str:
    """Place and height of the maximum of a map, real (H, W) ≥ 0, as alt text."""
    top = float(even(saliency).max())
    return f"most attention at {place(saliency)}, {top:.1f} times as much as if spread evenly"


def snapshot(view: View, provenance: Provenance, shown_data: str, scores: Scores) -> bytes:
    """The panels as one PNG, what decided them at its foot and in its metadata.

    The very pixels of the screen, enlarged and put together, the colour bar below each.

    Args:
        provenance: of the model's weights.
        shown_data: what the photograph and the gaze were taken from.
        scores: side → metric → value, printed below the titles of A and B.
    """
    pictures, titles = [], []
    for name in view.names:
        panel, values = view.panel(name), scores.get(name, {})
        told = ", ".join(f"{metric.upper()} {value:.2f}" for metric, value in values.items())
        said = [panel.title, told, f"colours: {panel.low} … {panel.high}"]
        titles.append("\n".join(filter(None, said)))
        colours = np.linspace(0, 255, panel.pixels.shape[1]).astype(int)
        bar = np.repeat(colours_of(panel.cmap)[None, colours].astype(np.uint8), _BAR, axis=0)
        pictures.append(np.concatenate([panel.pixels, bar]))
    about = {
        "model": view.model,
        **{f"sentence {side}": text for side, text in zip(SIDES, view.sentences, strict=True)},
        "strength": f"{view.strength:g}",
        "opacity": f"{view.opacity:g}",
        "threshold": f"{view.threshold:g} %",
        "colours": view.cmap,
        "shown": shown_data,
    }
    about |= {key: str(value) for key, value in provenance.as_dict().items()}
    foot = " · ".join(f"{key}: {value}" for key, value in about.items() if value)
    columns = 2 if view.shown.shape[0] <= view.shown.shape[1] else 0
    info = PngInfo()
    for key, value in {"photographs": "yes", **about}.items():
        info.add_itxt(f"csalgan:{key}", value)
    whole = output.sheet(pictures, titles, foot, columns=columns, side=560)
    return output.encoded(whole, "PNG", pnginfo=info)


def maps_zip(view: View) -> bytes:
    """A zip of both maps: ``A.npy`` and ``B.npy`` (float32), ``A.png`` and ``B.png`` (16 bit)."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for side, saliency in zip(SIDES, view.maps, strict=True):
            archive.writestr(f"{side}.npy", output.map_npy(saliency))
            archive.writestr(f"{side}.png", output.map_png(saliency))
    return buffer.getvalue()


def scores_csv(view: View, scores: Scores) -> bytes:
    """One row a sentence: record, side, sentence, model, strength and every score."""
    read = dict(zip(SIDES, view.sentences, strict=True))
    about = {"model": view.model, "strength": view.strength}
    rows = [
        {"record": view.record, "side": side, "sentence": read[side], **about, **values}
        for side, values in scores.items()
    ]
    return csv_text(pd.DataFrame(rows), float_format="%.6g").encode()
