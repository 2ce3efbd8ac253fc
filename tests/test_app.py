"""The explorer's server: whom it answers, how many kernels it keeps, and what it leaves behind."""

import asyncio
import http.client
import re
import signal
import subprocess
import sys
import time

import psutil
import pytest

from csalgan.explorer.server import KERNELS, Kernels

#: The server as it is, around a notebook that does next to nothing.
_SERVE = """
import signal  # as in a terminal: what starts in the background begins with SIGINT ignored
signal.signal(signal.SIGINT, signal.default_int_handler)
import nbformat
from csalgan.explorer import server
page = server.notebook({})
page.cells[0].source = "print('a page')"
server.notebook = lambda *settings: page
server.serve({}, port=0, browser=False)
"""


class Server:
    def __init__(self, folder):
        self.log = folder / "server.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", _SERVE], stdout=log, stderr=subprocess.STDOUT
            )
        found = wait_for(lambda: re.search(r":(\d+)/\?token=(\w+)", self.log.read_text()))
        self.port, self.token = int(found[1]), found[2]
        self.root = psutil.Process(self.process.pid)

    def get(self, path: str, method: str = "GET", **headers: str) -> http.client.HTTPResponse:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        headers.setdefault("Host", f"127.0.0.1:{self.port}")
        connection.putrequest(method, path, skip_host=True)
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.endheaders()
        answer = connection.getresponse()
        answer.body = answer.read().decode()
        connection.close()
        return answer


def wait_for(what, seconds: float = 60):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if found := what():
            return found
        time.sleep(0.1)
    pytest.fail(f"it did not happen within {seconds} s")


def is_over(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


@pytest.fixture
def server(tmp_path):
    made = Server(tmp_path)
    yield made
    made.process.kill()
    made.process.wait()


def test_only_this_machine_is_answered_and_only_so_many_kernels_are_kept(server):
    own = f"127.0.0.1:{server.port}"
    assert server.get("/").status == 302  # without the token there is a door, and nothing else
    assert server.get("/").headers["location"].startswith("/login")
    assert server.get("/login").status == 200
    page = f"/?token={server.token}"
    for headers in (
        {"Host": "evil.example"},
        {"Host": f"evil.example:{server.port}"},
        {"Host": f"localhost.evil.example:{server.port}"},
        {"Origin": "http://evil.example"},
        {"Origin": f"http://127.0.0.1:{server.port + 1}"},
        {"Origin": "null"},
    ):
        for path in (page, f"/api/kernels/{'0' * 8}-0-0-0-0/channels?token={server.token}"):
            assert server.get(path, **headers).status == 404, (path, headers)
    for path in ("/logout", "/api/kernels", "/voila/files/explorer.ipynb"):
        assert 300 <= server.get(f"{path}?token={server.token}").status < 500, path
    for number in range(KERNELS + 1):
        answer = server.get(page, Origin=f"http://{own}") if number else server.get(page)
        assert answer.status == 200
        assert "a page" in answer.body
        assert "https://" not in "".join(re.findall(r"<(?:link|script)[^>]*>", answer.body))
    assert len(server.root.children()) == KERNELS
    said = server.log.read_text().splitlines()
    assert [line for line in said if "token" not in line] == []  # no warning of a library
    kernels = server.root.children(recursive=True)
    server.process.send_signal(signal.SIGKILL)
    server.process.wait(20)
    wait_for(lambda: all(map(is_over, kernels)), 20)


def test_a_page_that_is_closed_ends_its_kernel_and_no_other_site_does(server):
    """As Voilà's pages ask for it when they are left: with the cookie of the login alone."""
    answer = server.get(f"/?token={server.token}")
    cookie = "; ".join(one.partition(";")[0] for one in answer.headers.get_all("Set-Cookie"))
    (kernel,) = set(re.findall(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", answer.body))
    path, own = f"/voila/api/shutdown/{kernel}", f"http://127.0.0.1:{server.port}"
    asked = {"method": "POST", "Cookie": cookie, "Content-Length": "0"}
    assert server.get(path, Origin="http://evil.example", **asked).status == 404
    assert server.get(path, **asked | {"Cookie": "", "Origin": own}).status in (302, 403)
    assert len(server.root.children()) == 1
    assert server.get(path, Origin=own, **asked).status in (200, 204)
    wait_for(lambda: not server.root.children(), 20)


@pytest.mark.parametrize(
    ("connections", "ended"), [((1, 0, 0), ["b"]), ((1, 1, 1), ["a"]), ((0, 0, 0), ["a"])]
)
def test_one_kernel_more_ends_a_closed_page_before_one_in_use(monkeypatch, connections, ended):
    known = {
        name: {"id": name, "connections": open_, "last_activity": f"2026-01-0{day}"}
        for day, (name, open_) in enumerate(zip("abc", connections, strict=True), start=1)
    }
    assert len(known) == KERNELS
    over = []

    async def shutdown(_, kernel_id, now):
        over.append(kernel_id)

    async def start(_, **about):
        return about["name"]

    monkeypatch.setattr(Kernels, "list_kernel_ids", lambda _: ["c", "a", "b"])
    monkeypatch.setattr(Kernels, "kernel_model", lambda _, kernel_id: known[kernel_id])
    monkeypatch.setattr(Kernels, "shutdown_kernel", shutdown)
    monkeypatch.setattr(Kernels.__base__, "start_kernel", start)
    assert asyncio.run(Kernels().start_kernel(name="new")) == "new"
    assert over == ended


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_nothing_is_left_when_it_is_ended(server, how):
    assert server.get(f"/?token={server.token}").status == 200
    kernels = server.root.children(recursive=True)
    assert kernels
    server.process.send_signal(how)
    assert server.process.wait(30) == 0
    wait_for(lambda: all(map(is_over, kernels)), 20)
    with pytest.raises(OSError, match="refused"):
        server.get("/")
    assert "Traceback" not in server.log.read_text()
