"""The explorer served by Voilà: an app on this machine, for whoever has its token."""

import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import nbformat

from csalgan.errors import CsalganError

_HOST = "127.0.0.1"


def notebook(settings: dict[str, Any], weights: str = "") -> nbformat.NotebookNode:
    """The notebook that Voilà shows: one cell, which opens the explorer.

    Args:
        settings: keyword arguments of :func:`csalgan.open_job`.
        weights: see :func:`csalgan.widgets.on_offer`.
    """
    source = "\n".join(
        [
            "import csalgan",
            "from csalgan import widgets",
            "",
            f"job = csalgan.open_job(**{settings!r})",
            f"widgets.Explorer(job, models=widgets.on_offer(job, weights={weights!r}))",
        ]
    )
    page = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
    page.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    page.metadata.title = "csalgan: what the sentence does"
    return page


def command(page: Path, port: int, *, browser: bool) -> list[str]:
    """The command that serves a notebook: on this machine only, with a token."""
    return [
        *(sys.executable, "-m", "voila", str(page)),
        f"--Voila.ip={_HOST}",
        f"--port={port}",
        "--Voila.port_retries=0",  # the address that was asked for, or a sentence
        "--Voila.auto_token=True",
        f"--Voila.open_browser={browser}",
        "--VoilaConfiguration.file_denylist=.*",  # no file is served, the explorer only
        "--VoilaConfiguration.show_tracebacks=False",
        "--VoilaConfiguration.preheat_kernel=False",
        # A closed tab leaves a kernel with its models behind: ten minutes later it goes.
        "--MappingKernelManager.cull_interval=60",
        "--MappingKernelManager.cull_idle_timeout=600",
    ]


def serve(settings: dict[str, Any], weights: str = "", *, port: int, browser: bool) -> None:
    """Serve the explorer until Ctrl-C.

    Raises:
        CsalganError: the port is taken, or the server ended by itself.
    """
    port = _free(port)
    with tempfile.TemporaryDirectory(prefix="csalgan-explore-") as folder:
        page = Path(folder) / "explorer.ipynb"
        nbformat.write(notebook(settings, weights), page)
        environment = {**os.environ, "JUPYTER_PLATFORM_DIRS": "1"}
        try:
            done = subprocess.run(command(page, port, browser=browser), env=environment)
        except KeyboardInterrupt:
            return
    if done.returncode:
        raise CsalganError(f"the explorer's server ended with status {done.returncode}; see above.")


def _free(port: int) -> int:
    """The port, or a free one for 0."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_HOST, port))
        except OSError as error:
            raise CsalganError(
                f"--port {port}: is taken or not allowed; give another one, or 0 for any free one."
            ) from error
        return probe.getsockname()[1]
