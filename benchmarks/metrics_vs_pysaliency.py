"""All ``tuebingen`` metrics of a record at 640 × 480, beside pysaliency, in one run.

    python -m benchmarks metrics_vs_pysaliency

pysaliency lives in another environment as a rule (``benchmarks/record_pysaliency.py`` says how to
make one): name its interpreter in ``CSALGAN_PYSALIENCY_PYTHON``. Without one, only our times are
printed. Both sides get the same arrays and take turns, each in one process with one thread.
Processor time is measured, system calls included, so that a busy machine favours neither; of
several rounds the fastest counts for each record, then the median over records. pysaliency is
called through its bare functions, so none of its models' overhead counts.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

HEIGHT, WIDTH = 480, 640
RECORDS, ROUNDS = 8, 5
FIXATIONS, POOL = 170, 1526 * 170  # fixations of a record, and of all records of other images
METRICS = ("auc", "sauc", "nss", "cc", "sim", "kl", "ig", "ig_uniform")
KINDS = ("float map", "8-bit map")


def make_cases(path: Path) -> None:
    """Seeded records like real ones: smooth maps, gaze near the centre, 8-bit ground truth."""
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng(0)

    def gaze(count):
        points = rng.normal((HEIGHT / 2, WIDTH / 2), (HEIGHT / 5, WIDTH / 5), (count, 2))
        return np.clip(points, 0, (HEIGHT - 1, WIDTH - 1)).astype(int)

    def blurred(points, sigma):
        mask = np.zeros((HEIGHT, WIDTH))
        np.add.at(mask, tuple(points.T), 1)
        values = gaussian_filter(mask, sigma)
        return values / values.max()

    arrays = {"negatives": gaze(POOL), "center_bias": blurred(gaze(4000), 30) + 1e-3}
    for i in range(RECORDS):
        points = gaze(FIXATIONS)
        arrays[f"fixations{i}"] = points
        arrays[f"saliency_map{i}"] = np.uint8(np.rint(255 * blurred(points, 20)))
        guess = blurred(np.concatenate([points[:60], gaze(120)]), 25)
        arrays[f"float map{i}"] = guess
        arrays[f"8-bit map{i}"] = np.uint8(np.rint(255 * guess))
    np.savez(path, **arrays)


def measure(path: Path, functions_of) -> dict:
    """Processor seconds and values of every metric of every record, the fastest of some rounds."""
    data = np.load(path)
    data = {name: data[name] for name in data.files}
    result = {}
    for kind in KINDS:
        for i in range(RECORDS):
            case = {
                "prediction": data[f"{kind}{i}"],
                "fixations": data[f"fixations{i}"],
                "saliency_map": data[f"saliency_map{i}"],
                "negatives": data["negatives"],
                "center_bias": data["center_bias"],
            }
            row = {}
            for name, function in functions_of(case).items():
                function()  # compiled, cached and paged in
                seconds = []
                for _ in range(ROUNDS):
                    start = time.process_time()
                    value = function()
                    seconds.append(time.process_time() - start)
                row[name] = (min(seconds), value)
            result[f"{kind}/{i}"] = row
    return result


def ours(case: dict) -> dict:
    from csalgan import metrics

    prediction = case["prediction"]
    truth = {name: case[name] for name in case if name != "prediction"}
    functions = {
        name: (lambda name=name: metrics.score(prediction, **truth, metrics=[name])[name])
        for name in METRICS
    }
    return functions | {"all": lambda: sum(metrics.score(prediction, **truth).values())}


def theirs(case: dict) -> dict:
    from pysaliency import metrics
    from pysaliency.roc import general_roc

    prediction = np.asarray(case["prediction"], dtype=float)
    truth = np.asarray(case["saliency_map"], dtype=float)
    center = case["center_bias"]
    ys, xs = case["fixations"].T
    other_ys, other_xs = case["negatives"].T

    def log_density(values):
        return np.log(metrics.convert_saliency_map_to_density(values, minimum_value=1e-20))

    def gain():
        return ((log_density(prediction) - log_density(center))[ys, xs] / np.log(2)).mean()

    def gain_uniform():
        own = log_density(prediction)[ys, xs]
        return ((own + np.log(prediction.size)) / np.log(2)).mean()

    functions = {
        "auc": lambda: general_roc(prediction[ys, xs], prediction.ravel())[0],
        "sauc": lambda: general_roc(prediction[ys, xs], prediction[other_ys, other_xs])[0],
        "nss": lambda: metrics.NSS(prediction, xs, ys).mean(),
        "cc": lambda: metrics.CC(prediction, truth),
        "sim": lambda: metrics.SIM(prediction, truth),
        "kl": lambda: metrics.image_based_kl_divergence(prediction, truth),
        "ig": gain,
        "ig_uniform": gain_uniform,
    }
    return functions | {"all": lambda: sum([functions[name]() for name in METRICS])}


def in_process(python: str, side: str, path: Path) -> dict:
    """One side measured in a fresh process of its own interpreter."""
    threads = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "MKL", "OPENBLAS")}
    command = [python, str(Path(__file__).resolve()), side, str(path)]
    output = subprocess.run(
        command, env={**os.environ, **threads}, check=True, capture_output=True, text=True
    )
    return json.loads(output.stdout.splitlines()[-1])


def best(runs: list[dict]) -> dict:
    """The fastest time of several runs, record by record and metric by metric."""
    return {
        record: {name: min(run[record][name] for run in runs) for name in row}
        for record, row in runs[0].items()
    }


def print_table(kind: str, our: dict, their: dict | None) -> None:
    head = f"{kind:<12}{'csalgan ms':>12}"
    print(head + (f"{'pysaliency ms':>15}{'ratio':>8}{'difference':>12}" if their else ""))
    records = [record for record in our if record.startswith(kind)]
    for name in (*METRICS, "all"):
        mine = np.median([our[record][name][0] for record in records])
        line = f"{name:<12}{mine * 1e3:>12.2f}"
        if their:
            other = np.median([their[record][name][0] for record in records])
            gap = max(abs(our[record][name][1] - their[record][name][1]) for record in records)
            line += f"{other * 1e3:>15.2f}{other / mine:>8.1f}{gap:>12.0e}"
        print(line)


def main() -> None:
    python = os.environ.get("CSALGAN_PYSALIENCY_PYTHON", "")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "cases.npz"
        make_cases(path)
        our_runs, their_runs = [], []
        for _ in range(2):
            our_runs.append(in_process(sys.executable, "ours", path))
            if python:
                their_runs.append(in_process(python, "theirs", path))
    print(
        f"{RECORDS} records of {WIDTH} × {HEIGHT}, {FIXATIONS} fixations, {POOL:,} negatives; "
        "median processor milliseconds a record"
    )
    for kind in KINDS:
        print_table(kind, best(our_runs), best(their_runs) if python else None)
    if not python:
        print(
            "pysaliency was not measured: set CSALGAN_PYSALIENCY_PYTHON to an interpreter that "
            "has it (benchmarks/record_pysaliency.py says how to make one)."
        )


if __name__ == "__main__":
    if len(sys.argv) == 3:  # a child: one side, one file, one line of JSON
        if sys.argv[1] == "theirs" and not hasattr(np, "trapz"):
            np.trapz = np.trapezoid  # noqa: NPY201  (the name pysaliency asks for)
        side = {"ours": ours, "theirs": theirs}[sys.argv[1]]
        print(json.dumps(measure(Path(sys.argv[2]), side)))
    else:
        main()
