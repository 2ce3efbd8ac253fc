"""The author's own weights, logs and pictures, for whoever has a clone of Firehdx/CLIP-SalGAN."""

from csalgan.author.convergence import last_third
from csalgan.author.scoring import MEAN_MAP, Bench, Maps, Scores, score_clone
from csalgan.data.clone import (
    PAPER_RUN,
    PICTURES,
    Weights,
    find_weights,
    logged_runs,
    read_log,
    read_picture,
    weights_of,
)
from csalgan.prediction.author import SIZE, clip_or_none, photographs_of, with_mean_sentence

__all__ = [
    "MEAN_MAP",
    "PAPER_RUN",
    "PICTURES",
    "SIZE",
    "Bench",
    "Maps",
    "Scores",
    "Weights",
    "clip_or_none",
    "find_weights",
    "last_third",
    "logged_runs",
    "photographs_of",
    "read_log",
    "read_picture",
    "score_clone",
    "weights_of",
    "with_mean_sentence",
]
