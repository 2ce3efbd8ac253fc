"""Both networks, and the two steps of adversarial training: discriminator's, generator's."""

import io
import math
import re
from copy import deepcopy
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.optim.swa_utils import AveragedModel

from csalgan.config import Profile
from csalgan.files.errors import CsalganError
from csalgan.files.writing import write_bytes
from csalgan.models.build import new_players
from csalgan.text import TextEncoder
from csalgan.training.batches import Batch, Measured
from csalgan.training.losses import content_loss, discriminator_loss, fooling_loss

#: Parts of the compact model's image encoder that keep ImageNet's weights: the stem, two stages.
FROZEN_STAGES = 3
#: The whole encoder keeps them for so many epochs.
FROZEN_EPOCHS = 1
#: What torch was built for: ``sm_90``, ``sm_120a``.
_ARCHITECTURE = re.compile(r"sm_(\d+)")


def discriminator_step(trainer: "Trainer", batch: Batch, prediction: Tensor) -> Tensor:
    """One step of D on measured maps and on predictions it may not change (``detach``).

    Predictions are ``(R, 1, s, s)`` in [0, 1]; gives D's loss, a number without gradient.
    """
    real, fake = trainer.judge(batch, batch.measured.saliency_map, prediction.detach())
    loss = discriminator_loss(real, fake)
    trainer.discriminator_optimiser.zero_grad(set_to_none=True)
    loss.backward()
    trainer.discriminator_optimiser.step()
    return loss.detach()


def generator_step(trainer: "Trainer", batch: Batch, prediction: Tensor) -> tuple[Tensor, Tensor]:
    """One step of G: ``α·content + BCE(D(prediction), 1)``; D is held still.

    Predictions are ``(R, 1, s, s)`` in [0, 1]; gives G's loss and its content term, numbers without
    gradient.
    """
    config = trainer.config
    content = trainer.content(prediction, batch.measured)
    loss = config.content_weight * content
    if config.adversarial_weight:
        trainer.discriminator.requires_grad_(False)  # no gradients are wasted on D's weights here
        try:
            (fake,) = trainer.judge(batch, prediction)
        finally:  # of a batch that is too large, smaller ones are tried
            trainer.discriminator.requires_grad_(True)
        loss = loss + config.adversarial_weight * fooling_loss(fake)
    trainer.generator_optimiser.zero_grad(set_to_none=True)
    loss.backward()
    if trainer.compact:
        torch.nn.utils.clip_grad_norm_(trainer.generator.parameters(), 1.0)
    trainer.generator_optimiser.step()
    if trainer.averaged is not None:
        trainer.averaged.update_parameters(trainer.generator)
    return loss.detach(), content.detach()


def step(trainer: "Trainer", batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
    """One step of the discriminator, then of the generator.

    Returns:
        The generator's loss, the discriminator's (0 without an adversarial term) and the content
        loss: float tensors of shape ``()``, without gradient.
    """
    prediction = trainer.predict(batch)
    d_loss = torch.zeros(())
    if trainer.config.adversarial_weight:
        d_loss = discriminator_step(trainer, batch, prediction)
    g_loss, content = generator_step(trainer, batch, prediction)
    return g_loss, d_loss, content


class Trainer:
    """Both networks, both optimisers, device and precision.

    A subclass with a :meth:`content` of its own trains with another loss (``train(trainer=…)``).

    Attributes:
        config: the profile's ``training``.
        map_size: side of the maps that losses and the discriminator see. The compact decoder works
            at an eighth of the image's side, so a quarter loses nothing.
        averaged: the running average of the generator's weights; None without one.
        soup: the mean of the final generators of the trainings before this one; None without a
            soup (``training.soup=1``).
    """

    def __init__(self, profile: Profile, encoder: TextEncoder):
        self.profile, self.config = profile, profile.training
        self.compact = profile.model.kind == "compact"
        self.device = device_of(self.config.device)
        self.precision = precision_of(self.config.precision, self.device)
        self.map_size = profile.data.size // 4 if self.compact else profile.data.size
        self.generator, self.discriminator = new_players(profile, encoder)
        for network in (self.generator, self.discriminator):
            network.to(self.device, memory_format=torch.channels_last)
        decay, self.averaged = self.config.ema_decay, None
        if decay:
            self.averaged = AveragedModel(self.generator, multi_avg_fn=_running(decay))
        self.soup = AveragedModel(self.generator) if self.config.soup > 1 else None
        rate, options = self.config.learning_rate, {"betas": self.config.betas, "fused": True}
        options["weight_decay"] = self.config.weight_decay
        optimiser = torch.optim.AdamW if self.config.weight_decay else torch.optim.Adam
        groups = [{"params": list(self.generator.parameters()), "lr": rate}]
        if self.compact:  # its pretrained image encoder learns at a rate of its own
            stages = self.generator.encoder.stages()
            for stage in stages[:FROZEN_STAGES]:
                stage.requires_grad_(False)
            named = self.generator.named_parameters()
            others = [weights for name, weights in named if not name.startswith("encoder.")]
            encoder = [w for stage in stages[FROZEN_STAGES:] for w in stage.parameters()]
            groups = [{"params": others, "lr": rate}]
            groups += [{"params": encoder, "lr": rate * self.config.encoder_rate}]
        self._rates = [group["lr"] for group in groups]
        self.generator_optimiser = optimiser(groups, **options)
        self.discriminator_optimiser = optimiser(
            self.discriminator.parameters(), lr=rate, **options
        )

    @property
    def best_generator(self) -> torch.nn.Module:
        """The generator that is validated and saved.

        It is :attr:`own_generator`; of a soup, its mean with the earlier trainings' generators.
        """
        if self.soup is None or not self.soup.n_averaged:
            return self.own_generator
        soup = deepcopy(self.soup)
        soup.update_parameters(self.own_generator)
        return soup.module

    @property
    def own_generator(self) -> torch.nn.Module:
        """This training's generator: the running average where there is one (``ema_decay``)."""
        return self.generator if self.averaged is None else self.averaged.module

    def autocast(self) -> torch.autocast:
        """bfloat16 inside the networks where the profile or the hardware says so."""
        bfloat16 = self.precision == "bfloat16"
        return torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=bfloat16)

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

    def content(self, prediction: Tensor, measured: Measured) -> Tensor:
        """The content loss of a batch: a number ``()``, with gradient.

        Args:
            prediction: ``(R, 1, s, s)`` float32 in [0, 1].
            measured: maps and fixations of the same records and size.
        """
        return content_loss(prediction, measured, self.config.losses)

    def judge(self, batch: Batch, *maps: Tensor) -> list[Tensor]:
        """The discriminator's logits ``(R, 1)``, any real numbers, for maps of the batch's records.

        Several sets of maps go through one autocast block: in bfloat16 they then share the rounded
        weights, and their gradients.

        Args:
            maps: each ``(R, 1, s, s)`` in [0, 1]; averaged down to :attr:`map_size` where larger.
        """
        size, image = self.map_size, batch.image[batch.measured.image]
        maps = [m if m.shape[-1] == size else F.interpolate(m, size, mode="area") for m in maps]
        with self.autocast():
            return [self.discriminator.logits(one, image) for one in maps]

    def begin_epoch(self, epoch: int) -> None:
        """Training mode; random layers drawn from seed and epoch alone, so that runs resume."""
        self.generator.train()
        self.discriminator.train()
        torch.manual_seed(hash((self.profile.seed, epoch)) % 2**31)
        if self.compact:
            for stage in self.generator.encoder.stages()[FROZEN_STAGES:]:
                stage.requires_grad_((epoch - 1) % self.config.epochs >= FROZEN_EPOCHS)

    def set_rates(self, progress: float) -> None:
        """Learning rates of the generator at ``progress`` epochs after the start."""
        progress %= self.config.epochs  # each training of a soup begins anew
        if self.config.schedule == "cosine":
            warm, turn = min(1.0, progress + 0.02), math.pi / 2 * progress / self.config.epochs
            share = warm * (0.01 + 0.99 * math.cos(turn) ** 2)
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
        return [(name, part) for name, part in vars(self).items() if hasattr(part, "state_dict")]


def write_state(path: Path, state: dict[str, Any]) -> None:
    """Write tensors and plain values to a file that ``torch.load(weights_only=True)`` reads."""
    content = io.BytesIO()
    torch.save(state, content)
    write_bytes(path, content.getbuffer())


def _running(decay: float):
    """Exponential moving average whose decay grows from 0.2 to ``decay`` over its first steps."""

    def average(averaged: list[Tensor], current: list[Tensor], number: Tensor) -> None:
        share = torch.clamp((1 + number) / (10 + number), max=decay)
        for mean, now in zip(averaged, current, strict=True):
            mean.copy_(torch.lerp(now, mean, share.to(mean.dtype)))

    return average


def device_of(name: str) -> torch.device:
    """The device that ``training.device`` names; ``auto`` is CUDA where torch can use it."""
    if name == "cuda" and not _cuda_is_here():
        raise CsalganError(
            "training.device=cuda: no CUDA device is here, or none that this torch was built for; "
            "use auto or cpu."
        )
    if name == "auto":
        name = "cuda" if _cuda_is_here() else "cpu"
    return torch.device(name)


def _cuda_is_here() -> bool:
    """Whether there is a CUDA device, and not an older one than this torch was built for."""
    if not torch.cuda.is_available():
        return False
    built = _ARCHITECTURE.findall(" ".join(torch.cuda.get_arch_list()))
    major, minor = torch.cuda.get_device_capability()
    return 10 * major + minor >= min(map(int, built), default=0)


def precision_of(name: str, device: torch.device) -> str:
    """bfloat16 by default where it is fast: AVX-512 bf16 on the CPU, any CUDA device with it."""
    if name != "auto":
        return name
    if device.type == "cuda":
        real = torch.cuda.is_bf16_supported(including_emulation=False)
        return "bfloat16" if real else "float32"
    known = torch.backends.mkldnn.is_available()  # torch for macOS has no such operators
    return "bfloat16" if known and torch.ops.mkldnn._is_mkldnn_bf16_supported() else "float32"
