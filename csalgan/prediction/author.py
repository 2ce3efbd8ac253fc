"""Text inputs of the author's generators, and the maps predicted with them.

They were trained on CLIP's text feature *cut to integers*. Three ways to give them a sentence:

=========  =====================================================================================
``clip``   that feature, where CLIP's weights are there
``zero``   zeros: what is left when every number of the feature is below 1
``mean``   the average sentence of their training, found without CLIP (:func:`with_mean_sentence`)
=========  =====================================================================================
"""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.nn import functional as F

from csalgan.data import Dataset
from csalgan.data.prepared import square
from csalgan.files.errors import CsalganError
from csalgan.models import PaperGenerator
from csalgan.text import TextEncoder, get_encoder

#: Side of the square the author's code works and scores at.
SIZE = 256
_BATCH = 8


def clip_or_none(
    weights: str | os.PathLike | None = None, note: Callable[[str], None] = lambda line: None
) -> TextEncoder | None:
    """CLIP's text encoder, or None where its weights cannot be had (``note`` is told why).

    Raises:
        CsalganError: a given file is not CLIP's weights.
    """
    try:
        return get_encoder("clip", clip_weights=weights)
    except CsalganError as error:
        if weights is not None:
            raise
        note(str(error))
        return None


def photographs_of(
    dataset: Dataset, records: pd.DataFrame | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """The images of a dataset, in its order, and how many records each has.

    Args:
        records: rows of the dataset to count; by default all.

    Returns:
        uint8 ``(N, 256, 256, 3)`` and int ``(N,)``.
    """
    records = dataset.records if records is None else records
    images = records.groupby("image_id", sort=False)["record"]
    with ThreadPoolExecutor(2) as pool:  # decoding and resizing release the lock
        small = pool.map(lambda record: square(dataset.image(record), SIZE), images.first())
        return np.stack(list(small)), images.size().to_numpy()


def encode(generator: PaperGenerator, images: np.ndarray) -> Iterator[Tensor]:
    """Features of images, in batches of eight: float32 ``(b, 128, S/2, S/2)``.

    Args:
        images: uint8 ``(N, S, S, 3)``, S even.
    """
    for start in range(0, len(images), _BATCH):
        batch = torch.from_numpy(images[start : start + _BATCH])
        image = batch.permute(0, 3, 1, 2).float().div_(255)  # (b, S, S, 3) → (b, 3, S, S)
        with torch.inference_mode():
            features = generator.encode_image(image)
        yield features


@torch.no_grad()  # and not inference_mode: the copy is a network like any other
def with_mean_sentence(
    generator: PaperGenerator, encoded: Iterable[Tensor], counts: np.ndarray
) -> PaperGenerator:
    """A copy of the generator that predicts for a zero sentence as for its average training one.

    A sentence is one vector at all places, so fusion turns its mean over training into a shift of
    each channel (borders aside), and ``conv_scratch.1``, the first batch norm after it, keeps the
    mean of its input *with* that shift. In its place goes the mean measured with a zero sentence:
    what the network then sees is what its average sentence did.

    Args:
        encoded: N images batch by batch (:func:`encode`).
        counts: ``(N,)`` how often each counts (its records).

    Returns:
        A copy; the given generator stays as it is.
    """
    share = torch.from_numpy(counts / counts.sum()).float()[:, None, None, None]
    parts = zip(share.split(_BATCH), encoded, strict=True)
    mean = sum((part * batch).sum(0, keepdim=True) for part, batch in parts)
    # From here to that batch norm all is affine: the mean of images goes through as one of them.
    fused = generator.fuse(mean, generator.encode_text(torch.zeros(1, generator.text_dim)))
    measured = _widened(generator, fused).mean((0, 2, 3))
    copy = deepcopy(generator)
    copy.conv_scratch[1].running_mean.copy_(measured)
    return copy


@torch.inference_mode()
def predict(
    generators: Sequence[PaperGenerator],
    encoded: Sequence[Tensor],
    text: Tensor,
    image_of: np.ndarray,
) -> list[np.ndarray]:
    """Maps of one generator, and of copies of it that differ after ``conv_scratch.0`` only.

    All that comes before a difference is computed once.

    Args:
        encoded: N images batch by batch (:func:`encode`).
        text: ``(R, 512)`` sentences.
        image_of: int ``(R,)`` the image that each is read with.

    Returns:
        For each generator float32 ``(R, S, S)`` in [0, 1].
    """
    first, side = generators[0], 2 * encoded[0].shape[-1]
    maps = [np.empty((len(text), side, side), np.float32) for _ in generators]
    for number, batch in enumerate(encoded):
        here = (image_of // _BATCH == number).nonzero()[0]
        for k in range(0, len(here), _BATCH):
            rows = here[k : k + _BATCH]
            places = first.encode_text(text[rows])
            seen = batch[image_of[rows] % _BATCH].float()
            features = _widened(first, first.fuse(seen, places))
            for out, generator in zip(maps, generators, strict=True):
                out[rows] = generator.sigmoid(generator.conv_scratch[1:](features))[:, 0].numpy()
    return maps


def _widened(generator: PaperGenerator, fused: Tensor) -> Tensor:
    """``(b, 128, S/2, S/2)`` → ``(b, 64, S, S)``: the input of ``conv_scratch.1``."""
    large = F.interpolate(fused, scale_factor=2, mode="bilinear", align_corners=True)
    return generator.conv_scratch[0](large)
