"""Both networks, and the two steps of adversarial training: discriminator's, generator's."""

import math
from typing import Any

import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel

from csalgan.config import Profile
from csalgan.files.errors import CsalganError
from csalgan.models.build import new_players, parameter_groups
from csalgan.text import TextEncoder
from csalgan.training.batches import Batch
from csalgan.training.losses import content_loss, discriminator_loss, fooling_loss


def discriminator_step(trainer: "Trainer", batch: Batch, prediction: Tensor) -> Tensor:
    """One step of D on measured maps and on predictions it may not change (``detach``)."""
    image = batch.image[batch.measured.image]
    with trainer.autocast():
        real = trainer.discriminator.logits(batch.measured.saliency_map, image)
        fake = trainer.discriminator.logits(prediction.detach(), image)
    loss = discriminator_loss(real, fake)
    trainer.discriminator_optimiser.zero_grad(set_to_none=True)
    loss.backward()
    trainer.discriminator_optimiser.step()
    return loss.detach()


def generator_step(trainer: "Trainer", batch: Batch, prediction: Tensor) -> tuple[Tensor, Tensor]:
    """One step of G: ``α·content + BCE(D(prediction), 1)``; D is held still."""
    content = content_loss(prediction, batch.measured, trainer.losses)
    loss = trainer.content_weight * content
    if trainer.adversarial_weight:
        trainer.discriminator.requires_grad_(False)  # no gradients are wasted on D's weights here
        with trainer.autocast():
            image = batch.image[batch.measured.image]
            fake = trainer.discriminator.logits(prediction, image)
        trainer.discriminator.requires_grad_(True)
        loss = loss + trainer.adversarial_weight * fooling_loss(fake)
    trainer.generator_optimiser.zero_grad(set_to_none=True)
    loss.backward()
    if trainer.clip:
        torch.nn.utils.clip_grad_norm_(trainer.generator.parameters(), trainer.clip)
    trainer.generator_optimiser.step()
    if trainer.averaged is not None:
        trainer.averaged.update_parameters(trainer.generator)
    return loss.detach(), content.detach()


class Trainer:
    """Both networks, both optimisers, the weights of the losses and the precision of computing."""

    def __init__(self, profile: Profile, encoder: TextEncoder):
        config = profile.training
        self.profile = profile
        self.device = device_of(config.device)
        self.precision = precision_of(config.precision, self.device)
        self.losses = config.losses
        self.content_weight = config.content_weight
        self.adversarial_weight = config.adversarial_weight
        compact = profile.model.kind == "compact"
        #: Side of the maps that losses and the discriminator see. The compact decoder works at
        #: an eighth of the image's side, so a quarter loses nothing.
        self.map_size = profile.data.size // 4 if compact else profile.data.size
        self.clip = 1.0 if compact else 0.0
        self.generator, self.discriminator = new_players(profile, encoder)
        for network in (self.generator, self.discriminator):
            network.to(self.device, memory_format=torch.channels_last)
        self.averaged = None
        if config.ema_decay:
            self.averaged = AveragedModel(self.generator, avg_fn=_running(config.ema_decay))
        optimiser = torch.optim.AdamW if config.weight_decay else torch.optim.Adam
        options = {"weight_decay": config.weight_decay, "betas": config.betas, "fused": True}
        self.generator_optimiser = optimiser(parameter_groups(self.generator, profile), **options)
        self.discriminator_optimiser = optimiser(
            self.discriminator.parameters(), lr=config.learning_rate, **options
        )
        self._rates = [group["lr"] for group in self.generator_optimiser.param_groups]

    @property
    def best_generator(self) -> torch.nn.Module:
        """The generator that is validated and saved: the average's where there is one."""
        return self.generator if self.averaged is None else self.averaged.module

    def autocast(self) -> torch.autocast:
        """bfloat16 inside the networks where the profile or the hardware says so."""
        return torch.autocast(
            self.device.type, dtype=torch.bfloat16, enabled=self.precision == "bfloat16"
        )

    def predict(self, batch: Batch, generator: torch.nn.Module | None = None) -> Tensor:
        """``(R, 1, s, s)`` float32 prediction in [0, 1], s the side of the measured maps.

        Args:
            generator: by default the one that is trained; validation gives :attr:`best_generator`.
        """
        generator = generator or self.generator
        with self.autocast():
            features = generator.encode_image(batch.image)
            if len(batch) != len(batch.image):
                features = type(features)(*(part[batch.measured.image] for part in features))
            size = batch.measured.saliency_map.shape[-1]
            return generator.read(features, batch.text, size).float()

    def begin_epoch(self, epoch: int) -> None:
        """Training mode; random layers drawn from seed and epoch alone, so that runs resume."""
        self.generator.train()
        self.discriminator.train()
        torch.manual_seed(hash((self.profile.seed, epoch)) % 2**31)
        config = self.profile.training
        if self.profile.model.kind == "compact" and self.profile.model.image_weights != "none":
            for stage in self.generator.encoder.stages()[config.frozen_stages :]:
                stage.requires_grad_(epoch > config.frozen_epochs)

    def set_rates(self, progress: float) -> None:
        """Learning rates of the generator at ``progress`` epochs after the start."""
        config = self.profile.training
        if config.schedule == "cosine":
            warm = min(1.0, (progress + 0.02))
            share = warm * (0.01 + 0.99 * math.cos(math.pi / 2 * progress / config.epochs) ** 2)
            for group, rate in zip(self.generator_optimiser.param_groups, self._rates, strict=True):
                group["lr"] = rate * share

    def state(self) -> dict[str, Any]:
        """Everything a later process needs to go on."""
        return {name: part.state_dict() for name, part in self._parts()}

    def load_state(self, state: dict[str, Any]) -> None:
        """Continue from :meth:`state`."""
        for name, part in self._parts():
            part.load_state_dict(state[name])

    def _parts(self) -> list[tuple[str, Any]]:
        names = ("generator", "discriminator", "generator_optimiser", "discriminator_optimiser")
        names += ("averaged",) if self.averaged is not None else ()
        return [(name, getattr(self, name)) for name in names]


def _running(decay: float):
    """Exponential moving average whose decay grows from 0.2 to ``decay`` over its first steps."""

    def average(averaged: Tensor, current: Tensor, number: Tensor) -> Tensor:
        share = torch.clamp((1 + number) / (10 + number), max=decay)
        return torch.lerp(current, averaged, share.to(averaged.dtype))

    return average


def device_of(name: str) -> torch.device:
    """The device that ``training.device`` names; ``auto`` is CUDA where there is one."""
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
