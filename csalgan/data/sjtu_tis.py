"""Reading the released SJTU-TIS layout.

``image/``, ``map/`` and ``fixation/`` hold files with one stem per record; photographs may be
shared by all records of an image. Sentences come in ``image_text.json`` or the workbook.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from csalgan.data import pictures
from csalgan.data.contents import open_contents
from csalgan.data.dataset import Arrays, Dataset
from csalgan.data.records import CONDITIONS, parse_stem, source_of
from csalgan.data.sentence_files import sentence_key


def read(root: Path) -> Dataset:
    """Read the table of records of a folder in the released layout.

    Raises:
        CsalganError: what ``csalgan data check`` calls an error and names, sentences or the
            headers of the pictures show. Faults of the pixels are found by
            :func:`csalgan.data.require_clean`, and by reading them.
    """
    return Dataset(root, "SJTU-TIS", _records(root), Arrays(_image, _map, _fixations))


def _image(row: pd.Series) -> np.ndarray:
    return pictures.read("image", row["image_path"])


def _map(row: pd.Series) -> np.ndarray:
    return pictures.read("map", row["map_path"])


def _fixations(row: pd.Series) -> np.ndarray:
    return np.argwhere(pictures.read("fixation", row["fixation_path"])).astype(np.int32)


def _records(root: Path) -> pd.DataFrame:
    found, sizes = open_contents(root)
    table = []
    for stem in found.files["map"]:
        parsed = parse_stem(stem)
        text = found.sentences.get(sentence_key(parsed.image_id, parsed.suffix), "")
        if parsed.condition == "none":
            text = ""  # nothing was read, whatever the file says; the check warns of it
        height, width = sizes[stem]
        files = map(str, found.of(stem).values())
        table.append((stem, *parsed, text, *files, width, height))
    columns = ["record", "image_id", "suffix", "condition", "text"]
    columns += ["image_path", "map_path", "fixation_path", "width", "height"]
    records = pd.DataFrame(table, columns=columns)
    records["order"] = records["condition"].map(CONDITIONS.index)
    records = records.sort_values(["image_id", "order"], ignore_index=True)
    records["source"] = records["image_id"].map(source_of)
    records["n_records"] = records.groupby("image_id")["record"].transform("size")
    return records.drop(columns=["suffix", "order"])
