"""The same tasks on a Slurm cluster, through submitit."""

import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tqdm import tqdm

from csalgan.files.errors import CsalganError
from csalgan.runner.processes import Event, Outcome, Task, end_at_signal, event

_PAUSE = 2.0  # seconds between two looks for results
_LOOK = 5  # looks between two questions to the scheduler
#: What ends this process, and its jobs with it: a terminal that is closed, too.
_ENDING = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
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
    back into the queue and starts it anew. Interrupted, this process cancels what still runs or
    waits. Results are looked for in ``folder``, and the queue is asked who has left it without
    one: that needs no accounting (``sacct``), which many small clusters have not.

    Args:
        tasks: independent ones.
        folder: for submitit's own files; it must be seen by all nodes, as the tasks' logs.
        cluster: what a task asks of it: ``partition``, ``gpus``, ``cpus``, ``memory_gb``,
            ``minutes``, and ``at_once``, how many run at the same time.
        on_event: see :func:`csalgan.runner.run_tasks`; ``submitted`` is told as well, and
            ``started`` when the job's own log is there.

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
    waiting: dict[str, Any] = {}
    ended: dict[str, Outcome] = {}
    begun: set[str] = set()

    def end(outcome: Outcome) -> None:
        del waiting[outcome.name]
        ended[outcome.name] = outcome
        on_event(outcome.event())
        tqdm.write(outcome.line(len(ended), len(tasks)), file=sys.stderr)

    with _cancelled_at_the_end(waiting) as ending:
        with _not_now(*ending):  # what is submitted must be known to be cancelled
            waiting |= _submitted(submitit, tasks, folder, cluster)
        for name, job in waiting.items():
            on_event(event("submitted", name, 0.0, f"job {job.job_id}"))
        gone: set[str] = set()
        for look in itertools.count(1):
            for name, job in list(waiting.items()):
                if _has_result(job):
                    end(_outcome(name, job))
                elif name not in begun and job.paths.stdout.exists():
                    begun.add(name)
                    on_event(event("started", name, 0.0, f"job {job.job_id}"))
            if not waiting:
                break
            if look % _LOOK == 0:
                before, gone = gone, _not_in_queue(waiting)
                for name in before & gone:  # twice: its result may come a little later
                    end(_lost(name, waiting[name]))
            time.sleep(_PAUSE)
    return {task.name: ended[task.name] for task in tasks}


@contextmanager
def _cancelled_at_the_end(waiting: dict[str, Any]) -> Iterator[list[int]]:
    """Cancel the jobs that wait when the block ends, also by a signal; give those signals."""
    # Whoever asked the system to pass a closed terminal over (nohup) is left alone.
    heard = [number for number in _ENDING if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, end_at_signal) for number in heard}
    ending = [signal.SIGINT, *heard]
    try:
        try:
            yield ending
        finally:
            with _not_now(*ending):
                for job in waiting.values():
                    job.cancel(check=False)  # one that has just left the queue is no error
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _not_now(*numbers: int) -> Iterator[None]:
    """Signals that come while the block runs are delivered after it."""
    came: list[int] = []
    before = {
        number: signal.signal(number, lambda number, frame: came.append(number))
        for number in numbers
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    for number in came:
        signal.raise_signal(number)


def _submitted(
    submitit, tasks: Sequence[Task], folder: Path, cluster: Mapping[str, Any]
) -> dict[str, Any]:
    """Name → job of tasks that are handed to the scheduler."""
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
    return {task.name: job for task, job in zip(tasks, jobs, strict=True)}


def _has_result(job) -> bool:
    with suppress(OSError):  # a network's file system then shows what is new
        job.paths.folder.chmod(job.paths.folder.stat().st_mode)
    return job.paths.result_pickle.exists()


def _not_in_queue(waiting: Mapping[str, Any]) -> set[str]:
    """Names of the jobs that the scheduler knows no more; none when it does not answer."""
    array = next(iter(waiting.values())).job_id.partition("_")[0]
    asked = ["squeue", "--noheader", "--array", "--format=%i", "--jobs", array]
    done = subprocess.run(asked, capture_output=True, text=True)
    if done.returncode and "Invalid job id" not in done.stderr:
        return set()
    known = set(done.stdout.split())
    return {name for name, job in waiting.items() if job.job_id not in known}


def _lost(name: str, job) -> Outcome:
    state = f"left the queue without a result ({job.state.lower()})"
    return Outcome(name, False, 0.0, f"job {job.job_id}: {state}")


def _outcome(name: str, job) -> Outcome:
    try:
        status, message, seconds = job.result()
    except Exception as error:  # killed, out of memory, cancelled: submitit's own kinds
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        return Outcome(name, False, 0.0, f"job {job.job_id}: {reason}")
    return Outcome(name, status == 0, seconds, message)
