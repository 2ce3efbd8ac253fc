"""CLIP-SalGAN as the paper describes it, to the last parameter of its author's networks.

At 256 × 256 with 512 text dimensions the generator has 918,081 parameters and the
discriminator 2,171,649 (no checkpoint of it was published: that is its author's code's). Block
names of the generator are those of the author's checkpoints, so that their ``state_dict`` loads
unchanged (:func:`csalgan.models.load_published_generator`).
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from csalgan.files.errors import CsalganError


def _conv_bn_relu(*channels: int) -> list[nn.Module]:
    """3 × 3 convolution, batch norm, ReLU for every step along ``channels``."""
    layers: list[nn.Module] = []
    for before, after in zip(channels, channels[1:], strict=False):
        layers += [nn.Conv2d(before, after, 3, padding=1), nn.BatchNorm2d(after)]
        layers.append(nn.ReLU(inplace=True))  # nobody needs what stood there before
    return layers


def initialise(module: nn.Module, seed: int) -> None:
    """PyTorch's default initialisation from a seed of its own, whatever was drawn before."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for part in module.modules():
            if isinstance(part, nn.Conv2d | nn.Linear | nn.BatchNorm2d):
                part.reset_parameters()


def require_length(text: Tensor, text_dim: int) -> None:
    """Refuse embeddings ``(B, D)`` of another length than a generator was built for.

    Raises:
        CsalganError: D is not ``text_dim``.
    """
    if text.shape[-1] != text_dim:
        raise CsalganError(
            f"text embedding of {text.shape[-1]} numbers: this generator was built for "
            f"{text_dim}; use the text encoder it was trained with."
        )


def require_multiple(text_dim: int, parts: int) -> None:
    """Refuse a length of text embeddings that a generator cannot part.

    Raises:
        CsalganError: it is no multiple of ``parts``.
    """
    if text_dim % parts:
        raise CsalganError(
            f"text embeddings of {text_dim} numbers: this generator parts them into {parts}; add "
            "zeros up to a multiple."
        )


class PaperGenerator(nn.Module):
    """Image and sentence → saliency map (paper, Figure 4, Equations 1, 3 and 4).

    Args:
        text_dim: length of the text embedding; a multiple of 4, because the embedding is
            reshaped to ``text_dim/4`` channels of 2 × 2 (128 for CLIP's 512).
    """

    def __init__(self, text_dim: int = 512):
        super().__init__()
        require_multiple(text_dim, 4)
        self.text_dim = text_dim
        self.conv_vgg1 = nn.Sequential(*_conv_bn_relu(3, 64, 64, 64))
        self.conv_vgg2 = nn.Sequential(*_conv_bn_relu(64, 128, 128, 128))
        self.text_feature_conv = nn.Conv2d(text_dim // 4, 128, 2)
        self.fusion_conv = nn.Conv2d(256, 128, 3, padding=1)
        self.conv_scratch = nn.Sequential(*_conv_bn_relu(128, 64, 64))
        self.sigmoid = nn.Sequential(nn.Conv2d(64, 1, 3, padding=1), nn.Sigmoid())

    def encode_image(self, image: Tensor) -> Tensor:
        """Equation (1): RGB ``(B, 3, S, S)`` in [0, 1] → features ``(B, 128, S/2, S/2)`` ≥ 0."""
        return self.conv_vgg2(F.max_pool2d(self.conv_vgg1(image), 2))

    def encode_text(self, text: Tensor) -> Tensor:
        """Conv₁ of Equation (3): text ``(B, text_dim)`` → ``(B, 128, 1, 1)``, both of any range."""
        places = text.reshape(len(text), self.text_dim // 4, 2, 2)  # (B, D) → (B, D/4, 2, 2)
        return self.text_feature_conv(places)

    def fuse(self, image_features: Tensor, text_features: Tensor) -> Tensor:
        """Equation (3): broadcast the text over all places, concatenate; Conv₂, 256 → 128.

        ``(B, 128, S/2, S/2)`` ≥ 0 and ``(B, 128, 1, 1)`` → ``(B, 128, S/2, S/2)``, any real.
        """
        # empty_like keeps channels last; of an expanded tensor, cat would make channels first.
        text_everywhere = torch.empty_like(image_features).copy_(text_features)
        both = torch.cat([image_features, text_everywhere], dim=1)
        return self.fusion_conv(both)

    def decode(self, fused: Tensor) -> Tensor:
        """Equation (4): ``(B, 128, S/2, S/2)`` → ``(B, 1, S, S)`` in [0, 1]."""
        large = F.interpolate(fused, scale_factor=2, mode="bilinear", align_corners=True)
        return self.sigmoid(self.conv_scratch(large))

    def read(self, features: Tensor, text: Tensor, size: int | None = None) -> Tensor:
        """Equations (3) and (4): features ``(B, 128, S/2, S/2)`` of images and a sentence for each.

        Args:
            text: ``(B, text_dim)``.
            size: the images' side S; the paper's maps have no other.

        Returns:
            Maps ``(B, 1, S, S)`` in [0, 1].

        Raises:
            CsalganError: another size, or another text length than the model was built for.
        """
        require_length(text, self.text_dim)
        if size not in (None, 2 * features.shape[-1]):
            raise CsalganError(
                f"maps of {size} pixels: the paper's model makes them as large as its images, "
                f"{2 * features.shape[-1]} pixels; resize them afterwards."
            )
        return self.decode(self.fuse(features, self.encode_text(text)))

    def forward(self, image: Tensor, text: Tensor) -> Tensor:
        """Predict saliency maps.

        Args:
            image: ``(B, 3, S, S)`` float RGB in [0, 1], S even.
            text: ``(B, text_dim)`` float sentence embedding.

        Returns:
            ``(B, 1, S, S)`` float in [0, 1]; not a density (it does not sum to 1).

        Raises:
            CsalganError: odd sides, or another text length than the model was built for.
        """
        if image.shape[-1] % 2 or image.shape[-2] % 2:
            raise CsalganError(
                f"image of {image.shape[-2]} × {image.shape[-1]}: the paper's model halves and "
                "doubles the sides, so both must be even."
            )
        return self.read(self.encode_image(image), text)


class _FullyConnected(nn.Linear):
    """``(B, C, H, W)`` → ``(B, n)``, the weights ordered as if flattened channels first.

    Both sides of the product are taken channels last, as features lie in memory: flattening them
    channels first would copy them here and their gradients all the way back.
    """

    def forward(self, features: Tensor) -> Tensor:
        weight = self.weight.view(-1, *features.shape[1:]).permute(0, 2, 3, 1).flatten(1)
        return F.linear(features.permute(0, 2, 3, 1).flatten(1), weight, self.bias)


class PaperDiscriminator(nn.Module):
    """Saliency map → probability that it is a measured one (paper, Figure 5).

    Args:
        size: side of the maps in pixels (even); the fully connected layer depends on it.
    """

    def __init__(self, size: int = 256):
        super().__init__()
        self.size = size
        self.features = nn.Sequential(
            nn.Conv2d(1, 64, 3, padding=1),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Conv2d(64, 128, 3, padding=1),
            nn.LeakyReLU(0.2, inplace=True),
            nn.MaxPool2d(2),
        )
        self.decide = _FullyConnected(128 * (size // 2) ** 2, 1)

    def logits(self, saliency_map: Tensor, image: Tensor | None = None) -> Tensor:
        """Maps ``(B, 1, size, size)`` in [0, 1] → logits ``(B, 1)``, any real (before the sigmoid).

        ``image`` is not looked at: the paper's discriminator sees the map alone.
        """
        return self.decide(self.features(saliency_map))  # (B, 128, S/2, S/2) → (B, 1)

    def forward(self, saliency_map: Tensor) -> Tensor:
        """``(B, 1, size, size)`` in [0, 1] → ``(B, 1)`` in [0, 1], 1 = measured."""
        return torch.sigmoid(self.logits(saliency_map))
