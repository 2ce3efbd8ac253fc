"""Many trainings from one small file: a grid of values, seeds and subsets; one table, one figure.

Each point of the grid is trained and scored by a process of its own, on this machine or on a
cluster, and leaves everything in its own folder. What is finished there is not done again.
"""

import itertools
import json
import re
import sys
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import pandas as pd
from pydantic import Field, ValidationError

from csalgan import figures
from csalgan.config import Profile, Section, Subset, first_fault, load_profile, read_yaml
from csalgan.data import Dataset, make_split, open_dataset
from csalgan.errors import CsalganError
from csalgan.evaluation import Evaluator, summarise
from csalgan.figures.scores import sweep_points
from csalgan.files import write_text
from csalgan.prediction import Predictor
from csalgan.provenance import Provenance, commit
from csalgan.runner.processes import Task, tie_to_parent
from csalgan.training import part_rows, train

_METRICS = ("cc", "nss", "sauc", "auc", "sim", "kl")


class Cluster(Section):
    """What a point asks of a cluster."""

    partition: str | None = None
    gpus: Annotated[int, Field(ge=0)] = 0
    cpus: Annotated[int, Field(ge=1)] = 2
    memory_gb: Annotated[float, Field(gt=0)] = 8.0
    minutes: Annotated[int, Field(ge=1)] = 60
    at_once: Annotated[int, Field(ge=1)] = 100
    """Points running at the same time."""


class Spec(Section):
    """What to sweep: the content of a sweep's YAML file."""

    profile: str
    """A profile's name, or the path of its file."""
    set: tuple[str, ...] = ()
    """``key.path=value`` changes for every point."""
    grid: dict[str, tuple[Any, ...]] = {}
    """``key.path`` → values; every combination is a point."""
    seeds: Annotated[int, Field(ge=1)] | tuple[Annotated[int, Field(ge=0)], ...] = 1
    """How many seeds, or which; all on one split."""
    subsets: tuple[Subset, ...] = ("total",)
    part: Literal["val", "test"] = "val"
    """Whose records are scored. Choosing by ``test`` spends it."""
    cluster: Cluster = Cluster()


class Point(NamedTuple):
    """One training.

    Attributes:
        name: its folder's: the values, the seed and the subset.
        values: ``key.path`` → value of the grid.
        seed: of the training.
        subset: ``total``, ``general``, ``sal`` or ``non_sal``.
        profile: everything together.
    """

    name: str
    values: dict[str, Any]
    seed: int
    subset: str
    profile: Profile


def read_spec(path: str | Path) -> Spec:
    """Read a sweep's YAML file.

    Raises:
        CsalganError: no such file, not YAML, an unknown key, or a value of the wrong type.
    """
    path = Path(path)
    if not path.is_file():
        raise CsalganError(f"{path}: no such file; give a sweep's YAML file.")
    values = read_yaml(path)
    grid = values.get("grid")
    if isinstance(grid, dict):
        for key, choices in grid.items():
            if not isinstance(choices, list) or not choices:
                raise CsalganError(f"{path}: grid.{key} is to be a list of values to try.")
        values["grid"] = {key: tuple(choices) for key, choices in grid.items()}
    try:
        return Spec.model_validate(values)
    except ValidationError as error:
        raise CsalganError(f"{path}: {first_fault(error, 'csalgan/sweep.py')}") from error


def points(spec: Spec) -> list[Point]:
    """Every training of a sweep, all of them on one split.

    Raises:
        CsalganError: a value that the profile refuses.
    """
    seeds = tuple(range(spec.seeds)) if isinstance(spec.seeds, int) else spec.seeds
    found = []
    for combination in itertools.product(*spec.grid.values()):
        values = dict(zip(spec.grid, combination, strict=True))
        overrides = [f"{key}={json.dumps(value)}" for key, value in values.items()]
        profile = load_profile(spec.profile, [*spec.set, *overrides])
        for seed, subset in itertools.product(seeds, spec.subsets):
            name = _name(values, seed, subset)
            found.append(Point(name, values, seed, subset, profile.of_seed(seed)))
    return found


def tasks(spec: Spec, dataset: Dataset, out: Path) -> list[Task]:
    """A command for each point, which goes on where it was when it is given again."""
    made = []
    for point in points(spec):
        about = {
            "profile": point.profile.as_dict(),
            "subset": point.subset,
            "data": str(dataset.root.resolve()),
            "part": spec.part,
            "folder": str((out / "runs" / point.name).resolve()),
        }
        path = out / "points" / f"{point.name}.json"
        write_text(path, json.dumps(about, indent=1) + "\n")
        command = (sys.executable, "-m", "csalgan.sweep", str(path.resolve()))
        made.append(Task(point.name, command, out / "logs" / f"{point.name}.log"))
    return made


def collect(spec: Spec, dataset: Dataset, out: Path) -> Path | None:
    """Put the finished points together: ``tables/scores.csv``, ``tables/sweep.csv``, the figure.

    Returns:
        The path of ``tables/sweep.csv``, which has a row for each point, condition (``all``
        among them) and metric: the grid's values, ``seed``, ``subset``, ``mean``, ``low`` and
        ``high`` (95 % over images), ``n_records``, ``n_images``, and the provenance. None when no
        point is finished.
    """
    scored = []
    for point in points(spec):
        path = out / "runs" / point.name / f"scores-{spec.part}.csv"
        if path.is_file():
            about = {**point.values, "seed": point.seed, "subset": point.subset}
            strings = {"record": str, "image_id": str, "fingerprint": str}
            scored.append(pd.read_csv(path, dtype=strings).assign(point=point.name, **about))
    if not scored:
        return None
    scores = pd.concat(scored, ignore_index=True)
    scores = scores[scores["metric"].isin(_METRICS)]
    by = ["point", *spec.grid, "seed", "subset"]
    both = pd.concat([scores.assign(condition="all"), scores])
    # A list cannot be grouped by; its text can.
    for key in spec.grid:
        both[key] = both[key].map(lambda v: str(v) if isinstance(v, list | tuple) else v)
    summary = summarise(both, [*by, "condition"])
    base = load_profile(spec.profile, list(spec.set))
    receipt = Provenance(
        data=dataset.name,
        fingerprint=dataset.fingerprint[:12],
        encoder="/".join(sorted(scores["encoder"].unique())),
        profile=base.name,
        seed=int(scores["seed"].min()),
        commit=commit(),
    )
    write_text(out / "tables" / "scores.csv", scores.to_csv(index=False, float_format="%.6g"))
    table = summary.assign(**{f"from_{k}": v for k, v in receipt.as_dict().items()})
    path = write_text(out / "tables" / "sweep.csv", table.to_csv(index=False, float_format="%.6g"))
    fig = sweep_points(
        summary, list(spec.grid), title=f"{len(scored)} points on the {spec.part} records"
    )
    figures.save(fig, out / "figures", "00_sweep", receipt, photographs=False)
    return path


def run_point(path: Path) -> None:
    """Train and score one point; what is finished is left as it is."""
    about = json.loads(path.read_text(encoding="utf-8"))
    profile, folder = Profile.model_validate(_tuples(about["profile"])), Path(about["folder"])
    dataset = open_dataset(about["data"])
    run = train(profile, dataset, about["subset"], folder, resume=True)
    weights = sha256((folder / "best.safetensors").read_bytes()).hexdigest()
    target, stamp = folder / f"scores-{about['part']}.csv", folder / f"scores-{about['part']}.of"
    if target.is_file() and stamp.is_file() and stamp.read_text() == weights:
        return
    split = make_split(dataset.records, rule=profile.data.split, seed=profile.split_seed)
    rows = dataset.records.loc[part_rows(dataset, profile, split, about["subset"])[about["part"]]]
    evaluator = Evaluator(dataset, split, seed=profile.seed, provenance=run.provenance)
    maps = Predictor.of_run(run).predict_records(dataset, rows)
    scores = evaluator(maps, rows, model=folder.name)
    write_text(target, scores.to_csv(index=False, float_format="%.6g"))
    write_text(stamp, weights)


def _tuples(value: Any) -> Any:
    """JSON has lists only, profiles tuples only."""
    if isinstance(value, dict):
        return {key: _tuples(one) for key, one in value.items()}
    return tuple(_tuples(one) for one in value) if isinstance(value, list) else value


def _name(values: dict[str, Any], seed: int, subset: str) -> str:
    """A folder's name that a person can read and no other point has."""
    parts = [f"{key.rsplit('.', 1)[-1]}={value}" for key, value in values.items()]
    whole = "_".join([*parts, subset, f"seed-{seed}"])
    safe = re.sub(r"[^A-Za-z0-9=._-]+", "-", whole)
    exact = json.dumps([values, seed, subset], sort_keys=True)
    return f"{safe[:80]}_{sha256(exact.encode()).hexdigest()[:8]}"


def _main() -> None:
    tie_to_parent()
    try:
        run_point(Path(sys.argv[1]))
    except CsalganError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    _main()
