"""Figures as files: provenance at the foot and in the metadata, simulated gaze called so."""

import io
import pickle
import re
import textwrap
from pathlib import Path

import matplotlib.figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from csalgan.data.pictures import opened
from csalgan.figures.base import MUTED, PAD, theme
from csalgan.files.errors import CsalganError
from csalgan.files.provenance import Provenance
from csalgan.files.writing import write_bytes

_NAME = re.compile(r"^\d{2}_[a-z0-9]+(?:[_-][a-z0-9]+)*$")
_PREFIX = "csalgan:"
_DPI = 160  # of the PNG; text stays sharp on a page, a photograph stays below 1 MB
_FOOT_SIZE = 6.5  # points


def save(
    fig: matplotlib.figure.Figure,
    folder: str | Path,
    name: str,
    provenance: Provenance,
    *,
    photographs: bool,
) -> Path:
    """Write ``folder/name.png`` and ``.pdf`` with the provenance at the foot and in the metadata.

    The line stands below everything the figure shows, so it overlaps nothing, whatever the
    layout. Both files are written whole or not at all, and the same figure gives the same bytes.

    Args:
        fig: any matplotlib figure; left as it was, but for what :func:`say_simulated` writes.
        folder: made when missing.
        name: ``NN_topic``, NN the number of the notebook that drew it.
        provenance: what is printed at the foot.
        photographs: whether the figure shows an image of the dataset. Those of real data must
            never be published; :func:`figure_info` tells the report.

    Returns:
        The path of the PNG.

    Raises:
        CsalganError: the name is not ``NN_topic``, or the files cannot be written.
    """
    if not _NAME.match(name):
        raise CsalganError(
            f"figure name {name!r} is not of the form NN_topic; use two digits and lower-case "
            "words such as 01_samples."
        )
    if provenance.synthetic:
        say_simulated(fig)
    titles = [fig.get_suptitle(), *(ax.get_title(loc="left") for ax in fig.axes), name]
    title = " ".join(next(filter(None, titles)).split())
    facts = {"photographs": "yes" if photographs else "no", "title": title}
    facts |= {key: str(value) for key, value in provenance.as_dict().items()}
    png = {"Software": None, "Title": title} | {_PREFIX + k: v for k, v in facts.items()}
    pdf = {
        "CreationDate": None,  # a date would make equal figures differ
        "Title": title,
        "Subject": provenance.line(),
        "Keywords": f"photographs: {facts['photographs']}",
    }
    with theme():
        footed, box = _footed(fig, provenance.line())
        for suffix, metadata in ((".pdf", pdf), (".png", png)):  # the PNG last: it says "done"
            buffer = io.BytesIO()
            footed.savefig(buffer, format=suffix[1:], dpi=_DPI, bbox_inches=box, metadata=metadata)
            write_bytes(Path(folder) / (name + suffix), buffer.getbuffer())
    return Path(folder) / f"{name}.png"


def say_simulated(fig: matplotlib.figure.Figure) -> None:
    """Write *simulated gaze* where a figure says people's gaze, and in its title in any case.

    Figures without a title of their own (drawings of networks) show no gaze.
    """
    title = fig._suptitle
    for text in fig.findobj(Text):
        said = text.get_text().replace("people's gaze", "simulated gaze")
        text.set_text(said.replace("People's gaze", "Simulated gaze"))
    if title is not None and "imulated gaze" not in title.get_text():
        whole = f"{title.get_text()} · simulated gaze"
        title.set_text(whole)
        with theme():
            if title.get_window_extent().x1 > fig.bbox.x1:
                title.set_text(whole.replace(" · simulated", "\nsimulated"))


def figure_info(path: str | Path) -> dict[str, str | bool | int]:
    """What :func:`save` wrote into a PNG: ``photographs`` (bool), ``title`` and the provenance.

    Raises:
        CsalganError: the file is missing, no PNG, or not one that :func:`save` wrote.
    """
    path = Path(path)
    try:
        with opened(path, formats=("PNG",)) as picture:
            text = dict(picture.text)
    except CsalganError as error:
        raise CsalganError(f"{path}: cannot be read as a PNG; draw the figure again.") from error
    info = {k.removeprefix(_PREFIX): v for k, v in text.items() if k.startswith(_PREFIX)}
    if "photographs" not in info:
        raise CsalganError(
            f"{path}: carries no provenance; save figures with csalgan.figures.save."
        )
    return info | {"photographs": info["photographs"] == "yes", "seed": int(info["seed"])}


def _footed(fig: matplotlib.figure.Figure, line: str) -> tuple[matplotlib.figure.Figure, Bbox]:
    """A copy of the figure, laid out, with the line below it; and the box to save, in inches."""
    fig = pickle.loads(pickle.dumps(fig))  # the layout moves axes: the next save starts afresh
    for _ in range(2):  # constrained layout needs a second look
        fig.draw_without_rendering()
    fig.set_layout_engine("none")  # what was measured is what is written, at any resolution
    for legend in fig.legends:  # and not at the foot of the box that is saved
        legend.set_bbox_to_anchor((0, 0, 1, 1), fig.transFigure)
    width, height = fig.get_size_inches()
    # Artists may stick out of a figure that has no layout engine: take them in. Rows left empty
    # above and below (pictures keep their shape) go.
    tight = fig.get_tightbbox()
    left, right = min(0, tight.x0), max(width, tight.x1)
    place = ((left + PAD) / width, (tight.y0 - 2 * PAD) / height)
    # A dollar sign in a folder's name is no formula.
    foot = fig.text(*place, line, va="top", size=_FOOT_SIZE, color=MUTED, parse_math=False)
    characters = len(line)
    while foot.get_window_extent().width > (right - left - 2 * PAD) * fig.dpi:
        characters -= 1
        foot.set_text(textwrap.fill(line, characters))
    bottom = foot.get_window_extent().y0 / fig.dpi - PAD
    return fig, Bbox([[left, bottom], [right, tight.y1 + PAD]])
