"""Drawings of a network made from the network itself (the paper's Figures 4 and 5).

A forward pass is watched with hooks; shapes, parameter counts and operations are read off, never
typed in.
"""

from dataclasses import dataclass
from itertools import takewhile
from math import prod

import numpy as np
import pandas as pd
import torch
from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch, Polygon
from torch import Tensor, nn

from csalgan.figures.base import ACCENTS, INK, MUTED, Figure, figure, themed

_COLOURS = {
    "convolution": ACCENTS[0],
    "max-pool": ACCENTS[1],
    "upsample": ACCENTS[2],
    "text": ACCENTS[3],
    "linear": ACCENTS[5],
}
_SHEAR = np.array([0.35, 0.22])  # how far depth leans to the right and up


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

    def watch(name: str):
        def hook(module: nn.Module, given: tuple[Tensor, ...], result: Tensor) -> None:
            layers.append(
                Layer(
                    name,
                    type(module).__name__,
                    tuple(given[0].shape[1:]),
                    tuple(result.shape[1:]),
                    sum(parameter.numel() for parameter in module.parameters()),
                    _macs(module, result),
                )
            )

        return hook

    leaves = [(name, part) for name, part in model.named_modules() if not list(part.children())]
    handles = [part.register_forward_hook(watch(name)) for name, part in leaves]
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
    return pd.DataFrame(
        {
            "layer": [layer.name for layer in layers],
            "kind": [layer.kind for layer in layers],
            "input": [_times(layer.shape_in) for layer in layers],
            "output": [_times(layer.shape_out) for layer in layers],
            "parameters": [layer.parameters for layer in layers],
            "million_macs": [round(layer.macs / 1e6, 3) for layer in layers],
        }
    )


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


@themed
def draw_generator(layers: list[Layer], title: str = "Generator") -> Figure:
    """The generator: image branch, text branch, fusion, decoder (Figure 4)."""
    fig = figure(10.8, 4.6)
    ax = _canvas(fig, f"{title}: {_total(layers):,} parameters")
    text = next(layer for layer in layers if layer.shape_in[-2:] == (2, 2))
    path = [layer for layer in layers if layer is not text]
    x, places = _draw_path(ax, path)
    fused = next(
        place
        for place, layer in zip(places, _shown(path), strict=True)
        if layer.shape_in[0] > layer.shape_out[0] and layer.shape_in[0] >= 2 * text.shape_out[0]
    )
    _draw_text_branch(ax, text, fused)
    _finish(ax, x)
    return fig


@themed
def draw_discriminator(layers: list[Layer], title: str = "Discriminator") -> Figure:
    """The discriminator: a map to one probability (Figure 5)."""
    fig = figure(7.4, 4.2)
    ax = _canvas(fig, f"{title}: {_total(layers):,} parameters")
    x, _ = _draw_path(ax, layers)
    ax.text(
        x + 0.15, 0, "sigmoid:\nprobability that the\nmap was measured", va="center", fontsize=8
    )
    _finish(ax, x + 1.3)
    return fig


def _canvas(fig: Figure, title: str) -> Axes:
    ax = fig.add_subplot()
    ax.set_axis_off()
    ax.set_title(title, fontweight="bold")
    return ax


def _shown(layers: list[Layer]) -> list[Layer]:
    """Layers that get a box of their own; norms, activations and pools are written beside it."""
    return [layer for layer in layers if layer.kind in ("Conv2d", "Linear")]


def followers(layers: list[Layer], layer: Layer) -> list[Layer]:
    """What comes between a convolution or linear layer and the next: norm, activation, pool.

    Their parameters are counted in its box, so that the boxes add up to the title.
    """
    after = layers[layers.index(layer) + 1 :]
    return list(takewhile(lambda part: part.kind not in ("Conv2d", "Linear"), after))


def _draw_path(ax: Axes, layers: list[Layer]) -> tuple[float, list[tuple[float, float]]]:
    """Boxes from left to right; gives the right edge and each box's (centre x, height)."""
    shown = _shown(layers)
    largest = max(layer.shape_in[-1] for layer in shown if len(layer.shape_in) == 3)
    first = shown[0].shape_in
    x = _box(ax, 0.0, first, largest, MUTED, "map" if first[0] == 1 else "image", "")
    places, before = [], first
    for layer in shown:
        x = _step(ax, x, before, layer)
        parts = followers(layers, layer)
        # A pool is written on the arrow it belongs to.
        follow = [_FOLLOWERS.get(part.kind, part.kind) for part in parts if "Pool" not in part.kind]
        count = layer.parameters + sum(part.parameters for part in parts)
        colour = _COLOURS["linear" if layer.kind == "Linear" else "convolution"]
        left = x
        note = "\n".join([layer.name, *follow])
        x = _box(ax, x, layer.shape_out, largest, colour, note, f"{count:,}")
        places.append(((left + x) / 2, _height(layer.shape_out, largest)))
        before = layer.shape_out
    return x, places


_FOLLOWERS = {
    "BatchNorm2d": "batch norm",
    "ReLU": "ReLU",
    "LeakyReLU": "LeakyReLU 0.2",
    "Sigmoid": "sigmoid",
}


def _step(ax: Axes, x: float, before: tuple[int, ...], layer: Layer) -> float:
    """What happens between two boxes, where the spatial size says that something does."""
    gap, label = 0.55, ""
    if len(before) == 3 and len(layer.shape_in) == 3 and before[-1] != layer.shape_in[-1]:
        pooled = before[-1] > layer.shape_in[-1]
        label = "max-pool\n2 × 2" if pooled else "bilinear\n× 2"
        colour = _COLOURS["max-pool" if pooled else "upsample"]
        gap = 1.15
    elif len(layer.shape_in) == 1:
        label, gap = f"max-pool 2 × 2,\nflatten to\n{layer.shape_in[0]:,}", 1.6
        colour = _COLOURS["max-pool"]
    if label:
        ax.text(x + gap / 2 + 0.1, 0.12, label, color=colour, ha="center", va="bottom", fontsize=8)
    arrow = FancyArrowPatch(
        (x + 0.06, 0), (x + gap - 0.06, 0), arrowstyle="-|>", mutation_scale=8, color=MUTED, lw=1
    )
    ax.add_patch(arrow)
    return x + gap


def _draw_text_branch(ax: Axes, text: Layer, fused: tuple[float, float]) -> None:
    """The sentence enters from above: vector, its 2 × 2 reshape, one vector for all places."""
    x, height = fused
    top = height / 2 + 1.75
    length = prod(text.shape_in)
    for left, shape, note in (
        (x - 2.75, (length,), "sentence\nembedding"),
        (x - 1.55, text.shape_in, "reshaped"),
        (x - 0.3, text.shape_out, f"{text.name}\n2 × 2 convolution\n{text.parameters:,}"),
    ):
        tall = 0.75 if len(shape) == 1 else 0.42
        _cuboid(ax, left, top - tall / 2, 0.28, tall, 0.12, _COLOURS["text"])
        ax.text(left + 0.2, top + 0.55, note, ha="center", va="bottom", fontsize=7.5, color=INK)
        ax.text(
            left + 0.2, top - 0.5, _times(shape), ha="center", va="top", fontsize=7.5, color=MUTED
        )
    for start in (x - 2.3, x - 1.1):
        ax.add_patch(
            FancyArrowPatch(
                (start, top), (start + 0.62, top), arrowstyle="-|>", mutation_scale=8, color=MUTED
            )
        )
    ax.add_patch(
        FancyArrowPatch(
            (x + 0.22, top),
            (x + 0.12, height / 2 + 0.32),
            arrowstyle="-|>",
            mutation_scale=9,
            color=_COLOURS["text"],
            connectionstyle="arc3,rad=-0.75",
        )
    )
    ax.text(
        x + 0.95,
        top - 0.35,
        "copied to every place,\nconcatenated",
        fontsize=7.5,
        color=_COLOURS["text"],
        va="center",
    )


def _box(ax, x, shape, largest, colour, note, count) -> float:
    """One tensor: as tall as its places, as wide as its channels; gives its right edge."""
    height = _height(shape, largest)
    width = 0.12 + 0.045 * np.sqrt(shape[0]) if len(shape) == 3 else 0.3
    depth = 0.35 * height if len(shape) == 3 else 0.1
    _cuboid(ax, x, -height / 2, width, height, depth, colour)
    centre = x + width / 2
    ax.text(
        centre, -height / 2 - 0.1, _two_lines(shape), ha="center", va="top", fontsize=7.5, color=INK
    )
    below = note if not count else f"{note}\n{count}"
    ax.text(centre, -height / 2 - 0.55, below, ha="center", va="top", fontsize=6.8, color=MUTED)
    return x + width + _SHEAR[0] * depth


def _height(shape: tuple[int, ...], largest: int) -> float:
    return 2.4 * (shape[-1] / largest) ** 0.6 if len(shape) == 3 else 0.35


def _cuboid(ax, x, y, width, height, depth, colour) -> None:
    lean = _SHEAR * depth
    front = np.array([[x, y], [x + width, y], [x + width, y + height], [x, y + height]])
    top = np.array([front[3], front[2], front[2] + lean, front[3] + lean])
    side = np.array([front[1], front[1] + lean, front[2] + lean, front[2]])
    for corners, alpha in ((front, 0.62), (top, 0.35), (side, 0.85)):
        ax.add_patch(
            Polygon(corners, closed=True, facecolor=colour, alpha=alpha, edgecolor="white", lw=0.8)
        )


def _finish(ax: Axes, right: float) -> None:
    ax.set_xlim(-0.4, right + 0.4)
    ax.set_aspect("equal")
    ax.relim()
    ax.autoscale_view(scalex=False)
    low, high = ax.get_ylim()
    ax.set_ylim(min(low, -2.4), high + 0.9 if high > 2 else high + 0.3)


def _total(layers: list[Layer]) -> int:
    return sum(layer.parameters for layer in layers)


def _two_lines(shape: tuple[int, ...]) -> str:
    """Channels above places, so that neighbours' labels do not touch."""
    return f"{shape[0]}\n{_times(shape[1:])}" if len(shape) == 3 else _times(shape)


def _times(shape: tuple[int, ...]) -> str:
    return " × ".join(str(side) for side in shape)


def _macs(module: nn.Module, result: Tensor) -> int:
    places = prod(result.shape[2:]) if result.ndim > 2 else 1
    if isinstance(module, nn.Conv2d):
        return module.weight.numel() * places
    if isinstance(module, nn.Linear):
        return module.weight.numel()
    return 0
