"""``csalgan train``, ``sweep`` and ``crossval``: one training, or many and one table."""

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from typer import Argument, Option

from csalgan.cli.options import (
    ClipOption,
    DataOption,
    JobsOption,
    OutOption,
    ProfileOption,
    SetOption,
    SubsetOption,
    overrides_of,
    telling,
)
from csalgan.files.errors import CsalganError

if TYPE_CHECKING:
    from csalgan.experiment.sweep import Spec

ExecutorOption = Annotated[
    Literal["local", "slurm"], Option(help="This machine, or a Slurm cluster.")
]

SeedsOption = Annotated[int, Option(min=1, max=1000, help="Trainings with seeds 0, 1 …")]


def train(
    out: OutOption,
    profile: ProfileOption = "demo",
    subset: SubsetOption = "total",
    data: DataOption = "",
    seeds: SeedsOption = 1,
    resume: Annotated[
        bool, Option("--resume", help="Continue the run in --out, if there is one.")
    ] = False,
    changes: SetOption = None,
    clip_weights: ClipOption = None,
) -> None:
    """Train one model; history and checkpoints go to --out.

    Several seeds are trained on one split, each in a folder of its own (--out/seed-0 …).
    """
    import pandas as pd

    from csalgan.experiment.job import open_job
    from csalgan.files.locks import refuse_inside
    from csalgan.files.writing import require_writable
    from csalgan.training import train as train_model

    require_writable(out)
    job = open_job(profile, data, str(out), overrides_of(changes, clip_weights))
    refuse_inside(job.out)
    wanted = {job.out: job.profile}
    if seeds > 1:
        if (job.out / "run.json").exists():
            raise CsalganError(f"{out}: a run stands there; give --seeds a folder of their own.")
        wanted = {job.out / f"seed-{k}": job.profile.of_seed(k) for k in range(seeds)}
    found = []
    for folder, own in wanted.items():
        if resume and not (folder / "run.json").exists():
            print(f"note: no run is in {folder} yet, one begins.", file=sys.stderr)
        with telling(partial(_stands, folder), add=["--resume"]):
            run = train_model(own, job.dataset, subset, folder, resume=resume)
        found.append(run.kept[["val_cc", "val_nss"]].set_axis(["CC", "NSS"]))
        epochs, text = len(run.history), job.encoder.name
        how = f"{run.info['precision']} on {run.info['device']}"
        print(f"{folder}: {epochs} epochs on {job.dataset.name}, text {text}, {how}")
        told = ", ".join(f"{name} {value:.3f}" for name, value in found[-1].items())
        score = f"validation {told} (at {own.data.size} px)"
        if own.data.split == "all":
            score = "no image was held back to validate on"
        print(f"{own.training.keep} epoch {run.kept['epoch']:.0f}: {score}")
    if seeds > 1 and job.profile.data.split != "all":
        table = pd.DataFrame(found).agg(["mean", "std"])
        told = ", ".join(
            f"{name} {one['mean']:.3f} ± {one['std']:.3f}" for name, one in table.items()
        )
        print(f"{seeds} seeds: validation {told} (mean ± SD)")


def _stands(folder: Path) -> str:
    history = folder / "history.csv"
    rows = history.read_text(encoding="utf-8").count("\n") - 1 if history.is_file() else 0
    return f"{rows} finished epochs stand in {folder}" if rows else "no epoch is finished"


def sweep(
    spec: Annotated[
        str, Argument(help="YAML file: profile, variants, grid, seeds, folds; or ablation.")
    ],
    out: OutOption,
    data: DataOption = "",
    jobs: JobsOption = 1,
    executor: ExecutorOption = "local",
) -> None:
    """Train and score every point of a grid; one table, one figure.

    Stop it at any time: the same command goes on. A changed file trains only the new points.
    """
    from csalgan.experiment.sweep import read_spec

    _run(read_spec(spec), out, data, jobs, executor)


def crossval(
    out: OutOption,
    profile: ProfileOption = "best",
    data: DataOption = "",
    folds: Annotated[int, Option(min=2, max=100, help="Parts of the images.")] = 5,
    seeds: SeedsOption = 1,
    subset: SubsetOption = "total",
    jobs: JobsOption = 1,
    executor: ExecutorOption = "local",
    changes: SetOption = None,
) -> None:
    """Cross-validate: a model for each fold, scored on unseen images.

    Stop it at any time: the same command goes on. `csalgan compare R1 R2` sets two such folders
    side by side, record by record.
    """
    from csalgan.experiment.sweep import Spec

    asked = {"profile": profile, "set": tuple(changes or ()), "folds": folds, "seeds": seeds}
    spec = Spec(**asked, subsets=(subset,), part="test", yardsticks=True)
    _run(spec, out, data, jobs, executor)


def _run(spec: "Spec", out: Path, data: str, jobs: int, executor: str) -> None:
    from csalgan.experiment import sweep as sweeps
    from csalgan.experiment.job import open_job
    from csalgan.files.locks import locked
    from csalgan.files.writing import require_writable
    from csalgan.runner import slurm
    from csalgan.runner.processes import run_tasks
    from csalgan.runner.state import State

    require_writable(out)
    job = open_job(spec.profile, data, str(out), list(spec.set))
    sweeps.require_same(spec, job.dataset, job.out)
    tasks, state = sweeps.tasks(spec, job.dataset, job.out), State(job.out)
    with telling(lambda: f"finished points and epochs stand in {job.out}"), locked(job.out):
        sweeps.begin(spec, job.dataset, job.out)
        state.expect([task.name for task in tasks])
        if executor == "slurm":
            cluster = spec.cluster.model_dump()
            ended = slurm.run_tasks(tasks, job.out / "slurm", cluster, on_event=state.tell)
        else:
            ended = run_tasks(tasks, jobs=jobs, on_event=state.tell)
        table = sweeps.collect(spec, job.dataset, job.out)
    if table is not None:
        print(table.read_text(encoding="utf-8"))
        print(f"table: {table}")
    failed = [one for one in ended.values() if not one.ok]
    if failed:
        more = f" ({len(failed) - 1} more failed)" if len(failed) > 1 else ""
        raise CsalganError(f"point {failed[0].name}: {failed[0].message}{more}")
