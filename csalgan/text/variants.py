"""Rules that give a record another sentence, and sentences with one word taken out."""

import zlib
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from csalgan.files.errors import CsalganError
from csalgan.text.words import STOP_WORDS, words

#: Words that carry grammar, not things: :data:`csalgan.text.words.STOP_WORDS` and what else
#: English captions bind their content words with. No tagger and no model: a list, and so an
#: approximation. What is left, the *content words*, are nouns, adjectives and full verbs.
FUNCTION_WORDS = STOP_WORDS | frozenset(
    words(
        "about above across after against all along also am among amongst another any around away "
        "because been before behind being below beneath between beyond both but can could did do "
        "does doing down during each either else every everything few had having how if inside "
        "just many may me might more most much must my neither no none nor not nothing now only "
        "onto other others our ours past same several shall she should since so somebody someone "
        "something such than then these those though through throughout till together too toward "
        "towards underneath until upon us very was we what when where whether whose will within "
        "without would yet you your"
    )
)


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
    """

    def __init__(self, records: pd.DataFrame, seed: int = 0):
        self.seed = seed
        read = records[records.text.str.strip() != ""].sort_values("record")
        self._of_image: dict[str, dict[str, Sentence]] = {}
        for row in read.itertuples(index=False):
            own = Sentence(row.text, row.record)
            self._of_image.setdefault(row.image_id, {})[row.condition] = own
        self._lent: dict[str, list[Sentence]] = {}
        rng = np.random.default_rng(seed)
        for _, group in read.groupby("condition"):
            order = rng.permutation(len(group))
            # Each borrows from the next ones in a random circle, so every sentence is used once in
            # each draw and the sentences as a whole stay the same.
            circle = [Sentence(row.text, row.record) for row in group.iloc[order].itertuples()]
            for place, own in enumerate(circle):
                self._lent[own.lender] = (circle[place + 1 :] + circle[:place])[:DRAWS]

    def sibling(self, row, condition: str) -> "Sentence | None":
        """The sentence of another condition of the same image; None when there is none."""
        return self._of_image.get(row.image_id, {}).get(condition)

    def lent(self, row) -> list[Sentence]:
        """Sentences of other images of the same condition, :data:`DRAWS` where there are so many.

        They differ from the record's own in content alone, not in kind.
        """
        return self._lent.get(row.record, [])

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


def content(row, pool: Pool) -> Sentence | None:
    """Without function words: the nearest to "nouns only" that needs no tagger.

    None when nothing is left, or nothing goes.
    """
    kept = [word for word in words(row.text) if word not in FUNCTION_WORDS]
    if not kept or len(kept) == len(words(row.text)):
        return None
    return Sentence(" ".join(kept), row.record)


class Variant(NamedTuple):
    """A rule that gives a record another sentence.

    Attributes:
        label: what figures call it.
        make: ``(row, pool) → sentence``, or several (draws of one rule); None where a record has
            no such sentence.
        silent: not even the empty sentence is read; the model's text input is all zeros.
    """

    label: str
    make: Callable[[object, Pool], Sentence | list[Sentence] | None]
    silent: bool = False


#: The ablation's sentences. ``other_image`` measures whether the content is read: a sentence of
#: the same kind about something else. ``swapped`` changes kind and content together. ``absent`` is
#: free viewing as the model was trained on it.
VARIANTS: dict[str, Variant] = {
    "true": Variant("true sentence", lambda row, pool: Sentence(row.text, row.record)),
    "other_image": Variant("another image's sentence", lambda row, pool: pool.lent(row)),
    "swapped": Variant("other condition's sentence", swapped),
    "shuffled": Variant("words shuffled", shuffled),
    "content": Variant("content words only", content),
    "absent": Variant("empty sentence", lambda row, pool: Sentence("", "")),
    "no_text": Variant("no text at all", lambda row, pool: Sentence("", ""), silent=True),
}


def without_each_word(text: str) -> list[tuple[str, str]]:
    """Every word of a sentence with the sentence that lacks it.

    Words are what spaces separate; the word is given without its punctuation, lower case (as it
    stands when it has no letters).
    """
    tokens = text.split()
    return [
        (" ".join(words(token)) or token, " ".join(tokens[:k] + tokens[k + 1 :]))
        for k, token in enumerate(tokens)
    ]


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
        Rows ``record``, ``image_id``, ``condition``, ``variant``, ``draw`` (0, and on where a rule
        draws several), ``text``, ``lender`` (the record whose sentence it is, ``""`` for none). A
        record that has no sentence of some kind
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
            made = VARIANTS[name].make(row, lenders)
            several = made if isinstance(made, list) else [made] if made is not None else []
            for draw, sentence in enumerate(several):
                rows.append((row.record, row.image_id, row.condition, name, draw, *sentence))
    columns = ["record", "image_id", "condition", "variant", "draw", "text", "lender"]
    return pd.DataFrame(rows, columns=columns)
