"""Executing the numbered notebooks, and leaving a report behind.

The notebooks do the work; this module plans them, checks their parameters before anything runs,
skips those whose result is there already, executes the others through papermill, each in a process
of its own, and collects what they left.
"""

import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import papermill

from csalgan.config import Profile, load_profile, resolved
from csalgan.data.clone import author_files, find_weights
from csalgan.data.records import SUBSETS
from csalgan.experiment.job import Job, open_job, place
from csalgan.files import paths
from csalgan.files.errors import CsalganError
from csalgan.files.inputs import read_json
from csalgan.files.locks import holder, locked
from csalgan.files.progress import doing
from csalgan.files.writing import (
    CLUTTER,
    TEMPORARY,
    remove_leftovers,
    require_writable,
    write_text,
)
from csalgan.pipeline import report
from csalgan.runner.processes import EndedBySignal, Event, Task, event, module_task, run_tasks
from csalgan.runner.state import NAMES, Asked, State, digest, step_key

#: The notebooks in the order they build on each other; the third runs once a subset.
NOTEBOOKS = (
    "01_data_exploration",
    "02_model_definition",
    "03_adversarial_training",
    "04_metric_evaluation",
    "05_text_guidance_ablation",
    "06_prediction_explorer",
)
_PER_SUBSET = "03_adversarial_training"
#: Notebooks that show the author's material where there is a clone of it.
_WITH_AUTHOR = ("03_adversarial_training", "04_metric_evaluation")
#: Notebooks that read the trained runs, and so come after all of the third.
_READERS = NOTEBOOKS[3:]
#: The notebook that is about sentences alone.
_ON_SENTENCES = "05_text_guidance_ablation"
#: The files of a run; when it stood already, the step that asks for it wrote none of them.
_RUN = ("run.json", "history.csv", "pretraining.csv", "best.safetensors", "last.safetensors")
_MANIFEST = "manifest.json"
_OURS = ("figures", "tables", "notebooks", "runs", _MANIFEST, "index.html", *NAMES, *CLUTTER)


@dataclass(frozen=True)
class Step:
    """One notebook with its parameters.

    Attributes:
        reads: names of the steps whose results it reads.
        key: of its result (:func:`csalgan.runner.state.step_key`), once that is known.
        current: whether that result is there, its files unchanged.
    """

    name: str
    notebook: Path
    parameters: dict[str, Any] = field(default_factory=dict)
    reads: tuple[str, ...] = ()
    key: str = ""
    current: bool = False


def plan(profile: Profile, shared: dict[str, Any], *, has_sentences: bool = True) -> list[Step]:
    """The steps of a report, in order.

    Args:
        shared: the parameters every notebook gets; ``author`` goes only to those that show it.
        has_sentences: whether a record has one; else the notebook on sentences is left out.
    """
    trained = tuple(f"{_PER_SUBSET}-{subset}" for subset in profile.training.subsets)
    steps: list[Step] = []
    for name in NOTEBOOKS:
        notebook = paths.notebooks_dir() / f"{name}.ipynb"
        own = {k: v for k, v in shared.items() if k != "author" or name in _WITH_AUTHOR}
        if name == _PER_SUBSET:
            each = zip(trained, profile.training.subsets, strict=True)
            steps += [Step(one, notebook, own | {"subset": subset}) for one, subset in each]
        elif has_sentences or name != _ON_SENTENCES:
            steps.append(Step(name, notebook, own, trained if name in _READERS else ()))
    return steps


def check_parameters(steps: Sequence[Step]) -> None:
    """Refuse a notebook that is missing or does not declare a parameter it is to be given.

    Papermill itself only warns about an unknown parameter and runs on with the default.

    Raises:
        CsalganError: naming the notebook and the parameter.
    """
    for step in steps:
        if not step.notebook.is_file():
            raise CsalganError(f"{step.notebook}: this notebook is missing; restore it from git.")
        declared = papermill.inspect_notebook(str(step.notebook))
        for name in step.parameters:
            if name not in declared:
                raise CsalganError(
                    f"{step.notebook}: has no parameter {name}; add it to the cell tagged "
                    "'parameters'."
                )


def reproduce(
    profile: str,
    data: str = "",
    out: str = "",
    overrides: Sequence[str] = (),
    *,
    fresh: bool = False,
    from_step: str = "",
    jobs: int = 1,
    author: str | Path | None = None,
) -> Path:
    """Run every notebook whose result is not there yet, and write the report.

    Args:
        profile: a profile's name or YAML file.
        data: a dataset's folder or archive; ``""`` is the embedded dataset.
        out: the report's folder; ``""`` is ``reports/<profile>``.
        overrides: ``key.path=value`` changes to the profile.
        fresh: do everything again, trainings too.
        from_step: do this step (``04``) and those after it again.
        jobs: how many steps may run at once.
        author: a clone of the author's repository, for the notebooks that show its material.

    Returns:
        The path of ``index.html``.

    Raises:
        CsalganError: bad parameters (before anything runs), a clone without weights, a dataset
            with faults, a folder that is not a report, that somebody works on or that holds
            trainings of other settings (unless ``fresh``), or a failing
            notebook (named with its cell; its partial output is kept, and steps that do not need
            it are finished).
    """
    if out:  # what takes a moment is tried before the data are looked at
        folder = place(out)
        require_writable(folder)
        _require_report(folder)
    if author:
        find_weights(author)
        author = str(Path(author).expanduser().resolve())
    with doing("opening the data"):
        job = open_job(profile, data, out, overrides)
    if not out:
        _require_report(job.out)
    data = str(job.dataset.root) if data else ""
    asked = Asked.model_construct(
        profile=resolved(profile), data=data, overrides=list(overrides), author=author or None
    )
    steps = _steps_of(job, asked)
    if not job.dataset.has_sentences:
        print(f"{_ON_SENTENCES}: left out, {job.dataset.name} has no sentences", file=sys.stderr)
    check_parameters(steps)
    names = [step.name for step in steps]
    first = 0 if fresh else len(names)
    if from_step and not fresh:
        first = next((k for k, name in enumerate(names) if name.startswith(from_step)), -1)
        if first < 0:
            raise CsalganError(f"--from {from_step}: no such step; use one of {', '.join(names)}.")
    if not fresh:
        job.refuse_other_runs()
    with locked(job.out):
        return _reproduce(job, steps, asked, fresh, names[first:], jobs)


def _require_report(out: Path) -> None:
    try:
        known = read_json(out / _MANIFEST)
        if "complete" in known and "sweep" not in known:
            return
        foreign = [_MANIFEST]
    except (OSError, CsalganError, TypeError):  # none yet, or nothing of ours
        inside = (path.name for path in out.iterdir()) if out.is_dir() else ()
        foreign = [name for name in inside if name not in _OURS and not name.startswith(TEMPORARY)]
    if foreign:
        raise CsalganError(
            f"{out}: holds {foreign[0]} and is not a report; choose another --out folder."
        )


def _steps_of(job: Job, asked: Asked) -> list[Step]:
    shared = asked.model_dump(exclude_none=True) | {"out": str(job.out)}
    return plan(job.profile, shared, has_sentences=job.dataset.has_sentences)


def keyed_steps(job: Job, steps: Sequence[Step]) -> dict[str, Step]:
    """Steps by name, each with the key of its result and whether that is there, unchanged."""
    state = State(job.out)
    profile = job.profile.as_dict() | _outside(job)
    profile["text"] = profile["text"] | {"clip_weights": None}  # its content counts, not its path
    found: dict[str, Step] = {}
    for step in steps:
        own = {k: v for k, v in step.parameters.items() if k == "subset"}
        if author := step.parameters.get("author"):
            own["author"] = [digest(path) for path in author_files(author)]
        reads = [found[name] for name in step.reads]
        fingerprint = job.dataset.fingerprint
        key = step_key(step.notebook, own, profile, fingerprint, [one.key for one in reads])
        # A step whose sources are to be made again is made again too.
        current = all(one.current for one in reads) and state.is_current(step.name, key)
        found[step.name] = replace(step, key=key, current=current)
    return found


def _outside(job: Job) -> dict[str, Any]:
    """Digests of inputs outside the package; of another profile that is named, its content."""
    clip, beside = job.profile.text.clip_weights, job.profile.beside
    return {
        "pretraining": job.provenance.pretraining,
        "clip_weights": digest(Path(clip)) if clip else "",
        "beside_profile": load_profile(beside).as_dict() if beside else {},
    }


def open_report(out: Path) -> tuple[Job, list[dict[str, Any]]]:
    """A report as it was asked for, and what is known of each of its steps, in order.

    Returns:
        the report, and a :meth:`State.row` a step.

    Raises:
        CsalganError: the folder is no report, or its data or profile are gone.
    """
    state = State(out)
    asked = state.plan()
    job = open_job(asked.profile, asked.data, str(out), asked.overrides)
    working, steps = bool(holder(out)), keyed_steps(job, _steps_of(job, asked))
    return job, [state.row(k, working=working, current=one.current) for k, one in steps.items()]


def _reproduce(
    job: Job, steps: list[Step], asked: Asked, fresh: bool, again: Sequence[str], jobs: int
) -> Path:
    state, names = State(job.out), [step.name for step in steps]
    _clean(state, names, fresh)
    state.write_plan(asked)
    wanted = {}
    for name, step in keyed_steps(job, steps).items():
        if step.current and name not in again:
            print(f"{name}: unchanged, skipped", file=sys.stderr, flush=True)
            state.add_event(event("skipped", name, 0.0, "unchanged"))
            state.ledger(name).unlink(missing_ok=True)
        else:
            wanted[name] = step
    tasks = [_task(job.out, state, step, wanted) for step in wanted.values()]

    def keep(told: Event) -> None:
        name = told["step"]
        step = wanted[name]
        if told["event"] == "started":
            # What it alone had written goes now, and not before: stopped early, a report still
            # has the results of the steps that had not begun.
            state.clear(name, set(state.known()) - {name})
            state.tell(told, step.key)
            return
        files = state.written(name)
        if subset := step.parameters.get("subset"):
            files |= {job.out / "runs" / subset / one for one in _RUN}
        state.tell(told, step.key, state.digests(files))
        state.ledger(name).unlink(missing_ok=True)

    # The manifest comes first, half empty, so that a report cut short is still known as one.
    write_text(job.out / _MANIFEST, '{"complete": false}\n')
    try:
        ended = run_tasks(tasks, jobs=jobs, on_event=keep)
    except (KeyboardInterrupt, EndedBySignal) as stop:
        stand = sum(one.current for one in keyed_steps(job, steps).values())
        where = f"stand in {job.out}, trainings up to their last epoch"
        stop.stands = f"{stand} of {len(steps)} steps {where}"  # what the command then says
        raise
    finally:
        _remove_leftovers(job.out)
    failed = [one for one in ended.values() if not one.ok]
    if failed:  # the first one has a reason of its own: those that wait for it come later
        name, message = failed[0].name, failed[0].message
        named = message if message.startswith(name) else f"{name}: {message}"
        more = f"; {len(failed) - 1} other steps failed or wait for it" if len(failed) > 1 else ""
        raise CsalganError(named + more)
    seconds = {name: getattr(state.read(name), "seconds", 0.0) for name in names}
    return report.write(job, names, seconds)


def _task(out: Path, state: State, step: Step, wanted: dict[str, Step]) -> Task:
    spec = {
        "name": step.name,
        "notebook": str(step.notebook),
        "parameters": step.parameters,
        "output": str(out / "notebooks" / f"{step.name}.ipynb"),
        "ledger": str(state.ledger(step.name).absolute()),
    }
    log = out / "logs" / f"{step.name}.log"
    after = [name for name in step.reads if name in wanted]
    return module_task("csalgan.runner.step", spec, step.name, log, *after)


def _clean(state: State, steps: Sequence[str], fresh: bool) -> None:
    """Remove the files of steps that are not in this report, and temporary files of killed runs."""
    kept = set() if fresh else set(steps) & set(state.known())
    for name in set(state.known()) - kept:
        state.clear(name, kept)
        (state.folder / f"{name}.json").unlink()
    runs = [f"runs/{name}" for name in (*SUBSETS, "beside", "encoders")]
    for name in [*runs, "logs"] if fresh else ():
        shutil.rmtree(state.out / name, ignore_errors=True)
    _remove_leftovers(state.out)


def _remove_leftovers(out: Path) -> None:
    for name in (".", "figures", "tables", "notebooks", "steps"):
        remove_leftovers(out / name)
