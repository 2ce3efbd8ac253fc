"""What every reader makes of a folder: a table of records, and arrays on demand."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from csalgan.data import truth
from csalgan.data.records import CONDITIONS_OF_SUBSET, SUBSETS
from csalgan.files.errors import CsalganError
from csalgan.files.inputs import open_file


class Arrays(NamedTuple):
    """How a layout's arrays are read, each from a row of the table of records.

    ``observers`` is None where nobody knows who fixated. ``recipe`` says what the reader made of
    the files (which fixations it left out, how it blurred them); it is part of the fingerprint.
    """

    image: Callable[[pd.Series], np.ndarray]
    map: Callable[[pd.Series], np.ndarray]
    fixations: Callable[[pd.Series], np.ndarray]
    observers: Callable[[pd.Series], np.ndarray] | None = None
    recipe: str = ""


class Dataset:
    """An opened dataset: a table of records, and arrays on demand.

    Attributes:
        root: its folder.
        title: the name of the release.
        records: one row a gaze record, sorted by image, then condition; columns ``record`` (str),
            ``image_id`` (str), ``condition`` (``none``, ``general``, ``non_salient``,
            ``salient``), ``text`` (str, "" for free viewing), ``image_path``, ``map_path`` (""
            where maps are made from fixations), ``fixation_path`` (str), ``width``, ``height``
            (int, pixels), ``source`` (``COCO``, ``Flickr30k``, or the title), ``n_records``
            (records of that image).
    """

    def __init__(self, root: Path, title: str, records: pd.DataFrame, arrays: Arrays):
        self.root, self.title = root, title
        self.records = records
        self._arrays = arrays
        self._row = {record: number for number, record in enumerate(records["record"])}

    @cached_property
    def truth(self) -> dict[str, Any] | None:
        """Known ground truth of an embedded dataset (``synthetic.json``); None for real gaze."""
        path = self.root / truth.NAME
        return truth.read_truth(path, self.records["record"]) if path.exists() else None

    @property
    def synthetic(self) -> bool:
        """Whether the gaze is simulated."""
        return self.truth is not None

    @property
    def name(self) -> str:
        """What stands on tables and figures."""
        images = self.records["image_id"].nunique()
        if self.truth is not None:
            return f"embedded (synthetic, seed {self.truth['seed']}, {images} images)"
        return f"{self.title} ({images} images)"

    @property
    def has_sentences(self) -> bool:
        """Whether any record was made after reading; False for a set of free viewing alone."""
        return bool((self.records["condition"] != "none").any())

    @property
    def has_observers(self) -> bool:
        """Whether it is known who made each fixation."""
        return self._arrays.observers is not None

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 (64 hex digits) over names, sentences and the content of every file used.

        The same content gives the same fingerprint wherever it lies.
        """
        columns = ["image_path", "map_path", "fixation_path"]
        paths = list(dict.fromkeys(self.records[columns].to_numpy().T.ravel()))
        with ThreadPoolExecutor(2) as pool:  # hashing and reading release the lock
            digests = dict(zip(paths, pool.map(_file_digest, paths), strict=True))
        whole = sha256(self._arrays.recipe.encode())
        columns = ["record", "condition", "text", *columns]
        for record, condition, text, *files in self.records[columns].itertuples(index=False):
            line = [record, condition, text, *(digests[file] for file in files)]
            whole.update(json.dumps(line).encode())
        return whole.hexdigest()

    def row(self, record: str) -> pd.Series:
        """The row of a record.

        Raises:
            CsalganError: no such record.
        """
        if record not in self._row:
            raise CsalganError(f"{self.root}: no record {record!r}; see its table of records.")
        return self.records.iloc[self._row[record]]

    def image(self, record: str) -> np.ndarray:
        """The photograph: uint8 ``(H, W, 3)`` RGB (transparency is dropped, not blended)."""
        return self._arrays.image(self.row(record))

    def map(self, record: str) -> np.ndarray:
        """The measured saliency map: uint8 ``(H, W)``."""
        return self._arrays.map(self.row(record))

    def fixations(self, record: str) -> np.ndarray:
        """Fixated pixels: int32 ``(N, 2)`` rows (y, x), native pixels.

        In reading order and each pixel once where observers are unknown (SJTU-TIS); else observer
        by observer, in the order in which they looked, repeats included.
        """
        return self._arrays.fixations(self.row(record))

    def observers(self, record: str) -> np.ndarray:
        """Who made each of :meth:`fixations`: int32 ``(N,)``, the observer's number in the release.

        Raises:
            CsalganError: the release does not say.
        """
        if self._arrays.observers is None:
            raise CsalganError(
                f"{self.root}: {self.title} does not say who made a fixation; use a dataset with "
                "observers (OSIE, Scene500 or one in pysaliency's format)."
            )
        return self._arrays.observers(self.row(record))

    def subset(self, name: str) -> pd.DataFrame:
        """Records of one of the paper's subsets: ``total``, ``general``, ``sal``, ``non_sal``.

        ``sal`` and ``non_sal`` hold the images with four records only.

        Raises:
            CsalganError: another name.
        """
        if name not in SUBSETS:
            raise CsalganError(f"subset {name!r}: use one of {', '.join(SUBSETS)}.")
        chosen = self.records["condition"].isin(CONDITIONS_OF_SUBSET[name])
        if name in ("sal", "non_sal"):
            chosen &= self.records["n_records"] == 4
        return self.records[chosen]


def _file_digest(path: str) -> str:
    if not path:
        return ""
    try:
        with open_file(path) as file:
            return file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise CsalganError(f"{path}: cannot be read; copy the dataset again.") from error
