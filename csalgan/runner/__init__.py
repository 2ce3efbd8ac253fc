"""Unattended work: steps in processes of their own, skipped when nothing changed, safe to kill.

:mod:`.processes` runs commands side by side, :mod:`.slurm` on a cluster, :mod:`.state` says what
decides a step's result and keeps what was done, :mod:`.step` executes one notebook.
"""
