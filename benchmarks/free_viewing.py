"""How well people predict each other, beside the mean map and the center, on *all* images.

``python -m benchmarks.free_viewing path/to/osie path/to/scene500``. The images are parted into
five; each part is scored with mean map, center and blur fitted on three others and the uniform
share on the fourth. Intervals are over all images.
"""

import sys

import numpy as np
import pandas as pd

from csalgan import evaluation
from csalgan.data import Split, open_dataset
from csalgan.evaluation.baselines import YARDSTICKS

PARTS = 5
MODELS = ("center", "mean_map", "split_half", "observers")
METRICS = ("auc", "sauc", "nss", "ig", "cc")


def main(*paths: str) -> None:
    for path in paths:
        dataset = open_dataset(path)
        print(f"\n{counts(dataset)}\n")
        table = evaluation.summarise(scores(dataset), ["model"])
        table["value"] = [
            f"{r['mean']:.3f} [{r.low:.3f}, {r.high:.3f}]" for _, r in table.iterrows()
        ]
        wide = table.pivot(index="model", columns="metric", values="value")
        wide = wide.reindex(index=[*MODELS, "split_half_corrected"], columns=list(METRICS))
        print(wide.fillna("–").rename(index=YARDSTICKS).to_string(), flush=True)


def counts(dataset) -> str:
    """What is there, after the reader has left out what it leaves out."""
    trials = np.concatenate(
        [
            np.unique(dataset.observers(record), return_counts=True)[1]
            for record in dataset.records["record"]
        ]
    )
    images = len(dataset.records)
    return (
        f"{dataset.name} [{dataset.fingerprint[:12]}]: {trials.sum()} fixations of "
        f"{len(trials) / images:.1f} viewers an image, {trials.mean():.2f} a viewer who fixated"
    )


def scores(dataset) -> pd.DataFrame:
    """Scores of every image, each by what was fitted without it."""
    names = np.random.default_rng(0).permutation(dataset.records["record"])
    folds = np.arange(len(names)) % PARTS
    tables = []
    for k in range(PARTS):
        test, val = folds == k, folds == (k + 1) % PARTS
        split = Split(names[~test & ~val], names[val], names[test], rule="image", seed=0)
        evaluator = evaluation.Evaluator(dataset, split)
        records = split.of("test", dataset.records)
        tables += [evaluator.baseline(name, records) for name in MODELS]
    return pd.concat(tables, ignore_index=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
