"""The networks a profile asks for."""

from pathlib import Path

import torch
from torch import nn

from csalgan.config import Profile
from csalgan.files.errors import CsalganError
from csalgan.files.tensors import read_tensors
from csalgan.models.compact import CompactGenerator, ConditionalDiscriminator, semantic_start
from csalgan.models.lite0 import class_names, imagenet_state
from csalgan.models.paper import PaperDiscriminator, PaperGenerator, initialise
from csalgan.text import TextEncoder

Generator = PaperGenerator | CompactGenerator
Discriminator = PaperDiscriminator | ConditionalDiscriminator


def empty_generator(profile: Profile, text_dim: int) -> Generator:
    """The profile's generator, its weights yet to be loaded."""
    model = profile.model
    if model.kind == "paper":
        return PaperGenerator(text_dim)
    parts = model.model_dump(include={"channels", "heads", "fusion", "dropout"})
    return CompactGenerator(text_dim, **parts)


def load_generator(path: Path, profile: Profile, text_dim: int, remedy: str) -> Generator:
    """The profile's generator with the weights of a safetensors file, in evaluation mode.

    Float32 on the CPU, whatever precision the file holds.

    Args:
        remedy: what to do about a file that does not fit, for the message.

    Raises:
        CsalganError: the file cannot be read, is not of this generator or not finite.
    """
    generator = empty_generator(profile, text_dim)
    try:
        generator.load_state_dict(read_tensors(path, remedy))
    except RuntimeError as error:
        raise CsalganError(f"{path}: not the weights of this model; {remedy}.") from error
    return generator.eval()


def new_players(profile: Profile, encoder: TextEncoder) -> tuple[Generator, Discriminator]:
    """Generator and discriminator as they are before training, the same for the same seed.

    Raises:
        CsalganError: ImageNet's weights cannot be had, or the text embedding does not fit.
    """
    model = profile.model
    if model.kind == "paper":
        generator = empty_generator(profile, encoder.dim)
        discriminator = PaperDiscriminator(profile.data.size)
        initialise(generator, profile.seed)
        initialise(discriminator, profile.seed + 1)
        return generator, discriminator
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(profile.seed)
        generator = empty_generator(profile, encoder.dim)
        discriminator = ConditionalDiscriminator()
    if model.image_weights != "none":
        state = imagenet_state(model.image_weights)
        generator.encoder.load_imagenet(state)
        if model.semantic_start:
            vectors = torch.from_numpy(encoder.encode(class_names()))
            semantic_start(generator, state["classifier.weight"], vectors)
    return generator, discriminator


def parameter_groups(generator: nn.Module, profile: Profile) -> list[dict]:
    """What an optimiser trains, a pretrained image encoder at a rate of its own."""
    training = profile.training
    rate = training.learning_rate
    if not isinstance(generator, CompactGenerator) or profile.model.image_weights == "none":
        return [{"params": list(generator.parameters()), "lr": rate}]
    for stage in generator.encoder.stages()[: training.frozen_stages]:
        stage.requires_grad_(False)
    named = generator.named_parameters()
    others = [p for name, p in named if not name.startswith("encoder.")]
    encoder = [p for p in generator.encoder.parameters() if p.requires_grad]
    return [
        {"params": others, "lr": rate},
        {"params": encoder, "lr": rate * training.encoder_rate},
    ]
