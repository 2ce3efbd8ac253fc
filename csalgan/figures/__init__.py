"""Everything a person looks at: one look (:mod:`.base`), one way to files
(:mod:`.saving`) and one module per family of figures."""

from csalgan.figures.base import (
    MAPS,
    blend,
    diverging,
    figure,
    overlay,
    show_change,
    show_fixations,
    show_image,
    show_map,
    themed,
)
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
    "show_fixations",
    "show_image",
    "show_map",
    "themed",
]
