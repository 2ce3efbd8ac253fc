"""A copy of the embedded dataset that a test may damage."""

import shutil
from pathlib import Path

import numpy as np
from PIL import Image

from csalgan.data import open_dataset


def copy_of(embedded: Path, folder: Path) -> Path:
    """Copy a dataset; the copy is a dataset of its own."""
    shutil.copytree(embedded, folder)
    return folder


def a_record(root: Path, condition: str, number: int = 0) -> str:
    """Name of the ``number``-th record of a condition, of a four-record image."""
    records = open_dataset(root).records
    chosen = records[(records["condition"] == condition) & (records["n_records"] == 4)]
    return chosen["record"].iloc[number]


def write(path: Path, pixels: np.ndarray) -> None:
    """Write a picture over another."""
    Image.fromarray(pixels).save(path)
