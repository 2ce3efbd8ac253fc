"""A figure as files: its provenance at the foot and in the metadata, and simulated gaze said."""

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import matplotlib.figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from csalgan.data.photographs import opened
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
        provenance: the receipt printed at the foot.
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
    png = _metadata(fig, provenance, photographs, default=name)
    pdf = {
        "CreationDate": None,  # a date would make equal figures differ
        "Title": png["Title"],
        "Subject": provenance.line(),
        "Keywords": f"photographs: {png[_PREFIX + 'photographs']}",
    }
    with theme(), _footed(fig, provenance.line()) as box:
        for suffix, metadata in ((".pdf", pdf), (".png", png)):  # the PNG last: it says "done"
            buffer = io.BytesIO()
            fig.savefig(buffer, format=suffix[1:], dpi=_DPI, bbox_inches=box, metadata=metadata)
            write_bytes(Path(folder) / (name + suffix), buffer.getbuffer())
    return Path(folder) / f"{name}.png"


def say_simulated(fig: matplotlib.figure.Figure) -> None:
    """Write *simulated gaze* where a figure says people's gaze, and in its title in any case.

    Figures without a title of their own (drawings of networks) show no gaze.
    """
    title = fig._suptitle
    for text in fig.findobj(Text):
        said = text.get_text()
        if "eople's gaze" in said:
            said = said.replace("people's gaze", "simulated gaze")
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


def _metadata(
    fig: matplotlib.figure.Figure, provenance: Provenance, photographs: bool, default: str
) -> dict[str, str | None]:
    """Text chunks of a PNG; what :func:`figure_info` reads."""
    title = " ".join((fig.get_suptitle() or _first_title(fig) or default).split())
    facts = {"photographs": "yes" if photographs else "no", "title": title}
    facts |= {key: str(value) for key, value in provenance.as_dict().items()}
    return {"Software": None, "Title": title} | {_PREFIX + k: v for k, v in facts.items()}


def _first_title(fig: matplotlib.figure.Figure) -> str:
    for ax in fig.axes:
        for where in ("left", "center", "right"):
            if text := ax.get_title(loc=where):
                return text
    return ""


@contextmanager
def _footed(fig: matplotlib.figure.Figure, line: str) -> Iterator[Bbox]:
    """Hang the line below the figure while the block runs; yield the box to save, in inches."""
    engine = fig.get_layout_engine()
    before = [(ax, ax.get_position(True), ax.get_position()) for ax in fig.axes]
    for _ in range(1 if engine is None else 2):  # constrained layout needs a second look
        fig.draw_without_rendering()
    fig.set_layout_engine("none")  # what was measured is what is written, at any resolution
    for legend in fig.legends:  # and not at the foot of the box that is saved
        legend.set_bbox_to_anchor((0, 0, 1, 1), fig.transFigure)
    width, height = fig.get_size_inches()
    # Artists may stick out of a figure that has no layout engine: take them in. Rows left empty
    # above and below (pictures keep their shape) go.
    tight = fig.get_tightbbox()
    content = Bbox([[min(0, tight.x0), tight.y0 - PAD], [max(width, tight.x1), tight.y1 + PAD]])
    foot = fig.text(
        (content.x0 + PAD) / width,
        (content.y0 - PAD) / height,
        "",
        va="top",
        ha="left",
        fontsize=_FOOT_SIZE,
        color=MUTED,
        parse_math=False,  # a dollar sign in a folder's name is no formula
    )
    foot.set_in_layout(False)
    try:
        foot.set_text(_fit(line, foot, (content.width - 2 * PAD) * fig.dpi))
        depth = foot.get_window_extent().height / fig.dpi + 3 * PAD
        yield Bbox([[content.x0, content.y0 - depth], [content.x1, content.y1]])
    finally:
        foot.remove()
        fig.set_layout_engine(engine)
        for legend in fig.legends:
            legend.set_bbox_to_anchor(None)
        for ax, original, active in before:  # a second save starts where the first one did
            # The public method would also take the axes out of the layout.
            ax._set_position(original, which="original")
            ax._set_position(active, which="active")


def _fit(line: str, artist, pixels: float) -> str:
    """Break a provenance line at its separators, and inside a field only when it must be."""

    def fits(text: str) -> bool:
        artist.set_text(text)
        return artist.get_window_extent().width <= pixels

    lines = [""]
    for field in line.split(" · "):
        joined = f"{lines[-1]} · {field}" if lines[-1] else field
        if fits(joined):
            lines[-1] = joined
            continue
        if lines[-1]:
            lines.append("")
        for character in field:
            if not fits(lines[-1] + character):
                lines.append("")
            lines[-1] += character
    return "\n".join(lines)
