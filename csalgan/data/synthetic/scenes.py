"""Procedural scenes: a few anti-aliased shapes on a textured ground.

Every scene has one *salient* object (large, full contrast) and at least one *faint* one (small,
nearly the ground's own colour); colours and shapes are all different within a scene, so either
word is enough to find the object.
"""

from typing import NamedTuple

import numpy as np
from scipy.ndimage import gaussian_filter

#: Word → sRGB colour in [0, 1].
COLOURS = {
    "red": (0.85, 0.15, 0.17),
    "orange": (0.96, 0.52, 0.10),
    "yellow": (0.99, 0.84, 0.20),
    "green": (0.14, 0.60, 0.28),
    "blue": (0.12, 0.35, 0.84),
    "purple": (0.49, 0.22, 0.67),
    "pink": (0.97, 0.48, 0.68),
    "white": (0.98, 0.98, 0.97),
    "black": (0.09, 0.09, 0.11),
}

#: Ground tone → its two muted colours, dark and light. No tone is called by an object's colour.
TONES = {
    "sandy": ((0.74, 0.65, 0.50), (0.87, 0.79, 0.65)),
    "slate": ((0.36, 0.42, 0.48), (0.50, 0.56, 0.61)),
    "mossy": ((0.43, 0.49, 0.38), (0.58, 0.63, 0.50)),
    "clay": ((0.58, 0.43, 0.37), (0.71, 0.56, 0.48)),
    "misty": ((0.63, 0.69, 0.72), (0.79, 0.83, 0.84)),
    "dusky": ((0.35, 0.34, 0.44), (0.49, 0.47, 0.57)),
}

TEXTURES = ("striped", "checked", "cloudy", "speckled", "dotted", "wavy", "smooth")

#: Role → range of radius (share of the shorter side) and of opacity over the ground.
ROLES = {
    "salient": ((0.145, 0.190), (0.95, 1.00)),
    "middle": ((0.080, 0.105), (0.55, 0.75)),
    "faint": ((0.048, 0.064), (0.34, 0.44)),
}
#: How many objects → their odds, and how many of them are middle and faint; one is salient.
_COUNTS = {2: (0.15, 0, 1), 3: (0.35, 1, 1), 4: (0.30, 2, 1), 5: (0.20, 2, 2)}


class Placed(NamedTuple):
    """One object of a scene. Lengths in pixels, centre as (y, x), angle in radians.

    ``contrast`` is its opacity times the Euclidean sRGB distance (each channel in [0, 1]) of its
    colour from the ground's mean, ``box`` its bounding box (top, left, bottom, right), half-open.
    """

    role: str
    colour: str
    shape: str
    centre: tuple[float, float]
    radius: float
    angle: float
    opacity: float
    contrast: float = 0.0
    box: tuple[int, int, int, int] = (0, 0, 0, 0)


class Scene(NamedTuple):
    """Pixels, uint8 (H, W, 3) RGB, and what is in them."""

    image: np.ndarray
    tone: str
    texture: str
    objects: list[Placed]


def draw_scene(size: tuple[int, int], rng: np.random.Generator) -> Scene:
    """Invent one scene of ``size`` (height, width) pixels; all of it comes from ``rng``."""
    tone, texture = str(rng.choice(list(TONES))), str(rng.choice(TEXTURES))
    image = _ground(size, tone, texture, rng)
    mean = image.mean(axis=(0, 1))
    objects = []
    for item in _arrange(size, mean, rng):
        cover = _paint(image, item)
        rows, columns = (np.flatnonzero(cover.max(axis) > 0.5) for axis in (1, 0))
        box = (int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1)
        contrast = item.opacity * float(np.linalg.norm(COLOURS[item.colour] - mean))
        objects.append(item._replace(contrast=contrast, box=box))
    image = image + rng.normal(0, 0.008, size)[..., None]  # a little film grain
    return Scene(np.round(255 * np.clip(image, 0, 1)).astype(np.uint8), tone, texture, objects)


def _arrange(size, mean, rng) -> list[Placed]:
    """Choose looks and places of the objects, each look but once."""
    count = int(rng.choice(list(_COUNTS), p=[odds for odds, _, _ in _COUNTS.values()]))
    _, middle, faint = _COUNTS[count]
    roles = ["salient", *["middle"] * middle, *["faint"] * faint]
    distance = {name: np.linalg.norm(rgb - mean) for name, rgb in COLOURS.items()}
    colours = list(rng.permutation([name for name in COLOURS if distance[name] > 0.42]))
    # The stronger of two goes to the salient object, so that it is salient on every ground.
    colours.insert(0, colours.pop(int(np.argmax([distance[name] for name in colours[:2]]))))
    shapes = list(rng.permutation(list(SHAPES)))
    objects: list[Placed] = []
    while (n := len(objects)) < len(roles):
        place = _place(size, roles[n], objects, rng)
        if place is None:  # no room left: begin again, the first objects stand in the way
            objects.clear()
            continue
        angle = float(rng.uniform(-1, 1) * SHAPES[shapes[n]][0])
        opacity = float(rng.uniform(*ROLES[roles[n]][1]))
        look = roles[n], str(colours[n]), str(shapes[n])
        objects.append(Placed(*look, *place, angle, opacity))
    return objects


def _place(size, role, others, rng) -> tuple[tuple[float, float], float] | None:
    """Centre and radius of an object that keeps a gap, so that none hides another.

    The salient object is drawn towards the middle, as photographers do; others stand anywhere.
    """
    short = min(size)
    for _attempt in range(200):
        radius = short * rng.uniform(*ROLES[role][0])
        margin = radius + 0.03 * short
        at = rng.beta(2, 2, 2) if role == "salient" else rng.uniform(0, 1, 2)
        centre = margin + at * (np.array(size) - 2 * margin)
        gaps = (
            np.hypot(*(centre - other.centre)) - 1.15 * (radius + other.radius) for other in others
        )
        if all(gap > 0.03 * short for gap in gaps):
            return (float(centre[0]), float(centre[1])), float(radius)
    return None


def _ground(size, tone, texture, rng) -> np.ndarray:
    """A textured ground, float (H, W, 3) in [0, 1], with a soft light across it."""
    height, width = size
    unit = min(size) / 240  # patterns keep their look at other sizes
    y, x = np.mgrid[:height, :width].astype(float)
    angle = rng.uniform(0, np.pi)
    along, across = _turned(x, y, angle)
    period = unit * rng.uniform(16, 30)
    if texture == "striped":  # two bands whose border is about one pixel soft
        mix = 0.5 + np.sin(2 * np.pi * along / period) * period / 6
    elif texture == "checked":
        waves = np.sin(np.pi * along / period) * np.sin(np.pi * across / period)
        mix = 0.5 + waves * period / 6
    elif texture == "wavy":
        bend = 0.35 * period * np.sin(2 * np.pi * across / (3.2 * period))
        mix = 0.5 + 0.5 * np.sin(2 * np.pi * (along + bend) / period)
    elif texture == "dotted":
        u, v = (along / period) % 1 - 0.5, (across / period) % 1 - 0.5
        mix = 0.5 + period * (0.27 - np.hypot(u, v))
    elif texture == "cloudy":
        mix = sum(s * _noise(size, unit * 3 * s, rng) for s in (1, 2, 4, 8)) / 9 + 0.5
    elif texture == "speckled":
        mix = 0.5 + 0.32 * _noise(size, unit * 1.1, rng) + 0.12 * _noise(size, unit * 6, rng)
    else:  # smooth
        mix = (along - along.min()) / np.ptp(along)
    dark, light = (np.array(colour) for colour in TONES[tone])
    lamp = rng.uniform(0.2, 0.8, 2)
    glow = np.exp(-((y / height - lamp[0]) ** 2 + (x / width - lamp[1]) ** 2) / 0.7)
    mix = np.clip(mix, 0, 1)[..., None]
    return (dark + mix * (light - dark)) * (0.86 + 0.18 * glow[..., None])


def _noise(size, sigma, rng) -> np.ndarray:
    """Smooth Gaussian noise of unit variance."""
    noise = gaussian_filter(rng.normal(size=size), sigma, mode="wrap", truncate=3)
    return noise / noise.std()


def _paint(image, item: Placed) -> np.ndarray:
    """Lay the object on the image: shadow, body with a soft light from the upper left, darker rim.

    Changes ``image`` (H, W, 3) in place; returns the coverage (H, W) in [0, 1].
    """
    reach = 1.35 * item.radius  # the shadow ends within it
    top, left = (max(int(c - reach), 0) for c in item.centre)
    window = np.s_[top : int(item.centre[0] + reach) + 1, left : int(item.centre[1] + reach) + 1]
    patch = image[window]
    y, x = np.mgrid[: patch.shape[0], : patch.shape[1]].astype(float)
    y, x = (y + top - item.centre[0]) / item.radius, (x + left - item.centre[1]) / item.radius
    distance = item.radius * _distance(item, x, y)
    cover = np.clip(0.5 - distance, 0, 1)
    fall = _distance(item, x - 0.07, y - 0.10)
    shadow = np.clip(0.5 - fall / 0.28, 0, 1) * 0.38 * item.opacity**2
    patch = patch * (1 - shadow[..., None])
    light = 1.05 - 0.10 * np.clip(x + y, -1.2, 1.2)
    rim = np.clip(1 + distance / (0.10 * item.radius), 0, 1)
    body = np.array(COLOURS[item.colour]) * (light * (1 - 0.16 * rim))[..., None]
    alpha = (item.opacity * cover)[..., None]
    image[window] = patch * (1 - alpha) + np.clip(body, 0, 1) * alpha
    whole = np.zeros(image.shape[:2])
    whole[window] = cover
    return whole


def _turned(x, y, angle):
    return x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)


def _distance(item: Placed, x, y) -> np.ndarray:
    """Signed distance to a shape that fits the unit circle: negative inside; y points down."""
    x, y = _turned(x, y, item.angle)
    _, outline = SHAPES[item.shape]
    if callable(outline):
        return outline(x, y)
    return _polygon_distance(outline, x, y) - 0.04  # corners rounded a little


def _crescent_distance(x, y, radius=0.95, bite=0.72, apart=0.42) -> np.ndarray:
    """Signed distance to a disk less another; past the two tips, the distance to the nearer tip."""
    y = np.abs(y)
    tip_x = (radius**2 - bite**2 + apart**2) / (2 * apart)
    tip_y = np.sqrt(radius**2 - tip_x**2)
    past = x * tip_y - y * tip_x > apart * np.maximum(tip_y - y, 0)
    sides = np.maximum(np.hypot(x, y) - radius, bite - np.hypot(x - apart, y))
    return np.where(past, np.hypot(x - tip_x, y - tip_y), sides)


def _polygon_distance(corners, x, y) -> np.ndarray:
    """Signed distance to a closed polygon (n, 2) of (x, y) corners."""
    squared = np.full(x.shape, np.inf)
    inside = np.zeros(x.shape, bool)
    for (ax, ay), (bx, by) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        ex, ey = bx - ax, by - ay
        step = np.clip(((x - ax) * ex + (y - ay) * ey) / (ex**2 + ey**2), 0, 1)
        squared = np.minimum(squared, (x - ax - step * ex) ** 2 + (y - ay - step * ey) ** 2)
        if ay != by:
            inside ^= ((ay > y) != (by > y)) & (x < ax + ex * (y - ay) / ey)
    return np.where(inside, -1, 1) * np.sqrt(squared)


def _regular(count, radius=0.94, inner=None) -> np.ndarray:
    """Corners of a regular polygon that points up, or of a star when ``inner`` is given."""
    radii = np.full(count, radius) if inner is None else np.tile([radius, inner], count)
    turns = 2 * np.pi * np.arange(len(radii)) / len(radii)
    return np.stack([radii * np.sin(turns), -radii * np.cos(turns)], axis=1)


def _heart() -> np.ndarray:
    t = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    x = 16 * np.sin(t) ** 3
    y = -(13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t))
    return np.stack([x, y - 2.5], axis=1) / 18


_ARM = np.array([(-0.30, -0.88), (0.30, -0.88), (0.30, -0.30)])
_CROSS = [_ARM, _ARM[:, ::-1] * (-1, 1), -_ARM, _ARM[:, ::-1] * (1, -1)]
#: Shape → largest turn from upright, radians (a square turned by 45° would be a diamond), and its
#: signed distance, or the corners (n, 2) of (x, y) whose polygon it is.
SHAPES = {
    "circle": (0.0, lambda x, y: np.hypot(x, y) - 0.9),
    "square": (0.26, 0.74 * np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)])),
    "triangle": (0.35, _regular(3)),
    "star": (0.30, _regular(5, inner=0.42)),
    "ring": (0.0, lambda x, y: np.abs(np.hypot(x, y) - 0.72) - 0.22),
    "cross": (0.26, np.concatenate(_CROSS)),
    "diamond": (0.12, np.array([(0, -0.96), (0.66, 0), (0, 0.96), (-0.66, 0)])),
    "heart": (0.26, _heart()),
    "crescent": (0.60, _crescent_distance),
}
