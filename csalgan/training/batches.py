"""Prepared records, handed out in batches on the device."""

import math

import numpy as np
import torch

from csalgan.data import Prepared
from csalgan.text import TextEncoder
from csalgan.training.game import Batch


class Batches:
    """The records of one part, in memory, handed out in batches.

    Args:
        prepared: packed arrays.
        rows: row numbers of ``prepared.records``.
        text: ``(n_records, D)`` embeddings of all of ``prepared.records``.
    """

    def __init__(self, prepared: Prepared, rows: np.ndarray, text: np.ndarray, size: int, device):
        self.prepared, self.rows, self.text = prepared, rows, text
        self.size, self.device = size, device

    def __len__(self) -> int:
        return math.ceil(len(self.rows) / self.size)

    def shuffled(self, seed: int, epoch: int):
        """Batches in the order that belongs to this seed and epoch."""
        return self._in_order(np.random.default_rng([seed, epoch]).permutation(self.rows))

    def __iter__(self):
        return self._in_order(self.rows)

    def rows_of(self, index: int) -> np.ndarray:
        """Rows of the ``index``-th unshuffled batch."""
        return self.rows[index * self.size : (index + 1) * self.size]

    def _in_order(self, rows: np.ndarray):
        for start in range(0, len(rows), self.size):
            yield self._batch(rows[start : start + self.size])

    def _batch(self, rows: np.ndarray) -> Batch:
        image = torch.from_numpy(self.prepared.images[self.prepared.image_index[rows]])
        target = torch.from_numpy(self.prepared.maps[rows])
        # (B, S, S, 3) → (B, 3, S, S) keeps the bytes in place: that layout is channels_last.
        return Batch(
            image=image.to(self.device).permute(0, 3, 1, 2).float().div_(255),
            text=torch.from_numpy(self.text[rows]).to(self.device),
            target=target.to(self.device).unsqueeze(1).float().div_(255),
        )


def embed(encoder: TextEncoder, texts: list[str], cast_to_int: bool) -> np.ndarray:
    """``(N, D)`` float32 embeddings, cut to integers when the profile says so (published code)."""
    vectors = encoder.encode(texts)
    return vectors.astype(np.int64).astype(np.float32) if cast_to_int else vectors
