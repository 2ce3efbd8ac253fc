"""``csalgan sweep``: a grid of trainings, one table."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from csalgan.errors import CsalganError


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command()(sweep)


def sweep(
    spec: Annotated[Path, typer.Argument(help="YAML file: profile, grid, seeds, subsets.")],
    out: Annotated[Path, typer.Option("--out", help="Folder of runs, tables and the figure.")],
    data: Annotated[
        str, typer.Option(help="Dataset folder or archive; the embedded dataset when left out.")
    ] = "",
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, help="Points at once, here.")] = 1,
    executor: Annotated[
        Literal["local", "slurm"], typer.Option(help="This machine, or a Slurm cluster.")
    ] = "local",
) -> None:
    """Train and score every point of a grid; one tidy table and a figure to compare them.

    Stop it at any time: the same command goes on. A changed file trains only the new points.
    """
    from csalgan import sweep as sweeps
    from csalgan.data.check import require_clean
    from csalgan.job import open_job
    from csalgan.runner import State, locked, run_tasks, slurm

    wanted = sweeps.read_spec(spec)
    job = open_job(wanted.profile, data, str(out), list(wanted.set))
    require_clean(job.dataset)
    with locked(job.out):
        tasks = sweeps.tasks(wanted, job.dataset, job.out)
        state = State(job.out)
        if executor == "slurm":
            resources = wanted.cluster.model_dump()
            ended = slurm.run_tasks(tasks, job.out / "slurm", on_event=state.add_event, **resources)
        else:
            ended = run_tasks(tasks, jobs=jobs, on_event=state.add_event)
        table = sweeps.collect(wanted, job.dataset, job.out)
    if table is not None:
        print(f"table: {table}")
    failed = [one for one in ended.values() if not one.ok]
    if failed:
        more = f" ({len(failed) - 1} more failed)" if len(failed) > 1 else ""
        raise CsalganError(f"point {failed[0].name}: {failed[0].message}{more}")
