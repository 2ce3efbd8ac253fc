"""All fixations of a dataset in one small array, read once for every model that is scored."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from csalgan.metrics.negatives import NegativePool


class Gaze:
    """The fixations of every record, packed: about 2 kB a record, whatever the pictures' size.

    Attributes:
        pool: the negatives of shuffled AUC, drawn from other images only, of one condition or all.

    Args:
        dataset: with ``records`` and ``fixations(record)``.
        workers: threads that read files.
    """

    def __init__(self, dataset, *, workers: int = 2):
        records = dataset.records
        with ThreadPoolExecutor(workers) as threads:
            found = list(threads.map(dataset.fixations, records["record"]))
        ends = np.cumsum([0] + [len(points) for points in found]).tolist()
        self._points = np.concatenate(found).astype(np.int32)  # (all fixations, 2)
        self._slices = {name: slice(*ends[k : k + 2]) for k, name in enumerate(records["record"])}
        shapes = records[["height", "width"]].to_numpy()
        ids, conditions = records["image_id"].tolist(), records["condition"].tolist()
        self.pool = NegativePool(ids, found, shapes, conditions)

    def fixations(self, record: str) -> np.ndarray:
        """int32 (N, 2), rows (y, x), native pixels."""
        return self._points[self._slices[record]]
