"""Many trainings from one small file: variants, a grid of values, seeds, subsets, folds; one table.

Each point is trained and scored by a process of its own, on this machine or on a cluster, and
leaves everything in its own folder. What is finished there is not done again. With folds, a point
is trained once for each, on the other folds, and every record is scored by the model that did not
see its image: the tables are over all images.
"""

import itertools
import json
import re
from collections import Counter
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import pandas as pd
from pydantic import Field, ValidationError

from csalgan.config import Profile, Section, Subset, load_profile, profile_from, read_yaml
from csalgan.data import Dataset, open_dataset
from csalgan.evaluation import Evaluator, read_scores, summarise
from csalgan.experiment.job import Job
from csalgan.experiment.scores import (
    rows_of,
    score_model,
    score_yardsticks,
    write_comparison,
)
from csalgan.files.errors import CsalganError
from csalgan.files.inputs import MOST_SEED, first_fault, read_json
from csalgan.files.provenance import Provenance, commit
from csalgan.files.spreadsheets import write_csv
from csalgan.files.writing import write_text
from csalgan.prediction import Predictor
from csalgan.runner.processes import Task, main_of, module_task
from csalgan.training import Run, train
from csalgan.training.run import same_settings

_MANIFEST = "manifest.json"
#: What would be written over in a folder that is none of ours (a sweep's own file may lie in it).
_WRITTEN = ("tables", "figures", "steps/plan.json", "author_manifest.json")
#: Keys that all points share: one split, or one set of folds; seeds have a key of their own.
_SHARED = ("seed", "data.split", "data.folds", "data.fold", "data.split_seed")

Seeds = Annotated[int, Field(ge=1, le=1000)] | tuple[Annotated[int, Field(ge=0, le=MOST_SEED)], ...]


class Cluster(Section):
    """Resources that each point requests from a cluster."""

    partition: str | None = None
    gpus: Annotated[int, Field(ge=0)] = 0
    cpus: Annotated[int, Field(ge=1)] = 2
    memory_gb: Annotated[float, Field(gt=0)] = 8.0
    minutes: Annotated[int, Field(ge=1)] = 60
    at_once: Annotated[int, Field(ge=1)] = 100
    """Points running at the same time."""


class Variant(Section):
    """A model of a sweep beside others, and what differs from the sweep's profile."""

    label: str
    """What tables call it."""
    profile: str | None = None
    """Another profile; the sweep's ``set`` is not for it."""
    set: tuple[str, ...] = ()
    seeds: Seeds | None = None
    """Other seeds than the sweep's."""


class Spec(Section):
    """What to sweep: the content of a sweep's YAML file."""

    profile: str
    """A profile's name, or the path of its file."""
    set: tuple[str, ...] = ()
    """``key.path=value`` changes for every point."""
    variants: dict[str, Variant] = {}
    """Models side by side, each with its own changes; none: the profile's model alone."""
    grid: dict[str, Annotated[list[Any], Field(min_length=1)]] = {}
    """``key.path`` → values; every combination is a point."""
    seeds: Seeds = 1
    """How many seeds, or which; all on one split."""
    subsets: tuple[Subset, ...] = ("total",)
    folds: Annotated[int, Field(ge=2, le=100)] | None = None
    """Train every point once for each of so many folds of the images; none: one split."""
    part: Literal["val", "test"] = "val"
    """Whose records are scored. Choosing by ``test`` spends it; over folds, it is all images."""
    yardsticks: bool = False
    """Score baselines, split halves and people as well."""
    cluster: Cluster = Cluster()


class Point(NamedTuple):
    """One training.

    Attributes:
        name: the values, the seed and the subset.
        model: what tables call it.
        values: ``key.path`` → value of the grid.
        seed: of the training.
        subset: ``total``, ``general``, ``sal`` or ``non_sal``.
        profile: everything together, for one fold where there are folds.
        yardsticks: nothing is trained; baselines, split halves and people are scored.
    """

    name: str
    model: str
    values: dict[str, Any]
    seed: int
    subset: str
    profile: Profile
    yardsticks: bool = False

    @property
    def folder(self) -> str:
        """Of its run, in ``runs/``."""
        data = self.profile.data
        return f"{self.name}_fold-{data.fold}" if data.split == "folds" else self.name


def read_spec(path: str | Path) -> Spec:
    """Read a sweep's YAML file, or one that comes with the package by its name (``ablation``).

    Raises:
        CsalganError: no such file, not YAML, an unknown key, or a value of the wrong type.
    """
    ours = Path(__file__).resolve().parents[1] / "sweeps" / f"{path}.yaml"
    path = ours if ours.is_file() else Path(path)
    if not path.is_file():
        raise CsalganError(f"{path}: no such file; give a sweep's YAML file.")
    try:
        return Spec.model_validate(read_yaml(path))
    except ValidationError as error:
        raise CsalganError(
            f"{path}: {first_fault(error, 'csalgan/experiment/sweep.py', Spec.model_fields)}"
        ) from error


def points(spec: Spec) -> list[Point]:
    """Every training of a sweep, all of them on one split, or one set of folds.

    Raises:
        CsalganError: a value that the profile refuses, or a key that all points share.
    """
    _refuse_shared(spec)
    folds = range(1, spec.folds + 1) if spec.folds else ()
    about = ["data.split=folds", f"data.folds={spec.folds}"]
    each = [[*about, f"data.fold={k}"] for k in folds] or [[]]
    parts = [load_profile(spec.profile, [*spec.set, *changes]) for changes in each]
    found = []
    for key, variant in (spec.variants or {"": Variant(label=parts[0].name)}).items():
        common = spec.set if variant.profile is None else ()
        for combination in itertools.product(*spec.grid.values()):
            values = dict(zip(spec.grid, combination, strict=True))
            changes = [*common, *variant.set, *(f"{k}={json.dumps(v)}" for k, v in values.items())]
            profile = load_profile(variant.profile or spec.profile, changes)
            told = [variant.label, *(f"{k.rsplit('.', 1)[-1]} {v}" for k, v in values.items())]
            seeds = spec.seeds if variant.seeds is None else variant.seeds
            seeds = range(seeds) if isinstance(seeds, int) else seeds
            for seed, subset, part in itertools.product(seeds, spec.subsets, parts):
                name = _name(key, values, seed, subset)
                own = profile.on_split_of(part).of_seed(seed)
                found.append(Point(name, ", ".join(told), values, seed, subset, own))
    if spec.yardsticks:
        for subset, part in itertools.product(spec.subsets, parts):
            name = f"yardsticks_{subset}"
            found.append(Point(name, "", {}, part.split_seed, subset, part, yardsticks=True))
    number = Counter(point.folder for point in found)
    if twice := [folder for folder in number if number[folder] > 1]:
        raise CsalganError(f"{twice[0]}: twice; name each seed, subset and value of the grid once.")
    if not found:
        raise CsalganError("seeds, subsets: a sweep without a point; name at least one of each.")
    return found


def _refuse_shared(spec: Spec) -> None:
    """Refuse keys of :data:`_SHARED` in a grid or a variant, and two variants with one label."""
    own = [change for one in spec.variants.values() for change in one.set]
    seeds = [change for change in spec.set if _key(change) == "seed"]
    labels = [one.label for one in spec.variants.values()]
    if len(set(labels)) < len(labels):
        raise CsalganError(f"variants: {max(labels, key=labels.count)!r} is the label of two.")
    for change in (*spec.grid, *own, *seeds):
        if _key(change) in _SHARED:
            raise CsalganError(
                f"{_key(change)}: all points share one split and have their seeds from seeds: (or "
                "--seeds); set a split for the whole sweep, or make another one of it."
            )


def _key(change: str) -> str:
    return change.partition("=")[0].strip()


def tasks(spec: Spec, dataset: Dataset, out: Path) -> list[Task]:
    """A command for each point; run again, it continues from where it stopped.

    Raises:
        CsalganError: a value that the profile refuses, or a part without records (more folds than
            the images are enough for).
    """
    made, data = [], str(dataset.root.resolve())
    for point in points(spec):
        # A part without records is refused now, not when the points before it are trained.
        rows_of(Job(point.profile, dataset, out), point.subset, spec.part)
        about = point._asdict() | {"profile": point.profile.as_dict(), "data": data}
        about |= {"part": spec.part, "folder": str((out / "runs" / point.folder).resolve())}
        log = out / "logs" / f"{point.folder}.log"
        made.append(module_task("csalgan.experiment.sweep", about, point.folder, log))
    return made


def collect(spec: Spec, dataset: Dataset, out: Path) -> Path | None:
    """Put the finished points together; points of which a fold is missing are left out.

    Writes ``tables/scores.csv`` (every record's), ``tables/sweep.csv``, ``manifest.json``, and
    models side by side: ``tables/comparison.md`` and a figure.

    Returns:
        The path of ``tables/comparison.md``. ``tables/sweep.csv`` has a row for each point,
        condition (``all`` among them) and metric: the grid's values, ``seed``, ``subset``,
        ``mean``, ``low`` and ``high`` (95 % over images), ``n_records``, ``n_images``, and the
        provenance.
        None when no point is finished.
    """
    wanted, found = points(spec), _scored(spec, dataset, out)
    missing = {point.name for point in wanted if not found[point.folder]}
    scored = []
    for point in wanted:
        if point.name not in missing:
            about = {**dict.fromkeys(spec.grid, ""), **point.values}
            # A list or nothing cannot be grouped by; its text can.
            about = {k: str(v) if isinstance(v, list | None) else v for k, v in about.items()}
            about |= {"seed": point.seed, "subset": point.subset, "point": point.name}
            path = _scores_of(point, spec, out)
            scored.append(read_scores(path).assign(**about))
    if not scored:
        return None
    scores = pd.concat(scored, ignore_index=True)
    trained = scores[~scores["point"].str.startswith("yardsticks_")]
    base = load_profile(spec.profile, list(spec.set))

    def every(table: pd.DataFrame, column: str) -> str:
        values = table.reindex(columns=[column])[column].fillna("")  # older scores lack some
        return "/".join(sorted(set(values) - {""}))

    provenance = Job(base, dataset, out).provenance.with_(
        profile=" ".join([base.name, *spec.set]),
        seed=min(point.seed for point in wanted),
        commit=every(scores, "commit"),
        **{key: every(trained, key) for key in ("encoder", "precision", "test_scales", "device")},
    )
    write_csv(out / "tables" / "scores.csv", scores, float_format="%.6g")
    both = pd.concat([scores.assign(condition="all"), scores])
    summary = summarise(both, ["point", "model", *spec.grid, "seed", "subset", "condition"])
    summary = summary.assign(**{f"from_{k}": v for k, v in provenance.as_dict().items()})
    write_csv(out / "tables" / "sweep.csv", summary, float_format="%.6g")
    where = f"the {spec.part} records"
    if spec.folds:
        whole = "all images in" if spec.part == "test" else "the validation parts of"
        where = f"{whole} {spec.folds} folds"
    path = write_comparison(out, scores, provenance, where)
    _write_manifest(out, spec, provenance, {p.folder: p.name not in missing for p in wanted})
    return path


def _write_manifest(out: Path, spec: Spec, provenance: Provenance, scored: dict[str, bool]) -> None:
    manifest = {
        "complete": all(scored.values()),
        "sweep": spec.model_dump(mode="json"),
        "provenance": provenance.as_dict(),
        "points": scored,
    }
    write_text(out / _MANIFEST, json.dumps(manifest, indent=1, ensure_ascii=False) + "\n")


def run_point(about: dict[str, Any]) -> None:
    """Train and score one point (of :func:`tasks`); what is finished is left as it is.

    Scores are made again when the weights or the commit of the code have changed.
    """
    profile, folder = profile_from(about["profile"], "this point"), Path(about["folder"])
    dataset, subset = open_dataset(about["data"]), about["subset"]
    made_of, run = f" {commit()} {_digest(dataset.fingerprint, profile)}", None
    if not about["yardsticks"]:
        # A job of a command that was killed may train it still: this one waits for it.
        run = train(profile, dataset, subset, folder, resume=True, wait=True)
        made_of = sha256((folder / "best.safetensors").read_bytes()).hexdigest() + made_of
    target, stamp = folder / f"scores-{about['part']}.csv", folder / f"scores-{about['part']}.of"
    if target.is_file() and stamp.is_file() and stamp.read_text() == made_of:
        return
    job = Job(profile, dataset, folder)
    rows = rows_of(job, subset, about["part"])
    evaluator = Evaluator(dataset, job.split, seed=profile.seed)
    if run:
        scores = score_model(evaluator, Predictor.of_run(run), rows, about["model"])
    else:
        scores = score_yardsticks(evaluator, rows, rows_of(job, subset, "train"))
    write_csv(target, scores, float_format="%.6g")
    write_text(stamp, made_of)


def begin(spec: Spec, dataset: Dataset, out: Path) -> None:
    """Say in the folder whose it is, before anything is trained."""
    provenance = Job(load_profile(spec.profile, list(spec.set)), dataset, out).provenance
    _write_manifest(out, spec, provenance, _scored(spec, dataset, out))


def require_same(spec: Spec, dataset: Dataset, out: Path) -> None:
    """Refuse a folder that holds a sweep of other data, profile, settings or folds, or other files.

    Settings are those of its runs too: a profile of the same name may have changed since.

    Raises:
        CsalganError: naming what differs, or what stands there.
    """
    manifest = out / _MANIFEST
    if not manifest.exists():
        if written := [name for name in _WRITTEN if (out / name).exists()]:
            raise CsalganError(f"{out}: holds {written[0]}, no sweep; choose another --out folder.")
        return
    try:
        known = read_json(manifest)
        before, data = Spec.model_validate(known["sweep"]), known["provenance"]["fingerprint"]
    except (LookupError, TypeError, ValidationError) as error:
        raise CsalganError(f"{manifest}: is of no sweep; choose another --out folder.") from error
    keys = ("profile", "set", "folds")
    pairs = {key: (getattr(before, key), getattr(spec, key)) for key in keys}
    pairs["data"] = data, dataset.fingerprint[:12]
    for key, (was, now) in pairs.items():
        if was != now:
            raise CsalganError(
                f"{out}: holds a sweep with {key} {was}, now {now}; choose another --out folder."
            )
    for point in points(spec):
        try:
            about = Run.load(out / "runs" / point.folder).info
        except CsalganError:  # none yet, or the baselines
            continue
        wanted = about | {"profile": point.profile.as_dict()}
        if difference := same_settings(wanted, about):
            raise CsalganError(
                f"{out}: holds runs of an earlier {spec.profile} ({difference}); choose another "
                "--out folder."
            )


def _scores_of(point: Point, spec: Spec, out: Path) -> Path:
    return out / "runs" / point.folder / f"scores-{spec.part}.csv"


def _scored(spec: Spec, dataset: Dataset, out: Path) -> dict[str, bool]:
    """Folder of each point → whether its scores are there, of these data and its profile."""
    found = {}
    for point in points(spec):
        scores = _scores_of(point, spec, out)
        stamp, wanted = scores.with_suffix(".of"), _digest(dataset.fingerprint, point.profile)
        there = scores.is_file() and stamp.is_file()
        found[point.folder] = there and stamp.read_text().endswith(wanted)
    return found


def _digest(data: str, profile: Profile) -> str:
    settings = profile.as_dict()
    settings["text"] = settings["text"] | {"clip_weights": None}  # wherever they lie
    whole = sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()
    return f"{data} {whole}"


def _name(variant: str, values: dict[str, Any], seed: int, subset: str) -> str:
    """A name for a folder that a person can read and no other point has."""
    told = [variant] if variant else []
    given = [f"{key.rsplit('.', 1)[-1]}={value}" for key, value in values.items()]
    whole = "_".join([*told, *given, subset, f"seed-{seed}"])
    safe = re.sub(r"[^A-Za-z0-9=._-]+", "-", whole)
    exact = json.dumps([values, seed, subset, *told], sort_keys=True)
    return f"{safe[:80]}_{sha256(exact.encode()).hexdigest()[:8]}"


if __name__ == "__main__":
    main_of(run_point)
