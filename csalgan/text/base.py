"""What every text encoder offers."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Protocol

import numpy as np


@dataclass(frozen=True)
class TokenEmbeddings:
    """One vector a token, padded to the longest sentence.

    Attributes:
        vectors: float32 ``(N, T, d)``, zeros where there is no token.
        mask: bool ``(N, T)``, true at tokens.
        tokens: the tokens of each sentence as text; ``len(tokens[i]) == mask[i].sum()``.
    """

    vectors: np.ndarray
    mask: np.ndarray
    tokens: list[list[str]]


class TextEncoder(Protocol):
    """A sentence encoder.

    Attributes:
        name: what stands on tables and figures.
        dim: length of a sentence embedding.
        fingerprint: hex digest of weights and method; embeddings are comparable only within one.
        free_viewing: one sentence, what the empty sentence gets.
    """

    name: str
    dim: int
    fingerprint: str
    free_viewing: str

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """float32 ``(N, dim)`` embeddings; they do not depend on the other sentences."""

    def encode_tokens(self, texts: Sequence[str]) -> TokenEmbeddings:
        """Embeddings of the words or word pieces of each sentence."""


def pad(rows: Sequence[np.ndarray], tokens: list[list[str]], dim: int) -> TokenEmbeddings:
    """Put per-sentence arrays ``(t_i, dim)`` into one padded block."""
    longest = max((len(row) for row in rows), default=0)
    vectors = np.zeros((len(rows), longest, dim), np.float32)
    mask = np.zeros((len(rows), longest), bool)
    for number, row in enumerate(rows):
        vectors[number, : len(row)] = row
        mask[number, : len(row)] = True
    return TokenEmbeddings(vectors, mask, tokens)


def file_fingerprint(path: Path, method: str) -> str:
    """Hex digest of a weights file and the name of the method that uses it."""
    status = path.stat()
    return _file_fingerprint(path, method, status.st_size, status.st_mtime_ns)


@cache  # by size and time too, so that a changed file is read again
def _file_fingerprint(path: Path, method: str, size: int, mtime_ns: int) -> str:
    digest = hashlib.sha256(method.encode())
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
