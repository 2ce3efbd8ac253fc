"""The adversarial training of one model on one subset.

A run is a folder::

    run.json          configuration, provenance, counts, best epoch (everything needed to reload)
    history.csv       one row an epoch
    pretraining.csv   losses of the epochs before on other datasets, where there were any
    best.safetensors  generator of the epoch with the best validation CC
    last.safetensors  generator of the last epoch
    state.pt          full state (both networks, both optimisers, history): what --resume reads;
                      gone when all is trained, unless ``training.keep_state``
    .lock             held while it is trained

Every file is written to a temporary name and renamed. ``state.pt`` is written after the weights
of its epoch and before ``run.json`` and the history, so a run killed anywhere resumes from its last
complete epoch; on the CPU it then ends at the same bits as an uninterrupted one, because the order
of the records in an epoch depends on the seed and the epoch alone. The history is written last: a
run is finished when it has all its rows.
"""

import io
import json
import math
import os
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import torch
from safetensors.torch import save
from torch import Tensor
from torch.nn import functional as F
from tqdm import tqdm

from csalgan.config import Profile
from csalgan.data import Dataset, prepare
from csalgan.data.records import SUBSETS
from csalgan.files.compute import use_threads
from csalgan.files.errors import CsalganError
from csalgan.files.locks import locked
from csalgan.files.writing import remove_leftovers, write_bytes, write_text
from csalgan.metrics import batched
from csalgan.training import pretraining
from csalgan.training.batches import Batch, Batches, texts_for
from csalgan.training.losses import content_loss, discriminator_loss, fooling_loss
from csalgan.training.pretraining import Mixed
from csalgan.training.run import (
    HISTORY_COLUMNS,
    Plan,
    Run,
    best_epoch,
    finished,
    finished_run,
    make_plan,
    same_settings,
)
from csalgan.training.trainer import Trainer, discriminator_step, generator_step


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
        CsalganError: unknown or empty subset, another run in the way, somebody who trains there,
            other settings than the run to resume, a loss that is not a number, a full disk.
    """
    out = Path(out)
    if subset not in SUBSETS:
        raise CsalganError(f"--subset {subset}: no such subset; use one of {', '.join(SUBSETS)}.")
    if out.exists() and not out.is_dir():
        raise CsalganError(f"{out}: a file stands where the run's folder is to be; choose another.")
    use_threads(profile.training.threads)
    plan = make_plan(profile, dataset, subset)  # first: nothing is made for what is not there
    with locked(out):
        remove_leftovers(out)
        return _train(profile, dataset, plan, out, resume, progress)


def _train(
    profile: Profile, dataset: Dataset, plan: Plan, out: Path, resume: bool, progress: bool
) -> Run:
    info, encoder, rows, sets = plan
    subset = info["subset"]
    done = _Done([], [], [])
    state = None
    if _begun(out, resume):
        if run := finished_run(out, profile, info):
            _drop_state(profile, out)
            return run
        state = _state_to_resume(out, info)
        done = _Done(state["history"], state["seconds"], state.get("pretraining", []))
        if finished(profile, done.val_cc):  # killed just before its tables
            # The run keeps the receipt of the code that trained it.
            info["provenance"] = json.loads(state["info"])["provenance"]
            _write_tables(out, info, done)
            _drop_state(profile, out)
            return Run.load(out)

    prepared = prepare(dataset, profile.data.size)
    text = texts_for(profile, encoder, dataset.records["text"].tolist())
    trainer = Trainer(profile, encoder)
    size, by = profile.training.batch_size, profile.training.batches
    validation = Batches(prepared, rows["val"], text, size, trainer.device, by=by)

    def train_one_more(trainer: Trainer, batches: Batches | Mixed, rows: list, what: str) -> None:
        epoch, epochs = len(rows) + 1, trainer.profile.training.epochs
        began = time.perf_counter()
        bar = tqdm(
            batches.shuffled(profile.seed, epoch),
            total=len(batches),
            desc=f"{what} epoch {epoch}/{epochs}",
            disable=not (progress and sys.stderr.isatty()),
            leave=False,
        )
        row = {"epoch": epoch, **_train_epoch(trainer, bar, epoch)}
        if rows is done.history:
            row |= _validate(trainer, validation)
        rows.append(row)
        seconds = round(time.perf_counter() - began, 2)
        if rows is done.history:
            done.seconds.append(seconds)
        _save_epoch(out, trainer, info, done)
        if progress:
            tqdm.write(_line(what, epochs, row, seconds), file=sys.stderr)

    if done.history:
        trainer.load_state(state["game"])
    elif sets:
        first = pretraining.first_trainer(profile, encoder)
        known = pretraining.cached(info)
        if state is not None:
            first.load_state(state["game"])
        else:
            done.pretraining.extend(pretraining.recall(known, first))
        batches = pretraining.batches(sets, first, encoder)
        while len(done.pretraining) < profile.training.pretrain.epochs:
            train_one_more(first, batches, done.pretraining, f"{subset} pretraining")
            if len(done.pretraining) == profile.training.pretrain.epochs:
                pretraining.keep(known, first, done.pretraining)
        pretraining.hand_over(first, trainer)

    batches = Batches(
        prepared,
        rows["train"],
        text,
        size,
        trainer.device,
        by=by,
        map_size=trainer.map_size,
        augmentation=profile.training.augment,
    )
    while not finished(profile, done.val_cc):
        train_one_more(trainer, batches, done.history, subset)
    return Run.load(out)


class _Done(NamedTuple):
    """What has been trained: a row an epoch, and how long each took; rows of pretraining."""

    history: list[dict[str, float]]
    seconds: list[float]
    pretraining: list[dict[str, float]]

    @property
    def val_cc(self) -> list[float]:
        return [row["val_cc"] for row in self.history]


def _begun(out: Path, resume: bool) -> bool:
    """Whether a run stands in the folder, to go on with."""
    if not any((out / name).exists() for name in ("state.pt", "run.json")):
        inside = {path.name for path in out.glob("*") if not path.name.startswith(".")}
        if inside and not inside & {"last.safetensors", "best.safetensors"}:
            raise CsalganError(f"{out}: not empty and not a run; choose another --out folder.")
        return False
    if not resume:
        raise CsalganError(
            f"{out}: a run stands there; continue it with --resume or choose another."
        )
    return True


def _state_to_resume(out: Path, info: dict[str, Any]) -> dict[str, Any]:
    path = out / "state.pt"
    try:
        if path.exists():
            state = torch.load(path, map_location="cpu", weights_only=True)
            before = json.loads(state["info"])
        else:
            state, before = None, Run.load(out).info
    except CsalganError:
        raise
    except Exception as error:  # torch raises many kinds for a file that is not its own
        raise CsalganError(f"{path}: cannot be read; remove the folder and train again.") from error
    if difference := same_settings(info, before):
        raise CsalganError(f"{out}: cannot be resumed, {difference}; choose another --out folder.")
    if state is None:
        raise CsalganError(
            f"{out}: a finished run without the state from which to go on (state.pt is not kept); "
            "train anew in another --out folder, with --set training.keep_state=true to add epochs "
            "later."
        )
    return state


def _train_epoch(trainer: Trainer, batches, epoch: int) -> dict[str, float]:
    trainer.begin_epoch(epoch)
    sums, count = torch.zeros(3), 0
    for step, batch in enumerate(batches, start=1):
        trainer.set_rates(epoch - 1 + (step - 1) / batches.total)
        try:
            g_loss, d_loss, content = _step(trainer, batch)
        except torch.OutOfMemoryError as error:
            raise CsalganError(_too_large(trainer, batch)) from error
        losses = torch.stack([g_loss.cpu(), d_loss.cpu(), content.cpu()])
        if not torch.isfinite(losses).all():
            names = ("generator", "discriminator", "content")
            name = names[int((~torch.isfinite(losses)).nonzero()[0])]
            raise CsalganError(
                f"training: the {name} loss is {losses[names.index(name)]:.3g} at epoch {epoch}, "
                f"step {step}; lower training.learning_rate or use training.precision=float32."
            )
        sums += losses * len(batch)
        count += len(batch)
    means = dict(zip(HISTORY_COLUMNS[1:4], (sums / count).tolist(), strict=True))
    return means | dict(zip(HISTORY_COLUMNS[4:6], losses[:2].tolist(), strict=True))


def _step(trainer: Trainer, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
    """One step of both players: the generator's loss, the discriminator's, the content's."""
    prediction = trainer.predict(batch)
    d_loss = torch.zeros(())
    if trainer.adversarial_weight:
        d_loss = discriminator_step(trainer, batch, prediction)
    g_loss, content = generator_step(trainer, batch, prediction)
    return g_loss, d_loss, content


def _too_large(trainer: Trainer, batch: Batch) -> str:
    """What to say of a batch that the device has no room for: the largest half of it that fits.

    Trying spoils the weights, which are thrown away with the training that ends here.
    """
    unit = trainer.profile.training.batches
    count = len(batch.image)
    size = count // 2
    while size:
        for optimiser in (trainer.generator_optimiser, trainer.discriminator_optimiser):
            optimiser.zero_grad(set_to_none=True)
        if trainer.device.type == "cuda":
            torch.cuda.empty_cache()
        try:
            _step(trainer, batch.images(0, size))
        except torch.OutOfMemoryError:
            size //= 2
        else:
            return (
                f"training.batch_size={count}: {count} {unit} at {trainer.profile.data.size} px do "
                f"not fit into the memory of this {trainer.device.type} device; {size} do, so use "
                f"training.batch_size={size}."
            )
    return (
        f"training.batch_size={count}: not even one of the {unit} fits into the memory of this "
        f"{trainer.device.type} device at {trainer.profile.data.size} px; use a smaller data.size."
    )


@torch.inference_mode()
def _validate(trainer: Trainer, batches: Batches) -> dict[str, float]:
    """Losses, CC and NSS over the validation records, at the model's size; NaN without any."""
    trainer.best_generator.eval()
    trainer.discriminator.eval()
    totals: dict[str, list[Tensor]] = {name: [] for name in HISTORY_COLUMNS[6:]}
    for batch in batches:
        prediction = trainer.predict(batch, trainer.best_generator)
        measured = batch.measured
        content = content_loss(prediction, measured, trainer.losses)
        discriminator = fooling = torch.zeros(())
        if trainer.adversarial_weight:
            small, image = trainer.map_size, batch.image[measured.image]
            with trainer.autocast():
                real = trainer.discriminator.logits(_shrink(measured.saliency_map, small), image)
                fake = trainer.discriminator.logits(_shrink(prediction, small), image)
            fooling, discriminator = fooling_loss(fake), discriminator_loss(real, fake)
        generator = trainer.content_weight * content + trainer.adversarial_weight * fooling
        values = {
            "val_generator": generator,
            "val_discriminator": discriminator,
            "val_content": content,
            "val_fooling": fooling,
            "val_cc": batched.cc(prediction, measured.saliency_map),
            "val_nss": batched.nss(prediction, measured.fixations),
        }
        for name, value in values.items():  # one number a record, or the batch's for each of them
            totals[name].append(value.reshape(-1).expand(len(batch)).cpu())
    return {
        name: float(torch.cat(values).double().mean()) if values else math.nan
        for name, values in totals.items()
    }


def _shrink(maps: Tensor, size: int) -> Tensor:
    """``(R, 1, S, S)`` averaged down to the size the discriminator was trained at."""
    return maps if maps.shape[-1] == size else F.interpolate(maps, size=size, mode="area")


def _save_epoch(out: Path, trainer: Trainer, info: dict[str, Any], done: _Done) -> None:
    names = []
    if done.history:  # weights of pretraining are nobody's result
        names = ["last", "best"][: 1 + (best_epoch(done.val_cc) == len(done.history))]
    weights = {k: v.contiguous().cpu() for k, v in trainer.best_generator.state_dict().items()}
    packed = save(weights)
    for name in names:
        write_bytes(out / f"{name}.safetensors", packed)
    last = finished(trainer.profile, done.val_cc)
    if not last or trainer.profile.training.keep_state:
        state = io.BytesIO()
        values = {
            "game": trainer.state(),
            **done._asdict(),
            "info": json.dumps(info),  # as text: weights_only loading then meets tensors and texts
        }
        torch.save(values, state)
        write_bytes(out / "state.pt", state.getbuffer())
    _write_tables(out, info, done)
    if last:
        _drop_state(trainer.profile, out)


def _write_tables(out: Path, info: dict[str, Any], done: _Done) -> None:
    results = {
        "best_epoch": best_epoch(done.val_cc) if done.history else None,
        "seconds_per_epoch": done.seconds,
    }
    write_text(out / "run.json", json.dumps({**info, **results}, indent=1) + "\n")
    for name, rows in (("pretraining", done.pretraining), ("history", done.history)):
        if rows or name == "history":
            columns = HISTORY_COLUMNS if name == "history" else HISTORY_COLUMNS[:6]
            table = pd.DataFrame(rows, columns=list(columns))
            write_text(out / f"{name}.csv", table.to_csv(index=False, float_format="%.9g"))


def _drop_state(profile: Profile, out: Path) -> None:
    if not profile.training.keep_state:
        (out / "state.pt").unlink(missing_ok=True)


def _line(what: str, epochs: int, row: dict[str, float], seconds: float) -> str:
    validation = ""
    if not math.isnan(row.get("val_cc", math.nan)):
        validation = f"  val CC {row['val_cc']:.3f}  val NSS {row['val_nss']:.3f}"
    return (
        f"{what}  epoch {row['epoch']}/{epochs}  generator {row['generator']:.4f}  "
        f"discriminator {row['discriminator']:.4f}  content {row['content']:.4f}"
        f"{validation}  {seconds:.1f} s"
    )
