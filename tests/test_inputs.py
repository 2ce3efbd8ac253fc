"""Files that somebody else made are opened in one way, pictures in one place."""

import io
import os
import re
import struct
import zlib

import numpy as np
import pytest
from conftest import ROOT
from PIL import Image

from csalgan.data import pictures
from csalgan.data.pictures import BadFile, read_photograph
from csalgan.files.errors import CsalganError
from csalgan.files.inputs import open_file, read_json, require_utf8, shown


def test_every_picture_is_opened_in_one_place_with_its_formats_named():
    found = {
        path.relative_to(ROOT).as_posix(): line
        for path in sorted((ROOT / "csalgan").rglob("*.py"))
        for line in path.read_text(encoding="utf-8").splitlines()
        if re.search(r"Image\.open\(", line)
    }
    # The second one reads what the suite itself packed.
    assert set(found) == {"csalgan/data/pictures.py", "csalgan/data/prepared.py"}
    assert all("formats=" in line for line in found.values())


def test_only_regular_files_of_a_fair_size_are_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "large").write_bytes(b"12345")
    for name in ("pipe", "loop", ".", "a\0b"):
        with pytest.raises(CsalganError) as refused:
            open_file(tmp_path / name)
        assert str(tmp_path) in str(refused.value)
    with pytest.raises(CsalganError, match=r"regular file"):
        open_file("/dev/zero")
    with pytest.raises(CsalganError, match=r"large: .* MB"):
        open_file(tmp_path / "large", most=4)
    with open_file(tmp_path / "large", most=5) as file:
        assert file.read() == b"12345"
    with pytest.raises(FileNotFoundError):
        open_file(tmp_path / "nothing")


def test_json_that_is_none_is_one_sentence(tmp_path):
    for content in (b"{", b"[" * 100_000, b"\xff", b'{"a":' * 50_000):
        (tmp_path / "a.json").write_bytes(content)
        with pytest.raises(CsalganError, match=r"a\.json: not readable as JSON"):
            read_json(tmp_path / "a.json")


def test_names_that_are_not_utf8_are_shown_and_refused(tmp_path):
    path = tmp_path / os.fsdecode(b"caf\xe9.jpg")
    assert shown(path).endswith(r"caf\udce9.jpg")
    with pytest.raises(CsalganError, match="not UTF-8"):
        require_utf8(path)
    require_utf8(tmp_path / "café.jpg")


def saved(path, pixels, **options):
    Image.fromarray(pixels).save(path, **options)
    return path


def turned(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_a_photograph_is_seen_as_its_note_turns_it(suffix, tmp_path):
    pixels = np.zeros((20, 30, 3), np.uint8)
    pixels[:, :15] = 255
    path = saved(tmp_path / f"a.{suffix}", pixels, exif=turned(6))
    assert pictures.size_of("image", path) == (30, 20)
    image = pictures.read("image", path)
    assert image.shape == (30, 20, 3)
    assert image[:10].mean() > 250  # the left half is on top
    assert np.array_equal(image, read_photograph(path))


MAP = np.arange(600, dtype=np.uint8).reshape(20, 30)
SPOTS = np.where(MAP % 50 == 0, 255, 0).astype(np.uint8)
COLOURED = np.stack([SPOTS, SPOTS, np.zeros_like(SPOTS)], -1)


def palette(colours) -> bytes:
    picture = Image.fromarray(MAP % 2 * np.uint8(1), "L").convert("P")
    picture.putpalette(colours)
    return picture


@pytest.mark.parametrize(
    ("folder", "picture", "kind"),
    [
        ("map", Image.fromarray(MAP.astype(np.uint16) * 200), "map not grey"),
        ("map", Image.fromarray(COLOURED), "map not grey"),
        ("map", palette([0, 0, 0, 255, 0, 0]), "map not grey"),
        ("map", Image.new("L", (30, 20), 7), "constant map"),
        ("map", Image.new("CMYK", (30, 20)), "map not grey"),
        ("fixation", Image.fromarray(COLOURED), "fixation values"),
        ("fixation", Image.fromarray(MAP), "fixation values"),
        ("fixation", Image.new("L", (30, 20)), "empty fixation set"),
        ("fixation", Image.fromarray(SPOTS.astype(np.uint16) * 257), "fixation values"),
        ("image", Image.fromarray(MAP.astype(np.uint16) * 200), "unreadable file"),
        ("image", Image.new("RGB", (9000, 5000)), "unreadable file"),
    ],
)
def test_what_a_records_file_may_not_be(folder, picture, kind, tmp_path):
    path = tmp_path / ("a.jpg" if picture.mode == "CMYK" else "a.png")
    picture.save(path)
    with pytest.raises(BadFile, match=re.escape(str(path))) as refused:
        pictures.read(folder, path)
    assert refused.value.kind == kind


def test_16_bits_a_channel_are_seen_though_pillow_hides_them(tmp_path):
    def chunk(kind: bytes, content: bytes) -> bytes:
        whole = kind + content
        return struct.pack(">I", len(content)) + whole + struct.pack(">I", zlib.crc32(whole))

    rows = np.zeros((20, 1 + 30 * 3 * 2), np.uint8)  # filter 0, then 16-bit RGB
    header = struct.pack(">IIBBBBB", 30, 20, 16, 2, 0, 0, 0)
    parts = [(b"IHDR", header), (b"IDAT", zlib.compress(rows.tobytes())), (b"IEND", b"")]
    content = b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(BadFile, match="16 bits"):
        pictures.size_of("map", tmp_path / "a.png")


def test_grey_may_be_stored_in_several_ways(tmp_path):
    for name, picture in {
        "rgb": Image.fromarray(np.stack([MAP] * 3, -1)),
        "palette": palette([0, 0, 0, 200, 200, 200]),
        "la": Image.fromarray(MAP).convert("LA"),
    }.items():
        picture.save(tmp_path / f"{name}.png")
        read = pictures.read("map", tmp_path / f"{name}.png")
        assert read.dtype == np.uint8
        assert np.array_equal(read, np.asarray(picture.convert("L")))
    for name, mode in {"f": "L", "rgb": "RGB", "one": "1", "p": "P"}.items():
        Image.fromarray(SPOTS).convert(mode).save(tmp_path / f"{name}.png")
        assert np.array_equal(pictures.read("fixation", tmp_path / f"{name}.png"), SPOTS > 0)


def test_maps_and_fixations_are_not_turned(tmp_path):
    for folder, pixels in (("map", MAP), ("fixation", SPOTS)):
        path = saved(tmp_path / f"{folder}.png", pixels, exif=turned(6))
        with pytest.raises(BadFile, match="EXIF"):
            pictures.read(folder, path)


def test_a_postscript_file_never_reaches_ghostscript(tmp_path, monkeypatch):
    from PIL import EpsImagePlugin

    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", lambda *_: pytest.fail("Ghostscript ran"))
    buffer = io.BytesIO()
    Image.new("L", (8, 8)).save(buffer, "EPS")
    (tmp_path / "a.png").write_bytes(buffer.getvalue())
    for folder in pictures.FOLDERS:
        with pytest.raises(BadFile):
            pictures.read(folder, tmp_path / "a.png")
