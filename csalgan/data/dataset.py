"""What every reader makes of a folder: a table of records, and arrays on demand."""

import json
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from csalgan.data import pictures, truth
from csalgan.data.records import CONDITIONS_OF_SUBSET, SUBSETS
from csalgan.files.errors import CsalganError
from csalgan.files.inputs import open_file

_MOST_BYTES = 64 * 2**30  # one file may hold all photographs of a dataset
#: Columns of a table of records.
COLUMNS = ["record", "image_id", "condition", "text", "image_path", "map_path", "fixation_path"]
COLUMNS += ["width", "height", "source", "n_records"]


class Dataset:
    """An opened dataset: a table of records, and arrays on demand.

    Attributes:
        root: its folder.
        title: the name of the release.
        records: one row a gaze record, sorted by image, then condition; columns ``record`` (str),
            ``image_id`` (str), ``condition`` (``none``, ``general``, ``non_salient``,
            ``salient``), ``text`` (str, "" for free viewing), ``image_path``, ``map_path`` (""
            where maps are made from fixations), ``fixation_path`` (str), ``width``, ``height``
            (int, pixels), ``source`` (``COCO``, ``Flickr30k``, ``drawn``, or the title),
            ``n_records`` (records of that image).
    """

    #: Whether it is known who made each fixation.
    has_observers = False
    #: What the reader made of the files (fixations left out, blur): part of the fingerprint.
    recipe = ""

    def __init__(self, root: Path, title: str, records: pd.DataFrame):
        self.root, self.title, self.records = root, title, records
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
        """What tables and figures call the dataset."""
        images = self.records["image_id"].nunique()
        if self.truth is not None:
            return f"embedded (synthetic, seed {self.truth['seed']}, {images} images)"
        return f"{self.title} ({images} images)"

    @property
    def has_sentences(self) -> bool:
        """Whether any record was made after reading; False for a set of free viewing alone."""
        return bool((self.records["condition"] != "none").any())

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 (64 hex digits) over names, sentences and the content of every file used.

        The same content gives the same fingerprint wherever it lies.
        """
        return self._hashed()

    def _hashed(self) -> str:
        """The fingerprint of the files as they are now."""
        columns = ["image_path", "map_path", "fixation_path"]
        paths = set(self.records[columns].to_numpy().ravel()) - {""}
        with ThreadPoolExecutor(2) as pool:  # hashing and reading release the lock
            digests = {"": ""} | dict(zip(paths, pool.map(_file_digest, paths), strict=True))
        whole = sha256(self.recipe.encode())
        columns = ["record", "condition", "text", *columns]
        for record, condition, text, *files in self.records[columns].itertuples(index=False):
            line = [record, condition, text, *(digests[file] for file in files)]
            whole.update(json.dumps(line).encode())
        return whole.hexdigest()

    def require_unchanged(self) -> None:
        """Refuse data that were changed since they were opened.

        What is kept under the fingerprint would otherwise be of other files.

        Raises:
            CsalganError: names, sentences or files are others now.
        """
        if self._hashed() != self.fingerprint:
            raise CsalganError(f"{self.root}: was changed meanwhile; give the command again.")

    def row(self, record: str) -> pd.Series:
        """The row of a record.

        Raises:
            CsalganError: no such record.
        """
        if record not in self._row:
            known = self.records["record"].iloc[0]
            raise CsalganError(f"{self.root}: no record {record!r}; names are like {known}.")
        return self.records.iloc[self._row[record]]

    def image(self, record: str) -> np.ndarray:
        """The photograph: uint8 ``(H, W, 3)`` RGB (transparency is dropped, not blended)."""
        return pictures.read("image", self.row(record)["image_path"])

    def map(self, record: str) -> np.ndarray:
        """The measured saliency map: uint8 ``(H, W)``."""
        return pictures.read("map", self.row(record)["map_path"])

    def fixations(self, record: str) -> np.ndarray:
        """Fixated pixels: int32 ``(N, 2)`` rows (y, x), native pixels.

        In reading order and each pixel once where observers are unknown (SJTU-TIS); else observer
        by observer, in the order in which they looked, repeats included.
        """
        white = pictures.read("fixation", self.row(record)["fixation_path"])
        return np.argwhere(white).astype(np.int32)

    def observers(self, record: str) -> np.ndarray:
        """Who made each of :meth:`fixations`: int32 ``(N,)``, the observer's number in the release.

        Raises:
            CsalganError: the release does not say.
        """
        raise CsalganError(
            f"{self.root}: {self.title} does not say who made a fixation; use a dataset with "
            "observers (OSIE, Scene500 or one in pysaliency's format)."
        )

    def subset(self, name: str) -> pd.DataFrame:
        """Records of one of the paper's subsets: ``total``, ``general``, ``sal``, ``non_sal``.

        ``sal`` and ``non_sal`` hold the images with four records only.

        Raises:
            CsalganError: another name.
        """
        return subset_of(self.records, name)


def subset_of(records: pd.DataFrame, name: str) -> pd.DataFrame:
    """Rows of a table of records in a subset of the paper; see :meth:`Dataset.subset`."""
    if name not in SUBSETS:
        raise CsalganError(f"subset {name!r}: use one of {', '.join(SUBSETS)}.")
    chosen = records["condition"].isin(CONDITIONS_OF_SUBSET[name])
    if name in ("sal", "non_sal"):
        chosen &= records["n_records"] == 4
    return records[chosen]


def _file_digest(path: str) -> str:
    try:
        with open_file(path, _MOST_BYTES) as file:
            return file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise CsalganError(f"{path}: cannot be read; copy the dataset again.") from error
