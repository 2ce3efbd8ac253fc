"""Where a sentence moves attention: change maps of a model and of people, and their agreement."""

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd

from csalgan.exploration import correlation, density, over_images, share_moved
from csalgan.guidance.reading import Ask


def predicted_changes(
    ask: Ask, records: pd.DataFrame, size: int, texts: list[str] | None = None
) -> Iterator[tuple[str, np.ndarray]]:
    """What reading a sentence changes in a model's map: with the sentence minus without.

    Args:
        records: rows with a sentence.
        size: side of the square the maps are compared at.
        texts: other sentences than the records' own, in their order.

    Yields:
        ``(record, change)``: float64 (size, size), a difference of densities with mean 1.
    """
    with_it = ask(records, texts)
    without = ask(records, [""] * len(records))
    for (record, told), (_, untold) in zip(with_it, without, strict=True):
        yield record, density(told, size) - density(untold, size)


def changes(
    ask: Ask, dataset, prepared, records: pd.DataFrame
) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Change maps of a model and of people: with the sentence minus without.

    Both are differences of densities with mean 1 at the prepared size.

    Args:
        ask: the model: a :class:`csalgan.guidance.Reader`, say.
        records: rows with a sentence.

    Yields:
        ``(record, predicted, measured)``, the maps float64 (size, size).
    """
    size = prepared.size
    row_of = {name: i for i, name in enumerate(prepared.records.record)}
    free = dataset.records[dataset.records.condition == "none"].set_index("image_id").record
    predictions = predicted_changes(ask, records, size)
    for (record, predicted), image_id in zip(predictions, records.image_id, strict=True):
        told, untold = (
            density(prepared.maps[row_of[name]], size) for name in (record, free[image_id])
        )
        yield record, predicted, told - untold


def compare_changes(
    moves: Mapping[str, tuple[np.ndarray, np.ndarray]], records: pd.DataFrame, *, seed: int = 0
) -> pd.DataFrame:
    """Does the model move attention where people moved theirs?

    Args:
        moves: record → (predicted, measured) change maps, as :func:`changes` yields them.
        records: their rows.

    Returns:
        One row per record: ``record``, ``image_id``, ``condition``;
        ``correlation`` of the two change maps (−1 … 1, NaN when the model moved nothing);
        ``control``, the same with the measured change of *another* image of that condition,
        which says how much any change would agree (both leave the centre, for instance);
        ``predicted_share`` and ``measured_share``, the share of all attention that moved (0 … 1).
    """
    rng = np.random.default_rng(seed)
    rows = []
    for condition, group in records.groupby("condition", sort=False):
        order = rng.permutation(len(group))
        other = dict(zip(order, np.roll(order, -1), strict=True))  # a random circle
        names = group.record.to_list()
        for k, row in enumerate(group.itertuples(index=False)):
            predicted, measured = moves[row.record]
            stranger = moves[names[other[k]]][1] if len(names) > 1 else np.zeros_like(measured)
            rows.append(
                {
                    "record": row.record,
                    "image_id": row.image_id,
                    "condition": condition,
                    "correlation": correlation(predicted, measured),
                    "control": correlation(predicted, stranger),
                    "predicted_share": share_moved(predicted),
                    "measured_share": share_moved(measured),
                }
            )
    return pd.DataFrame(rows)


def summarise_changes(table: pd.DataFrame, *, draws: int = 1000, seed: int = 0) -> pd.DataFrame:
    """Means per condition, and over all (``all``), with 95 % bootstrap intervals over images.

    Returns:
        Rows ``condition``, ``measure`` (the columns of :func:`compare_changes`, and
        ``correlation - control``), ``mean``, ``low``, ``high``, ``n_images``.
    """
    table = table.assign(**{"correlation - control": table.correlation - table.control})
    both = pd.concat([table, table.assign(condition="all")])
    measures = [c for c in both if c not in ("record", "image_id", "condition")]
    tidy = both.melt(["image_id", "condition"], measures, "measure", "value")
    return over_images(tidy, ["condition", "measure"], draws=draws, seed=seed)
