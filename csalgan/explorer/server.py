"""The explorer served by Voilà: an app on this machine, for whoever has its token.

The server runs in this process, so whatever ends the process closes the port; kernels watch their
parent (ipykernel does, once a second) and end with it.
"""

import logging
import os
import socket
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import nbformat
import tornado.web
from jupyter_core.utils import run_sync
from jupyter_server.services.kernels.kernelmanager import AsyncMappingKernelManager
from tornado.ioloop import IOLoop
from tornado.routing import Matcher
from traitlets.config import Config
from voila.app import Voila
from voila.voila_identity_provider import VoilaIdentityProvider

from csalgan.files.errors import CsalganError

_HOST = "127.0.0.1"
_TEMPLATES = Path(__file__).resolve().parent / "templates"
#: Pages at once, each with a kernel of its own. One more takes the place of the page that was not
#: used for longest, of closed ones first.
KERNELS = 3


class FromHere(Matcher):
    """Matches requests to a local name, from this server's own pages or from no page at all.

    A page of another site can neither reach the server by a name of its own (DNS rebinding) nor
    open a connection to it.
    """

    def match(self, request) -> dict | None:
        host, origin = request.headers.get("Host", "").lower(), request.headers.get("Origin")
        local = request.host_name in ("localhost", _HOST)
        return {} if local and (origin is None or urlsplit(origin).netloc == host) else None


class Door(VoilaIdentityProvider):
    """Login by token, with the page to type it into and without a logout page."""

    def get_handlers(self) -> list:
        return [(r"/login", self.login_handler_class)]


class Kernels(AsyncMappingKernelManager):
    """A kernel manager that runs at most :data:`KERNELS` kernels."""

    async def start_kernel(self, **kwargs) -> str:
        """Start a kernel; end those not used for longest first if there would be too many."""
        running = [self.kernel_model(kernel_id) for kernel_id in self.list_kernel_ids()]
        running.sort(key=lambda kernel: (kernel["connections"] > 0, kernel["last_activity"]))
        for kernel in running[: max(0, len(running) + 1 - KERNELS)]:
            await self.shutdown_kernel(kernel["id"], now=True)
        return await super().start_kernel(**kwargs)


class App(Voila):
    """Voilà for one notebook, on this machine only."""

    def setup_template_dirs(self) -> None:
        super().setup_template_dirs()
        self.template_paths.insert(0, str(_TEMPLATES))

    def init_settings(self) -> dict[str, Any]:
        settings = super().init_settings() | {"allow_remote_access": False}
        # Voilà's pages send no such cookie, so that a closed one could not end its kernel; pages
        # of other sites are kept out by :class:`FromHere`.
        settings["disable_check_xsrf"] = True
        # What this process wrote is trusted: signed, as JupyterLab signs what it ran.
        self.contents_manager.notary.sign(nbformat.read(self.notebook_path, 4))
        return settings

    def start(self) -> None:
        # A socket's name has at most 103 characters, and half of them may be macOS's $TMPDIR.
        long = len(tempfile.gettempdir()) > 40 and os.access("/tmp", os.W_OK)
        short = "/tmp" if long else None
        with tempfile.TemporaryDirectory(prefix="csalgan-", dir=short) as self.connection_dir:
            settings = self.init_settings()
            settings["ws_ping_interval"] = 0  # there is no network between this and the page
            self.app = tornado.web.Application([(FromHere(), self.init_handlers())], **settings)
            said = f"The explorer is at {self.display_url} until Ctrl-C."
            IOLoop.current().add_callback(print, said, flush=True)
            self.listen()

    def stop(self) -> None:
        run_sync(self.kernel_manager.shutdown_all)(now=True)


def notebook(settings: dict[str, Any], weights: str = "") -> nbformat.NotebookNode:
    """The notebook that Voilà shows: one cell, which opens the explorer.

    Args:
        settings: keyword arguments of :func:`csalgan.open_job`.
        weights: see :func:`csalgan.explorer.session.on_offer`.
    """
    source = (
        "import csalgan\nfrom csalgan.explorer.page import Explorer\n\n"
        f"Explorer(lambda: csalgan.open_job(**{settings!r}), weights={weights!r})"
    )
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    about = {"kernelspec": kernel, "title": "csalgan: what the sentence does"}
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)], metadata=about)


def config(port: int, *, browser: bool) -> Config:
    """Settings of the server: on this machine only, with a token."""
    return Config(
        {
            "Voila": {
                "ip": _HOST,
                "port": port,
                "port_retries": 0,  # the address that was asked for, or a sentence
                "auto_token": True,
                "open_browser": browser,
                "identity_provider_class": Door,
                "log_level": logging.WARNING,
            },
            "VoilaConfiguration": {
                "file_denylist": [".*"],  # no file is served, the explorer only
                "show_tracebacks": False,
                "multi_kernel_manager_class": Kernels,
            },
            # A closed tab leaves a kernel with its models behind: ten minutes later it goes.
            "MappingKernelManager": {"cull_interval": 60, "cull_idle_timeout": 600},
            # Sockets in a folder of this user's own, where there are such; not TCP, which every
            # user of the machine could listen to.
            "KernelManager": (
                {"transport": "ipc"} if os.name == "posix" else {"transport_encryption": "auto"}
            ),
            "NotebookNotary": {"db_file": ":memory:"},
        }
    )


def serve(settings: dict[str, Any], weights: str = "", *, port: int, browser: bool) -> None:
    """Serve the explorer until Ctrl-C or SIGTERM.

    Raises:
        CsalganError: the port is taken or not allowed.
    """
    os.environ["JUPYTER_PLATFORM_DIRS"] = "1"
    # Half of the cores compute, the others draw the page; more threads than free cores are slower.
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // 2)))
    port = _free(port)
    with tempfile.TemporaryDirectory(prefix="csalgan-explore-") as folder:
        page = Path(folder) / "explorer.ipynb"
        nbformat.write(notebook(settings, weights), page)
        app = App(config=config(port, browser=browser))
        app.initialize([str(page)])
        app.start()


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
