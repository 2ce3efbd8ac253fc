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
from matplotlib.axes import Axes
from matplotlib.patches import Polygon
from torch import Tensor, nn

from csalgan.figures.base import ACCENTS, INK, MUTED, Figure, figure, theme

_ARROW = {"arrowstyle": "-|>", "color": MUTED, "shrinkA": 0, "shrinkB": 0}
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
    """The generator with its text branch above (Figure 4), or the discriminator (Figure 5)."""
    text = next((layer for layer in layers if layer.shape_in[-2:] == (2, 2)), None)
    fig = figure(10.8, 4.4) if text else figure(7.4, 4.2)
    ax = fig.add_subplot(aspect="equal")
    ax.set_axis_off()
    total = sum(layer.parameters for layer in layers)
    ax.set_title(f"{title}: {total:,} parameters", fontweight="bold")
    tops = _draw_path(ax, [layer for layer in layers if layer is not text])
    if text is None:
        right = ax.get_xlim()[1]
        note = "sigmoid:\nprobability that the\nmap was measured"
        ax.text(right - 0.2, 0, note, va="center", fontsize=8)
        ax.set(xlim=(-0.4, right + 1.6), ylim=(-2.5, 1.9))
        return fig
    fused = next(x for layer, x in tops if layer.shape_in[0] == 2 * text.shape_out[0])
    note = (
        f"{text.name}\nsentence embedding, {prod(text.shape_in)} numbers as "
        f"{_times(text.shape_in)};\n2 × 2 convolution to {_times(text.shape_out)},\n"
        f"copied to every place, concatenated\n{text.parameters:,}"
    )
    frame = {"facecolor": "white", "edgecolor": ACCENTS[3], "boxstyle": "round"}
    ax.annotate(note, (fused, 1.25), (fused, 1.9), ha="center", va="bottom", fontsize=7.5,
                bbox=frame, arrowprops=_ARROW | {"color": ACCENTS[3]})  # fmt: skip
    ax.set_ylim(-2.5, 3.3)
    return fig


def _draw_path(ax: Axes, layers: list[Layer]) -> list[tuple[Layer, float]]:
    """A box for each convolution and linear layer; gives them with their boxes' centres (x).

    Norms and activations are written below the box before them, and their parameters counted in
    it, so that the boxes add up to the title.
    """
    boxes: list[list[Layer]] = []
    for layer in layers:
        if layer.macs:
            boxes.append([layer])
        else:
            boxes[-1].append(layer)
    before = layers[0].shape_in
    largest, places = before[-1], []
    right, _ = _box(ax, 0, before, largest, MUTED, ["map" if before[0] == 1 else "image"])
    for layer, *after in boxes:
        gap, colour, label = _between(before, layer.shape_in)
        ax.annotate("", (right + gap - 0.05, 0), (right + 0.05, 0), arrowprops=_ARROW)
        ax.text(right + gap / 2, 0.12, label, color=colour, ha="center", fontsize=8)
        written = [_WRITTEN.get(part.kind, part.kind) for part in after if "Pool" not in part.kind]
        count = sum(part.parameters for part in (layer, *after))
        colour = ACCENTS[5] if len(layer.shape_in) == 1 else ACCENTS[0]
        notes = [layer.name, *written, f"{count:,}"]
        right, centre = _box(ax, right + gap, layer.shape_out, largest, colour, notes)
        places.append((layer, centre))
        before = layer.shape_out
    ax.set_xlim(-0.4, right + 0.4)
    return places


def _between(before: tuple[int, ...], after: tuple[int, ...]) -> tuple[float, str, str]:
    """Width, colour and words of what happens between two boxes, told from their shapes."""
    if len(after) == 1:
        return 1.6, ACCENTS[1], f"max-pool 2 × 2,\nflatten to\n{after[0]:,}"
    if before[-1] > after[-1]:
        return 1.15, ACCENTS[1], "max-pool\n2 × 2"
    if before[-1] < after[-1]:
        return 1.15, ACCENTS[2], "bilinear\n× 2"
    return 0.55, MUTED, ""


def _box(ax: Axes, x: float, shape, largest: int, colour: str, notes: list[str]):
    """One tensor, as tall as its places, as wide as its channels; gives right edge and centre."""
    solid = len(shape) == 3
    height = 2.4 * (shape[-1] / largest) ** 0.6 if solid else 0.35
    width = 0.12 + 0.045 * np.sqrt(shape[0]) if solid else 0.3
    lean = np.array([0.35, 0.22]) * (0.35 * height if solid else 0.1)  # the far side
    low, high = np.array([x, -height / 2]), np.array([x + width, height / 2])
    front = np.array([low, (high[0], low[1]), high, (low[0], high[1])])
    top, side = ([*edge, *(edge + lean)[::-1]] for edge in (front[2:], front[1:3]))
    for corners, alpha in ((front, 0.62), (top, 0.35), (side, 0.85)):
        ax.add_patch(Polygon(corners, facecolor=colour, alpha=alpha, edgecolor="white", lw=0.8))
    centre = x + width / 2
    sides = f"{shape[0]}\n{_times(shape[1:])}" if solid else _times(shape)
    for below, note, size, ink in ((0.1, sides, 7.5, INK), (0.55, "\n".join(notes), 6.8, MUTED)):
        ax.text(centre, low[1] - below, note, ha="center", va="top", fontsize=size, color=ink)
    return high[0] + lean[0], centre


def _times(shape: tuple[int, ...]) -> str:
    return " × ".join(str(side) for side in shape)
