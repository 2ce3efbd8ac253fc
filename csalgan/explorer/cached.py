"""Models on offer, and what they predicted, each computed once."""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from csalgan.exploration import density, total_variation
from csalgan.explorer.pictures import VIEW_SIDE, Picture, fit_side
from csalgan.files.errors import CsalganError
from csalgan.prediction import Predictor, opened
from csalgan.prediction.weights import load_packed, shipped
from csalgan.training import Run

_SIDE = 96  # at which the shares of words are compared: they are one number each


class Model(NamedTuple):
    """A model that can be asked.

    Attributes:
        open: gives its predictor; called once, on first use.
        weights: what ``csalgan.predict(…, weights=…)`` takes for it.
        data: fingerprint of the dataset it was trained on, its first 12 hex digits.
        split: rule and seed of the split it was trained on.
    """

    open: Callable[[], Predictor]
    weights: str = ""
    data: str = ""
    split: tuple[str, int] = ("image", 0)


def on_offer(job, first: str = "", *, weights: str = "") -> dict[str, Model]:
    """The models an explorer offers for a report: its own, and those in the package.

    Args:
        job: from :func:`csalgan.open_job`.
        first: subset of a model that must be there (trained now when it is not), with the
            model that the profile puts beside it; ``""``: only what has been trained already.
        weights: of one more model, which then leads (:meth:`csalgan.prediction.Predictor.open`).

    Returns:
        name → model. With ``first`` the report's runs lead, that which stands beside the paper's
        before the others, for it is the one that listens; else the package's weights lead.

    Raises:
        CsalganError: as :meth:`csalgan.experiment.job.Job.run`.
    """
    if first:
        job.run(first)
        job.companion()
    runs: dict[str, Model] = {}
    folders = sorted((job.out / "runs").glob("*")) if job.out.is_dir() else []
    for folder in sorted(folders, key=lambda path: (path.name != "beside", path.name != first)):
        try:
            run = Run.load(folder)
        except CsalganError:  # a broken or half-made run is simply not on offer
            continue
        if run.complete and run.provenance.fingerprint == job.dataset.fingerprint[:12]:
            where = "" if folder.name == run.subset else f" ({folder.name})"
            name = f"{run.profile.model.kind}, {run.subset}{where}"
            runs[name] = _model(run, str(folder.resolve()))
    packed = {f"{name} (comes with csalgan)": _model(load_packed(name), name) for name in shipped()}
    chosen: dict[str, Model] = {}
    if weights:
        path = str(Path(weights).expanduser().resolve())
        predictor = opened(path, job.profile.text.clip_weights)
        trained_on = predictor.provenance.fingerprint
        chosen[predictor.name] = Model(lambda: predictor, path, trained_on, predictor.split)
    return chosen | (runs | packed if first else packed | runs)


def _model(run: Run, weights: str) -> Model:
    split = (run.profile.data.rule, run.profile.split_seed)
    return Model(lambda: opened(weights), weights, run.provenance.fingerprint, split)


class CachedPredictors:
    """Models, and the maps they gave, remembered by picture, sentence, strength and model.

    What a model keeps of a picture is remembered too, so a new sentence costs no new look at it.

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
        if not rests or not self.predictor(model).quick:
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
