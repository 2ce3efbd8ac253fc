"""Sentences as a network reads them: whole and word by word."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from csalgan.text.base import TextEncoder


class Sentences(NamedTuple):
    """Several sentences.

    Attributes:
        whole: float ``(B, D)`` embedding of each.
        words: float ``(B, T, D)``, one vector a word in its context; zeros where there is none.
        is_word: bool ``(B, T)``, true at words.
        strength: float ``(B,)``, how much the words count; 0 is free viewing, 1 the sentence.
    """

    whole: Tensor
    words: Tensor
    is_word: Tensor
    strength: Tensor

    def rows(self, index) -> "Sentences":
        """Select rows; trim padding to their longest.

        Args:
            index: int ``(n,)`` or bool ``(B,)``.

        Returns:
            n sentences of T words, T the most that one of them has.
        """
        is_word = self.is_word[index]
        longest = int(is_word.sum(1).max()) if len(is_word) else 0
        return Sentences(
            self.whole[index],
            self.words[index][:, :longest],
            is_word[:, :longest],
            self.strength[index],
        )

    def to(self, device) -> "Sentences":
        """The same tensors on a device."""
        return Sentences(*(part.to(device) for part in self))


def read_sentences(encoder: TextEncoder, texts: Sequence[str], strength: float = 1.0) -> Sentences:
    """Embed sentences whole and word by word.

    Args:
        texts: ``""`` is free viewing.
        strength: the whole sentence becomes ``e0 + strength·(e − e0)``, ``e0`` the empty one.

    Returns:
        B sentences: float32 ``whole`` (B, D), ``words`` (B, T, D) and ``strength`` (B,), bool
        ``is_word`` (B, T); T is the most words that one of them has, D ``encoder.dim``.
    """
    vectors = encoder.encode([*texts, ""])
    empty = vectors[-1]
    words, is_word = encoder.encode_words(texts)
    return Sentences(
        torch.from_numpy(empty + np.float32(strength) * (vectors[:-1] - empty)),
        torch.from_numpy(words),
        torch.from_numpy(is_word),
        torch.full((len(texts),), float(strength)),
    )
