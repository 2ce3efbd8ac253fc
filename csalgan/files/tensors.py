"""Reading other people's weights: tensors and nothing else."""

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from csalgan.files.errors import CsalganError


def read_tensors(path: Path, remedy: str = "download it again") -> dict[str, Tensor]:
    """The tensors of a ``.safetensors`` file or of a ``state_dict`` saved by torch, on the CPU.

    Nothing but tensors is ever unpickled (``weights_only=True``). A ``state_dict`` inside a
    checkpoint is found, and the prefix that ``nn.DataParallel`` puts before names is taken off.

    Args:
        remedy: what to do about a file that cannot be used, for the message.

    Raises:
        CsalganError: the file is missing, unreadable, holds anything but real, finite tensors.
    """
    if not path.is_file():
        raise CsalganError(f"{path}: no such file; give the path of a file with weights.")
    try:
        if path.suffix == ".safetensors":
            state = load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except (SafetensorError, OSError, EOFError) as error:
        raise CsalganError(f"{path}: not readable as weights; {remedy}.") from error
    except Exception as error:  # torch raises many kinds: for TorchScript, code, a file cut short
        raise CsalganError(
            f"{path}: broken, or holds more than tensors, and was not opened; {remedy}, or save "
            "its state_dict() alone."
        ) from error
    if isinstance(state, dict) and isinstance(state.get("state_dict"), dict):
        state = state["state_dict"]
    if not isinstance(state, dict) or not all(
        isinstance(name, str) and _is_plain(value) for name, value in state.items()
    ):
        raise CsalganError(f"{path}: not a flat state_dict of tensors; save state_dict() alone.")
    if not all(value.isfinite().all() for value in state.values()):
        raise CsalganError(f"{path}: holds numbers that are not finite; {remedy}.")
    return {name.removeprefix("module."): value for name, value in state.items()}


def _is_plain(value: object) -> bool:
    """Real numbers that stand in the file, one by one: neither sparse nor without content."""
    return (
        isinstance(value, Tensor)
        and value.layout == torch.strided
        and value.device.type == "cpu"
        and not (value.is_complex() or value.is_quantized)
        and not (value.is_floating_point() and value.element_size() < 2)  # no arithmetic for these
        and value.untyped_storage().nbytes() >= value.numel() * value.element_size()
    )
