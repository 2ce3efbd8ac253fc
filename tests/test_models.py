"""The paper's networks, to the last parameter, and the checkpoints published with it."""

import pickle

import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional as F

from csalgan.files.errors import CsalganError
from csalgan.models import PaperDiscriminator, PaperGenerator, load_published_generator
from csalgan.models.paper import initialise


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_parameter_counts_are_the_papers():
    assert count(PaperGenerator(512)) == 918_081
    assert count(PaperDiscriminator(256)) == 2_171_649


@pytest.mark.parametrize("size", [16, 34, 64])
@pytest.mark.parametrize("text_dim", [4, 384, 512])
def test_any_even_size_and_any_text_length_that_reshapes(size, text_dim):
    prediction = PaperGenerator(text_dim).eval()(
        torch.rand(2, 3, size, size), torch.randn(2, text_dim)
    )
    assert prediction.shape == (2, 1, size, size)
    assert prediction.min() >= 0
    assert prediction.max() <= 1
    assert PaperDiscriminator(size)(prediction).shape == (2, 1)


def test_shapes_inside_are_the_papers():
    generator = PaperGenerator(512).eval()
    features = generator.encode_image(torch.rand(1, 3, 256, 256))
    text = generator.encode_text(torch.randn(1, 512))
    assert features.shape == (1, 128, 128, 128)
    assert text.shape == (1, 128, 1, 1)
    assert generator.fuse(features, text).shape == (1, 128, 128, 128)


def test_sizes_that_do_not_fit_are_named():
    with pytest.raises(CsalganError, match="even"):
        PaperGenerator(8)(torch.rand(1, 3, 33, 33), torch.randn(1, 8))
    with pytest.raises(CsalganError, match="embedding of 16"):
        PaperGenerator(8)(torch.rand(1, 3, 32, 32), torch.randn(1, 16))


def test_initialisation_depends_on_the_seed_alone():
    one, two, other = (PaperGenerator(8) for _ in range(3))
    torch.manual_seed(123)
    initialise(one, 0)
    torch.rand(7)
    initialise(two, 0)
    initialise(other, 1)
    key = "fusion_conv.weight"
    assert torch.equal(one.state_dict()[key], two.state_dict()[key])
    assert not torch.equal(one.state_dict()[key], other.state_dict()[key])


class Published(nn.Module):
    """The generator written a second time, straight from the checkpoint's keys.

    Only the structure that the keys fix is used, so that two independent routes must agree.
    """

    def __init__(self):
        super().__init__()

        def block(a, b, n):
            layers = []
            for i in range(n):
                layers += [nn.Conv2d(a if i == 0 else b, b, 3, 1, 1), nn.BatchNorm2d(b), nn.ReLU()]
            return nn.Sequential(*layers)

        self.conv_vgg1, self.conv_vgg2 = block(3, 64, 3), block(64, 128, 3)
        self.text_feature_conv = nn.Conv2d(128, 128, kernel_size=2)
        self.fusion_conv = nn.Conv2d(256, 128, kernel_size=3, padding=1)
        self.conv_scratch = block(128, 64, 2)
        self.sigmoid = nn.Sequential(nn.Conv2d(64, 1, kernel_size=3, padding=1), nn.Sigmoid())

    def forward(self, image, text):
        x = self.conv_vgg2(nn.MaxPool2d(2, 2)(self.conv_vgg1(image)))
        t = self.text_feature_conv(text.view(-1, 128, 2, 2))
        t = t.repeat(1, 1, x.shape[2], x.shape[3])
        x = self.fusion_conv(torch.cat((x, t), 1))
        x = F.interpolate(x, size=[2 * s for s in x.shape[2:]], mode="bilinear", align_corners=True)
        return self.sigmoid(self.conv_scratch(x))


@pytest.fixture(scope="module")
def published() -> Published:
    torch.manual_seed(5)
    model = Published()
    for part in model.modules():  # statistics as after training, not 0 and 1
        if isinstance(part, nn.BatchNorm2d):
            nn.init.normal_(part.running_mean, std=0.2)
            nn.init.uniform_(part.running_var, 0.5, 2.0)
            nn.init.uniform_(part.weight, 0.5, 1.5)
            nn.init.normal_(part.bias, std=0.2)
    return model.eval()


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("prefix", ["", "module."])
def test_a_published_checkpoint_gives_the_same_outputs(tmp_path, published, suffix, prefix):
    state = {prefix + key: value for key, value in published.state_dict().items()}
    path = tmp_path / f"generator{suffix}"
    if suffix == ".pth":
        torch.save(state, path)
    else:
        save_file(state, path)
    loaded = load_published_generator(path)
    image, text = torch.rand(2, 3, 48, 64), torch.randn(2, 512)
    with torch.inference_mode():
        difference = (loaded(image, text) - published(image, text)).abs().max()
    assert not loaded.training
    assert difference < 1e-5


class Evil:
    def __reduce__(self):
        import os

        return os.mkdir, ("evil",)


def test_a_bad_checkpoint_is_one_sentence_and_runs_nothing(tmp_path, published, monkeypatch):
    monkeypatch.chdir(tmp_path)
    good = published.state_dict()
    short = {k: v for k, v in good.items() if k != "fusion_conv.bias"}
    wide = good | {"fusion_conv.bias": torch.zeros(7)}
    cases = {
        "short.pth": (short, "Missing key.*fusion_conv.bias"),
        "wide.pth": (wide, "size mismatch for fusion_conv.bias"),
        "more.pth": (good | {"extra": torch.zeros(1)}, "Unexpected key.*extra"),
        "other.pth": ({"a": torch.zeros(1)}, "text_feature_conv.weight"),
        "list.pth": ([torch.zeros(1)], "not a flat state_dict"),
    }
    for name, (content, message) in cases.items():
        torch.save(content, tmp_path / name)
        with pytest.raises(CsalganError, match=message):
            load_published_generator(tmp_path / name)
    (tmp_path / "evil.pth").write_bytes(pickle.dumps(Evil()))
    torch.save({"a": Evil()}, tmp_path / "evil2.pth")
    (tmp_path / "cut.pth").write_bytes((tmp_path / "wide.pth").read_bytes()[:1000])
    (tmp_path / "lying.safetensors").write_bytes(b"\xff" * 64)
    for name in ("evil.pth", "evil2.pth", "cut.pth", "lying.safetensors", "absent.pth"):
        with pytest.raises(CsalganError, match=name):
            load_published_generator(tmp_path / name)
    assert not (tmp_path / "evil").exists()
