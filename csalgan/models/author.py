"""Reading the generator checkpoints that the paper's author published."""

import os
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from csalgan.files.errors import CsalganError
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
    state = _read_state(path)
    # Checkpoints saved from nn.DataParallel carry its prefix on every key.
    state = {key.removeprefix("module."): value.float() for key, value in state.items()}
    if not all(value.isfinite().all() for value in state.values()):
        raise CsalganError(f"{path}: holds numbers that are not finite; download it again.")
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


def _read_state(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        raise CsalganError(f"{path}: no such file; give the path of a checkpoint.")
    try:
        if path.suffix == ".safetensors":
            state = load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except (SafetensorError, OSError, RuntimeError, EOFError, ValueError, KeyError) as error:
        raise CsalganError(f"{path}: not a readable checkpoint; download it again.") from error
    except Exception as error:  # torch raises pickle.UnpicklingError and others for foreign content
        raise CsalganError(
            f"{path}: holds more than tensors and was not opened; save its state_dict alone."
        ) from error
    if not isinstance(state, Mapping) or not all(
        isinstance(key, str) and isinstance(value, Tensor) and _is_plain(value)
        for key, value in state.items()
    ):
        raise CsalganError(f"{path}: not a flat state_dict of tensors; save state_dict() alone.")
    return dict(state)


def _is_plain(value: Tensor) -> bool:
    """Real numbers that stand in the file, one by one: neither sparse nor without content."""
    return (
        value.layout == torch.strided
        and value.device.type == "cpu"
        and not (value.is_complex() or value.is_quantized)
        and value.untyped_storage().nbytes() >= value.numel() * value.element_size()
    )


def _first_difference(wanted: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> str:
    for key, value in wanted.items():
        if key not in found:
            return f"{key} is missing"
        if found[key].shape != value.shape:
            return f"{key} is {tuple(found[key].shape)}, not {tuple(value.shape)}"
    return f"{next(k for k in found if k not in wanted)} is unknown"
