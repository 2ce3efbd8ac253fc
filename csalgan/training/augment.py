"""Random augmentation of a training batch, on the device, the same for map and image."""

import re

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from csalgan.config import AugmentConfig
from csalgan.text.sentences import Sentences

_SIDES = re.compile(r"\b(left|right)(s|most|hand|ward|wards)?\b", re.IGNORECASE)


def names_a_side(sentence: str) -> bool:
    """Whether a mirrored image might make the sentence false."""
    return bool(_SIDES.search(sentence))


def crops(
    n: int, may_mirror: np.ndarray, config: AugmentConfig, random: np.random.Generator
) -> Tensor | None:
    """A random crop, mirrored or not, of each of ``n`` images: ``(n, 2, 3)`` for ``affine_grid``.

    Crops keep at least ``config.crop`` of the width, and their proportions within a tenth.

    Args:
        may_mirror: bool ``(n,)``, false where a sentence names a side.

    Returns:
        None where the settings leave every image as it is.
    """
    if not config.mirror and config.crop == 1:
        return None
    mirrored = may_mirror & (random.random(n) < 0.5) & config.mirror
    width = random.uniform(config.crop, 1, n)
    height = np.minimum(width * random.uniform(0.9, 1.1, n), 1)
    if config.crop == 1:
        height = np.ones(n)
    shift = random.uniform(-1, 1, (n, 2)) * (1 - np.stack([width, height], axis=1))
    window = np.zeros((n, 2, 3), np.float32)
    window[:, 0, 0] = np.where(mirrored, -width, width)
    window[:, 1, 1] = height
    window[:, :, 2] = shift
    return torch.from_numpy(window)


def crop(pictures: Tensor, window: Tensor | None, size: int, *, padding: str = "zeros") -> Tensor:
    """Crop images or maps by :func:`crops`, bilinear.

    Args:
        pictures: ``(n, C, H, W)``, any range.
        window: ``(n, 2, 3)``; None leaves the pictures as they are, whatever ``size`` is.

    Returns:
        ``(n, C, size, size)``, within the range of the values, padding blended in at borders.
    """
    if window is None:
        return pictures
    shape = (len(pictures), pictures.shape[1], size, size)
    grid = F.affine_grid(window.to(pictures.device), shape, align_corners=False)
    return F.grid_sample(pictures, grid, padding_mode=padding, align_corners=False)


def resize(images: Tensor, config: AugmentConfig, random: np.random.Generator) -> Tensor:
    """Bring a batch of images to a random one of ``config.sizes``, bilinear, antialiased.

    ``(n, 3, S, S)`` in [0, 1] → ``(n, 3, s, s)`` in [0, 1]; the images themselves without sizes.
    """
    if not config.sizes:
        return images
    from torchvision.transforms.v2.functional import resize as resized  # a second, and few need it

    side = int(random.choice(config.sizes))
    return resized(images, [side, side], antialias=True)


def recolour(images: Tensor, config: AugmentConfig, random: np.random.Generator) -> Tensor:
    """Another brightness and tint for each of ``(n, 3, S, S)`` images in [0, 1]."""
    if not config.colour:
        return images
    brightness = random.uniform(1 - config.colour, 1 + config.colour, (len(images), 1, 1, 1))
    tint = random.uniform(1 - config.colour / 3, 1 + config.colour / 3, (len(images), 3, 1, 1))
    factor = torch.from_numpy((brightness * tint).astype(np.float32)).to(images.device)
    return (images * factor).clamp(0, 1)


def perturb_text(text: Sentences, config: AugmentConfig, random: np.random.Generator) -> Sentences:
    """Word dropout, and Gaussian noise on the embedding of each of B sentences (shapes as given).

    Each word is left out with probability ``config.drop_words`` (``is_word`` becomes False), unless
    no word would be left. The noise has about ``config.text_noise`` times the embedding's length.
    """
    is_word, whole = text.is_word, text.whole
    if config.drop_words:
        kept = is_word & torch.from_numpy(random.random(is_word.shape) >= config.drop_words)
        is_word = torch.where(kept.any(1, keepdim=True), kept, is_word)
    if config.text_noise:
        noise = torch.from_numpy(random.standard_normal(whole.shape).astype(np.float32))
        length = whole.norm(dim=1, keepdim=True) / whole.shape[1] ** 0.5
        whole = whole + config.text_noise * length * noise
    return Sentences(whole, text.words, is_word, text.strength)
