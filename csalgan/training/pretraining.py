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
from torch import Tensor

from csalgan.config import Profile
from csalgan.data import Dataset, open_dataset, prepare, require_clean
from csalgan.files import paths
from csalgan.files.errors import CsalganError
from csalgan.files.writing import write_bytes
from csalgan.text import TextEncoder
from csalgan.training.batches import Batch, Batches, texts_for
from csalgan.training.trainer import Trainer

#: Settings of ``training`` that pretraining does not see; of its own, it sees the epochs.
_NOT_IN_PRETRAINING = ("epochs", "patience", "keep", "keep_state", "subsets", "pretrain")


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


def weights_of(trainer: Trainer) -> dict[str, Tensor]:
    """What the second trainer takes of the first: both networks as they would be saved."""
    players = {"generator": trainer.best_generator, "discriminator": trainer.discriminator}
    return {
        f"{name}.{key}": value.contiguous().cpu()
        for name, player in players.items()
        for key, value in player.state_dict().items()
    }


def hand_over(weights: dict[str, Tensor], second: Trainer) -> None:
    """Let the second trainer begin with the weights of the first (:func:`weights_of`)."""
    players = [("generator.", second.generator), ("discriminator.", second.discriminator)]
    if second.averaged is not None:
        players.append(("generator.", second.averaged.module))
    for name, player in players:
        player.load_state_dict({key: weights[name + key] for key in player.state_dict()})


def cached(info: dict) -> Path:
    """Where the end of a run's pretraining is kept; ``info`` is :attr:`csalgan.training.Run.info`.

    Its name is a digest of all that decides it.
    """
    profile, training = info["profile"], info["profile"]["training"]
    decides = [
        *(info[key] for key in ("pretrained_on", "text_fingerprint", "code", "device")),
        *(info[key] for key in ("precision", "torch")),
        *(profile[key] for key in ("seed", "model", "text")),
        profile["data"]["size"],
        training["pretrain"]["epochs"],
        {key: value for key, value in training.items() if key not in _NOT_IN_PRETRAINING},
    ]
    digest = hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()
    return paths.cache_dir() / "pretrained" / f"{digest[:24]}.safetensors"


def keep(path: Path, weights: dict[str, Tensor], rows: list[dict[str, float]]) -> None:
    """Keep the weights that pretraining ended at, and its history."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(path, save(weights, metadata={"history": json.dumps(rows)}))


def recall(path: Path) -> tuple[dict[str, Tensor], list[dict[str, float]]] | None:
    """What :func:`keep` kept; None when nothing is (or the file is broken: it costs time only)."""
    try:
        with safe_open(path, framework="pt") as file:
            weights = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
            return weights, json.loads(file.metadata()["history"])
    except (OSError, SafetensorError, KeyError, TypeError, ValueError):
        return None


def _free_viewing(dataset: Dataset) -> np.ndarray:
    """Row numbers of its records without a sentence."""
    return np.flatnonzero(dataset.records["condition"] == "none")
