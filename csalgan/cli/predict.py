"""``csalgan predict``: anybody's photographs and sentences, or a whole dataset."""

import os
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from csalgan.cli.interrupt import telling
from csalgan.cli.options import PARTS, ClipOption, open_clean, require_one_of
from csalgan.files.errors import CsalganError
from csalgan.files.progress import Progress, counted, doing

if TYPE_CHECKING:
    import numpy as np

    from csalgan.data import Dataset
    from csalgan.prediction import Predictor

_BATCH = 16
_LONGEST = 255  # bytes a file's name may have


class Photograph(NamedTuple):
    """One photograph to predict: what to call its files, where it is, what is read with it."""

    name: str
    path: Path
    sentences: tuple[str, ...]
    pixels: "Callable[[], np.ndarray]"


def predict(
    out: Annotated[Path, typer.Option("--out", help="Folder for maps, overlays and the list.")],
    images: Annotated[
        list[Path] | None, typer.Argument(help="Photographs, or folders of them.")
    ] = None,
    text: Annotated[
        list[str] | None,
        typer.Option(
            "--text", "-t", help='A sentence; repeatable. "" (and none at all) is free viewing.'
        ),
    ] = None,
    data: Annotated[
        str, typer.Option(help="Instead of photographs: a dataset, with its own sentences.")
    ] = "",
    part: Annotated[str, typer.Option(help="Of --data: all, train, val or test.")] = "all",
    subset: Annotated[str, typer.Option(help="Of --data: total, general, sal or non_sal.")] = (
        "total"
    ),
    run: Annotated[
        Path | None, typer.Option(help="A training run, instead of the package's weights.")
    ] = None,
    weights: Annotated[
        str,
        typer.Option(
            help="Name of the package's weights, a packed file, or the author's generator_*.pt."
        ),
    ] = "compact-minilm",
    view: Annotated[
        list[int] | None,
        typer.Option(
            help="Side at which photographs are seen, repeatable; else the model's own. "
            "256 alone is more than twice as fast, and a little worse."
        ),
    ] = None,
    strength: Annotated[
        float, typer.Option(help="How much the sentence counts: 0 free viewing, 1 as it is.")
    ] = 1.0,
    npy: Annotated[bool, typer.Option("--npy", help="Also write float32 arrays.")] = False,
    overlays: Annotated[bool, typer.Option(help="Also write overlays.")] = True,
    force: Annotated[bool, typer.Option("--force", help="Write into a folder in use.")] = False,
    fast: Annotated[
        bool,
        typer.Option(
            "--fast", help="bfloat16 and folded batch norms, for a --run of the paper's model."
        ),
    ] = False,
    clip_weights: ClipOption = None,
) -> None:
    """Predict saliency maps: 16-bit PNG at the photograph's size, overlays, contact sheets."""
    sentences = tuple(text or [""])
    if bool(images) == bool(data):
        raise CsalganError(
            "give photographs or folders of them, or --data with a dataset (one of the two): "
            'csalgan predict photo.jpg --text "A dog" --out maps'
        )
    if data and text:
        raise CsalganError("--text: a dataset brings its own sentences; leave --text out.")
    require_one_of("--part", part, PARTS)
    require_one_of("--subset", subset)
    if any(sentence and not sentence.strip() for sentence in sentences):
        raise CsalganError('--text: a sentence of blanks; write one, or "" for free viewing.')
    if out.exists() and not out.is_dir():
        raise CsalganError(f"{out}: a file stands there; choose another folder.")
    if out.is_dir() and any(out.iterdir()) and not force:
        raise CsalganError(f"{out}: not empty; choose another folder, or add --force.")

    from csalgan.files.writing import require_writable

    require_writable(out)
    with doing("loading the model" + (" and the data" if data else "")):
        from csalgan.files.spreadsheets import write_csv
        from csalgan.prediction import Predictor, require_strength
        from csalgan.training import Run

        require_strength(strength)
        if data:
            dataset = open_clean(data)
        else:
            work = _photographs(images or [], sentences)
        predictor = (
            Predictor.of_run(Run.load(run))
            if run
            else Predictor.open(weights, clip_weights=clip_weights)
        )
    if fast:
        predictor = predictor.fast_copy()
    if view:
        wrong = [side for side in view if side % 32 or not 32 <= side <= 1024]
        if wrong:
            raise CsalganError(f"--view {wrong[0]}: use a multiple of 32 from 32 to 1024.")
        predictor.sizes = tuple(view)
    if data:
        work = _records(dataset, part, subset, predictor)

    import pandas as pd

    with telling(lambda: f"{out} is as it was before"), _making(out) as making:
        rows = _predict_all(work, predictor, making, strength, npy=npy, overlays=overlays)
        table = pd.DataFrame(rows).assign(model=predictor.name, **predictor.receipt.as_dict())
        write_csv(making / "predictions.csv", table)
    what = counted(len(work), "record" if data else "photograph")
    print(f"{counted(len(table), 'map')} of {what}: {out / 'maps'}")
    print(f"{predictor.name} · {predictor.receipt.line()}")


@contextmanager
def _making(out: Path) -> Iterator[Path]:
    """A folder within ``out`` whose files go to their places when the block succeeds.

    What fails halfway leaves no prediction behind, and an earlier one as it was.
    """
    from csalgan.files.writing import explaining

    new = not out.exists()
    with explaining(out):
        out.mkdir(parents=True, exist_ok=True)
        making = Path(tempfile.mkdtemp(dir=out, prefix=".csalgan-"))
        try:
            yield making
            for path in sorted(making.rglob("*")):
                target = out / path.relative_to(making)
                if path.is_dir():
                    target.mkdir(exist_ok=True)
                else:
                    os.replace(path, target)
        finally:
            shutil.rmtree(making, ignore_errors=True)
            if new and not any(out.iterdir()):
                out.rmdir()


def _photographs(given: list[Path], sentences: tuple[str, ...]) -> list[Photograph]:
    """The photographs named, and those in the folders named, each under a name of its own."""
    from csalgan.data.pictures import SUFFIXES, read_photograph

    found: list[tuple[Path, Path]] = []  # (file, the folder its name is relative to)
    for path in given:
        files = [path]
        if path.is_dir():
            files = [p for p in sorted(path.rglob("*")) if p.suffix.lower() in SUFFIXES]
            files = [p for p in files if not p.is_dir()]
            if not files:
                raise CsalganError(f"{path}: holds no photograph ({', '.join(SUFFIXES)}).")
        found += [(file, path if path.is_dir() else path.parent) for file in files]
    for file, _ in found:
        _look_at(file, len(sentences))
    stems = Counter(file.relative_to(top).with_suffix("") for file, top in found)
    work: dict[str, Photograph] = {}
    for file, top in found:
        name = file.relative_to(top)
        if stems[name.with_suffix("")] == 1:  # else there are a.jpg and a.png
            name = name.with_suffix("")
        if name.as_posix() in work:
            raise CsalganError(
                f"{file}: has the same name as {work[name.as_posix()].path}; give the folder that "
                "holds both."
            )
        pixels = partial(read_photograph, file)
        work[name.as_posix()] = Photograph(name.as_posix(), file, sentences, pixels)
    return list(work.values())


def _look_at(file: Path, n_sentences: int) -> None:
    """Refuse a photograph by its name or its header, before anything is predicted."""
    from csalgan.data.pictures import PHOTOGRAPHS, opened
    from csalgan.files.inputs import require_utf8

    require_utf8(file)
    last = f"{file.stem}-{n_sentences}.png" if n_sentences > 1 else f"{file.stem}.png"
    if len(last.encode()) > _LONGEST:
        raise CsalganError(f"{file}: its name is too long for the names of its maps; shorten it.")
    with opened(file, formats=PHOTOGRAPHS):
        pass


def _records(
    dataset: "Dataset", part: str, subset: str, predictor: "Predictor"
) -> list[Photograph]:
    """The records of a dataset as photographs that are read with one sentence each."""
    records = dataset.subset(subset)
    split = predictor.split_of(dataset)
    if part != "all":
        records = split.of(part, records)
        if records.empty and split.rule == "all":
            raise CsalganError(
                f"--part {part}: the model was trained on all images of {dataset.root}; give other "
                "data, or take all."
            )
    elif predictor.provenance.fingerprint == dataset.fingerprint[:12]:
        known = len(split.of("train", records))
        print(
            f"note: {known} of {len(records)} records show images this model was trained on, so "
            "scores of all tell nothing"
            + (
                "."
                if split.rule == "all"
                else "; take --part test, or csalgan evaluate --split test."
            ),
            file=sys.stderr,
        )
    if dataset.fingerprint[:12] in predictor.provenance.pretraining:
        print("note: this model was pretrained on all of these images.", file=sys.stderr)
    return [
        Photograph(
            row.record, Path(row.image_path), (row.text,), partial(dataset.image, row.record)
        )
        for row in records.itertuples(index=False)
    ]


def _predict_all(
    work: list[Photograph],
    predictor: "Predictor",
    out: Path,
    strength: float,
    *,
    npy: bool,
    overlays: bool,
) -> list[dict]:
    """Predict batch by batch, while threads read the next photographs and write the last maps."""
    batches = [work[start : start + _BATCH] for start in range(0, len(work), _BATCH)]
    keep = partial(_write, line=predictor.receipt.line(), out=out, npy=npy, overlays=overlays)
    rows: list[dict] = []
    with (
        ThreadPoolExecutor(2) as pool,
        Progress(total=len(work), desc="predict", unit=" photographs") as bar,
    ):
        reading = pool.map(_pixels, batches[0] if batches else [])
        written: Iterable[list[dict]] = []
        for batch, following in zip(batches, [*batches[1:], []], strict=True):
            pictures = list(reading)
            reading = pool.map(_pixels, following)
            features = predictor.encode_images(pictures)  # once for all its sentences
            shapes = [picture.shape[:2] for picture in pictures]
            columns = zip(*(photograph.sentences for photograph in batch), strict=True)
            maps = [predictor.read(features, texts, shapes, strength=strength) for texts in columns]
            rows += _collect(written, bar)
            written = pool.map(keep, batch, pictures, zip(*maps, strict=True))
        rows += _collect(written, bar)
    return rows


def _pixels(photograph: Photograph) -> "np.ndarray":
    return photograph.pixels()


def _collect(written: Iterable[list[dict]], bar: Progress) -> list[dict]:
    rows = []
    for one in written:
        rows += one
        bar.update()
    return rows


def _write(
    photograph: Photograph,
    picture: "np.ndarray",
    maps: tuple["np.ndarray", ...],
    *,
    line: str,
    out: Path,
    npy: bool,
    overlays: bool,
) -> list[dict]:
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
        height, width = saliency.shape
        size = {"height": height, "width": width}
        place = path.relative_to(out).as_posix()
        rows.append({"photograph": str(photograph.path), "text": sentence, "map": place, **size})
    if len(maps) > 1:
        told = [f"“{text}”" if text else "free viewing" for text in photograph.sentences]
        overlays_of = [blend(picture, saliency) for saliency in maps]
        sheet = output.sheet([picture, *overlays_of], ["the photograph", *told], line)
        path = out / "sheets" / f"{photograph.name}.png"
        write_bytes(path, output.encoded(sheet, "PNG"))
    return rows
