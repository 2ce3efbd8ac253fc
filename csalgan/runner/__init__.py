"""Unattended work: steps in processes of their own, skipped when nothing changed, safe to kill.

:mod:`.processes` runs commands side by side, :mod:`.keys` says what decides a step's result,
:mod:`.state` keeps what was done in the report's folder, :mod:`.step` executes one notebook.
"""

from csalgan.runner.processes import Outcome, Task, run_tasks
from csalgan.runner.state import Done, State

__all__ = ["Done", "Outcome", "State", "Task", "run_tasks"]
