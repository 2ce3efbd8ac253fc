"""Rules that give a record another sentence."""

import zlib
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from csalgan.files.errors import CsalganError
from csalgan.text.words import FUNCTION_WORDS, words

#: So many other images lend each record a sentence; scores are averaged over them.
DRAWS = 3


class Sentence(NamedTuple):
    """A sentence and the record it was taken from (``""`` where it was nobody's)."""

    text: str
    lender: str


class Pool:
    """The sentences that variants may borrow: those of ``records`` (rows of a dataset).

    Args:
        records: with columns ``record``, ``image_id``, ``condition``, ``text``.
        seed: decides which image lends its sentence and how words are shuffled.

    Attributes:
        own: (image's id, condition) → its sentence.
        lent: record → sentences of other images of the same condition, :data:`DRAWS` where there
            are so many: they differ from the record's own in content alone, not in kind.
    """

    def __init__(self, records: pd.DataFrame, seed: int = 0):
        self.seed = seed
        read = records[records.text.str.strip() != ""].sort_values("record")
        rows = [*read.itertuples(index=False)]
        self.own = {(row.image_id, row.condition): Sentence(row.text, row.record) for row in rows}
        self.lent: dict[str, list[Sentence]] = {}
        rng = np.random.default_rng(seed)
        for condition in sorted({row.condition for row in rows}):
            some = [Sentence(row.text, row.record) for row in rows if row.condition == condition]
            # Each borrows from the next ones in a random circle, so every sentence is used once in
            # each draw and the sentences as a whole stay the same.
            circle = [some[k] for k in rng.permutation(len(some))]
            for place, own in enumerate(circle):
                self.lent[own.lender] = (circle[place + 1 :] + circle[:place])[:DRAWS]

    def rng(self, row) -> np.random.Generator:
        """A generator that depends on the seed and the record only, not on the order of rows."""
        return np.random.default_rng([self.seed, zlib.crc32(row.record.encode())])


def swapped(row, pool: Pool) -> list[Sentence]:
    """The other condition's sentence of the same image: salient and non-salient trade places.

    A general sentence has no counterpart: mean losses over all kinds would mix what exchanging
    two opposites costs with what swapping a general sentence for a part of it does.
    """
    other = {"salient": "non_salient", "non_salient": "salient"}.get(row.condition)
    return [pool.own[row.image_id, other]] if (row.image_id, other) in pool.own else []


def shuffled(row, pool: Pool) -> list[Sentence]:
    """The same words in another order, where there is another order."""
    tokens = row.text.split()
    if len(set(tokens)) < 2:
        return []
    rng = pool.rng(row)
    while (mixed := [tokens[k] for k in rng.permutation(len(tokens))]) == tokens:
        pass
    return [Sentence(" ".join(mixed), row.record)]


def content(row, pool: Pool) -> list[Sentence]:
    """Without function words, where something is left and something goes.

    The nearest to "nouns only" that needs no tagger.
    """
    kept = [word for word in words(row.text) if word not in FUNCTION_WORDS]
    changed = 0 < len(kept) < len(words(row.text))
    return [Sentence(" ".join(kept), row.record)] if changed else []


class Variant(NamedTuple):
    """A rule that gives a record another sentence.

    Attributes:
        label: what figures call it.
        make: ``(row, pool) → sentences``: one, several (draws of one rule), or none where a record
            has no such sentence.
        silent: not even the empty sentence is read; the model's text input is all zeros.
    """

    label: str
    make: Callable[[object, Pool], list[Sentence]]
    silent: bool = False


#: The ablation's sentences. ``other_image`` measures whether the content is read: a sentence of
#: the same kind about something else. ``swapped`` changes kind and content together. ``absent`` is
#: free viewing as the model was trained on it.
VARIANTS: dict[str, Variant] = {
    "true": Variant("true sentence", lambda row, pool: [Sentence(row.text, row.record)]),
    "other_image": Variant(
        "another image's sentence", lambda row, pool: pool.lent.get(row.record, [])
    ),
    "swapped": Variant("other condition's sentence", swapped),
    "shuffled": Variant("words shuffled", shuffled),
    "content": Variant("content words only", content),
    "absent": Variant("empty sentence", lambda row, pool: [Sentence("", "")]),
    "no_text": Variant("no text at all", lambda row, pool: [Sentence("", "")], silent=True),
}


def sentence_variants(
    records: pd.DataFrame, variants: Sequence[str] | None = None, *, seed: int = 0
) -> pd.DataFrame:
    """Every sentence each record is to be predicted with.

    Args:
        records: rows of a dataset, which lend each other sentences; those without one (free
            viewing) are passed over.
        variants: names in :data:`VARIANTS`; all when None.
        seed: see :class:`Pool`.

    Returns:
        Rows ``record``, ``image_id``, ``condition``, ``variant``, ``draw`` (0, and on where a rule
        draws several), ``text``, ``lender`` (the record whose sentence it is, ``""`` for none). A
        record that has no sentence of some kind (one image's only sentence cannot be swapped) has
        no such row.

    Raises:
        CsalganError: an unknown variant, or no record has a sentence.
    """
    variants = tuple(VARIANTS) if variants is None else variants
    if unknown := [name for name in variants if name not in VARIANTS]:
        raise CsalganError(
            f"sentence variant {unknown[0]!r} is unknown; choose {', '.join(VARIANTS)}."
        )
    read = records[records.text.str.strip() != ""]
    if read.empty:
        raise CsalganError(
            "none of the records has a sentence, so there is nothing to vary; choose records of "
            "the general, salient or non-salient condition."
        )
    lenders = Pool(records, seed)
    rows = [
        (row.record, row.image_id, row.condition, name, draw, *sentence)
        for name in variants
        for row in read.itertuples(index=False)
        for draw, sentence in enumerate(VARIANTS[name].make(row, lenders))
    ]
    columns = ["record", "image_id", "condition", "variant", "draw", "text", "lender"]
    return pd.DataFrame(rows, columns=columns)
