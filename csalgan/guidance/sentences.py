"""Asking a model with many sentences, and what another sentence costs, people as the yardstick.

Each picture is encoded once (:class:`Reader`). Every variant of a record's sentence is scored
against the same gaze, and differences to the true sentence are paired.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from csalgan.data import Dataset
from csalgan.evaluation import compare
from csalgan.files.errors import CsalganError
from csalgan.prediction import Features, Predictor
from csalgan.text.variants import VARIANTS
from csalgan.text.wordless import NoneEncoder

#: ``(pairs of record and map, rows of the dataset) → tidy scores``: an ``Evaluator``, say.
Score = Callable[[Iterator[tuple[str, np.ndarray]], pd.DataFrame], pd.DataFrame]
#: Any predictor, as this package sees it (a :class:`Reader`, or a function of yours):
#: ``(rows of a dataset, texts, strength=1.0) → pairs of record and map``. The texts are read in
#: place of the records' own (``texts=None``), in the same order; ``""`` is free viewing, None is
#: no text at all. Strength 0 is free viewing, 1 the sentence. Maps are (h, w) ≥ 0 of any size.
Ask = Callable[..., Iterator[tuple[str, np.ndarray]]]


@dataclass
class Reader:
    """A trained model that keeps what it has seen of each picture.

    Reading another sentence then costs no second look at the picture. The features of every
    picture asked about stay in memory: at the paper's 256 px about 8 MB a picture.
    """

    predictor: Predictor
    dataset: Dataset
    _seen: dict[str, tuple[Features, tuple[int, int]]] = field(default_factory=dict, repr=False)

    def __post_init__(self):
        nothing = NoneEncoder(self.predictor.encoder.dim, cache=False)
        self._silent = replace(self.predictor, encoder=nothing)

    @property
    def name(self) -> str:
        """What figures call the model."""
        return self.predictor.name

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
        given = records["text"].tolist() if texts is None else texts
        if len(given) != len(records):
            raise CsalganError(
                f"{len(records)} records and {len(given)} sentences: give one a record."
            )
        # One at a time: beside other sentences in a batch, the same sentence may give other last
        # bits, and "nothing changed" would no longer be exactly 0.
        rows = zip(records["record"], records["image_id"], given, strict=True)
        for record, image_id, text in rows:
            if image_id not in self._seen:
                image = self.dataset.image(record)
                self._seen[image_id] = self.predictor.encode_images([image]), image.shape[:2]
            features, shape = self._seen[image_id]
            model = self._silent if text is None else self.predictor
            yield record, model.read(features, [text or ""], [shape], strength=strength)[0]


def measured(dataset: Dataset) -> Ask:
    """People as a model: the map measured after a sentence was read with that image.

    It is the record's own where nobody has read the sentence there, and at every strength: nobody
    was asked.
    """
    after = {(row.image_id, row.text): row.record for row in dataset.records.itertuples()}

    def ask(
        records: pd.DataFrame, texts: Sequence[str | None] | None = None, *, strength: float = 1.0
    ) -> Iterator[tuple[str, np.ndarray]]:
        own = records["text"]
        rows = zip(records["record"], records["image_id"], own, strict=True)
        for (record, image_id, read), text in zip(
            rows, own if texts is None else texts, strict=True
        ):
            same = record if text == read else after.get((image_id, text or ""), record)
            yield record, dataset.map(same)

    return ask


def score_variants(ask: Ask, dataset, variants: pd.DataFrame, score: Score) -> pd.DataFrame:
    """Predict every record with every sentence and score it against the record's own gaze.

    Args:
        ask: the model: a :class:`csalgan.guidance.Reader`, say.
        variants: what :func:`csalgan.guidance.sentence_variants` gave.
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


def score_strengths(
    ask: Ask,
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
    tables = dict(known or {})
    for strength in strengths:
        if strength not in tables:
            tables[strength] = score(ask(records, strength=strength), records)
    chosen = [tables[strength].assign(strength=float(strength)) for strength in strengths]
    return pd.concat(chosen, ignore_index=True)


def score_models(models: Mapping[str, Ask], records: pd.DataFrame, score: Score) -> pd.DataFrame:
    """Score several models on the same records, each with its own sentence.

    Args:
        models: what to call a model (the subset it was trained on, say) → the model.

    Returns:
        The scores' columns and ``trained_on``.
    """
    tables = [score(ask(records), records).assign(trained_on=name) for name, ask in models.items()]
    return pd.concat(tables, ignore_index=True)


#: What reading is worth, as metrics of a record: CC with its own sentence less CC with another.
#: The first changes the content alone and is the headline; the second the kind as well.
COSTS = {"lost_content": "other_image", "lost_exchange": "swapped", "lost_sentence": "absent"}


def costs(own: pd.DataFrame, other: pd.DataFrame) -> pd.DataFrame:
    """What records lose by other sentences, as tidy scores with the metrics :data:`COSTS`.

    Args:
        own: scores of the records with their own sentences.
        other: scores of variants (:func:`score_variants`, :func:`human_scores`).

    Returns:
        Columns of ``own``. Exchange is that of salient and non-salient sentences; general ones
        have no counterpart.
    """
    key = ["record", "metric_profile"]
    cc = own[own["metric"] == "cc"].set_index(key)["value"]
    tables = []
    for metric, variant in COSTS.items():
        rows = other[(other["metric"] == "cc") & (other["variant"] == variant)]
        if variant == "swapped":
            rows = rows[rows["condition"] != "general"]
        lost = cc.loc[pd.MultiIndex.from_frame(rows[key])].to_numpy() - rows["value"]
        tables.append(rows.assign(metric=metric, value=lost))
    return pd.concat(tables, ignore_index=True)[own.columns.drop("variant", errors="ignore")]


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
