"""Sentence embeddings on disk, so that no sentence is encoded twice."""

import io
import json
import warnings
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
from filelock import FileLock

from csalgan.files import paths
from csalgan.files.errors import CsalganError
from csalgan.files.inputs import open_file
from csalgan.files.writing import write_bytes
from csalgan.text.base import TextEncoder, TokenEmbeddings, pad

_REMEMBERED = 20_000  # sentences whose tokens stay in memory, some 15 kB each
_WAIT = 30.0  # seconds one process waits for another's write


class Cached:
    """A text encoder whose sentence embeddings are kept in one ``.npz`` file.

    The file is named by encoder and weights, so other weights never meet. It is replaced whole,
    one process at a time, each keeping what the others wrote. A damaged file is made again, with a
    warning; one that is out of reach is left alone. Token embeddings are kept in memory only.
    """

    def __init__(self, encoder: TextEncoder):
        self._encoder = encoder
        self.name, self.dim = encoder.name, encoder.dim
        self.free_viewing = encoder.free_viewing
        self._known: dict[str, np.ndarray] = {}
        self._tokens: dict[str, tuple[np.ndarray, list[str]]] = {}

    @cached_property
    def fingerprint(self) -> str:
        """Of the encoder inside."""
        return self._encoder.fingerprint

    @property
    def path(self) -> Path:
        """The cache's file."""
        return paths.cache_dir() / "text" / f"{self.name}-{self.fingerprint[:12]}.npz"

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """float32 ``(N, dim)``; only sentences that are new are encoded.

        Raises:
            CsalganError: a sentence is not valid Unicode (half of a surrogate pair).
        """
        for text in texts:
            try:
                text.encode()
            except UnicodeEncodeError as error:
                raise CsalganError(
                    f"sentence {text!r}: character {error.start + 1} is not valid Unicode; "
                    "correct the sentence."
                ) from error
        if not self._known.keys() >= set(texts):
            self._known |= self._read()
        if new := [text for text in dict.fromkeys(texts) if text not in self._known]:
            made = dict(zip(new, self._encoder.encode(new), strict=True))
            self._known |= made
            self._write(made)
        rows = [self._known[text] for text in texts]
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

    def _read(self) -> dict[str, np.ndarray]:
        try:
            with open_file(self.path) as file, np.load(file, allow_pickle=False) as held:
                texts, vectors = json.loads(held["texts"].tobytes()), held["vectors"]
            if vectors.shape != (len(texts), self.dim) or vectors.dtype != np.float32:
                raise ValueError("other arrays")
            return dict(zip(texts, vectors, strict=True))
        except FileNotFoundError:
            return {}
        except (OSError, CsalganError) as error:
            warnings.warn(f"{self.path}: not used ({error})", stacklevel=3)
        except Exception as error:  # numpy and zipfile raise many kinds for a damaged file
            warnings.warn(f"{self.path}: damaged, made again ({error})", stacklevel=3)
        return {}

    def _write(self, made: dict[str, np.ndarray]) -> None:
        """Add to what stands in the file now: another process may have written since."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(self.path.with_suffix(".lock"), timeout=_WAIT):
                every = self._read() | made
                texts = np.frombuffer(json.dumps([*every]).encode(), np.uint8)
                buffer = io.BytesIO()
                np.savez(buffer, texts=texts, vectors=np.stack([*every.values()]))
                write_bytes(self.path, buffer.getbuffer())
        except (OSError, CsalganError) as error:  # what cannot be kept costs time only
            warnings.warn(f"{self.path}: embeddings were not kept ({error})", stacklevel=3)
