"""A depthwise convolution whose gradients CPUs compute quickly in bfloat16."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.grad import conv2d_input, conv2d_weight

_PIECE = 3  # side of the kernels that oneDNN has quick bfloat16 gradients for


class Depthwise(nn.Conv2d):
    """Each channel convolved with a kernel of its own, ``(B, C, H, W)`` → ``(B, C, H/s, W/s)``.

    With stride s = 2 H and W are even, and padding is TensorFlow's "same". The output is that of
    ``nn.Conv2d``. In bfloat16 on CPUs the gradients are computed another way: oneDNN (torch 2.14.1)
    has only reference code for the kernel's gradient of more than 3 × 3 and for the input's of a
    strided convolution, so that half of a training step went there.
    """

    def __init__(self, channels: int, kernel: int, *, stride: int = 1, bias: bool = True):
        padding = kernel // 2 if stride == 1 else 0
        super().__init__(
            channels, channels, kernel, stride, padding=padding, groups=channels, bias=bias
        )

    def forward(self, x: Tensor) -> Tensor:
        """``(B, C, H, W)`` → ``(B, C, H/s, W/s)``, any real numbers."""
        stride, kernel = self.stride[0], self.kernel_size[0]
        if stride > 1:
            around = kernel - stride
            x = F.pad(x, [around // 2, around - around // 2] * 2)
        if x.device.type != "cpu" or not torch.is_autocast_enabled("cpu"):
            return super().forward(x)
        low = torch.get_autocast_dtype("cpu")
        parts = [None if part is None else part.to(low) for part in (x, self.weight, self.bias)]
        return _Convolution.apply(*parts, stride, self.padding[0])


class _Convolution(torch.autograd.Function):
    """The depthwise convolution, and its gradients from convolutions that oneDNN does quickly."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, stride: int, padding: int
    ) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.stride, ctx.padding = stride, padding
        return F.conv2d(x, weight, bias, stride, padding, groups=len(weight))

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        of_x = of_weight = of_bias = None
        if ctx.needs_input_grad[0]:
            # Strided, float32 is three times as quick.
            kind = torch.float32 if ctx.stride > 1 else x.dtype
            pair = weight.to(kind), gradient.to(kind)
            of_x = conv2d_input(x.shape, *pair, ctx.stride, ctx.padding, groups=len(weight))
            of_x = of_x.to(x.dtype)
        if ctx.needs_input_grad[1]:
            of_weight = _of_weight(x, weight, gradient, ctx.stride, ctx.padding)
        if ctx.needs_input_grad[2]:
            of_bias = gradient.sum((0, 2, 3))
        return of_x, of_weight, of_bias, None, None


def _of_weight(x: Tensor, weight: Tensor, gradient: Tensor, stride: int, padding: int) -> Tensor:
    """The kernel's gradient ``(C, 1, k, k)``, piece by piece of 3 × 3.

    A kernel is the sum of its pieces, each of which sees the input moved by so many places.
    """
    size = weight.shape[-1]
    pieces = range(0, size, _PIECE)
    height, width = (stride * (side - 1) + _PIECE for side in gradient.shape[-2:])
    below, right = (
        seen + pieces[-1] - side - padding
        for seen, side in zip((height, width), x.shape[-2:], strict=True)
    )
    x = F.pad(x, [padding, right, padding, below])
    shape = (len(weight), 1, _PIECE, _PIECE)

    def piece(i: int, j: int) -> Tensor:
        moved = x[:, :, i : i + height, j : j + width]
        return conv2d_weight(moved, shape, gradient, stride, groups=len(weight))

    rows = [torch.cat([piece(i, j) for j in pieces], dim=3) for i in pieces]
    return torch.cat(rows, dim=2)[:, :, :size, :size]
