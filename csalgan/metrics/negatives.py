"""The negatives of shuffled AUC: fixations of other images, packed, mapped on demand."""

import zlib
from collections.abc import Sequence
from functools import lru_cache

import numpy as np


class NegativePool:
    """All fixations of a dataset as one packed array, from which each record draws its negatives.

    The negatives of a record are the fixations of *other images*: its own image is left out in
    every condition, since one picture shown with another sentence is not another picture. They
    can be kept to one reading condition, which is an experiment of its own: gaze after another
    kind of sentence spreads differently over pictures in general.
    The pool keeps 8 bytes a fixation (1530 records: about 2 MB) and 8 for each of the last four
    map sizes it was asked for, whatever the size of the maps; of the last four negatives it gave,
    8 each.

    Parameters
    ----------
    image_ids
        One id per record; records of one image carry the same id.
    fixations
        One int (N, 2) array per record, rows (y, x) in native pixels.
    shapes
        One (height, width) per record.
    conditions
        One reading condition per record.
    """

    def __init__(
        self,
        image_ids: Sequence[str],
        fixations: Sequence[np.ndarray],
        shapes: np.ndarray,
        conditions: Sequence[str],
    ):
        self._ids, self._conditions = (np.asarray(one, str) for one in (image_ids, conditions))
        packed = [np.asarray(points, dtype=np.int32).reshape(-1, 2) for points in fixations]
        self._points = np.concatenate(packed)
        self._shapes = np.asarray(shapes, dtype=np.int64)
        self._lengths = [len(points) for points in packed]
        # Images come in few sizes; the pool in the last few is worth keeping (8 bytes a fixation).
        self._mapped = lru_cache(maxsize=4)(self._map_to)
        # The observers of an image, and its conditions when pooled, have the same ones.
        self._chosen = lru_cache(maxsize=4)(self._choose)

    def negatives(
        self,
        image_id: str,
        shape: tuple[int, int],
        *,
        condition: str | None = None,
        n_images: int | None = None,
        seed: int = 0,
    ) -> np.ndarray:
        """Fixations of other images in the pixels of this one.

        A point (y, x) of an image of h × w pixels goes to (⌊y · H/h⌋, ⌊x · W/w⌋), as pysaliency's
        ``FullShuffledNonfixationProvider`` maps it.

        Parameters
        ----------
        image_id
            The image to leave out (it need not be in the pool).
        shape
            (H, W) to map to.
        condition
            Only fixations of records of this condition; None pools all conditions.
        n_images
            Take this many other images at random (``mit``: 10); None takes all (``tuebingen``).
        seed
            For that draw; the same image and seed give the same points.

        Returns
        -------
        int32 (M, 2), rows (y, x); every point lies in the map; read-only.
        """
        height, width = shape
        return self._chosen(image_id, (int(height), int(width)), condition, n_images, seed)

    def _choose(
        self,
        image_id: str,
        shape: tuple[int, int],
        condition: str | None,
        n_images: int | None,
        seed: int,
    ) -> np.ndarray:
        rng = np.random.default_rng([seed, zlib.crc32(image_id.encode())])
        taken = self._ids != image_id
        if condition is not None:
            taken &= self._conditions == condition
        if n_images is not None:
            others = np.unique(self._ids[taken])
            if n_images < others.size:
                taken &= np.isin(self._ids, rng.choice(others, n_images, replace=False))
        chosen = self._mapped(shape)[np.repeat(taken, self._lengths)]
        chosen.setflags(write=False)
        return chosen

    def _map_to(self, shape: tuple[int, int]) -> np.ndarray:
        """The whole pool in the pixels of one shape, int32 (N, 2)."""
        factor = np.asarray(shape, dtype=np.float64) / self._shapes  # (records, 2)
        return (self._points * np.repeat(factor, self._lengths, axis=0)).astype(np.int32)
