"""Encoders without weights: hashed words, and nothing at all."""

import hashlib
from collections.abc import Iterator, Sequence

import numpy as np

from csalgan.text.base import TextEncoder
from csalgan.text.words import words


class HashingEncoder(TextEncoder):
    """Signed feature hashing of words and neighbouring pairs (Weinberger et al., 2009).

    Every word and pair adds +1 or −1 to one of 512 places, both chosen by its hash; the sum is
    scaled to length 1 (0 for a sentence without words). It knows which words two sentences share
    and nothing about meaning. The vector of a word is its own ±1.
    """

    name = "hashing"
    dim = 512
    fingerprint = hashlib.sha256(b"csalgan hashing 1").hexdigest()
    free_viewing = "Free viewing gets zeros, because the empty sentence has no words."

    def read(self, texts: Sequence[str]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for text in texts:
            found = words(text)
            pairs = [f"{a} {b}" for a, b in zip(found, found[1:], strict=False)]
            vectors = np.zeros((len(found) + len(pairs), self.dim), np.float32)
            for vector, feature in zip(vectors, found + pairs, strict=True):
                digest = hashlib.blake2b(feature.encode(), digest_size=8).digest()
                number = int.from_bytes(digest, "little")
                vector[(number >> 1) % self.dim] = 1.0 if number & 1 else -1.0
            whole = vectors.sum(axis=0)
            yield whole / (np.linalg.norm(whole) or 1), vectors[: len(found)]


class NoneEncoder(TextEncoder):
    """No text: every sentence is zeros and has no words, so a model can use the image alone."""

    name = "none"
    fingerprint = hashlib.sha256(b"csalgan none 1").hexdigest()
    free_viewing = "Free viewing gets zeros, as every sentence does."

    def __init__(self, dim: int = 512, **options):
        super().__init__(**options)
        self.dim = dim

    def read(self, texts: Sequence[str]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for _ in texts:
            yield np.zeros(self.dim, np.float32), np.zeros((0, self.dim), np.float32)
