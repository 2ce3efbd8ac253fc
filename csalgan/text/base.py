"""What every text encoder offers: embeddings of sentences and words, each computed once."""

import io
import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import cache, cached_property
from hashlib import file_digest, sha256
from pathlib import Path

import numpy as np
from filelock import FileLock

from csalgan.files import paths
from csalgan.files.errors import CsalganError
from csalgan.files.inputs import open_file
from csalgan.files.writing import write_bytes

_REMEMBERED = 20_000  # sentences whose words stay in memory, some 15 kB each
_WAIT = 30.0  # seconds one process waits for another's write


class TextEncoder(ABC):
    """A sentence encoder; subclasses give the attributes and :meth:`read`.

    Sentence embeddings are kept in one ``.npz`` file, named by encoder and weights: a sentence seen
    before is not encoded again, and the model is not even loaded when all of them were. The file
    is replaced whole, one process at a time; damaged or out of reach, it costs time only. Words
    are remembered in memory.

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

    def __init__(self, *, cache: bool = True):
        self._cache = cache
        self._words: dict[str, np.ndarray] = {}

    @abstractmethod
    def read(self, texts: Sequence[str]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Embedding ``(dim,)`` and vectors ``(t, dim)`` of the words of each sentence, float32."""

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """float32 ``(N, dim)`` embeddings; they do not depend on the other sentences.

        Their length is 1 of ``minilm``, 1 of ``hashing`` (0 of a sentence without words), 0 of
        ``none``, and any of ``clip``, whose embeddings are not scaled.

        Raises:
            CsalganError: a sentence is not valid Unicode (half of a surrogate pair).
        """
        self._learn([text for text in texts if text not in self._known])
        rows = [self._known[text] for text in texts]
        return np.stack(rows) if rows else np.zeros((0, self.dim), np.float32)

    def encode_words(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """One vector a word (or piece of one), padded to the longest sentence.

        Returns:
            float32 ``(N, T, dim)``, zeros where there is no word; bool ``(N, T)``, true at words.
        """
        if len(self._words) > _REMEMBERED:
            self._words.clear()
        self._learn([text for text in texts if text not in self._words])
        found = [self._words[text] for text in texts]
        counts = np.array([len(rows) for rows in found], int)
        is_word = np.arange(counts.max(initial=0)) < counts[:, None]
        vectors = np.zeros((*is_word.shape, self.dim), np.float32)
        vectors[is_word] = np.concatenate([np.zeros((0, self.dim), np.float32), *found])
        return vectors, is_word

    def _learn(self, texts: Sequence[str]) -> None:
        """Read sentences that are new, each once, and keep what they give."""
        new = list(dict.fromkeys(texts))
        for text in new:
            try:
                text.encode()
            except UnicodeEncodeError as error:
                raise CsalganError(
                    f"sentence {text!r}: character {error.start + 1} is not valid Unicode; "
                    "correct the sentence."
                ) from error
        made = {}
        for text, (whole, words) in zip(new, self.read(new) if new else (), strict=True):
            self._words[text] = words
            if text not in self._known:  # a neighbour in its batch may change its last bits
                self._known[text] = made[text] = whole
        if made and self._cache:
            self._keep(made)

    @property
    def path(self) -> Path:
        """The file that keeps the embeddings."""
        return paths.cache_dir() / "text" / f"{self.name}-{self.fingerprint[:12]}.npz"

    @cached_property
    def _known(self) -> dict[str, np.ndarray]:
        return self._kept() if self._cache else {}

    def _kept(self) -> dict[str, np.ndarray]:
        try:
            with open_file(self.path) as file, np.load(file, allow_pickle=False) as held:
                texts = json.loads(held["texts"].tobytes())
                vectors = held["vectors"].astype(np.float32).reshape(len(texts), self.dim)
            return dict(zip(texts, vectors, strict=True))
        except Exception:  # none, or damaged: numpy and zipfile raise many kinds
            return {}

    def _keep(self, made: dict[str, np.ndarray]) -> None:
        """Add to what stands in the file now: another process may have written since."""
        with suppress(OSError, CsalganError):  # what cannot be kept costs time only
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(self.path.with_suffix(".lock"), timeout=_WAIT):
                every = self._kept() | made
                texts = np.frombuffer(json.dumps([*every]).encode(), np.uint8)
                buffer = io.BytesIO()
                np.savez(buffer, texts=texts, vectors=np.stack([*every.values()]))
                write_bytes(self.path, buffer.getbuffer())


@cache
def file_fingerprint(path: Path, method: str) -> str:
    """Hex digest of a weights file and the name of the method that uses it."""
    with path.open("rb") as file:
        return file_digest(file, lambda: sha256(method.encode())).hexdigest()
