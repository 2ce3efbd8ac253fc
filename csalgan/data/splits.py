"""Parting a dataset into training, validation and test.

The honest rule parts *images*: all records of one image fall into one part, so nothing about a test
image is known from training. The rule of the author's code parts *records*; it is here to repeat
what that code did, and to show what it costs.
"""

import re
from dataclasses import dataclass

import numpy as np
import pandas as pd

from csalgan.files.errors import CsalganError

PARTS = ("train", "val", "test")
#: Shares of the parts.
FRACTIONS = (0.70, 0.15, 0.15)


@dataclass(frozen=True)
class Split:
    """Record names by part.

    Attributes:
        train, val, test: arrays of record names, in the order of the table they came from.
        rule: ``image``, ``record``, ``all`` or ``fold 2 of 5``.
        seed: of the draw.
    """

    train: np.ndarray
    val: np.ndarray
    test: np.ndarray
    rule: str
    seed: int

    def of(self, part: str, records: pd.DataFrame) -> pd.DataFrame:
        """The rows of ``records`` that belong to ``train``, ``val`` or ``test``.

        Raises:
            CsalganError: another part.
        """
        if part not in PARTS:
            raise CsalganError(f"part {part!r}: use one of {', '.join(PARTS)}.")
        return records[records["record"].isin(getattr(self, part))]


def make_split(records: pd.DataFrame, rule: str = "image", seed: int = 0) -> Split:
    """Part the records of a whole dataset (subsets are filtered afterwards, with :meth:`Split.of`).

    Args:
        records: ``Dataset.records``, or a table of yours with ``record`` and ``image_id``.
        rule: ``image``: over images, stratified by images with two and with four records.
            ``record``: over records, so one image has records in several parts. (The author's
            code then scored draws from *all* records: :mod:`csalgan.author`.)
            ``fold 2 of 5``: over images, stratified alike; the second fifth is tested, so that the
            five folds of a seed test every image once. Of the others a share as large as in
            ``image`` validates: epochs and settings are chosen without the fold.
            ``all``: every record is in ``train``, none in the other parts.
        seed: the same seed gives the same split, and folds of one partition.

    Raises:
        CsalganError: an unknown rule.
    """
    generator = np.random.default_rng(seed)
    names, images = records["record"].to_numpy(), records["image_id"].to_numpy()
    folded = re.fullmatch(r"fold (\d+) of (\d+)", rule)
    number, folds = map(int, folded.groups()) if folded else (1, 2)
    if rule not in ("image", "record", "all") and not (folded and 1 <= number <= folds > 1):
        raise CsalganError(f"split rule {rule!r}: use image, record, all or a fold (fold 2 of 5).")
    if rule == "all":
        parts = [names, [], []]
    elif rule == "record":
        parts = _cut(generator.permutation(names))
    else:
        parts = [np.empty(0, images.dtype)] * 3
        sizes = records.get("n_records")
        if sizes is None:
            sizes = records.groupby("image_id")["record"].transform("size")
        for _, group in records.groupby(sizes, sort=True):
            ids = generator.permutation(np.sort(group["image_id"].unique()))
            cut = _fold(ids, number, folds) if folded else _cut(ids)
            parts = [np.concatenate(both) for both in zip(parts, cut, strict=True)]
        parts = [names[np.isin(images, ids)] for ids in parts]
    return Split(*(names[np.isin(names, part)] for part in parts), rule=rule, seed=seed)


def _fold(ids: np.ndarray, number: int, folds: int) -> list[np.ndarray]:
    # The folds after this one first: so the parts that validate differ from fold to fold, and what
    # is chosen by all of them is chosen by many images.
    test, *others = (ids[(number - 1 + k) % folds :: folds] for k in range(folds))
    rest = np.concatenate(others)
    val = max(round(FRACTIONS[1] * len(rest)), min(1, len(rest) - 1))
    return [rest[val:], rest[:val], test]


def _cut(values: np.ndarray) -> list[np.ndarray]:
    return np.split(values, [round(share * len(values)) for share in np.cumsum(FRACTIONS)[:2]])
