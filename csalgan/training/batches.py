"""Prepared records, handed out in batches on the device."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from csalgan.config import Profile, TrainingConfig
from csalgan.data import Prepared
from csalgan.text import TextEncoder
from csalgan.text.sentences import Sentences, read_sentences
from csalgan.training import augment
from csalgan.training.losses import Measured

#: Text input of a network for N records: float32 ``(N, D)`` embeddings, or N :class:`Sentences`.
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

    def first(self, images: int) -> "Batch":
        """The first ``images`` images, with all their records.

        ``image`` is ``(images, 3, S, S)``; ``text`` and ``measured`` hold the records of these.
        """
        rows = self.measured.image < images
        measured = Measured(*(part[rows] for part in self.measured))
        return Batch(self.image[:images], _rows(self.text, rows), measured)


class Batches:
    """The records of one part, in memory, handed out in batches.

    Args:
        prepared: packed arrays.
        rows: row numbers of ``prepared.records``.
        text: ``(n_records, D)`` embeddings, or the sentences, of all of ``prepared.records``.
        config: says how large a batch is, whether in records or in images (a batch then holds each
            image once, and all of ``rows`` that belong to it), and how :meth:`shuffled` ones are
            augmented.
        map_size: side of the measured maps, averaged down to it; by default the images'.
    """

    def __init__(
        self,
        prepared: Prepared,
        rows: np.ndarray,
        text: Texts,
        config: TrainingConfig,
        device: torch.device,
        map_size: int | None = None,
    ):
        self.prepared, self.config, self.device = prepared, config, device
        self.text = torch.from_numpy(text) if isinstance(text, np.ndarray) else text
        self.map_size = map_size or prepared.size
        by_image = config.batches == "images"
        images = prepared.image_index[rows] if by_image else np.arange(len(rows))
        self._units = [rows[images == image] for image in np.unique(images)]
        self._may_mirror = ~prepared.records["text"].map(augment.names_a_side).to_numpy(bool)

    def __len__(self) -> int:
        return math.ceil(len(self._units) / self.config.batch_size)

    def shuffled(self, seed: int, epoch: int) -> Iterator[Batch]:
        """Batches in the order, and with the augmentation, that belong to this seed and epoch."""
        random = np.random.default_rng([seed, epoch])
        order = random.permutation(len(self._units))
        yield from self._in_order([self._units[k] for k in order], random)

    def __iter__(self) -> Iterator[Batch]:
        yield from self._in_order(self._units, None)

    def _in_order(self, units: list[np.ndarray], random) -> Iterator[Batch]:
        size = self.config.batch_size
        for start in range(0, len(units), size):
            yield self._batch(units[start : start + size], random)

    def _batch(self, units: list[np.ndarray], random: np.random.Generator | None) -> Batch:
        prepared, rows = self.prepared, np.concatenate(units)
        of = torch.arange(len(units)).repeat_interleave(torch.tensor([*map(len, units)]))
        which = prepared.image_index[[unit[0] for unit in units]]
        # (B, S, S, 3) → (B, 3, S, S) keeps the bytes in place: that layout is channels_last.
        image = self._on_device(prepared.images[which]).permute(0, 3, 1, 2).div_(255)
        maps = self._on_device(prepared.maps[rows]).div_(255)
        measured = torch.stack([maps, self._on_device(prepared.fixation_masks(rows))], dim=1)
        if self.map_size != prepared.size:
            measured = F.interpolate(measured, size=self.map_size, mode="area")
        text = _rows(self.text, torch.from_numpy(rows))
        if random is not None:
            may = np.array([self._may_mirror[unit].all() for unit in units])
            config = self.config.augment
            window = augment.crops(len(units), may, config, random)
            image = augment.crop(image, window, image.shape[-1], padding="reflection")
            image = augment.resize(image, config, random)
            image = augment.recolour(image, config, random)
            image = image.contiguous(memory_format=torch.channels_last)
            measured = augment.crop(measured, None if window is None else window[of], self.map_size)
            if isinstance(text, Sentences):
                text = augment.perturb_text(text, config, random)
        of = of.to(self.device)
        return Batch(image, text.to(self.device), Measured(measured[:, :1], measured[:, 1:], of))

    def _on_device(self, array: np.ndarray) -> Tensor:
        return torch.from_numpy(array).to(self.device).float()


def _rows(text: Tensor | Sentences, index: Tensor) -> Tensor | Sentences:
    return text.rows(index) if isinstance(text, Sentences) else text[index]


def texts_for(profile: Profile, encoder: TextEncoder, sentences: list[str]) -> Texts:
    """Text input of the profile's network, one row a sentence."""
    if profile.model.kind == "compact":
        return read_sentences(encoder, sentences)
    return embed(encoder, sentences, profile.text.cast_to_int)


def embed(encoder: TextEncoder, texts: list[str], cast_to_int: bool) -> np.ndarray:
    """``(N, D)`` float32 embeddings, cut to integers when the profile says so (author's code)."""
    vectors = encoder.encode(texts)
    return vectors.astype(np.int64).astype(np.float32) if cast_to_int else vectors
