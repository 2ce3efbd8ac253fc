"""Packed arrays at the model's size: what training loads.

A folder holds four files that are read through memory maps::

    images.bin      JPEG (quality 95, 4:4:4) of every photograph, one after the other
    maps.bin        zlib-packed map of every record (lossless)
    fixations.npy   int16 (N, 2) native (y, x) of all records, one after the other
    index.npz       offsets into the three, native sizes, which image a record belongs to

Pictures are resized with antialiased bilinear filtering to a square, aspect ratio not kept, as the
author's code does. JPEG at this quality changes a channel by 1.5 of 255 grey levels on average (on
SJTU-TIS at 256 px); it keeps the 510 images there at 44 MB, where raw arrays take 200 MB.
"""

import hashlib
import io
import json
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from csalgan.data.dataset import Dataset
from csalgan.files import paths
from csalgan.files.progress import Progress
from csalgan.files.writing import atomic_dir

#: Raise it when the files' meaning changes: older folders are then made again.
VERSION = 2
_JPEG = {"format": "JPEG", "quality": 95, "subsampling": 0}


class Prepared:
    """A dataset at one size, in memory.

    Attributes:
        size: side of the square, pixels.
        fingerprint: of the dataset (64 hex digits).
        records: the rows of ``Dataset.records``, in the same order.
        image_index: int64 ``(n_records,)``, the row of :attr:`images` that a record belongs to.
        native_size: int32 ``(n_records, 2)``, (height, width) in native pixels.
        folder: where the packed files stand.
    """

    def __init__(self, folder: Path, records: pd.DataFrame, fingerprint: str, size: int):
        self.folder, self.records = folder, records
        self.fingerprint, self.size = fingerprint, size
        with np.load(folder / "index.npz", allow_pickle=False) as index:
            self.image_index = index["image_index"]
            self.native_size = index["native_size"]
            self._image_offsets = index["image_offsets"]
            self._map_offsets = index["map_offsets"]
            self._fixation_offsets = index["fixation_offsets"]
        self._fixations = np.load(folder / "fixations.npy", mmap_mode="r", allow_pickle=False)

    @cached_property
    def images(self) -> np.ndarray:
        """uint8 ``(n_images, size, size, 3)`` RGB, decoded once."""
        return _unpack(self.folder / "images.bin", self._image_offsets, _from_jpeg)

    @cached_property
    def maps(self) -> np.ndarray:
        """uint8 ``(n_records, size, size)``, decoded once; row i belongs to ``records.iloc[i]``."""
        shape = (self.size, self.size)

        def from_zlib(packed: bytes) -> np.ndarray:
            return np.frombuffer(zlib.decompress(packed), np.uint8).reshape(shape)

        return _unpack(self.folder / "maps.bin", self._map_offsets, from_zlib)

    @cached_property
    def fixation_masks(self) -> np.ndarray:
        """uint8 ``(n_records, size, size)``, :meth:`fixation_mask` of every record."""
        return np.stack([self.fixation_mask(row) for row in range(len(self.records))])

    def fixations(self, row: int) -> np.ndarray:
        """int32 ``(N, 2)`` native (y, x) of the record in row ``row``."""
        start, stop = self._fixation_offsets[row : row + 2]
        return self._fixations[start:stop].astype(np.int32)

    def fixation_mask(self, row: int) -> np.ndarray:
        """uint8 ``(size, size)``: 1 where a fixation falls, coordinates scaled and floored."""
        scaled = self.fixations(row) * self.size // self.native_size[row]
        mask = np.zeros((self.size, self.size), np.uint8)
        mask[scaled[:, 0], scaled[:, 1]] = 1
        return mask


def prepare(dataset: Dataset, size: int = 256) -> Prepared:
    """Pack a dataset at ``size`` pixels, or open what was packed from the same content before.

    Raises:
        CsalganError: a file cannot be decoded, or the disk is full.
    """
    folder = paths.cache_dir() / "prepared" / f"{dataset.fingerprint[:12]}-{size}"
    if not _usable(folder, dataset, size):
        with atomic_dir(folder) as temporary:
            _pack(dataset, size, temporary)
    return Prepared(folder, dataset.records, dataset.fingerprint, size)


def square(image: np.ndarray, size: int) -> np.ndarray:
    """Resize uint8 ``(H, W)`` or ``(H, W, 3)`` to a square, antialiased bilinear."""
    picture = Image.fromarray(np.ascontiguousarray(image))
    return np.asarray(picture.resize((size, size), Image.Resampling.BILINEAR))


def _pack(dataset: Dataset, size: int, folder: Path) -> None:
    records = dataset.records
    first = records.groupby("image_id", sort=True)["record"].first()
    place = {image_id: number for number, image_id in enumerate(first.index)}

    def packed_image(record: str) -> bytes:
        buffer = io.BytesIO()
        Image.fromarray(square(dataset.image(record), size)).save(buffer, **_JPEG)
        return buffer.getvalue()

    def packed_map(record: str) -> bytes:
        return zlib.compress(square(dataset.map(record), size).tobytes(), 6)

    with ThreadPoolExecutor(2) as pool:  # decoding, resizing and packing release the lock
        about = {"desc": "pack images", "total": len(first), "unit": " images"}
        images = Progress(pool.map(packed_image, first), **about)
        image_offsets = _write(folder / "images.bin", images)
        about = {"desc": "pack maps", "total": len(records), "unit": " records"}
        maps = Progress(pool.map(packed_map, records["record"]), **about)
        map_offsets = _write(folder / "maps.bin", maps)
        fixations = list(pool.map(dataset.fixations, records["record"]))
    np.save(folder / "fixations.npy", np.concatenate(fixations).astype(np.int16))
    np.savez(
        folder / "index.npz",
        image_index=records["image_id"].map(place).to_numpy(np.int64),
        native_size=records[["height", "width"]].to_numpy(np.int32),
        image_offsets=image_offsets,
        map_offsets=map_offsets,
        fixation_offsets=np.cumsum([0, *map(len, fixations)], dtype=np.int64),
    )
    files = {path.name: _digest(path) for path in sorted(folder.iterdir())}
    receipt = {"version": VERSION, "fingerprint": dataset.fingerprint, "size": size, "files": files}
    (folder / "receipt.json").write_text(json.dumps(receipt), encoding="utf-8")


def _write(path: Path, blobs) -> np.ndarray:
    """Write blobs one after the other; the offsets say where each begins and the last one ends."""
    offsets = [0]
    with path.open("wb") as file:
        for blob in blobs:
            file.write(blob)
            offsets.append(offsets[-1] + len(blob))
    return np.asarray(offsets, np.int64)


def _unpack(path: Path, offsets: np.ndarray, decode: Callable[[bytes], np.ndarray]) -> np.ndarray:
    packed = np.memmap(path, np.uint8, mode="r")
    with ThreadPoolExecutor(2) as pool:
        parts = pool.map(
            lambda i: decode(packed[offsets[i] : offsets[i + 1]].tobytes()), range(len(offsets) - 1)
        )
        return np.stack(list(parts))


def _from_jpeg(blob: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(blob), formats=("JPEG",)) as picture:
        return np.asarray(picture.convert("RGB"))


def _usable(folder: Path, dataset: Dataset, size: int) -> bool:
    """Whether the folder was packed from this content and no byte has changed since."""
    try:
        receipt = json.loads((folder / "receipt.json").read_text(encoding="utf-8"))
        whole = all(_digest(folder / name) == was for name, was in receipt["files"].items())
    except (OSError, ValueError, KeyError, AttributeError):
        return False
    expected = {"version": VERSION, "fingerprint": dataset.fingerprint, "size": size}
    return whole and expected.items() <= receipt.items()


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
