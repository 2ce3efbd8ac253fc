"""The explorer: change the sentence and watch attention move.

Each layer is usable without the next: :mod:`.pictures` (from arrays to pixels), :mod:`.answers`
(models, what they answered, the gaze to compare with), :mod:`.view` (a state of the explorer and
everything it shows), :mod:`.parts` (the three controls ipywidgets lacks) and :mod:`.explorer`.
"""

from csalgan.figures import MAPS
from csalgan.widgets.answers import SHOWN_METRICS, Model, Predictions, Truth, on_offer
from csalgan.widgets.explorer import Explorer
from csalgan.widgets.pictures import VIEW_SIDE, Picture, read_upload, render, render_change
from csalgan.widgets.strengths import strength_figure
from csalgan.widgets.view import View, snapshot

__all__ = [
    "MAPS",
    "SHOWN_METRICS",
    "VIEW_SIDE",
    "Explorer",
    "Model",
    "Picture",
    "Predictions",
    "Truth",
    "View",
    "on_offer",
    "read_upload",
    "render",
    "render_change",
    "snapshot",
    "strength_figure",
]
