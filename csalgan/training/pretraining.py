"""Free viewing of other photographs, seen before the training itself, with no sentence.

A pretrained run has two trainers. The first sees every free-viewing record of other datasets, with
the settings of the profile and its own schedule; the second begins with the weights the first would
have saved, and is the profile as it is: new optimisers, a new average, a new schedule.

The first knows nothing of the split, so the models of several folds share it: what it ended at is
kept in the cache (``data/cache/pretrained``) under a digest of everything that decides it.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from csalgan.config import Profile
from csalgan.data import Dataset, open_dataset, prepare, require_clean
from csalgan.files import paths
from csalgan.files.errors import CsalganError
from csalgan.files.writing import write_bytes
from csalgan.text import TextEncoder
from csalgan.training.batches import Batch, Batches, texts_for
from csalgan.training.trainer import Trainer


def other_sets(profile: Profile, dataset: Dataset) -> list[Dataset]:
    """The datasets of ``training.pretrain.data``, each a path or a folder beside ``dataset``.

    Raises:
        CsalganError: one of them is not there, has no free viewing, or is ``dataset`` itself.
    """
    found = []
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
        if other.fingerprint == dataset.fingerprint:
            raise CsalganError(
                f"training.pretrain.data: {place} is the dataset that is trained and tested on; "
                "pretrain on others."
            )
        if not len(_free_viewing(other)):
            raise CsalganError(
                f"training.pretrain.data: {place} has no free viewing, so nothing can be learnt "
                "from it without a sentence; leave it out."
            )
        found.append(other)
    return found


def names_of(sets: Sequence[Dataset]) -> str:
    """What stands on a run's receipt: each dataset with its fingerprint; "" without any."""
    return ", ".join(f"{each.name} [{each.fingerprint[:12]}]" for each in sets)


def first_trainer(profile: Profile, encoder: TextEncoder) -> Trainer:
    """The trainer of pretraining: the profile's, as long as ``training.pretrain.epochs``."""
    changes = {"epochs": profile.training.pretrain.epochs}
    training = profile.training.model_copy(update=changes)
    return Trainer(profile.model_copy(update={"training": training}), encoder)


def batches(sets: Sequence[Dataset], trainer: Trainer, encoder: TextEncoder) -> "Mixed":
    """All free-viewing records of all datasets, read with an empty sentence."""
    config, size = trainer.profile.training, trainer.profile.data.size
    return Mixed(
        [
            Batches(
                prepare(other, size),
                _free_viewing(other),
                texts_for(trainer.profile, encoder, [""] * len(other.records)),
                config.batch_size,
                trainer.device,
                by=config.batches,
                map_size=trainer.map_size,
                augmentation=config.augment,
            )
            for other in sets
        ]
    )


class Mixed:
    """The batches of several datasets in random order; each batch comes from one of them."""

    def __init__(self, parts: Sequence[Batches]):
        self.parts = parts

    def __len__(self) -> int:
        return sum(map(len, self.parts))

    def shuffled(self, seed: int, epoch: int) -> Iterator[Batch]:
        """Batches in the order, and with the augmentation, that belong to this seed and epoch."""
        turns = np.repeat(np.arange(len(self.parts)), [len(part) for part in self.parts])
        iterators = [part.shuffled(seed, epoch) for part in self.parts]
        for turn in np.random.default_rng([seed, epoch]).permutation(turns):
            yield next(iterators[turn])


def hand_over(first: Trainer, second: Trainer) -> None:
    """Give the second trainer the weights that the first would have saved."""
    weights = first.best_generator.state_dict()
    second.generator.load_state_dict(weights)
    if second.averaged is not None:
        second.averaged.module.load_state_dict(weights)
    second.discriminator.load_state_dict(first.discriminator.state_dict())


def cached(info: dict) -> Path:
    """Where the end of a run's pretraining is kept.

    Args:
        info: :func:`csalgan.training.run.describe` of the run.
    """
    profile = info["profile"]
    decides = {
        "pretrained_on": info["pretrained_on"],
        **{key: info[key] for key in ("text_fingerprint", "code", "device", "precision", "torch")},
        "seed": profile["seed"],
        "size": profile["data"]["size"],
        **{key: profile[key] for key in ("model", "text")},
        "training": {
            **{k: v for k, v in profile["training"].items() if k not in _NOT_IN_PRETRAINING},
            "pretrain": profile["training"]["pretrain"]["epochs"],
        },
    }
    digest = hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()
    return paths.cache_dir() / "pretrained" / f"{digest[:24]}.safetensors"


def keep(path: Path, first: Trainer, rows: list[dict[str, float]]) -> None:
    """Keep what :func:`hand_over` needs of the first trainer, and its history."""
    players = {"generator": first.best_generator, "discriminator": first.discriminator}
    tensors = {
        f"{name}.{key}": value.contiguous().cpu()
        for name, player in players.items()
        for key, value in player.state_dict().items()
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(path, save(tensors, metadata={"history": json.dumps(rows)}))


def recall(path: Path, first: Trainer) -> list[dict[str, float]]:
    """Give the first trainer the weights it ended at, if they are known.

    Returns:
        Its history; empty when they are not known (or the file is broken, which costs time only).
    """
    try:
        with safe_open(path, framework="pt") as file:
            rows = json.loads(file.metadata()["history"])
            for name in ("generator", "discriminator"):
                player = first.best_generator if name == "generator" else first.discriminator
                wanted = player.state_dict()
                player.load_state_dict({key: file.get_tensor(f"{name}.{key}") for key in wanted})
    except (OSError, SafetensorError, KeyError, TypeError, ValueError, RuntimeError):
        return []
    return rows


#: Settings of ``training`` that pretraining does not see.
_NOT_IN_PRETRAINING = ("epochs", "patience", "keep", "keep_state", "subsets", "pretrain")


def _free_viewing(dataset: Dataset) -> np.ndarray:
    """Row numbers of its records without a sentence."""
    return np.flatnonzero(dataset.records["condition"] == "none")
