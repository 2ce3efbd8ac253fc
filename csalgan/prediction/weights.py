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

from csalgan.files.errors import CsalganError
from csalgan.files.writing import write_bytes
from csalgan.training.run import Run, require_info

FOLDER = Path(__file__).resolve().parents[1] / "weights"


def load_packed(name_or_path: str | Path) -> Run:
    """Open a packed file as a run without a history.

    Its ``info`` is the run's, and ``validation`` has the scores of the epoch kept; a file packed
    earlier has less of it.

    Args:
        name_or_path: a name of :func:`shipped`, or the path of a file that :func:`pack` wrote.

    Raises:
        CsalganError: no such weights, or the file is not of this kind.
    """
    path = Path(name_or_path)
    if path.suffix != ".safetensors":
        path = FOLDER / f"{name_or_path}.safetensors"
    if not path.is_file():
        raise CsalganError(
            f"{name_or_path}: no such weights; give the folder of a `csalgan train`, a packed "
            "file.safetensors, the author's generator_*.pt, or a name of the package's "
            f"({', '.join(shipped())})."
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


def pack(run: Run, path: str | Path) -> dict[str, Any]:
    """Write the generator that a run keeps, in half precision, with everything known of it.

    Returns:
        The ``info`` of :func:`load_packed`.
    """
    scores = {"cc": float(run.kept["val_cc"]), "nss": float(run.kept["val_nss"])}
    # None where every image was trained on.
    scores = {name: None if math.isnan(value) else value for name, value in scores.items()}
    about = run.info | {"validation": scores}
    state = run.generator().state_dict()
    half = {
        key: (value.half() if value.is_floating_point() else value).contiguous()
        for key, value in state.items()
    }
    write_bytes(path, save(half, metadata={"csalgan": json.dumps(about)}))
    return about


def main() -> None:
    """``python -m csalgan.weights RUN NAME``: put weights into the package."""
    run, name = sys.argv[1:]
    path = FOLDER / f"{name}.safetensors"
    about = pack(Run.load(run), path)
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB, validation {about['validation']}")
