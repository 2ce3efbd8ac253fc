"""A dataset small enough to work out by hand: six pictures, no files."""

import numpy as np
import pandas as pd

from csalgan.data.records import CONDITIONS, CONDITIONS_OF_SUBSET
from csalgan.files.errors import CsalganError

SUFFIX = {"none": "_0", "general": "_1", "non_salient": "_2", "salient": "_3"}


class Toy:
    """Four images with four records and four with two, sizes that differ, gaze drawn by seed."""

    name = "SJTU-TIS (toy)"
    synthetic = True
    fingerprint = "ab" * 32
    root = "toy"

    def __init__(self, images: int = 8, seed: int = 0):
        rng = np.random.default_rng(seed)
        rows, self._maps, self._fixations = [], {}, {}
        for k in range(images):
            image_id = f"{k:012d}"
            height, width = 24 + 2 * (k % 3), 32 + 4 * (k % 2)
            conditions = CONDITIONS if k % 2 == 0 else ("none", "general")
            for condition in conditions:
                bare = len(conditions) == 2 and condition == "general"
                record = image_id + ("" if bare else SUFFIX[condition])
                centre = rng.uniform(0.25, 0.75, 2) * (height, width)
                points = np.rint(rng.normal(centre, 3, (40, 2))).astype(np.int32)
                points = np.unique(np.clip(points, 0, [height - 1, width - 1]), axis=0)
                y, x = np.mgrid[:height, :width]
                d = (y - centre[0]) ** 2 + (x - centre[1]) ** 2
                self._maps[record] = np.rint(255 * np.exp(-d / 18)).astype(np.uint8)
                self._fixations[record] = points.astype(np.int32)
                text = "" if condition == "none" else f"the {condition} thing"
                about = (record, image_id, condition, text, width, height, "COCO", len(conditions))
                rows.append(about)
        columns = [
            "record",
            "image_id",
            "condition",
            "text",
            "width",
            "height",
            "source",
            "n_records",
        ]
        self.records = pd.DataFrame(rows, columns=columns)

    def map(self, record):
        return self._maps[record]

    def fixations(self, record):
        return self._fixations[record]

    def image(self, record):
        height, width = self._maps[record].shape
        return np.full((height, width, 3), 128, dtype=np.uint8)

    def row(self, record):
        return self.records.set_index("record", drop=False).loc[record]

    def subset(self, name):
        if name not in CONDITIONS_OF_SUBSET:
            raise CsalganError(f"subset {name}: unknown.")
        chosen = self.records["condition"].isin(CONDITIONS_OF_SUBSET[name])
        if name in ("sal", "non_sal"):
            chosen &= self.records["n_records"] == 4
        return self.records[chosen]


class ToySplit:
    """The first four images train, two validate, the last two test."""

    rule, seed = "image", 0

    def __init__(self, dataset: Toy):
        images = sorted(dataset.records["image_id"].unique())
        self._images = {"train": images[:4], "val": images[4:6], "test": images[6:]}

    def of(self, part, records):
        return records[records["image_id"].isin(self._images[part])]
