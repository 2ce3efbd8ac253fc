"""The explorer's data and computations, without a widget.

Models on offer and what they predicted, each computed once; images, sentences, gaze, scores.
"""

import html
from collections.abc import Callable, Generator, Mapping, Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from csalgan.data.pictures import SUFFIXES
from csalgan.data.records import CONDITIONS
from csalgan.experiment.job import PAPER_EXAMPLE
from csalgan.exploration import density, total_variation
from csalgan.explorer.pictures import VIEW_SIDE, Picture, fit_side
from csalgan.figures.base import CONDITION_LABELS
from csalgan.files.errors import CsalganError
from csalgan.metrics import score
from csalgan.metrics.negatives import NegativePool
from csalgan.prediction import Predictor, opened, split_for
from csalgan.prediction.weights import load_packed, shipped
from csalgan.text.words import without_each_word
from csalgan.training import Run
from csalgan.training.run import among

#: Scores shown when there is gaze to compare with; in all of them more is better.
SHOWN_METRICS = ("auc", "sauc", "nss", "cc", "sim")
_CHUNK = 8  # words weighed at once, between looks at whether something newer was asked
_PARTS = {
    "train": "this model was <b>trained</b> on the image",
    "val": "the image is in this model's <b>validation</b> part",
    "test": "the image is in this model's <b>test</b> part",
    "pretrained": "this model was <b>pretrained</b> on the image",
    "new": "this model was not trained on the image",
}
_SIDE = 96  # of the maps that shares of words are computed from, pixels


class Model(NamedTuple):
    """A model on offer, opened on first use.

    Attributes:
        open: gives its predictor; called once, on first use.
        weights: what ``csalgan.predict(…, weights=…)`` takes for it.
        data: fingerprint of the dataset it was trained on, its first 12 hex digits.
        split: rule and seed of the split it was trained on.
        images: :func:`csalgan.training.run.digests` of the images it was trained on.
        pretraining_images: the same of those it was pretrained on; None where they were not kept.
        pretraining: names and fingerprints of the datasets it was pretrained on.
    """

    open: Callable[[], Predictor]
    weights: str = ""
    data: str = ""
    split: tuple[str, int] = ("image", 0)
    images: frozenset[str] | None = None
    pretraining_images: frozenset[str] | None = None
    pretraining: str = ""


def on_offer(job, first: str = "", *, weights: str = "") -> dict[str, Model]:
    """The models an explorer offers for a report: its own, and those in the package.

    Args:
        job: from :func:`csalgan.open_job`.
        first: subset of a model that must be there (trained now when it is not), with the
            model that the profile puts beside it; ``""``: only what has been trained already.
        weights: of one more model, which then leads (:meth:`csalgan.prediction.Predictor.open`).

    Returns:
        name → model, the best to begin with first. With ``first``: the report's compact model
        beside the paper's, its other runs, the package's weights; else the package's weights, then
        the report's runs.

    Raises:
        CsalganError: as :meth:`csalgan.experiment.job.Job.run`.
    """
    if first:
        job.run(first)
        job.companion()
    runs: dict[str, Model] = {}
    clip = job.profile.text.clip_weights or ""
    folders = sorted((job.out / "runs").glob("*"))
    for folder in sorted(folders, key=lambda path: (path.name != "beside", path.name != first)):
        try:
            run = Run.load(folder)
        except CsalganError:  # a broken or half-made run is simply not on offer
            continue
        if run.complete and run.provenance.fingerprint == job.dataset.fingerprint[:12]:
            where = "" if folder.name == run.subset else f" ({folder.name})"
            name = f"{run.profile.model.kind}, {run.subset}{where}"
            runs[name] = _of_run(run, str(folder.resolve()), clip)
    packed = {
        f"{name} (comes with csalgan)": _of_run(load_packed(name), name, clip) for name in shipped()
    }
    chosen: dict[str, Model] = {}
    if weights:
        path = str(Path(weights).expanduser().resolve())
        predictor = opened(path, clip)
        chosen[predictor.name] = _model(lambda: predictor, path, predictor, predictor.split)
    return chosen | (runs | packed if first else packed | runs)


def _of_run(run: Run, weights: str, clip: str) -> Model:
    split = (run.profile.data.rule, run.profile.split_seed)
    return _model(lambda: opened(weights, clip), weights, run, split)


def _model(open_: Callable[[], Predictor], weights: str, of: Run | Predictor, split) -> Model:
    known, seen = of.provenance, (of.images, of.pretraining_images)
    return Model(open_, weights, known.fingerprint, split, *seen, known.pretraining)


class PredictionCache:
    """Several models by name, and the latest maps and image features they computed.

    Maps are cached by model, picture, sentence and strength; image features by model and picture,
    so another sentence about a picture does not encode it again. (One model on the records of a
    dataset: :class:`csalgan.guidance.CachedPredictor`.)

    Args:
        models: of :func:`on_offer`, say.

    Raises:
        CsalganError: there is no model.
    """

    def __init__(self, models: Mapping[str, Model]):
        if not models:
            raise CsalganError("there is no trained model to ask; run `csalgan train` first.")
        self.models = dict(models)
        self.names = tuple(models)
        self.predictor = lru_cache(maxsize=None)(lambda name: self.models[name].open())
        self.look = lru_cache(maxsize=16)(
            lambda model, picture: self.predictor(model).encode_images([picture.image])
        )
        #: The picture at the size it is shown, no side longer than the second argument.
        self.shown = lru_cache(maxsize=16)(
            lambda picture, side=VIEW_SIDE: fit_side(picture.image, side)
        )
        self._map = lru_cache(maxsize=48)(self._ask)
        self._shares = lru_cache(maxsize=256)(self._weigh)

    def map(self, model: str, picture: Picture, sentence: str, strength: float = 1.0):
        """float32 (H, W) in [0, 1] at the picture's size, read-only; ``""`` is free viewing."""
        sentence = " ".join(sentence.split())
        # Where there is nothing to strengthen, one map serves every strength.
        return self._map(model, picture, sentence, round(float(strength), 4) if sentence else 1.0)

    def shares(
        self, model: str, picture: Picture, sentence: str, rests: Sequence[str]
    ) -> tuple[float, ...]:
        """Share of all attention (0 … 1) that moves when each of ``rests`` is read instead.

        Empty for a model that is too slow to be asked so many sentences while somebody waits.
        """
        if not rests or not self.predictor(model).cheap_to_reread:
            return ()
        return self._shares(model, picture, sentence, tuple(rests))

    def _read(self, model: str, picture: Picture, texts: Sequence[str], shape, strength: float):
        features, shapes = self.look(model, picture), [shape] * len(texts)
        return self.predictor(model).read(features, texts, shapes, strength=strength)

    def _ask(self, model: str, picture: Picture, sentence: str, strength: float) -> np.ndarray:
        (saliency,) = self._read(model, picture, [sentence], picture.image.shape[:2], strength)
        saliency.setflags(write=False)
        return saliency

    def _weigh(self, model: str, picture: Picture, sentence: str, rests) -> tuple[float, ...]:
        maps = self._read(model, picture, [sentence, *rests], (_SIDE, _SIDE), 1.0)
        whole, *others = (density(one, _SIDE) for one in maps)
        return tuple(total_variation(whole - one) for one in others)


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
        job: from :func:`csalgan.open_job`; its packed arrays hold the negatives of shuffled AUC
            (of datasets with observers: the dataset itself).
        models: name → model; the first one's split says which images come first.
    """

    def __init__(self, job, models: Mapping[str, Model]):
        self.job, self.dataset, self.predictors = job, job.dataset, PredictionCache(models)
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
        found = {}
        for part in ("test", "val", "train"):  # an image in several parts: the training part wins
            found |= dict.fromkeys(drawn.of(part, self.dataset.records)["image_id"], part)
        return found

    def part(self, name: str, image_id: str) -> str:
        """Which part an image was in for a model trained on these data; of another model
        ``train``, ``pretrained`` or ``new``."""
        model, data = self.predictors.models[name], self.dataset.fingerprint[:12]
        if model.data == data:
            return self.parts(name).get(image_id, "new")
        image, whole = pd.Series([image_id]), data in model.pretraining
        if among(image, model.images, otherwise=False).any():
            return "train"
        known = among(image, model.pretraining_images, otherwise=whole).any()
        return "pretrained" if known else "new"

    def _picture(self, record: str) -> Picture:
        # The records of an image show the same photograph, so their predictions are shared.
        row = self.dataset.row(record)
        image, path = self.dataset.image(record), str(row["image_path"])
        inside = f"csalgan.open_dataset({str(self.dataset.root)!r}).image({record!r})"
        python = "" if path.lower().endswith(SUFFIXES) else inside
        return Picture(f"image {row['image_id']}", image, path, python)

    def _measured(self, record: str) -> Measured:
        whose = "simulated" if self.dataset.synthetic else "measured"
        title = f"{whose} gaze: {CONDITION_LABELS[self.dataset.row(record)['condition']]}"
        return Measured(title, self.dataset.map(record), self.dataset.fixations(record))

    def first_record(self) -> str:
        """One of the paper's example image, or of another that the first model was tested on."""
        four = [i for i, rows in self.of_image.items() if len(rows) == 4] or list(self.of_image)
        tested = [image for image in four if not self._untested[image]] or four
        return self.best_record(PAPER_EXAMPLE if PAPER_EXAMPLE in tested else tested[0])

    def best_record(self, image_id: str) -> str:
        """The record of an image whose sentence names the most conspicuous thing."""
        rows = self.of_image[image_id]
        return rows.loc[rows["condition"].map(CONDITIONS.index).idxmax(), "record"]

    def siblings(self, record: str) -> pd.DataFrame:
        """The records of a record's image; the column ``label`` names their conditions."""
        rows = self.of_image[self.dataset.row(record)["image_id"]]
        return rows.assign(label=rows["condition"].map(CONDITION_LABELS))

    def opening(self, record: str) -> tuple[str, str]:
        """The first texts of A and B: a record's sentence, and another sentence of its image."""
        rows = self.siblings(record).set_index("condition")["text"]
        first = self.dataset.row(record)["text"]
        second = [rows.get("non_salient", ""), *rows]
        return first, next((text for text in second if text not in ("", first)), "")

    def photograph(self, image_id: str) -> str | Picture:
        """The file of an image, or its pixels where they stand in a file with others."""
        row = self.of_image[image_id].iloc[0]
        path = str(row["image_path"])
        return path if path.lower().endswith(SUFFIXES) else self.picture(row["record"])

    @cached_property
    def _told(self) -> dict[str, str]:
        return {image: " / ".join(filter(None, r["text"])) for image, r in self.of_image.items()}

    def find(self, words: str) -> dict[str, str]:
        """Image → its sentences, of images with all these words in them; the one that is shown at
        first leads, test images follow."""
        told, parts = self._told, words.lower().split()
        found = [i for i in told if all(part in f"{i} {told[i]}".lower() for part in parts)]
        first = self.dataset.row(self.first_record())["image_id"]
        found.sort(key=lambda image: (image != first, self._untested[image]))
        return {image: told[image] for image in found}

    def shares(
        self, model: str, picture: Picture, sentences: Sequence[str]
    ) -> Generator[None, None, list[list[float]]]:
        """Share of attention (0 … 1) that moves without each word of each sentence.

        A generator, so that a caller may stop between its steps; it returns a list for each
        sentence.
        """
        shares: list[list[float]] = [[] for _ in sentences]
        for found, sentence in zip(shares, sentences, strict=True):
            rests = [rest for _, rest in without_each_word(sentence)]
            for start in range(0, len(rests), _CHUNK):
                part = rests[start : start + _CHUNK]
                found += self.predictors.shares(model, picture, sentence, part)
                yield
        return shares

    def scores(self, record: str, saliency: np.ndarray) -> dict[str, float]:
        """:data:`SHOWN_METRICS` (profile ``tuebingen``) of a map against a record's gaze.

        Args:
            saliency: real (h, w) ≥ 0, any size.

        Returns:
            Metric → value: AUC, sAUC and SIM in [0, 1], CC in [−1, 1], NSS in standard deviations.
        """
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
        records = self.dataset.records
        if self.dataset.has_observers:  # they are in memory
            points = map(self.dataset.fixations, records["record"])
        else:
            points = map(self.job.prepared.fixations, range(len(records)))
        sizes = records[["height", "width"]].to_numpy()
        return NegativePool(records["image_id"], list(points), sizes, records["condition"])

    def shown(self, record: str) -> str:
        """Name of the dataset that a record is of; ``""`` stands for an uploaded photograph."""
        return self.dataset.name if record else "an uploaded photograph"

    def source(self, model: str, record: str) -> str:
        """The line below the scores, HTML: the model, its provenance, and the data shown."""
        predictor = self.predictors.predictor(model)
        line = f"model: {predictor.name}, {predictor.map_provenance.line()}"
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
