"""Asking a model about the same pictures with many sentences, each picture encoded once."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
import pandas as pd

from csalgan.data import Dataset
from csalgan.files.errors import CsalganError
from csalgan.prediction import Features, Predictor
from csalgan.text import TokenEmbeddings
from csalgan.text.base import pad


class Ask(Protocol):
    """Any predictor, as this package sees it: a :class:`Reader`, or a function of yours."""

    def __call__(
        self,
        records: pd.DataFrame,
        texts: Sequence[str | None] | None = None,
        *,
        strength: float = 1.0,
    ) -> Iterator[tuple[str, np.ndarray]]:
        """Predict records.

        Args:
            records: rows of a dataset.
            texts: what to read in place of the records' own sentences, in the same order; ``""``
                is free viewing, None is no text at all.
            strength: how much the sentence counts (0 is free viewing, 1 the sentence).

        Yields:
            ``(record, map)``, the map (h, w) ≥ 0 of any size, in the order of ``records``.
        """


@dataclass
class Reader:
    """A trained model that keeps what it has seen of each picture.

    Reading another sentence then costs no second look at the picture. The features of every
    picture asked about stay in memory: at the paper's 256 px about 8 MB a picture.
    """

    predictor: Predictor
    dataset: Dataset
    _seen: dict[str, tuple[Features, tuple[int, int]]] = field(default_factory=dict, repr=False)

    def __post_init__(self):
        self._silent = replace(self.predictor, encoder=_NoText(self.predictor.encoder.dim))

    @property
    def name(self) -> str:
        """What figures call the model."""
        return self.predictor.name

    def __call__(
        self,
        records: pd.DataFrame,
        texts: Sequence[str | None] | None = None,
        *,
        strength: float = 1.0,
    ) -> Iterator[tuple[str, np.ndarray]]:
        """See :class:`Ask`; maps are float32 (H, W) in [0, 1] at the picture's own size.

        Raises:
            CsalganError: more or fewer sentences than records.
        """
        given = records["text"].tolist() if texts is None else texts
        if len(given) != len(records):
            raise CsalganError(
                f"{len(records)} records and {len(given)} sentences: give one a record."
            )
        # One at a time: beside other sentences in a batch, the same sentence may give other last
        # bits, and "nothing changed" would no longer be exactly 0.
        rows = zip(records["record"], records["image_id"], given, strict=True)
        for record, image_id, text in rows:
            features, shape = self._look(image_id, record)
            model = self._silent if text is None else self.predictor
            yield record, model.read(features, [text or ""], [shape], strength=strength)[0]

    def _look(self, image_id: str, record: str) -> tuple[Features, tuple[int, int]]:
        if image_id not in self._seen:
            image = self.dataset.image(record)
            self._seen[image_id] = self.predictor.encode_images([image]), image.shape[:2]
        return self._seen[image_id]


def measured(dataset: Dataset) -> Ask:
    """People as a model: the measured map of a record, or of free viewing for an empty sentence.

    What it gives where a sentence is not the record's own, and at other strengths than 1, is the
    same: nobody was asked.
    """
    free = dataset.records[dataset.records["condition"] == "none"].set_index("image_id")["record"]

    def ask(
        records: pd.DataFrame, texts: Sequence[str | None] | None = None, *, strength: float = 1.0
    ) -> Iterator[tuple[str, np.ndarray]]:
        given = records["text"] if texts is None else texts
        rows = zip(records["record"], records["image_id"], given, strict=True)
        for record, image_id, text in rows:
            yield record, dataset.map(record if text else free[image_id])

    return ask


class _NoText:
    """Zeros for every sentence and no words: what a model gets when its text input is cut off."""

    name, fingerprint = "no text", "no text"
    free_viewing = "Zeros, as every sentence."

    def __init__(self, dim: int):
        self.dim = dim

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        return np.zeros((len(texts), self.dim), np.float32)

    def encode_tokens(self, texts: Sequence[str]) -> TokenEmbeddings:
        return pad(
            [np.zeros((0, self.dim), np.float32)] * len(texts), [[] for _ in texts], self.dim
        )
