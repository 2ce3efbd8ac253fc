"""The networks a profile asks for: made, loaded from files, and folded for inference."""

import os
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from csalgan.config import Profile
from csalgan.files.errors import CsalganError
from csalgan.files.tensors import read_tensors
from csalgan.models.attributes import PHRASES
from csalgan.models.compact import CompactGenerator, ConditionalDiscriminator, semantic_start
from csalgan.models.lite0 import class_names, imagenet_tensors
from csalgan.models.paper import PaperDiscriminator, PaperGenerator, initialise
from csalgan.text import TextEncoder

Generator = PaperGenerator | CompactGenerator
Discriminator = PaperDiscriminator | ConditionalDiscriminator


def empty_generator(profile: Profile, text_dim: int) -> Generator:
    """The profile's generator, its weights yet to be loaded."""
    model = profile.model
    if model.kind == "paper":
        return PaperGenerator(text_dim)
    return CompactGenerator(
        text_dim,
        fusion=model.fusion,
        class_match=model.class_match and model.semantic_start,
        attributes=model.attributes,
        dropout=model.dropout,
    )


def new_players(profile: Profile, encoder: TextEncoder) -> tuple[Generator, Discriminator]:
    """Generator and discriminator as they are before training, the same for the same seed.

    Raises:
        CsalganError: ImageNet's weights cannot be had.
    """
    if profile.model.kind == "paper":
        generator = empty_generator(profile, encoder.dim)
        discriminator = PaperDiscriminator(profile.data.size)
        initialise(generator, profile.seed)
        initialise(discriminator, profile.seed + 1)
        return generator, discriminator
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(profile.seed)
        generator = empty_generator(profile, encoder.dim)
        discriminator = ConditionalDiscriminator()
    tensors = imagenet_tensors()
    generator.encoder.load_imagenet(tensors)
    if profile.model.semantic_start:
        vectors = torch.from_numpy(encoder.encode(class_names()))
        semantic_start(generator, tensors[-2], vectors)
    if generator.attributes is not None:
        generator.attributes.start(*map(torch.from_numpy, encoder.encode_words(PHRASES)))
    return generator, discriminator


def load_generator(path: Path, profile: Profile, text_dim: int, remedy: str) -> Generator:
    """The profile's generator with the weights of a safetensors file, in evaluation mode.

    Float32 on the CPU, whatever precision the file holds.

    Args:
        remedy: what to do about a file that does not fit, for the message.

    Raises:
        CsalganError: the file cannot be read, is not of this generator or not finite.
    """
    try:
        empty = empty_generator(profile, text_dim)
    except CsalganError as error:
        raise CsalganError(f"{path}: its run.json is broken: {error}") from error
    return _filled(empty, read_tensors(path, remedy), path, remedy)


def load_published_generator(path: str | os.PathLike) -> PaperGenerator:
    """A generator of the paper's author: a flat ``state_dict``, ``.pth``/``.pt``/``.safetensors``.

    The text length is read from the weights.

    Returns:
        The generator in evaluation mode, float32, on the CPU.

    Raises:
        CsalganError: the file is missing, is not a state dict of real, finite tensors, or its
            keys or shapes are not that generator's.
    """
    path = Path(path)
    state = read_tensors(path)
    text_weight = state.get("text_feature_conv.weight")
    if text_weight is None or text_weight.ndim != 4 or not text_weight.numel():
        raise CsalganError(
            f"{path}: no text_feature_conv.weight of four dimensions in it; this is not a "
            "generator of the paper's author."
        )
    generator = PaperGenerator(text_dim=4 * text_weight.shape[1])
    return _filled(generator, state, path, "use the author's file as it is")


def _filled(network: nn.Module, state: Mapping[str, Tensor], path: Path, remedy: str) -> nn.Module:
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        first = str(error).splitlines()[1].strip(" \t.")[:120]
        raise CsalganError(f"{path}: not the weights of this model ({first}); {remedy}.") from error
    return network.eval()


def fast_copy(network: nn.Module) -> nn.Module:
    """A copy for inference, its batch norms taken into the convolutions before them.

    In evaluation mode a batch norm is a scale and a shift of each channel, and so is a part of
    the convolution it follows; in float32 the outputs agree to rounding.
    """
    copy = deepcopy(network).eval()
    for part in copy.modules():
        if isinstance(part, nn.Sequential):
            for k in range(len(part) - 1):
                if type(part[k]) is nn.Conv2d and type(part[k + 1]) is nn.BatchNorm2d:
                    part[k] = fuse_conv_bn_eval(part[k], part[k + 1])
                    part[k + 1] = nn.Identity()
    return copy.to(memory_format=torch.channels_last)
