"""A state of the explorer, and everything it shows: panels, titles, a picture to keep."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from csalgan.figures import MAPS, as_png, bare, figure, themed
from csalgan.figures.base import wrapped
from csalgan.provenance import Provenance
from csalgan.widgets.pictures import Picture, render, render_change

#: The two sentences, as they are called wherever one of them is meant.
SIDES = ("A", "B")


@dataclass(frozen=True)
class Measured:
    """The gaze that is compared with.

    Attributes:
        title: whose gaze it is.
        saliency: (H, W) measured map.
        fixations: (N, 2) rows (y, x), pixels of the picture.
    """

    title: str
    saliency: np.ndarray
    fixations: np.ndarray


@dataclass(frozen=True)
class Word:
    """A word that is looked at: what the model's map loses without it.

    Attributes:
        text: the word.
        side: 0 or 1, the sentence it stands in.
        without: float (H, W), the prediction from that sentence without the word.
    """

    text: str
    side: int
    without: np.ndarray


@dataclass(frozen=True)
class View:
    """What is on the screen.

    Attributes:
        picture: the photograph.
        shown: uint8 (h, w, 3), the photograph at the size of a panel.
        sentences: A and B.
        maps: float32 (H, W) predictions for A and B.
        model: its name.
        strength: how much the sentences count.
        opacity, threshold, cmap: see :func:`csalgan.widgets.render`.
        measured: the gaze to compare with, if any.
        dots: whether its fixations are drawn.
        word: the word that is looked at, if any.
    """

    picture: Picture
    shown: np.ndarray
    sentences: tuple[str, str]
    maps: tuple[np.ndarray, np.ndarray]
    model: str = ""
    strength: float = 1.0
    opacity: float = 0.6
    threshold: float = 0.0
    cmap: str = MAPS[0]
    measured: Measured | None = None
    dots: bool = False
    word: Word | None = None

    @property
    def change(self) -> np.ndarray:
        """float32 (H, W): B minus A, or with the word minus without; see :func:`even`."""
        if self.word is not None:
            return even(self.maps[self.word.side]) - even(self.word.without)
        return even(self.maps[1]) - even(self.maps[0])

    def panels(self) -> dict[str, tuple[str, np.ndarray]]:
        """The pictures: ``A``, ``B``, ``change`` and, with gaze, ``measured`` → title, pixels.

        Pixels are uint8 (h, w, 3), as large as ``shown``.
        """
        drawn = {
            side: (f"{side}: {told(text)}", self._laid(saliency))
            for side, text, saliency in zip(SIDES, self.sentences, self.maps, strict=True)
        }
        change = self.change
        limit = float(np.abs(change).max())
        pixels = render_change(self.shown, change, limit or 1.0)
        drawn["change"] = (self._change_title(limit), pixels)
        if self.measured is not None:
            drawn["measured"] = (self.measured.title, self._laid(self.measured.saliency))
        return drawn

    def python(self, weights: str) -> str:
        """The line that gives :attr:`maps` again (``weights`` as ``csalgan.predict`` takes it)."""
        return (
            f"csalgan.predict({self.picture.source}, {list(self.sentences)!r}, "
            f"weights={weights!r}, strength={self.strength:g})"
        )

    def _laid(self, saliency: np.ndarray) -> np.ndarray:
        fixations = None
        if self.dots and self.measured is not None:
            scale = np.array(self.shown.shape[:2]) / self.picture.image.shape[:2]
            fixations = (self.measured.fixations + 0.5) * scale
        return render(
            self.shown,
            saliency,
            opacity=self.opacity,
            threshold=self.threshold,
            cmap=self.cmap,
            fixations=fixations,
        )

    def _change_title(self, limit: float) -> str:
        what = "B minus A"
        if self.word is not None:
            what = f"because of “{self.word.text}” in {SIDES[self.word.side]}"
        return f"{what} (blue −{limit:.2g} … red +{limit:.2g} times even attention)"


def told(sentence: str) -> str:
    """A sentence as a title."""
    return f"“{sentence}”" if sentence.strip() else "nothing read (free viewing)"


def even(saliency: np.ndarray) -> np.ndarray:
    """The map as multiples of evenly spread attention (mean 1)."""
    mean = float(saliency.mean())
    return saliency / mean if mean > 0 else np.ones_like(saliency)


@themed
def snapshot(
    view: View,
    provenance: Provenance,
    shown_data: str,
    scores: Mapping[str, Mapping[str, float]] | None = None,
) -> bytes:
    """The view as a PNG to keep, its settings and provenance at the foot and in the metadata.

    Args:
        provenance: of the model's weights.
        shown_data: what the photograph and the gaze were taken from.
        scores: side → metric → value, printed below the titles of A and B.
    """
    panels = view.panels()
    height, width = view.shown.shape[:2]
    columns = 2
    rows = (len(panels) + 1) // columns
    cell = 4.2  # inches
    title = f"{view.model}, sentence strength {view.strength:g}"
    fig = figure(cell * columns, (cell * height / width + 0.5) * rows + 0.4, title=title)
    axes = fig.subplots(rows, columns, squeeze=False).ravel()
    for ax in axes[len(panels) :]:
        ax.axis("off")
    for ax, (name, (text, pixels)) in zip(axes, panels.items(), strict=False):
        if scores and name in scores:
            line = ", ".join(f"{k.upper()} {v:.2f}" for k, v in scores[name].items())
            text = f"{wrapped(text, 58, 2)}\n{line}"
        else:
            text = wrapped(text, 58, 2)
        bare(ax, "").imshow(pixels)
        ax.set_title(text, loc="left", fontsize=8.5)
    facts = {
        "model": view.model,
        "sentence A": view.sentences[0],
        "sentence B": view.sentences[1],
        "strength": f"{view.strength:g}",
        "opacity": f"{view.opacity:g}",
        "threshold": f"{view.threshold:g} %",
        "colours": view.cmap,
        "shown": shown_data,
    }
    return as_png(fig, provenance, photographs=True, facts=facts)
