"""What is read off the networks is what the networks are."""

from collections.abc import Callable

import pytest
import torch
from torch.nn import functional as F

from csalgan.figures import architecture
from csalgan.models import PaperDiscriminator, PaperGenerator


def _generator_layers(size: int = 256, text_dim: int = 512) -> list[architecture.Layer]:
    model = PaperGenerator(text_dim)
    return architecture.trace(model, torch.zeros(1, 3, size, size), torch.zeros(1, text_dim))


def _discriminator_layers() -> list[architecture.Layer]:
    return architecture.trace(PaperDiscriminator(256), torch.zeros(1, 1, 256, 256))


CASES = [(_generator_layers, 918_081), (_discriminator_layers, 2_171_649)]


@pytest.mark.parametrize(("layers_of", "count"), CASES)
def test_the_table_counts_what_the_network_has(layers_of: Callable, count: int):
    table = architecture.layer_table(layers_of())
    assert table["parameters"].sum() == count
    assert not table["layer"].duplicated().any()


def test_macs_and_shapes_are_read_off_the_forward_pass():
    table = architecture.layer_table(_generator_layers(64, 384)).set_index("layer")
    assert table.loc["conv_vgg1.0", "output"] == "64 × 64 × 64"
    assert table.loc["text_feature_conv", "input"] == "96 × 2 × 2"
    assert table.loc["conv_vgg1.0", "million_macs"] == pytest.approx(3 * 64 * 9 * 64**2 / 1e6, 1e-3)
    assert table.loc["conv_vgg1.1", "million_macs"] == 0


def test_tracing_leaves_the_model_as_it_was():
    model = PaperGenerator().train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    architecture.trace(model, torch.rand(1, 3, 16, 16), torch.rand(1, 512))
    assert model.training
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert not any(part._forward_hooks for part in model.modules())


def test_the_receptive_field_is_what_a_gradient_touches(monkeypatch):
    model = PaperGenerator().double().eval()
    for name, parameter in model.named_parameters():  # positive everywhere, so nothing cancels
        parameter.data = torch.full_like(parameter, 0.0 if name.endswith("bias") else 0.01)
    model.sigmoid[1] = torch.nn.Identity()
    # Max-pooling passes one gradient of four; the mean passes them all.
    monkeypatch.setattr(F, "max_pool2d", F.avg_pool2d)
    image = torch.ones(1, 3, 64, 64, dtype=torch.double, requires_grad=True)
    model(image, torch.zeros(1, 512, dtype=torch.double))[0, 0, 31, 31].backward()
    touched = image.grad.sum(dim=(0, 1)).nonzero()
    sides = (touched.max(dim=0).values - touched.min(dim=0).values + 1).tolist()
    expected = architecture.receptive_field(_generator_layers(64))["pixels"].iloc[-1]
    assert sides == [expected, expected] == [32, 32]
