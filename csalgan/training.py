"""The adversarial training of one model on one subset.

A run is a folder::

    run.json          configuration, provenance, counts, best epoch (everything needed to reload)
    history.csv       one row an epoch
    best.safetensors  generator of the epoch with the best validation CC
    last.safetensors  generator of the last epoch
    state.pt          full state (both networks, both optimisers, history): what --resume reads

Every file is written to a temporary name and renamed. ``state.pt`` is written after the weights
of its epoch and before history and ``run.json``, so a run killed anywhere resumes from its last
complete epoch; on the CPU it then ends at the same bits as an uninterrupted one, because the order
of the records in an epoch depends on the seed and the epoch alone.
"""

import json
import math
import os
import sys
import time
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from tqdm import tqdm

from csalgan import provenance
from csalgan.config import Profile, profile_from
from csalgan.data import Dataset, Prepared, Split, make_split, prepare
from csalgan.data.records import SUBSETS
from csalgan.errors import CsalganError
from csalgan.files import atomic_file, write_text
from csalgan.losses import content_loss, discriminator_loss, fooling_loss
from csalgan.metrics import batched
from csalgan.models.paper import PaperDiscriminator, PaperGenerator, initialise
from csalgan.text import TextEncoder, get_encoder

HISTORY_COLUMNS = (
    "epoch",
    "generator",
    "discriminator",
    "content",
    "val_generator",
    "val_discriminator",
    "val_content",
    "val_cc",
    "val_nss",
)


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
        self.device = _device(config.device)
        self.precision = _precision(config.precision, self.device)
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


class Batches:
    """The records of one part, in memory, handed out in batches.

    Args:
        prepared: packed arrays.
        rows: row numbers of ``prepared.records``.
        text: ``(n_records, D)`` embeddings of all of ``prepared.records``.
    """

    def __init__(
        self, prepared: Prepared, rows: np.ndarray, text: np.ndarray, size: int, device
    ):
        self.prepared, self.rows, self.text = prepared, rows, text
        self.size, self.device = size, device

    def __len__(self) -> int:
        return math.ceil(len(self.rows) / self.size)

    def shuffled(self, seed: int, epoch: int):
        """Batches in the order that belongs to this seed and epoch."""
        return self._in_order(np.random.default_rng([seed, epoch]).permutation(self.rows))

    def __iter__(self):
        return self._in_order(self.rows)

    def rows_of(self, index: int) -> np.ndarray:
        """Rows of the ``index``-th unshuffled batch."""
        return self.rows[index * self.size : (index + 1) * self.size]

    def _in_order(self, rows: np.ndarray):
        for start in range(0, len(rows), self.size):
            yield self._batch(rows[start : start + self.size])

    def _batch(self, rows: np.ndarray) -> Batch:
        image = torch.from_numpy(self.prepared.images[self.prepared.image_index[rows]])
        target = torch.from_numpy(self.prepared.maps[rows])
        # (B, S, S, 3) → (B, 3, S, S) keeps the bytes in place: that layout is channels_last.
        return Batch(
            image=image.to(self.device).permute(0, 3, 1, 2).float().div_(255),
            text=torch.from_numpy(self.text[rows]).to(self.device),
            target=target.to(self.device).unsqueeze(1).float().div_(255),
        )


@dataclass(frozen=True)
class Run:
    """A trained (or half-trained) model on disk.

    Attributes:
        folder: the run's folder.
        info: content of ``run.json``.
        history: one row an epoch, columns :data:`HISTORY_COLUMNS`.
    """

    folder: Path
    info: dict[str, Any]
    history: pd.DataFrame

    @classmethod
    def load(cls, folder: str | os.PathLike) -> "Run":
        """Open a run's folder.

        Raises:
            CsalganError: the folder is not a run, or one of its files cannot be read.
        """
        folder = Path(folder)
        try:
            info = json.loads((folder / "run.json").read_text(encoding="utf-8"))
            history = pd.read_csv(folder / "history.csv")
            missing = {"profile", "subset", "provenance", "text_dim"} - set(info)
        except FileNotFoundError as error:
            raise CsalganError(
                f"{folder}: not a training run (no {Path(error.filename).name}); "
                "train one with `csalgan train --out FOLDER`."
            ) from error
        except (ValueError, OSError, TypeError) as error:
            raise CsalganError(f"{folder}: a file of this run is broken; train it again.") from error
        if missing:
            raise CsalganError(f"{folder / 'run.json'}: lacks {sorted(missing)[0]}; train it again.")
        return cls(folder, info, history)

    @property
    def subset(self) -> str:
        """``total``, ``general``, ``sal`` or ``non_sal``."""
        return self.info["subset"]

    @cached_property
    def profile(self) -> Profile:
        """The profile it was trained with."""
        return profile_from(self.info["profile"], str(self.folder / "run.json"))

    @property
    def provenance(self) -> provenance.Provenance:
        """Where it came from."""
        return provenance.Provenance(**self.info["provenance"])

    @property
    def complete(self) -> bool:
        """Whether every epoch of the profile has been trained."""
        return len(self.history) >= self.profile.training.epochs

    def generator(self, which: str = "best") -> PaperGenerator:
        """The trained generator in evaluation mode, on the CPU; ``which``: ``best`` or ``last``."""
        path = self.folder / f"{which}.safetensors"
        generator = PaperGenerator(self.info["text_dim"])
        try:
            generator.load_state_dict(load_file(path))
        except Exception as error:  # safetensors and torch raise several kinds for a bad file
            raise CsalganError(f"{path}: not this run's weights; train it again.") from error
        return generator.eval()

    def predictor(self, which: str = "best"):
        """A :class:`csalgan.prediction.Predictor` with these weights and their text encoder."""
        from csalgan.prediction import Predictor

        return Predictor.of_run(self, which)


def train(
    profile: Profile,
    dataset: Dataset,
    subset: str,
    out: str | os.PathLike,
    *,
    resume: bool = False,
    progress: bool = True,
) -> Run:
    """Train one model on the training images of one subset.

    Args:
        profile: everything that decides the result.
        dataset: an opened dataset.
        subset: ``total``, ``general``, ``sal`` or ``non_sal``.
        out: the run's folder. An existing run there is refused unless ``resume``.
        resume: continue the run in ``out`` from its last epoch; it must have the same settings.
        progress: show a progress bar (on a terminal) or one line an epoch (in a log).

    Raises:
        CsalganError: unknown or empty subset, another run in the way, other settings than the
            run to resume, a loss that is not a number, a full disk.
    """
    out = Path(out)
    if subset not in SUBSETS:
        raise CsalganError(f"--subset {subset}: no such subset; use one of {', '.join(SUBSETS)}.")
    encoder = get_encoder(profile.text.encoder, clip_weights=profile.text.clip_weights)
    split = make_split(dataset.records, rule=profile.data.split, seed=profile.seed)
    rows = part_rows(dataset, profile, split, subset)
    info = _describe(profile, dataset, subset, encoder, rows)
    state = _state_to_resume(out, info, resume)

    prepared = prepare(dataset, profile.data.size)
    text = embed(encoder, dataset.records["text"].tolist(), profile.text.cast_to_int)
    game = Game(profile, encoder.dim)
    size = profile.training.batch_size
    batches = Batches(prepared, rows["train"], text, size, game.device)
    validation = Batches(prepared, rows["val"], text, size, game.device)
    history: list[dict[str, float]] = []
    seconds: list[float] = []
    if state is not None:
        game.load_state(state["game"])
        history, seconds = state["history"], state["seconds"]
        _write_tables(out, info, history, seconds)

    for epoch in range(len(history) + 1, profile.training.epochs + 1):
        began = time.perf_counter()
        bar = tqdm(
            batches.shuffled(profile.seed, epoch),
            total=len(batches),
            desc=f"{subset} epoch {epoch}/{profile.training.epochs}",
            disable=not (progress and sys.stderr.isatty()),
            leave=False,
        )
        row = {"epoch": epoch, **_train_epoch(game, bar, epoch), **_validate(game, validation)}
        history.append(row)
        seconds.append(round(time.perf_counter() - began, 2))
        _save_epoch(out, game, info, history, seconds)
        if progress:
            tqdm.write(_line(subset, profile.training.epochs, row, seconds[-1]), file=sys.stderr)
    return Run.load(out)


def embed(encoder: TextEncoder, texts: list[str], cast_to_int: bool) -> np.ndarray:
    """``(N, D)`` float32 embeddings, cut to integers when the profile says so (published code)."""
    vectors = encoder.encode(texts)
    return vectors.astype(np.int64).astype(np.float32) if cast_to_int else vectors


def subset_records(dataset: Dataset, subset: str, free_viewing: str = "subset") -> pd.DataFrame:
    """Records of a subset; ``free_viewing='all'`` adds that of every image (published code)."""
    records = dataset.subset(subset)
    if free_viewing == "all":
        chosen = dataset.records["record"].isin(records["record"])
        records = dataset.records[chosen | (dataset.records["condition"] == "none")]
    return records


def part_rows(
    dataset: Dataset, profile: Profile, split: Split, subset: str
) -> dict[str, np.ndarray]:
    """Row numbers in ``dataset.records`` of the subset's ``train``, ``val`` and ``test`` records.

    Raises:
        CsalganError: the subset has no record in one of the parts.
    """
    records = subset_records(dataset, subset, profile.data.free_viewing)
    rows = {
        part: split.of(part, records).index.to_numpy(dtype=np.int64)
        for part in ("train", "val", "test")
    }
    for part, numbers in rows.items():
        if not len(numbers):
            raise CsalganError(
                f"{dataset.root}: subset {subset} has no {part} records; "
                "use a dataset with more images of that condition."
            )
    return rows


def same_settings(info: dict[str, Any], other: dict[str, Any]) -> str | None:
    """None when two runs would be the same up to their length, else the first difference."""
    for key in ("subset", "text_fingerprint", "code", "device", "precision"):
        if info[key] != other.get(key):
            return f"{key} {other.get(key)} is now {info[key]}"
    if info["provenance"]["fingerprint"] != other["provenance"]["fingerprint"]:
        return "it was trained on other data"
    mine, theirs = _flat(info["profile"]), _flat(other["profile"])
    for key in sorted(mine.keys() | theirs.keys()):
        # How long to train, how to score and what to call it do not change an epoch's result.
        if key in ("name", "description", "training.epochs", "training.subsets"):
            continue
        if not key.startswith("evaluation.") and mine.get(key) != theirs.get(key):
            return f"{key} {theirs.get(key)} is now {mine.get(key)}"
    return None


def describe(profile: Profile, dataset: Dataset, subset: str) -> dict[str, Any]:
    """``run.json`` of the run that these settings would make (without results)."""
    encoder = get_encoder(profile.text.encoder, clip_weights=profile.text.clip_weights)
    split = make_split(dataset.records, rule=profile.data.split, seed=profile.seed)
    return _describe(
        profile, dataset, subset, encoder, part_rows(dataset, profile, split, subset)
    )


def _describe(profile, dataset, subset, encoder, rows) -> dict[str, Any]:
    receipt = provenance.Provenance(
        data=dataset.name,
        fingerprint=dataset.fingerprint[:12],
        encoder=encoder.name,
        profile=profile.name,
        seed=profile.seed,
        commit=provenance.commit(),
    )
    return {
        "subset": subset,
        "profile": profile.as_dict(),
        "provenance": receipt.as_dict(),
        "text_dim": encoder.dim,
        "text_fingerprint": encoder.fingerprint,
        "code": _code_fingerprint(),
        "device": _device(profile.training.device).type,
        "precision": _precision(profile.training.precision, _device(profile.training.device)),
        "records": {part: len(numbers) for part, numbers in rows.items()},
        "torch": torch.__version__,
    }


def _code_fingerprint() -> str:
    """Changes when the code that decides a trained weight changes."""
    package = Path(__file__).resolve().parent
    files = [package / "losses.py", package / "training.py", package / "data" / "prepared.py"]
    files += [package / "data" / "splits.py", *sorted((package / "models").glob("*.py"))]
    return sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:12]


def _state_to_resume(out: Path, info: dict[str, Any], resume: bool) -> dict[str, Any] | None:
    if out.exists() and not out.is_dir():
        raise CsalganError(f"{out}: a file stands where the run's folder is to be; choose another.")
    if not (out / "state.pt").exists():
        if out.is_dir() and any(out.iterdir()) and not (out / "best.safetensors").exists():
            raise CsalganError(f"{out}: not empty and not a run; choose another --out folder.")
        return None
    if not resume:
        raise CsalganError(f"{out}: a run stands there; continue it with --resume or choose another.")
    try:
        state = torch.load(out / "state.pt", map_location="cpu", weights_only=True)
        before = json.loads(state["info"])
    except Exception as error:  # torch raises many kinds for a file that is not its own
        raise CsalganError(
            f"{out / 'state.pt'}: cannot be read; remove the folder and train again."
        ) from error
    if difference := same_settings(info, before):
        raise CsalganError(f"{out}: cannot be resumed, {difference}; choose another --out folder.")
    return state


def _train_epoch(game: Game, batches, epoch: int) -> dict[str, float]:
    game.generator.train()
    game.discriminator.train()
    sums, count = torch.zeros(3), 0
    for step, batch in enumerate(batches, start=1):
        prediction = game.predict(batch)
        d_loss = torch.zeros(())
        if game.adversarial_weight:
            d_loss = discriminator_step(game, batch, prediction)
        g_loss, content = generator_step(game, batch, prediction)
        losses = torch.stack([g_loss.cpu(), d_loss.cpu(), content.cpu()])
        if not torch.isfinite(losses).all():
            names = ("generator", "discriminator", "content")
            name = names[int((~torch.isfinite(losses)).nonzero()[0])]
            raise CsalganError(
                f"training: the {name} loss is {losses[names.index(name)]:.3g} at epoch {epoch}, "
                f"step {step}; lower training.learning_rate or use training.precision=float32."
            )
        sums += losses * len(batch.text)
        count += len(batch.text)
    return dict(zip(("generator", "discriminator", "content"), (sums / count).tolist(), strict=True))


@torch.inference_mode()
def _validate(game: Game, batches: Batches) -> dict[str, float]:
    """Losses, CC and NSS over the validation records, at the model's size."""
    game.generator.eval()
    game.discriminator.eval()
    totals: dict[str, list[Tensor]] = {name: [] for name in HISTORY_COLUMNS[4:]}
    for index, batch in enumerate(batches):
        prediction = game.predict(batch)
        with game.autocast():
            real = game.discriminator.logits(batch.target)
            fake = game.discriminator.logits(prediction)
        n = len(batch.text)
        content = content_loss(prediction, batch.target)
        generator = game.content_weight * content + game.adversarial_weight * fooling_loss(fake)
        rows = batches.rows_of(index)
        masks = np.stack([batches.prepared.fixation_mask(row) for row in rows])
        masks = torch.from_numpy(masks).unsqueeze(1).to(game.device)
        totals["val_content"].append(content.expand(n).cpu())
        totals["val_generator"].append(generator.expand(n).cpu())
        totals["val_discriminator"].append(discriminator_loss(real, fake).expand(n).cpu())
        totals["val_cc"].append(batched.cc(prediction, batch.target).reshape(n).cpu())
        totals["val_nss"].append(batched.nss(prediction, masks).reshape(n).cpu())
    return {name: float(torch.cat(values).double().mean()) for name, values in totals.items()}


def _save_epoch(out, game, info, history, seconds) -> None:
    weights = {k: v.contiguous().cpu() for k, v in game.generator.state_dict().items()}
    names = ["last"]
    if _best_epoch(history) == len(history):
        names.append("best")
    for name in names:
        with atomic_file(out / f"{name}.safetensors") as temporary:
            save_file(weights, temporary)
    state = {
        "game": game.state(),
        "history": history,
        "seconds": seconds,
        "info": json.dumps(info),  # as text: weights_only loading then meets tensors and strings
    }
    with atomic_file(out / "state.pt") as temporary:
        torch.save(state, temporary)
    _write_tables(out, info, history, seconds)


def _write_tables(out, info, history, seconds) -> None:
    table = pd.DataFrame(history, columns=list(HISTORY_COLUMNS))
    write_text(out / "history.csv", table.to_csv(index=False, float_format="%.9g"))
    results = {"best_epoch": _best_epoch(history), "seconds_per_epoch": seconds}
    write_text(out / "run.json", json.dumps({**info, **results}, indent=1) + "\n")


def _best_epoch(history: list[dict[str, float]]) -> int:
    """The epoch with the highest validation CC (the first of equals; an undefined CC is lowest)."""
    values = [-math.inf if math.isnan(row["val_cc"]) else row["val_cc"] for row in history]
    return int(np.argmax(values)) + 1


def _line(subset: str, epochs: int, row: dict[str, float], seconds: float) -> str:
    return (
        f"{subset}  epoch {row['epoch']}/{epochs}  generator {row['generator']:.4f}  "
        f"discriminator {row['discriminator']:.4f}  content {row['content']:.4f}  "
        f"val CC {row['val_cc']:.3f}  val NSS {row['val_nss']:.3f}  {seconds:.1f} s"
    )


def _adam(network: torch.nn.Module, profile: Profile) -> torch.optim.Adam:
    config = profile.training
    return torch.optim.Adam(
        network.parameters(), lr=config.learning_rate, betas=config.betas, fused=True
    )


def _device(name: str) -> torch.device:
    if name == "cuda" and not torch.cuda.is_available():
        raise CsalganError("training.device=cuda: no CUDA device is here; use auto or cpu.")
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


def _precision(name: str, device: torch.device) -> str:
    """bfloat16 by default where it is fast: AVX-512 bf16 on the CPU, any CUDA device with it."""
    if name != "auto":
        return name
    if device.type == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported() else "float32"
    return "bfloat16" if torch.ops.mkldnn._is_mkldnn_bf16_supported() else "float32"


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat
