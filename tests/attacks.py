"""Contents of files that somebody made to break whoever reads them: name of the attack → bytes."""

import csv
import io
import itertools
import json
import os
import pickle
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator

import numpy as np
import openpyxl
from PIL import Image


class Exploit:
    """What a pickle does when somebody loads it."""

    def __init__(self, canary: str = "canary"):
        self.canary = canary

    def __reduce__(self):
        return (os.system, (f"touch {self.canary}",))


def pieces(content: bytes, n: int = 4) -> Iterator[tuple[str, bytes]]:
    """A file cut short at n places, emptied, and with its beginning overwritten."""
    for k in range(1, n):
        yield f"cut to {k}/{n}", content[: len(content) * k // n]
    yield "empty", b""
    yield "zeros", bytes(len(content))
    yield "text", b"hello, I am text\n" * 10
    yield "html", b"<!doctype html><html><body>404</body></html>"
    yield "another magic", b"GIF89a" + content[6:]
    yield "shifted", b"\0" + content


# --- pictures ---------------------------------------------------------------------------------


def picture(form: str, mode: str = "RGB", size=(60, 40)) -> bytes:
    pixels = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(buffer, form)
    return buffer.getvalue()


def png(pixels: np.ndarray, **options) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", **options)
    return buffer.getvalue()


def png_16(pixels: np.ndarray) -> bytes:
    """An RGB PNG of 16 bits a channel, which Pillow cannot write, from uint16 (H, W)."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        whole = kind + content
        return struct.pack(">I", len(content)) + whole + struct.pack(">I", zlib.crc32(whole))

    height, width = pixels.shape
    rows = np.repeat(pixels[..., None], 3, 2).astype(">u2").reshape(height, -1).view(np.uint8)
    rows = np.pad(rows, ((0, 0), (1, 0)))  # every row begins with its filter: none
    parts = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0))]
    parts += [(b"IDAT", zlib.compress(rows.tobytes())), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


def bomb(side: int) -> bytes:
    """A few kilobytes that say they are side × side pixels."""
    buffer = io.BytesIO()
    Image.new("1", (side, side)).save(buffer, "PNG")
    return buffer.getvalue()


def lying_png(width: int, height: int) -> bytes:
    """A small PNG whose header says it is large."""
    content = bytearray(picture("PNG"))
    content[16:24] = struct.pack(">II", width, height)
    return bytes(content)


def exif(orientation: int) -> Image.Exif:
    made = Image.Exif()
    made[0x0112] = orientation
    return made


#: No photograph, no map and no fixations, whoever reads them.
NO_PICTURES = {
    **{f"{form} {what}": content for form in ("PNG", "JPEG") for what, content
       in pieces(picture(form))},
    **{f"a {form}": picture(form) for form in ("GIF", "BMP", "TIFF", "ICO", "PPM")},
    "SVG": b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>',
    "EPS": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(touch) show\n",
    "EPS by Pillow": picture("EPS"),
    "20,000 px": bomb(20_000),
    "huge header": lying_png(2**31 - 1, 2**31 - 1),
    "large header": lying_png(30_000, 30_000),
    "no pixels": lying_png(0, 10),
}  # fmt: skip


# --- arrays -----------------------------------------------------------------------------------


def npy(values: np.ndarray, **options) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, values, **options)
    return buffer.getvalue()


def _lying(content: bytes, says: bytes) -> bytes:
    return content.replace(b"(8, 9)", says)


_MAP = npy(np.ones((8, 9), np.float32))
ARRAYS = {
    **dict(pieces(_MAP, 8)),
    "objects": npy(np.array([Exploit()], object), allow_pickle=True),
    "text": npy(np.array([["a", "b"]])),
    "complex": npy(np.ones((3, 3), complex)),
    "cube": npy(np.ones((3, 3, 3))),
    "line": npy(np.ones(9)),
    "nothing": npy(np.ones((0, 5))),
    "code": _lying(_MAP, b"(9**9)"),
    "short": _lying(_MAP, b"(8,99)"),
    "petabytes": _lying(_MAP, b"(9e9,)"),
    "header of 4 GB": b"\x93NUMPY\x02\x00" + struct.pack("<I", 2**32 - 1) + b"{" * 99,
}


# --- text -------------------------------------------------------------------------------------

#: No JSON of names and sentences.
JSONS = {
    **{what: part for what, part in pieces(b'{"000000000001_1": "a dog"}') if what != "empty"},
    "a key twice": b'{"1": "a", "1": "b"}',
    "a list": b'["a", "b"]',
    "a number": b"3",
    "NaN": b'{"a": NaN}',
    "a number for a sentence": b'{"a": 3}',
    "null for a sentence": b'{"a": null}',
    "nested deeply": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "lists nested deeply": b"[" * 100_000,
    "a long number": b'{"a": ' + b"9" * 100_000 + b"}",
    "not UTF-8": b'{"a": "\xff\xfe"}',
    "UTF-16": '{"a": "b"}'.encode("utf-16"),
}
_LAUGHS = "a: &a [x, x]\n" + "".join(
    f"{chr(98 + k)}: &{chr(98 + k)} [{', '.join([f'*{chr(97 + k)}'] * 9)}]\n" for k in range(9)
)
#: No profile and no sweep.
YAMLS = {
    "code": b"!!python/object/apply:os.system ['touch canary']",
    "code in a value": b"name: !!python/object/apply:os.system ['touch canary']",
    "an object": b"name: !!python/object:pathlib.Path {}",
    "a module": b"name: !!python/module:os",
    "laughs": _LAUGHS.encode(),
    "itself": b"&a [*a]",
    "tabs": b"name:\n\t- a",
    "open bracket": b"name: [",
    "a list": b"- a\n- b",
    "a number": b"3",
    "nothing": b"",
    "two documents": b"name: a\n---\nname: b",
    "control characters": b"name: a\x00b",
    "unknown alias": b"name: *nobody",
    "keys that are lists": b"? [a]\n: b",
    "nested deeply": b"a: " + b"[" * 2_000,
    "a long number": b"seed: " + b"9" * 6000,
    "a key that is a number": b"1: b",
    "UTF-16": b"\xff\xfe\x00",
    "no UTF-8": b"\x80abc",
    "all bytes": bytes(range(256)),
    "two megabytes": b"name: " + b"a" * 2**21,
}


def _plan(**changed) -> bytes:
    return json.dumps({"profile": "smoke", "data": "", "overrides": [], **changed}).encode()


#: No ``plan.json`` of a report: contents, or what makes something else of the path.
PLANS = {
    **{what: part for what, part in pieces(_plan()) if what != "shifted"},
    "a list": b"[]",
    "{}": b"{}",
    "null": b"null",
    "nested deeply": b"[" * 100_000,
    "UTF-16": "{}".encode("utf-16"),
    "no such profile": _plan(profile="nowhere"),
    "a profile that is none": _plan(profile="/etc/passwd"),
    "a profile of numbers": _plan(profile=3),
    "data that are gone": _plan(data="/nowhere"),
    "data of two lines": _plan(data="a\nb"),
    "data with a zero": _plan(data="a\0b"),
    "data that are no text": _plan(data="\ud800"),
    "an override that is code": _plan(overrides=["seed=!!python/name:os.system"]),
    "overrides in a row": _plan(overrides="abc"),
    "author as a number": _plan(author=3),
    "a pipe": os.mkfifo,
    "a device": lambda path: path.symlink_to("/dev/zero"),
    "a loop of links": lambda path: path.symlink_to(path),
    "a folder": lambda path: path.mkdir(),
}
#: Values of ``--set`` that no profile takes.
VALUES = [
    "data.size=0", "data.size=17", "data.size=99999", "data.size=big", "data.size=[256]",
    "data.size=1e400", "data.size=.nan", "data.size=true", "data.size=", "data.split=random",
    "data.split_seed=-1", "data.embedded_images=1", "data.free_viewing=3", "text.encoder=bert",
    "text.clip_weights=3", "text.cast_to_int=maybe", "model.kind=huge", "model.fusion=all",
    "model.channels=48", "model.dropout=1.0", "model.dropout=-0.1",
    "model.test_scales=256", "model.test_scales=[256]", "training.epochs=0", "training.epochs=1.5",
    "training.epochs='3'", f"seed={2**70}", f"data.split_seed={2**70}",
    "training.batch_size=0", "training.batch_size=-4",
    "training.learning_rate=0", "training.learning_rate=nan", "training.learning_rate=.nan",
    "training.learning_rate=.inf", "training.learning_rate=fast", "training.betas=[0.5]",
    "training.betas=[1.0, 0.9]", "training.subsets=[]", "training.subsets=[sal, sal]",
    "training.subsets=[everything]", "training.content_weight=-1", "training.precision=float16",
    "training.device=tpu", "training.batches=images", "training.losses.change=1.0",
    "training.losses.mse=1.0", "training.losses=3", "training.augment.crop=0.0",
    "training.augment.colour=1.0", "training.ema_decay=1.0", "training.patience=-1",
    "evaluation.metric_profiles=[best]", "evaluation.bootstrap=1", "seed=-1", "seed=x",
    "name=[a]", "nonsense=1", "data.nonsense=1", "data=1", "name.first=a", "novalue", "=3", "",
    "data.size=[", "data.size={", "data.size=!!python/name:os.system",
    "data.size=" + "9" * 6000,
]  # fmt: skip


def workbooks() -> Iterator[tuple[str, bytes]]:
    """Workbooks that are cut, or one of whose parts is not what it should be."""
    book = openpyxl.Workbook()
    book.active.append(["image", "text"])
    buffer = io.BytesIO()
    book.save(buffer)
    whole = buffer.getvalue()
    yield from pieces(whole)
    entity = (
        b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>'
    )
    laughs = b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY a "ha">' + b"".join(
        b'<!ENTITY %c "%s">' % (b"abcdefghij"[k + 1], b"&%c;" % b"abcdefghij"[k] * 10)
        for k in range(9)
    )
    laughs += b"]><a>&j;</a>"
    with zipfile.ZipFile(io.BytesIO(whole)) as packed:
        parts = {name: packed.read(name) for name in packed.namelist()}
    for name in ("xl/workbook.xml", "[Content_Types].xml", "xl/worksheets/sheet1.xml"):
        for what, content in {"broken": b"<workbook", "entity": entity, "laughs": laughs}.items():
            yield f"{name} {what}", zipped({**parts, name: content})
    yield "100 MB of spaces", zipped({**parts, "xl/sharedStrings.xml": b" " * 10**8})


# --- archives ---------------------------------------------------------------------------------


def zipped(members: dict) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in members.items():
            packed.writestr(name, content)
    return buffer.getvalue()


def tarred(members: dict[str, bytes], how: str = "") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=f"w:{how}") as packed:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            packed.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def _member(name: str, kind: bytes = tarfile.REGTYPE, size: int = 0) -> bytes:
    member = tarfile.TarInfo(name)
    member.type, member.linkname, member.size = kind, "/etc/passwd", size
    return member.tobuf(tarfile.GNU_FORMAT) + bytes(1024)


def archives(small: dict[str, bytes]) -> Iterator[tuple[str, bytes]]:
    """Name (its suffix says the kind) and content of archives that are no dataset.

    Args:
        small: members of one that is.
    """
    names = ["../outside.png", "/tmp/csalgan-outside.png", "map/../../outside.png", "..\\out.png",
             "C:\\out.png", "map/../../../canary"]  # fmt: skip
    for number, name in enumerate(names):
        yield f"leaves {number}.zip", zipped({name: b"x"})
        yield f"leaves {number}.tar", _member(name)
    for what, kind in {
        "link": tarfile.SYMTYPE,
        "hard link": tarfile.LNKTYPE,
        "device": tarfile.CHRTYPE,
        "pipe": tarfile.FIFOTYPE,
    }.items():
        yield f"{what}.tar", _member("map/link.png", kind)
    link = zipfile.ZipInfo("map/link.png")
    link.external_attr = 0o120777 << 16
    yield "link.zip", zipped({link: b"/etc/passwd"})
    yield "100,001 files.zip", zipped({f"map/{k}.png": b"" for k in range(100_001)})
    large = bytearray(zipped({"map/a.png": b"x"}))
    at = large.index(b"PK\x01\x02")
    large[at + 24 : at + 28] = struct.pack("<I", 2**32 - 2)
    yield "says 4 GB.zip", bytes(large)
    yield "says 1 TB.tar", _member("map/a.png", size=2**36)
    yield "header of 7 GB.tar", _member("a", tarfile.XHDTYPE, 7 * 2**30) + bytes(2**20)
    yield "bomb.zip", zipped({"map/a.png": bytes(65 * 2**20)})
    for form, whole in {
        "zip": zipped(small),
        "tar": tarred(small),
        "tar.gz": tarred(small, "gz"),
        "tar.bz2": tarred(small, "bz2"),
    }.items():
        for what, content in pieces(whole):
            yield f"{what.replace('/', ' of ')}.{form}", content
    yield "something else.zip", zipped({"a/b.txt": b"x"})
    yield "nothing.zip", zipped({})
    yield "file and folder.zip", zipped({"map": b"x", "map/a.png": b"x"})
    yield "long name.zip", zipped({"a" * 300: b"x"})


# --- weights ----------------------------------------------------------------------------------


def safetensors(whole: bytes) -> Iterator[tuple[str, bytes]]:
    """Files whose header lies about what follows."""
    yield from pieces(whole, 6)
    (size,) = struct.unpack("<Q", whole[:8])
    header, data = json.loads(whole[8 : 8 + size]), whole[8 + size :]
    # A tensor with numbers in it, whatever its place.
    first = next(k for k, v in header.items() if k != "__metadata__" and v["shape"])

    def with_header(changed: object) -> bytes:
        text = json.dumps(changed).encode()
        return struct.pack("<Q", len(text)) + text + data

    for length in (0, 1, 2**31, 2**63, 2**64 - 1, size - 1, size + 1):
        yield f"header of {length}", struct.pack("<Q", length) + whole[8:]
    for what, change in {
        "dtype": {"dtype": "F99"},
        "wider dtype": {"dtype": "F64"},
        "shape": {"shape": [2**40, 2**40]},
        "negative shape": {"shape": [-1]},
        "offsets": {"data_offsets": [0, 2**50]},
        "backward offsets": {"data_offsets": [8, 0]},
        "offsets before the data": {"data_offsets": [-8, 0]},
    }.items():
        yield what, with_header({**header, first: {**header[first], **change}})
    yield "a list", with_header([1, 2])
    yield "no tensors", with_header({"__metadata__": header.get("__metadata__", {})})
    others = {("x" + k if k != "__metadata__" else k): v for k, v in header.items()}
    yield "other tensors", with_header(others)
    yield "a pickle", pickle.dumps(Exploit())


def packed_weights(whole: bytes) -> Iterator[tuple[str, bytes]]:
    """The package's weights with another header, or a number that is none."""
    (size,) = struct.unpack("<Q", whole[:8])
    header = json.loads(whole[8 : 8 + size])
    said = header["__metadata__"]["csalgan"]
    large = said.replace('"kind": "compact"', '"kind": "compact", "channels": 512')
    assert large != said
    for what, about in {
        "no facts": {},
        "facts that are no JSON": {"csalgan": "{"},
        "facts that are a list": {"csalgan": "[]"},
        "another profile": {"csalgan": json.dumps({"profile": {"name": 3}})},
        "a large model": {"csalgan": large},
    }.items():
        text = json.dumps({**header, "__metadata__": about}).encode()
        yield what, struct.pack("<Q", len(text)) + text + whole[8 + size :]
    nan = bytearray(whole)
    nan[-2:] = b"\x00\x7e"  # the last half-precision number
    yield "NaN", bytes(nan)


# --- tables -----------------------------------------------------------------------------------


def score_tables(good: str) -> Iterator[tuple[str, bytes]]:
    """Tables that are no scores, from one that is."""
    for what, content in pieces(good.encode()):
        if not what.startswith("cut"):  # cut at the end of a line it is a table
            yield what, content
    head, *rows = csv.reader(io.StringIO(good))

    def table(rows: list[list[str]], head: list[str] = head) -> bytes:
        buffer = io.StringIO()
        csv.writer(buffer).writerows([head, *rows])
        return buffer.getvalue().encode()

    def with_cell(column: str, cell: str) -> bytes:
        place = head.index(column)
        return table([[*rows[0][:place], cell, *rows[0][place + 1 :]], *rows[1:]])

    for column, cell in itertools.product(("value", "epsilon"), ("text", "=1+1", "inf", "1e999")):
        yield f"{column} {cell}", with_cell(column, cell)
    for column in ("condition", "metric"):
        yield f"{column} unknown", with_cell(column, "nobody")
    for column in ("record", "image_id", "value", "model", "fingerprint", "metric_profile"):
        yield f"no {column}", table(rows, ["x" if name == column else name for name in head])
    yield "another dataset", with_cell("fingerprint", "0123456789ab")
    yield "a record twice", table([rows[0], *rows])
    yield "no UTF-8", good.encode() + b"\xff\xfe\n"
    yield "head alone", table([])
