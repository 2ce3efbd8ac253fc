"""The paper's model as its published code runs it, beside the same model here.

Theirs: float32, channels first, every photograph, map and fixation map decoded and resized from
its file for each sample. Ours: packed arrays, channels last, bfloat16 where the CPU has it, batch
norms folded for inference. The same weights and records, taking turns in one run; what share of the
machine's own rate of bfloat16 matrix products each reaches; then the data path alone, and how the
cost grows with image size and number of records.
"""

import tempfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.generators import fastest
from csalgan import figures
from csalgan.config import load_profile
from csalgan.data import open_dataset, prepare, synthesise
from csalgan.files.provenance import Provenance, commit
from csalgan.models.build import fast_copy
from csalgan.text import get_encoder
from csalgan.training import Batch, Batches, embed
from csalgan.training.losses import Measured
from csalgan.training.trainer import Trainer, discriminator_step, generator_step

RECORDS, SIZE, SIZES, COUNTS = 8, 256, (64, 128, 192, 256), (4, 8, 16, 32)


def main() -> None:
    """Print the tables; write the plot to ``benchmarks/00_scaling.png``."""
    with tempfile.TemporaryDirectory() as folder:
        dataset = open_dataset(synthesise(Path(folder) / "set", n_images=12, seed=0))
        encoder = get_encoder("hashing")
        text = embed(encoder, dataset.records["text"].tolist(), False)
        side_by_side(dataset, text, encoder)
        data_path(dataset, text)
        growth(encoder)


def side_by_side(dataset, text, encoder) -> None:
    """Inference and a training step, theirs and ours."""
    rows = np.arange(RECORDS)
    theirs, ours = trainer("float32", encoder), trainer("auto", encoder)
    for network in (theirs.generator, theirs.discriminator):
        network.to(memory_format=torch.contiguous_format)
    prepared = prepare(dataset, SIZE)
    config = ours.config.model_copy(update={"batch_size": RECORDS})
    packed = Batches(prepared, rows, text, config, torch.device("cpu"))
    list(packed)  # the arrays are unpacked once, before the clock
    generator = fast_copy(ours.generator)

    def their_forward():
        with torch.inference_mode():
            batch = decoded(dataset, rows, text)
            theirs.generator.eval()(batch.image, batch.text)

    def our_forward():
        (batch,) = packed
        with torch.inference_mode(), ours.autocast():
            generator(batch.image, batch.text)

    def their_step():
        theirs.begin_epoch(1)
        step(theirs, decoded(dataset, rows, text))

    def our_step():
        ours.begin_epoch(1)
        (batch,) = packed
        step(ours, batch)

    print(f"{RECORDS} records at {SIZE} px a batch, {torch.get_num_threads()} threads; ms a record")
    print(
        f"{'':12}{'published':>12}{'here':>12}{'ratio':>8}{'share of peak':>15}"
        f"   (here: {ours.precision})"
    )
    for what, one, other in [
        ("inference", their_forward, our_forward),
        ("training", their_step, our_step),
    ]:
        a, b = fastest(one), fastest(other)
        share = operations(other) / b / matrix_rate()  # the rate measured beside what it divides
        print(
            f"{what:12}{1e3 * a / RECORDS:12.1f}{1e3 * b / RECORDS:12.1f}{a / b:8.1f}{share:15.0%}"
        )
    print("share of peak: operations of convolutions and products a second, over those of a")
    print("4096 × 4096 bfloat16 matrix product on the same threads")


def operations(call) -> float:
    """Floating point operations of a call, as torch counts them (a multiply-add is two)."""
    with FlopCounterMode(display=False) as counter:
        call()
    return counter.get_total_flops()


def matrix_rate(side: int = 4096) -> float:
    """Operations a second of a square bfloat16 matrix product, the best the machine shows."""
    matrix = torch.randn(side, side, generator=torch.Generator().manual_seed(0)).bfloat16()
    return 2 * side**3 / fastest(lambda: matrix @ matrix)


def data_path(dataset, text) -> None:
    """A batch from files and from packed arrays."""
    rows = np.arange(RECORDS)
    config = load_profile("paper", [f"training.batch_size={RECORDS}"]).training
    packed = Batches(prepare(dataset, SIZE), rows, text, config, torch.device("cpu"))
    list(packed)
    files = 1e3 * fastest(lambda: decoded(dataset, rows, text)) / RECORDS
    arrays = 1e3 * fastest(lambda: list(packed)) / RECORDS
    print(
        f"\na record from files {files:.2f} ms, packed {arrays:.2f} ms: {files / arrays:.1f} times"
    )


def growth(encoder) -> None:
    """Cost against image size and number of records, printed and drawn."""
    by_size, by_count = [], []
    for size in SIZES:
        ours = trainer("auto", encoder, size)
        batch = random_batch(4, size, encoder.dim)
        by_size.append(1e3 * fastest(lambda o=ours, b=batch: step(o, b)) / 4)
    ours = trainer("auto", encoder, 64)
    for count in COUNTS:
        batch = random_batch(count, 64, encoder.dim)
        by_count.append(1e3 * fastest(lambda b=batch: step(ours, b)))
    for unit, at, costs in [("ms a record at px", SIZES, by_size),
                            ("ms for records at 64 px", COUNTS, by_count)]:  # fmt: skip
        listed = ", ".join(f"{x}: {cost:.1f}" for x, cost in zip(at, costs, strict=True))
        print(f"\ntraining step, {unit}: {listed}")
    provenance = Provenance("random images", "-", "hashing", "paper", 0, commit())
    figures.save(_drawn(by_size, by_count), Path(__file__).parent, "00_scaling", provenance,
                 photographs=False)  # fmt: skip


@figures.theme()
def _drawn(by_size: list[float], by_count: list[float]):
    fig = figures.figure(8.5, 3.2, title="What a training step of the paper's model costs")
    left, right = fig.subplots(1, 2)
    for ax, x, y, label, unit in [
        (left, [size**2 / 1e3 for size in SIZES], by_size, "thousand pixels", "ms a record"),
        (right, COUNTS, by_count, "records at 64 px", "ms"),
    ]:
        slope, offset = np.polyfit(x, y, 1)
        ax.plot(x, y, "o")
        ax.plot([0, x[-1]], [offset, offset + slope * x[-1]], lw=1)
        r = np.corrcoef(x, y)[0, 1] ** 2
        ax.set(xlabel=label, ylabel=unit, title=f"linear: R² = {r:.4f}", xlim=(0, None))
        ax.set_ylim(0, None)
    return fig


def trainer(precision: str, encoder, size: int = SIZE) -> Trainer:
    """The paper's players at a size."""
    settings = ["text.encoder=hashing", f"data.size={size}", f"training.precision={precision}"]
    return Trainer(load_profile("paper", [*settings, "training.device=cpu"]), encoder)


def step(players: Trainer, batch: Batch) -> None:
    """One step of both players."""
    prediction = players.predict(batch)
    discriminator_step(players, batch, prediction)
    generator_step(players, batch, prediction)


def decoded(dataset, rows, text) -> Batch:
    """A batch as the published loader makes it: three files a sample, channels first."""
    images, maps, fixations = [], [], []
    for row in rows:
        record = dataset.records.iloc[row]
        for path, mode, into in [
            (record.image_path, "RGB", images),
            (record.map_path, "L", maps),
            (record.fixation_path, "L", fixations),
        ]:
            with Image.open(dataset.root / path) as picture:
                small = picture.convert(mode).resize((SIZE, SIZE), Image.Resampling.BILINEAR)
            pixels = torch.from_numpy(np.array(small)).float() / 255
            into.append(pixels.permute(2, 0, 1).contiguous() if mode == "RGB" else pixels[None])
    measured = Measured(torch.stack(maps), torch.stack(fixations), torch.arange(len(rows)))
    return Batch(torch.stack(images), torch.from_numpy(text[rows]), measured)


def random_batch(count: int, size: int, dim: int) -> Batch:
    """Random numbers of the right shapes."""
    drawn = torch.Generator().manual_seed(0)
    image = torch.rand(count, 3, size, size, generator=drawn)
    maps = torch.rand(count, 1, size, size, generator=drawn)
    return Batch(
        image.contiguous(memory_format=torch.channels_last),
        torch.randn(count, dim, generator=drawn),
        Measured(maps, (maps > 0.99).float(), torch.arange(count)),
    )


if __name__ == "__main__":
    main()
