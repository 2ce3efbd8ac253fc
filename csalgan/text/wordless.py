"""Encoders without weights: hashed words, and nothing at all."""

import hashlib
import re
from collections.abc import Sequence

import numpy as np

from csalgan.text.base import TokenEmbeddings, pad

_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)?")


def words(text: str) -> list[str]:
    """Lower-case words of a sentence, in order."""
    return _WORD.findall(text.lower())


class HashingEncoder:
    """Signed feature hashing of words and neighbouring pairs (Weinberger et al., 2009).

    Every word and pair adds +1 or −1 to one of 512 places, both chosen by its hash; the sum is
    scaled to length 1. It knows which words two sentences share and nothing about meaning.
    """

    name = "hashing"
    dim = 512
    fingerprint = hashlib.sha256(b"csalgan hashing 1").hexdigest()
    free_viewing = "Free viewing gets zeros, because the empty sentence has no words."

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """float32 ``(N, 512)``, each of length 1 (or 0 for a sentence without words)."""
        vectors = np.zeros((len(texts), self.dim), np.float32)
        for row, text in zip(vectors, texts, strict=True):
            found = words(text)
            for feature in found + [f"{a} {b}" for a, b in zip(found, found[1:], strict=False)]:
                place, sign = _place(feature, self.dim)
                row[place] += sign
            length = np.linalg.norm(row)
            if length:
                row /= length
        return vectors

    def encode_tokens(self, texts: Sequence[str]) -> TokenEmbeddings:
        """One-hot signed vector of each word."""
        tokens = [words(text) for text in texts]
        rows = []
        for found in tokens:
            row = np.zeros((len(found), self.dim), np.float32)
            for vector, word in zip(row, found, strict=True):
                place, sign = _place(word, self.dim)
                vector[place] = sign
            rows.append(row)
        return pad(rows, tokens, self.dim)


class NoneEncoder:
    """No text: every sentence is zeros, so a model can use the image alone."""

    name = "none"
    dim = 512
    fingerprint = hashlib.sha256(b"csalgan none 1").hexdigest()
    free_viewing = "Free viewing gets zeros, as every sentence does."

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """float32 ``(N, 512)`` zeros."""
        return np.zeros((len(texts), self.dim), np.float32)

    def encode_tokens(self, texts: Sequence[str]) -> TokenEmbeddings:
        """No token for any sentence."""
        return pad([np.zeros((0, self.dim), np.float32)] * len(texts), [[] for _ in texts], 512)


def _place(feature: str, dim: int) -> tuple[int, float]:
    number = int.from_bytes(hashlib.blake2b(feature.encode(), digest_size=8).digest(), "little")
    return (number >> 1) % dim, 1.0 if number & 1 else -1.0
