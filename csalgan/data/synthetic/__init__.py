"""The embedded dataset: procedural scenes, sentences and simulated gaze with known ground truth.

It is written in the released layout of SJTU-TIS, so everything that reads one reads the other.
``synthetic.json`` at its root holds what really happened: the objects of every scene, the objects
every sentence names, and all parameters of the gaze model (see ``gaze.py``).
"""

import os
from pathlib import Path

import numpy as np

from csalgan.data.records import CONDITION_OF_SUFFIX
from csalgan.data.synthetic import layout
from csalgan.data.synthetic.captions import describe
from csalgan.data.synthetic.gaze import (
    GAZE_MODEL,
    component_densities,
    look,
    saliences,
    saliency_map,
    true_density,
)
from csalgan.data.synthetic.scenes import draw_scene
from csalgan.files import paths
from csalgan.files.errors import CsalganError
from csalgan.files.inputs import read_json
from csalgan.files.writing import atomic_dir

__all__ = [
    "GAZE_MODEL",
    "GENERATOR",
    "VERSION",
    "component_densities",
    "ensure_embedded",
    "look",
    "saliency_map",
    "synthesise",
    "true_density",
]

GENERATOR = "csalgan.data.synthetic"
#: Raised whenever the same arguments no longer give the same bytes.
VERSION = 1


def synthesise(
    path: str | os.PathLike,
    n_images: int = 120,
    seed: int = 0,
    size: tuple[int, int] = (240, 320),
    observers: int = 15,
) -> Path:
    """Write an embedded dataset to ``path``, atomically, and return it.

    The same arguments give the same bytes, and the images of a smaller set are the first images
    of a larger one with the same seed. Every other image has four records (``_0 _1 _2 _3``), the
    rest two (``_0`` and bare); one in ten has a short, Flickr-like id, one in eight is turned to
    portrait, one in twenty is an RGBA PNG per record instead of one JPEG.

    Args:
        path: the folder to make; a previous embedded set there is replaced.
        n_images: how many images, at least 2.
        seed: not negative.
        size: (height, width) in pixels, each at least 64.
        observers: simulated observers of every record, at least 1.

    Raises:
        CsalganError: an argument is out of range, or something other than a previous embedded
            set stands at ``path``.
    """
    path = Path(path)
    _check(path, n_images, seed, size, observers)
    truth = {
        "generator": GENERATOR,
        "version": VERSION,
        "seed": seed,
        "n_images": n_images,
        "size": [int(n) for n in size],
        "observers": observers,
        "gaze_model": GAZE_MODEL,
        "images": {},
    }
    names = _image_ids(seed)
    with atomic_dir(path) as folder:
        for kind in ("image", "map", "fixation"):
            (folder / kind).mkdir()
        for index in range(n_images):
            _add_image(folder, truth, next(names), index)
        truth["images"] = dict(sorted(truth["images"].items()))
        layout.write_sentences(folder, truth["images"])
        layout.write_json(folder / "synthetic.json", truth)
    return path


def ensure_embedded(seed: int = 0, n_images: int = 120) -> Path:
    """The embedded dataset under ``data/``, made when absent or made by another version."""
    path = paths.data_dir() / f"synthetic-{seed}-{n_images}"
    wanted = {"version": VERSION, "seed": seed, "n_images": n_images}
    if _is_current(path, wanted):
        return path
    try:
        return synthesise(path, n_images=n_images, seed=seed)
    except (OSError, CsalganError):
        if _is_current(path, wanted):  # another process was faster; its bytes are the same
            return path
        raise


def _add_image(folder: Path, truth: dict, image_id: str, index: int) -> None:
    """Draw one image with its sentences and gaze; write its files and its share of the truth."""
    rng = np.random.default_rng([truth["seed"], index])
    height, width = truth["size"][::-1] if index % 16 in (5, 10) else truth["size"]
    scene = draw_scene((height, width), rng)
    weights = saliences([item.radius for item in scene.objects], scene.contrasts)
    suffixes = ("0", "1", "2", "3") if index % 2 == 0 else ("0", "")
    records = {}
    for suffix in suffixes:
        condition = CONDITION_OF_SUFFIX[suffix]
        text, named = describe(scene, condition, rng)
        record = f"{image_id}_{suffix}" if suffix else image_id
        records[record] = {"condition": condition, "text": text, "named": named}
    truth["images"][image_id] = {
        "height": height,
        "width": width,
        "ground": {"tone": scene.tone, "texture": scene.texture},
        "objects": [
            {
                "name": f"{item.colour} {item.shape}",
                "colour": item.colour,
                "shape": item.shape,
                "role": item.role,
                "center": [round(float(c), 3) for c in item.centre],  # (y, x), pixels
                "radius": round(item.radius, 3),
                "opacity": round(item.opacity, 4),
                "contrast": round(contrast, 4),
                "salience": float(weight),
                "box": list(box),  # top, left, bottom, right; half-open
            }
            for item, contrast, weight, box in zip(
                scene.objects, scene.contrasts, weights, scene.boxes, strict=True
            )
        ],
        "records": records,
    }
    one_per_record = index % 40 in (7, 22)
    layout.write_image(folder, list(records) if one_per_record else [image_id], scene.image)
    for record in records:
        layout.write_gaze(folder, truth, record, rng)


def _image_ids(seed: int):
    """Endless unique ids: COCO-like (12 digits, zero-padded), one in ten Flickr-like (8 to 11)."""
    rng = np.random.default_rng([seed, 2**31])
    used: set[int] = set()
    index = 0
    while True:
        short = index % 20 in (3, 12)
        digits = int(rng.choice([8, 9, 10, 11], p=[0.1, 0.4, 0.4, 0.1]))
        number = int(
            rng.integers(10 ** (digits - 1), 10**digits) if short else rng.integers(9, 581_930)
        )
        if number in used:
            continue
        used.add(number)
        index += 1
        yield str(number) if short else f"{number:012d}"


def _is_current(path: Path, wanted: dict) -> bool:
    """Whether a set of this generator with these values stands at ``path``."""
    try:
        found = read_json(path / "synthetic.json")
    except (OSError, CsalganError):
        return False
    wanted = {"generator": GENERATOR, **wanted}
    return isinstance(found, dict) and all(found.get(key) == wanted[key] for key in wanted)


def _check(path: Path, n_images: int, seed: int, size, observers: int) -> None:
    if n_images < 2:
        raise CsalganError(f"--images {n_images}: an embedded set needs at least 2 images.")
    if seed < 0:
        raise CsalganError(f"--seed {seed}: the seed must be 0 or larger.")
    if observers < 1:
        raise CsalganError(f"--observers {observers}: at least 1 simulated observer is needed.")
    if min(size) < 64:
        raise CsalganError(f"size {tuple(size)}: each side needs at least 64 pixels.")
    if not path.exists():
        return
    if not path.is_dir():
        raise CsalganError(f"{path}: a file stands here; choose another folder.")
    inside = {entry.name for entry in path.iterdir()}
    if inside and not (inside <= layout.ENTRIES and _is_current(path, {})):
        raise CsalganError(
            f"{path}: this folder holds something other than an embedded set and will not be "
            "overwritten; choose another folder."
        )
