"""Word by word: what leaving one word out of a sentence changes."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from csalgan.exploration import density, over_images, share_moved
from csalgan.guidance.reading import Ask
from csalgan.text.variants import FUNCTION_WORDS, without_each_word


class Pull(NamedTuple):
    """Where a word pulls attention.

    Attributes:
        word: lower case, without punctuation.
        change: float64 (size, size), the density with the whole sentence minus that without the
            word (both with mean 1): positive where attention stands because of the word.
    """

    word: str
    change: np.ndarray

    @property
    def is_content(self) -> bool:
        """Whether it is no function word (a list decides, see :data:`FUNCTION_WORDS`)."""
        return self.word not in FUNCTION_WORDS


def word_pulls(ask: Ask, record: pd.DataFrame, size: int) -> list[Pull]:
    """The pull of every word of one record's sentence, in reading order.

    Args:
        ask: the model: a :class:`csalgan.guidance.Reader`, say.
        record: one row of a dataset, with a sentence.
        size: side of the square the maps are compared at.
    """
    without = without_each_word(record["text"].iloc[0])
    texts = [record["text"].iloc[0], *(text for _, text in without)]
    rows = record.iloc[[0] * len(texts)]
    whole, *others = (density(one, size) for _, one in ask(rows, texts))
    return [Pull(word, whole - one) for (word, _), one in zip(without, others, strict=True)]


def word_shares(ask: Ask, records: pd.DataFrame, size: int) -> pd.DataFrame:
    """How much attention each word of each sentence holds.

    Returns:
        One row a word: ``record``, ``image_id``, ``condition``, ``place`` (0 is the first word),
        ``word``, ``kind`` (``content`` or ``function``), ``share`` (0 … 1, of all attention, that
        moves when the word is left out).
    """
    rows = []
    for number, row in enumerate(records.itertuples(index=False)):
        pulls = word_pulls(ask, records.iloc[[number]], size)
        for place, pull in enumerate(pulls):
            kind = "content" if pull.is_content else "function"
            key = (row.record, row.image_id, row.condition)
            rows.append((*key, place, pull.word, kind, share_moved(pull.change)))
    columns = ["record", "image_id", "condition", "place", "word", "kind", "share"]
    return pd.DataFrame(rows, columns=columns)


def summarise_words(shares: pd.DataFrame, *, draws: int = 1000, seed: int = 0) -> pd.DataFrame:
    """Mean share a content word holds, a function word, and their difference within a sentence.

    Args:
        shares: what :func:`word_shares` gave.

    Returns:
        Rows ``condition`` (``all`` first), ``measure`` (``content``, ``function``,
        ``content - function``), ``mean``, ``low``, ``high`` (95 % bootstrap over images),
        ``n_images``.
    """
    means = shares.pivot_table(
        index=["record", "image_id", "condition"], columns="kind", values="share"
    ).reindex(columns=["content", "function"])
    means["content - function"] = means.content - means.function
    tidy = means.reset_index().melt(
        ["record", "image_id", "condition"], var_name="measure", value_name="value"
    )
    both = pd.concat([tidy.assign(condition="all"), tidy])
    return over_images(both, ["condition", "measure"], draws=draws, seed=seed)
