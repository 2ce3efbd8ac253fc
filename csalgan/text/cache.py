"""Sentence embeddings on disk, so that no sentence is encoded twice."""

import sqlite3
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

import numpy as np

from csalgan import paths
from csalgan.text.base import TextEncoder, TokenEmbeddings

_WAIT = 30.0  # seconds one process waits for another's write


class Cached:
    """A text encoder whose sentence embeddings are kept in one SQLite file.

    The file is named by encoder and weights, so other weights never meet; SQLite lets several
    processes share it. A file that cannot be read is set aside with a warning. Token embeddings
    are not kept.
    """

    def __init__(self, encoder: TextEncoder):
        self._encoder = encoder
        self.name, self.dim = encoder.name, encoder.dim
        self.free_viewing = encoder.free_viewing

    @cached_property
    def fingerprint(self) -> str:
        """Of the encoder inside."""
        return self._encoder.fingerprint

    @property
    def path(self) -> Path:
        """The cache's file."""
        return paths.cache_dir() / "text" / f"{self.name}-{self.fingerprint[:12]}.sqlite"

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """float32 ``(N, dim)``; only sentences that are new are encoded."""
        unique = list(dict.fromkeys(texts))
        known = self._read(unique)
        new = [text for text in unique if text not in known]
        if new:
            vectors = self._encoder.encode(new)
            known |= dict(zip(new, vectors, strict=True))
            self._write(new, vectors)
        rows = [known[text] for text in texts]
        return np.stack(rows) if rows else np.zeros((0, self.dim), np.float32)

    def encode_tokens(self, texts: Sequence[str]) -> TokenEmbeddings:
        """Not cached: the encoder's own."""
        return self._encoder.encode_tokens(texts)

    def _read(self, texts: list[str]) -> dict[str, np.ndarray]:
        try:
            with self._open() as database:
                found = {}
                for start in range(0, len(texts), 500):  # SQLite limits variables a statement
                    part = texts[start : start + 500]
                    marks = ",".join("?" * len(part))
                    query = f"SELECT text, vector FROM embeddings WHERE text IN ({marks})"
                    for text, blob in database.execute(query, part):
                        vector = np.frombuffer(blob, np.float32)
                        if len(vector) == self.dim:
                            found[text] = vector
                return found
        except (sqlite3.Error, OSError, TypeError, ValueError) as error:
            self._set_aside(error)
            return {}

    def _write(self, texts: list[str], vectors: np.ndarray) -> None:
        rows = [(t, np.float32(v).tobytes()) for t, v in zip(texts, vectors, strict=True)]
        try:
            with self._open() as database:
                database.executemany("INSERT OR REPLACE INTO embeddings VALUES (?, ?)", rows)
        except (sqlite3.Error, OSError) as error:  # a cache that cannot be written costs time only
            warnings.warn(f"{self.path}: embeddings were not kept ({error})", stacklevel=3)

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        database = sqlite3.connect(self.path, timeout=_WAIT)
        try:
            with database:  # one transaction
                database.execute(
                    "CREATE TABLE IF NOT EXISTS embeddings (text TEXT PRIMARY KEY, vector BLOB)"
                )
                yield database
        finally:
            database.close()

    def _set_aside(self, error: Exception) -> None:
        warnings.warn(f"{self.path}: not readable, made again ({error})", stacklevel=4)
        self.path.unlink(missing_ok=True)
