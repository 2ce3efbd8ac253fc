"""Reading the released SJTU-TIS layout.

``image/``, ``map/`` and ``fixation/`` hold files with one stem per record; photographs may be
shared by all records of an image. Sentences come in ``image_text.json`` or the workbook.
"""

import os
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from csalgan.data.dataset import Arrays, Dataset
from csalgan.data.records import CONDITIONS, parse_stem, source_of
from csalgan.data.sentences import find_sentences, read_sentences
from csalgan.errors import CsalganError

FOLDERS = ("image", "map", "fixation")
SUFFIXES = (".png", ".jpg", ".jpeg")

#: Fixation images hold 0 and 255; the check names any other value.
FIXATED_ABOVE = 127


def read(root: Path) -> Dataset:
    """Read the table of records of a folder in the released layout.

    Raises:
        CsalganError: an empty folder, a folder or the sentences are missing, or a record lacks its
            photograph or fixations (``csalgan data check`` lists every fault).
    """
    for folder in FOLDERS:
        if not (root / folder).is_dir():
            what = "is empty" if not any(root.iterdir()) else f"has no {folder}/ folder"
            raise CsalganError(
                f"{root}: {what}; give the folder that holds image/, map/ and fixation/."
            )
    return Dataset(root, "SJTU-TIS", _records(root), Arrays(_image, _map, _fixations))


def _image(row: pd.Series) -> np.ndarray:
    return read_pixels(row["image_path"], "RGB")


def _map(row: pd.Series) -> np.ndarray:
    return read_pixels(row["map_path"], "L")


def _fixations(row: pd.Series) -> np.ndarray:
    return np.argwhere(read_pixels(row["fixation_path"], "L") > FIXATED_ABOVE).astype(np.int32)


def read_pixels(path: str | os.PathLike, mode: str) -> np.ndarray:
    """Decode a picture: uint8 ``(H, W, 3)`` for ``RGB``, ``(H, W)`` for ``L``.

    Raises:
        CsalganError: the file is missing, truncated or no picture.
    """
    try:
        with Image.open(path) as picture:
            if mode == "RGB" and picture.mode == "RGBA":
                return np.asarray(picture)[..., :3]  # the colours under the alpha channel
            return np.asarray(picture.convert(mode))
    except FileNotFoundError as error:
        raise CsalganError(f"{path}: is missing; copy the dataset again.") from error
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise CsalganError(
            f"{path}: cannot be decoded as a picture; copy it again, and see "
            "`csalgan data check` for every fault."
        ) from error


def stems(folder: Path) -> dict[str, Path]:
    """Stem → file of the pictures in a folder (hidden files and other kinds are left out)."""
    found: dict[str, Path] = {}
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        name = Path(entry.name)
        if entry.is_file() and name.suffix.lower() in SUFFIXES and not entry.name.startswith("."):
            found.setdefault(name.stem, folder / entry.name)
    return found


def sentence_key(image_id: str, suffix: str) -> str:
    """A record's key in the sentence files: unpadded id and suffix."""
    key = image_id.lstrip("0")
    return f"{key}_{suffix}" if suffix else key


def _records(root: Path) -> pd.DataFrame:
    files = {folder: stems(root / folder) for folder in FOLDERS}
    if not files["map"]:
        raise CsalganError(f"{root / 'map'}: holds no maps; copy the dataset again.")
    sentences = read_sentences(root)
    table = []
    for stem, map_path in files["map"].items():
        parsed = parse_stem(stem)
        if parsed is None:
            raise CsalganError(
                f"{map_path}: not a record's name (8 to 12 digits, then nothing or _0 … _3); "
                "rename or remove it."
            )
        image = files["image"].get(stem) or files["image"].get(parsed.image_id)
        fixation = files["fixation"].get(stem)
        text = sentences.get(sentence_key(parsed.image_id, parsed.suffix), "")
        if parsed.condition == "none":
            text = ""  # nothing was read, whatever the file says; the check warns of it
        for what, found in (("photograph", image), ("fixation file", fixation)):
            if found is None:
                raise CsalganError(
                    f"{map_path}: its {what} is missing; copy it again, and see "
                    "`csalgan data check` for every fault."
                )
        if parsed.condition != "none" and not text:
            names = ", ".join(path.name for path in find_sentences(root).values())
            raise CsalganError(f"{stem}: has no sentence in {names}; add it.")
        table.append((stem, *parsed, text, str(image), str(map_path), str(fixation)))
    columns = ["record", "image_id", "suffix", "condition", "text"]
    columns += ["image_path", "map_path", "fixation_path"]
    records = pd.DataFrame(table, columns=columns)
    records["order"] = records["condition"].map(CONDITIONS.index)
    records = records.sort_values(["image_id", "order"], ignore_index=True)
    sizes = {path: picture_size(path) for path in records["image_path"].unique()}
    records["width"] = [sizes[path][0] for path in records["image_path"]]
    records["height"] = [sizes[path][1] for path in records["image_path"]]
    records["source"] = records["image_id"].map(source_of)
    records["n_records"] = records.groupby("image_id")["record"].transform("size")
    return records.drop(columns=["suffix", "order"])


def picture_size(path: str | os.PathLike) -> tuple[int, int]:
    """(width, height) from a file's header; nothing is decoded.

    Raises:
        CsalganError: the file is missing or no picture.
    """
    try:
        with Image.open(path) as picture:
            return picture.size
    except FileNotFoundError as error:
        raise CsalganError(f"{path}: is missing; copy the dataset again.") from error
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise CsalganError(f"{path}: is not a picture; copy it again.") from error
