"""The embedded dataset: procedural scenes, sentences and simulated gaze with known ground truth.

It is written in the released layout of SJTU-TIS, so everything that reads one reads the other.
``synthetic.json`` at its root holds what really happened: the objects of every scene, the objects
every sentence names, and all parameters of the gaze model (see ``gaze.py``).
"""

import io
import json
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from csalgan.data.pictures import FOLDERS
from csalgan.data.records import CONDITION_OF_SUFFIX, parse_stem
from csalgan.data.sentence_files import JSON_NAME
from csalgan.data.synthetic.captions import describe
from csalgan.data.synthetic.gaze import (
    GAZE_MODEL,
    component_densities,
    look,
    saliences,
    saliency_map,
    true_density,
)
from csalgan.data.synthetic.scenes import Placed, draw_scene
from csalgan.data.truth import NAME as TRUTH_NAME
from csalgan.files import paths
from csalgan.files.errors import CsalganError
from csalgan.files.inputs import read_json
from csalgan.files.writing import atomic_dir

__all__ = ["component_densities", "ensure_embedded", "synthesise", "true_density"]

GENERATOR = "csalgan.data.synthetic"
#: Raised whenever the same arguments no longer give the same pictures, gaze or sentences.
VERSION = 1
#: Everything that stands at the root of an embedded set (sets once had a workbook too).
ENTRIES = {*FOLDERS, JSON_NAME, TRUTH_NAME, "text最终版本.xlsx"}


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
    least = {"images": (n_images, 2), "seed": (seed, 0), "observers": (observers, 1)}
    for name, (value, smallest) in (least | {"size": (min(size), 64)}).items():
        if value < smallest:
            raise CsalganError(f"{name} {value}: an embedded set needs at least {smallest}.")
    if path.exists():
        inside = {entry.name for entry in path.iterdir()} if path.is_dir() else {""}
        if inside and not (inside <= ENTRIES and _is_current(path, {})):
            raise CsalganError(
                f"{path}: holds something other than an embedded set and will not be overwritten; "
                "choose another folder."
            )
    truth = {"generator": GENERATOR, "version": VERSION, "seed": seed, "n_images": n_images}
    truth |= {"size": [int(n) for n in size], "observers": observers}
    truth |= {"gaze_model": GAZE_MODEL, "images": {}}
    ids = _image_ids(seed)
    with atomic_dir(path) as folder:
        for kind in FOLDERS:
            (folder / kind).mkdir()
        for index in range(n_images):
            _add_image(folder, truth, next(ids), index)
        truth["images"] = dict(sorted(truth["images"].items()))
        texts = {
            parse_stem(record).key: entry["text"]
            for image_id in sorted(truth["images"], key=int)
            for record, entry in truth["images"][image_id]["records"].items()
        }
        for name, content in ((JSON_NAME, texts), (TRUTH_NAME, truth)):
            written = json.dumps(content, ensure_ascii=False, indent=1)
            (folder / name).write_text(f"{written}\n", encoding="utf-8")
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


def _is_current(path: Path, wanted: dict) -> bool:
    """Whether a set of this generator with these values stands at ``path``."""
    try:
        found = read_json(path / TRUTH_NAME)
    except (OSError, CsalganError):
        return False
    wanted = {"generator": GENERATOR, **wanted}
    return isinstance(found, dict) and wanted.items() <= found.items()


def _add_image(folder: Path, truth: dict, image_id: str, index: int) -> None:
    """Draw one image with its sentences and gaze; write its files and its share of the truth."""
    rng = np.random.default_rng([truth["seed"], index])
    height, width = truth["size"][::-1] if index % 16 in (5, 10) else truth["size"]
    scene = draw_scene((height, width), rng)
    objects = map(_object, scene.objects, saliences(scene.objects))
    records = {}
    for suffix in "0123" if index % 2 == 0 else ("0", ""):
        condition = CONDITION_OF_SUFFIX[suffix]
        text, named = describe(scene, condition, rng)
        record = f"{image_id}_{suffix}".removesuffix("_")
        records[record] = {"condition": condition, "text": text, "named": named}
    ground = {"tone": scene.tone, "texture": scene.texture}
    about = {"height": height, "width": width, "ground": ground, "objects": [*objects]}
    truth["images"][image_id] = {**about, "records": records}
    picture, stems = Image.fromarray(scene.image), [image_id]
    form = {"format": "JPEG", "quality": 93, "subsampling": 0}
    if index % 40 in (7, 22):  # one a record, and with an alpha channel
        picture.putalpha(255)
        form, stems = {"format": "PNG"}, list(records)
    packed = io.BytesIO()
    picture.save(packed, **form)
    for stem in stems:
        suffix = ".jpg" if form["format"] == "JPEG" else ".png"
        (folder / "image" / f"{stem}{suffix}").write_bytes(packed.getvalue())
    for record in records:
        density = true_density(truth, record)
        fixations = look(density, truth["observers"], truth["gaze_model"], rng)
        marks = np.zeros((height, width, 3), np.uint8)
        marks[tuple(fixations.T)] = 255
        Image.fromarray(marks).save(folder / "fixation" / f"{record}.png")
        blurred = saliency_map(fixations, density.shape, truth["gaze_model"])
        Image.fromarray(blurred).save(folder / "map" / f"{record}.png", compress_level=4)


def _object(item: Placed, salience: float) -> dict:
    """What the truth says of an object: lengths in pixels, centre (y, x), box half-open."""
    name = {"name": f"{item.colour} {item.shape}", "colour": item.colour, "shape": item.shape}
    place = {"center": [round(n, 3) for n in item.centre], "radius": round(item.radius, 3)}
    seen = {"opacity": round(item.opacity, 4), "contrast": round(item.contrast, 4)}
    seen |= {"salience": float(salience), "box": list(item.box)}
    return {**name, "role": item.role, **place, **seen}


def _image_ids(seed: int) -> Iterator[str]:
    """Endless unique ids: COCO-like (12 digits, zero-padded), one in ten Flickr-like (8 to 11)."""
    rng = np.random.default_rng([seed, 2**31])
    used: set[int] = set()
    while True:
        short = len(used) % 20 in (3, 12)
        digits = int(rng.choice([8, 9, 10, 11], p=[0.1, 0.4, 0.4, 0.1]))
        low, high = (10 ** (digits - 1), 10**digits) if short else (9, 581_930)
        number = int(rng.integers(low, high))
        if number not in used:
            used.add(number)
            yield str(number) if short else f"{number:012d}"
