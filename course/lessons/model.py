"""Exercises of notebook 02: the networks."""

from typing import Any

import torch
from torch import nn

from course.checking import About, Wrong, exercise, one_function, one_number
from csalgan.figures import architecture
from csalgan.models import PaperDiscriminator, PaperGenerator
from csalgan.models.paper import initialise


@exercise("02-1", "predict")
def cost_of_the_side(answer: Any, about: About) -> str:
    generator = PaperGenerator(text_dim=16)

    def macs(size: int) -> int:
        layers = architecture.trace(generator, torch.zeros(1, 3, size, size), torch.zeros(1, 16))
        return sum(layer.macs for layer in layers)

    factor = macs(64) / macs(32)
    one_number(
        answer,
        factor,
        (factor**0.5, "You halved one side. A picture has two, and both are halved."),
        (1 / factor, "That is what is left. By what number is the cost divided?"),
        tolerance=0.01,
    )
    return "A convolution costs the same at every place, and a quarter of the places is left."


@exercise("02-2", "compute")
def small_discriminator(answer: Any, about: About) -> str:
    def count(module: nn.Module) -> int:
        return sum(parameter.numel() for parameter in module.parameters())

    small, large = PaperDiscriminator(128), PaperDiscriminator(256)
    right = count(small)
    one_number(
        answer,
        right,
        (
            count(large) / 4,
            "You divided everything by four. The convolutions keep their parameters at any "
            "size; only the fully connected layer grows with the map.",
        ),
        (count(large), "That is the count at 256 × 256; the last layer depends on the size."),
        tolerance=1e-9,
    )
    return f"{count(small.decide) / right:.0%} of them are still the last layer."


@exercise("02-3", "change code")
@torch.no_grad()
def text_as_matrix(answer: Any, about: About) -> str:
    probes = []
    for seed, width in ((0, 16), (1, 24)):
        generator = PaperGenerator(text_dim=width).eval()
        initialise(generator, seed)
        text = torch.randn(3, width, generator=torch.Generator().manual_seed(seed))
        generator.encode_text = generator.text_feature_conv.forward = _the_convolution
        probes.append((generator, text))

    def right(generator, text):
        layer, places = generator.text_feature_conv, text.reshape(len(text), -1, 2, 2)
        return nn.Conv2d.forward(layer, places)[:, :, 0, 0]

    def places_first(generator, text):
        layer = generator.text_feature_conv
        return text @ layer.weight.permute(0, 2, 3, 1).flatten(1).T + layer.bias

    one_function(
        answer,
        probes,
        right,
        (
            lambda generator, text: text @ generator.text_feature_conv.weight.flatten(1).T,
            "The product is right; the layer's bias is missing.",
        ),
        (
            places_first,
            "The weights are in another order than the numbers of the text: the embedding is "
            "laid out channel by channel, and so must the weights be (flatten(1) does it).",
        ),
        tolerance=1e-4,
    )
    return (
        "So the 2 × 2 places of Conv₁ mean nothing: any other order of the numbers would "
        "do as well."
    )


def _the_convolution(text):
    raise Wrong("That is the convolution: take its weights and make do with a product.")


@exercise("02-4", "change code")
def receptive_field(answer: Any, about: About) -> str:
    paper = [(3, 1)] * 3 + [(2, 2)] + [(3, 1)] * 3
    twice = [*paper, (2, 2), (3, 1), (3, 1), (3, 1)]
    probes = [([(3, 1), (3, 1)],), ([(5, 2), (3, 1), (3, 2), (3, 1)],), (paper,), (twice,)]

    def stride_first(layers):
        field = step = 1
        for kernel, stride in layers:
            step *= stride
            field += (kernel - 1) * step
        return field

    one_function(
        answer,
        probes,
        _seen_by_one_place,
        (
            lambda layers: 1 + sum(kernel - 1 for kernel, _ in layers),
            "After a stride, neighbouring places lie further apart in the input, so every "
            "later kernel reaches further. Your function adds each kernel as if it did not.",
        ),
        (
            stride_first,
            "You let a layer's stride act on its own kernel. A stride spreads the *outputs*: "
            "only the layers after it feel it.",
        ),
    )
    return (
        f"The paper's image branch sees {_seen_by_one_place(paper)} pixels a side; a second "
        f"max-pool and three more convolutions would make it {_seen_by_one_place(twice)}."
    )


def _seen_by_one_place(layers: list[tuple[int, int]]) -> int:
    """Measured, not derived: the input pixels that have a gradient from the first output."""
    chain = nn.Sequential(*(nn.Conv1d(1, 1, kernel, stride) for kernel, stride in layers))
    for layer in chain:
        nn.init.ones_(layer.weight)
    with torch.enable_grad():
        line = torch.ones(1, 1, 512, requires_grad=True)
        chain(line)[0, 0, 0].backward()
    return int((line.grad != 0).sum())
