"""The compact generator beside the paper's: forward and training step, the same images, one run.

Both at 256 px, with the arithmetic that training picks here (bfloat16 where the CPU has it), and
the paper's also in float32, the compact one also with torch's own gradients of depthwise
convolutions. Prints milliseconds and ratios, the fastest of several calls each.
"""

import time
from unittest import mock

import torch
from torch.nn import functional as F

from csalgan.config import load_profile
from csalgan.models import depthwise
from csalgan.text import get_encoder
from csalgan.text.sentences import Sentences
from csalgan.training.batches import Batch
from csalgan.training.losses import Measured
from csalgan.training.trainer import FROZEN_EPOCHS, Trainer, step

IMAGES, REPEATS, SIZE = 8, 3, 256


def main() -> None:
    """Print the table."""
    trainers = {}
    for label, profile, extra in [
        ("paper, float32", "paper", ["training.precision=float32"]),
        ("paper", "paper", []),
        ("compact", "best", []),
    ]:
        settings = ["text.encoder=minilm", f"data.size={SIZE}", "training.device=cpu", *extra]
        trainers[label] = Trainer(load_profile(profile, settings), get_encoder("minilm"))
    threads = torch.get_num_threads()
    print(f"{IMAGES} images at {SIZE} px a batch, one sentence each, {threads} threads")
    rows = {label: measure(trainer) for label, trainer in trainers.items()}
    label = "compact, torch's"
    trainers[label] = trainers["compact"]
    with mock.patch.object(depthwise._Convolution, "apply", torchs):
        rows[label] = measure(trainers[label])
    base = rows["paper, float32"]
    print(f"{'':17}{'precision':>10}{'forward ms':>12}{'ratio':>8}{'training ms':>13}{'ratio':>8}")
    for label, (forward, training) in rows.items():
        print(
            f"{label:17}{trainers[label].precision:>10}{forward:12.1f}{base[0] / forward:8.1f}"
            f"{training:13.1f}{base[1] / training:8.1f}"
        )
    print("milliseconds an image; ratio: how many times faster than the first row")


def torchs(x, weight, bias, stride, padding):
    """The depthwise convolution as torch does it, and its gradients too."""
    return F.conv2d(x, weight, bias, stride, padding, groups=len(weight))


def batch_for(trainer: Trainer) -> Batch:
    """Random images, sentences and maps of the trainer's sizes."""
    drawn = torch.Generator().manual_seed(0)
    compact = trainer.profile.model.kind == "compact"
    whole = torch.randn(IMAGES, 384, generator=drawn)
    text = whole
    if compact:
        words = torch.randn(IMAGES, 10, 384, generator=drawn)
        text = Sentences(whole, words, torch.ones(IMAGES, 10, dtype=torch.bool), torch.ones(IMAGES))
    image = torch.rand(IMAGES, 3, SIZE, SIZE, generator=drawn)
    maps = torch.rand(IMAGES, 1, trainer.map_size, trainer.map_size, generator=drawn)
    return Batch(
        image.contiguous(memory_format=torch.channels_last),
        text,
        Measured(maps, (maps > 0.99).float(), torch.arange(IMAGES)),
    )


def measure(trainer: Trainer) -> tuple[float, float]:
    """Milliseconds an image of a forward pass and of a whole training step."""
    batch = batch_for(trainer)

    def forward() -> None:
        with torch.inference_mode():
            trainer.predict(batch)

    trainer.generator.eval()
    times = [fastest(forward)]
    trainer.begin_epoch(FROZEN_EPOCHS + 1)
    times.append(fastest(lambda: step(trainer, batch)))
    return times[0] / IMAGES * 1e3, times[1] / IMAGES * 1e3


def fastest(call) -> float:
    """Seconds of the fastest of several calls, after one to warm up."""
    call()
    found = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        call()
        found.append(time.perf_counter() - began)
    return min(found)


if __name__ == "__main__":
    main()
