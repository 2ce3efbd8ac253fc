"""A faster copy of a network for inference: batch norms folded into convolutions."""

from copy import deepcopy

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


def fast_copy(network: nn.Module) -> nn.Module:
    """A copy whose batch norms are taken into the convolutions before them.

    In evaluation mode a batch norm is a scale and a shift of each channel, and so is a part of
    the convolution it follows; in float32 the outputs agree to rounding.
    """
    copy = deepcopy(network).eval()
    for part in copy.modules():
        if isinstance(part, nn.Sequential):
            for k in range(len(part) - 1):
                if type(part[k]) is nn.Conv2d and type(part[k + 1]) is nn.BatchNorm2d:
                    part[k] = fuse_conv_bn_eval(part[k], part[k + 1])
                    part[k + 1] = nn.Identity()
    return copy.to(memory_format=torch.channels_last)
