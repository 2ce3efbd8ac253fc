"""From photographs and sentences to saliency maps: what everything that looks at a model uses."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.nn import functional as F
from tqdm import tqdm

from csalgan.data import Dataset
from csalgan.data.prepared import square
from csalgan.errors import CsalganError
from csalgan.models.paper import PaperGenerator
from csalgan.provenance import Provenance
from csalgan.text import TextEncoder, get_encoder
from csalgan.training import Run, embed


@dataclass
class Predictor:
    """A trained generator with the text encoder it was trained with.

    Attributes:
        name: what to call it on figures (``paper model, total``).
        generator: in evaluation mode.
        encoder: the text encoder.
        size: side of the square the generator sees, pixels.
        provenance: of the run the weights come from.
        cast_to_int: cut text embeddings to integers, as the published code did.
    """

    name: str
    generator: PaperGenerator
    encoder: TextEncoder
    size: int
    provenance: Provenance
    cast_to_int: bool = False
    batch_size: int = 16

    @classmethod
    def of_run(cls, run: Run, which: str = "best") -> "Predictor":
        """The predictor of a training run.

        Raises:
            CsalganError: the text encoder's weights are not those the run was trained with.
        """
        text = run.profile.text
        encoder = get_encoder(text.encoder, clip_weights=text.clip_weights)
        if encoder.fingerprint != run.info["text_fingerprint"]:
            raise CsalganError(
                f"{run.folder}: trained with other {encoder.name} weights "
                f"({run.info['text_fingerprint'][:12]}, now {encoder.fingerprint[:12]}); "
                "provide those, or train again."
            )
        generator = run.generator(which).to(memory_format=torch.channels_last)
        return cls(
            name=f"paper model, {run.subset}",
            generator=generator,
            encoder=encoder,
            size=run.profile.data.size,
            provenance=run.provenance,
            cast_to_int=text.cast_to_int,
        )

    def predict(
        self, images: Sequence[np.ndarray], texts: Sequence[str], *, strength: float = 1.0
    ) -> list[np.ndarray]:
        """Saliency maps of images read with sentences.

        Args:
            images: uint8 ``(H, W, 3)`` RGB arrays, any sizes.
            texts: one sentence an image; ``""`` is free viewing.
            strength: how much the sentence counts: the text feature is ``e0 + strength·(e − e0)``,
                ``e0`` the embedding of the empty sentence. 0 is free viewing, 1 the sentence.

        Returns:
            float32 ``(H, W)`` in [0, 1] for each image, at its own size.

        Raises:
            CsalganError: as many sentences as images are needed; an image is not uint8 RGB.
        """
        if len(images) != len(texts):
            raise CsalganError(
                f"{len(images)} images and {len(texts)} sentences: give one sentence an image."
            )
        features = self.text_features(texts, strength)
        maps: list[np.ndarray] = []
        for start in range(0, len(images), self.batch_size):
            chunk = images[start : start + self.batch_size]
            small = torch.from_numpy(np.stack([_square(image, self.size) for image in chunk]))
            predicted = self._forward(small, features[start : start + self.batch_size])
            maps += [
                resize_map(one, image.shape[:2])
                for one, image in zip(predicted, chunk, strict=True)
            ]
        return maps

    def predict_records(
        self,
        dataset: Dataset,
        records: pd.DataFrame,
        *,
        texts: Sequence[str] | None = None,
        strength: float = 1.0,
        progress: bool = False,
    ) -> Iterator[tuple[str, np.ndarray]]:
        """Predict records of a dataset, one batch in memory at a time.

        Args:
            records: rows of ``dataset.records``.
            texts: sentences to use instead of the records' own, in the same order.

        Yields:
            ``(record, float32 (H, W) in [0, 1])`` in the order of ``records``.
        """
        names = records["record"].tolist()
        sentences = records["text"].tolist() if texts is None else list(texts)
        if len(sentences) != len(names):
            raise CsalganError(
                f"{len(names)} records and {len(sentences)} sentences: give one a record."
            )
        bar = tqdm(total=len(names), desc="predict", disable=not progress, leave=False)
        for start in range(0, len(names), self.batch_size):
            part = slice(start, start + self.batch_size)
            images = [dataset.image(name) for name in names[part]]
            maps = self.predict(images, sentences[part], strength=strength)
            yield from zip(names[part], maps, strict=True)
            bar.update(len(images))
        bar.close()

    def text_features(self, texts: Sequence[str], strength: float = 1.0) -> Tensor:
        """``(N, D)`` text features at a sentence strength (see :meth:`predict`)."""
        vectors = embed(self.encoder, [*texts, ""], self.cast_to_int)
        empty = vectors[-1]
        return torch.from_numpy(empty + np.float32(strength) * (vectors[:-1] - empty))

    @torch.inference_mode()
    def _forward(self, small: Tensor, text: Tensor) -> np.ndarray:
        image = small.permute(0, 3, 1, 2).float().div_(255)  # (B, S, S, 3) → (B, 3, S, S)
        return self.generator(image, text)[:, 0].numpy()


def resize_map(saliency: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Bilinear (half-pixel centres) resize of a float ``(h, w)`` map to ``shape`` (H, W)."""
    tensor = torch.from_numpy(np.ascontiguousarray(saliency, dtype=np.float32))[None, None]
    return F.interpolate(tensor, size=tuple(shape), mode="bilinear", align_corners=False)[
        0, 0
    ].numpy()


def _square(image: np.ndarray, size: int) -> np.ndarray:
    """The same resize as the prepared arrays."""
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise CsalganError(
            f"an image of shape {image.shape} and type {image.dtype}: "
            "give uint8 RGB arrays (height, width, 3)."
        )
    return square(image, size)
