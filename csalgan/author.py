"""The author's own weights, for whoever has a clone of Firehdx/CLIP-SalGAN.

Table I from the weights, by their own protocol and the benchmark's beside it. What is in a clone is
found and read by :mod:`csalgan.data.clone`.
"""

import hashlib
import json
import platform
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch

from csalgan.data import Dataset, Split, make_split
from csalgan.data.clone import find_weights
from csalgan.data.prepared import square
from csalgan.data.records import SUBSETS
from csalgan.evaluation import baselines, tables
from csalgan.evaluation.scoring import Evaluator
from csalgan.evaluation.statistics import summarise
from csalgan.figures.saving import save
from csalgan.figures.scores import repeats
from csalgan.files.errors import CsalganError
from csalgan.files.progress import Progress
from csalgan.files.provenance import Provenance, commit
from csalgan.files.spreadsheets import write_csv
from csalgan.files.writing import write_text
from csalgan.metrics.author import prediction_at_size, score_batches
from csalgan.models import load_published_generator
from csalgan.prediction import author as reading
from csalgan.training import embed
from csalgan.training.run import subset_records

MEAN_MAP = "mean training map"


class Scores(NamedTuple):
    """What the author's weights score.

    Attributes:
        table: one row a number: ``run``, ``subset``, ``text``, ``protocol``, ``metric``, ``value``,
            ``sd``, ``printed``. Under ``author`` the value is the mean
            over repeats and ``sd`` their standard deviation; under ``tuebingen`` the mean over
            test records.
        mean_map: the same of the mean training map, its ``text`` empty.
        draws: ``run``, ``subset``, ``text``, ``repeat``, ``metric``, ``value``: every repeat.
        conditions: ``tuebingen`` per condition (``all`` first), of weights and mean map: ``run``,
            ``subset``, ``text``, ``condition``, ``metric``, ``mean``, ``low``, ``high`` (95 %
            bootstrap over images), ``n_records``.
        files: ``run``, ``subset``, ``file`` and ``sha256`` of the weights that were scored.
    """

    table: pd.DataFrame
    mean_map: pd.DataFrame
    draws: pd.DataFrame
    conditions: pd.DataFrame
    files: pd.DataFrame


def score_clone(
    clone: str | Path,
    dataset: Dataset,
    *,
    draws: int = 300,
    repeats: int = 10,
    clip_weights: str | Path | None = None,
    seed: int = 0,
) -> Scores:
    """Score every generator of a clone of the author's repository.

    The ``tuebingen`` scores are over the test part of our split over images, where the mean
    training map does not know the answers either. The author's weights do, mostly: they were
    trained on 70 % of their subset's records, which are not known, so theirs are, if anything, too
    high.

    Args:
        clone: the repository's folder.
        draws: records drawn with replacement, a repeat.
        repeats: how often the whole protocol is repeated.
        clip_weights: a file with CLIP's weights; by default the hub's cache.
        seed: of draws, random labels and split.

    One sentence on each file that cannot be read, and on text that cannot be had, goes to the
    standard error.

    Raises:
        CsalganError: no weights in the clone, or none that can be read; a given file with CLIP's
            weights that cannot be.
    """
    weights, note = find_weights(clone), partial(print, file=sys.stderr)
    encoder = reading.clip_or_none(clip_weights, lambda why: note(f"no rows with text clip: {why}"))
    bench = Bench(dataset, draws=draws, repeats=repeats, seed=seed)
    files, scored = [], []
    for run, subset, path in Progress(weights, desc="score", unit=" generators"):
        try:
            if subset not in SUBSETS:
                raise CsalganError(f"{path}: {subset} is none of {', '.join(SUBSETS)}.")
            generator = load_published_generator(path).to(memory_format=torch.channels_last)
        except CsalganError as error:
            note(f"passed over: {error}")
            continue
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        files.append({"run": run, "subset": subset, "file": path.name, "sha256": digest})
        scored += [
            bench.score(maps, subset, run=run, text=text)
            for text, maps in bench.predict(generator, subset, encoder).items()
        ]
    if not files:
        raise CsalganError(f"{clone}: none of its weights could be read; see above.")
    scored += [
        bench.score(bench.mean_maps(subset), subset, run=MEAN_MAP, text="") for subset in SUBSETS
    ]
    drawn, tested = (pd.concat(parts, ignore_index=True) for parts in zip(*scored, strict=True))
    table = _table(drawn, tested, printed=tables.of_the_paper(dataset.name))
    theirs, draws_of = table["run"] != MEAN_MAP, drawn["run"] != MEAN_MAP
    return Scores(table[theirs], table[~theirs], drawn[draws_of], tested, pd.DataFrame(files))


def provenance_of(scores: Scores, dataset: Dataset, seed: int) -> Provenance:
    """Where the scores of a clone's weights come from."""
    return Provenance(
        data=dataset.name,
        fingerprint=dataset.fingerprint[:12],
        encoder=", ".join(scores.table["text"].unique()),
        profile="author's weights",
        seed=seed,
        commit=commit(),
        precision="float32",
        test_scales=str(reading.SIZE),
    )


def score_own(job) -> pd.DataFrame:
    """A report's own models by the author's protocol (``evaluation.draws``).

    Returns:
        ``subset``, ``metric``, ``value`` (mean over ten repeats) and ``sd``.
    """
    seed = job.profile.seed
    bench = Bench(job.dataset, draws=job.profile.evaluation.draws, seed=seed, split=job.split)
    parts = []
    for subset in job.profile.training.subsets:
        rows = bench.rows(subset)
        maps = np.empty((len(rows), reading.SIZE, reading.SIZE), np.float32)
        predicted = job.predictor(subset).predict_records(job.dataset, rows)
        for k, (_, one) in enumerate(predicted):
            maps[k] = prediction_at_size(one)
        parts.append(bench.draw(Maps(maps, np.arange(len(rows))), subset).assign(subset=subset))
    return _over_repeats(pd.concat(parts), ["subset", "metric"])


class Maps(NamedTuple):
    """Predictions of the records of a subset, in the order of :meth:`Bench.rows`.

    ``maps`` real (M, 256, 256), ``of`` int (R,): which of them is each record's.
    """

    maps: np.ndarray
    of: np.ndarray


class Bench:
    """A dataset as the author's code sees it, and the two protocols.

    Args:
        dataset, draws, repeats, seed: see :func:`score_clone`.
        split: whose test part ``tuebingen`` scores; by default over images, from ``seed``.
    """

    def __init__(
        self,
        dataset: Dataset,
        *,
        draws: int = 300,
        repeats: int = 10,
        seed: int = 0,
        split: Split | None = None,
    ):
        self.dataset, self.draws, self.repeats, self.seed = dataset, draws, repeats, seed
        self.records = dataset.records
        self.split = split or make_split(self.records, "image", seed)
        self._images, _ = reading.photographs_of(dataset)
        self._image_of = pd.factorize(self.records["image_id"])[0]  # the same order

        def truth(record: str) -> np.ndarray:
            return square(dataset.map(record), reading.SIZE)

        with ThreadPoolExecutor(2) as pool:  # decoding and resizing release the lock
            self._truths = np.stack(list(pool.map(truth, self.records["record"])))
        self._evaluator = Evaluator(dataset, self.split, seed=seed)

    def rows(self, subset: str) -> pd.DataFrame:
        """The author's records of a subset: ``sal`` and ``non_sal`` with all free viewing."""
        return subset_records(self.dataset, subset, "all")

    def predict(self, generator, subset: str, encoder=None) -> dict[str, Maps]:
        """Maps of the records of a subset for each text that can be had.

        Args:
            encoder: CLIP's, or None.

        Returns:
            ``clip``, ``zero`` and ``mean`` → maps.
        """
        rows = self.rows(subset)
        images, image_of, counts = np.unique(
            self._image_of[rows.index], return_inverse=True, return_counts=True
        )
        # Half floats: half the memory (4 MB an image) for a rounding below every digit shown.
        encoded = [part.half() for part in reading.encode(generator, self._images[images])]
        found = {}
        if encoder is not None:
            features = torch.from_numpy(embed(encoder, rows["text"].tolist(), cast_to_int=True))
            (maps,) = reading.predict([generator], encoded, features, image_of)
            found["clip"] = Maps(maps, np.arange(len(rows)))
        # Without a sentence of its own, one map serves all records of an image.
        silent = torch.zeros(len(images), generator.text_dim)
        both = generator, reading.with_mean_sentence(generator, encoded, counts)
        zero, mean = reading.predict(both, encoded, silent, np.arange(len(images)))
        return found | {"zero": Maps(zero, image_of), "mean": Maps(mean, image_of)}

    def mean_maps(self, subset: str) -> Maps:
        """The mean training map of a subset (our split) for each of its records."""
        train = self.split.of("train", self.dataset.subset(subset))
        mean = baselines.mean_map(self.dataset, train, size=reading.SIZE)
        return Maps(mean[None], np.zeros(len(self.rows(subset)), dtype=int))

    def score(
        self, maps: Maps, subset: str, *, run: str, text: str
    ) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Both protocols.

        Returns:
            Rows of ``draws`` and of ``conditions`` (:class:`Scores`).
        """
        about = {"run": run, "subset": subset, "text": text}
        drawn = self.draw(maps, subset).assign(**about)
        rows = self.rows(subset)
        place = dict(zip(rows["record"], maps.of, strict=True))
        parts = [self.split.of(part, self.dataset.subset(subset)) for part in ("val", "test")]

        def predict(records: pd.DataFrame):
            return ((record, maps.maps[place[record]]) for record in records["record"])

        score = self._evaluator.fitted_to(predict, parts[0])
        scores = score(predict(parts[1]), model=run)
        scores = scores[scores["metric"].isin(tables.TABLE_METRICS)]
        both = pd.concat([scores.assign(condition="all"), scores])
        summary = summarise(both, ["condition"], seed=self.seed).assign(**about)
        summary["metric"] = summary["metric"].map(tables.METRIC_LABELS)
        columns = [*about, "condition", "metric", "mean", "low", "high", "n_records"]
        return drawn[[*about, "repeat", "metric", "value"]], summary[columns]

    def draw(self, maps: Maps, subset: str) -> pd.DataFrame:
        """The author's protocol: draws from all records of the subset, in flattened batches.

        Every model gets the same draws.

        Returns:
            ``repeat``, ``metric``, ``value``.
        """
        truths = self._truths[self.rows(subset).index]

        def once(repeat: int) -> dict[str, float]:
            random = np.random.default_rng([self.seed, repeat])
            drawn = random.integers(len(truths), size=self.draws)
            labels = int(random.integers(2**31))
            return score_batches(maps.maps[maps.of[drawn]], truths[drawn], seed=labels)

        with ThreadPoolExecutor(2) as pool:
            values = pd.DataFrame(list(pool.map(once, range(self.repeats))))
        values = values.rename(columns=tables.METRIC_LABELS).rename_axis("repeat").reset_index()
        return values.melt("repeat", var_name="metric")


def _over_repeats(drawn: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    means = drawn.groupby(keys, sort=False)["value"].agg(value="mean", sd="std")
    return means.reset_index()


def _table(drawn: pd.DataFrame, tested: pd.DataFrame, printed: bool = True) -> pd.DataFrame:
    drawn = _over_repeats(drawn, ["run", "subset", "text", "metric"]).assign(protocol="author")
    paper = tables.PAPER_TABLE_I.rename(tables.METRIC_LABELS).rename_axis(columns="subset").stack()
    if printed:
        drawn = drawn.join(paper.rename("printed"), on=["metric", "subset"])
    tested = tested[tested["condition"] == "all"].rename(columns={"mean": "value"})
    table = pd.concat([drawn, tested.assign(protocol="tuebingen")], ignore_index=True)
    columns = ["run", "subset", "text", "protocol", "metric", "value", "sd", "printed"]
    return table.reindex(columns=columns)


# --- tables and figures ---------------------------------------------------------------------------

_TITLES = {
    "author": "Table I by the author's protocol: records drawn with replacement from all of the "
    "subset (training records included), batches of four flattened to one vector at 256 × 256; "
    "mean ± standard deviation over repeats. AUC, sAUC and NSS are the author's, not the field's.",
    "tuebingen": "The same weights under the benchmark's definitions (profile `tuebingen`), at "
    "native size, on the test images of our split. The author's weights were trained on 70 % of "
    "their subset's records, so on most of these images, the mean training map on none.",
}
#: Metric profile → the protocol whose numbers stand under it in a report, and whose records.
_PROTOCOLS = {
    "paper": ("author", "by the author's protocol, all records"),
    "tuebingen": ("tuebingen", "most test images known to them"),
}


def table_rows(scores: Scores, metric_profile: str) -> pd.DataFrame:
    """The author's weights as other rows of :func:`csalgan.evaluation.table_one`.

    Returns:
        ``metric``, ``row``, ``subset``, ``mean``, ``low``, ``high``; none under ``mit``.
    """
    protocol, where = _PROTOCOLS.get(metric_profile, ("", ""))
    table = scores.table[scores.table["protocol"] == protocol].rename(columns={"value": "mean"})
    table = table.assign(
        row=[f"{_label(*of)}: {where}" for of in zip(table["run"], table["text"], strict=True)]
    )
    keys = ["run", "subset", "text", "metric"]
    ends = scores.conditions.query("condition == 'all'")[[*keys, "low", "high"]]
    table = table.merge(ends, "left", keys)
    if protocol == "author":  # its spread is over repeats
        table[["low", "high"]] = np.nan
    return table[["metric", "row", "subset", "mean", "low", "high"]]


def write_report(out: Path, scores: Scores, provenance: Provenance, **settings: Any) -> Path:
    """Write tables and figures into a report's folder.

    ``tables/``: ``author_table_one`` as CSV, Markdown and LaTeX, ``author_mean_map.csv`` (the
    same columns), ``author_draws.csv`` and ``author_conditions.csv``. ``figures/``: one a run.
    ``author_manifest.json``: whose files were scored, and how.

    Args:
        settings: what else the manifest is to say.

    Returns:
        The path of the Markdown table.
    """
    line, folder = provenance.line(), out / "tables"
    written = {
        "author_table_one": scores.table,
        "author_mean_map": scores.mean_map,
        "author_draws": scores.draws,
        "author_conditions": scores.conditions,
    }
    for name, table in written.items():
        write_csv(folder / f"{name}.csv", table, float_format="%.6g")
        write_text(folder / f"{name}.source.txt", line + "\n")
    both = pd.concat([scores.table, scores.mean_map])
    texts, latex = [], [f"% {line}"]
    for name, title in _TITLES.items():
        cells = _cells(both[both["protocol"] == name])
        texts.append(f"{title}\n\n{tables.markdown(cells)}")
        latex.append(tables.latex(cells))
    path = write_text(folder / "author_table_one.md", "\n\n".join([*texts, line]) + "\n")
    write_text(path.with_suffix(".tex"), "\n".join(latex))
    for run, draws in scores.draws.groupby("run", sort=False):
        name = "04_author-draws-" + re.sub(r"[^a-z0-9]+", "-", run.lower()).strip("-")
        fig = repeats(draws, scores.table[scores.table["run"] == run], run)
        save(fig, out / "figures", name, provenance, photographs=False)
    manifest = {
        "provenance": provenance.as_dict(),
        "weights": scores.files.to_dict("records"),
        **settings,
        "versions": {"python": platform.python_version()}
        | {name: version(name) for name in ("csalgan", "torch", "numpy", "pillow")},
    }
    write_text(out / "author_manifest.json", json.dumps(manifest, indent=1) + "\n")
    return path


def _label(run: str, text: str) -> str:
    return f"author's weights ({run}), {text} sentence" if text else run


def _cells(table: pd.DataFrame) -> pd.DataFrame:
    """Texts by (metric, row), a column a subset: the paper's number first, the mean map last."""
    printed = table[table["printed"].notna() & (table["protocol"] == "author")]
    printed = printed.drop_duplicates(["metric", "subset"])
    first = tables.PAPER_ROW
    rows = [(r.metric, first, r.subset, f"{r.printed:.3f}") for r in printed.itertuples()]
    for row in table.itertuples():
        spread = "" if pd.isna(row.sd) else f" ± {row.sd:.3f}"
        text = "–" if pd.isna(row.value) else f"{row.value:.3f}{spread}"
        rows.append((row.metric, _label(row.run, row.text), row.subset, text))
    long = pd.DataFrame(rows, columns=["metric", "row", "subset", "text"])
    wide = long.pivot(index=["metric", "row"], columns="subset", values="text")
    names = [name for name in long["row"].unique() if name != MEAN_MAP]
    order = [(metric, row) for metric in table["metric"].unique() for row in (*names, MEAN_MAP)]
    wide = wide.reindex(index=order, columns=list(tables.SUBSET_LABELS)).dropna(how="all")
    return wide.fillna("–").rename(columns=tables.SUBSET_LABELS)
