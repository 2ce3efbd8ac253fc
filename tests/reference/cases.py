"""The inputs behind the recorded pysaliency values: formulae and seeds, no data.

Only NumPy, SciPy and Pillow are needed, so that ``benchmarks/record_pysaliency.py`` can import
this where pysaliency is installed and csalgan is not. Change anything here and the recorded
values have to be recorded again.
"""

from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter

METRICS = ("auc", "sauc", "nss", "cc", "sim", "kl", "ig", "ig_uniform")

#: Every eighth image of the released folder, one record each: 64 of 510 images.
STRIDE = 8


# --- random maps -----------------------------------------------------------------------------

RANDOM_KINDS = (
    "uniform",
    "normal",  # negative values
    "levels",  # integers 0 … 5: many ties
    "bytes",  # uint8
    "heavy",  # exp of a normal: most of the mass in a few pixels
    "sparse",  # mostly exact zeros
    "tiny",  # a density of values near 1e-30
    "constant",  # 0.25 everywhere
    "zero",
    "one fixation",
    "all fixated",
    "repeated",  # every fixation three times
)
RANDOM_SEEDS = 3


def random_case(kind: str, seed: int) -> dict:
    """prediction, fixations, saliency_map, negatives and center_bias of one seeded case."""
    rng = np.random.default_rng([RANDOM_KINDS.index(kind), seed])
    shape = (int(rng.integers(7, 40)), int(rng.integers(7, 50)))
    prediction = {
        "normal": lambda: rng.normal(size=shape),
        "levels": lambda: rng.integers(0, 6, shape),
        "bytes": lambda: rng.integers(0, 256, shape).astype(np.uint8),
        "heavy": lambda: np.exp(8 * rng.normal(size=shape)),
        "sparse": lambda: rng.random(shape) * (rng.random(shape) > 0.9),
        "tiny": lambda: rng.random(shape) * 1e-30,
        "constant": lambda: np.full(shape, 0.25),
        "zero": lambda: np.zeros(shape),
    }.get(kind, lambda: rng.random(shape))()
    fixations = _points(rng, 1 if kind == "one fixation" else 30, shape)
    if kind == "all fixated":
        fixations = np.argwhere(np.ones(shape, bool))
    if kind == "repeated":
        fixations = np.repeat(fixations, 3, axis=0)
    return {
        "prediction": prediction,
        "fixations": fixations,
        "saliency_map": rng.integers(0, 256, shape).astype(np.uint8),
        "negatives": _points(rng, 200, shape),
        "center_bias": rng.random(shape) + 0.01,
    }


def _points(rng, count: int, shape) -> np.ndarray:
    return np.stack([rng.integers(0, side, count) for side in shape], axis=1)


# --- real records ----------------------------------------------------------------------------

REAL_KINDS = (
    "sibling blurred",  # map of another condition of the image, Gaussian of 12 px
    "mean of others",  # mean map of the other chosen records
    "coarse levels",  # the record's own map in eight grey levels: integers, ties
    "center",  # an analytic Gaussian, sides / 4
    "sibling bytes",  # map of another condition, uint8 as stored
    "signed",  # own map blurred by 20 px minus the center Gaussian: negative values
)


class RealCases:
    """The chosen records of a SJTU-TIS folder; ``cases[i]`` gives one as :func:`random_case`."""

    def __init__(self, folder: Path):
        self.folder = Path(folder)
        siblings: dict[str, list[str]] = {}
        for path in sorted((self.folder / "map").glob("*.png")):
            siblings.setdefault(path.stem.split("_")[0], []).append(path.stem)
        chosen = sorted(siblings)[::STRIDE]
        self.names = [siblings[i][k % len(siblings[i])] for k, i in enumerate(chosen)]
        self._sibling = [siblings[i][(k + 1) % len(siblings[i])] for k, i in enumerate(chosen)]
        self.maps = [self._grey("map", name) for name in self.names]
        self.fixations = [np.argwhere(self._grey("fixation", name) > 127) for name in self.names]

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, i: int) -> dict:
        own, shape = self.maps[i], self.maps[i].shape
        return {
            "prediction": self._prediction(i),
            "fixations": self.fixations[i],
            "saliency_map": own,
            "negatives": self._negatives(i, shape),
            "center_bias": self._mean_of_others(i) + 1.0,
        }

    def _prediction(self, i: int) -> np.ndarray:
        kind, own = REAL_KINDS[i % len(REAL_KINDS)], self.maps[i]
        if kind == "sibling blurred":
            return gaussian_filter(self._grey("map", self._sibling[i]).astype(float), 12)
        if kind == "mean of others":
            return self._mean_of_others(i)
        if kind == "coarse levels":
            return own.astype(np.int64) // 32
        if kind == "center":
            return _center(own.shape)
        if kind == "sibling bytes":
            return self._grey("map", self._sibling[i])
        return gaussian_filter(own.astype(float), 20) / 255 - _center(own.shape)

    def _mean_of_others(self, i: int) -> np.ndarray:
        own = self.maps[i]
        return (self._total(*own.shape) - own) / (len(self.maps) - 1)

    @cache  # noqa: B019  (a handful of shapes, for the life of one test)
    def _total(self, height: int, width: int) -> np.ndarray:
        """Sum of all chosen maps at one shape; nearest neighbour by whole numbers."""
        total = np.zeros((height, width), dtype=np.int64)
        for one in self.maps:
            rows = np.arange(height) * one.shape[0] // height
            columns = np.arange(width) * one.shape[1] // width
            total += one[np.ix_(rows, columns)]
        return total

    def _negatives(self, i: int, shape) -> np.ndarray:
        parts = [
            (points * (np.asarray(shape, float) / self.maps[k].shape)).astype(int)
            for k, points in enumerate(self.fixations)
            if k != i
        ]
        return np.concatenate(parts)

    def _grey(self, folder: str, name: str) -> np.ndarray:
        with Image.open(self.folder / folder / f"{name}.png") as picture:
            return np.asarray(picture.convert("L"))


def _center(shape) -> np.ndarray:
    height, width = shape
    y = (np.arange(height) - (height - 1) / 2) / (height / 4)
    x = (np.arange(width) - (width - 1) / 2) / (width / 4)
    return np.exp(-0.5 * (y[:, None] ** 2 + x**2))
