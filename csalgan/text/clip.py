"""CLIP's text embedding (Radford et al., 2021) through open_clip."""

from collections.abc import Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path

import numpy as np

from csalgan.files.errors import CsalganError
from csalgan.text.base import TokenEmbeddings, file_fingerprint, pad

#: OpenAI's weights were trained with QuickGELU; with plain GELU they give other embeddings.
MODEL = "ViT-B-32-quickgelu"
_REPOSITORY = "timm/vit_base_patch32_clip_224.openai"  # where open_clip takes ``openai`` from
_FILE = "open_clip_model.safetensors"
_BATCH = 64


class ClipEncoder:
    """Text tower of ViT-B/32 with OpenAI's weights: the paper's text encoder.

    Embeddings are those of ``encode_text``, not scaled to length 1, as the author's code uses
    them.

    Args:
        weights: a local file (``.safetensors``, or a state dict saved by torch) instead of the
            hub. The whole model's or the text tower's tensors are both fine.

    Raises:
        CsalganError: no weights are found, or the file is not CLIP ViT-B/32's.
    """

    name = "clip"
    dim = 512
    free_viewing = "Free viewing gets CLIP's embedding of the empty sentence, like any other."

    def __init__(self, weights: Path | None = None):
        self._path = _find(weights)
        self.fingerprint = file_fingerprint(self._path, MODEL)

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """float32 ``(N, 512)``; sentences over 77 tokens are cut, as CLIP does."""
        import torch

        tokenizer, model = self._model
        vectors = np.zeros((len(texts), self.dim), np.float32)
        with torch.inference_mode():
            for start in range(0, len(texts), _BATCH):
                batch = list(texts[start : start + _BATCH])
                vectors[start : start + len(batch)] = model.encode_text(tokenizer(batch)).numpy()
        return vectors

    def encode_tokens(self, texts: Sequence[str]) -> TokenEmbeddings:
        """Each token's last state through the text projection (start and end are left out)."""
        import torch

        tokenizer, model = self._model
        rows, tokens = [], []
        for text in texts:
            ids = tokenizer([text])
            with torch.inference_mode():
                x = model.token_embedding(ids) + model.positional_embedding
                x = model.ln_final(model.transformer(x, attn_mask=model.attn_mask))
                states = (x @ model.text_projection)[0].numpy()
            end = int(ids[0].argmax())  # the end token has the highest number
            rows.append(states[1:end])
            tokens.append([tokenizer.decode([int(i)]).strip() for i in ids[0, 1:end]])
        return pad(rows, tokens, self.dim)

    @cached_property
    def _model(self):
        import open_clip
        import torch

        state = _read(self._path)
        # Not create_model: without its own weights it warns that the model is random.
        model = open_clip.CLIP(**open_clip.get_model_config(MODEL))
        model.visual = torch.nn.Identity()  # only the text tower stays in memory
        wanted = model.state_dict()
        missing = [k for k, v in wanted.items() if k not in state or state[k].shape != v.shape]
        # The temperature of CLIP's contrastive loss plays no part in an embedding.
        missing = [key for key in missing if key != "logit_scale"]
        if missing:
            raise CsalganError(
                f"{self._path}: has no {missing[0]} of the shape CLIP ViT-B/32 has; "
                "give that model's weights."
            )
        model.load_state_dict({k: state.get(k, v).float() for k, v in wanted.items()})
        return open_clip.get_tokenizer(MODEL), model.eval()


def _find(weights: Path | None) -> Path:
    """The weights file: the one given, the hub's cache, the hub."""
    if weights is not None:
        path = weights.expanduser().resolve()
        if not path.is_file():
            raise CsalganError(
                f"{path}: no such file; --clip-weights wants the weights of CLIP ViT-B/32 "
                "(.safetensors, or a state dict saved by torch)."
            )
        return path
    import huggingface_hub
    from huggingface_hub.constants import ENDPOINT, HF_HUB_CACHE, HF_HUB_OFFLINE

    try:
        return Path(huggingface_hub.hf_hub_download(_REPOSITORY, _FILE, local_files_only=True))
    except (OSError, ValueError):  # huggingface_hub's "not in the cache" is one of these
        pass
    try:
        # The hub's client retries for half a minute; without a network that is known at once.
        if not HF_HUB_OFFLINE:  # the client then refuses at once, and nothing is asked
            _reach(ENDPOINT)
        return Path(huggingface_hub.hf_hub_download(_REPOSITORY, _FILE))
    except Exception as error:  # no network, a proxy's refusal, a hub's error: all the same here
        raise CsalganError(
            f"text encoder clip: no weights in the hub's cache ({HF_HUB_CACHE}) and the hub was "
            f"not reached; (1) let this machine reach the hub once, (2) copy {_REPOSITORY} into "
            "that cache, or (3) give a file with --clip-weights FILE (or text.encoder=minilm)."
        ) from error


def _reach(address: str) -> None:
    """Return when a server answers there, with whatever status; raise OSError when none does."""
    from urllib.error import HTTPError
    from urllib.request import Request, urlopen

    with suppress(HTTPError):  # a refusal is an answer all the same
        urlopen(Request(address, method="HEAD"), timeout=10).close()


def _read(path: Path) -> dict:
    from csalgan.files.tensors import read_tensors

    state = read_tensors(path, "convert it to .safetensors, or use the hub's file")
    # open_clip's own checkpoints may have "text." before the names of the tower.
    return {name.removeprefix("text."): value for name, value in state.items()}
