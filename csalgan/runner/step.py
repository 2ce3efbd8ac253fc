"""``python -m csalgan.runner.step SPEC``: execute one notebook, in a process of its own.

SPEC is JSON: ``name``, ``notebook``, ``parameters``, ``output`` and the path of its ``ledger``.
"""

import os
from pathlib import Path
from typing import Any

import papermill
from papermill.exceptions import PapermillExecutionError
from papermill.iorw import LocalHandler, papermill_io

from csalgan.files import paths
from csalgan.files.errors import CsalganError
from csalgan.files.writing import LEDGER, write_text
from csalgan.runner.processes import PARENT, main_of

#: The kernel is a process of its own: it ends with the step, however that ends.
_TIED = "from csalgan.runner.processes import tie_to_parent as _tie; _tie(); del _tie"


class _Whole(LocalHandler):
    """Writes notebooks atomically; papermill's own handler leaves half of one on a full disk."""

    def write(self, buf: str, path: str) -> None:
        write_text(path, buf)


papermill_io.register("/", _Whole())  # for absolute paths


def execute(name: str, notebook: Path, parameters: dict[str, Any], output: Path) -> None:
    """Execute one notebook.

    Raises:
        CsalganError: naming the failing cell and what it said; ``output`` keeps what ran.
    """
    try:
        papermill.execute_notebook(
            str(notebook),
            str(output.absolute()),
            parameters=parameters,
            kernel_name="python3",
            progress_bar=False,
            cwd=str(paths.root()) if paths.root().is_dir() else None,
            # The kernel listens on this machine only; its notice about that is no news to a user.
            extra_arguments=["--IPKernelApp.log_level=40", f"--IPKernelApp.exec_lines={_TIED}"],
            request_save_on_cell_execute=False,
            # All is written when the last cell ends; tidying up would take two seconds more.
            shutdown_kernel="immediate",
            iopub_timeout=120,  # nbclient's 4 s are too few where other work keeps the cores
        )
    except PapermillExecutionError as error:
        said = error.evalue.strip().partition("\n")[0] or "(no message)"
        raise CsalganError(
            f"{name}: cell {error.cell_index} failed with {error.ename}: {said} "
            f"(what ran is in {output})"
        ) from error


def _step(spec: dict[str, Any]) -> None:
    os.environ |= {LEDGER: spec["ledger"], PARENT: str(os.getpid())}  # for the kernel
    os.environ.setdefault("JUPYTER_PREFER_ENV_PATH", "1")  # not a user's old kernel "python3"
    execute(spec["name"], Path(spec["notebook"]), spec["parameters"], Path(spec["output"]))


if __name__ == "__main__":
    main_of(_step)
