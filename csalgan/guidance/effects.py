"""Where a sentence moves attention: difference maps, single words, and a known effect recovered.

A difference map is a density read with the sentence minus one without it (both with mean 1).

The true strength of a sentence's effect is known in embedded data only. There, gaze after a
sentence is drawn from ``(1 − κ)·free + κ·named``, with κ, the pull of the sentence, known for every
condition (:mod:`csalgan.data.synthetic.gaze`). So the sentence changes
the density by ``κ·d`` with ``d = named − free``. If a model changes its own density by ``c`` when
it reads the sentence, the least-squares estimate of its κ is

    κ̂ = ⟨c, d⟩ / ⟨d, d⟩

with sums over places: how far the model moves along the direction in which gaze was really moved.
A model that ignores text has κ̂ = 0, one that moves half as far has half of κ, one that moves to
another place has about 0, however far it moves. Both densities are at the model's size and
blurred as the dataset's maps are.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.ndimage import gaussian_filter

from csalgan.data.synthetic import true_density
from csalgan.exploration import correlation, density, over_images, total_variation
from csalgan.files.errors import CsalganError
from csalgan.guidance.sentences import Ask
from csalgan.text.words import FUNCTION_WORDS, without_each_word

_ROUNDING = 1e-6  # maps are float32


def difference_maps(
    ask: Ask, dataset, prepared, records: pd.DataFrame
) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Difference maps of a model and of people: with the sentence minus without.

    Both are differences of densities with mean 1 at the prepared size.

    Args:
        ask: the model: a :class:`csalgan.guidance.Reader`, say.
        records: rows with a sentence.

    Yields:
        ``(record, predicted, measured)``, the maps float64 (size, size).
    """
    row_of = {name: i for i, name in enumerate(prepared.records.record)}

    def measured(record: str) -> np.ndarray:
        return prepared.maps[row_of[record]]

    for row, *both in _differences(ask, dataset, records, prepared.size, measured):
        yield row.record, *both


def _differences(
    ask: Ask,
    dataset,
    records: pd.DataFrame,
    size: int,
    map_of: Callable[[str], np.ndarray],
    texts: Sequence[str] | None = None,
) -> Iterator[tuple]:
    """Row of a record, what reading its sentence changes in a model's map, and in ``map_of``."""
    free = dataset.records[dataset.records.condition == "none"].set_index("image_id").record
    told = ask(records, None if texts is None else list(texts))
    untold = ask(records, [""] * len(records))
    for row, (_, a), (_, b) in zip(records.itertuples(index=False), told, untold, strict=True):
        maps = a, b, map_of(row.record), map_of(free[row.image_id])
        a, b, c, d = (density(one, size) for one in maps)
        yield row, a - b, c - d


def compare_differences(
    moves: Mapping[str, tuple[np.ndarray, np.ndarray]], records: pd.DataFrame, *, seed: int = 0
) -> pd.DataFrame:
    """Does the model move attention where people moved theirs?

    Args:
        moves: record → (predicted, measured), as :func:`difference_maps` yields them.
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
        names, other = group.record.to_numpy(), np.empty(len(group), dtype=object)
        other[order] = names[np.roll(order, -1)]  # a random circle
        for row, stranger in zip(group.itertuples(), other, strict=True):
            predicted, measured = moves[row.record]
            apart = moves[stranger][1] if stranger != row.record else np.zeros_like(measured)
            alike = correlation(predicted, measured), correlation(predicted, apart)
            shares = total_variation(predicted), total_variation(measured)
            rows.append((row.record, row.image_id, condition, *alike, *shares))
    columns = ["record", "image_id", "condition", "correlation", "control"]
    return pd.DataFrame(rows, columns=[*columns, "predicted_share", "measured_share"])


def summarise_differences(table: pd.DataFrame, *, draws: int = 1000, seed: int = 0) -> pd.DataFrame:
    """Means per condition, and over all (``all``), with 95 % bootstrap intervals over images.

    Returns:
        Rows ``condition``, ``measure`` (the columns of :func:`compare_differences`, and
        ``correlation - control``), ``mean``, ``low``, ``high``, ``n_images``.
    """
    table = table.assign(**{"correlation - control": table.correlation - table.control})
    both = pd.concat([table, table.assign(condition="all")])
    measures = [c for c in both if c not in ("record", "image_id", "condition")]
    tidy = both.melt(["image_id", "condition"], measures, "measure", "value")
    return over_images(tidy, ["condition", "measure"], draws=draws, seed=seed)


class WordEffect(NamedTuple):
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


def leave_one_word_out(ask: Ask, record: pd.DataFrame, size: int) -> list[WordEffect]:
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
    return [WordEffect(word, whole - one) for (word, _), one in zip(without, others, strict=True)]


def word_shares(ask: Ask, records: pd.DataFrame, size: int) -> pd.DataFrame:
    """How much attention each word of each sentence holds.

    Returns:
        One row a word: ``record``, ``image_id``, ``condition``, ``place`` (0 is the first word),
        ``word``, ``kind`` (``content`` or ``function``), ``share`` (0 … 1, of all attention, that
        moves when the word is left out).
    """
    rows = []
    for number, row in enumerate(records.itertuples(index=False)):
        pulls = leave_one_word_out(ask, records.iloc[[number]], size)
        for place, pull in enumerate(pulls):
            kind = "content" if pull.is_content else "function"
            key = (row.record, row.image_id, row.condition)
            rows.append((*key, place, pull.word, kind, total_variation(pull.change)))
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


def expected_map(truth: dict, record: str) -> np.ndarray:
    """The map that infinitely many simulated observers would leave: float64 (H, W), sum 1.

    It is :func:`csalgan.data.synthetic.true_density`, blurred as the dataset's maps are.
    """
    exact = true_density(truth, record)
    sigma = truth["gaze_model"]["map_sigma"] * max(exact.shape)
    blurred = gaussian_filter(exact, sigma, mode="constant")
    return blurred / blurred.sum()  # a little is lost at the border


def text_effect(
    ask: Ask, dataset, records: pd.DataFrame, size: int, texts: Sequence[str] | None = None
) -> pd.DataFrame:
    """The pull of the sentence as a model has it, beside the true one.

    Args:
        ask: any model: a :class:`csalgan.guidance.Reader`, or a function from records and texts
            to maps.
        dataset: an embedded dataset.
        records: its rows with a sentence.
        size: side of the square the maps are compared at.
        texts: other sentences than the records' own: what a wrong sentence still moves in the
            right direction.

    Returns:
        One row per record: ``record``, ``image_id``, ``condition``, ``true`` (κ), ``recovered``
        (κ̂) and ``correlation`` of the model's change with the true one (NaN where it moved
        nothing).

    Raises:
        CsalganError: the data are real, so that nobody knows the effect.
    """
    truth = dataset.truth
    if truth is None:
        raise CsalganError(
            f"{dataset.root}: the true effect of a sentence is known for embedded data only; "
            "compare with the measured change (csalgan.guidance.difference_maps) on real gaze."
        )

    def expected(record: str) -> np.ndarray:
        return expected_map(truth, record)

    rows = []
    for row, predicted, actual in _differences(ask, dataset, records, size, expected, texts):
        kappa = truth["gaze_model"]["kappa"][row.condition]  # actual is κ·d
        share = (predicted * actual).sum() / np.square(actual).sum()
        key = (row.record, row.image_id, row.condition)
        rows.append((*key, kappa, kappa * share, correlation(predicted, actual)))
    columns = ["record", "image_id", "condition", "true", "recovered", "correlation"]
    return pd.DataFrame(rows, columns=columns)


def summarise_effect(table: pd.DataFrame, *, draws: int = 1000, seed: int = 0) -> pd.DataFrame:
    """True and recovered pull, with a 95 % bootstrap interval over images.

    Args:
        table: what :func:`text_effect` gave.

    Returns:
        Rows ``condition`` (``all`` first), ``true`` (mean κ of these records), ``mean`` (κ̂),
        ``low``, ``high``, ``n_images``, ``covers_truth`` and ``excludes_zero`` (of the interval).
    """
    both = pd.concat([table.assign(condition="all"), table])
    tidy = both.rename(columns={"recovered": "value"})
    found = over_images(tidy, ["condition"], draws=draws, seed=seed)
    true = both.groupby("condition")["true"].mean()
    found.insert(1, "true", found["condition"].map(true))
    within = (found.low - _ROUNDING <= found.true) & (found.true <= found.high + _ROUNDING)
    nothing = (found.low <= _ROUNDING) & (found.high >= -_ROUNDING)
    return found.assign(covers_truth=within, excludes_zero=~nothing)
