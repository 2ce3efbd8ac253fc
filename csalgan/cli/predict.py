"""``csalgan predict``: the maps of a trained model, as files."""

import os
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

from typer import Argument, Option

from csalgan.cli.options import (
    ClipOption,
    OutOption,
    PartOption,
    SubsetOption,
    open_clean,
    telling,
)
from csalgan.files.errors import CsalganError
from csalgan.files.locks import NAMES, holder, locked
from csalgan.files.progress import Progress, counted, doing
from csalgan.files.writing import CLUTTER, TEMPORARY, explaining, require_writable
from csalgan.text.words import require_readable

if TYPE_CHECKING:
    import numpy as np

    from csalgan.data import Dataset
    from csalgan.prediction import Predictor

_BATCH, _MOST = 16, 100_000_000  # photographs, and pixels of all their maps, in memory at once
_LONGEST = 255  # bytes a file's name may have


class Photograph(NamedTuple):
    """One photograph to predict: what to call its files, where it is, what is read with it.

    ``area``: its pixels. ``trained_on``: whether the model was, on this image; None where that is
    not known.
    """

    name: str
    path: Path
    sentences: tuple[str, ...]
    pixels: "Callable[[], np.ndarray]"
    area: int
    trained_on: bool | None = None


def predict(
    out: OutOption,
    images: Annotated[list[Path] | None, Argument(help="Photographs, or folders of them.")] = None,
    text: Annotated[
        list[str] | None,
        Option("--text", "-t", help='A sentence; repeatable. "" and none at all: free viewing.'),
    ] = None,
    data: Annotated[str, Option(help="Instead: a dataset, with its own sentences.")] = "",
    part: PartOption = "all",
    subset: SubsetOption = "total",
    run: Annotated[Path | None, Option(help="A training run, instead of --weights.")] = None,
    weights: Annotated[
        str,
        Option(help="A packed file, the author's generator_*.pt, or a name; compact-minilm else."),
    ] = "",
    test_scale: Annotated[
        list[int] | None,
        Option(
            "--test-scale",
            "--view",
            help="Side photographs are seen at, repeatable. 256 alone: a third of the time, worse.",
        ),
    ] = None,
    strength: Annotated[
        float, Option(help="How much the sentence counts, -10 to 10: 0 free viewing, 1 as it is.")
    ] = 1.0,
    npy: Annotated[bool, Option("--npy", help="Also write float32 arrays.")] = False,
    overlays: Annotated[bool, Option(help="Also write overlays.")] = True,
    force: Annotated[bool, Option("--force", help="Write into a folder in use.")] = False,
    threads: Annotated[
        int | None, Option(min=1, max=256, help="Of the CPU; a map's last digits depend on it.")
    ] = None,
    fast: Annotated[
        bool, Option("--fast", help="bfloat16, folded norms: a run of the paper's model.")
    ] = False,
    clip_weights: ClipOption = None,
) -> None:
    """Predict saliency maps of photographs and sentences.

    Writes 16-bit PNG at the photograph's size, overlays, contact sheets of several sentences.
    """
    sentences = tuple(text or [""])
    if bool(images) == bool(data):
        raise CsalganError("give photographs or folders of them, or --data (one of the two).")
    if data and text:
        raise CsalganError("--text: a dataset brings its own sentences; leave --text out.")
    if images and (part, subset) != ("all", "total"):
        raise CsalganError("--part and --subset choose records of --data; leave them out.")
    if any(sentence and not sentence.strip() for sentence in sentences):
        raise CsalganError('--text: a sentence of blanks; write one, or "" for free viewing.')
    for sentence in sentences:
        require_readable(sentence)
    if wrong := [side for side in test_scale or () if side % 32 or not 32 <= side <= 1024]:
        raise CsalganError(f"--test-scale {wrong[0]}: use a multiple of 32 from 32 to 1024.")
    if run and weights:
        raise CsalganError("--run and --weights each name a model; give one of the two.")
    if run and not run.is_dir():
        raise CsalganError(f"--run {run}: no such folder; give that of a training run.")
    inside = [path.name for path in out.iterdir()] if out.is_dir() else []
    if not force and not all(name.startswith(TEMPORARY) or name in CLUTTER for name in inside):
        raise CsalganError(f"{out}: not empty; choose another folder, or add --force.")

    require_writable(out)
    work = _photographs(images or [], sentences)
    with doing("loading the model" + (" and the data" if data else "")):
        import pandas as pd

        from csalgan.files.spreadsheets import write_csv
        from csalgan.prediction import Predictor, require_reader, require_strength

        require_strength(strength)
        dataset = open_clean(data) if data else None
        named = run or weights or "compact-minilm"
        predictor = Predictor.open(named, clip_weights=clip_weights)
        require_reader(predictor, sentences)
    if fast:
        predictor = predictor.fast_copy()
    predictor.test_scales = tuple(test_scale or predictor.test_scales)
    predictor.threads = threads or predictor.threads
    if dataset is not None:
        work = _records(dataset, part, subset, predictor)
    line = predictor.map_provenance.line() + (f" · strength {strength:g}" if strength != 1 else "")
    with telling(lambda: f"{out} is as it was before"), _making(out) as making:
        write = partial(_write, out=making, provenance=line, npy=npy, overlays=overlays)
        table = pd.DataFrame(_predict_all(work, predictor, strength, write))
        table = table.assign(strength=strength, model=predictor.name)
        table = table.assign(**predictor.map_provenance.as_dict())
        write_csv(making / "predictions.csv", table)
    what = counted(len(work), "record" if data else "photograph")
    print(f"{counted(len(table), 'map')} of {what}: {out / 'maps'}")
    print(f"{predictor.name} · {line}")


@contextmanager
def _making(out: Path) -> Iterator[Path]:
    """A folder within ``out`` whose files go to their places when the block succeeds.

    What fails halfway leaves no prediction behind, and an earlier one as it was.
    """
    new = not out.exists()
    with explaining(out):
        out.mkdir(parents=True, exist_ok=True)
        for left in out.glob(f"{TEMPORARY}*"):
            if who := holder(left):
                raise CsalganError(f"{out}: {who} predicts into it; choose another folder.")
            shutil.rmtree(left, ignore_errors=True)  # of one that was killed
        try:
            with tempfile.TemporaryDirectory(prefix=TEMPORARY, dir=out) as name:
                making = Path(name)
                with locked(making):
                    yield making
                    for path in [one for one in making.rglob("*") if one.is_file()]:
                        target = out / path.relative_to(making)
                        if target.name not in NAMES:
                            target.parent.mkdir(parents=True, exist_ok=True)
                            os.replace(path, target)
        finally:
            if new and not any(out.iterdir()):
                out.rmdir()


def _photographs(given: list[Path], sentences: tuple[str, ...]) -> list[Photograph]:
    """The photographs named, and those in the folders named, each under a name of its own.

    Those that cannot be used are refused before anything is predicted, all at once.
    """
    from csalgan.data.pictures import SUFFIXES, read_photograph, require_photograph
    from csalgan.files.inputs import printable, require_utf8

    found: dict[Path, Path] = {}  # file → its name, relative to the folder it was found in
    left: list[str] = []
    for path in given:
        inside = sorted(path.rglob("[!.]*")) if path.is_dir() else []  # macOS leaves ._IMG.jpg
        inside = [p for p in inside if not p.is_dir()]
        files = [p for p in inside if p.suffix.lower() in SUFFIXES]
        if path.is_dir() and not files:
            raise CsalganError(f"{path}: holds no photograph ({', '.join(SUFFIXES)}).")
        kept = set(files)
        left += [p.name for p in inside if p not in kept]
        found |= {file: file.relative_to(path) for file in files} or {path: Path(path.name)}
    if left:
        told = ", ".join(left[:3]) + (" …" if len(left) > 3 else "")
        print(f"note: neither PNG, JPEG nor WebP, so left out: {printable(told)}", file=sys.stderr)
    # Where a.jpg and a.png (or A.png) lie side by side, each keeps its suffix.
    stems = Counter(name.with_suffix("").as_posix().lower() for name in found.values())
    work: dict[str, Photograph] = {}
    unread: list[CsalganError] = []
    for file, place in Progress(found.items(), desc="look", unit=" photographs"):
        require_utf8(file)
        last = f"{file.stem}-{len(sentences)}.png" if len(sentences) > 1 else f"{file.stem}.png"
        if len(last.encode()) > _LONGEST:
            raise CsalganError(f"{file}: its name is too long for those of maps; shorten it.")
        area = 0
        try:
            area = require_photograph(file)
        except CsalganError as error:
            unread.append(error)
        stem = place.with_suffix("")
        name = (stem if stems[stem.as_posix().lower()] == 1 else place).as_posix()
        key = name.lower() if sys.platform == "darwin" else name  # whose files' names are alike
        if same := work.get(key):
            raise CsalganError(
                f"{file}: has the same name as {same.path}; give the folder that holds both."
            )
        work[key] = Photograph(name, file, sentences, partial(read_photograph, file), area)
    if unread:
        more = f" (and {len(unread) - 10} more)" if len(unread) > 10 else ""
        raise CsalganError(" ".join(map(str, unread[:10])) + more)
    return list(work.values())


def _records(
    dataset: "Dataset", part: str, subset: str, predictor: "Predictor"
) -> list[Photograph]:
    """The records of a dataset as photographs that are read with one sentence each."""
    records, split = dataset.subset(subset), predictor.split_of(dataset)
    if part != "all":
        records = split.of(part, records)
        if records.empty and split.rule == "all":
            raise CsalganError(
                f"--part {part}: the model was trained on all images of {dataset.root}; take all."
            )
    seen = predictor.seen(dataset, records)
    if seen.any():
        print(
            f"note: {seen.sum()} of {len(records)} records show images this model was trained on, "
            "so scores of all tell nothing; where it left some out, take --part test, or csalgan "
            "evaluate --split test.",
            file=sys.stderr,
        )
    if before := predictor.pretrained_on(dataset):
        what = f"{counted(before, 'image')} of these data"
        print(f"note: this model was pretrained on {what}.", file=sys.stderr)
    if not predictor.reads:
        print(f"note: no sentence is read by {predictor.name}.", file=sys.stderr)
    return [
        Photograph(
            *(one.record, Path(one.image_path), (one.text,), partial(dataset.image, one.record)),
            area=one.height * one.width,
            trained_on=known,
        )
        for one, known in zip(records.itertuples(index=False), seen.tolist(), strict=True)
    ]


def _predict_all(
    work: list[Photograph],
    predictor: "Predictor",
    strength: float,
    write: "Callable[[Photograph, np.ndarray, tuple[np.ndarray, ...]], list[dict]]",
) -> list[dict]:
    """Predict batch by batch; threads read its photographs and write its maps.

    Returns:
        What ``write`` says of each map, in the order of ``work``.
    """
    rows: list[dict] = []
    with (
        ThreadPoolExecutor(2) as pool,
        Progress(total=len(work), desc="predict", unit=" photographs") as bar,
    ):
        for batch in _batches(work):
            pictures = list(pool.map(lambda photograph: photograph.pixels(), batch))
            features = predictor.encode_images(pictures)  # once for all its sentences
            shapes = [picture.shape[:2] for picture in pictures]
            columns = zip(*(photograph.sentences for photograph in batch), strict=True)
            maps = [predictor.read(features, texts, shapes, strength=strength) for texts in columns]
            for written in pool.map(write, batch, pictures, zip(*maps, strict=True)):
                rows += written
            bar.update(len(batch))  # at once: a rate of the first one alone would promise hours
    return rows


def _batches(work: list[Photograph]) -> Iterator[list[Photograph]]:
    """Batches of at least one photograph, bounded by their number and their maps' pixels."""
    batch: list[Photograph] = []
    for one in work:
        area = sum(other.area for other in (*batch, one))
        if batch and (len(batch) == _BATCH or area * (1 + len(one.sentences)) > _MOST):
            yield batch
            batch = []
        batch.append(one)
    if batch:
        yield batch


def _write(
    photograph: Photograph,
    picture: "np.ndarray",
    maps: tuple["np.ndarray", ...],
    *,
    out: Path,
    provenance: str,
    npy: bool,
    overlays: bool,
) -> list[dict]:
    """Write the maps of one photograph (arrays, overlays, sheet); give a table row a sentence."""
    from csalgan.figures import blend, output
    from csalgan.files.writing import write_bytes

    rows = []
    for k, (sentence, saliency) in enumerate(zip(photograph.sentences, maps, strict=True), 1):
        name = photograph.name if len(maps) == 1 else f"{photograph.name}-{k}"
        path = write_bytes(out / "maps" / f"{name}.png", output.map_png(saliency))
        if npy:
            write_bytes(out / "arrays" / f"{name}.npy", output.map_npy(saliency))
        if overlays:
            overlay = output.overlay_jpeg(picture, saliency)
            write_bytes(out / "overlays" / f"{name}.jpg", overlay)
        row = {"photograph": str(photograph.path), "text": sentence}
        row["map"] = path.relative_to(out).as_posix()
        row["height"], row["width"] = saliency.shape
        row["trained_on"] = photograph.trained_on
        rows.append(row)
    if len(maps) > 1:
        told = [f"“{text}”" if text else "free viewing" for text in photograph.sentences]
        shown = [picture, *(blend(picture, saliency) for saliency in maps)]
        sheet = output.sheet(shown, ["the photograph", *told], provenance)
        write_bytes(out / "sheets" / f"{photograph.name}.png", output.encoded(sheet, "PNG"))
    return rows
