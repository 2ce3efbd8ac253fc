"""Datasets of free viewing with known observers: fixations in memory, maps made from them."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from csalgan.data.dataset import COLUMNS, Dataset
from csalgan.files.errors import CsalganError


class Viewing(NamedTuple):
    """What all observers did with one image.

    Attributes:
        image_id: its name, also that of its only record.
        image_path: the file its pixels come from.
        size: (height, width), pixels.
        fixations: float (N, 2), rows (y, x), pixels, floored later; observer by observer, in order.
        observers: int (N,), the observer's number in the release.
        sigma: blur of the map, pixels: what is taken for one degree of visual angle.
    """

    image_id: str
    image_path: Path
    size: tuple[int, int]
    fixations: np.ndarray
    observers: np.ndarray
    sigma: float


class FreeViewing(Dataset):
    """A dataset of one free-viewing record an image; images nobody looked at have none.

    Args:
        gaze: the file all fixations come from.
        recipe: what was made of it, for the fingerprint.

    Raises:
        CsalganError: nobody looked at any image, one stands there twice, or a fixation lies
            outside its image.
    """

    has_observers = True

    def __init__(
        self, root: Path, title: str, viewings: Sequence[Viewing], gaze: Path, recipe: str
    ):
        names = Counter(each.image_id for each in viewings)
        if twice := [name for name in names if names[name] > 1]:
            raise CsalganError(f"{gaze}: has image {twice[0]} twice; get the release again.")
        self.recipe = recipe
        self._seen = {each.image_id: each for each in viewings if len(each.fixations)}
        rows = []
        for name, each in self._seen.items():
            places = np.floor(each.fixations)
            outside = ((places < 0) | (places >= each.size)).any(axis=1)
            if outside.any():
                y, x = places[outside][0]
                raise CsalganError(
                    f"{gaze}: image {name} ({each.size[0]} × {each.size[1]}) has a fixation "
                    f"outside it, at row {y:g}, column {x:g}; get the release again."
                )
            places, who = places.astype(np.int32), each.observers.astype(np.int32)
            self._seen[name] = each._replace(fixations=places, observers=who)
            row = (name, name, "none", "", str(each.image_path), "", str(gaze), *each.size[::-1])
            rows.append((*row, title, 1))
        if not rows:
            raise CsalganError(f"{gaze}: holds no fixation on any image; get it again.")
        records = pd.DataFrame(rows, columns=COLUMNS).sort_values("image_id", ignore_index=True)
        super().__init__(root, title, records)

    def map(self, record: str) -> np.ndarray:
        each = self._viewing(record)
        return blurred(each.fixations, each.size, each.sigma)

    def fixations(self, record: str) -> np.ndarray:
        return self._viewing(record).fixations

    def observers(self, record: str) -> np.ndarray:
        return self._viewing(record).observers

    def _viewing(self, record: str) -> Viewing:
        return self._seen[self.row(record)["record"]]


@contextmanager
def as_released(path: Path) -> Iterator[None]:
    """Turn any error that the block raises on a file of gaze into a :class:`CsalganError`."""
    try:
        yield
    except CsalganError:
        raise
    except Exception as error:  # h5py raises a dozen kinds for files that are cut or altered
        why = f"{type(error).__name__}: {' '.join(str(error).split())}"
        raise CsalganError(
            f"{path}: is not as released ({why}); get it again from its source."
        ) from error


def of_trials(trials: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Fixations float (N, 2) and observers int (N,) of observers' trials, numbered from 0."""
    observers = np.repeat(np.arange(len(trials)), [len(trial) for trial in trials])
    return np.concatenate([np.empty((0, 2)), *trials]), observers


def blurred(fixations: np.ndarray, size: tuple[int, int], sigma: float) -> np.ndarray:
    """Fixations, int (N, 2) rows (y, x), blurred into a map: uint8 (H, W), largest value 255.

    A Gaussian of ``sigma`` pixels, cut off at 3.5 σ, zero outside the image. It is the product of
    a column and a row, so the sum over fixations is one product of two matrices: several times
    faster than filtering a picture that is 0 nearly everywhere.
    """
    columns = []
    for n, places in zip(size, fixations.T, strict=True):
        distance = np.abs(np.arange(n)[:, None] - places)
        weight = np.exp(-0.5 * (distance / sigma) ** 2)
        columns.append(np.where(distance > int(3.5 * sigma + 0.5), 0, weight))
    total = columns[0] @ columns[1].T
    return np.rint(255 * (total / total.max())).astype(np.uint8)
