"""The trained weights that come with the package, and how a run becomes such a file.

One safetensors file holds the generator in half precision and, as its metadata, everything needed
to build it and to say where it came from. ``README.md`` beside it is the model card.
"""

import json
import math
import sys
from pathlib import Path
from typing import Any

import pandas as pd
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from csalgan.data import Dataset, make_split
from csalgan.files.errors import CsalganError
from csalgan.files.writing import write_bytes
from csalgan.training.run import Run, digests, require_info

FOLDER = Path(__file__).resolve().parents[1] / "weights"


def load_packed(name_or_path: str | Path) -> Run:
    """Open a packed file as a run without a history.

    Its ``info`` has ``profile``, ``provenance``, ``text_fingerprint``, ``text_dim``, ``split`` and
    ``validation`` as plain values.

    Args:
        name_or_path: a name of :func:`shipped`, or the path of a file that :func:`pack` wrote.

    Raises:
        CsalganError: no such weights, or the file is not of this kind.
    """
    path = Path(name_or_path)
    if path.suffix != ".safetensors":
        path = FOLDER / f"{name_or_path}.safetensors"
    if not path.is_file():
        if Path(name_or_path).exists():
            raise CsalganError(
                f"{name_or_path}: is no file of weights; give a packed .safetensors, a training "
                "run's folder, or the author's generator_*.pt."
            )
        known = ", ".join(shipped()) or "none"
        raise CsalganError(
            f"{name_or_path}: no such weights; the package has {known}. Train your own with "
            "`csalgan train --profile best` and give its folder with --run."
        )
    try:
        with safe_open(path, framework="pt") as file:
            info = json.loads(file.metadata()["csalgan"])
    except (SafetensorError, KeyError, TypeError, ValueError, OSError, RecursionError) as error:
        raise CsalganError(
            f"{path}: not weights that csalgan packed; give a file of `make weights`."
        ) from error
    require_info(info, path)
    return Run(path, info, pd.DataFrame())


def shipped() -> list[str]:
    """Names of the weights in the package; ``compact-minilm`` was trained with MiniLM."""
    return sorted(path.stem for path in FOLDER.glob("*.safetensors"))


def pack(run: Run, dataset: Dataset, path: str | Path) -> dict[str, Any]:
    """Write the generator that a run keeps, in half precision, with everything known of it.

    The images it was trained on are recorded by the rule and seed that drew them, by the
    dataset's fingerprint, and by digests of their ids.

    Returns:
        The ``info`` of :func:`load_packed`.

    Raises:
        CsalganError: the dataset is not the one the run was trained on.
    """
    if dataset.fingerprint[:12] != run.provenance.fingerprint:
        raise CsalganError(
            f"{dataset.root}: not the data that {run.folder} was trained on; give that with --data."
        )
    profile = run.profile
    split = make_split(dataset.records, rule=profile.data.rule, seed=profile.split_seed)
    train = split.of("train", dataset.subset(run.subset))
    images = run.info.get("images") or sorted(set(digests(train["image_id"])))
    known = {"cc": float(run.kept["val_cc"]), "nss": float(run.kept["val_nss"])}
    kept = ("provenance", "text_dim", "text_fingerprint", "pretraining_images")
    about = {key: run.info[key] for key in kept if key in run.info}
    about |= {
        "profile": profile.as_dict(),
        "split": {
            "rule": split.rule,
            "seed": split.seed,
            "training_images": len(images),
        },
        "images": images,
        # None where every image was trained on.
        "validation": {name: None if math.isnan(v) else v for name, v in known.items()},
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
