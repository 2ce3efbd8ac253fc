"""The trained weights that come with the package, and how a run becomes such a file.

One safetensors file holds the generator in half precision and, as its metadata, everything needed
to build it and to say where it came from. ``README.md`` beside it is the model card.
"""

import hashlib
import json
import math
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from csalgan.config import Profile, profile_from
from csalgan.data import Dataset, make_split
from csalgan.files.errors import CsalganError
from csalgan.files.provenance import Provenance
from csalgan.files.writing import write_bytes
from csalgan.models.build import Generator, load_generator
from csalgan.training import Run

FOLDER = Path(__file__).resolve().parents[1] / "weights"


@dataclass(frozen=True)
class Packed:
    """A packed file, as :class:`csalgan.training.Run` is a run's folder.

    Attributes:
        path: the file.
        info: its metadata: ``profile``, ``provenance``, ``text_fingerprint``, ``text_dim``,
            ``split`` and ``validation`` as plain values.
    """

    path: Path
    info: dict[str, Any]

    @classmethod
    def load(cls, name_or_path: str | Path) -> "Packed":
        """Open a packed file; its tensors are read by :meth:`generator`.

        Args:
            name_or_path: a name of :func:`shipped`, or the path of a file that :func:`pack` wrote.

        Raises:
            CsalganError: no such weights, or the file is not of this kind.
        """
        path = Path(name_or_path)
        if path.suffix != ".safetensors":
            path = FOLDER / f"{name_or_path}.safetensors"
        if not path.is_file():
            known = ", ".join(shipped()) or "none"
            raise CsalganError(
                f"{name_or_path}: no such weights; the package has {known}. Train your own with "
                "`csalgan train --profile best` and give its folder with --run."
            )
        try:
            with safe_open(path, framework="pt") as file:
                info = json.loads(file.metadata()["csalgan"])
            for key in ("profile", "provenance", "split", "text_dim", "text_fingerprint"):
                info[key]
        except (SafetensorError, KeyError, TypeError, ValueError, OSError) as error:
            raise CsalganError(
                f"{path}: not weights that csalgan packed; give a file of `make weights`."
            ) from error
        return cls(path, info)

    @cached_property
    def profile(self) -> Profile:
        """The profile the run was trained with."""
        return profile_from(self.info["profile"], str(self.path))

    @property
    def provenance(self) -> Provenance:
        """Where it came from."""
        return Provenance.of(self.info["provenance"], str(self.path))

    def generator(self) -> Generator:
        """The generator in evaluation mode, float32, on the CPU."""
        return load_generator(self.path, self.profile, self.info["text_dim"], "pack the run again")


def shipped() -> list[str]:
    """Names of the weights in the package; ``compact-minilm`` was trained with MiniLM."""
    return sorted(path.stem for path in FOLDER.glob("*.safetensors"))


def pack(run: Run, dataset: Dataset, path: str | Path) -> dict[str, Any]:
    """Write the generator that a run keeps, in half precision, with everything known of it.

    The images it was trained on are recorded by the rule and seed that drew them, by the
    dataset's fingerprint, and by a digest of their sorted ids.

    Returns:
        :attr:`Packed.info`.

    Raises:
        CsalganError: the dataset is not the one the run was trained on.
    """
    if dataset.fingerprint[:12] != run.provenance.fingerprint:
        raise CsalganError(
            f"{dataset.root}: not the data that {run.folder} was trained on; give that with --data."
        )
    profile = run.profile
    split = make_split(dataset.records, rule=profile.data.rule, seed=profile.split_seed)
    ids = np.unique(split.of("train", dataset.records)["image_id"].to_numpy(str))
    validation = run.kept[["val_cc", "val_nss"]].astype(float)
    about = {
        "profile": profile.as_dict(),
        "provenance": run.provenance.as_dict(),
        "text_dim": run.info["text_dim"],
        "text_fingerprint": run.info["text_fingerprint"],
        "split": {
            "rule": split.rule,
            "seed": split.seed,
            "training_images": len(ids),
            "training_images_sha256": hashlib.sha256("\n".join(ids).encode()).hexdigest(),
        },
        # None where every image was trained on.
        "validation": {
            name: None if math.isnan(value) else value
            for name, value in zip(("cc", "nss"), validation, strict=True)
        },
    }
    state = run.generator().state_dict()
    half = {
        key: (value.half() if value.is_floating_point() else value).contiguous()
        for key, value in state.items()
    }
    write_bytes(path, save(half, metadata={"csalgan": json.dumps(about)}))
    return about


def main() -> None:
    """``python -m csalgan.weights RUN DATA NAME``: put weights into the package."""
    from csalgan.data import open_dataset

    run, data, name = sys.argv[1:]
    path = FOLDER / f"{name}.safetensors"
    about = pack(Run.load(run), open_dataset(data), path)
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB, validation {about['validation']}")
