"""CLIP's text embedding (Radford et al., 2021) through open_clip."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path

import numpy as np

from csalgan.files.errors import CsalganError
from csalgan.text.base import TextEncoder, file_fingerprint

#: OpenAI's weights were trained with QuickGELU; with plain GELU they give other embeddings.
MODEL = "ViT-B-32-quickgelu"
_REPOSITORY = "timm/vit_base_patch32_clip_224.openai"  # where open_clip takes ``openai`` from
_FILE = "open_clip_model.safetensors"
_BATCH = 64


class ClipEncoder(TextEncoder):
    """Text tower of ViT-B/32 with OpenAI's weights: the author's code's (the paper says CLIP).

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

    def __init__(self, weights: Path | None = None, **options):
        super().__init__(**options)
        self._path = _find(weights)
        self.fingerprint = file_fingerprint(self._path, MODEL)

    def read(self, texts: Sequence[str]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """A sentence is its end token's last state through the text projection, as CLIP does.

        A word is one of the tokens before it, alike. Sentences over 77 tokens are cut.
        """
        import torch

        tokenizer, model = self._model
        for start in range(0, len(texts), _BATCH):
            tokens = tokenizer(list(texts[start : start + _BATCH]))
            with torch.inference_mode(), torch.autocast("cpu", enabled=False):
                x = model.token_embedding(tokens) + model.positional_embedding
                x = model.ln_final(model.transformer(x, attn_mask=model.attn_mask))
                states = (x @ model.text_projection).numpy()  # (B, 77, 512)
            for row, ids in zip(states, tokens, strict=True):
                end = int(ids.argmax())  # the end token has the highest number
                yield row[end], row[1:end]

    @cached_property
    def _model(self):
        import open_clip
        import torch

        from csalgan.files.tensors import read_tensors

        state = read_tensors(self._path, "convert it to .safetensors, or use the hub's file")
        # open_clip's own checkpoints may have "text." before the names of the tower.
        state = {name.removeprefix("text."): value for name, value in state.items()}
        # Not create_model: without its own weights it warns that the model is random.
        model = open_clip.CLIP(**open_clip.get_model_config(MODEL))
        model.visual = torch.nn.Identity()  # only the text tower stays in memory
        for name, value in model.state_dict().items():
            # The temperature of CLIP's contrastive loss plays no part in an embedding.
            found = state.get(name, value if name == "logit_scale" else None)
            if found is None or found.shape != value.shape:
                raise CsalganError(
                    f"{self._path}: has no {name} of the shape CLIP ViT-B/32 has; give that "
                    "model's weights."
                )
            value.copy_(found)
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

    with suppress(OSError, ValueError):  # huggingface_hub's "not in the cache" is one of these
        return Path(huggingface_hub.hf_hub_download(_REPOSITORY, _FILE, local_files_only=True))
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
    import ssl
    from urllib.error import HTTPError, URLError
    from urllib.request import Request, urlopen

    try:
        urlopen(Request(address, method="HEAD"), timeout=10).close()
    except HTTPError:  # a refusal is an answer all the same
        pass
    except URLError as error:  # the client may know certificates that Python does not
        if not isinstance(error.reason, ssl.SSLCertVerificationError):
            raise
