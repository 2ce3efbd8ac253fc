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

import json
import math
import os
import sys
import time
from contextlib import nullcontext, suppress
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from safetensors.torch import save
from tqdm import tqdm

from csalgan.config import Profile
from csalgan.data import Dataset, prepare
from csalgan.files.compute import use_threads
from csalgan.files.errors import CsalganError
from csalgan.files.locks import locked
from csalgan.files.writing import CLUTTER, remove_leftovers, write_bytes, write_text
from csalgan.metrics import tuebingen
from csalgan.text import TextEncoder
from csalgan.training import pretraining
from csalgan.training import run as runs
from csalgan.training.batches import Batch, Batches, texts_for
from csalgan.training.losses import discriminator_loss, fooling_loss
from csalgan.training.pretraining import Mixed
from csalgan.training.run import Run
from csalgan.training.trainer import FROZEN_EPOCHS, Trainer, step, write_state

#: Columns of the history that the line of an epoch tells, and what it calls them.
_TOLD = {"generator": "generator", "discriminator": "discriminator", "content": "content"}
_TOLD |= {"val_cc": "val CC", "val_nss": "val NSS"}
_TABLES = ("history.csv", "pretraining.csv")
#: What torch, cuDNN and cuBLAS say where a device is full.
_NO_ROOM = ("out of memory", "ALLOC_FAILED")


def train(
    profile: Profile,
    dataset: Dataset,
    subset: str,
    out: str | os.PathLike,
    *,
    resume: bool = False,
    wait: bool = False,
    progress: bool = True,
    trainer: type[Trainer] = Trainer,
    encoder: TextEncoder | None = None,
) -> Run:
    """Train one model on the training images of one subset.

    Args:
        profile: everything that decides the result.
        dataset: an opened dataset.
        subset: ``total``, ``general``, ``sal`` or ``non_sal``.
        out: the run's folder. An existing run there is refused unless ``resume``.
        resume: continue the run in ``out`` from its last epoch; it must have the same settings.
        wait: for somebody who trains there, instead of being refused; with ``resume``, what they
            have trained is found.
        progress: show a progress bar (on a terminal) or one line an epoch (in a log).
        trainer: a subclass of yours, with another loss, say. Its name stands in the run's
            provenance and is one of its settings: give a changed class another name.
        encoder: a text encoder of yours, in place of the profile's;
            :meth:`csalgan.prediction.Predictor.of_run` then wants it, too.

    Raises:
        CsalganError: an unknown or empty subset, another run in the way, somebody who trains there,
            other settings than the run to resume, a loss that is not a number, a full disk.
    """
    out = Path(out)
    if out.exists() and not out.is_dir():
        raise CsalganError(f"{out}: a file stands where the run's folder is to be; choose another.")
    use_threads(profile.training.threads)
    # First: nothing is made for what is not there.
    method = "" if trainer is Trainer else trainer.__name__
    plan = runs.make_plan(profile, dataset, subset, encoder=encoder, method=method)
    _require_room(out, resume)
    with locked(out, wait=wait):
        remove_leftovers(out)
        try:
            run = _train(profile, dataset, plan, out, resume, progress, trainer)
        except RuntimeError as error:  # of torch, which has several kinds for this
            if not any(told in str(error) for told in _NO_ROOM):
                raise
            raise CsalganError(_too_large(profile)) from error
        torch.cuda.empty_cache()  # a notebook's kernel lives on
        if not profile.training.keep_state:
            (out / "state.pt").unlink(missing_ok=True)
    return run


def _train(
    profile: Profile,
    dataset: Dataset,
    plan: runs.Plan,
    out: Path,
    resume: bool,
    progress: bool,
    kind: type[Trainer],
) -> Run:
    info, encoder, rows, sets = plan
    if resume and (found := runs.standing(out, profile, info)):
        return found
    state = _state_to_resume(out, info, resume)
    known = state.get("history", []), state.get("pretraining", [])
    run = _Training(out, profile, info, progress, *known)
    if run.finished:  # killed just before its tables
        # The run keeps the provenance of the code that trained it.
        info["provenance"] = json.loads(state["info"])["provenance"]
        run.write_tables()
        return Run.load(out)

    prepared = prepare(dataset, profile.data.size)
    text = texts_for(profile, encoder, dataset.records["text"].tolist())
    trainer = kind(profile, encoder)
    if run.history:
        trainer.load_state(state["trainer"])
    elif sets:
        pretraining.take_over(trainer, _pretrained(run, kind, encoder, sets, state))
    if trainer.soup:
        run.start = state.get("start") or deepcopy(pretraining.hand_over(trainer))
    how = trainer.config, trainer.device
    batches = Batches(prepared, rows["train"], text, *how, trainer.map_size)
    validation = Batches(prepared, rows["val"], text, *how)
    while not run.finished:
        if run.history and len(run.history) % trainer.config.epochs == 0:
            trainer = _next_of_soup(trainer, encoder, run.start)
        run.train_one_more(trainer, batches, validation)
    return Run.load(out)


def _pretrained(
    run: "_Training", kind: type[Trainer], encoder: TextEncoder, sets: list[Dataset], state: dict
) -> dict[str, Any]:
    """Weights after pretraining: those kept of an earlier one, else made now and kept.

    Folds begun at once wait for the first. Of somebody's own trainer the name alone is known, not
    what it does: nothing is shared.
    """
    path, ours = pretraining.cached(run.info), kind is Trainer
    with pretraining.alone(path) if ours else nullcontext():
        if ours and not state and (weights := pretraining.recall(path)):
            run.pretraining.extend(weights["history"])
            return weights
        first = pretraining.first_trainer(run.profile, encoder, kind)
        if state:
            first.load_state(state["trainer"])
        batches = Mixed(sets, first, encoder)
        while len(run.pretraining) < run.profile.training.pretrain.epochs:
            run.train_one_more(first, batches)
        weights = pretraining.hand_over(first)
        if ours:
            pretraining.keep(path, weights, run.pretraining)
        return weights


def _next_of_soup(trainer: Trainer, encoder: TextEncoder, start: dict[str, Any]) -> Trainer:
    """Add the current weights to the soup; return a fresh Trainer from the common start.

    The number of the epoch goes on, so it sees the records in another order.
    """
    trainer.soup.update_parameters(trainer.own_generator)
    fresh = type(trainer)(trainer.profile, encoder)
    pretraining.take_over(fresh, start)
    fresh.soup = trainer.soup
    return fresh


@dataclass
class _Training:
    """A run while it is trained: its folder and settings, and a row for each epoch so far."""

    out: Path
    profile: Profile
    info: dict[str, Any]
    progress: bool
    history: list[dict[str, float]]
    pretraining: list[dict[str, float]]
    #: Weights that each training of a soup begins with (:func:`.pretraining.hand_over`).
    start: dict[str, Any] | None = None

    @property
    def val_cc(self) -> list[float]:
        """Validation CC of each epoch."""
        return [row["val_cc"] for row in self.history]

    @property
    def finished(self) -> bool:
        """See :func:`csalgan.training.run.finished`."""
        return runs.finished(self.profile, self.val_cc)

    def train_one_more(
        self,
        trainer: Trainer,
        batches: Batches | Mixed,
        validation: Batches | None = None,
    ) -> None:
        """Train an epoch, validate it, save it; without ``validation`` it is one of pretraining."""
        rows, what = self.history, self.info["subset"]
        if validation is None:
            rows, what = self.pretraining, f"{what} pretraining"
        epoch, began = len(rows) + 1, time.perf_counter()
        what = f"{what}  epoch {epoch}/{trainer.config.length}"
        bar = tqdm(
            batches.shuffled(self.profile.seed, epoch),
            total=len(batches),
            desc=what,
            disable=not (self.progress and sys.stderr.isatty()),
            leave=False,
        )
        row = {"epoch": epoch, **_train_epoch(trainer, bar, epoch)}
        row |= {} if validation is None else _validate(trainer, validation)
        rows.append(row | {"seconds": round(time.perf_counter() - began, 2)})
        self.save_epoch(trainer)
        if self.progress:
            known = {name: value for name, value in row.items() if not math.isnan(value)}
            told = [f"{label} {known[name]:.4f}" for name, label in _TOLD.items() if name in known]
            tqdm.write("  ".join([what, *told, f"{rows[-1]['seconds']:.1f} s"]), file=sys.stderr)

    def save_epoch(self, trainer: Trainer) -> None:
        """Write weights, then the state, then the tables."""
        if self.history:  # weights of pretraining are nobody's result
            weights = trainer.best_generator.state_dict()
            packed = save({key: value.contiguous().cpu() for key, value in weights.items()})
            write_bytes(self.out / "last.safetensors", packed)
            if runs.best_epoch(self.val_cc) == len(self.history):
                write_bytes(self.out / "best.safetensors", packed)
        if not self.finished or self.profile.training.keep_state:
            state = {"trainer": trainer.state(), "history": self.history}
            state |= {"pretraining": self.pretraining, "info": json.dumps(self.info)}
            state |= {"start": self.start}
            write_state(self.out / "state.pt", state)
        self.write_tables()

    def write_tables(self) -> None:
        """Write ``run.json``, then the history."""
        best = runs.best_epoch(self.val_cc) if self.history else None
        seconds = [row.get("seconds", 0.0) for row in self.history]
        results = {"best_epoch": best, "seconds_per_epoch": seconds}
        write_text(self.out / "run.json", json.dumps(self.info | results, indent=1) + "\n")
        tables = {"history": pd.DataFrame(self.history, columns=list(runs.HISTORY_COLUMNS))}
        if self.pretraining:
            before = pd.DataFrame(self.pretraining, columns=["epoch", *runs.TRAINING_COLUMNS])
            tables = {"pretraining": before} | tables
        for name, table in tables.items():
            content = table.to_csv(index=False, float_format="%.9g")
            write_text(self.out / f"{name}.csv", content)


def _require_room(out: Path, resume: bool) -> None:
    """Refuse a folder that holds something, and no run or what is left of one."""
    inside = {path.name for path in out.glob("[!.]*")} - CLUTTER
    ours = {"state.pt", "run.json", "last.safetensors", "best.safetensors"}
    if inside and not inside & ours and not (resume and inside <= set(_TABLES)):
        raise CsalganError(f"{out}: not empty and not a run; choose another --out folder.")


def _state_to_resume(out: Path, info: dict[str, Any], resume: bool) -> dict[str, Any]:
    """Content of ``state.pt`` of the run in the folder; empty where there is no run yet."""
    path = out / "state.pt"
    if not path.exists() and not (out / "run.json").exists():
        for name in _TABLES:  # of a run that has lost the rest
            (out / name).unlink(missing_ok=True)
        return {}
    if not resume:
        raise CsalganError(
            f"{out}: a run stands there; continue it with --resume or choose another."
        )
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        if "game" in state:  # its former name
            state["trainer"] = state.pop("game")
        difference = runs.same_settings(info, json.loads(state["info"]))
    except Exception as error:  # torch raises many kinds for a file that is not its own
        raise CsalganError(
            f"{out}: a training stands there that cannot be read or go on from its state.pt; "
            "choose another out (--out), or let csalgan reproduce --fresh replace it."
        ) from error
    if difference:
        raise CsalganError(f"{out}: cannot be resumed, {difference}; choose another --out folder.")
    return state


def _train_epoch(trainer: Trainer, batches, epoch: int) -> dict[str, float]:
    trainer.begin_epoch(epoch)
    sums, count = torch.zeros(3), 0
    for number, batch in enumerate(batches):
        trainer.set_rates(epoch - 1 + number / batches.total)
        full = None
        try:
            losses = torch.stack([loss.cpu() for loss in step(trainer, batch)])
        except torch.OutOfMemoryError as error:
            full = error.with_traceback(None)  # which would hold on to the device's memory
        if full:
            fits = _largest_that_fits(trainer, batch)
            raise CsalganError(_too_large(trainer.profile, fits)) from full
        for name, loss in zip(runs.TRAINING_COLUMNS, losses.tolist(), strict=False):
            if not math.isfinite(loss):
                raise CsalganError(
                    f"training: the {name} loss is {loss:.3g} at epoch {epoch}, step {number + 1}; "
                    "lower training.learning_rate or use training.precision=float32."
                )
        sums += losses * len(batch)
        count += len(batch)
    values = [*(sums / count).tolist(), *losses[:2].tolist()]
    return dict(zip(runs.TRAINING_COLUMNS, values, strict=True))


def _largest_that_fits(trainer: Trainer, batch: Batch) -> int:
    """How many images of a batch that was too large the device has room for, found by trying.

    Trying spoils the weights, which are thrown away with the training that ends here.
    """
    fits, too_many = 0, len(batch.image)
    trainer.begin_epoch(1 + FROZEN_EPOCHS)  # from which on all learns that ever will
    while too_many - fits > 1:
        for optimiser in (trainer.generator_optimiser, trainer.discriminator_optimiser):
            optimiser.zero_grad(set_to_none=True)
        torch.cuda.empty_cache()
        size = (fits + too_many) // 2
        try:
            step(trainer, batch.first(size))
            fits = size
        except torch.OutOfMemoryError:
            too_many = size
    return fits


def _too_large(profile: Profile, fits: int | None = None) -> str:
    """What to say where the device has no room for a batch, and how large one may be if known."""
    unit, size = profile.training.batches, profile.training.batch_size
    said = f"training.batch_size={size}: {size} {unit} at {profile.data.size} px do not "
    said += "fit into the memory of this device"
    if torch.cuda.is_initialized():
        with suppress(RuntimeError):  # so full that it cannot be asked
            free, total = torch.cuda.mem_get_info()
            if (others := total - free - torch.cuda.memory_reserved()) > total / 10:
                said += f" (others hold {others / 2**30:.1f} GiB of it: fewer --jobs may be enough)"
    if fits:
        return f"{said}; {fits} do, so use training.batch_size={fits}."
    smaller = "data.size" if fits == 0 else "training.batch_size"
    return f"{said}; use a smaller {smaller}."


@torch.inference_mode()
def _validate(trainer: Trainer, batches: Batches) -> dict[str, float]:
    """Losses, CC and NSS over the validation records, at the model's size; NaN without any."""
    generator = trainer.best_generator.eval()
    trainer.discriminator.eval()
    config, columns = trainer.config, [torch.empty(len(runs.VALIDATION_COLUMNS), 0)]
    for batch in batches:
        prediction, measured = trainer.predict(batch, generator), batch.measured
        content = trainer.content(prediction, measured)
        discriminator = fooling = torch.zeros(())
        if config.adversarial_weight:
            real, fake = trainer.judge(batch, measured.saliency_map, prediction)
            fooling, discriminator = fooling_loss(fake), discriminator_loss(real, fake)
        parts = (prediction, measured.saliency_map, measured.fixations)
        maps = [part[:, 0].cpu().numpy() for part in parts]
        scores = [
            (tuebingen.cc(made, target), tuebingen.nss(made, np.argwhere(fixated)))
            if np.isfinite(made).all()
            else (math.nan, math.nan)
            for made, target, fixated in zip(*maps, strict=True)
        ]
        values = (
            config.content_weight * content + config.adversarial_weight * fooling,
            discriminator,
            content,
            fooling,
            *torch.tensor(scores, dtype=torch.float64).T,
        )  # one number a record, or the batch's for each of them
        values = [value.reshape(-1).expand(len(batch)).cpu() for value in values]
        columns.append(torch.stack(values))
    means = [float(column.double().mean()) for column in torch.cat(columns, dim=1)]
    return dict(zip(runs.VALIDATION_COLUMNS, means, strict=True))
