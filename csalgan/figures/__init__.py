"""Everything a person looks at: one look (:mod:`.base`) and one module per family of figures."""

from csalgan.figures.base import (
    MAPS,
    blend,
    diverging,
    figure,
    figure_info,
    overlay,
    save,
    show_change,
    show_fixations,
    show_image,
    show_map,
    themed,
)

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
