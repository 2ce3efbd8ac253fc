"""Losses: the adversarial ones, and the terms of the content loss.

The adversarial ones are of SalGAN's form (Pan et al. 2017), the discriminator's as the author's
code has it: the sum of its two terms, of maps alone. Discriminator outputs come as logits: the
cross-entropies below are those of the paper's sigmoid outputs, computed where they cannot overflow.

Content terms compare predicted with measured maps. ``bce`` is of SalGAN's form; the others are the
metrics of the field (``tuebingen`` profile) made differentiable, each turned so that less is
better: KL divergence, 1 − CC, −NSS. ``change`` compares difference maps: one
density minus another of the same image, predicted with measured.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from csalgan.config import LossConfig

# Added to squared lengths of maps scaled to mean 1: no gradient explodes at a constant map.
_TINY = 1e-2


class Measured(NamedTuple):
    """What predictions of R records are compared with.

    ``saliency_map`` (R, 1, h, w) in [0, 1]; ``fixations`` (R, 1, h, w) counts or shares per place;
    ``image`` (R,) int: which image of the batch a record belongs to.
    """

    saliency_map: Tensor
    fixations: Tensor
    image: Tensor


def content_loss(prediction: Tensor, measured: Measured, weights: LossConfig) -> Tensor:
    """The weighted sum of the content terms, a mean over records.

    Args:
        prediction: ``(R, 1, h, w)`` in [0, 1].
    """
    prediction = prediction.float()
    terms = {
        "bce": lambda: bce(prediction, measured.saliency_map),
        "kl": lambda: kl(prediction, measured.saliency_map).mean(),
        "cc": lambda: (1 - cc(prediction, measured.saliency_map)).mean(),
        "nss": lambda: -nss(prediction, measured.fixations).mean(),
        "change": lambda: change(prediction, measured),
    }
    used = (weight * terms[name]() for name, weight in weights if weight)
    return sum(used, prediction.new_zeros(()))


def bce(prediction: Tensor, target: Tensor) -> Tensor:
    """Content loss of SalGAN's form: ``BCE(prediction, map)``, the mean over places and records.

    Args:
        prediction: ``(R, 1, h, w)`` in [0, 1].
        target: the measured map, the same.
    """
    return F.binary_cross_entropy(prediction.float(), target)


def kl(prediction: Tensor, target: Tensor) -> Tensor:
    """KL(target ‖ prediction) of the densities of maps ``(R, 1, h, w)`` ≥ 0 in nats: ``(R,)``."""
    p, q = _density(target), _density(prediction)
    return (p * ((p + 1e-9).log() - (q + 1e-9).log())).sum(1)


def cc(prediction: Tensor, target: Tensor) -> Tensor:
    """Pearson correlation over places of the densities of maps ``(R, 1, h, w)`` ≥ 0: ``(R,)``."""
    return _correlation(_density(prediction), _density(target))


def nss(prediction: Tensor, fixations: Tensor) -> Tensor:
    """Mean z-score of maps ``(R, 1, h, w)`` at fixations, counts ``(R, 1, h, w)`` ≥ 0: ``(R,)``."""
    p, f = prediction.flatten(1), fixations.flatten(1)
    z = (p - p.mean(1, keepdim=True)) / (p.std(1, unbiased=False, keepdim=True) + 1e-6)
    return (z * f).sum(1) / f.sum(1).clamp(min=1e-6)


def change(prediction: Tensor, measured: Measured) -> Tensor:
    """1 − the correlation of predicted with measured difference, over pairs of one image's records.

    The difference is that of the two records' densities; the mean is over all pairs of the batch.
    A number in 0 … 2 from predictions ``(R, 1, h, w)`` ≥ 0; 0 where no image has two records.
    """
    of = measured.image
    first, second = torch.triu_indices(len(of), len(of), 1, device=of.device)
    same = of[first] == of[second]
    first, second = first[same], second[same]
    if not len(first):
        return prediction.new_zeros(())
    p, t = _density(prediction), _density(measured.saliency_map)
    return (1 - _correlation(p[first] - p[second], t[first] - t[second])).mean()


def fooling_loss(fake_logits: Tensor) -> Tensor:
    """``BCE(D(prediction), 1)``: small when the discriminator takes predictions for measured.

    A number ≥ 0, the mean over logits ``(R, 1)``.
    """
    return F.softplus(-fake_logits.float()).mean()


def discriminator_loss(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """``BCE(D(map), 1) + BCE(D(prediction), 0)``: a number ≥ 0 from logits ``(R, 1)`` each."""
    return F.softplus(-real_logits.float()).mean() + F.softplus(fake_logits.float()).mean()


def _density(maps: Tensor) -> Tensor:
    """(R, 1, h, w) ≥ 0 → (R, h·w), each row summing to 1 (an empty map stays 0)."""
    rows = maps.flatten(1)
    return rows / (rows.sum(1, keepdim=True) + 1e-9)


def _correlation(x: Tensor, y: Tensor) -> Tensor:
    x, y = (v * v.shape[1] for v in (x, y))  # densities of mean 1, so that _TINY has a scale
    x, y = x - x.mean(1, keepdim=True), y - y.mean(1, keepdim=True)
    lengths = (x.square().sum(1) + _TINY).sqrt() * (y.square().sum(1) + _TINY).sqrt()
    return (x * y).sum(1) / lengths
