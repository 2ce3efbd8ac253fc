"""What an exercise is, how an answer is judged, and what the student gets to read."""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from html import escape
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from csalgan.files.errors import CsalganError

if TYPE_CHECKING:
    from csalgan.experiment.job import Job
    from csalgan.training import Run

#: One module of :mod:`course.lessons` a notebook, in their order.
_LESSONS = ("data", "model", "training", "metrics", "guidance", "explorer")


class Wrong(Exception):
    """An answer is not right; the text is the sentence its author reads."""


@dataclass(frozen=True)
class Exercise:
    """One exercise.

    Attributes:
        id: ``NN-k``, NN the number of the notebook.
        kind: what it asks for: read, look, predict, compute, build or change code. The question
            itself stands in the notebook.
        judge: ``(answer, about) → a sentence on what to notice``; raises :class:`Wrong`.
    """

    id: str
    kind: str
    judge: Callable[[Any, "About"], str]


@dataclass(frozen=True)
class Result:
    """What :func:`check` says; true when the answer is right.

    Attributes:
        exercise: its id.
        right: True, False, or None for "not answered yet".
        message: what is wrong, or what to notice.
    """

    exercise: str
    right: bool | None
    message: str

    def __bool__(self) -> bool:
        return self.right is True

    def __str__(self) -> str:
        return f"{_MARKS[self.right][0]} {self.exercise} {_MARKS[self.right][1]}: {self.message}"

    __repr__ = __str__

    def _repr_html_(self) -> str:
        mark, word, colour = _MARKS[self.right]
        # Ink and paper of its own, so that it can be read in a dark theme too.
        return (
            f'<div style="border-left: 4px solid {colour}; background: #f6f7f9; color: #1d2126; '
            f'padding: .5em .8em; max-width: 46em"><strong>{mark} {self.exercise} {word}</strong>'
            f"<br>{escape(self.message)}</div>"
        )


_UNANSWERED = "Put your answer in place of None and run the cell again."
_MARKS = {
    True: ("✓", "right", "#00795a"),
    False: ("✗", "not yet", "#c6460b"),
    None: ("○", "not answered yet", "#666b73"),
}


@dataclass
class About:
    """What an answer is about: the data and runs of a report, opened when a check needs them."""

    given: "Job | None"
    subset: str

    @cached_property
    def job(self) -> "Job":
        """The job that was given, else that of the profile ``demo`` on the embedded data."""
        if self.given is not None:
            return self.given
        from csalgan.experiment.job import open_job

        return open_job("demo")

    @cached_property
    def run(self) -> "Run":
        """The report's finished run of the subset. A check never trains."""
        from csalgan.training import Run

        try:
            return Run.load(self.job.out / "runs" / self.subset)
        except CsalganError as error:
            raise CsalganError(
                f"{self.job.out / 'runs' / self.subset}: no trained run is here, and the exercise "
                f"is about one; run notebook 03 with subset = {self.subset!r} first."
            ) from error


_EXERCISES: dict[str, Exercise] = {}


def exercise(id: str, kind: str):
    """Register ``(answer, about) → sentence`` as the judge of an exercise."""

    def register(judge: Callable[[Any, About], str]):
        _EXERCISES[id] = Exercise(id, kind, judge)
        return judge

    return register


def exercises(notebook: str = "") -> list[Exercise]:
    """All exercises in order, or those of one notebook (``"03"``)."""
    for lesson in _LESSONS:
        import_module(f"course.lessons.{lesson}")
    return [one for id, one in sorted(_EXERCISES.items()) if id.startswith(notebook)]


def check(exercise: str, answer: Any = None, job: "Job | None" = None, *, subset: str = "total"):
    """Judge an answer.

    Args:
        exercise: its id, ``"03-2"``.
        answer: None is "not answered yet"; else what the question asks for.
        job: of the notebook, so that the answer is judged on the same data; by default the
            profile ``demo`` on the embedded data.
        subset: whose run questions about a training mean.

    Returns:
        A :class:`Result`; it shows itself in a notebook, and is true when the answer is right.

    Raises:
        CsalganError: there is no such exercise, or the run it is about was not trained.
    """
    known = {one.id: one for one in exercises()}
    if exercise not in known:
        number = str(exercise)[:2]
        near = [one.id for one in exercises(number)] or list(known)
        raise CsalganError(f"there is no exercise {exercise!r}; use one of {', '.join(near)}.")
    asked = known[exercise]
    if answer is None:
        return Result(exercise, None, _UNANSWERED)
    try:
        return Result(exercise, True, asked.judge(answer, About(job, subset)))
    except Wrong as wrong:
        return Result(exercise, False, str(wrong))


# --- what judges are made of -------------------------------------------------------------------

#: The value or function that a typical mistake would give, and what to say to its author.
Mistake = tuple[Any, str]


def number(answer: Any) -> float:
    """The answer as one finite number; raises :class:`Wrong` when it is anything else."""
    value = _plain(answer)
    try:
        if isinstance(value, str | bool | bytes):
            raise TypeError
        array = np.asarray(value, dtype=float)
    except (TypeError, ValueError):
        raise Wrong(f"The answer is to be a number, not {_called(value)}.") from None
    if array.size != 1:
        raise Wrong(
            f"That is {array.size} numbers, and the question asks for one. Which of them, or "
            "which mean of them, answers it?"
        )
    if not np.isfinite(array).all():
        raise Wrong(
            "That is not a finite number (NaN or infinity): something was divided by zero, "
            "or a missing value went in."
        )
    return float(array.reshape(()))


def one_number(answer: Any, right: float, *mistakes: Mistake, tolerance: float = 0.005):
    """Accept the number (``tolerance`` is relative), else say which mistake gives the answer."""
    value = number(answer)
    near = tolerance >= 0.005 and abs(right) <= 1 and abs(value - right) <= 0.005  # two digits
    if near or _close(value, right, tolerance):
        return
    for wrong, sentence in mistakes:
        # A mistake that makes no difference on these data is none; a rounded one is one.
        if _close(value, wrong, max(tolerance, 1e-5)) and not _close(wrong, right, tolerance):
            raise Wrong(sentence)
    if abs(right) <= 1 and _close(value, 100 * right, tolerance):
        raise Wrong("That is the answer in per cent; give the share, between 0 and 1.")
    if _close(value, -right, tolerance):
        raise Wrong("The size is right, the sign is not.")
    side = "large" if value > right else "small"
    raise Wrong(f"{value:.6g} is too {side}, and none of the usual mistakes gives it.")


def one_word(answer: Any, allowed: Sequence[str], what: str) -> str:
    """The answer as one of the ``allowed`` words."""
    if not isinstance(answer, str) or answer not in allowed:
        raise Wrong(f"Give {what} as one of these words: {', '.join(allowed)}.")
    return answer


def some_words(answer: Any, allowed: Sequence[str], what: str) -> set[str]:
    """The answer as a set of ``allowed`` words, upper or lower case."""
    if isinstance(answer, str):
        answer = [answer]
    try:
        found = {str(word).lower() for word in answer}
    except TypeError:
        raise Wrong(f'Give a set of {what}, such as {{"{allowed[0]}"}}.') from None
    for word in sorted(found - set(allowed)):
        raise Wrong(f"{word!r} is none of the {what}: {', '.join(allowed)}.")
    return found


def one_function(
    answer: Any,
    probes: Sequence[tuple],
    right: Callable,
    *mistakes: Mistake,
    tolerance: float = 1e-6,
) -> None:
    """Call the answer on every probe and compare with ``right``.

    Args:
        probes: argument tuples; the answer gets copies.
        mistakes: functions of the same arguments.
        tolerance: relative, for numbers.

    Raises:
        Wrong: not a function, it stops with an error, gives nothing, or gives something else.
    """
    got = [called(answer, probe) for probe in probes]
    wanted = [right(*probe) for probe in probes]
    if all(_same(g, w, tolerance) for g, w in zip(got, wanted, strict=True)):
        return
    for wrong, sentence in mistakes:
        made = [wrong(*probe) for probe in probes]
        if all(_same(g, w, tolerance) for g, w in zip(got, made, strict=True)):
            raise Wrong(sentence)
    for value, goal in zip(got, wanted, strict=True):
        if not _same(value, goal, tolerance):
            raise Wrong(_difference(value, goal))


def called(answer: Any, probe: tuple) -> Any:
    """``answer(*probe)`` on a copy of the arguments; raises :class:`Wrong` when that fails."""
    if not callable(answer):
        raise Wrong(
            "The answer is to be the function itself: its name without brackets, so that it can "
            "be tried on other data."
        )
    try:
        value = answer(*copy.deepcopy(probe))
    except Wrong:
        raise
    except Exception as error:  # whatever a student's code may raise
        said = f"{type(error).__name__}: {error}".rstrip(". ")
        raise Wrong(f"Your function stopped with {said}.") from None
    if value is None:
        raise Wrong("Your function gives nothing back; end it with return.")
    return _plain(value)


def _plain(value: Any) -> Any:
    """Tensors as arrays, or as the one number they hold."""
    return value.detach().cpu().numpy()[()] if hasattr(value, "detach") else value


def _close(a: float, b: float, tolerance: float) -> bool:
    return bool(np.isclose(a, b, rtol=tolerance, atol=1e-12))


def _same(value: Any, goal: Any, tolerance: float) -> bool:
    goal = _plain(goal)
    if isinstance(goal, str | set):
        return type(value) is type(goal) and value == goal
    try:
        value, goal = np.asarray(value, dtype=float), np.asarray(goal, dtype=float)
    except (TypeError, ValueError, RuntimeError):  # the last: of tensors in a list
        return False
    same_shape = value.shape == goal.shape
    return same_shape and np.allclose(value, goal, rtol=tolerance, atol=1e-9, equal_nan=True)


def _difference(value: Any, goal: Any) -> str:
    goal = _plain(goal)
    if isinstance(goal, str | set):
        return f"Your function gives {value!r} where {goal!r} is right."
    wanted = np.shape(goal)
    try:
        shape = np.shape(value)
    except (ValueError, RuntimeError):  # a list of lists of several lengths, or of tensors
        return f"Your function gives {_called(value)} where {_shaped(wanted)} is right."
    if shape != wanted:
        what = _called(value) if isinstance(value, str | dict | set) else _shaped(shape)
        return f"Your function gives {what} where {_shaped(wanted)} is right."
    if wanted == ():
        shown = f"{value:.6g}" if isinstance(value, int | float | np.number) else _called(value)
        return f"On one of the examples your function gives {shown} where {goal:.6g} is right."
    try:
        off = int((~np.isclose(np.asarray(value, float), np.asarray(goal, float))).sum())
    except (TypeError, ValueError):
        return f"Your function gives {_called(value)}, and numbers are asked for."
    return f"The shape is right, but {off} of {np.size(goal)} values are not."


def _shaped(shape: tuple[int, ...]) -> str:
    return f"an array of shape {shape}" if shape else "a single number"


def _called(value: Any) -> str:
    if callable(value):
        return "a function (call it)"
    text = repr(value)
    return text if len(text) <= 40 else f"an object of type {type(value).__name__}"
