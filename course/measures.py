"""What the cells about misconceptions measure."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from csalgan.data import make_split
from csalgan.exploration import correlation, density, difference_map, total_variation
from csalgan.text.variants import sentence_variants

if TYPE_CHECKING:
    from csalgan.experiment.job import Job

#: As long as a sentence of the data, and about nothing.
MEANINGLESS = "The florp behind a quandle brinks the soddy trell."


def same_order(saliency: np.ndarray) -> dict[str, np.ndarray]:
    """Maps that put the pixels in the same order as ``saliency``, and are nothing like it.

    Args:
        saliency: real (H, W), not constant.

    Returns:
        Name → float64 (H, W) in [0, 1]. Equal values stay equal, so every metric that looks at
        the order only (AUC, shuffled AUC) gives all of them the same score.
    """
    values = np.asarray(saliency, dtype=np.float64)
    ranks = rankdata(values, method="dense").reshape(values.shape)  # 1 … number of levels
    top = ranks.max()
    steep = 280 / np.log10(top + 1)  # as steep as goes without two small values becoming 0
    return {
        "the map itself": (values - values.min()) / np.ptp(values),
        "washed out": np.log1p(ranks) / np.log1p(top),
        "one hot spot": (ranks / top) ** steep,
    }


def leakage(job: "Job", *, seeds: int = 5) -> pd.DataFrame:
    """The score of merely remembering images, under three ways of testing on the same records.

    The "model" here learns nothing: for a test record it recites the mean of the training maps of
    the *same image*, and the mean of all training maps where it has none.

    Args:
        job: its prepared maps are scored, averaged down to at most 127 pixels a side.
        seeds: splits drawn for each rule.

    Returns:
        One row a rule and seed: ``rule`` (``over images``; ``over records``: each record in one
        part; ``all records``: the same training, tested on all records, those of training
        included, as the author's code scored), ``seed``,
        ``remembered`` (share of test records whose image is in the training part), ``memory`` and
        ``mean_map`` (mean CC of the two over the test records).
    """
    prepared, records = job.prepared, job.prepared.records
    maps = _small(prepared.maps).reshape(len(records), -1)
    maps /= np.maximum(maps.mean(axis=1, keepdims=True), 1e-12)  # every map weighs the same
    images = records["image_id"].to_numpy()
    rows = []
    for rule, seed, train, test in _splits(records, seeds):
        mean = maps[train].mean(axis=0)
        memory, plain = [], []
        for k in np.flatnonzero(test):
            same = train & (images == images[k])
            recited = maps[same].mean(axis=0) if same.any() else mean
            memory.append(correlation(recited, maps[k]))
            plain.append(correlation(mean, maps[k]))
        remembered = np.isin(images[test], images[train]).mean()
        rows.append((rule, seed, remembered, np.nanmean(memory), np.nanmean(plain)))
    return pd.DataFrame(rows, columns=["rule", "seed", "remembered", "memory", "mean_map"])


def listening(predictor, job: "Job", records: pd.DataFrame, *, most: int = 24) -> pd.DataFrame:
    """How a model's map moves after its own, another image's and a meaningless sentence.

    Every record is predicted with its own sentence, with the sentence of another image, and with
    a sentence that means nothing, and each map is compared with the one without a sentence.

    Args:
        predictor: a :class:`csalgan.prediction.Predictor`.
        records: rows of the job's dataset; those without a sentence are passed over.
        most: so many of them are used, the first ones.

    Returns:
        Rows ``sentence``, ``moved`` (share of all attention that moved, 0 to 1), ``agreement``
        (mean correlation of the predicted with the measured difference maps; NaN when nothing
        moved) and ``records``. The last row, ``people, own sentence``, is measured gaze.
    """
    told = records[records["condition"] != "none"].head(most)
    variants = sentence_variants(told, ("true", "other_image"), seed=job.profile.seed)
    lent = variants[(variants["variant"] == "other_image") & (variants["draw"] == 0)]
    lent = lent.set_index("record")["text"]
    told = told[told["record"].isin(lent.index)]
    sentences = {
        "own sentence": told["text"].tolist(),
        "another image's": lent.loc[told["record"]].tolist(),
        "no meaning": [MEANINGLESS] * len(told),
    }
    size = job.prepared.size

    def maps(texts: list[str]) -> np.ndarray:
        found = predictor.predict_records(job.dataset, told.assign(text=texts))
        return np.stack([density(one, size) for _, one in found])

    free = job.dataset.records[job.dataset.records["condition"] == "none"]
    reference = dict(zip(free["image_id"], free["record"], strict=True))
    pairs = zip(told["record"], told["image_id"], strict=True)
    measured = np.stack([difference_map(job.prepared, r, reference[i]) for r, i in pairs])
    silent = maps([""] * len(told))
    differences = {name: maps(texts) - silent for name, texts in sentences.items()}
    differences["people, own sentence"] = measured
    rows = []
    for name, moved in differences.items():
        alike = [correlation(a, b) for a, b in zip(moved, measured, strict=True)]
        agreement = float(np.mean(alike)) if np.isfinite(alike).all() else np.nan
        rows.append((name, total_variation(moved), agreement, len(told)))
    return pd.DataFrame(rows, columns=["sentence", "moved", "agreement", "records"])


def _small(maps: np.ndarray) -> np.ndarray:
    """Blocks of pixels averaged until a side has fewer than 128: float32 (N, s, s)."""
    block = max(1, maps.shape[1] // 64)
    side = maps.shape[1] // block
    cut = maps[:, : side * block, : side * block]
    return cut.reshape(len(maps), side, block, side, block).mean(axis=(2, 4), dtype=np.float32)


def _splits(records: pd.DataFrame, seeds: int) -> Iterator[tuple[str, int, np.ndarray, np.ndarray]]:
    """Rule, seed, and masks of the training and the test records."""
    names = records["record"]
    for seed in range(seeds):
        images = make_split(records, "image", seed)
        parts = make_split(records, "record", seed)
        train = _in(names, parts.train)
        yield "over images", seed, _in(names, images.train), _in(names, images.test)
        yield "over records", seed, train, _in(names, parts.test)
        yield "all records", seed, train, np.ones(len(names), dtype=bool)


def _in(names: pd.Series, chosen: np.ndarray) -> np.ndarray:
    return names.isin(chosen).to_numpy()
