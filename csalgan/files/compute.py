"""With how many threads something is computed.

It is part of a recipe (``training.threads``), not of the machine's load: sums are split among the
threads, and rounded otherwise. In bfloat16 one map differs by up to 0.005 between one and two.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from threadpoolctl import threadpool_limits


def use_threads(number: int) -> None:
    """Compute with so many threads from here on: torch, and the BLAS that numpy uses."""
    threadpool_limits(number)  # first: the OpenMP it finds may be torch's
    torch.set_num_threads(number)


@contextmanager
def threads(number: int) -> Iterator[None]:
    """Torch computes with so many threads inside the block."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)
