"""Everything a person looks at: one look (:mod:`.base`), one way to be saved, a module a family."""

from csalgan.figures.base import MAPS, blend, diverging, figure, show_difference, show_image, theme
from csalgan.figures.saving import figure_info, save
