"""The explorer as a person has it: from an event in the browser to the changed picture there.

``python -m benchmarks browser`` serves the embedded scenes and SJTU-TIS (of ``../shared/sjtu-tis``,
or where ``CSALGAN_SJTU_TIS`` says) with the package's weights to a headless Chromium. Prints the
medians of ten in milliseconds, beside the machine's load. ``tests/test_browser.py`` uses its parts.
"""

import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from csalgan.files import paths

TIMES = 10
_OPENINGS = 3
_OBJECTS = "dog cat woman man car bus tree child table plate lamp horse".split()  # noqa: SIM905
#: Milliseconds from the first event after now until the picture of an <img> is another one.
_CHANGED = """(img) => new Promise((resolve, reject) => {
    let began = null;
    const note = (event) => { began ??= event.timeStamp; };
    const kinds = ["keydown", "input", "change", "click", "pointerover"];
    for (const kind of kinds) addEventListener(kind, note, { capture: true });
    const done = () => {
        for (const kind of kinds) removeEventListener(kind, note, { capture: true });
        clearTimeout(late);
        resolve(performance.now() - began);
    };
    const late = setTimeout(() => reject(new Error(`${img.className}: the same picture`)), 90000);
    img.addEventListener("load", done, { once: true });
})"""


def chromium(playwright) -> str | None:
    """Debian's Chromium, else the one playwright brings, else None."""
    for name in ("chromium", "chromium-browser", "google-chrome", "chrome"):
        if found := shutil.which(name):
            return found
    own = playwright.chromium.executable_path
    return own if Path(own).exists() else None


def launch(playwright):
    """A browser without a window that asks nobody for anything by itself."""
    quiet = ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
    arguments = ["--no-sandbox", "--disable-gpu", *quiet]
    return playwright.chromium.launch(executable_path=chromium(playwright), args=arguments)


@contextmanager
def serving(command: list[str], pattern: str, log: Path) -> Iterator[tuple[str, subprocess.Popen]]:
    """Run a server, hand out what it printed that matches, end it."""
    with log.open("wb") as file:
        server = subprocess.Popen(command, stdout=file, stderr=file, cwd=log.parent)
    try:
        until = time.monotonic() + 120
        while not (found := re.search(pattern, log.read_text(errors="replace"))):
            if server.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"no {pattern} in:\n{log.read_text(errors='replace')}")
            time.sleep(0.1)
        yield found.group(), server
    finally:
        server.terminate()
        server.wait(60)


def explore(*options: str) -> list[str]:
    """The command that serves the explorer."""
    return [sys.executable, "-m", "csalgan", "explore", "--no-browser", "--port", "0", *options]


ADDRESS = r"http://127\.0\.0\.1:\d+/\?token=\w+"


def first_picture(page) -> None:
    """Wait until A's picture is drawn."""
    page.wait_for_function("document.querySelector('img.csalgan-A')?.naturalWidth > 100")


def at_rest(page) -> None:
    """Wait until nothing is being computed, the words' shares included."""
    page.wait_for_function(
        "!document.querySelector('.csalgan-busy') && ['A', 'B'].every((side) => "
        "[...document.querySelectorAll(`.csalgan-words-${side} button`)].every((b) => b.title))"
    )


def changed(page, name: str, act) -> float:
    """Do something; milliseconds until a panel shows another picture."""
    page.locator(f"img.csalgan-{name}").evaluate(
        f"(img) => {{ window.changed = ({_CHANGED})(img) }}"
    )
    act()
    return page.evaluate("window.changed")


def type_sentence(page, side: str, text: str) -> None:
    """As a person does: the words, then Enter."""
    box = page.locator(f".csalgan-sentence-{side} input")
    box.fill(text)
    box.press("Enter")


def measure(page) -> dict[str, list[float]]:
    """Milliseconds of each kind of event, :data:`TIMES` of each."""
    times: dict[str, list[float]] = {}

    def note(what: str, panel: str, act) -> None:
        at_rest(page)
        times.setdefault(what, []).append(changed(page, panel, act))

    for k in range(TIMES):
        text = f"The {_OBJECTS[k]} beside the {_OBJECTS[k + 2]} on the left"
        note("sentence", "A", lambda text=text: type_sentence(page, "A", text))
    for name in ("strength", "opacity"):
        slider = page.locator(f".csalgan-{name} input")
        for _ in range(TIMES):
            note(name, "A", lambda slider=slider: slider.press("ArrowRight"))
    words = page.locator(".csalgan-words-A button")
    for k in range(TIMES):
        note("word", "difference", lambda k=k: words.nth(k % 2 + 1).hover())
    page.mouse.move(1, 1)
    thumbnails = page.locator(".csalgan-thumbs button:not([aria-pressed=true])")
    for k in range(TIMES):
        note("image", "A", lambda k=k: thumbnails.nth((5 * k) % 11).click())
    return times


def main() -> None:
    """Print the table."""
    from playwright.sync_api import sync_playwright

    real = Path(os.environ.get("CSALGAN_SJTU_TIS", paths.root().parent / "shared" / "sjtu-tis"))
    datasets = {"embedded": []} | ({"SJTU-TIS": ["--data", str(real)]} if real.is_dir() else {})
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        browser = launch(playwright)
        for name, options in datasets.items():
            log = Path(folder) / f"{name}.log"
            command = explore("--out", f"{folder}/none", *options)
            with serving(command, ADDRESS, log) as (address, _):
                opened = []
                for _ in range(_OPENINGS):
                    page = browser.new_page(viewport={"width": 1500, "height": 1000})
                    page.set_default_timeout(180_000)
                    began = time.perf_counter()
                    page.goto(address, wait_until="commit")
                    first_picture(page)
                    opened.append(time.perf_counter() - began)
                    if len(opened) < _OPENINGS:  # nothing of this page beside the next one
                        at_rest(page)
                        page.close(run_before_unload=True)
                page.locator(".csalgan-facts table").wait_for()
                times = measure(page)
            load = ", ".join(f"{one:.1f}" for one in os.getloadavg())
            print(f"{name} (load {load}; {os.cpu_count()} cores)")
            print(
                f"  first picture {statistics.median(opened):.1f} s {[round(t, 1) for t in opened]}"
            )
            for what, values in times.items():
                spread = f"{min(values):.0f} … {max(values):.0f}"
                print(f"  {what:9} {statistics.median(values):5.0f} ms ({spread})", flush=True)
        browser.close()


if __name__ == "__main__":
    main()
