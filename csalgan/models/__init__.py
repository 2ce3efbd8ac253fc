"""The networks: the paper's generator and discriminator, its author's weights, and the compact
generator."""

from csalgan.models.build import load_published_generator
from csalgan.models.compact import CompactGenerator, ConditionalDiscriminator
from csalgan.models.paper import PaperDiscriminator, PaperGenerator
