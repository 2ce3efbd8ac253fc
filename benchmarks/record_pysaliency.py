"""Record pysaliency's values for the cases of ``tests/reference/cases.py``.

Run it with an interpreter that has pysaliency (csalgan need not be there):

    python -m venv /tmp/pysaliency
    /tmp/pysaliency/bin/pip install 'setuptools<81' wheel cython numpy scipy pillow torch
    /tmp/pysaliency/bin/pip install --no-build-isolation pysaliency
    /tmp/pysaliency/bin/python benchmarks/record_pysaliency.py --data PATH/TO/sjtu-tis

It writes ``tests/reference/pysaliency_random.csv`` and, with ``--data``,
``tests/reference/pysaliency_real.csv``: names and numbers only, none of the data.
"""

import argparse
import csv
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from reference import cases  # noqa: E402  (found through the line above)


def load_pysaliency():
    """pysaliency, mended for a NumPy that has no ``trapz`` any more."""
    if not hasattr(np, "trapz"):
        np.trapz = np.trapezoid  # noqa: NPY201  (the name pysaliency asks for)
    import pysaliency

    return pysaliency


def score_by_functions(case: dict) -> dict[str, float]:
    """One case through pysaliency's functions (``metrics.py``, ``roc.py``)."""
    from pysaliency import metrics
    from pysaliency.roc import general_roc

    prediction = np.asarray(case["prediction"], dtype=float)
    truth = np.asarray(case["saliency_map"], dtype=float)
    ys, xs = np.asarray(case["fixations"]).T
    other_ys, other_xs = np.asarray(case["negatives"]).T

    def log_density(values):
        return np.log(metrics.convert_saliency_map_to_density(values, minimum_value=1e-20))

    own = log_density(prediction)[ys, xs]
    base = log_density(case["center_bias"])[ys, xs]
    return {
        "auc": general_roc(prediction[ys, xs], prediction.ravel())[0],
        "sauc": general_roc(prediction[ys, xs], prediction[other_ys, other_xs])[0],
        "nss": metrics.NSS(prediction, xs, ys).mean(),
        "cc": metrics.CC(prediction, truth),
        "sim": metrics.SIM(prediction, truth),
        "kl": metrics.image_based_kl_divergence(prediction, truth),
        "ig": ((own - base) / np.log(2)).mean(),
        "ig_uniform": ((own + np.log(prediction.size)) / np.log(2)).mean(),
    }


def score_by_models(real: "cases.RealCases") -> list[dict[str, float]]:
    """All real cases at once through pysaliency's models, its own shuffled AUC included."""
    pysaliency = load_pysaliency()
    from pysaliency.models import SaliencyMapNormalizingModel, UniformModel

    rows = [real[i] for i in range(len(real))]
    # A stimulus carries its number in its first pixel, so that a model can look its map up.
    stimuli = [np.zeros((*row["saliency_map"].shape, 3), np.uint8) for row in rows]
    for n, stimulus in enumerate(stimuli):
        stimulus[0, 0, 0] = n
    stimuli = pysaliency.Stimuli(stimuli)
    points = [row["fixations"] for row in rows]
    n = np.repeat(np.arange(len(rows)), [len(p) for p in points])
    y, x = np.concatenate(points).T
    fixations = pysaliency.Fixations.create_without_history(x, y, n)

    class Maps(pysaliency.SaliencyMapModel):
        def __init__(self, key):
            super().__init__(caching=False)
            self.key = key

        def _saliency_map(self, data):
            return np.asarray(rows[data[0, 0, 0]][self.key], dtype=float).copy()

    prediction, truth, center = Maps("prediction"), Maps("saliency_map"), Maps("center_bias")
    density = SaliencyMapNormalizingModel(prediction, minimum_value=1e-20)
    baseline = SaliencyMapNormalizingModel(center, minimum_value=1e-20)

    def per_image(values):
        return [values[n == k].mean() for k in range(len(rows))]

    columns = {
        "auc": prediction.AUC_per_image(stimuli, fixations, nonfixations="uniform"),
        "sauc": prediction.AUC_per_image(stimuli, fixations, nonfixations="shuffled"),
        "nss": per_image(prediction.NSSs(stimuli, fixations)),
        "cc": prediction.CCs(stimuli, truth),
        "sim": prediction.SIMs(stimuli, truth),
        "kl": prediction.image_based_kl_divergences(stimuli, truth, minimum_value=1e-20),
        "ig": per_image(density.information_gains(stimuli, fixations, baseline)),
        "ig_uniform": per_image(density.information_gains(stimuli, fixations, UniformModel())),
    }
    return [{name: columns[name][k] for name in cases.METRICS} for k in range(len(rows))]


def write(path: Path, key: str, rows: list[tuple[str, dict]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as stream:
        stream.write(f"# pysaliency {version('pysaliency')}, numpy {np.__version__}\n")
        table = csv.writer(stream, lineterminator="\n")
        table.writerow([key, *cases.METRICS])
        for name, values in rows:
            table.writerow([name, *(repr(float(values[metric])) for metric in cases.METRICS)])
    print(f"{path.relative_to(ROOT)}: {len(rows)} rows")


def record() -> None:
    parser = argparse.ArgumentParser(description="Record pysaliency's values for the tests.")
    parser.add_argument("--data", type=Path, help="a SJTU-TIS folder; adds the real records")
    options = parser.parse_args()
    load_pysaliency()
    out = ROOT / "tests" / "reference"
    names = [(kind, seed) for kind in cases.RANDOM_KINDS for seed in range(cases.RANDOM_SEEDS)]
    rows = [
        (f"{kind}/{seed}", score_by_functions(cases.random_case(kind, seed)))
        for kind, seed in names
    ]
    write(out / "pysaliency_random.csv", "case", rows)
    if options.data:
        real = cases.RealCases(options.data)
        rows = list(zip(real.names, score_by_models(real), strict=True))
        write(out / "pysaliency_real.csv", "record", rows)


if __name__ == "__main__":
    record()
