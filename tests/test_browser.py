"""The explorer in a real browser: JupyterLab and Voilà, driven by playwright.

Skipped by name where there is no Chromium; ``make test-browser`` installs one. Screenshots go to
the folder in ``CSALGAN_SCREENSHOTS`` (a temporary one else).
"""

import io
import os
import re
import secrets
import socket
import sys
import time
import zipfile
from pathlib import Path

import nbformat
import numpy as np
import papermill
import psutil
import pytest
from PIL import Image

from benchmarks import browser as driving
from csalgan.files import paths

sync_api = pytest.importorskip("playwright.sync_api")
axe = pytest.importorskip("axe_playwright_python.sync_playwright")
pytestmark = pytest.mark.browser

_WAIT = 180_000  # ms; a loaded machine starts a kernel slowly
_HERE = re.compile(r"(https?|wss?)://(127\.0\.0\.1|localhost):|data:|blob:|about:")
_WCAG = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]}}


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        if driving.chromium(playwright) is None:
            pytest.skip("no Chromium on this machine: `make test-browser` installs one")
        made = driving.launch(playwright)
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
        viewport={"width": 1500, "height": 1000}, permissions=["clipboard-read", "clipboard-write"]
    )
    page = context.new_page()
    page.set_default_timeout(_WAIT)
    sync_api.expect.set_options(timeout=_WAIT)
    page.foreign, page.errors = [], []
    page.on("request", lambda one: _HERE.match(one.url) or page.foreign.append(one.url))
    page.on("websocket", lambda one: _HERE.match(one.url) or page.foreign.append(one.url))
    page.on("pageerror", lambda error: page.errors.append(str(error)))
    yield page
    page.screenshot(path=screenshots / "last.png")  # what there was to see when a test failed
    context.close()


def pixels(page, name: str) -> np.ndarray:
    """The picture of a panel as the browser has it."""
    content = page.locator(f"img.csalgan-{name}").evaluate(
        """async (img) => {
            const blob = await (await fetch(img.src)).blob();
            return Array.from(new Uint8Array(await blob.arrayBuffer()));
        }"""
    )
    return np.asarray(Image.open(io.BytesIO(bytes(content))).convert("RGB"))


def box(page, selector: str) -> dict:
    return page.locator(selector).bounding_box()


def a_photograph(width: int, height: int) -> dict:
    noise = np.random.default_rng(0).integers(0, 256, (height // 8, width // 8, 3), dtype=np.uint8)
    content = io.BytesIO()
    Image.fromarray(noise).resize((width, height)).save(content, "PNG")
    return {"name": "mine.png", "mimeType": "image/png", "buffer": content.getvalue()}


def use(page, screenshots: Path, name: str) -> None:
    """What a person does with the explorer, and what they must see."""
    driving.first_picture(page)
    page.locator(".csalgan-facts table").wait_for()
    driving.at_rest(page)
    page.screenshot(path=screenshots / f"{name}-1-opened.png")
    assert "simulated gaze" in page.locator(".csalgan-intro").inner_text()

    # Panels stand in rows, whatever their titles are.
    for one, other in (("A", "B"), ("difference", "measured")):
        assert box(page, f"img.csalgan-{one}")["y"] == box(page, f"img.csalgan-{other}")["y"]

    # A sentence of one's own moves A; B stays. A newer one takes the place of a very long one.
    other = pixels(page, "B")
    driving.changed(page, "A", lambda: driving.type_sentence(page, "A", "word " * 300))
    driving.type_sentence(page, "A", "the green triangle in a corner")
    words = page.locator(".csalgan-words-A button")
    sync_api.expect(words).to_have_text(["the", "green", "triangle", "in", "a", "corner"])
    driving.at_rest(page)
    assert np.array_equal(pixels(page, "B"), other)
    assert page.locator('.csalgan-message [role="alert"]').count() == 0

    # Dragging: every position is passed, but no queue is left behind.
    slider = page.locator(".csalgan-strength input")
    place = slider.bounding_box()
    middle = place["y"] + place["height"] / 2
    page.mouse.move(place["x"] + place["width"] / 2, middle)
    page.mouse.down()
    for step in range(120):
        page.mouse.move(place["x"] + place["width"] * (0.5 + 0.3 * np.sin(step / 6)), middle)
    page.mouse.up()
    end = float(slider.input_value())
    line = page.locator(".csalgan-keep code")
    sync_api.expect(line).to_contain_text(f"strength={end:g})")
    driving.at_rest(page)

    # A word is pointed at: the difference shows what it does.
    driving.changed(page, "difference", lambda: words.nth(2).hover())
    page.get_by_role("heading", name="because of “triangle” in A").wait_for()
    words.nth(2).click()
    page.screenshot(path=screenshots / f"{name}-2-word.png")
    driving.changed(page, "difference", lambda: (words.nth(2).click(), page.mouse.move(2, 2)))

    # Zoom is one for all pictures, so is the place; what is pointed at is read off.
    zoom = page.locator(".csalgan-zoom input")
    for _ in range(4):
        zoom.press("ArrowRight")
    frames = page.locator(".csalgan-frame.zoomed")
    sync_api.expect(frames).to_have_count(4)
    frames.nth(1).evaluate("(one) => { one.scrollLeft = 60; one.scrollTop = 40; }")
    page.wait_for_function(
        "[...document.querySelectorAll('.csalgan-frame')].every("
        "(one) => one.scrollLeft === 60 && one.scrollTop === 40)"
    )
    frames.nth(0).hover()
    reading = page.locator(".csalgan-reading")
    sync_api.expect(reading).to_contain_text("B minus A")
    read = reading.inner_text()
    driving.type_sentence(page, "B", "the large circle")  # the pointer rests, the maps change
    sync_api.expect(reading).not_to_have_text(read)
    page.screenshot(path=screenshots / f"{name}-3-zoom.png")
    zoom.press("Home")
    sync_api.expect(frames).to_have_count(0)

    # Pictures are found by words and chosen by sight.
    driving.at_rest(page)
    thumbnails = page.locator(".csalgan-thumbs button")
    assert thumbnails.count() == 12
    page.locator(".csalgan-search input").fill("star")
    page.wait_for_function(
        "[...document.querySelectorAll('.csalgan-thumbs button')].every("
        "(one) => one.title.toLowerCase().includes('star'))"
    )
    driving.at_rest(page)
    driving.changed(
        page, "A", lambda: page.locator(".csalgan-thumbs [aria-pressed=false]").first.click()
    )
    driving.at_rest(page)
    accessible(page)

    # Mistakes become sentences, and the picture stays.
    before = pixels(page, "A")
    photograph = page.locator(".csalgan-photograph input")
    photograph.set_input_files({"name": "notes.txt", "mimeType": "text/plain", "buffer": b"hello"})
    alert = page.locator('.csalgan-message [role="alert"]')
    sync_api.expect(alert).to_contain_text("notes.txt: is not a picture")
    noise = os.urandom(9_000_000)
    photograph.set_input_files({"name": "raw.jpg", "mimeType": "image/jpeg", "buffer": noise})
    sync_api.expect(alert).to_contain_text("raw.jpg")
    assert np.array_equal(pixels(page, "A"), before)

    # A photograph of many megabytes gets through; an upright one leaves everything in sight.
    large = np.random.default_rng(0).integers(0, 256, (3000, 2250, 3), dtype=np.uint8)
    content = io.BytesIO()
    Image.fromarray(large).save(content, "PNG")
    assert content.tell() > 20_000_000
    driving.type_sentence(page, "B", "a sentence typed by hand")
    upload = {"name": "large.png", "mimeType": "image/png", "buffer": content.getvalue()}
    photograph.set_input_files(upload)
    page.get_by_text("nobody's gaze to compare with").wait_for()
    driving.at_rest(page)
    assert page.locator("img.csalgan-measured").is_hidden()
    fields = [page.locator(f".csalgan-sentence-{side} input").input_value() for side in "AB"]
    assert fields == ["", "a sentence typed by hand"]
    page.screenshot(path=screenshots / f"{name}-4-upload.png")

    # Things to keep.
    with page.expect_download() as download:
        page.get_by_role("button", name="Save as PNG").click()
    saved = Image.open(download.value.path())
    assert saved.text["csalgan:sentence B"] == "a sentence typed by hand"
    assert saved.text["csalgan:shown"] == "an uploaded photograph"
    with page.expect_download() as download:
        page.get_by_role("button", name="Maps").click()
    with zipfile.ZipFile(download.value.path()) as archive:
        assert np.load(archive.open("A.npy")).shape == (1024, 768)
    page.get_by_role("button", name="Copy Python line").click()
    page.get_by_text("Copied").wait_for()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied.startswith("[csalgan.predict('large.png', text")
    assert page.errors == []


def accessible(page) -> None:
    """No violation of WCAG 2.1 A and AA in what is ours; every control has a name, one tab stop."""
    options = {**_WCAG, "resultTypes": ["violations"]}
    found = axe.Axe().run(page, context=".csalgan-explorer", options=options)
    violations = found.response["violations"]
    assert len(found.response["passes"]) > 10  # it did look
    assert [(one["id"], [node["html"] for node in one["nodes"]]) for one in violations] == []
    alts = page.locator(".csalgan-panel:visible img").evaluate_all("(all) => all.map((i) => i.alt)")
    assert all("most attention at" in alt or "of all attention moves" in alt for alt in alts)
    stops = ".csalgan-slider :is(input, [tabindex], [contenteditable])"
    assert page.locator(stops).count() == page.locator(".csalgan-slider").count() == 4


def test_the_app(page, embedded, screenshots, tmp_path):
    options = ["--profile", "smoke", "--data", str(embedded), "--out", str(tmp_path / "out")]
    log = tmp_path / "server.log"
    with driving.serving(driving.explore(*options), driving.ADDRESS, log) as (address, process):
        page.goto(address, wait_until="commit")
        # What is waited for is said, before there is a picture.
        page.wait_for_function(
            "/starting Python|Opening the data|Loading the models/.test(document.body?.innerText)"
        )
        driving.first_picture(page)
        shown = page.locator(".csalgan-model option:checked")
        sync_api.expect(shown).to_have_text("compact-minilm (comes with csalgan)")
        use(page, screenshots, "voila")
        # Phones and halves of screens: the pictures are on the first screen, nothing sticks out.
        page.set_viewport_size({"width": 480, "height": 850})
        page.locator(".csalgan-thumbs button").first.click()
        page.locator(".csalgan-facts table").wait_for()
        driving.at_rest(page)
        page.locator(".csalgan-intro").evaluate("(one) => one.scrollIntoView()")
        place = box(page, "img.csalgan-A")
        assert box(page, ".csalgan-intro")["y"] >= 0
        assert 0 < place["y"] < place["y"] + place["height"] < 850
        assert page.evaluate("document.documentElement.scrollWidth") <= 480
        page.screenshot(path=screenshots / "voila-5-narrow.png")
        accessible(page)
        # An upright photograph on a wide screen: the difference is above the fold.
        page.set_viewport_size({"width": 1500, "height": 900})
        page.locator(".csalgan-photograph input").set_input_files(a_photograph(600, 900))
        page.get_by_text("nobody's gaze to compare with").wait_for()
        driving.at_rest(page)
        place = box(page, "img.csalgan-difference")
        assert place["y"] + place["height"] < 900
        page.screenshot(path=screenshots / "voila-6-upright.png")
        # A page that is left takes its kernel along.
        page.reload(wait_until="commit")
        driving.first_picture(page)
        kernels = psutil.Process(process.pid).children
        until = time.monotonic() + 30
        while len(kernels()) > 1:
            assert time.monotonic() < until
            time.sleep(0.2)
    assert page.foreign == []  # no request has left the machine
    said = [line for line in log.read_text().splitlines() if "token" not in line]
    assert said == []  # nor has a library warned of anything


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
    address = rf"http://127\.0\.0\.1:{port}/lab"
    with driving.serving(command, address, tmp_path / "server.log"):
        page.goto(f"http://127.0.0.1:{port}/lab/tree/{notebook.name}?token={token}")
        page.locator(".jp-Notebook").wait_for()
        page.get_by_text("Python 3 (ipykernel) | Idle").wait_for()  # else a kernel is asked for
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
        page.locator("img.csalgan-A").wait_for()
        page.locator("img.csalgan-A").scroll_into_view_if_needed()
        models = page.locator(".csalgan-model select")
        driving.first_picture(page)
        models.select_option(label="compact-minilm (comes with csalgan)")
        time.sleep(1)  # until it has said that it is busy
        chosen = models.evaluate("(select) => select.selectedOptions[0].text")
        assert chosen.split() == ["compact-minilm", "(comes", "with", "csalgan)"]
        use(page, screenshots, "lab")
        assert page.locator("img.csalgan-A").evaluate("(img) => img.naturalWidth") > 100


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
