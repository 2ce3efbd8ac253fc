"""The two players and the two steps of their game."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from csalgan.config import Profile
from csalgan.errors import CsalganError
from csalgan.losses import content_loss, discriminator_loss, fooling_loss
from csalgan.models.paper import PaperDiscriminator, PaperGenerator, initialise


@dataclass(frozen=True)
class Batch:
    """Tensors of one step, on the device.

    ``image`` (B, 3, S, S) float RGB in [0, 1]; ``text`` (B, D) float; ``target`` (B, 1, S, S)
    measured map in [0, 1].
    """

    image: Tensor
    text: Tensor
    target: Tensor


def discriminator_step(game: "Game", batch: Batch, prediction: Tensor) -> Tensor:
    """One step of D on measured maps and on predictions it may not change (``detach``)."""
    with game.autocast():
        real = game.discriminator.logits(batch.target)
        fake = game.discriminator.logits(prediction.detach())
    loss = discriminator_loss(real, fake)
    game.discriminator_optimiser.zero_grad(set_to_none=True)
    loss.backward()
    game.discriminator_optimiser.step()
    return loss.detach()


def generator_step(game: "Game", batch: Batch, prediction: Tensor) -> tuple[Tensor, Tensor]:
    """One step of G: ``α·BCE(map, prediction) + BCE(D(prediction), 1)``; D is held still."""
    content = content_loss(prediction, batch.target)
    loss = game.content_weight * content
    if game.adversarial_weight:
        game.discriminator.requires_grad_(False)  # no gradients are wasted on D's weights here
        with game.autocast():
            fake = game.discriminator.logits(prediction)
        game.discriminator.requires_grad_(True)
        loss = loss + game.adversarial_weight * fooling_loss(fake)
    game.generator_optimiser.zero_grad(set_to_none=True)
    loss.backward()
    game.generator_optimiser.step()
    return loss.detach(), content.detach()


class Game:
    """Both networks, both optimisers, the weights of the losses and the arithmetic they use."""

    def __init__(self, profile: Profile, text_dim: int):
        config = profile.training
        self.device = device_of(config.device)
        self.precision = precision_of(config.precision, self.device)
        self.content_weight = config.content_weight
        self.adversarial_weight = config.adversarial_weight
        self.generator = PaperGenerator(text_dim)
        self.discriminator = PaperDiscriminator(profile.data.size)
        initialise(self.generator, profile.seed)
        initialise(self.discriminator, profile.seed + 1)
        for network in (self.generator, self.discriminator):
            network.to(self.device, memory_format=torch.channels_last)
        self.generator_optimiser = _adam(self.generator, profile)
        self.discriminator_optimiser = _adam(self.discriminator, profile)

    def autocast(self) -> torch.autocast:
        """bfloat16 inside the networks where the profile or the hardware says so."""
        return torch.autocast(
            self.device.type, dtype=torch.bfloat16, enabled=self.precision == "bfloat16"
        )

    def predict(self, batch: Batch) -> Tensor:
        """``(B, 1, S, S)`` float32 prediction in [0, 1]."""
        with self.autocast():
            return self.generator(batch.image, batch.text).float()

    def state(self) -> dict[str, Any]:
        """Everything a later process needs to go on."""
        return {
            "generator": self.generator.state_dict(),
            "discriminator": self.discriminator.state_dict(),
            "generator_optimiser": self.generator_optimiser.state_dict(),
            "discriminator_optimiser": self.discriminator_optimiser.state_dict(),
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Continue from :meth:`state`."""
        self.generator.load_state_dict(state["generator"])
        self.discriminator.load_state_dict(state["discriminator"])
        self.generator_optimiser.load_state_dict(state["generator_optimiser"])
        self.discriminator_optimiser.load_state_dict(state["discriminator_optimiser"])


def _adam(network: torch.nn.Module, profile: Profile) -> torch.optim.Adam:
    config = profile.training
    return torch.optim.Adam(
        network.parameters(), lr=config.learning_rate, betas=config.betas, fused=True
    )


def device_of(name: str) -> torch.device:
    if name == "cuda" and not torch.cuda.is_available():
        raise CsalganError("training.device=cuda: no CUDA device is here; use auto or cpu.")
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


def precision_of(name: str, device: torch.device) -> str:
    """bfloat16 by default where it is fast: AVX-512 bf16 on the CPU, any CUDA device with it."""
    if name != "auto":
        return name
    if device.type == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported() else "float32"
    return "bfloat16" if torch.ops.mkldnn._is_mkldnn_bf16_supported() else "float32"
