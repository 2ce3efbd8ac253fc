"""Drawings of a network made from the network itself (the paper's Figures 4 and 5).

A forward pass is watched with hooks; shapes, parameter counts and operations are read off, never
typed in.
"""

from dataclasses import dataclass
from functools import partial
from math import prod

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from csalgan.figures.base import ACCENTS, MUTED, Figure, figure, theme

_ARROW = {"arrowstyle": "-|>", "color": ACCENTS[3]}
_FRAME = {"facecolor": "white", "edgecolor": ACCENTS[3], "boxstyle": "round"}
_WRITTEN = {"BatchNorm2d": "batch norm", "LeakyReLU": "LeakyReLU 0.2", "Sigmoid": "sigmoid"}


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


@theme()
def draw_network(layers: list[Layer], title: str) -> Figure:
    """The generator with its text branch above (Figure 4), or the discriminator (Figure 5).

    A bar for the input and for the result of each convolution and linear layer, as tall as its
    places and as wide as its channels. Norms and activations are written below the bar before
    them, and their parameters counted in it, so that the bars add up to the title.
    """
    text = next((layer for layer in layers if layer.shape_in[-2:] == (2, 2)), None)
    bars: list[list[Layer]] = []
    for layer in layers:
        if layer.macs and layer is not text:
            bars.append([layer])
        elif layer is not text:
            bars[-1].append(layer)
    given = bars[0][0].shape_in
    shapes = [given, *(layer.shape_out for layer, *_ in bars)]
    notes = ["map" if given[0] == 1 else "image"]
    for layer, *after in bars:
        written = [_WRITTEN.get(part.kind, part.kind) for part in after if "Pool" not in part.kind]
        count = sum(part.parameters for part in (layer, *after))
        notes.append("\n".join([layer.name, *written, f"{count:,}"]))
    heights = np.array([shape[-1] / given[-1] if len(shape) == 3 else 0.2 for shape in shapes])
    colours = [MUTED] + [ACCENTS[0 if len(shape) == 3 else 5] for shape in shapes[1:]]
    fig = figure(0.98 * len(shapes), 4.0 if text else 3.2)
    ax = fig.add_subplot()
    ax.set_axis_off()
    ax.set_ylim(-0.8, 1.3 if text else 0.75)
    total = sum(layer.parameters for layer in layers)
    ax.set_title(f"{title}: {total:,} parameters", fontweight="bold")
    widths = [0.06 + 0.02 * np.sqrt(shape[0]) for shape in shapes]
    ax.bar(range(len(shapes)), heights, widths, -heights / 2, color=colours, alpha=0.7)
    for x, (shape, height, note) in enumerate(zip(shapes, heights, notes, strict=True)):
        size = f"{shape[0]}\n{_times(shape[1:])}" if len(shape) == 3 else _times(shape)
        ax.text(x, height / 2 + 0.03, size, ha="center", fontsize=7.5)
        ax.text(x, -height / 2 - 0.03, note, ha="center", va="top", fontsize=6.8, color=MUTED)
    for x, (before, (layer, *_)) in enumerate(zip(shapes, bars, strict=False)):
        ax.text(x + 0.5, 0, _between(before, layer.shape_in), ha="center", va="center", fontsize=7)
    if text is None:
        note = "sigmoid:\nprobability that the\nmap was measured"
        ax.text(len(bars), 0.3, note, ha="center", fontsize=7.5)
        return fig
    inside = 2 * text.shape_out[0]  # channels where image and text are concatenated
    fused = next(x for x, (layer, *_) in enumerate(bars, 1) if layer.shape_in[0] == inside)
    note = (
        f"{text.name}\nsentence embedding, {prod(text.shape_in)} numbers as "
        f"{_times(text.shape_in)};\n2 × 2 convolution to {_times(text.shape_out)},\n"
        f"copied to every place, concatenated\n{text.parameters:,}"
    )
    ax.text(fused, 0.8, note, ha="center", fontsize=7.5, bbox=_FRAME)
    ax.annotate("", (fused, 0.45), (fused, 0.77), arrowprops=_ARROW)
    return fig


def _between(before: tuple[int, ...], after: tuple[int, ...]) -> str:
    """What happens between two tensors, told from their shapes."""
    if before[-1] == after[-1]:
        return "→"
    return "max-pool\n2 × 2\n→" if before[-1] > after[-1] else "bilinear\n× 2\n→"


def _times(shape: tuple[int, ...]) -> str:
    return " × ".join(str(side) for side in shape)
