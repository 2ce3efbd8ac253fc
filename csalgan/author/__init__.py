"""The author's own weights, logs and pictures, for whoever has a clone of Firehdx/CLIP-SalGAN.

What is in a clone is found and read by :mod:`csalgan.data.clone`.
"""

from csalgan.author.convergence import last_third
from csalgan.author.scoring import MEAN_MAP, Bench, Maps, Scores, score_clone, score_own
