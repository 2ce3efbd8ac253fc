"""The networks: the paper's generator and discriminator, the weights published with it, and the
compact generator."""

from csalgan.models.compact import CompactGenerator, ConditionalDiscriminator
from csalgan.models.paper import PaperDiscriminator, PaperGenerator
from csalgan.models.published import load_published_generator

__all__ = [
    "CompactGenerator",
    "ConditionalDiscriminator",
    "PaperDiscriminator",
    "PaperGenerator",
    "load_published_generator",
]
