"""The explorer in a real browser: JupyterLab and Voilà, driven by playwright.

Skipped by name where there is no Chromium; ``make test-browser`` installs one. Screenshots go to
the folder in ``CSALGAN_SCREENSHOTS`` (a temporary one else).
"""

import io
import json
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import numpy as np
import papermill
import pytest
from PIL import Image

from csalgan import paths

sync_api = pytest.importorskip("playwright.sync_api")
pytestmark = pytest.mark.browser

_WAIT = 120_000  # ms; a loaded machine starts a kernel slowly
#: Resolves to the milliseconds until the picture of an <img> is another one; fails after a minute,
#: since ``evaluate`` itself would wait for ever.
_CHANGED = """(img) => new Promise((resolve, reject) => {
    const began = performance.now();
    const watching = new MutationObserver(() => {
        watching.disconnect();
        clearTimeout(late);
        resolve(performance.now() - began);
    });
    const late = setTimeout(() => reject(new Error(`${img.className}: the same picture`)), 60000);
    watching.observe(img, { attributes: true, attributeFilter: ["src"] });
})"""


def _chromium() -> str | None:
    for name in ("chromium", "chromium-browser", "google-chrome", "chrome"):
        if found := shutil.which(name):
            return found
    with sync_api.sync_playwright() as playwright:
        own = playwright.chromium.executable_path
    return own if Path(own).exists() else None


@pytest.fixture(scope="module")
def browser():
    path = _chromium()
    if path is None:
        pytest.skip("no Chromium on this machine: `make test-browser` installs one")
    with sync_api.sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield made
        made.close()


@pytest.fixture(scope="module")
def screenshots(tmp_path_factory):
    named = os.environ.get("CSALGAN_SCREENSHOTS")
    folder = Path(named) if named else tmp_path_factory.mktemp("screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture
def page(browser, screenshots):
    context = browser.new_context(
        viewport={"width": 1500, "height": 1150}, permissions=["clipboard-read", "clipboard-write"]
    )
    page = context.new_page()
    page.set_default_timeout(_WAIT)
    yield page
    page.screenshot(path=screenshots / "last.png")  # what there was to see when a test failed
    context.close()


class Server:
    """A server in its own process group, ended with the test."""

    def __init__(self, command: list[str], cwd: Path):
        self.log = cwd / "server.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                command, cwd=cwd, stdout=log, stderr=log, start_new_session=True
            )

    def wait_for(self, pattern: str) -> str:
        """The first match of a pattern in what the server printed."""
        until = time.monotonic() + _WAIT / 1000
        while time.monotonic() < until and self.process.poll() is None:
            if found := re.search(pattern, self.log.read_text(errors="replace")):
                return found.group()
            time.sleep(0.2)
        pytest.fail(f"the server did not say {pattern}: {self.log.read_text(errors='replace')}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.killpg(self.process.pid, signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until_drawn(page) -> None:
    for name in ("A", "B", "change", "measured"):
        page.locator(f"img.csalgan-{name}").wait_for()
    page.wait_for_function("document.querySelector('img.csalgan-A').naturalWidth > 100")


def pixels(page, name: str) -> np.ndarray:
    """The picture of a panel as the browser has it."""
    content = page.locator(f"img.csalgan-{name}").evaluate(
        """async (img) => {
            const blob = await (await fetch(img.src)).blob();
            return Array.from(new Uint8Array(await blob.arrayBuffer()));
        }"""
    )
    return np.asarray(Image.open(io.BytesIO(bytes(content))).convert("RGB"))


def changes(page, name: str, act) -> float:
    """Do something; milliseconds until a panel shows another picture."""
    before = pixels(page, name)
    waiting = page.locator(f"img.csalgan-{name}").evaluate_handle(
        f"(img) => {{ window.changed = ({_CHANGED})(img); }}"
    )
    act()
    waited = page.evaluate("window.changed")
    waiting.dispose()
    assert not np.array_equal(pixels(page, name), before)
    return waited


def type_sentence(page, side: str, text: str):
    box = page.locator(f".csalgan-sentence-{side} input")
    box.fill(text)
    box.press("Enter")


def strength_shown(page) -> float:
    return float(page.locator(".csalgan-strength .widget-readout").inner_text())


def use(page, screenshots: Path, name: str) -> None:
    """What a person does with the explorer, and what they must see."""
    wait_until_drawn(page)
    page.screenshot(path=screenshots / f"{name}-1-opened.png")
    times = {}

    # The package's weights read sentences; what the tests train in seconds may not.
    models = page.locator(".csalgan-model select")
    shown, own = models.input_value(), "compact-minilm (comes with csalgan)"
    if shown != own:
        changes(page, "A", lambda: models.select_option(label=own))

    # A sentence of one's own moves A; B stays.
    page.wait_for_timeout(1500)
    other = pixels(page, "B")
    times["sentence"] = changes(
        page, "A", lambda: type_sentence(page, "A", "the green triangle in a corner")
    )
    assert np.array_equal(pixels(page, "B"), other)
    words = page.locator(".csalgan-words-A button")
    assert words.all_inner_texts() == ["the", "green", "triangle", "in", "a", "corner"]

    # Sliders: one that asks the model, one that only draws.
    page.wait_for_timeout(1500)  # until the words' shares are there: the times are of one change
    handle = page.locator(".csalgan-strength .noUi-handle")
    handle.focus()
    moves = [changes(page, "A", lambda: handle.press("ArrowRight")) for _ in range(5)]
    times["strength"] = float(np.median(moves))
    assert strength_shown(page) == pytest.approx(1.25)
    opacity = page.locator(".csalgan-opacity .noUi-handle")
    opacity.focus()
    times["opacity"] = changes(page, "A", lambda: opacity.press("ArrowLeft"))

    # Dragging: every position is passed, but no queue is left behind.
    page.evaluate(
        """() => {
            window.drawn = 0;
            new MutationObserver(() => { window.drawn += 1; }).observe(
                document.querySelector("img.csalgan-A"),
                { attributes: true, attributeFilter: ["src"] });
        }"""
    )
    box = handle.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    for step in range(120):
        page.mouse.move(x + 60 * np.sin(step / 6), y)
    page.mouse.up()
    released = time.monotonic()
    end = strength_shown(page)
    page.wait_for_function(
        f"document.querySelector('.csalgan-keep code').textContent.includes('strength={end:g})')"
    )
    times["after a drag"] = 1000 * (time.monotonic() - released)
    page.wait_for_timeout(500)
    assert 0 < page.evaluate("window.drawn") < 120

    # A word is pointed at: the change panel shows where it pulls.
    times["word"] = changes(page, "change", lambda: words.nth(2).hover())
    assert "triangle" in page.locator("body").inner_text()
    words.nth(2).click()
    page.screenshot(path=screenshots / f"{name}-2-word.png")
    changes(page, "change", lambda: (words.nth(2).click(), page.mouse.move(5, 5)))

    # Mistakes become sentences, and the picture stays.
    before = pixels(page, "A")
    photograph = page.locator(".csalgan-photograph input")
    photograph.set_input_files({"name": "notes.txt", "mimeType": "text/plain", "buffer": b"hello"})
    alert = page.locator('.csalgan-message [role="alert"]')
    alert.wait_for()
    assert "notes.txt: is not a picture" in alert.inner_text()
    noise = os.urandom(9_000_000)
    photograph.set_input_files({"name": "raw.jpg", "mimeType": "image/jpeg", "buffer": noise})
    page.wait_for_function(
        "document.querySelector('.csalgan-message [role=alert]').innerText.includes('raw.jpg')"
    )
    assert np.array_equal(pixels(page, "A"), before)

    # A photograph of many megabytes gets through, since the browser makes it smaller first.
    large = np.random.default_rng(0).integers(0, 256, (2400, 3600, 3), dtype=np.uint8)
    content = io.BytesIO()
    Image.fromarray(large).save(content, "PNG")
    assert content.tell() > 20_000_000
    upload = {"name": "large.png", "mimeType": "image/png", "buffer": content.getvalue()}
    changes(page, "A", lambda: photograph.set_input_files(upload))
    page.get_by_text("nobody's gaze to compare with").wait_for()
    assert page.locator("img.csalgan-measured").is_hidden()
    page.screenshot(path=screenshots / f"{name}-3-upload.png")

    # Things to keep.
    with page.expect_download() as download:
        page.locator(".csalgan-keep button").first.click()
    saved = Image.open(download.value.path())
    assert saved.text["csalgan:sentence A"] == "the green triangle in a corner"
    assert saved.text["csalgan:shown"] == "an uploaded photograph"
    assert saved.text["csalgan:data"]
    page.locator(".csalgan-keep button").nth(1).click()
    page.get_by_text("Copied").wait_for()
    line = page.evaluate("navigator.clipboard.readText()")
    assert line.startswith("csalgan.predict('large.png', ['the green triangle in a corner'")
    rounded = {what: round(value) for what, value in times.items()}
    (screenshots / f"{name}.json").write_text(json.dumps(rounded))
    print(name, rounded)


def test_the_app(page, embedded, screenshots, tmp_path):
    command = [sys.executable, "-m", "csalgan", "explore", "--profile", "smoke", "--no-browser"]
    command += ["--data", str(embedded), "--out", str(tmp_path / "out"), "--port", "0"]
    with Server(command, tmp_path) as server:
        address = server.wait_for(r"http://127\.0\.0\.1:\d+/\?token=\w+")
        # Without the token there is a door, and nothing else.
        for path in ("", "api/kernels", "voila/render/explorer.ipynb"):
            answer = page.request.get(address.split("?")[0] + path, max_redirects=0)
            assert answer.status == 302
            assert answer.headers["location"].startswith("/login")
        page.goto(address)
        use(page, screenshots, "voila")


def test_jupyterlab(page, embedded, screenshots, tmp_path):
    notebook = tmp_path / "06_prediction_explorer.ipynb"
    parameters = {"profile": "smoke", "data": str(embedded), "out": str(tmp_path / "out")}
    papermill.execute_notebook(
        str(paths.notebooks_dir() / notebook.name),
        str(notebook),
        parameters=parameters,
        prepare_only=True,
        progress_bar=False,
    )
    # The name of the kernel is this environment's.
    content = nbformat.read(notebook, 4)
    content.metadata.kernelspec = {"name": "python3", "display_name": "Python 3"}
    nbformat.write(content, notebook)
    port, token = free_port(), secrets.token_hex(16)
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", f"--ServerApp.port={port}"]
    command += [f"--IdentityProvider.token={token}", "--ServerApp.ip=127.0.0.1"]
    command += [f"--ServerApp.root_dir={tmp_path}", "--allow-root"]
    command += ["--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"]
    command += ["--LabApp.news_url=None"]
    with Server(command, tmp_path) as server:
        server.wait_for(rf"http://127\.0\.0\.1:{port}/lab")
        page.goto(f"http://127.0.0.1:{port}/lab/tree/{notebook.name}?token={token}")
        page.locator(".jp-Notebook").wait_for()
        page.get_by_text("Python 3 (ipykernel) | Idle").wait_for()  # else a kernel is asked for
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
        page.locator("img.csalgan-A").wait_for()
        page.locator("img.csalgan-A").scroll_into_view_if_needed()
        use(page, screenshots, "lab")
