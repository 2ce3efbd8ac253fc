"""Colours and sides: what words say of places and ImageNet's classes hardly tell."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from csalgan.text.sentences import Sentences

#: The eleven basic colour terms (Berlin and Kay 1969), each as sRGB: what the people of the XKCD
#: colour survey (Munroe 2010) named so, as matplotlib has it.
_COLOURS = {
    "black": 0x000000,
    "blue": 0x0343DF,
    "brown": 0x653700,
    "gray": 0x929591,
    "green": 0x15B01A,
    "orange": 0xF97306,
    "pink": 0xFF81C0,
    "purple": 0x7E1E9C,
    "red": 0xE50000,
    "white": 0xFFFFFF,
    "yellow": 0xFFFF14,
}
#: The last word of each is what an attribute is called; the last two are sides.
PHRASES = [*(f"it is {colour}" for colour in _COLOURS), "on the left", "on the right"]
_SPREAD = 25.0  # of a colour term around its middle, in CIELAB
_PLACE, _SAMPLE = 16, 4  # side in pixels of a place, and of what has one colour in it
_FAINT = 0.02  # of an attribute that is nowhere, no place stands out
# sRGB's primaries in XYZ over the white of D65 (IEC 61966-2-1)
_TO_XYZ = ((0.4339, 0.3762, 0.1899), (0.2126, 0.7152, 0.0722), (0.0177, 0.1095, 0.8728))


class Attributes(nn.Module):
    """Which attributes the words of a sentence name, and how much places have of them.

    Args:
        text_dim: length D of a word's embedding.
        channels: C of the features that attributes are added to.
    """

    def __init__(self, text_dim: int, channels: int):
        super().__init__()
        rgb = torch.tensor([[c >> 16, c >> 8 & 255, c & 255] for c in _COLOURS.values()]) / 255
        self.register_buffer("middles", _lab(rgb[:, :, None, None])[:, :, 0, 0], persistent=False)
        self.register_buffer("names", torch.zeros(len(PHRASES), text_dim))
        # docs/compact.md says how these were found.
        self.sharpness = nn.Parameter(torch.tensor(40.0))
        self.threshold = nn.Parameter(torch.tensor(0.6))
        self.direct = nn.Parameter(torch.tensor([0.2, 0.8]))  # of colours, of sides
        self.to_features = nn.Parameter(torch.zeros(channels, 2))

    def start(self, words: Tensor, is_word: Tensor) -> None:
        """Take the attributes' names from :data:`PHRASES`, as the text encoder embeds their words.

        Args:
            words: ``(13, T, D)``.
            is_word: bool ``(13, T)``; an encoder without words has none.
        """
        if is_word.any():
            last = words[torch.arange(len(words)), is_word.sum(1) - 1]
            self.names.copy_(F.normalize(last, dim=1))

    def seen(self, image: Tensor) -> Tensor:
        """How much more of each attribute a place has than its image.

        Images ``(B, 3, S, S)``, float RGB in [0, 1], S a multiple of 32 → float32
        ``(B, 13, S/16, S/16)``, of mean 0 and standard deviation 1 at most over the places.
        """
        lab = _lab(F.avg_pool2d(image.float(), _SAMPLE))
        distance = (lab[:, None] - self.middles[:, :, None, None]).square().sum(2)
        colours = (-distance / (2 * _SPREAD**2)).softmax(1)  # (B, 11, S/4, S/4)
        colours = F.avg_pool2d(colours, _PLACE // _SAMPLE)
        colours = F.avg_pool2d(colours, 3, 1, padding=1, count_include_pad=False)
        right = torch.linspace(-1, 1, colours.shape[-1], device=image.device)
        right = right.expand(len(colours), 1, *colours.shape[-2:])
        seen = torch.cat([colours, -right, right], dim=1)
        seen = seen - seen.mean((2, 3), keepdim=True)
        return seen / (seen.square().mean((2, 3), keepdim=True).sqrt() + _FAINT)

    def named(self, text: Sentences) -> Tensor:
        """How surely a word of each sentence names each attribute: float32 ``(B, 13)`` in [0, 1].

        The surest word counts: a softmax over its cosines with the names and a threshold.
        """
        with torch.autocast(text.words.device.type, enabled=False):
            cosines = F.normalize(text.words.float(), dim=-1) @ self.names.T
        none = self.threshold.expand(*cosines.shape[:-1], 1)
        which = (torch.cat([cosines, none], dim=-1) * self.sharpness).softmax(-1)[..., :-1]
        return which.masked_fill(~text.is_word[..., None], 0).amax(1)

    def forward(self, seen: Tensor, text: Sentences) -> tuple[Tensor, Tensor]:
        """What is added to features, ``(B, C, h, w)``, and to logits, ``(B, 1, h, w)``; any real.

        Args:
            seen: ``(B, 13, h, w)`` of :meth:`seen`.
            text: B sentences, padded to a word or more; one without words adds nothing.
        """
        fits = self.named(text)[:, :, None, None] * seen
        colours, sides = fits.split((len(_COLOURS), 2), dim=1)
        fits = torch.stack([colours.sum(1), sides.sum(1)], dim=1)
        features = torch.einsum("bkyx,ck->bcyx", fits, self.to_features)
        return features, torch.einsum("bkyx,k->byx", fits, self.direct)[:, None]


def _lab(rgb: Tensor) -> Tensor:
    """sRGB ``(B, 3, h, w)`` in [0, 1] → CIELAB (D65), L in [0, 100]."""
    linear = torch.where(rgb > 0.04045, ((rgb + 0.055) / 1.055) ** 2.4, rgb / 12.92)
    red, green, blue = linear.unbind(1)
    xyz = torch.stack([r * red + g * green + b * blue for r, g, b in _TO_XYZ], dim=1)
    cube = xyz.clamp(min=1e-9) ** (1 / 3)
    x, y, z = torch.where(xyz > 0.008856, cube, 7.787 * xyz + 16 / 116).unbind(1)
    return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], dim=1)
