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


def make_split(
    records: pd.DataFrame,
    rule: str = "image",
    seed: int = 0,
    fractions: tuple[float, float, float] = FRACTIONS,
) -> Split:
    """Part the records of a whole dataset (subsets are filtered afterwards, with :meth:`Split.of`).

    Args:
        records: ``Dataset.records``.
        rule: ``image``: over images, stratified by images with two and with four records.
            ``record``: over records, so one image has records in several parts. (The author's
            code then scored draws from *all* records: :mod:`csalgan.author`.)
            ``fold 2 of 5``: over images, stratified alike; the second fifth is tested, so that the
            five folds of a seed test every image once. Of the others a share as large as in
            ``image`` validates: epochs and settings are chosen without the fold.
            ``all``: every record is in ``train``, none in the other parts.
        seed: the same seed gives the same split, and folds of one partition.
        fractions: train, validation, test; they sum to 1. A fold uses the second only.

    Raises:
        CsalganError: an unknown rule, or fractions that are not a partition.
    """
    if len(fractions) != 3 or min(fractions) < 0 or abs(sum(fractions) - 1) > 1e-9:
        raise CsalganError(f"fractions {fractions}: give three shares that sum to 1.")
    generator = np.random.default_rng(seed)
    names = records["record"].to_numpy()
    if rule == "all":
        chosen = {"train": names, "val": names[:0], "test": names[:0]}
    elif rule == "record":
        chosen = dict(zip(PARTS, _cut(generator.permutation(names), fractions), strict=True))
    elif rule == "image" or (fold := _fold(rule)):
        images: dict[str, list[str]] = {part: [] for part in PARTS}
        for _, group in records.groupby("n_records", sort=True):
            ids = generator.permutation(np.sort(group["image_id"].unique()))
            if rule == "image":
                parts = _cut(ids, fractions)
            else:
                number, folds = fold
                # The folds after this one first: so the parts that validate differ from fold to
                # fold, and what is chosen by all of them is chosen by many images.
                test, *others = (ids[(number - 1 + k) % folds :: folds] for k in range(folds))
                rest = np.concatenate(others)
                val = max(round(fractions[1] * len(rest)), min(1, len(rest) - 1))
                parts = [rest[val:], rest[:val], test]
            for part, part_ids in zip(PARTS, parts, strict=True):
                images[part] += list(part_ids)
        chosen = {part: names[records["image_id"].isin(images[part])] for part in PARTS}
    else:
        raise CsalganError(f"split rule {rule!r}: use image, record, all or a fold (fold 2 of 5).")
    ordered = {part: names[np.isin(names, list(values))] for part, values in chosen.items()}
    return Split(**ordered, rule=rule, seed=seed)


def _fold(rule: str) -> tuple[int, int] | None:
    """``fold 2 of 5`` → (2, 5); None for anything else."""
    found = re.fullmatch(r"fold (\d+) of (\d+)", rule)
    number, folds = map(int, found.groups()) if found else (0, 0)
    return (number, folds) if 1 <= number <= folds and folds > 1 else None


def _cut(values: np.ndarray, fractions: tuple[float, float, float]) -> list[np.ndarray]:
    first = round(fractions[0] * len(values))
    second = round((fractions[0] + fractions[1]) * len(values))
    return np.split(values, [first, second])
