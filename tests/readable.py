"""What can be told without eyes: no text lies on another or leaves a figure, no two legend
entries look alike, also to somebody who sees no green (deuteranopia)."""

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.offsetbox import DrawingArea
from matplotlib.text import Text

# Machado, Oliveira and Fernandes (2009), severity 1, on linear RGB.
DEUTERANOPIA = np.array(
    [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ]
)


def faults(fig) -> list[str]:
    """What is wrong with a figure, one sentence each."""
    found = []
    dpi, fig.dpi = fig.dpi, 80
    canvas = FigureCanvasAgg(fig)
    canvas.draw()
    boxes = [(text.get_text(), text.get_window_extent()) for text in _texts(fig)]
    for text, box in boxes:
        if box.x1 > fig.bbox.x1 + 2 or box.x0 < -2:
            found.append(f"{text!r} leaves the figure")
    for i, (text, box) in enumerate(boxes):
        for other, its in boxes[i + 1 :]:
            wide = min(box.x1, its.x1) - max(box.x0, its.x0)
            high = min(box.y1, its.y1) - max(box.y0, its.y0)
            if wide > 1 and high > 2:  # letters leave some of their boxes empty
                found.append(f"{text!r} lies on {other!r}")
            elif high > 2 and -3 < wide <= 1:
                found.append(f"{text!r} touches {other!r}")
    pixels = np.asarray(canvas.buffer_rgba())[..., :3]
    for legend in [*fig.legends, *(ax.get_legend() for ax in fig.axes)]:
        if legend is not None and legend.get_visible():
            found += _alike(legend, pixels)
    fig.dpi = dpi
    return found


def _texts(fig) -> list[Text]:
    """What is written: ticks outside of an axis exist, but are not drawn."""
    ticks = {
        id(label)
        for ax in fig.axes
        for axis in ax._axis_map.values()
        for tick in axis.get_major_ticks() + axis.get_minor_ticks()
        for label in (tick.label1, tick.label2)
    }
    drawn = {
        id(label)
        for ax in fig.axes
        if ax.axison and ax.get_visible()
        for axis in ax._axis_map.values()
        for tick in axis._update_ticks()
        for label in (tick.label1, tick.label2)
    }
    return [
        text
        for text in fig.findobj(Text)
        if text.get_visible()
        and text.get_text().strip()
        and text.get_rotation() % 90 == 0  # boxes of others are larger than they are
        and (text.axes is None or text.axes.get_visible())
        and (id(text) not in ticks or id(text) in drawn)
    ]


def _alike(legend, pixels: np.ndarray) -> list[str]:
    places = [area.get_window_extent() for area in legend.findobj(DrawingArea)]
    top = pixels.shape[0]
    crops = []
    for box in places:
        x, y = round(box.x0), round(top - box.y1)
        crop = pixels[y - 3 : y + round(box.height) + 3, x - 2 : x + round(box.width) + 2]
        crops.append(np.clip((crop / 255.0) ** 2.2 @ DEUTERANOPIA.T, 0, 1))
    names = [text.get_text() for text in legend.get_texts()]
    return [
        f"{names[i]!r} and {names[j]!r} look alike"
        for i in range(len(crops))
        for j in range(i)
        if crops[i].shape == crops[j].shape and np.abs(crops[i] - crops[j]).max() < 0.1
    ]
