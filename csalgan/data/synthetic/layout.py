"""Writing the embedded set in the released SJTU-TIS layout, to the same bytes every time."""

import io
import json
import re
import zipfile
from pathlib import Path

import numpy as np
import openpyxl
from PIL import Image

from csalgan.data.synthetic.gaze import look, saliency_map, true_density

WORKBOOK = "text最终版本.xlsx"
#: Everything that stands at the root of an embedded set.
ENTRIES = {"image", "map", "fixation", WORKBOOK, "image_text.json", "synthetic.json"}
_KINDS = {"general": "整体", "non_salient": "非显著", "salient": "显著"}
_EPOCH = "2024-01-01T00:00:00Z"


def write_image(folder: Path, stems: list[str], pixels: np.ndarray) -> None:
    """Write one JPEG named by a single stem, or the same RGBA PNG under each of several."""
    if len(stems) == 1:
        picture = Image.fromarray(pixels)
        picture.save(folder / "image" / f"{stems[0]}.jpg", quality=93, subsampling=0)
        return
    alpha = np.full((*pixels.shape[:2], 1), 255, np.uint8)
    data = io.BytesIO()
    Image.fromarray(np.concatenate([pixels, alpha], axis=2)).save(data, "PNG")
    for stem in stems:
        (folder / "image" / f"{stem}.png").write_bytes(data.getvalue())


def write_gaze(folder: Path, truth: dict, record: str, rng: np.random.Generator) -> None:
    """Simulate the observers of one record; write its fixations (RGB, 0 or 255) and its map."""
    density = true_density(truth, record)
    fixations = look(density, truth["observers"], truth["gaze_model"], rng)
    marks = np.zeros((*density.shape, 3), np.uint8)
    marks[tuple(fixations.T)] = 255
    Image.fromarray(marks).save(folder / "fixation" / f"{record}.png")
    blurred = saliency_map(fixations, density.shape, truth["gaze_model"])
    Image.fromarray(blurred).save(folder / "map" / f"{record}.png", compress_level=4)


def write_sentences(folder: Path, images: dict) -> None:
    """Write the workbook and ``image_text.json``, both with unpadded ids as released."""
    book = openpyxl.Workbook()
    whole = book.active
    whole.title = "整体"
    whole.append(["image", "text"])
    parts = book.create_sheet("部分-实验设置")
    parts.append(["image", "描述种类", "text"])
    texts: dict[str, str] = {}
    for image_id in sorted(images, key=int):
        records = images[image_id]["records"]
        for record, entry in records.items():
            texts[f"{int(image_id)}{record.removeprefix(image_id)}"] = entry["text"]
            if entry["condition"] == "none":
                continue
            if len(records) == 2:
                whole.append([int(image_id), entry["text"]])
            else:
                parts.append([int(image_id), _KINDS[entry["condition"]], entry["text"]])
    (folder / WORKBOOK).write_bytes(_timeless(book))
    write_json(folder / "image_text.json", texts)


def write_json(path: Path, content) -> None:
    """Write UTF-8 JSON with a final newline."""
    path.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def _timeless(book: openpyxl.Workbook) -> bytes:
    """The workbook's bytes with every date in it fixed, so that equal content is equal bytes."""
    raw, fixed = io.BytesIO(), io.BytesIO()
    book.save(raw)
    with zipfile.ZipFile(raw) as source, zipfile.ZipFile(fixed, "w") as target:
        for name in sorted(source.namelist()):
            member = source.read(name)
            if name == "docProps/core.xml":
                member = re.sub(rb"\d{4}-\d\d-\d\dT[\d:]+Z", _EPOCH.encode(), member)
            info = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            target.writestr(info, member, zipfile.ZIP_DEFLATED)
    return fixed.getvalue()
