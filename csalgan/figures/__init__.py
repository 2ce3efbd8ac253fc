"""Everything a person looks at: one look (:mod:`.base`), one way to be saved, a module a family."""

from csalgan.figures.base import MAPS, blend, diverging, figure, overlay, show_change, themed
from csalgan.figures.saving import figure_info, save

__all__ = [
    "MAPS",
    "blend",
    "diverging",
    "figure",
    "figure_info",
    "overlay",
    "save",
    "show_change",
    "themed",
]
