"""What a sentence does to a prediction: the same picture, predicted with other sentences.

A *variant* is a rule that gives a record another sentence (:mod:`csalgan.text.variants`). A model
(:data:`Ask`) is asked for every variant of every record, each prediction is scored against the
**same** gaze, and the differences to the true sentence are paired. People are the yardstick: the
gaze after another sentence, scored in the same way (:func:`human_scores`).

A *difference map* is a density read with the sentence minus one without it, both with mean 1. It
shows where a sentence, and each of its words, moves attention, and it is compared with where
people's gaze moved.

The true strength of a sentence's effect is known in embedded data only. There, gaze after a
sentence is drawn from ``(1 − κ)·free + κ·named``, with κ, the pull of the sentence, known for every
condition (:mod:`csalgan.data.synthetic.gaze`). So the sentence changes the density by ``κ·d`` with
``d = named − free``. If a model changes its own density by ``c`` when it reads the sentence, the
least-squares estimate of its κ is

    κ̂ = ⟨c, d⟩ / ⟨d, d⟩

with sums over places: how far the model moves along the direction in which gaze was really moved.
A model that ignores text has κ̂ = 0, one that moves half as far has half of κ, one that moves to
another object falls below 0, the more so the further it moves. Both densities are at the model's
size and blurred as the dataset's maps are.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.ndimage import gaussian_filter

from csalgan.data import Dataset
from csalgan.data.synthetic import true_density
from csalgan.evaluation import compare
from csalgan.exploration import correlation, density, over_images, total_variation
from csalgan.files.errors import CsalganError
from csalgan.prediction import Features, Predictor
from csalgan.text.variants import VARIANTS
from csalgan.text.wordless import NoneEncoder
from csalgan.text.words import FUNCTION_WORDS, without_each_word

_ROUNDING = 1e-6  # maps are float32

#: ``(pairs of record and map, rows of the dataset) → tidy scores``: an ``Evaluator``, say.
Score = Callable[[Iterator[tuple[str, np.ndarray]], pd.DataFrame], pd.DataFrame]
#: Any predictor, as this module sees it (a :class:`CachedPredictor`, or a function of yours):
#: ``(rows of a dataset, texts, strength=1.0) → pairs of record and map``. The texts are read in
#: place of the records' own (``texts=None``), in the same order; ``""`` is free viewing, None is
#: no text at all. Strength 0 is free viewing, 1 the sentence. Maps are (h, w) ≥ 0 of any size.
Ask = Callable[..., Iterator[tuple[str, np.ndarray]]]


class CachedPredictor:
    """A trained model as an :data:`Ask` that computes the features of each image once.

    Another sentence about the same image then costs the text encoder and the decoder only. The
    features of every image asked about stay in memory: at its author's 256 px about 8 MB an image.

    Attributes:
        name: what figures call the model.
    """

    def __init__(self, predictor: Predictor, dataset: Dataset):
        self.predictor, self.dataset, self.name = predictor, dataset, predictor.name
        self._silent = replace(predictor, encoder=NoneEncoder(predictor.encoder.dim, cache=False))
        self._seen: dict[str, tuple[Features, tuple[int, int]]] = {}

    def __call__(
        self,
        records: pd.DataFrame,
        texts: Sequence[str | None] | None = None,
        *,
        strength: float = 1.0,
    ) -> Iterator[tuple[str, np.ndarray]]:
        """See :data:`Ask`; maps are float32 (H, W) in [0, 1] at the picture's own size.

        Raises:
            CsalganError: more or fewer sentences than records.
        """
        texts = records["text"].tolist() if texts is None else texts
        if len(texts) != len(records):
            raise CsalganError(
                f"{len(records)} records and {len(texts)} sentences: give one a record."
            )
        # One at a time: beside other sentences in a batch, the same sentence may give other last
        # bits, and "nothing changed" would no longer be exactly 0.
        for row, text in zip(records.itertuples(), texts, strict=True):
            if row.image_id not in self._seen:
                image = self.dataset.image(row.record)
                self._seen[row.image_id] = self.predictor.encode_images([image]), image.shape[:2]
            features, shape = self._seen[row.image_id]
            model = self._silent if text is None else self.predictor
            yield row.record, model.read(features, [text or ""], [shape], strength=strength)[0]


def asking(function: Callable[[np.ndarray, str], np.ndarray], dataset: Dataset) -> Ask:
    """A model of yours as an :data:`Ask`; ``strength`` is not passed on.

    Args:
        function: a photograph, uint8 (H, W, 3) RGB, and a sentence (``""`` for free viewing and
            for no text) → its map (h, w) ≥ 0, of any size.
    """

    def ask(records: pd.DataFrame, texts=None, *, strength: float = 1.0):
        texts = records["text"] if texts is None else texts
        for record, text in zip(records["record"], texts, strict=True):
            yield record, function(dataset.image(record), text or "")

    return ask


def measured(dataset: Dataset) -> Ask:
    """People as a model: the map measured after a sentence was read with that image.

    Where no record of the image has the sentence, the record's own map is given; ``strength`` is
    ignored.
    """
    after = {(row.image_id, row.text): row.record for row in dataset.records.itertuples()}

    def ask(records: pd.DataFrame, texts=None, *, strength: float = 1.0):
        texts = records["text"] if texts is None else texts
        for row, text in zip(records.itertuples(), texts, strict=True):
            lender = after.get((row.image_id, text or ""), row.record)
            yield row.record, dataset.map(row.record if text == row.text else lender)

    return ask


def score_variants(ask: Ask, dataset, variants: pd.DataFrame, score: Score) -> pd.DataFrame:
    """Predict every record with every sentence and score it against the record's own gaze.

    Args:
        ask: the model: a :class:`CachedPredictor`, say.
        variants: what :func:`csalgan.text.variants.sentence_variants` gave.
        score: scores one set of predictions: a :class:`csalgan.evaluation.Evaluator`.

    Returns:
        The scores' columns and ``variant``; where a variant has several draws, a record's value
        is their mean.
    """
    by_record = dataset.records.set_index("record", drop=False)
    tables = []
    for name, group in variants.groupby("variant", sort=False):
        draws = []
        for _, part in group.groupby("draw"):
            rows = by_record.loc[part.record].reset_index(drop=True)
            texts = [None] * len(part) if VARIANTS[name].silent else part.text.tolist()
            draws.append(score(ask(rows, texts), rows))
        tables.append(_averaged(draws).assign(variant=name))
    return pd.concat(tables, ignore_index=True)


def _averaged(draws: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """One table of the mean values; the first draw has every record that a later one has."""
    key = ["record", "metric_profile", "metric"]
    first = draws[0].set_index(key)["value"]
    # Means of differences, so that draws which change nothing leave the very same number.
    every = pd.concat(draws).set_index(key)["value"]
    change = (every - first.reindex(every.index)).groupby(level=key).mean()
    return draws[0].assign(value=(first + change.reindex(first.index)).to_numpy())


def human_scores(dataset, variants: pd.DataFrame, score: Score) -> pd.DataFrame:
    """People as the model: the measured map after another sentence, scored like a prediction.

    ``true`` uses the record's own map, ``swapped`` the map of the condition whose
    sentence was lent, ``absent`` the map of free viewing. Other variants have no measured map.
    """
    read = variants[variants["variant"].isin(["true", "swapped", "absent"])]
    return score_variants(measured(dataset), dataset, read, score)


#: Metric → variant: a record's CC with its own sentence minus its CC with that of the variant.
#: The first changes the content alone and is the headline; the second the kind as well.
COSTS = {"lost_content": "other_image", "lost_exchange": "swapped", "lost_sentence": "absent"}


def costs(own: pd.DataFrame, other: pd.DataFrame) -> pd.DataFrame:
    """What records lose by other sentences, as tidy scores with the metrics :data:`COSTS`.

    Args:
        own: scores of the records with their own sentences.
        other: scores of variants (:func:`score_variants`, :func:`human_scores`).

    Returns:
        Columns of ``own``.
    """
    key = ["record", "metric_profile"]
    cc = own[own["metric"] == "cc"].set_index(key)["value"]
    tables = []
    for metric, variant in COSTS.items():
        rows = other[(other["metric"] == "cc") & (other["variant"] == variant)]
        lost = cc.loc[pd.MultiIndex.from_frame(rows[key])].to_numpy() - rows["value"]
        tables.append(rows.assign(metric=metric, value=lost))
    lost = pd.concat(tables, ignore_index=True).assign(model=own["model"].iloc[0])
    return lost[own.columns.drop("variant", errors="ignore")]


def paired_differences(
    scores: pd.DataFrame,
    *,
    by: str = "variant",
    reference: str = "true",
    draws: int = 1000,
    seed: int = 0,
) -> pd.DataFrame:
    """Score with each variant minus score with the reference, record by record.

    Args:
        scores: tidy scores with a column ``variant`` (or ``by``), of :func:`score_variants` or
            :func:`human_scores`.
        by: the column that is compared (``trained_on`` for models, say).
        reference: its value that is subtracted.
        draws, seed: see :func:`csalgan.evaluation.compare`.

    Returns:
        ``variant`` (or ``by``) and the columns of :func:`csalgan.evaluation.compare`:
        ``difference`` is called ``mean``, the two means it comes from ``score`` and
        ``reference``; ``condition`` is ``all`` or one of the conditions. Records without the
        variant are left out of its pairs.
    """
    base = scores[scores[by] == reference]
    tables = [
        compare(group, base, bootstrap=draws, seed=seed).assign(**{by: name})
        for name, group in scores.groupby(by, sort=False)
        if name != reference
    ]
    names = {"difference": "mean", "a": "score", "b": "reference"}
    table = pd.concat(tables, ignore_index=True).drop(columns="better").rename(columns=names)
    return table[[by, *table.columns.drop(by)]]


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


# --- where a sentence moves attention ---------------------------------------------------------


def difference_maps(
    ask: Ask, dataset: Dataset, prepared, records: pd.DataFrame
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Difference maps of a model and of people: with the sentence minus without.

    Args:
        records: rows with a sentence.

    Returns:
        Record → (predicted, measured), float64 (size, size) at the prepared size, in multiples of
        even attention (both densities have mean 1); each sums to 0.
    """
    row_of = {name: i for i, name in enumerate(prepared.records["record"])}

    def map_of(record: str) -> np.ndarray:
        return prepared.maps[row_of[record]]

    moves = _differences(ask, dataset, records, prepared.size, map_of)
    return {row.record: (predicted, actual) for row, predicted, actual in moves}


def _differences(
    ask: Ask,
    dataset: Dataset,
    records: pd.DataFrame,
    size: int,
    map_of: Callable[[str], np.ndarray],
    texts: Sequence[str] | None = None,
) -> Iterator[tuple]:
    """Row of each record, and two difference maps: the model's, and that of the maps of ``map_of``.

    Both are density with the sentence minus density without, float64 (size, size), in multiples of
    even attention.
    """
    free = dataset.records[dataset.records["condition"] == "none"].set_index("image_id")["record"]
    told, untold = ask(records, texts), ask(records, [""] * len(records))
    for row, (_, a), (_, b) in zip(records.itertuples(index=False), told, untold, strict=True):
        maps = a, b, map_of(row.record), map_of(free[row.image_id])
        a, b, c, d = (density(one, size) for one in maps)
        yield row, a - b, c - d


def compare_differences(
    moves: Mapping[str, tuple[np.ndarray, np.ndarray]], records: pd.DataFrame, *, seed: int = 0
) -> pd.DataFrame:
    """Does the model move attention where people moved theirs?

    Args:
        moves: of :func:`difference_maps`.
        records: their rows.

    Returns:
        One row per record: ``record``, ``image_id``, ``condition``;
        ``correlation`` of the two difference maps (−1 … 1, NaN when the model moved nothing);
        ``control``, the same with the measured difference map of *another* image of
        that condition: agreement that has nothing to do with this image (both leave the centre,
        for instance);
        ``predicted_share`` and ``measured_share``, the share of all attention that moved (0 … 1).
    """
    rng = np.random.default_rng(seed)
    rows = []
    for condition, group in records.groupby("condition", sort=False):
        order = rng.permutation(len(group))
        names, other = group.record.to_numpy(), np.empty(len(group), dtype=object)
        other[order] = names[np.roll(order, -1)]  # a random circle
        for row, stranger in zip(group.itertuples(), other, strict=True):
            predicted, actual = moves[row.record]
            apart = moves[stranger][1] if stranger != row.record else np.zeros_like(actual)
            alike = correlation(predicted, actual), correlation(predicted, apart)
            shares = total_variation(predicted), total_variation(actual)
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
    """What a word does to a prediction: the effect of leaving it out of its sentence.

    Attributes:
        word: lower case, without punctuation.
        difference: float64 (size, size), the density with the whole sentence minus that without the
            word, in multiples of even attention (both have mean 1): positive where the word adds
            attention.
    """

    word: str
    difference: np.ndarray

    @property
    def is_content(self) -> bool:
        """Whether it is no function word (a list decides, see :data:`FUNCTION_WORDS`)."""
        return self.word not in FUNCTION_WORDS


def leave_one_word_out(ask: Ask, record: pd.DataFrame, size: int) -> list[WordEffect]:
    """The effect of leaving out each word of one record's sentence, in reading order.

    Args:
        ask: the model: a :class:`CachedPredictor`, say.
        record: one row of a dataset, with a sentence.
        size: side of the square the maps are compared at.
    """
    without = without_each_word(record["text"].iloc[0])
    texts = [record["text"].iloc[0], *(text for _, text in without)]
    rows = record.iloc[[0] * len(texts)]
    whole, *others = (density(one, size) for _, one in ask(rows, texts))
    return [WordEffect(word, whole - one) for (word, _), one in zip(without, others, strict=True)]


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
    """κ̂, the pull of a record's sentence on a model's density, beside the true κ.

    Args:
        ask: any model: a :class:`CachedPredictor`, or a function from records and texts
            to maps.
        dataset: an embedded dataset.
        records: its rows with a sentence.
        size: side of the square the maps are compared at.
        texts: other sentences than the records' own: what a wrong sentence still moves in the
            right direction.

    Returns:
        One row per record: ``record``, ``image_id``, ``condition``, ``true`` (κ), ``recovered``
        (κ̂) and ``correlation`` of the model's difference map with the true one (NaN where it
        moved nothing).

    Raises:
        CsalganError: the data are real, so that nobody knows the effect.
    """
    truth = dataset.truth
    if truth is None:
        raise CsalganError(
            f"{dataset.root}: the true effect of a sentence is known for embedded data only; "
            "compare with measured difference maps (csalgan.guidance.difference_maps) on real gaze."
        )

    rows = []
    expected = partial(expected_map, truth)
    for row, predicted, actual in _differences(ask, dataset, records, size, expected, texts):
        kappa = truth["gaze_model"]["kappa"][row.condition]  # actual is κ·d
        share = (predicted * actual).sum() / np.square(actual).sum()
        key = (row.record, row.image_id, row.condition)
        rows.append((*key, kappa, kappa * share, correlation(predicted, actual)))
    columns = ["record", "image_id", "condition", "true", "recovered", "correlation"]
    return pd.DataFrame(rows, columns=columns)


def summarise_effect(table: pd.DataFrame, *, draws: int = 1000, seed: int = 0) -> pd.DataFrame:
    """Mean κ and κ̂, with a 95 % bootstrap interval over images.

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
