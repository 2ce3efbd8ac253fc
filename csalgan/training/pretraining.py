"""Free viewing of other photographs, seen before the training itself, with no sentence.

A pretrained run has two trainers. The first sees every free-viewing record of other datasets, with
the settings of the profile and its own schedule. The second begins with the weights the first would
have saved, and with new optimisers, a new running average and a new schedule.

The first does not depend on the split, so the models of several folds share it: its final weights
are kept in the cache (``data/cache/pretrained``) under a digest of everything that decides them.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock

from csalgan.config import Profile
from csalgan.data import Dataset, open_dataset, prepare, require_clean
from csalgan.files import paths
from csalgan.files.errors import CsalganError
from csalgan.files.locks import acquire
from csalgan.files.provenance import Provenance, commit
from csalgan.files.writing import explaining
from csalgan.text import TextEncoder
from csalgan.training.batches import Batch, Batches, texts_for
from csalgan.training.trainer import Trainer, write_state

#: Settings of ``training`` that pretraining does not see; of its own, it sees the epochs.
_NOT_IN_PRETRAINING = ("epochs", "soup", "patience", "keep", "keep_state", "subsets", "pretrain")
_NOT_IN_PRETRAINING += ("device", "precision")  # what they come to is among the rest


def other_sets(profile: Profile, dataset: Dataset) -> list[Dataset]:
    """The datasets of ``training.pretrain.data``, each a path or a folder beside ``dataset``.

    Raises:
        CsalganError: one of them is not there, has no free viewing, or shares images (known by
            their ids) with ``dataset``: those that are tested would have been seen.
    """
    found, own = [], set(dataset.records["image_id"])
    for name in profile.training.pretrain.data:
        places = (dataset.root.parent / name, Path(name).expanduser(), paths.root() / name)
        place = next((place for place in places if place.exists()), None)
        if place is None:
            raise CsalganError(
                f"training.pretrain.data: there is no {places[0]}; put the dataset there, or give "
                "its path: --set training.pretrain.data=[PATH,…]."
            )
        other = open_dataset(place)
        require_clean(other)
        fault = "" if len(_free_viewing(other)) else "has no free viewing"
        if shared := own & set(other.records["image_id"]):
            fault = (
                f"holds {min(shared)} and {len(shared) - 1} more of the images of {dataset.root}"
            )
        if fault:
            raise CsalganError(f"training.pretrain.data: {place} {fault}; pretrain on others.")
        found.append(other)
    return found


def provenance_of(profile: Profile, dataset: Dataset, sets: Sequence[Dataset]) -> Provenance:
    """The provenance of results that a profile gives on a dataset.

    Args:
        sets: the datasets seen before (:func:`other_sets`), each named with its fingerprint.
    """
    return Provenance(
        data=dataset.name,
        fingerprint=dataset.fingerprint[:12],
        encoder=profile.text.encoder,
        profile=profile.name,
        seed=profile.seed,
        commit=commit(),
        pretraining=", ".join(f"{each.name} [{each.fingerprint[:12]}]" for each in sets),
        threads=profile.training.threads,
    )


def first_trainer(profile: Profile, encoder: TextEncoder, kind: type[Trainer] = Trainer) -> Trainer:
    """A trainer with the profile's settings, ``training.pretrain.epochs`` epochs and no soup."""
    changes = {"epochs": profile.training.pretrain.epochs, "soup": 1}
    training = profile.training.model_copy(update=changes)
    return kind(profile.model_copy(update={"training": training}), encoder)


class Mixed:
    """All free-viewing records of several datasets, read with an empty sentence.

    Batches come in random order, each from one of the datasets.
    """

    def __init__(self, sets: Sequence[Dataset], trainer: Trainer, encoder: TextEncoder):
        how = trainer.config, trainer.device, trainer.map_size
        self.parts: list[Batches] = []
        for other in sets:
            text = texts_for(trainer.profile, encoder, [""] * len(other.records))
            packed = prepare(other, trainer.profile.data.size)
            self.parts.append(Batches(packed, _free_viewing(other), text, *how))

    def __len__(self) -> int:
        return sum(map(len, self.parts))

    def shuffled(self, seed: int, epoch: int) -> Iterator[Batch]:
        """Batches in the order, and with the augmentation, that belong to this seed and epoch."""
        turns = np.repeat(np.arange(len(self.parts)), [len(part) for part in self.parts])
        iterators = [part.shuffled(seed, epoch) for part in self.parts]
        for turn in np.random.default_rng([seed, epoch]).permutation(turns):
            yield next(iterators[turn])


def hand_over(first: Trainer) -> dict[str, Any]:
    """State dicts of both networks (``generator`` as validated and saved, ``discriminator``)."""
    players = {"generator": first.best_generator, "discriminator": first.discriminator}
    return {name: player.state_dict() for name, player in players.items()}


def take_over(second: Trainer, weights: dict[str, Any]) -> None:
    """Load state dicts of :func:`hand_over` into a trainer's networks and its running average."""
    second.generator.load_state_dict(weights["generator"])
    second.best_generator.load_state_dict(weights["generator"])
    second.discriminator.load_state_dict(weights["discriminator"])


def cached(info: dict) -> Path:
    """Path of the cached result of a run's pretraining, named by a digest of all that decides it.

    ``info`` is :attr:`csalgan.training.Run.info`.
    """
    profile, training = info["profile"], info["profile"]["training"]
    decides = [
        *(info[key] for key in ("pretrained_on", "text_fingerprint", "code", "device")),
        *(info[key] for key in ("precision", "torch")),
        *(profile[key] for key in ("seed", "model")),
        profile["text"] | {"clip_weights": None},  # text_fingerprint says what lies there
        profile["data"]["size"],
        training["pretrain"]["epochs"],
        {key: value for key, value in training.items() if key not in _NOT_IN_PRETRAINING},
    ]
    digest = hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()
    return paths.cache_dir() / "pretrained" / f"{digest[:24]}.pt"


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Keep a cached result for this process: who comes second waits, and finds it there.

    What stands there already is handed out where nothing can be locked, too.
    """
    if path.is_file():
        yield
        return
    lock = FileLock(path.with_suffix(".lock"))
    with explaining(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        acquire(lock, lambda: "waits for another training's pretraining")
    try:
        yield
    finally:
        lock.release()


def keep(path: Path, weights: dict[str, Any], rows: list[dict[str, float]]) -> None:
    """Keep the weights that pretraining ended at, and its history."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_state(path, weights | {"history": rows})


def recall(path: Path) -> dict[str, Any] | None:
    """What :func:`keep` kept; None when nothing is (or the file is broken: it costs time only)."""
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception:  # torch raises many kinds for a file cut short
        return None


def _free_viewing(dataset: Dataset) -> np.ndarray:
    """Row numbers of its records without a sentence."""
    return np.flatnonzero(dataset.records["condition"] == "none")
