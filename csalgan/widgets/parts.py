"""The three controls that ipywidgets lacks, as anywidget's: words, a photograph, things to keep."""

from pathlib import Path

import anywidget
import traitlets as t

_HERE = Path(__file__).resolve().parent


class WordStrip(anywidget.AnyWidget):
    """A sentence whose words are pointed at.

    A word is looked at while the pointer or the keyboard's focus is on it, and stays so after a
    click until it is clicked again.

    Attributes:
        words: in reading order.
        shares: share of attention (0 … 1) each word holds, shown as its underline; may be empty.
        active: number of the word that is looked at, −1 for none.
        pinned: number of the word that was clicked, −1 for none.
        label: what the strip is of, for screen readers.
    """

    _esm = _HERE / "words.js"
    _css = _HERE / "parts.css"
    words = t.List(t.Unicode()).tag(sync=True)
    shares = t.List(t.Float()).tag(sync=True)
    active = t.Int(-1).tag(sync=True)
    pinned = t.Int(-1).tag(sync=True)
    label = t.Unicode().tag(sync=True)


class PhotographInput(anywidget.AnyWidget):
    """Takes a photograph from the person's machine, made smaller there.

    A photograph of any number of megabytes so passes Jupyter's limit on a message (10 MB, above
    which the connection is cut without a word). What the browser cannot read as a picture is sent
    as it is, up to 8 MB, so that Python can say what is wrong with it.

    Messages: ``{"kind": "photograph", "name": …}`` with one buffer, or
    ``{"kind": "refused", "message": …}``.

    Attributes:
        label: on the button.
        side: longest side of what is sent, pixels.
    """

    _esm = _HERE / "photograph.js"
    _css = _HERE / "parts.css"
    label = t.Unicode("Your photograph …").tag(sync=True)
    side = t.Int(1024).tag(sync=True)


class Keep(anywidget.AnyWidget):
    """Two buttons: save the view as a PNG, copy the Python line.

    The first sends ``{"kind": "save"}`` and downloads what comes back; see :meth:`download`.

    Attributes:
        line: the Python line, also shown.
    """

    _esm = _HERE / "keep.js"
    _css = _HERE / "parts.css"
    line = t.Unicode().tag(sync=True)

    def download(self, content: bytes, name: str) -> None:
        """Hand a file to the person's browser."""
        self.send({"kind": "file", "name": name, "type": "image/png"}, [content])
