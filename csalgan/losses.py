"""The losses of the adversarial game (SalGAN, Pan et al. 2017, Equations 4 and 7).

Discriminator outputs come as logits: the cross-entropies below are those of the paper's sigmoid
outputs, computed where they cannot overflow.
"""

from torch import Tensor
from torch.nn import functional as F


def content_loss(prediction: Tensor, target: Tensor) -> Tensor:
    """``BCE(map, prediction)``, the mean over pixels.

    Args:
        prediction: ``(B, 1, S, S)`` in [0, 1].
        target: the measured map, ``(B, 1, S, S)`` in [0, 1].
    """
    return F.binary_cross_entropy(prediction.float(), target)


def fooling_loss(fake_logits: Tensor) -> Tensor:
    """``BCE(D(prediction), 1)``: small when the discriminator takes predictions for measured."""
    return F.softplus(-fake_logits.float()).mean()


def discriminator_loss(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """``BCE(D(map), 1) + BCE(D(prediction), 0)``."""
    return F.softplus(-real_logits.float()).mean() + F.softplus(fake_logits.float()).mean()
