"""Datasets of free viewing with known observers: fixations in memory, maps made from them."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from csalgan.data import pictures
from csalgan.data.dataset import Arrays, Dataset
from csalgan.files.errors import CsalganError


@dataclass(frozen=True)
class Viewing:
    """What all observers did with one image.

    Attributes:
        image_id: its name, also that of its only record.
        image_path: the file its pixels come from.
        size: (height, width), pixels.
        fixations: int32 (N, 2), rows (y, x), pixels; observer by observer, in order.
        observers: int32 (N,), the observer's number in the release.
        sigma: blur of the map, pixels: one degree of visual angle.
    """

    image_id: str
    image_path: Path
    size: tuple[int, int]
    fixations: np.ndarray
    observers: np.ndarray
    sigma: float

    @classmethod
    def of(
        cls,
        image_id: str,
        image_path: Path,
        size: tuple[int, int],
        trials: Sequence[np.ndarray],
        sigma: float,
    ) -> "Viewing":
        """From the fixations (N, 2) of each observer, numbered from 0; floats are floored."""
        numbers = np.repeat(np.arange(len(trials), dtype=np.int32), [len(each) for each in trials])
        places = np.floor(np.concatenate([np.empty((0, 2)), *trials]))
        places = places.clip(-(2**31), 2**31 - 1).astype(np.int32)
        return cls(image_id, image_path, size, places, numbers, sigma)


def dataset_of(
    root: Path,
    title: str,
    viewings: Sequence[Viewing],
    gaze: Path,
    recipe: str,
    image: Callable[[pd.Series], np.ndarray] | None = None,
) -> Dataset:
    """A dataset of one free-viewing record an image.

    Args:
        gaze: the file all fixations come from.
        recipe: what was made of it, for the fingerprint.
        image: reads a photograph; None reads ``image_path``.

    Raises:
        CsalganError: nobody looked at any image, one stands there twice, or a fixation lies
            outside its image.
    """
    names = Counter(each.image_id for each in viewings)
    if twice := [name for name, count in names.items() if count > 1]:
        raise CsalganError(f"{gaze}: has image {twice[0]} twice; get the release again.")
    seen = {each.image_id: each for each in viewings if len(each.fixations)}
    if not seen:
        raise CsalganError(f"{gaze}: holds no fixation on any image; get it again.")
    for each in seen.values():
        outside = (each.fixations < 0) | (each.fixations >= each.size)
        if outside.any():
            y, x = each.fixations[outside.any(axis=1)][0]
            raise CsalganError(
                f"{gaze}: image {each.image_id} ({each.size[0]} × {each.size[1]}) has a fixation "
                f"outside it, at row {y}, column {x}; get the release again."
            )
    records = pd.DataFrame(
        {
            "record": list(seen),
            "image_id": list(seen),
            "condition": "none",
            "text": "",
            "image_path": [str(each.image_path) for each in seen.values()],
            "map_path": "",
            "fixation_path": str(gaze),
            "width": [each.size[1] for each in seen.values()],
            "height": [each.size[0] for each in seen.values()],
            "source": title,
            "n_records": 1,
        }
    ).sort_values("image_id", ignore_index=True)

    def saliency_map(row: pd.Series) -> np.ndarray:
        each = seen[row["record"]]
        return blurred(each.fixations, each.size, each.sigma)

    arrays = Arrays(
        image=image or (lambda row: pictures.read("image", row["image_path"])),
        map=saliency_map,
        fixations=lambda row: seen[row["record"]].fixations,
        observers=lambda row: seen[row["record"]].observers,
        recipe=recipe,
    )
    return Dataset(root, title, records, arrays)


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
