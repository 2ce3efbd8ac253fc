"""Reading the generator checkpoints that the paper's author published."""

import os
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from csalgan.files.errors import CsalganError
from csalgan.files.tensors import read_tensors
from csalgan.models.paper import PaperGenerator


def load_published_generator(path: str | os.PathLike) -> PaperGenerator:
    """Load a generator: a flat ``state_dict`` as ``.pth``/``.pt`` or ``.safetensors``.

    The text length is read from the weights. Nothing but tensors is ever unpickled
    (``weights_only=True``).

    Returns:
        The generator in evaluation mode, on the CPU.

    Raises:
        CsalganError: the file is missing, is not a state dict of real, finite tensors, or its
            keys or shapes are not that generator's.
    """
    path = Path(path)
    state = {key: value.float() for key, value in read_tensors(path).items()}
    text_weight = state.get("text_feature_conv.weight")
    if text_weight is None or text_weight.ndim != 4 or not text_weight.numel():
        raise CsalganError(
            f"{path}: no text_feature_conv.weight of four dimensions in it; this is not a "
            "generator of the paper's author."
        )
    generator = PaperGenerator(text_dim=4 * text_weight.shape[1])
    try:
        generator.load_state_dict(state)
    except RuntimeError as error:
        raise CsalganError(
            f"{path}: its tensors are not the author's generator's "
            f"({_first_difference(generator.state_dict(), state)}); use the file as it is."
        ) from error
    return generator.eval()


def _first_difference(wanted: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> str:
    for key, value in wanted.items():
        if key not in found:
            return f"{key} is missing"
        if found[key].shape != value.shape:
            return f"{key} is {tuple(found[key].shape)}, not {tuple(value.shape)}"
    return f"{next(k for k in found if k not in wanted)} is unknown"
