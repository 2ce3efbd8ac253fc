"""The networks: the paper's generator and discriminator, and the weights published with it."""

from csalgan.models.paper import PaperDiscriminator, PaperGenerator
from csalgan.models.published import load_published_generator

__all__ = ["PaperDiscriminator", "PaperGenerator", "load_published_generator"]
