"""CC and NSS of ``tuebingen`` on batches of tensors, on whatever device they are.

For validation while training, where maps stay at the model's size and on the GPU. Shapes are
(B, 1, H, W) (or (B, H, W)); every function returns (B,), one number per map, in float64 on CPU
and CUDA (float32 on devices without it). Equal to :mod:`csalgan.metrics.tuebingen` to 1e-9 in
float64 and 1e-5 in float32.
"""

import torch
from torch import Tensor


def cc(prediction: Tensor, target: Tensor) -> Tensor:
    """Pearson correlation over pixels, (B,); 0 for a constant prediction, NaN for such a target."""
    p, t = _rows(prediction), _rows(target)
    constant = _constant(p)
    p, t = p - p.mean(1, keepdim=True), t - t.mean(1, keepdim=True)
    value = (p * t).sum(1) / (p.square().sum(1) * t.square().sum(1)).sqrt()
    value = torch.where(constant, torch.zeros_like(value), value.clamp(-1, 1))
    return torch.where(_constant(_rows(target)), torch.full_like(value, torch.nan), value)


def nss(prediction: Tensor, fixation_mask: Tensor) -> Tensor:
    """Mean z-score (ddof 0) where ``fixation_mask`` > 0, weighted by its counts, (B,).

    0 for a constant prediction, NaN for an empty mask.
    """
    p, mask = _rows(prediction), _rows(fixation_mask).clamp_min(0)
    gap = (p * mask).sum(1) / mask.sum(1) - p.mean(1)
    value = gap / p.std(1, unbiased=False)
    empty = mask.sum(1) == 0
    return torch.where(_constant(p) & ~empty, torch.zeros_like(value), value)


def _rows(maps: Tensor) -> Tensor:
    maps = maps.flatten(1)  # (B, 1, H, W) → (B, H·W)
    return maps.to(torch.float32 if maps.device.type == "mps" else torch.float64)


def _constant(rows: Tensor) -> Tensor:
    return rows.amin(1) == rows.amax(1)
