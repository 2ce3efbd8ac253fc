"""What a network is made of, told by the network itself (for the paper's Figures 4 and 5).

A forward pass is watched with hooks; shapes, parameter counts and operations are read off, never
typed in.
"""

from dataclasses import dataclass
from functools import partial
from math import prod

import pandas as pd
import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Layer:
    """One module as a forward pass met it.

    Shapes are without the batch dimension; ``macs`` are multiply-accumulate operations an image.
    """

    name: str
    kind: str
    shape_in: tuple[int, ...]
    shape_out: tuple[int, ...]
    parameters: int
    macs: int


@torch.inference_mode()
def trace(model: nn.Module, *inputs: Tensor) -> list[Layer]:
    """The leaf modules of a model in the order a forward pass calls them."""
    layers: list[Layer] = []

    def watch(name: str, module: nn.Module, given: tuple[Tensor, ...], result: Tensor) -> None:
        parameters = sum(parameter.numel() for parameter in module.parameters())
        shapes = tuple(given[0].shape[1:]), tuple(result.shape[1:])
        weights = module.weight.numel() if isinstance(module, nn.Conv2d | nn.Linear) else 0
        kind, macs = type(module).__name__, weights * prod(result.shape[2:])
        layers.append(Layer(name, kind, *shapes, parameters, macs))

    leaves = [(name, part) for name, part in model.named_modules() if not list(part.children())]
    handles = [part.register_forward_hook(partial(watch, name)) for name, part in leaves]
    training = model.training
    model.eval()
    try:
        model(*inputs)
    finally:
        model.train(training)
        for handle in handles:
            handle.remove()
    return layers


def layer_table(layers: list[Layer]) -> pd.DataFrame:
    """One row a layer: name, kind, shapes, parameters, millions of MACs."""
    table = pd.DataFrame(layers)
    table.columns = ["layer", "kind", "input", "output", "parameters", "million_macs"]
    shapes = {side: table[side].map(_times) for side in ("input", "output")}
    return table.assign(**shapes, million_macs=(table["million_macs"] / 1e6).round(3))


def receptive_field(layers: list[Layer]) -> pd.DataFrame:
    """How many input pixels (a side) one place of each layer's output can see.

    Follows the image's path only; a change of spatial size between two layers is taken for the
    2 × 2 pooling or the ×2 upsampling it is in these models.
    """
    field, step = 1.0, 1.0
    rows, before = [], None
    for layer in layers:
        if layer.kind != "Conv2d" or layer.shape_in[-1] <= 2:  # the text branch has 2 × 2 places
            continue
        if before is not None and layer.shape_in[-1] < before:
            field, step = field + step, step * 2
        elif before is not None and layer.shape_in[-1] > before:
            step = step / 2
            field = field + 2 * step  # a bilinear sample blends two neighbours a side
        field = field + 2 * step  # 3 × 3
        rows.append({"layer": layer.name, "pixels": round(field)})
        before = layer.shape_out[-1]
    return pd.DataFrame(rows)


def _times(shape: tuple[int, ...]) -> str:
    return " × ".join(str(side) for side in shape)
