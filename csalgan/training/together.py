"""Several processes training one model: ``torchrun --nproc-per-node N -m csalgan train …``.

Each process looks at its share of a batch's images. What the losses compare (predictions, the
discriminator's answers) is then put together, so every process computes the loss of the whole
batch; its gradient reaches a process's own share only, and the gradients of all are added. That is
the gradient of one process with the whole batch, also for losses that relate records to each other
and for shares of different size, where averaging the gradients of separate losses (as
DistributedDataParallel does) is not.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor, nn

from csalgan.training.batch import Batch


class Share(NamedTuple):
    """A process's part of a batch.

    Attributes:
        batch: its images with all their records.
        sizes: how many records each process has; empty where each has the whole batch, because
            there are fewer images than processes.
    """

    batch: Batch
    sizes: tuple[int, ...] = ()

    def together(self, mine: Tensor) -> Tensor:
        """``(r, …)`` of this process's records → ``(R, …)`` of the whole batch's, in its order.

        Gradients flow to this process's rows only.
        """
        if not self.sizes:
            return mine
        padded = mine.detach().new_zeros(max(self.sizes), *mine.shape[1:])
        padded[: len(mine)] = mine.detach()
        found = [torch.empty_like(padded) for _ in self.sizes]
        dist.all_gather(found, padded)
        parts = [part[:size] for part, size in zip(found, self.sizes, strict=True)]
        parts[dist.get_rank()] = mine
        return torch.cat(parts)

    def add_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Give every process the gradient of the whole batch."""
        if world() == 1:
            return
        gradients = [p.grad for p in parameters if p.grad is not None]
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        dist.all_reduce(flat)
        if not self.sizes:
            flat /= world()
        for gradient, part in zip(
            gradients, flat.split([g.numel() for g in gradients]), strict=True
        ):
            gradient.copy_(part.view_as(gradient))


def share(batch: Batch) -> Share:
    """This process's part of a batch: neighbouring images, as evenly as can be."""
    if world() == 1 or len(batch.image) < world():
        return Share(batch)
    edges = [len(batch.image) * k // world() for k in range(world() + 1)]
    of = batch.measured.image
    sizes = tuple(
        int(((of >= low) & (of < high)).sum()) for low, high in zip(edges, edges[1:], strict=False)
    )
    rank = dist.get_rank()
    return Share(batch.images(edges[rank], edges[rank + 1]), sizes)


def world() -> int:
    """How many processes train this model."""
    return dist.get_world_size() if dist.is_initialized() else 1


def is_first() -> bool:
    """Whether this process is the one that validates, writes and prints."""
    return _asked() == 1 or os.environ.get("RANK") == "0"


def from_first(value):
    """The first process's value (plain numbers and texts), in every process."""
    if world() == 1:
        return value
    box = [value]
    dist.broadcast_object_list(box)
    return box[0]


def _asked() -> int:
    return int(os.environ.get("WORLD_SIZE", "1"))


@contextmanager
def joined() -> Iterator[None]:
    """Join the processes that torchrun started, while the block runs; alone, do nothing."""
    if _asked() == 1 or dist.is_initialized():
        yield
        return
    cuda = torch.cuda.is_available()
    if cuda:
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    dist.init_process_group("nccl" if cuda else "gloo")
    try:
        yield
    finally:
        dist.destroy_process_group()


@contextmanager
def first_alone() -> Iterator[None]:
    """The first process runs the block before the others do (it makes what they then find)."""
    if not is_first():
        dist.barrier()
    yield
    if is_first() and world() > 1:
        dist.barrier()


class _Sum(torch.autograd.Function):
    """The sum over all processes, and of what flows back to it."""

    @staticmethod
    def forward(ctx, x: Tensor) -> Tensor:
        x = x.clone()
        dist.all_reduce(x)
        return x

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:
        gradient = gradient.clone()
        dist.all_reduce(gradient)
        return gradient


class WholeBatchNorm(nn.BatchNorm2d):
    """Batch norm with the statistics of the whole batch, on any device.

    torch's SyncBatchNorm is for GPUs only; this one also runs where the tests do.
    """

    def forward(self, x: Tensor) -> Tensor:
        """``(B, C, H, W)`` → the same shape."""
        if not self.training:
            return super().forward(x)
        values = x.float()
        sums = torch.cat([values.sum((0, 2, 3)), values.new_tensor([x.numel() / x.shape[1]])])
        sums = _Sum.apply(sums)
        mean, n = sums[:-1] / sums[-1], sums[-1]
        centred = values - mean[:, None, None]
        variance = _Sum.apply(centred.square().sum((0, 2, 3))) / n
        with torch.no_grad():
            self.num_batches_tracked += 1
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * n / (n - 1), self.momentum)
        scale = self.weight * (variance + self.eps).rsqrt()
        return (centred * scale[:, None, None] + self.bias[:, None, None]).to(x.dtype)


def with_whole_batch_norms(network: nn.Module) -> nn.Module:
    """The same network, its batch norms replaced, parameters and buffers shared."""
    for name, part in network.named_children():
        if type(part) is nn.BatchNorm2d:
            norm = WholeBatchNorm(part.num_features, eps=part.eps, momentum=part.momentum)
            norm.weight, norm.bias = part.weight, part.bias
            for buffer, value in part.named_buffers():
                setattr(norm, buffer, value)
            setattr(network, name, norm.train(part.training))
        else:
            with_whole_batch_norms(part)
    return network
