"""Adversarial training: both networks and their steps (``trainer``), the records
(``batches``), the epochs (``loop``) and what they leave on disk (``run``)."""

from csalgan.training.batches import Batch, Batches, embed
from csalgan.training.loop import train
from csalgan.training.run import (
    HISTORY_COLUMNS,
    Run,
    describe,
    finished,
    finished_run,
    part_rows,
    same_settings,
    subset_records,
)
from csalgan.training.trainer import Trainer, discriminator_step, generator_step

__all__ = ["HISTORY_COLUMNS", "Batch", "Batches", "Run", "Trainer", "describe"]
__all__ += ["discriminator_step", "embed", "finished", "finished_run", "generator_step"]
__all__ += ["part_rows", "same_settings", "subset_records", "train"]
