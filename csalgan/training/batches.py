"""Prepared records, handed out in batches on the device."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from csalgan.config import AugmentConfig, Profile
from csalgan.data import Prepared
from csalgan.text import TextEncoder
from csalgan.text.sentences import Sentences, read_sentences
from csalgan.training import augment
from csalgan.training.losses import Measured

#: What a network reads for all records of a dataset.
Texts = np.ndarray | Sentences


@dataclass(frozen=True)
class Batch:
    """Tensors of one step, on the device: B images, R records of them.

    ``image`` (B, 3, S, S) float RGB in [0, 1]; ``text`` (R, D) float, or R sentences;
    ``measured`` what is known of the R records.
    """

    image: Tensor
    text: Tensor | Sentences
    measured: Measured

    def __len__(self) -> int:
        """How many records."""
        return len(self.measured.image)

    def images(self, low: int, high: int) -> "Batch":
        """The images from ``low`` to before ``high``, with all their records."""
        of = self.measured.image
        rows = ((of >= low) & (of < high)).nonzero()[:, 0]
        m, text = self.measured, self.text
        text = text.rows(rows) if isinstance(text, Sentences) else text[rows]
        measured = Measured(m.saliency_map[rows], m.fixations[rows], of[rows] - low)
        return Batch(self.image[low:high], text, measured)


class Batches:
    """The records of one part, in memory, handed out in batches.

    Args:
        prepared: packed arrays.
        rows: row numbers of ``prepared.records``.
        text: ``(n_records, D)`` embeddings, or the sentences, of all of ``prepared.records``.
        size: records or images a batch.
        by: what ``size`` counts. With ``images`` a batch holds each image once, and all of
            ``rows`` that belong to it.
        map_size: side of the measured maps; they are averaged down to it.
        augmentation: of the records handed out by :meth:`shuffled`.
    """

    def __init__(
        self,
        prepared: Prepared,
        rows: np.ndarray,
        text: Texts,
        size: int,
        device,
        *,
        by: str = "records",
        map_size: int | None = None,
        augmentation: AugmentConfig | None = None,
    ):
        self.prepared, self.rows, self.text = prepared, rows, text
        self.size, self.device = size, device
        self.map_size = map_size or prepared.size
        self.augmentation = augmentation or AugmentConfig()
        if by == "images":
            images = prepared.image_index[rows]
            self._units = [rows[images == image] for image in np.unique(images)]
        else:
            self._units = list(rows[:, None])
        sentences = prepared.records["text"]
        self._may_mirror = ~sentences.map(augment.names_a_side).to_numpy(bool)

    def __len__(self) -> int:
        return math.ceil(len(self._units) / self.size)

    def shuffled(self, seed: int, epoch: int) -> Iterator[Batch]:
        """Batches in the order, and with the augmentation, that belong to this seed and epoch."""
        random = np.random.default_rng([seed, epoch])
        order = random.permutation(len(self._units))
        yield from self._in_order([self._units[unit] for unit in order], random)

    def __iter__(self) -> Iterator[Batch]:
        yield from self._in_order(self._units, None)

    def _in_order(self, units: list[np.ndarray], random) -> Iterator[Batch]:
        for start in range(0, len(units), self.size):
            yield self._batch(units[start : start + self.size], random)

    def _batch(self, units: list[np.ndarray], random: np.random.Generator | None) -> Batch:
        rows = np.concatenate(units)
        image_of = np.repeat(np.arange(len(units)), [len(unit) for unit in units])
        which = self.prepared.image_index[[unit[0] for unit in units]]
        image = torch.from_numpy(self.prepared.images[which]).to(self.device)
        # (B, S, S, 3) → (B, 3, S, S) keeps the bytes in place: that layout is channels_last.
        image = image.permute(0, 3, 1, 2).float().div_(255)
        measured = torch.stack(
            [
                torch.from_numpy(self.prepared.maps[rows]).to(self.device).float().div_(255),
                torch.from_numpy(self.prepared.fixation_masks[rows]).to(self.device).float(),
            ],
            dim=1,
        )
        if self.map_size != self.prepared.size:
            measured = F.interpolate(measured, size=self.map_size, mode="area")
        text = self._texts(rows)
        if random is not None:
            may = np.array([self._may_mirror[unit].all() for unit in units])
            window = augment.crops(len(units), may, self.augmentation, random)
            image = augment.crop(image, window, image.shape[-1], padding="reflection")
            image = augment.resize(image, self.augmentation, random)
            image = augment.recolour(image, self.augmentation, random)
            image = image.contiguous(memory_format=torch.channels_last)
            window = None if window is None else window[torch.from_numpy(image_of)]
            measured = augment.crop(measured, window, self.map_size)
            if isinstance(text, Sentences):
                text = augment.paraphrase(text, self.augmentation, random)
        of = torch.from_numpy(image_of).to(self.device)
        return Batch(image, text.to(self.device), Measured(measured[:, :1], measured[:, 1:], of))

    def _texts(self, rows: np.ndarray) -> Tensor | Sentences:
        if isinstance(self.text, Sentences):
            return self.text.rows(torch.from_numpy(rows))
        return torch.from_numpy(self.text[rows])


def texts_for(profile: Profile, encoder: TextEncoder, sentences: list[str]) -> Texts:
    """What the profile's network reads of sentences."""
    if profile.model.kind == "compact":
        return read_sentences(encoder, sentences)
    return embed(encoder, sentences, profile.text.cast_to_int)


def embed(encoder: TextEncoder, texts: list[str], cast_to_int: bool) -> np.ndarray:
    """``(N, D)`` float32 embeddings, cut to integers when the profile says so (author's code)."""
    vectors = encoder.encode(texts)
    return vectors.astype(np.int64).astype(np.float32) if cast_to_int else vectors
