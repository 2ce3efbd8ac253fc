"""Adversarial training: both networks and their steps (``trainer``), the records
(``batches``), the epochs (``loop``), a run on disk (``run``)."""

from csalgan.training.batches import Batch, Batches, embed
from csalgan.training.loop import train
from csalgan.training.run import HISTORY_COLUMNS, Run, describe, part_rows, same_settings
from csalgan.training.trainer import Trainer, discriminator_step, generator_step
