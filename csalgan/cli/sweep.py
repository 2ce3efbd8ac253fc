"""``csalgan sweep`` and ``csalgan crossval``: many trainings, one table."""

from pathlib import Path
from typing import Annotated, Literal

from typer import Argument, Option

from csalgan.cli.options import (
    DataOption,
    JobsOption,
    ProfileOption,
    SetOption,
    SubsetOption,
    telling,
)
from csalgan.files.errors import CsalganError

OutOption = Annotated[Path, Option(help="Folder of runs, tables and the figure.")]
ExecutorOption = Annotated[
    Literal["local", "slurm"], Option(help="This machine, or a Slurm cluster.")
]


def sweep(
    spec: Annotated[
        str, Argument(help="YAML file: profile, variants, grid, seeds, folds; or ablation.")
    ],
    out: OutOption,
    data: DataOption = "",
    jobs: JobsOption = 1,
    executor: ExecutorOption = "local",
) -> None:
    """Train and score every point of a grid; one tidy table and a figure to compare them.

    Stop it at any time: the same command goes on. A changed file trains only the new points.
    """
    from csalgan.experiment import sweep as sweeps

    _run(sweeps.read_spec(spec), out, data, jobs, executor)


def crossval(
    out: OutOption,
    profile: ProfileOption = "best",
    data: DataOption = "",
    folds: Annotated[int, Option(min=2, max=100, help="Parts of the images.")] = 5,
    seeds: Annotated[int, Option(min=1, max=1000, help="Trainings of each fold.")] = 1,
    subset: SubsetOption = "total",
    jobs: JobsOption = 1,
    executor: ExecutorOption = "local",
    changes: SetOption = None,
) -> None:
    """Train a model for each fold of the images; each is scored on those it did not see.

    Stop it at any time: the same command goes on. `csalgan compare R1 R2` sets two such folders
    side by side, record by record.
    """
    from csalgan.experiment import sweep as sweeps

    spec = sweeps.Spec(
        profile=profile,
        set=tuple(changes or ()),
        folds=folds,
        seeds=seeds,
        subsets=(subset,),
        part="test",
        yardsticks=True,
    )
    _run(spec, out, data, jobs, executor)


def _run(spec, out: Path, data: str, jobs: int, executor: str) -> None:
    from csalgan.experiment import sweep as sweeps
    from csalgan.experiment.job import open_job
    from csalgan.files.locks import locked
    from csalgan.files.writing import require_writable
    from csalgan.runner import State, run_tasks, slurm

    require_writable(out)
    job = open_job(spec.profile, data, str(out), list(spec.set))
    with telling(lambda: f"finished points and epochs stand in {job.out}"), locked(job.out):
        tasks = sweeps.tasks(spec, job.dataset, job.out)
        state = State(job.out)
        if executor == "slurm":
            resources = spec.cluster.model_dump()
            ended = slurm.run_tasks(tasks, job.out / "slurm", on_event=state.add_event, **resources)
        else:
            ended = run_tasks(tasks, jobs=jobs, on_event=state.add_event)
        table = sweeps.collect(spec, job.dataset, job.out)
    if table is not None:
        print(table.read_text(encoding="utf-8"))
        print(f"table: {table}")
    failed = [one for one in ended.values() if not one.ok]
    if failed:
        more = f" ({len(failed) - 1} more failed)" if len(failed) > 1 else ""
        raise CsalganError(f"point {failed[0].name}: {failed[0].message}{more}")
