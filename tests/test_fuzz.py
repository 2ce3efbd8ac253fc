"""Bad input of every kind the suite reads: one sentence each, nothing run, nothing left lying.

Every attack below is a file (or a value) that must be refused. A refusal is a
:class:`CsalganError` of one sentence, within five seconds, without a file outside the folder that
the attack was given, and without any code of the attacker's having run.
"""

import io
import itertools
import json
import os
import pickle
import shutil
import struct
import tarfile
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import openpyxl
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from safetensors.torch import save_file

from csalgan import sweep, weights
from csalgan.cli import main
from csalgan.config import load_profile, profile_from
from csalgan.data import open_dataset
from csalgan.data.check import require_clean
from csalgan.data.sentences import read_json, read_workbook
from csalgan.errors import CsalganError
from csalgan.evaluation import read_map
from csalgan.job import open_job
from csalgan.models.lite0 import imagenet_state
from csalgan.photographs import read_photograph
from csalgan.prediction import Predictor, predict
from csalgan.text import get_encoder
from csalgan.training import Run, train

_SECONDS = 5.0
Attack = tuple[str, Callable[[], object]]


class Exploit:
    """What a pickle does when somebody loads it."""

    def __init__(self, canary: Path):
        self.canary = canary

    def __reduce__(self):
        return (os.system, (f"touch {self.canary}",))


def refused(call: Callable[[], object], folder: Path) -> str:
    """The sentence an attack is refused with; anything else fails the test."""
    outside = listing(folder.parent, without=folder)
    began = time.monotonic()
    try:
        call()
    except CsalganError as error:
        said = str(error)
    else:
        pytest.fail("it was accepted")
    assert time.monotonic() - began < _SECONDS
    assert said.strip()
    assert "\n" not in said.strip()
    assert "Traceback" not in said
    assert listing(folder.parent, without=folder) == outside
    assert not list(folder.rglob("canary"))
    return said


def listing(folder: Path, without: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if not path.is_relative_to(without)}


def pieces(content: bytes, n: int = 8) -> Iterator[tuple[str, bytes]]:
    """A file cut short at n places, emptied, and with its beginning overwritten."""
    for k in range(1, n):
        yield f"cut to {k}/{n}", content[: len(content) * k // n]
    yield "empty", b""
    yield "zeros", bytes(len(content))
    yield "text", b"hello, I am text\n" * 10
    yield "html", b"<!doctype html><html><body>404</body></html>"
    yield "another magic", b"GIF89a" + content[6:]
    yield "shifted", b"\0" + content


# --- photographs ------------------------------------------------------------------------------


def picture(form: str, mode: str = "RGB", size=(60, 40)) -> bytes:
    pixels = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(buffer, form)
    return buffer.getvalue()


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


def photograph_attacks(folder: Path) -> Iterator[Attack]:
    contents = {}
    for form in ("PNG", "JPEG", "WEBP"):
        for what, content in pieces(picture(form)):
            contents[f"{form} {what}"] = content
    for form in ("GIF", "BMP", "TIFF", "ICO", "PPM"):
        contents[f"a {form}"] = picture(form)
    contents["SVG"] = (
        b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>'
    )
    contents["EPS"] = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(touch) show\n"
    contents["20,000 px"] = bomb(20_000)
    contents["huge header"] = lying_png(2**31 - 1, 2**31 - 1)
    contents["large header"] = lying_png(30_000, 30_000)
    contents["no pixels"] = lying_png(0, 10)
    for what, content in contents.items():
        path = folder / f"{what.replace(' ', '-').replace('/', '-')}.png"
        path.write_bytes(content)
        yield f"photograph, {what}", lambda path=path: read_photograph(path)
    yield "photograph, a folder", lambda: read_photograph(folder)
    yield "photograph, none", lambda: read_photograph(folder / "missing.jpg")
    yield "predict, text", lambda: predict(folder / "PNG-text.png", "a dog")
    yield "predict, shape", lambda: predict(np.zeros((4, 4), np.uint8), "a dog")
    yield "predict, type", lambda: predict(np.zeros((4, 4, 3)), "a dog")


# --- datasets ---------------------------------------------------------------------------------


def dataset_attacks(folder: Path, embedded: Path) -> Iterator[Attack]:
    """Each damages one file of a linked copy, looks at it, and mends it again."""
    root = folder / "set"
    shutil.copytree(embedded, root)

    def damaged(path: Path, content: bytes | None):
        def look():
            whole = path.read_bytes()
            try:
                path.unlink()
                if content is not None:
                    path.write_bytes(content)
                require_clean(open_dataset(root))
            finally:
                path.write_bytes(whole)

        return look

    for kind in ("image", "map", "fixation"):
        path = sorted((root / kind).iterdir())[3]
        whole = path.read_bytes()
        yield f"{kind}, missing", damaged(path, None)
        for what, content in pieces(whole, 4):
            yield f"{kind}, {what}", damaged(path, content)
        yield f"{kind}, 1 × 1", damaged(path, picture("PNG", "L", (1, 1)))
        yield f"{kind}, another size", damaged(path, picture("PNG", "L", (33, 21)))
        yield f"{kind}, 20,000 px", damaged(path, bomb(20_000))
    for name in ("image", "map", "fixation"):

        def without(name=name):
            (root / name).rename(root / "away")
            try:
                open_dataset(root)
            finally:
                (root / "away").rename(root / name)

        yield f"no {name} folder", without
    path = root / "image_text.json"
    for what, content in json_attacks(path.read_bytes()):
        yield f"sentences, {what}", damaged(path, content)
    yield "an empty folder", lambda: open_dataset(_made(folder / "empty"))
    yield "no folder", lambda: open_dataset(folder / "nowhere")


def _made(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    return folder


def json_attacks(whole: bytes) -> Iterator[tuple[str, bytes]]:
    yield from ((what, part) for what, part in pieces(whole, 4) if what != "empty")
    first = next(iter(json.loads(whole)))
    yield "a key twice", b'{"%s": "a", "%s": "b"}' % (first.encode(), first.encode())
    yield "a list", b'["a", "b"]'
    yield "a number", b"3"
    yield "NaN", b'{"a": NaN}'
    yield "a number for a sentence", json.dumps({first: 3}).encode()
    yield "null for a sentence", json.dumps({first: None}).encode()
    yield "nested deeply", b'{"a":' * 100_000 + b"1" + b"}" * 100_000
    yield "lists nested deeply", b"[" * 100_000
    yield "a long number", b'{"a": ' + b"9" * 100_000 + b"}"
    yield "not UTF-8", b'{"a": "\xff\xfe"}'
    yield "UTF-16", '{"a": "b"}'.encode("utf-16")


def sentence_attacks(folder: Path) -> Iterator[Attack]:
    good = json.dumps({"000000000001_1": "a dog"}).encode()
    for number, (what, content) in enumerate(json_attacks(good)):
        path = folder / f"{number}.json"
        path.write_bytes(content)
        yield f"JSON, {what}", lambda path=path: read_json(path)
    book = openpyxl.Workbook()
    book.active.append(["image", "text"])
    buffer = io.BytesIO()
    book.save(buffer)
    whole = buffer.getvalue()
    contents = dict(pieces(whole))
    contents |= {f"part {name} {what}": c for name, what, c in _workbook_parts(whole)}
    for number, (what, content) in enumerate(contents.items()):
        path = folder / f"{number}.xlsx"
        path.write_bytes(content)
        yield f"workbook, {what}", lambda path=path: read_workbook(path)


def _workbook_parts(whole: bytes) -> Iterator[tuple[str, str, bytes]]:
    """A workbook one of whose parts is not what it should be."""
    entity = (
        b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>'
    )
    laughs = b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY a "ha">' + b"".join(
        b'<!ENTITY %c "%s">' % (b"abcdefghij"[k + 1], b"&%c;" % b"abcdefghij"[k] * 10)
        for k in range(9)
    )
    laughs += b"]><a>&j;</a>"
    bad = {"broken": b"<workbook", "another": b"<a/>", "entity": entity, "laughs": laughs}
    with zipfile.ZipFile(io.BytesIO(whole)) as packed:
        parts = {name: packed.read(name) for name in packed.namelist()}
    for name in ("xl/workbook.xml", "[Content_Types].xml", "xl/worksheets/sheet1.xml"):
        for what, content in bad.items():
            if what == "another" and "sheet1" in name:
                continue  # a sheet without rows: refused for its columns below
            buffer = io.BytesIO()
            with zipfile.ZipFile(buffer, "w") as packed:
                for other, value in parts.items():
                    packed.writestr(other, content if other == name else value)
            yield name, what, buffer.getvalue()


# --- archives ---------------------------------------------------------------------------------


def archive_attacks(folder: Path, embedded: Path) -> Iterator[Attack]:
    names = ["../outside.png", "/tmp/csalgan-outside.png", "map/../../outside.png", "..\\out.png",
             "C:\\out.png", "map/../../../canary"]  # fmt: skip
    number = itertools.count()

    def archive(suffix: str, content: bytes) -> Path:
        path = folder / f"{next(number)}{suffix}"
        path.write_bytes(content)
        return path

    for name in names:
        yield f"zip with {name}", _opening(archive(".zip", zipped({name: b"x"})))
        yield f"tar with {name}", _opening(archive(".tar", tarred(tarfile.TarInfo(name))))
    for kind, what in [
        (tarfile.SYMTYPE, "link"),
        (tarfile.LNKTYPE, "hard link"),
        (tarfile.CHRTYPE, "device"),
        (tarfile.FIFOTYPE, "pipe"),
    ]:
        member = tarfile.TarInfo("map/link.png")
        member.type, member.linkname = kind, "/etc/passwd"
        yield f"tar with a {what}", _opening(archive(".tar", tarred(member)))
    link = zipfile.ZipInfo("map/link.png")
    link.external_attr = 0o120777 << 16
    yield "zip with a link", _opening(archive(".zip", zipped({link: b"/etc/passwd"})))
    many = {f"map/{k}.png": b"" for k in range(100_001)}
    yield "zip with 100,001 files", _opening(archive(".zip", zipped(many)))
    large = bytearray(zipped({"map/a.png": b"x"}))
    at = large.index(b"PK\x01\x02")
    large[at + 24 : at + 28] = struct.pack("<I", 2**32 - 2)
    yield "zip whose member says 4 GB", _opening(archive(".zip", bytes(large)))
    huge = tarfile.TarInfo("map/a.png")
    huge.size = 2**40
    yield "tar whose member says 1 TB", _opening(archive(".tar", huge.tobuf() + bytes(1024)))
    small = {f"map/{path.name}": path.read_bytes() for path in sorted((embedded / "map").iterdir())}
    for form, whole in (
        ("zip", zipped(small)),
        ("tar", _tar(small)),
        ("tar.gz", _tar(small, "gz")),
    ):
        for what, content in pieces(whole, 6):
            yield f"{form}, {what}", _opening(archive(f".{form}", content))
    yield "zip of something else", _opening(archive(".zip", zipped({"a/b.txt": b"x"})))
    yield "zip of nothing", _opening(archive(".zip", zipped({})))
    yield (
        "zip with a file and a folder of one name",
        _opening(archive(".zip", zipped({"map": b"x", "map/a.png": b"x"}))),
    )
    yield "zip with a long name", _opening(archive(".zip", zipped({"a" * 300: b"x"})))


def _opening(path: Path) -> Callable[[], object]:
    return lambda: require_clean(open_dataset(path))


def zipped(members: dict) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in members.items():
            packed.writestr(name, content)
    return buffer.getvalue()


def tarred(member: tarfile.TarInfo) -> bytes:
    return member.tobuf() + bytes(1024)


def _tar(members: dict[str, bytes], how: str = "") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=f"w:{how}") as packed:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            packed.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


# --- profiles and sweeps ----------------------------------------------------------------------

_LAUGHS = "a: &a [x, x]\n" + "".join(
    f"{chr(98 + k)}: &{chr(98 + k)} [{', '.join([f'*{chr(97 + k)}'] * 9)}]\n" for k in range(9)
)
YAMLS = {
    "code": "!!python/object/apply:os.system ['touch canary']",
    "code in a value": "name: !!python/object/apply:os.system ['touch canary']",
    "an object": "name: !!python/object:pathlib.Path {}",
    "a module": "name: !!python/module:os",
    "laughs": _LAUGHS,
    "itself": "&a [*a]",
    "tabs": "name:\n\t- a",
    "open bracket": "name: [",
    "a list": "- a\n- b",
    "a number": "3",
    "nothing": "",
    "two documents": "name: a\n---\nname: b",
    "control characters": "name: a\x00b",
    "unknown alias": "name: *nobody",
    "keys that are lists": "? [a]\n: b",
    "nested deeply": "a: " + "[" * 20_000,
    "a long number": "seed: " + "9" * 6000,
    "a key that is a number": "1: b",
}
VALUES = [
    "data.size=0", "data.size=17", "data.size=99999", "data.size=big", "data.size=[256]",
    "data.size=1e400", "data.size=.nan", "data.size=true", "data.size=", "data.split=random",
    "data.split_seed=-1", "data.embedded_images=1", "data.free_viewing=3", "text.encoder=bert",
    "text.clip_weights=3", "text.cast_to_int=maybe", "model.kind=huge", "model.fusion=all",
    "model.channels=0", "model.heads=0", "model.dropout=1.0", "model.dropout=-0.1",
    "model.views=256", "model.views=[256]", "training.epochs=0", "training.epochs=1.5",
    "training.epochs='3'", "training.batch_size=0", "training.batch_size=-4",
    "training.learning_rate=0", "training.learning_rate=nan", "training.learning_rate=.nan",
    "training.learning_rate=.inf", "training.learning_rate=fast", "training.betas=[0.5]",
    "training.betas=[1.0, 0.9]", "training.subsets=[]", "training.subsets=[sal, sal]",
    "training.subsets=[everything]", "training.content_weight=-1", "training.precision=float16",
    "training.device=tpu", "training.batches=images", "training.losses.change=1.0",
    "training.losses.mse=1.0", "training.losses=3", "training.augment.crop=0.0",
    "training.augment.colour=1.0", "training.average=1.0", "training.patience=-1",
    "evaluation.metric_profiles=[best]", "evaluation.bootstrap=1", "seed=-1", "seed=x",
    "name=[a]", "nonsense=1", "data.nonsense=1", "data=1", "name.first=a", "novalue", "=3", "",
    "data.size=[", "data.size={", "data.size=!!python/name:os.system",
    "data.size=" + "9" * 6000,
]  # fmt: skip


def profile_attacks(folder: Path) -> Iterator[Attack]:
    for number, (what, text) in enumerate(YAMLS.items()):
        path = folder / f"{number}.yaml"
        path.write_text(text, encoding="utf-8")
        yield f"profile, {what}", lambda path=path: load_profile(path)
        yield f"sweep, {what}", lambda path=path: sweep.points(sweep.read_spec(path))
    for number, content in enumerate((b"\xff\xfe\x00", b"\x80abc", bytes(range(256)))):
        path = folder / f"binary-{number}.yaml"
        path.write_bytes(content)
        yield f"profile, bytes {number}", lambda path=path: load_profile(path)
    for value in VALUES:
        yield f"--set {value[:40]}", lambda value=value: load_profile("smoke", [value])
    for name in ("", "nowhere", "../../etc/passwd", "/etc/passwd", str(folder), "a\x00b"):
        yield f"profile {name!r}", lambda name=name: load_profile(name)


# --- weights and runs -------------------------------------------------------------------------


def safetensors_attacks(whole: bytes) -> Iterator[tuple[str, bytes]]:
    """Files whose header lies about what follows."""
    yield from pieces(whole)
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
    yield (
        "other tensors",
        with_header({("x" + k if k != "__metadata__" else k): v for k, v in header.items()}),
    )


def weight_attacks(folder: Path) -> Iterator[Attack]:
    whole = (weights.FOLDER / "compact-minilm.safetensors").read_bytes()
    (size,) = struct.unpack("<Q", whole[:8])
    header = json.loads(whole[8 : 8 + size])
    said = header["__metadata__"]["csalgan"]

    def packed(what: str, content: bytes) -> Attack:
        path = folder / f"{what.replace('/', '-')}.safetensors"
        path.write_bytes(content)
        return f"weights, {what}", lambda: _first_load(path)

    def _first_load(path: Path):
        try:
            weights.load(path)
        finally:
            path.unlink()  # nine megabytes each

    for what, content in safetensors_attacks(whole):
        yield packed(what, content)
    for what, about in {
        "no facts": {},
        "facts that are no JSON": {"csalgan": "{"},
        "facts that are a list": {"csalgan": "[]"},
        "another profile": {"csalgan": json.dumps({"profile": {"name": 3}})},
        "a large model": {"csalgan": said.replace('"channels": 96', '"channels": 512')},
    }.items():
        text = json.dumps({**header, "__metadata__": about}).encode()
        yield packed(what, struct.pack("<Q", len(text)) + text + whole[8 + size :])
    nan = bytearray(whole)
    nan[-2:] = b"\x00\x7e"  # the last half-precision number
    yield packed("NaN", bytes(nan))
    yield "weights, none", lambda: weights.load("nothing-of-the-kind")
    yield "weights, a folder", lambda: weights.load(folder)


def run_attacks(folder: Path, run: Path) -> Iterator[Attack]:
    canary = folder / "canary"

    def damaged(name: str, content: bytes | None, look: Callable[[Path], object]):
        def attack():
            path, whole = run / name, (run / name).read_bytes()
            try:
                path.unlink()
                if content is not None:
                    path.write_bytes(content)
                look(run)
            finally:
                path.write_bytes(whole)

        return attack

    def opened(path: Path):
        return Predictor.of_run(Run.load(path))

    for what, content in safetensors_attacks((run / "best.safetensors").read_bytes()):
        yield f"run's weights, {what}", damaged("best.safetensors", content, opened)
    exploit = pickle.dumps(Exploit(canary))
    yield "run's weights, a pickle", damaged("best.safetensors", exploit, opened)
    about = json.loads((run / "run.json").read_text())
    for what, content in [
        *pieces((run / "run.json").read_bytes(), 4),
        ("no profile", json.dumps({k: v for k, v in about.items() if k != "profile"}).encode()),
        ("a profile of numbers", json.dumps({**about, "profile": 3}).encode()),
        ("an unknown key", json.dumps({**about, "profile": {**about["profile"], "x": 1}}).encode()),
        ("another text", json.dumps({**about, "text_dim": 7}).encode()),
        ("a text of words", json.dumps({**about, "text_dim": "many"}).encode()),
        ("missing", None),
    ]:
        yield f"run.json, {what}", damaged("run.json", content, opened)
    for what, content in [("missing", None), ("binary", b"\xff\x00\xfe" * 50), ("empty", b"")]:
        yield f"history.csv, {what}", damaged("history.csv", content, opened)

    def resumed(path: Path):
        job = open_job("smoke", about["_data"], overrides=["training.epochs=2"])
        return train(job.profile, job.dataset, "total", path, resume=True, progress=False)

    about["_data"] = str(run.parent / "data")
    buffer = io.BytesIO()
    torch.save({"game": Exploit(canary)}, buffer)
    for what, content in [
        *pieces((run / "state.pt").read_bytes(), 4),
        ("a pickle", exploit),
        ("a pickle in torch's clothes", buffer.getvalue()),
    ]:
        yield f"state.pt, {what}", damaged("state.pt", content, resumed)


def encoder_attacks(folder: Path) -> Iterator[Attack]:
    save_file({"a": torch.zeros(3)}, folder / "good.safetensors")
    whole = (folder / "good.safetensors").read_bytes()
    canary = folder / "canary"
    for what, content in [*safetensors_attacks(whole), ("other names", whole)]:
        path = folder / f"w-{what.replace('/', '-').replace(' ', '-')}.safetensors"
        path.write_bytes(content)
        yield (
            f"CLIP, {what}",
            lambda path=path: get_encoder("clip", clip_weights=str(path)).encode(["a"]),
        )
        yield f"ImageNet, {what}", lambda path=path: imagenet_state(str(path))
    pickled = folder / "w.pt"
    pickled.write_bytes(pickle.dumps(Exploit(canary)))
    clothed = folder / "w2.pt"
    torch.save({"a": Exploit(canary)}, clothed)
    for path in (pickled, clothed, folder / "nowhere.pt"):
        yield (
            f"CLIP, {path.name}",
            lambda path=path: get_encoder("clip", clip_weights=str(path)).encode(["a"]),
        )
        yield f"ImageNet, {path.name}", lambda path=path: imagenet_state(str(path))


# --- predictions of others --------------------------------------------------------------------


def map_attacks(folder: Path) -> Iterator[Attack]:
    def npy(values: np.ndarray, **options) -> bytes:
        buffer = io.BytesIO()
        np.save(buffer, values, **options)
        return buffer.getvalue()

    contents = {f"{what}.npy": c for what, c in pieces(npy(np.ones((8, 9), np.float32)))}
    contents |= {f"{what}.png": c for what, c in pieces(picture("PNG", "L"))}
    contents |= {
        "objects.npy": npy(np.array([Exploit(folder / "canary")], object), allow_pickle=True),
        "text.npy": npy(np.array([["a", "b"]])),
        "complex.npy": npy(np.ones((3, 3), complex)),
        "cube.npy": npy(np.ones((3, 3, 3))),
        "line.npy": npy(np.ones(9)),
        "nothing.npy": npy(np.ones((0, 5))),
        "colour.png": picture("PNG"),
        "large.png": bomb(20_000),
    }
    lying = bytearray(npy(np.ones((8, 9), np.float32)))
    at = lying.index(b"(8, 9)")
    lying[at : at + 6] = b"(9**9)"
    contents["code.npy"] = bytes(lying)
    lying[at : at + 6] = b"(8,99)"
    contents["short.npy"] = bytes(lying)
    for name, content in contents.items():
        path = folder / name.replace("/", "-").replace(" ", "-")
        path.write_bytes(content)
        yield f"map, {name}", lambda path=path: read_map(path)
    yield "map, none", lambda: read_map(folder / "none.png")
    yield "map, folder", lambda: read_map(folder)


# --- the tests --------------------------------------------------------------------------------

counted: dict[str, int] = {}


@pytest.fixture(scope="module")
def run(embedded, tmp_path_factory):
    """A trained run, and the data it was trained on beside it."""
    root = tmp_path_factory.mktemp("run")
    shutil.copytree(embedded, root / "data")
    job = open_job("smoke", str(root / "data"), overrides=["training.keep_state=true"])
    train(job.profile, job.dataset, "total", root / "total", progress=False)
    return root / "total"


KINDS = {
    "photographs": lambda folder, embedded, run: photograph_attacks(folder),
    "datasets": lambda folder, embedded, run: dataset_attacks(folder, embedded),
    "sentences": lambda folder, embedded, run: sentence_attacks(folder),
    "archives": lambda folder, embedded, run: archive_attacks(folder, embedded),
    "profiles": lambda folder, embedded, run: profile_attacks(folder),
    "weights": lambda folder, embedded, run: weight_attacks(folder),
    "runs": lambda folder, embedded, run: run_attacks(folder, run),
    "encoders": lambda folder, embedded, run: encoder_attacks(folder),
    "maps": lambda folder, embedded, run: map_attacks(folder),
}


@pytest.mark.parametrize("kind", KINDS)
def test_bad_input_is_refused_in_one_sentence(kind, embedded, run, tmp_path, monkeypatch):
    folder = tmp_path / "inside"
    folder.mkdir()
    monkeypatch.chdir(folder)
    wrong = []
    for name, attack in KINDS[kind](folder, embedded, run):
        try:
            refused(attack, folder)
        except (Exception, pytest.fail.Exception, RecursionError) as error:
            wrong.append(f"{name}: {type(error).__name__}: {str(error)[:200]}")
        counted[kind] = counted.get(kind, 0) + 1
    assert not wrong, "\n".join(wrong)


def test_there_were_more_than_three_hundred():
    if set(counted) < set(KINDS):
        pytest.skip("not every kind ran in this process")
    print(counted)
    assert sum(counted.values()) >= 300, counted


@settings(max_examples=150, derandomize=True, deadline=None,
          suppress_health_check=[HealthCheck.function_scoped_fixture])  # fmt: skip
@given(data=st.data())
def test_a_picture_with_changed_bytes_is_read_or_refused(data, tmp_path):
    form = data.draw(st.sampled_from(["PNG", "JPEG", "WEBP"]))
    content = bytearray(picture(form))
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / "changed"
    path.write_bytes(content)
    try:
        image = read_photograph(path)
    except CsalganError:
        return
    assert image.dtype == np.uint8
    assert image.shape[2] == 3


@settings(max_examples=150, derandomize=True, deadline=None)
@given(
    st.sampled_from(["data.size", "training.epochs", "training.losses", "name", "seed", "x.y"]),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
        max_leaves=6,
    ),
)
def test_any_value_of_a_profile_is_taken_or_refused(key, value):
    try:
        taken = load_profile("smoke", [f"{key}={json.dumps(value)}"])
    except CsalganError:
        return
    # What is taken can be kept in run.json and read again.
    assert profile_from(json.loads(json.dumps(taken.as_dict())), "kept") == taken


@pytest.mark.parametrize(
    "arguments",
    [
        ["predict", "missing.jpg", "--text", "a", "--out", "o"],
        ["predict", ".", "--text", "a", "--out", "o"],
        ["train", "--profile", "nowhere", "--out", "o"],
        ["train", "--profile", "smoke", "--subset", "none", "--out", "o"],
        ["train", "--profile", "smoke", "--set", "training.epochs=x", "--out", "o"],
        ["train", "--profile", "smoke", "--data", "missing", "--out", "o"],
        ["train", "--profile", "smoke", "--clip-weights", "missing", "--set",
         "text.encoder=clip", "--out", "o"],
        ["reproduce", "--profile", "smoke", "--data", "missing", "--out", "o"],
        ["status", "missing"],
        ["sweep", "missing.yaml", "--out", "o"],
        ["evaluate", "missing", "--data", "missing"],
        ["compare", "missing.csv", "missing2.csv"],
        ["data", "check", "missing"],
        ["data", "prepare", "missing"],
        ["crossval", "--profile", "magic", "--out", "o"],
        ["crossval", "--subset", "magic", "--out", "o"],
        ["crossval", "--profile", "smoke", "--set", "data.size=banana", "--out", "o"],
        ["explore", "--data", "missing", "--port", "0", "--no-browser"],
    ],
    ids=" ".join,
)  # fmt: skip
def test_a_mistake_on_the_command_line_is_one_line(arguments, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["csalgan", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 1, said
    assert said[0].startswith("error: ")
    assert not (tmp_path / "o").exists() or not any(
        path.is_file() and path.name != ".lock" for path in (tmp_path / "o").rglob("*")
    )
