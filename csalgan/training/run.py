"""A training run on disk: what it was trained with, and how to open it again."""

import math
import os
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch

from csalgan.config import Profile, TrainingConfig, profile_from
from csalgan.data import Dataset, Split, make_split
from csalgan.data.splits import PARTS
from csalgan.files.errors import CsalganError
from csalgan.files.inputs import read_json
from csalgan.files.provenance import Provenance
from csalgan.files.spreadsheets import read_csv
from csalgan.models.build import Generator, load_generator
from csalgan.text import TextEncoder, get_encoder
from csalgan.training.pretraining import other_sets, provenance_of
from csalgan.training.trainer import device_of, precision_of

#: Kind of model → raised when a change of the code changes what is trained: runs made before are
#: then neither loaded by a report nor resumed.
VERSIONS = {"paper": "1.1", "compact": "1.3"}

#: Raised when earlier code could not read, or would misread, what ``run.json`` now says.
FORMAT = 1

#: Columns of ``history.csv``: mean losses of the epoch and those of its last batch (what the
#: author's code logs), then losses, CC and NSS on validation; ``val_fooling`` is BCE(D(prediction),
#: 1) alone. Runs made before ``last_*`` and ``val_fooling`` were recorded lack these three.
TRAINING_COLUMNS = ("generator", "discriminator", "content", "last_generator", "last_discriminator")
VALIDATION_COLUMNS = ("val_generator", "val_discriminator", "val_content", "val_fooling")
VALIDATION_COLUMNS += ("val_cc", "val_nss")
HISTORY_COLUMNS = ("epoch", *TRAINING_COLUMNS, *VALIDATION_COLUMNS)

#: What a run's ``run.json`` must hold, or the metadata of a packed one.
_NEEDED = {"profile": dict, "provenance": dict, "text_dim": int, "text_fingerprint": str}
_LARGEST_TEXT = 65_536  # numbers of a sentence's embedding; CLIP's largest has 1,280

#: Settings that change no epoch's result; of pretraining data and CLIP's weights the content is
#: compared, wherever it lies, of device and precision what ``auto`` comes to.
_WITHOUT_EFFECT = {"name", "description", "beside", "training.patience", "training.subsets"}
_WITHOUT_EFFECT |= {"training.keep_state", "training.pretrain.data", "text.clip_weights"}
_WITHOUT_EFFECT |= {"training.device", "training.precision"}


@dataclass(frozen=True)
class Run:
    """A trained (or half-trained) model on disk.

    Attributes:
        folder: the run's folder, or the one file it was packed into
            (:mod:`csalgan.prediction.weights`).
        info: content of ``run.json``.
        history: one row an epoch, columns :data:`HISTORY_COLUMNS`; none of a packed run.
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
            info = read_json(folder / "run.json")
            history = read_csv(folder / "history.csv")
            history[["val_cc", "val_nss"]].to_numpy(float)
        except FileNotFoundError as error:
            raise CsalganError(
                f"{folder}: not a training run (no {Path(error.filename).name}); "
                "train one with `csalgan train --out FOLDER`."
            ) from error
        except (ValueError, OSError, TypeError, KeyError) as error:
            raise CsalganError(
                f"{folder}: a file of this run is broken; train it again."
            ) from error
        require_info(info, folder / "run.json", subset=str)
        return cls(folder, info, history)

    @property
    def subset(self) -> str:
        """``total``, ``general``, ``sal`` or ``non_sal``."""
        return self.info["subset"]

    @cached_property
    def profile(self) -> Profile:
        """The profile it was trained with."""
        return profile_from(self.info["profile"], str(self.folder))

    @property
    def provenance(self) -> Provenance:
        """Where it came from."""
        return Provenance.of(self.info["provenance"], str(self.folder))

    @property
    def images(self) -> frozenset[str] | None:
        """:func:`digests` of the images it was trained on; None of a run that did not keep them."""
        return frozenset(self.info["images"]) if "images" in self.info else None

    @property
    def pretraining_images(self) -> frozenset[str] | None:
        """The same of the images seen before, in pretraining."""
        found = self.info.get("pretraining_images")
        return None if found is None else frozenset(found)

    @property
    def complete(self) -> bool:
        """Whether every epoch of the profile has been trained, or training stopped early."""
        return finished(self.profile, self.val_cc)

    @property
    def val_cc(self) -> list[float]:
        """Validation CC of each epoch."""
        return self.history["val_cc"].tolist()

    @property
    def kept(self) -> pd.Series:
        """The epoch whose weights :meth:`generator` gives: its row of ``history``."""
        best = self.profile.training.keep == "best"
        return self.history.iloc[best_epoch(self.val_cc) - 1 if best else -1]

    def generator(self, which: str | None = None) -> Generator:
        """The trained generator in evaluation mode, float32, on the CPU.

        Args:
            which: ``best`` or ``last``; by default the one that the profile keeps.
        """
        path = self.folder
        if not path.is_file():
            path = path / f"{which or self.profile.training.keep}.safetensors"
        return load_generator(path, self.profile, self.info["text_dim"], "train it again")


def require_info(info: Any, source: Path, **more: type) -> None:
    """Refuse the content of a ``run.json`` that does not describe a run.

    Raises:
        CsalganError: no keys, a key that is missing or of another type, another provenance.
    """
    if not isinstance(info, dict):
        raise CsalganError(f"{source}: is broken, it holds no keys; train it again.")
    if type(form := info.get("format", 1)) is not int or form > FORMAT:
        raise CsalganError(f"{source}: was made by a later csalgan; use that, or a later one.")
    for key, kind in (_NEEDED | more).items():
        if type(info.get(key)) is not kind:
            raise CsalganError(f"{source}: {key} is missing, or no {kind.__name__}; train again.")
    for key in ("images", "pretraining_images"):
        images = info.get(key, [])
        if not isinstance(images, list) or not all(isinstance(one, str) for one in images):
            raise CsalganError(f"{source}: {key} is no list of digests; train it again.")
    if not 0 < info["text_dim"] <= _LARGEST_TEXT:
        raise CsalganError(f"{source}: text_dim is no size of an embedding; train it again.")
    Provenance.of(info["provenance"], str(source))


class Plan(NamedTuple):
    """What a training needs, computed before any file is written.

    Attributes:
        info: everything that decides its result, the content of ``run.json`` before the first
            epoch.
        encoder: the text encoder.
        rows: row numbers of the ``train``, ``val`` and ``test`` records (:func:`part_rows`).
        pretraining: the datasets seen before.
    """

    info: dict[str, Any]
    encoder: TextEncoder
    rows: dict[str, np.ndarray]
    pretraining: list[Dataset]


def describe(profile: Profile, dataset: Dataset, subset: str) -> dict[str, Any]:
    """:attr:`Plan.info` of a training; raises as :func:`make_plan`."""
    return make_plan(profile, dataset, subset).info


def make_plan(
    profile: Profile,
    dataset: Dataset,
    subset: str,
    *,
    encoder: TextEncoder | None = None,
    method: str = "",
) -> Plan:
    """Find what a training needs.

    Args:
        encoder: in place of the profile's.
        method: name of the trainer, where it is not the suite's.

    Raises:
        CsalganError: unknown subset, no records in a part, or missing text encoder weights.
    """
    if encoder is None:
        encoder = get_encoder(profile.text.encoder, clip_weights=profile.text.clip_weights)
    split = make_split(dataset.records, rule=profile.data.rule, seed=profile.split_seed)
    rows = part_rows(dataset, profile, split, subset)
    sets = other_sets(profile, dataset)
    device = device_of(profile.training.device)
    provenance = provenance_of(profile, dataset, sets).with_(
        device=device.type,
        encoder=encoder.name,
        profile=f"{profile.name} with {method}" if method else profile.name,
    )
    info = {
        "format": FORMAT,
        "subset": subset,
        "profile": profile.as_dict(),
        "provenance": provenance.as_dict(),
        "pretrained_on": [each.fingerprint[:12] for each in sets],
        "text_dim": encoder.dim,
        "text_fingerprint": encoder.fingerprint,
        "code": f"{VERSIONS[profile.model.kind]} {method}".strip(),
        "device": device.type,
        "precision": precision_of(profile.training.precision, device),
        "records": {part: len(numbers) for part, numbers in rows.items()},
        "images": sorted(set(digests(dataset.records["image_id"].iloc[rows["train"]]))),
        "pretraining_images": sorted(
            set().union(*(digests(one.records["image_id"]) for one in sets))
        ),
        "torch": torch.__version__,
    }
    return Plan(info, encoder, rows, sets)


def digests(image_ids: pd.Series) -> pd.Series:
    """First 12 hex digits of SHA-256 of each image's id; the same in every dataset."""
    return image_ids.map(lambda image: sha256(image.encode()).hexdigest()[:12])


def among(image_ids: pd.Series, images: frozenset[str] | None, *, otherwise: bool) -> pd.Series:
    """Which image ids are among the :func:`digests` that a run kept: bool, of the same index.

    Args:
        images: None where the run kept none; ``otherwise`` is then said of all.
    """
    if images is None:
        return pd.Series(data=otherwise, index=image_ids.index)
    return digests(image_ids).isin(images)


def best_epoch(val_cc: list[float]) -> int:
    """The epoch with the highest validation CC (the first of equals; an undefined CC is lowest)."""
    return int(np.argmax(np.nan_to_num(val_cc, nan=-math.inf))) + 1


def finished(profile: Profile, val_cc: list[float]) -> bool:
    """Whether training is over: all epochs are trained, or patience has run out."""
    if len(val_cc) >= profile.training.length:
        return True
    patience = profile.training.patience
    return bool(patience and val_cc and len(val_cc) - best_epoch(val_cc) >= patience)


def standing(folder: Path, profile: Profile, info: dict[str, Any]) -> Run | None:
    """The finished run in a folder; None where there is none, or one that can go on.

    Args:
        info: of :func:`describe`: what is wanted.

    Raises:
        CsalganError: a training of other settings, or of more epochs, stands there: it may be
            all somebody has.
    """
    try:
        run = Run.load(folder)
        done, training = finished(profile, run.val_cc), profile.training
        # A finished one serves wherever it was trained; one that goes on would change its machine.
        difference = same_settings(info | (_left_open(training, run) if done else {}), run.info)
    except CsalganError:  # none, or none that can be opened
        return None
    epochs, wanted, state = len(run.history), training.length, folder / "state.pt"
    # A complete run whose state was not kept has nothing from which to go on.
    if epochs > wanted or (run.complete and not done and not state.is_file()):
        difference = difference or (
            f"it has {epochs} epochs, {wanted} are wanted, and only a training with "
            "training.keep_state=true can be given more"
        )
    if difference and epochs:
        raise CsalganError(
            f"{folder}: a training of other settings stands there ({difference}); choose "
            "another out (--out) for these, or let csalgan reproduce --fresh replace it."
        )
    return None if difference or not done else run


def _left_open(training: TrainingConfig, run: Run) -> dict[str, str]:
    """What ``auto`` came to where a run was trained, of settings that are ``auto`` here, too."""
    found = {}
    for key in ("device", "precision"):
        asked = getattr(training, key), getattr(run.profile.training, key)
        if asked == ("auto", "auto") and key in run.info:
            found[key] = run.info[key]
    return found


def same_settings(info: dict[str, Any], other: dict[str, Any]) -> str | None:
    """None when two runs would be the same up to their length, else the first difference."""
    wanted, found = _decisive(info), _decisive(other)
    if "threads" not in other["profile"].get("training", {}):
        del wanted["training.threads"]  # as many as the machine had, which nobody wrote down
    for key, value in wanted.items():
        if value != found.get(key):
            return f"{key} {found.get(key)} is now {value}"
    return None


def _decisive(info: dict[str, Any]) -> dict[str, Any]:
    """All that decides the result of an epoch; a run's older profile gets today's defaults."""
    profile = profile_from(info["profile"], "the earlier run")
    settings = pd.json_normalize(profile.as_dict()).to_dict("records")[0]
    if profile.training.schedule == "constant" and profile.training.soup == 1:
        del settings["training.epochs"]  # a cosine's rates depend on its length
    keys = ("subset", "text_fingerprint", "code", "device", "precision")
    return {
        **{key: info.get(key) for key in keys},
        "data": info["provenance"]["fingerprint"],
        "pretraining data": info.get("pretrained_on", []),
        **{
            key: value
            for key, value in settings.items()
            if key not in _WITHOUT_EFFECT and not key.startswith("evaluation.")
        },
    }


def subset_records(dataset: Dataset, subset: str, free_viewing: str = "subset") -> pd.DataFrame:
    """Records of a subset; ``free_viewing='all'`` adds that of every image (author's code)."""
    records = dataset.subset(subset)
    if free_viewing == "all":
        chosen = dataset.records["record"].isin(records["record"])
        records = dataset.records[chosen | (dataset.records["condition"] == "none")]
    return records


def part_rows(
    dataset: Dataset, profile: Profile, split: Split, subset: str
) -> dict[str, np.ndarray]:
    """Row numbers in ``dataset.records`` of the subset's ``train``, ``val`` and ``test`` records.

    Returns:
        Part → int64 ``(n,)``, ascending.

    Raises:
        CsalganError: the subset has no record in one of the parts (of ``all``: in ``train``).
    """
    records, rows = subset_records(dataset, subset, profile.data.free_viewing), {}
    for part in PARTS:
        rows[part] = split.of(part, records).index.to_numpy(dtype=np.int64)
        if not len(rows[part]) and (part == "train" or split.rule != "all"):
            raise CsalganError(
                f"{dataset.root}: subset {subset} has no {part} records; "
                "use a dataset with more images of that condition."
            )
    return rows
