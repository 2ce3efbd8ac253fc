"""``python -m csalgan.runner.step SPEC.json``: execute one notebook, in a process of its own."""

import json
import sys
from pathlib import Path
from typing import Any

import papermill
from papermill.exceptions import PapermillExecutionError

from csalgan import paths
from csalgan.errors import CsalganError
from csalgan.runner.processes import tie_to_parent


def execute(name: str, notebook: Path, parameters: dict[str, Any], output: Path) -> None:
    """Execute one notebook.

    Raises:
        CsalganError: naming the failing cell and what it said; ``output`` keeps what ran.
    """
    output.parent.mkdir(parents=True, exist_ok=True)
    try:
        papermill.execute_notebook(
            str(notebook),
            str(output),
            parameters=parameters,
            kernel_name="python3",
            progress_bar=False,
            cwd=str(paths.root()) if paths.root().is_dir() else None,
            # The kernel listens on this machine only; its notice about that is no news to a user.
            extra_arguments=["--IPKernelApp.log_level=40"],
            # All is written when the last cell ends; tidying up would take two seconds more.
            shutdown_kernel="immediate",
            iopub_timeout=120,  # nbclient's 4 s are too few where other work keeps the cores
        )
    except PapermillExecutionError as error:
        raise CsalganError(
            f"{name}: cell {error.cell_index} failed with {error.ename}: "
            f"{_first_line(error.evalue)} (what ran is in {output})"
        ) from error


def _first_line(text: str) -> str:
    return text.strip().splitlines()[0] if text.strip() else "(no message)"


def main() -> None:
    """Execute the notebook of a spec; exit status 1 when it fails."""
    tie_to_parent()
    spec = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    try:
        execute(spec["name"], Path(spec["notebook"]), spec["parameters"], Path(spec["output"]))
    except CsalganError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
