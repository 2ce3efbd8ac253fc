"""What a clone of the author's repository holds: weights, logs and two pictures.

The repository (Firehdx/CLIP-SalGAN) has no licence, so nothing of it is part of this suite: who
wants the comparison clones it and gives the path.
"""

import os
import re
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from csalgan.data.pictures import opened
from csalgan.data.records import SUBSETS
from csalgan.files.errors import CsalganError
from csalgan.files.inputs import read_text

#: The run whose logs are the paper's Figures 6 to 9.
PAPER_RUN = "epoch_50_lr_0.0002"
#: Condition → the picture of the paper's Figures 11 and 12 (8 bit, 640 × 480, total generator).
PICTURES = {"salient": "000000021571_sal.png", "non_salient": "000000021571_non_sal.png"}

_EPOCH = re.compile(
    r"epoch \[(\d+)/\d+\], train_loss: g_loss: (\S+), d_loss: (\S+), val_loss: (\S+)"
)
#: Our own history's names of what a line of the log tells.
_COLUMNS = ["epoch", "last_generator", "last_discriminator", "val_fooling"]


class Weights(NamedTuple):
    """One generator: ``model/<run>/generator_<subset>.pt``."""

    run: str
    subset: str
    path: Path

    @classmethod
    def at(cls, path: Path) -> "Weights":
        """The generator that a file holds, by its name."""
        return cls(path.parent.name, path.stem.removeprefix("generator_"), path)


def find_weights(clone: str | os.PathLike) -> list[Weights]:
    """Every ``model/*/generator_*.pt``, by run and then in the order of Table I.

    Files whose name ends in no subset are among them, last of their run.

    Raises:
        CsalganError: no such folder, or no such file in it.
    """
    folder = Path(clone).expanduser()
    found = [Weights.at(path) for path in sorted(folder.glob("model/*/generator_*.pt"))]
    if not found:
        raise CsalganError(
            f"{folder}: holds no model/*/generator_*.pt; give a clone of the author's repository "
            "(github.com/Firehdx/CLIP-SalGAN)."
        )
    order = {subset: place for place, subset in enumerate(SUBSETS)}
    return sorted(found, key=lambda one: (one.run, order.get(one.subset, len(order)), one.subset))


def author_files(clone: str | os.PathLike) -> list[Path]:
    """Every file of a clone that this suite reads: weights, logs, pictures."""
    kinds = (
        "model/*/generator_*.pt",
        "log/*/log_*.txt",
        *(f"images/{one}" for one in PICTURES.values()),
    )
    return sorted(path for kind in kinds for path in Path(clone).expanduser().glob(kind))


def weights_of(path: str | os.PathLike, subset: str) -> Weights:
    """The generator of a subset: a file, or the one of the paper's run in a clone.

    Raises:
        CsalganError: unknown subset, or no such generator there.
    """
    path = Path(path).expanduser()
    if path.suffix == ".pt":
        return Weights.at(path)
    if subset not in SUBSETS:
        raise CsalganError(f"subset {subset}: use one of {', '.join(SUBSETS)}.")
    found = [one for one in find_weights(path) if one.subset == subset]
    chosen = [one for one in found if one.run == PAPER_RUN] or found
    if len(chosen) != 1:
        raise CsalganError(
            f"{path}: holds {len(found)} generators of {subset} and none of the run {PAPER_RUN}; "
            "give the path of one model/*/generator_*.pt."
        )
    return chosen[0]


def read_log(clone: str | os.PathLike, subset: str, run: str = PAPER_RUN) -> pd.DataFrame:
    """The author's log of a training, one row an epoch.

    Returns:
        ``epoch``, ``last_generator`` and ``last_discriminator`` (losses of the epoch's *last
        batch*) and ``val_fooling`` (mean of BCE(D(prediction), 1) over validation batches), by
        the names of our own history.

    Raises:
        CsalganError: no such log, or no epoch in it.
    """
    path = Path(clone).expanduser() / "log" / run / f"log_{subset}.txt"
    try:
        table = pd.DataFrame(_EPOCH.findall(read_text(path)), columns=_COLUMNS, dtype=float)
        if table.empty:
            raise ValueError("no line of an epoch")
    except (OSError, ValueError) as error:
        raise CsalganError(
            f"{path}: cannot be read as a log; give a clone of the author's repository."
        ) from error
    return table.astype({"epoch": int})


def logged_runs(clone: str | os.PathLike) -> list[str]:
    """Names of the runs with a log, the paper's first."""
    logs = Path(clone).expanduser().glob("log/*/log_*.txt")
    return sorted({path.parent.name for path in logs}, key=lambda run: (run != PAPER_RUN, run))


def read_picture(clone: str | os.PathLike, condition: str) -> np.ndarray:
    """The author's prediction for image 000000021571: uint8 ``(480, 640)``.

    Raises:
        CsalganError: the picture is missing or cannot be read.
    """
    with opened(Path(clone).expanduser() / "images" / PICTURES[condition]) as picture:
        return np.asarray(picture.convert("L"))
