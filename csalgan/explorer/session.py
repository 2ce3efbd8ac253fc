"""What the explorer knows and computes, without a widget: images, sentences, gaze, scores."""

import html
from collections.abc import Generator, Mapping, Sequence
from functools import cached_property, lru_cache
from typing import NamedTuple

import numpy as np
import pandas as pd

from csalgan.data.records import CONDITIONS
from csalgan.explorer.cached import CachedPredictors, Model
from csalgan.explorer.pictures import Picture
from csalgan.figures.base import CONDITION_LABELS
from csalgan.files.errors import CsalganError
from csalgan.metrics import score
from csalgan.metrics.negatives import NegativePool
from csalgan.prediction import split_for
from csalgan.text.words import without_each_word

#: Scores shown when there is gaze to compare with; in all of them more is better.
SHOWN_METRICS = ("auc", "sauc", "nss", "cc", "sim")
_CHUNK = 8  # words weighed at once, between looks at whether something newer was asked
_PARTS = {
    "train": "this model was <b>trained</b> on the image",
    "val": "the image is in this model's <b>validation</b> part",
    "test": "the image is in this model's <b>test</b> part",
    "new": "this model has never seen data like these",
}


class Measured(NamedTuple):
    """The gaze that predictions are compared with.

    Attributes:
        title: whose gaze it is.
        saliency: (H, W) measured map.
        fixations: (N, 2) rows (y, x), pixels of the picture.
    """

    title: str
    saliency: np.ndarray
    fixations: np.ndarray


class Session:
    """A report's data with the models that are asked about it; each thing is read once.

    Args:
        job: from :func:`csalgan.open_job`; its packed arrays hold the negatives of shuffled AUC.
        models: name → model; the first one's split says which images come first.
    """

    def __init__(self, job, models: Mapping[str, Model]):
        self.job, self.dataset, self.predictors = job, job.dataset, CachedPredictors(models)
        self.of_image = dict(tuple(job.dataset.records.groupby("image_id", sort=False)))
        self.picture = lru_cache(maxsize=16)(self._picture)
        self.measured = lru_cache(maxsize=16)(self._measured)
        self.parts = lru_cache(maxsize=None)(self._parts)
        drawn = self.parts(self.predictors.names[0])
        self._untested = {image: drawn[image] != "test" for image in self.of_image}

    def _parts(self, name: str) -> dict[str, str]:
        """Image → ``train``, ``val`` or ``test`` as a model's split draws it on these data."""
        model = self.predictors.models[name]
        drawn = split_for(self.dataset, model.split, model.data)
        # A split over records puts an image into several parts: the training part wins.
        of = ((drawn.of(part, self.dataset.records), part) for part in ("test", "val", "train"))
        return {image: part for rows, part in of for image in rows["image_id"]}

    def part(self, name: str, image_id: str) -> str:
        """Which part an image was in for a model; ``new`` where it was trained on other data."""
        own = self.predictors.models[name].data == self.dataset.fingerprint[:12]
        return self.parts(name).get(image_id, "new") if own else "new"

    def _picture(self, record: str) -> Picture:
        # The records of an image show the same photograph, so their predictions are shared.
        row = self.dataset.row(record)
        image = self.dataset.image(record)
        return Picture(f"image {row['image_id']}", image, str(row["image_path"]))

    def _measured(self, record: str) -> Measured:
        whose = "simulated" if self.dataset.synthetic else "measured"
        title = f"{whose} gaze: {CONDITION_LABELS[self.dataset.row(record)['condition']]}"
        return Measured(title, self.dataset.map(record), self.dataset.fixations(record))

    def first_record(self) -> str:
        """One of the example image where the first model was tested on it, else one it was."""
        four = [i for i, rows in self.of_image.items() if len(rows) == 4] or list(self.of_image)
        tested = [image for image in four if not self._untested[image]] or four
        try:
            example = self.job.example_image()
        except CsalganError:  # no image has all four records
            example = ""
        return self.best_record(example if example in tested else tested[0])

    def best_record(self, image_id: str) -> str:
        """The record of an image whose sentence names the most conspicuous thing."""
        rows = self.of_image[image_id]
        return rows.loc[rows["condition"].map(CONDITIONS.index).idxmax(), "record"]

    def siblings(self, record: str) -> pd.DataFrame:
        """The records of a record's image; the column ``label`` names their conditions."""
        rows = self.of_image[self.dataset.row(record)["image_id"]]
        return rows.assign(label=rows["condition"].map(CONDITION_LABELS))

    def opening(self, record: str) -> tuple[str, str]:
        """What A and B are at first: a record's sentence, and one of its image that differs."""
        rows = self.siblings(record).set_index("condition")["text"]
        first = self.dataset.row(record)["text"]
        second = [rows.get("non_salient", ""), *rows]
        return first, next((text for text in second if text not in ("", first)), "")

    def find(self, words: str) -> dict[str, str]:
        """Image → its sentences, of images with all these words in them; test images first."""
        told = {image: " / ".join(filter(None, r["text"])) for image, r in self.of_image.items()}
        parts = words.lower().split()
        found = [i for i in told if all(part in f"{i} {told[i]}".lower() for part in parts)]
        return {image: told[image] for image in sorted(found, key=self._untested.get)}

    def shares(
        self, model: str, picture: Picture, sentences: Sequence[str]
    ) -> Generator[None, None, list[list[float]]]:
        """Share of attention each word of each sentence holds, returned after steps."""
        shares: list[list[float]] = [[] for _ in sentences]
        for found, sentence in zip(shares, sentences, strict=True):
            rests = [rest for _, rest in without_each_word(sentence)]
            for start in range(0, len(rests), _CHUNK):
                part = rests[start : start + _CHUNK]
                found += self.predictors.shares(model, picture, sentence, part)
                yield
        return shares

    def scores(self, record: str, saliency: np.ndarray) -> dict[str, float]:
        """:data:`SHOWN_METRICS` (profile ``tuebingen``) of a map against a record's gaze."""
        row, measured = self.dataset.row(record), self.measured(record)
        shape = row["height"], row["width"]
        negatives = self._pool.negatives(row["image_id"], shape, condition=row["condition"])
        return score(
            saliency,
            fixations=measured.fixations,
            saliency_map=measured.saliency,
            negatives=negatives,
            metrics=SHOWN_METRICS,
        )

    @cached_property
    def _pool(self) -> NegativePool:
        p = self.job.prepared
        points = (p.fixations(i) for i in range(len(p.records)))
        ids, conditions = p.records["image_id"].tolist(), p.records["condition"].tolist()
        return NegativePool(ids, points, p.native_size, conditions)

    def shown(self, record: str) -> str:
        """What the picture was taken from; ``""`` is no record of the data."""
        return self.dataset.name if record else "an uploaded photograph"

    def receipt(self, model: str, record: str) -> str:
        """Who answered, and what about, as HTML."""
        predictor = self.predictors.predictor(model)
        line = f"model: {predictor.name}, {predictor.provenance.line()}"
        return f"<p><small>{html.escape(f'{line} · shown: {self.shown(record)}')}</small></p>"

    def table(self, model: str, record: str, scores: Mapping[str, Mapping[str, float]]) -> str:
        """Scores (side → metric → value) as HTML, with whose gaze they compare with."""
        row = self.dataset.row(record)
        read = f"“{html.escape(row['text'])}”" if row["text"] else "nothing (free viewing)"
        part = _PARTS[self.part(model, row["image_id"])]
        whose = "simulated for readers of" if self.dataset.synthetic else "of people who had read"
        table = pd.DataFrame(scores).T.rename(columns=lambda metric: f"{metric.upper()} ↑")
        shown = table.rename_axis(columns="sentence").to_html(float_format="%.3f", border=0)
        return f"<p>Compared with the gaze {whose} {read}; {part}.</p>{shown}"
