"""What the sentence does: change it, hold the picture, and see what the prediction does.

A *variant* is a rule that gives a record another sentence (:data:`VARIANTS`). A predictor is asked
for every variant of every record, each prediction is scored against the **same** gaze, and the
differences to the true sentence are paired. People are the yardstick: the gaze after another
sentence, scored in the same way (:func:`human_scores`).
"""

import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from PIL import Image

from csalgan.errors import CsalganError
from csalgan.evaluation import compare
from csalgan.exploration import correlation, over_images

# --- sentences --------------------------------------------------------------------------------


class Sentence(NamedTuple):
    """A sentence and the record it was taken from (``""`` where it was nobody's)."""

    text: str
    lender: str


class Pool:
    """The sentences that variants may borrow: those of ``records`` (rows of a dataset).

    Args:
        records: with columns ``record``, ``image_id``, ``condition``, ``text``.
        seed: decides which image lends its sentence and how words are shuffled.
    """

    def __init__(self, records: pd.DataFrame, seed: int = 0):
        self.seed = seed
        read = records[records.text.str.strip() != ""].sort_values("record")
        self._of_image: dict[str, dict[str, Sentence]] = {}
        for row in read.itertuples(index=False):
            own = Sentence(row.text, row.record)
            self._of_image.setdefault(row.image_id, {})[row.condition] = own
        self._lent: dict[str, Sentence] = {}
        rng = np.random.default_rng(seed)
        for _, group in read.groupby("condition"):
            order = rng.permutation(len(group))
            if len(order) < 2:
                continue
            # Each borrows from the next in a random circle, so every sentence is used once and
            # the sentences as a whole stay the same.
            circle = group.iloc[order]
            lenders = map(Sentence, np.roll(circle.text, -1), np.roll(circle.record, -1))
            self._lent |= dict(zip(circle.record, lenders, strict=True))

    def sibling(self, row, condition: str) -> "Sentence | None":
        """The sentence of another condition of the same image; None when there is none."""
        return self._of_image.get(row.image_id, {}).get(condition)

    def lent(self, row) -> "Sentence | None":
        """A sentence of the same condition of another image; None when there is no other."""
        return self._lent.get(row.record)

    def rng(self, row) -> np.random.Generator:
        """A generator that depends on the seed and the record only, not on the order of rows."""
        return np.random.default_rng([self.seed, zlib.crc32(row.record.encode())])


def swapped(row, pool: Pool) -> Sentence | None:
    """Another condition's sentence of the same image.

    Salient and non-salient trade places; a general sentence gives way to one of the two, drawn.
    """
    if row.condition == "general":
        others = [pool.sibling(row, c) for c in ("non_salient", "salient")]
        others = [sentence for sentence in others if sentence is not None]
        return others[pool.rng(row).integers(len(others))] if others else None
    return pool.sibling(row, {"salient": "non_salient", "non_salient": "salient"}[row.condition])


def shuffled(row, pool: Pool) -> Sentence | None:
    """The same words in another order; None when there is no other order."""
    tokens = row.text.split()
    if len(set(tokens)) < 2:
        return None
    rng = pool.rng(row)
    while (mixed := [tokens[k] for k in rng.permutation(len(tokens))]) == tokens:
        pass
    return Sentence(" ".join(mixed), row.record)


class Variant(NamedTuple):
    """A rule that gives a record another sentence."""

    label: str
    make: Callable[[object, Pool], Sentence | None]


#: Variant → label and rule ``(row, pool) → sentence``, None where a record has no such sentence.
VARIANTS: dict[str, Variant] = {
    "true": Variant("true sentence", lambda row, pool: Sentence(row.text, row.record)),
    "swapped": Variant("other condition's sentence", swapped),
    "other_image": Variant("another image's sentence", lambda row, pool: pool.lent(row)),
    "shuffled": Variant("words shuffled", shuffled),
    "absent": Variant("no sentence", lambda row, pool: Sentence("", "")),
}


def sentence_variants(
    records: pd.DataFrame,
    variants: Sequence[str] = tuple(VARIANTS),
    *,
    pool: pd.DataFrame | None = None,
    seed: int = 0,
) -> pd.DataFrame:
    """Every sentence each record is to be predicted with.

    Args:
        records: rows of a dataset; those without a sentence (free viewing) are passed over.
        variants: names in :data:`VARIANTS`.
        pool: records that may lend sentences; ``records`` when None.
        seed: see :class:`Pool`.

    Returns:
        Rows ``record``, ``image_id``, ``condition``, ``variant``, ``text``, ``lender`` (the
        record whose sentence it is, ``""`` for none). A record that has no sentence of some kind
        (one image's only sentence cannot be swapped) has no such row.

    Raises:
        CsalganError: an unknown variant, or no record has a sentence.
    """
    for name in variants:
        if name not in VARIANTS:
            raise CsalganError(
                f"sentence variant {name!r} is unknown; choose {', '.join(VARIANTS)}."
            )
    read = records[records.text.str.strip() != ""]
    if read.empty:
        raise CsalganError(
            "none of the records has a sentence, so there is nothing to vary; choose records of "
            "the general, salient or non-salient condition."
        )
    lenders = Pool(records if pool is None else pool, seed)
    rows = []
    for name in variants:
        for row in read.itertuples(index=False):
            sentence = VARIANTS[name].make(row, lenders)
            if sentence is not None:
                rows.append((row.record, row.image_id, row.condition, name, *sentence))
    columns = ["record", "image_id", "condition", "variant", "text", "lender"]
    return pd.DataFrame(rows, columns=columns)


# --- scores -----------------------------------------------------------------------------------

#: ``(pairs of record and map, rows of the dataset) → tidy scores``: an ``Evaluator``, say.
Score = Callable[[Iterator[tuple[str, np.ndarray]], pd.DataFrame], pd.DataFrame]


def score_variants(
    predictor, dataset, variants: pd.DataFrame, score: Score, *, progress: bool = False
) -> pd.DataFrame:
    """Predict every record with every sentence and score it against the record's own gaze.

    Args:
        predictor: a :class:`csalgan.prediction.Predictor`.
        variants: what :func:`sentence_variants` gave.
        score: scores one set of predictions: a :class:`csalgan.evaluation.Evaluator`.

    Returns:
        The scores' columns and ``variant``.
    """
    tables = []
    for name, group in variants.groupby("variant", sort=False):
        rows = _rows(dataset, group.record)
        maps = predictor.predict_records(
            dataset, rows, texts=group.text.tolist(), progress=progress
        )
        tables.append(score(maps, rows).assign(variant=name))
    return pd.concat(tables, ignore_index=True)


def score_strengths(
    predictor,
    dataset,
    records: pd.DataFrame,
    strengths: Sequence[float],
    score: Score,
    *,
    known: Mapping[float, pd.DataFrame] | None = None,
) -> pd.DataFrame:
    """Score records with their own sentence counted less or more (0 = absent, 1 = as it is).

    Args:
        known: strength → scores at hand, not computed again (0 and 1 are the variants ``absent``
            and ``true``).

    Returns:
        The scores' columns and ``strength``.
    """
    tables = []
    for strength in map(float, strengths):
        table = (known or {}).get(strength)
        if table is None:
            table = score(predictor.predict_records(dataset, records, strength=strength), records)
        tables.append(table.assign(strength=strength))
    return pd.concat(tables, ignore_index=True)


def human_scores(dataset, variants: pd.DataFrame, score: Score) -> pd.DataFrame:
    """People as the model: the measured map after another sentence, scored like a prediction.

    ``true`` uses the record's own map (the ceiling), ``swapped`` the map of the condition whose
    sentence was lent, ``absent`` the map of free viewing. Other variants have no measured map.
    """
    free = dataset.records[dataset.records.condition == "none"].set_index("image_id").record
    tables = []
    for name in ("true", "swapped", "absent"):
        group = variants[variants.variant == name]
        if group.empty:
            continue
        lenders = group.lender if name != "absent" else free.loc[group.image_id]
        maps = ((r, dataset.map(s)) for r, s in zip(group.record, lenders, strict=True))
        tables.append(score(maps, _rows(dataset, group.record)).assign(variant=name))
    return pd.concat(tables, ignore_index=True)


def paired_differences(
    scores: pd.DataFrame, *, reference: str = "true", draws: int = 1000, seed: int = 0
) -> pd.DataFrame:
    """Score with each variant minus score with the reference, record by record.

    Args:
        scores: tidy scores with a column ``variant``, of :func:`score_variants` or
            :func:`human_scores`.
        reference: the variant that is subtracted.
        draws, seed: see :func:`csalgan.evaluation.compare`.

    Returns:
        ``variant`` and the columns of :func:`csalgan.evaluation.compare`: ``difference`` is
        called ``mean``, the two means it comes from ``score`` and ``reference``; ``condition`` is
        ``all`` or one of the conditions. Records without the variant are left out of its pairs.
    """
    base = scores[scores.variant == reference]
    tables = [
        compare(group, base, bootstrap=draws, seed=seed).assign(variant=name)
        for name, group in scores.groupby("variant", sort=False)
        if name != reference
    ]
    names = {"difference": "mean", "a": "score", "b": "reference"}
    table = pd.concat(tables, ignore_index=True).drop(columns="better").rename(columns=names)
    return table[["variant", *table.columns.drop("variant")]]


def readable(table: pd.DataFrame, rows: str | list[str], columns: str) -> pd.DataFrame:
    """Means with their intervals as text, ``-0.012 [-0.020, -0.004]``, one cell a group.

    Args:
        table: with ``mean``, ``low``, ``high`` and the columns named by the other two.
    """
    numbers = zip(table["mean"], table["low"], table["high"], strict=True)
    cells = [f"{mean:+.3f} [{low:+.3f}, {high:+.3f}]" for mean, low, high in numbers]
    return table.assign(cell=cells).pivot_table(
        index=rows, columns=columns, values="cell", aggfunc="first", sort=False
    )


# --- where attention moves --------------------------------------------------------------------


def density(saliency: np.ndarray, size: int) -> np.ndarray:
    """A map (any numeric (h, w) ≥ 0) at ``size`` × ``size`` with mean 1; a zero map stays zero.

    Resized as the prepared maps are (antialiased bilinear), so that the two can be compared.
    """
    small = np.asarray(saliency, dtype=np.float32)
    if small.shape != (size, size):
        picture = Image.fromarray(small).resize((size, size), Image.Resampling.BILINEAR)
        small = np.asarray(picture)
    small = small.astype(np.float64)
    return small / (small.mean() or 1.0)


def changes(
    predictor, dataset, prepared, records: pd.DataFrame
) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Change maps of a model and of people: with the sentence minus without.

    Both are differences of densities with mean 1 at the prepared size.

    Args:
        records: rows with a sentence.

    Yields:
        ``(record, predicted, measured)``, the maps float64 (size, size).
    """
    size = prepared.size
    row_of = {name: i for i, name in enumerate(prepared.records.record)}
    free = dataset.records[dataset.records.condition == "none"].set_index("image_id").record
    with_it = predictor.predict_records(dataset, records)
    without = predictor.predict_records(dataset, records, texts=[""] * len(records))
    for (record, told), (_, untold), image_id in zip(
        with_it, without, records.image_id, strict=True
    ):
        told, untold = density(told, size), density(untold, size)
        measured = [density(prepared.maps[row_of[r]], size) for r in (record, free[image_id])]
        yield record, told - untold, measured[0] - measured[1]


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
                    "predicted_share": np.abs(predicted).mean() / 2,
                    "measured_share": np.abs(measured).mean() / 2,
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


def _rows(dataset, names: Sequence[str]) -> pd.DataFrame:
    """Rows of the dataset in the order of the names."""
    return dataset.records.set_index("record", drop=False).loc[list(names)].reset_index(drop=True)
