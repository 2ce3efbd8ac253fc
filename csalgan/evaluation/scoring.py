"""From predictions to a tidy table of scores, one row a number, the provenance in every row."""

import math
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, partial
from typing import NamedTuple

import numpy as np
import pandas as pd

from csalgan.evaluation import baselines
from csalgan.files.errors import CsalganError
from csalgan.files.provenance import Provenance, commit
from csalgan.files.spreadsheets import read_csv
from csalgan.metrics import METRICS, PROBABILISTIC, profile_info, score
from csalgan.metrics.author import SIZE as PAPER_SIZE
from csalgan.metrics.maps import as_map, fit_uniform_share, over_uniform, resize
from csalgan.metrics.negatives import NegativePool

#: Columns of the tidy scores, in order. One row is one metric of one record under one profile.
_RECORD = ("record", "image_id", "condition", "source")
_SCORE = ("model", "metric_profile", "metric", "value")
_RULES = ("resize", "epsilon", "controls", "uniform_share", "n", "seed")
_PROVENANCE = ("fingerprint", "data", "split", "encoder", "profile", "commit", "precision")
_PROVENANCE += ("test_scales", "device")
COLUMNS = (*_RECORD, *_SCORE, *_RULES, *_PROVENANCE)
_NUMBERS = {"value", "epsilon", "uniform_share", "n", "seed"}
#: How a CSV of them is read: what is text stays text, ids with leading zeros and a model called
#: ``NA`` too.
AS_WRITTEN = {
    "dtype": dict.fromkeys([column for column in COLUMNS if column not in _NUMBERS], str),
    "keep_default_na": False,
    "na_values": dict.fromkeys(_NUMBERS, ["", "nan", "NaN"]),
}

#: Metrics that are a mean over fixations; the others are over pixels.
_OVER_FIXATIONS = frozenset({"auc", "auc_borji", "sauc", "nss", "ig", "ig_uniform"})
#: Metrics that compare with gaze on other images.
CONTROLLED = frozenset({"sauc", "ig"})
#: Where that gaze may come from → how provenance says it.
CONTROLS = {"condition": "same condition", "pooled": "all conditions pooled"}
#: Of a CSV of scores: a large dataset's, under several profiles, some 300 bytes each.
_MOST_BYTES = 4 * 2**30
_FITTED_ON = 100  # records a uniform share is fitted on
_BACKLOG = 4  # predictions waiting for each worker: what is in memory at once

#: Rows of a dataset → ``(record, map)`` pairs, the maps (h, w) of any size.
Predict = Callable[[pd.DataFrame], Iterable[tuple[str, np.ndarray]]]


class Truth(NamedTuple):
    """What a record's prediction is scored against: int (N, 2) rows (y, x), a (H, W) map ≥ 0."""

    record: str
    fixations: np.ndarray
    saliency_map: np.ndarray


class Evaluator:
    """Scores any number of models against one dataset; what they share is read once.

    Args:
        dataset: from :func:`csalgan.open_dataset`.
        split: from :func:`csalgan.data.make_split`; its training part gives the center bias of
            information gain and everything the baselines are fitted on.
        metric_profiles: names from :data:`csalgan.metrics.PROFILES`.
        controls: the other images' gaze that is the negatives of shuffled AUC and the center
            bias of information gain: of the record's own ``condition``, or of all conditions
            ``pooled`` (:data:`CONTROLS`).
        seed: of metrics that draw at random, of halves and fits.
        provenance: of the model (:attr:`csalgan.prediction.Predictor.map_provenance`); its
            encoder, profile, commit, precision and test scales go into every row.
        workers: threads. The same numbers come out for any number of them.

    Raises:
        CsalganError: unknown profile or controls, or no training record.
    """

    def __init__(
        self,
        dataset,
        split,
        *,
        metric_profiles: Sequence[str] = ("tuebingen",),
        controls: str = "condition",
        seed: int = 0,
        provenance: Provenance | None = None,
        workers: int = 2,
    ):
        if controls not in CONTROLS:
            raise CsalganError(f"controls {controls!r}: use one of {', '.join(CONTROLS)}.")
        self.dataset, self.split, self.controls, self.seed = dataset, split, controls, seed
        self.profiles = [profile_info(name) for name in dict.fromkeys(metric_profiles)]
        self.provenance, self.workers = provenance, workers
        records = dataset.records
        with ThreadPoolExecutor(workers) as threads:
            points = list(threads.map(dataset.fixations, records["record"]))
        #: record → its fixations, int (N, 2), rows (y, x) in native pixels.
        self.fixations = dict(zip(records["record"], points, strict=True))
        shapes = records[["height", "width"]].to_numpy()
        self._shapes = dict(zip(records["record"], map(tuple, shapes.tolist()), strict=True))
        self.pool = NegativePool(records["image_id"], points, shapes, records["condition"])
        train = split.of("train", records)
        self.fitted = baselines.fit(dataset, train, fixations=self.fixations.get, seed=seed)
        self._rows = records.set_index("record", drop=False)
        # One resized density a condition and picture size, a few at a time.
        self._center_bias = lru_cache(maxsize=8)(
            lambda which, shape: resize(self.fitted.densities[which], shape)
        )

    def __call__(
        self,
        predictions: Iterable[tuple[str, np.ndarray]] | Mapping[str, np.ndarray],
        records: pd.DataFrame | None = None,
        *,
        model: str = "model",
        share: float | None = None,
        metrics: Sequence[str] | None = None,
    ) -> pd.DataFrame:
        """Score predictions.

        Args:
            predictions: ``(record, map)`` pairs or a mapping; maps of any size, (h, w). Consumed
                as scoring goes on: memory does not grow.
            records: rows of the dataset to keep; predictions of other records are passed over.
            model: what the ``model`` column says.
            share: the uniform share that makes the model's maps densities, of
                :meth:`uniform_share` (:meth:`fitted_to` does both); None leaves the metrics of
                densities (KL and information gain of ``tuebingen``) out.
            metrics: only these, where a profile has them.

        Returns:
            Rows with :data:`COLUMNS`, in the order of the predictions.

        Raises:
            CsalganError: a record that the dataset does not have, or a metric that is none.
        """
        if unknown := set(metrics or ()) - set(METRICS):
            raise CsalganError(f"metric {min(unknown)!r}: use one of {', '.join(METRICS)}.")
        wanted = None if records is None else set(records["record"])
        pairs = predictions.items() if isinstance(predictions, Mapping) else predictions
        jobs = (job for job in pairs if wanted is None or job[0] in wanted)

        def score_one(job: tuple[str, np.ndarray]) -> list[dict]:
            return self._score(self.truth(job[0]), job[1], share, metrics)

        return self._table(_threaded(score_one, jobs, self.workers), model)

    def uniform_share(self, predict: Predict, records: pd.DataFrame | None = None) -> float | None:
        """The uniform share that makes a model's maps densities, fitted without test gaze.

        A saliency map is no probability: an 8-bit map says 0, "impossible", of most of a picture.
        Every map is turned into a density in one way for the whole model and without looking at
        the test part: the share under which the fixations of the *validation* part are most likely,
        which training has not learned by heart.

        Args:
            predict: rows of the dataset → ``(record, map)`` pairs: a
                :class:`csalgan.guidance.CachedPredictor`, say.
            records: to fit on (a seeded sample of 100 of them), by default the validation part.

        Returns:
            0 … 1; None where there is no map to fit on.
        """
        pairs = ((record, as_map(values)) for record, values in predict(self._to_fit_on(records)))
        return self._share_of(
            (record, values, self.fixations[record])
            for record, values in pairs
            if np.isfinite(values).all()
        )

    def fitted_to(self, predict: Predict, records: pd.DataFrame | None = None) -> Callable:
        """This evaluator for one model: with its :meth:`uniform_share`."""
        return partial(self, share=self.uniform_share(predict, records))

    def baseline(
        self, name: str, records: pd.DataFrame, *, train: pd.DataFrame | None = None
    ) -> pd.DataFrame:
        """Score a baseline, split-half reliability, or observers by each other.

        Args:
            name: one of :attr:`yardsticks`; :mod:`csalgan.evaluation.baselines` describes each.
            records: rows of the dataset to score.
            train: records the mean map is taken over, by default the training part of all.
        """
        if name in baselines.RELIABILITY:
            return self._gaze_by_gaze(name, records)
        mean = None
        if name == "mean_map":
            rows = self.split.of("train", self.dataset.records) if train is None else train
            mean = baselines.mean_map(self.dataset, rows)

        def predict(rows: pd.DataFrame) -> Iterator[tuple[str, np.ndarray]]:
            return baselines.predictions(name, self.dataset, rows, self.fitted, mean)

        return self.fitted_to(predict)(predict(records), model=name)

    def _gaze_by_gaze(self, name: str, records: pd.DataFrame) -> pd.DataFrame:
        """Some of each record's fixations predicted by the others.

        ``split_half``: half by the other half (:func:`baselines.halves`). Rows as scored, and of
        ``split_half_corrected``: CC alone, corrected for the halving (Spearman–Brown), which says
        what a second measurement as large as the first would reach.

        ``observers``: each observer's by those of all others (:func:`baselines.others`). Only
        metrics that are means over fixations: one observer's few fixations make no map. An
        image's value is the mean over its observers, each weighing as many as their fixations, so
        that it stands beside a model's value on the fixations of all. Images that one observer
        alone fixated have none.

        Raises:
            CsalganError: the dataset does not say who fixated.
        """
        halved = name == baselines.SPLIT_HALF

        def parts(record: str) -> list[tuple[Truth, np.ndarray]]:
            about = self.fixations[record], self._shapes[record], self.fitted.map_sigma
            if halved:
                made = baselines.halves(*about, baselines.record_rng(record, self.seed))
                return [(Truth(record, *made[1:]), made[0])] if made else []
            others = baselines.others(*about, self.dataset.observers(record))
            saliency_map = self.dataset.map(record)
            return [(Truth(record, own, saliency_map), made) for made, own in others]

        held = (part for record in self._to_fit_on()["record"] for part in parts(record))
        share = self._share_of((truth.record, made, truth.fixations) for truth, made in held)

        def one(record: str) -> list[dict]:
            only = None if halved else _OVER_FIXATIONS
            scored = [self._score(*part, share, only) for part in parts(record)]
            means = [_mean(same) for same in zip(*scored, strict=True)]
            return [row for row in means if halved or row["metric_profile"] != "paper"]

        table = self._table(_threaded(one, records["record"], self.workers), name)
        if not halved or table.empty:
            return table
        cc = table[table["metric"] == "cc"]
        whole = cc["value"].map(baselines.spearman_brown)
        corrected = cc.assign(model=baselines.CORRECTED, value=whole)
        return pd.concat([table, corrected], ignore_index=True)

    @property
    def yardsticks(self) -> tuple[str, ...]:
        """Names of what :meth:`baseline` scores on this dataset."""
        names = (*baselines.BASELINES, baselines.SPLIT_HALF)
        known = getattr(self.dataset, "has_observers", False)
        return (*names, baselines.OBSERVERS) if known else names

    def _to_fit_on(self, records: pd.DataFrame | None = None) -> pd.DataFrame:
        rows = self.split.of("val", self.dataset.records) if records is None else records
        return rows.sample(min(len(rows), _FITTED_ON), random_state=self.seed)

    def _share_of(self, made: Iterable[tuple[str, np.ndarray, np.ndarray]]) -> float | None:
        """The uniform share that suits ``(record, map, fixations)`` best; None for none."""
        ratios = [
            over_uniform(values, baselines.relative(points, self._shapes[record]))
            for record, values, points in made
        ]
        return fit_uniform_share(np.concatenate(ratios)) if ratios else None

    def truth(self, record: str) -> Truth:
        """The record's fixations and its map, read from its file.

        Raises:
            CsalganError: the dataset has no such record.
        """
        saliency_map = self.dataset.map(record)
        return Truth(record, self.fixations[record], saliency_map)

    def inputs(self, truth: Truth, profile: str) -> dict:
        """The keyword arguments of :func:`csalgan.metrics.score` for a truth and profile."""
        given = {"saliency_map": truth.saliency_map, "profile": profile, "seed": self.seed}
        if profile == "paper":
            return given
        shape, row = truth.saliency_map.shape, self._rows.loc[truth.record]
        condition = row["condition"] if self.controls == "condition" else None
        # A condition that training lacks has no center bias, and so no information gain.
        if (condition or "") in self.fitted.densities:
            given["center_bias"] = self._center_bias(condition or "", shape)
        n_images = profile_info(profile).negative_images
        negatives = self.pool.negatives(
            row["image_id"], shape, condition=condition, n_images=n_images, seed=self.seed
        )
        return given | {"fixations": truth.fixations, "negatives": negatives}

    def values(
        self,
        truth: Truth,
        prediction: np.ndarray,
        profile: str,
        share: float | None = None,
        metrics: Sequence[str] | None = None,
    ) -> dict[str, float]:
        """Metric → value of one map (h, w) under one profile; options as in a call."""
        given = self.inputs(truth, profile)
        names = [
            metric
            for metric, needs in profile_info(profile).needs.items()
            if all(need in given for need in needs)
            and (metrics is None or metric in metrics)
            and (share is not None or profile != "tuebingen" or metric not in PROBABILISTIC)
        ]
        return score(prediction, **given, metrics=names, uniform_share=share or 0.0)

    def _score(
        self,
        truth: Truth,
        prediction: np.ndarray,
        share: float | None,
        metrics: Sequence[str] | None = None,
    ) -> list[dict]:
        values = as_map(prediction)
        native = resize(values, truth.saliency_map.shape)  # once for all profiles
        rows = []
        for info in self.profiles:
            paper = info.name == "paper"  # its code sees neither the native size nor a fixation
            shown, pixels = (values, PAPER_SIZE**2) if paper else (native, native.size)
            found = self.values(truth, shown, info.name, share, metrics)
            for metric, value in found.items():
                fixations = metric in _OVER_FIXATIONS and not paper
                controlled = metric in CONTROLLED and not paper
                density = metric in PROBABILISTIC
                row = {
                    "record": truth.record,
                    "metric_profile": info.name,
                    "metric": metric,
                    "value": value,
                    "resize": info.resize,
                    "epsilon": info.epsilon if density else math.nan,
                    "controls": CONTROLS[self.controls] if controlled else "",
                    "uniform_share": share if density and info.name == "tuebingen" else math.nan,
                    "n": len(truth.fixations) if fixations else pixels,
                }
                rows.append(row)
        return rows

    def _table(self, rows: Iterable[list[dict]], model: str) -> pd.DataFrame:
        table = pd.DataFrame([row for several in rows for row in several])
        if table.empty:
            return pd.DataFrame(columns=list(COLUMNS))
        about = self._rows.loc[table["record"], list(_RECORD)].reset_index(drop=True)
        provenance = self.provenance or Provenance("", "", "", "", self.seed, commit())
        made, here = provenance.commit, commit()
        constants = {
            "model": model,
            "seed": self.seed,
            "fingerprint": self.dataset.fingerprint[:12],
            "data": self.dataset.name,
            "split": f"{self.split.rule}, seed {self.split.seed}",
            "encoder": provenance.encoder,
            "profile": provenance.profile,
            "commit": made if made == here else f"{made}, scored by {here}",
        }
        predicted = model not in baselines.YARDSTICKS
        for column in ("precision", "test_scales", "device"):
            constants[column] = getattr(provenance, column) if predicted else ""
        return table.assign(**about, **constants)[list(COLUMNS)]


def read_scores(path: str | os.PathLike) -> pd.DataFrame:
    """Tidy scores from a CSV; ids stay text (``000000000109``), which pandas alone makes numbers.

    Raises:
        CsalganError: no CSV.
        FileNotFoundError: no such file.
    """
    return read_csv(path, most=_MOST_BYTES, **AS_WRITTEN)


def with_subsets(scores: pd.DataFrame, subsets: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """The scores once for each subset their records belong to, named in a ``subset`` column.

    Args:
        subsets: name → rows of the dataset.
    """
    belong = {name: scores["record"].isin(rows["record"]) for name, rows in subsets.items()}
    parts = [scores[chosen].assign(subset=name) for name, chosen in belong.items()]
    return pd.concat(parts, ignore_index=True)


def _mean(same: Sequence[dict]) -> dict:
    """Rows of one metric as one: each value weighs as many as its fixations or pixels."""
    if len(same) == 1:
        return same[0]
    values, counts = zip(*((row["value"], row["n"]) for row in same), strict=True)
    return same[0] | {"value": np.average(values, weights=counts), "n": sum(counts)}


def _threaded(work: Callable, jobs: Iterable, workers: int) -> Iterator:
    """``map(work, jobs)`` in threads, in order, with a few jobs in flight only."""
    with ThreadPoolExecutor(workers) as pool:
        waiting = deque()
        for job in jobs:
            waiting.append(pool.submit(work, job))
            if len(waiting) >= workers * _BACKLOG:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
