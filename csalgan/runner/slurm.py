"""The same tasks on a Slurm cluster, through submitit."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from csalgan.files.errors import CsalganError
from csalgan.runner.processes import Event, Outcome, Task, end_at_signal, event

_PAUSE = 2.0  # seconds between two questions to the scheduler
_UNTIL_KILLED = 300.0  # seconds; Slurm waits KillWait (30) between SIGTERM and SIGKILL


class Command:
    """A task as submitit runs it: on the node, and again when the job was preempted."""

    def __init__(self, task: Task):
        self.task = task

    def __call__(self) -> tuple[int, str, float]:
        """Exit status, what went wrong, seconds."""
        start, began = self.task.begun(), time.monotonic()
        with self.task.log.open("ab") as log:
            status = subprocess.run(
                self.task.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            ).returncode
        if status == -signal.SIGTERM:
            # The scheduler ends us, all processes at once. To return now would call the task
            # done; it is to be put back, or cancelled, and the scheduler's next signal says so.
            time.sleep(_UNTIL_KILLED)
        return status, self.task.failure(start, status), time.monotonic() - began

    def checkpoint(self):
        """Called by submitit when the time is over or the job is preempted: put it back."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)


def run_tasks(
    tasks: Sequence[Task],
    folder: Path,
    cluster: Mapping[str, Any],
    *,
    on_event: Callable[[Event], None] = lambda one: None,
) -> dict[str, Outcome]:
    """Run tasks as one job array and wait for them.

    Every task must go on where it was when its command is given again: a preempted job is put
    back into the queue and starts it anew. Interrupted, this process cancels what still runs.

    Args:
        tasks: independent ones.
        folder: for submitit's own files; it must be seen by all nodes, as the tasks' logs.
        cluster: what a task asks of it: ``partition``, ``gpus``, ``cpus``, ``memory_gb``,
            ``minutes``, and ``at_once``, how many run at the same time.
        on_event: see :func:`csalgan.runner.run_tasks`; ``submitted`` is told as well.

    Returns:
        name → outcome.

    Raises:
        CsalganError: submitit or Slurm is not there, or the scheduler refuses the jobs.
    """
    try:
        import submitit
    except ImportError as error:
        raise CsalganError(
            "--executor slurm: submitit is not installed; run make setup, or pip install submitit."
        ) from error
    optional = {"gpus_per_node": cluster["gpus"], "slurm_partition": cluster["partition"]}
    try:
        executor = submitit.AutoExecutor(folder=str(folder), cluster="slurm")
        executor.update_parameters(
            name="csalgan",
            timeout_min=cluster["minutes"],
            cpus_per_task=cluster["cpus"],
            slurm_mem=f"{round(cluster['memory_gb'] * 1024)}M",
            slurm_array_parallelism=cluster["at_once"],
            slurm_setup=[f"export PYTHONPATH={os.environ.get('PYTHONPATH', '')}"],
            slurm_additional_parameters={"requeue": True},
            **{name: value for name, value in optional.items() if value},
        )
        with executor.batch():
            jobs = [executor.submit(Command(task)) for task in tasks]
    except Exception as error:  # submitit raises several kinds, among them plain RuntimeErrors
        reason = (str(error).strip().splitlines() or [type(error).__name__])[-1]
        raise CsalganError(
            f"--executor slurm: the scheduler did not take the jobs: {reason}"
        ) from error
    waiting = {task.name: job for task, job in zip(tasks, jobs, strict=True)}
    ended: dict[str, Outcome] = {}
    for name, job in waiting.items():
        on_event(event("submitted", name, 0.0, f"job {job.job_id}"))
    before = signal.signal(signal.SIGTERM, end_at_signal)  # the jobs are cancelled then, too
    try:
        while waiting:
            for name in [name for name, job in waiting.items() if job.done()]:
                ended[name] = outcome = _outcome(name, waiting.pop(name))
                on_event(outcome.event())
                tqdm.write(outcome.line(len(ended), len(tasks)), file=sys.stderr)
            time.sleep(_PAUSE if waiting else 0)
    finally:
        for job in waiting.values():
            job.cancel()
        signal.signal(signal.SIGTERM, before)
    return {task.name: ended[task.name] for task in tasks}


def _outcome(name: str, job) -> Outcome:
    try:
        status, message, seconds = job.result()
    except Exception as error:  # killed, out of memory, cancelled: submitit's own kinds
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        return Outcome(name, False, 0.0, f"job {job.job_id}: {reason}")
    return Outcome(name, status == 0, seconds, message)
