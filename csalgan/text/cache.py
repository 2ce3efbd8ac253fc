"""Sentence embeddings on disk, so that no sentence is encoded twice."""

import sqlite3
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path

import numpy as np

from csalgan.files import paths
from csalgan.files.errors import CsalganError
from csalgan.text.base import TextEncoder, TokenEmbeddings, pad

_REMEMBERED = 20_000  # sentences whose tokens stay in memory, some 15 kB each
_WAIT = 30.0  # seconds one process waits for another's write


class Cached:
    """A text encoder whose sentence embeddings are kept in one SQLite file.

    The file is named by encoder and weights, so other weights never meet; SQLite lets several
    processes share it. A damaged file is made again, with a warning; one that is only busy or
    out of reach is left alone. Token embeddings are kept in memory only.
    """

    def __init__(self, encoder: TextEncoder):
        self._encoder = encoder
        self.name, self.dim = encoder.name, encoder.dim
        self.free_viewing = encoder.free_viewing
        self._tokens: dict[str, tuple[np.ndarray, list[str]]] = {}

    @cached_property
    def fingerprint(self) -> str:
        """Of the encoder inside."""
        return self._encoder.fingerprint

    @property
    def path(self) -> Path:
        """The cache's file."""
        return paths.cache_dir() / "text" / f"{self.name}-{self.fingerprint[:12]}.sqlite"

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """float32 ``(N, dim)``; only sentences that are new are encoded.

        Raises:
            CsalganError: a sentence is not valid Unicode (half of a surrogate pair).
        """
        unique = list(dict.fromkeys(texts))
        for text in unique:
            try:
                text.encode()
            except UnicodeEncodeError as error:
                raise CsalganError(
                    f"sentence {text!r}: character {error.start + 1} is not valid Unicode; "
                    "correct the sentence."
                ) from error
        known = self._read(unique)
        new = [text for text in unique if text not in known]
        if new:
            vectors = self._encoder.encode(new)
            known |= dict(zip(new, vectors, strict=True))
            self._write(new, vectors)
        rows = [known[text] for text in texts]
        return np.stack(rows) if rows else np.zeros((0, self.dim), np.float32)

    def encode_tokens(self, texts: Sequence[str]) -> TokenEmbeddings:
        """As the encoder's own; remembered in memory, not on disk."""
        new = [text for text in dict.fromkeys(texts) if text not in self._tokens]
        if new:
            found = self._encoder.encode_tokens(new)
            rows = [vectors[mask] for vectors, mask in zip(found.vectors, found.mask, strict=True)]
            if len(self._tokens) + len(new) > _REMEMBERED:
                self._tokens = {text: self._tokens[text] for text in texts if text in self._tokens}
            self._tokens |= dict(zip(new, zip(rows, found.tokens, strict=True), strict=True))
        known = [self._tokens[text] for text in texts]
        return pad([row for row, _ in known], [tokens for _, tokens in known], self.dim)

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
        except (sqlite3.OperationalError, OSError) as error:
            # Busy or out of reach, not damaged: another process may be using this very file.
            warnings.warn(f"{self.path}: not used ({error})", stacklevel=3)
        except (sqlite3.Error, TypeError, ValueError) as error:
            self._remove(error)
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

    def _remove(self, error: Exception) -> None:
        warnings.warn(f"{self.path}: damaged, made again ({error})", stacklevel=4)
        with suppress(OSError):  # what cannot be removed cannot be written either: that warns
            self.path.unlink()
