"""What every figure shares: one look, one palette, one way to be saved.

Figures are built with :func:`figure`, not with pyplot: nothing global is changed, nothing stays
open, and a notebook shows what its last line returns. Functions that draw are decorated with
``@theme()``.
"""

import io
import textwrap
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple

import matplotlib as mpl
import matplotlib.figure
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, LinearSegmentedColormap

from csalgan.files.errors import CsalganError
from csalgan.metrics.maps import resize

INK, MUTED, FAINT, RULE = "#22262B", "#666B73", "#A6ABB2", "#D5D8DC"


class Look(NamedTuple):
    """How a reading condition looks wherever it is drawn, never by colour alone.

    Colours are from the palette of Okabe and Ito (2008), which stays apart for people with any of
    the common colour deficiencies.

    Attributes:
        label: what a reader sees in place of the column's value.
        colour: of its marks.
        ink: the same hue, dark enough to be read as text on white (contrast of at least 4.5).
        marker: of its points.
    """

    label: str
    colour: str
    ink: str
    marker: str

    @property
    def line(self) -> dict[str, str]:
        """Colour, marker and label as matplotlib's functions take them."""
        return {"color": self.colour, "marker": self.marker, "label": self.label}


LOOKS = {
    "none": Look("no sentence", "#6E6E6E", "#5C5C5C", "o"),
    "general": Look("general", "#0072B2", "#005E94", "s"),
    "non_salient": Look("non-salient", "#E69F00", "#8A5D00", "^"),
    # Their vermilion, a little darker, to stand further from the orange.
    "salient": Look("salient", "#C6460B", "#B03C07", "D"),
}
CONDITION_LABELS = {condition: look.label for condition, look in LOOKS.items()}
#: Colours for things that are not conditions (models, losses, sources), same family.
ACCENTS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#4D4D4D")

#: Perceptually uniform colour maps a saliency map may be shown in; the first is the default.
MAPS = ("inferno", "magma", "viridis", "cividis")

PAD = 0.06  # inches between the figure's edge and what stands in it

_STYLE = mpl.rc_params_from_file(
    Path(__file__).with_name("look.mplstyle"), use_default_template=False
) | {
    **dict.fromkeys(("text.color", "axes.labelcolor", "xtick.labelcolor", "ytick.labelcolor"), INK),
    **dict.fromkeys(("axes.edgecolor", "xtick.color", "ytick.color"), MUTED),
    "grid.color": RULE,
    "axes.prop_cycle": mpl.cycler(color=ACCENTS),
    **dict.fromkeys(("figure.constrained_layout.h_pad", "figure.constrained_layout.w_pad"), PAD),
}


def look_of(condition: str) -> Look:
    """How a condition looks; any other word stands for itself, in black."""
    return LOOKS.get(condition, Look(condition, INK, INK, "o"))


class Figure(matplotlib.figure.Figure):
    """A matplotlib figure that a notebook shows without pyplot."""

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        with theme():
            self.savefig(buffer, format="png", dpi=self.dpi, metadata={"Software": None})
        return buffer.getvalue()


def theme() -> AbstractContextManager:
    """The suite's look inside a ``with`` block, or in a function that ``@theme()`` decorates.

    What was set before is set again after it.
    """
    return mpl.rc_context(_STYLE)


def figure(width: float, height: float, *, title: str = "") -> Figure:
    """An empty figure of ``width`` × ``height`` inches with constrained layout.

    Call it inside :func:`theme` (or in a function decorated with it).
    """
    fig = Figure(figsize=(width, height), layout="constrained")
    if title:
        fig.suptitle(title, x=PAD / width, ha="left")
    return fig


@theme()
def nothing(title: str, why: str) -> Figure:
    """A figure that says in one sentence why there is nothing to show."""
    fig = figure(7, 1.2, title=title)
    bare(fig.subplots()).text(0, 0.5, why, va="center", color=MUTED)
    return fig


def diverging() -> Colormap:
    """The colour map of signed maps (less blue, more red), perceptually uniform on both arms.

    It is seaborn's ``vlag`` by nine of its colours, straight between them (a channel is off by at
    most 2 %), since importing seaborn takes longer than drawing a page of maps.
    """
    blue, white = ["#2369bd", "#678bbe", "#9baecb", "#cfd4e0"], "#faf5f4"
    red = ["#e8cac8", "#d49896", "#c06967", "#a9373b"]
    return LinearSegmentedColormap.from_list("vlag", [*blue, white, *red])


def colour_map(name: str) -> Colormap:
    """One of :data:`MAPS` by name.

    Raises:
        CsalganError: another name; rainbow maps invent edges that the data do not have.
    """
    if name not in MAPS:
        raise CsalganError(
            f"colour map {name!r} is not one of the perceptually uniform ones offered; "
            f"choose {', '.join(MAPS)}."
        )
    return mpl.colormaps[name]


def bare(ax: Axes, title: str = "") -> Axes:
    """Take ticks, grid and frame away (for pictures) and set the title."""
    ax.set(xticks=[], yticks=[])
    ax.grid(False)
    ax.spines[:].set_visible(False)
    ax.set_facecolor("none")
    if title:
        ax.set_title(title)
    return ax


def unit(saliency: np.ndarray) -> np.ndarray:
    """Scale a map to [0, 1] by its smallest and largest value; a constant map becomes zeros.

    Any numeric (H, W) in, float32 (H, W) out. For looking only: no metric uses it.
    """
    saliency = np.asarray(saliency, dtype=np.float32)
    low, high = float(saliency.min()), float(saliency.max())
    if high <= low:
        return np.zeros_like(saliency)
    return (saliency - low) / (high - low)


def blend(
    image: np.ndarray, saliency: np.ndarray, *, opacity: float = 0.6, cmap: str = "inferno"
) -> np.ndarray:
    """Lay a saliency map over an image.

    The colour covers most where the map is high, so the picture stays readable where nobody
    looks. ``opacity`` 0 gives the image, 1 the coloured map alone.

    Args:
        image: uint8 (H, W, 3), RGB.
        saliency: any numeric (h, w); resized (bilinear) to (H, W) and scaled to its own range.
        opacity: in [0, 1].
        cmap: one of :data:`MAPS`.

    Returns:
        uint8 (H, W, 3).

    Raises:
        CsalganError: ``opacity`` outside [0, 1] or an unknown colour map.
    """
    if not 0 <= opacity <= 1:
        raise CsalganError(f"opacity {opacity} is outside 0 … 1; give a share such as 0.6.")
    scaled = resize(unit(saliency), image.shape[:2])
    colour = colour_map(cmap)(scaled)[..., :3] * 255.0  # (H, W, 3)
    # Between "as much as the map says" and "everywhere": at 1 the map alone is left.
    cover = opacity * (scaled * (1 - opacity) + opacity)[..., None]
    mixed = image.astype(np.float32) * (1 - cover) + colour * cover
    return np.clip(np.rint(mixed), 0, 255).astype(np.uint8)


def show_image(ax: Axes, image: np.ndarray, *, title: str = "") -> Axes:
    """Show a uint8 (H, W, 3) image as it is."""
    bare(ax, title).imshow(image)
    return ax


def show_map(ax: Axes, saliency: np.ndarray, *, cmap: str = "inferno", title: str = "") -> Axes:
    """Show a map (any numeric (H, W)) from its smallest value to its largest."""
    bare(ax, title).imshow(unit(saliency), cmap=colour_map(cmap), vmin=0, vmax=1)
    return ax


def show_difference(
    ax: Axes,
    difference: np.ndarray,
    *,
    limit: float | None = None,
    title: str = "",
    shape: tuple[int, int] | None = None,
):
    """Show a signed map, zero in the middle; give back the image artist (for a colour bar).

    Args:
        difference: real (h, w): a difference map, say, in multiples of even attention.
        limit: value at the ends of the colour scale; None is the largest magnitude.
        shape: (H, W) of the image, where the map is square.
    """
    limit = limit or float(np.abs(difference).max()) or 1.0
    extent = (0, shape[1], shape[0], 0) if shape else None
    cmap = diverging()
    return bare(ax, title).imshow(difference, cmap=cmap, vmin=-limit, vmax=limit, extent=extent)


def difference_bar(
    fig: matplotlib.figure.Figure, picture, axes, label: str = "difference in attention"
):
    """The colour bar of difference maps, whose unit is even attention (mean 1)."""
    fig.colorbar(picture, ax=axes, shrink=0.85, pad=0.01, extend="both",
                 label=f"{label}\n(1 = even attention)")  # fmt: skip


def show_fixations(ax: Axes, fixations: np.ndarray, *, colour: str = "white", size: float = 7):
    """Mark fixations, int (N, 2) rows (y, x) in pixels, on an image or a map already shown."""
    return ax.scatter(
        fixations[:, 1], fixations[:, 0], s=size, c=colour, edgecolors="black", linewidths=0.4
    )


def picture_grid(
    rows: int, columns: int, shapes: Sequence[tuple[int, int]], width: float, title: str
) -> tuple[Figure, np.ndarray]:
    """A figure of pictures ``width`` inches wide, and its (rows, columns) axes.

    ``shapes`` are the (H, W) of the pictures of each row, or one for all rows.
    """
    heights = [width * height / wide + 0.25 for height, wide in shapes]
    heights = heights * rows if len(heights) == 1 else heights
    fig = figure(width * columns + 0.4, sum(heights) + 0.8, title=title)
    axes = fig.subplots(rows, columns, squeeze=False, height_ratios=heights)
    for ax in axes.flat:
        bare(ax)
    return fig, axes


def wrapped(text: str, width: int, lines: int = 3) -> str:
    """Break a sentence into at most ``lines`` lines of ``width`` characters for a title."""
    return "\n".join(textwrap.wrap(text, width, max_lines=lines, placeholder=" …"))


def read(condition: str, text: str, width: int = 32) -> str:
    """What was read, under the name of its condition, broken into lines."""
    told = wrapped(text, width) if text else "(looked freely)"
    return f"{look_of(condition).label}\n{told}"
