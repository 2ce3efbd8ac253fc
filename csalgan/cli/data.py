"""``csalgan data``: check, make and pack datasets."""

import time
from collections import defaultdict
from pathlib import Path
from typing import Annotated

import typer

from csalgan.cli.options import open_clean
from csalgan.data.records import CONDITIONS, SUBSETS
from csalgan.files.inputs import MOST_SEED
from csalgan.files.progress import counted, doing

PathArgument = Annotated[Path, typer.Argument(help="A dataset's folder or archive.")]

_PER_LINE = 8  # sentences without a record are many and alike: several stand on one line


def check(
    path: PathArgument,
    allow_warnings: Annotated[
        bool, typer.Option("--allow-warnings", help="Harmless faults do not count.")
    ] = False,
) -> None:
    """Name every fault, file by file, then count records; exit 0 only when clean."""
    with doing(f"reading {path}"):
        from csalgan.data.check import check_dataset
        from csalgan.data.dataset import subset_of

        report = check_dataset(path)
    by_file = defaultdict(list)
    for fault in report.faults:
        by_file[fault.file].append(fault)
    for file, faults in by_file.items():
        alike = [fault for fault in faults if fault.kind == "sentence without record"]
        for fault in faults:
            if fault not in alike:
                print(f"{fault.severity:<8}{file}: {fault.kind}: {fault.message}")
        keys = [fault.message.removeprefix("sentence of ").split(",")[0] for fault in alike]
        if keys:
            print(f"warning {file}: {counted(len(keys), 'sentence')} whose record is not here:")
        for start in range(0, len(keys), _PER_LINE):
            print("          " + " ".join(keys[start : start + _PER_LINE]))
    errors = len(report.errors)
    records = report.records
    images = counted(records["image_id"].nunique(), "image")
    print(f"{report.root}: {images}, {counted(len(records), 'record')}")
    by_condition = [f"{name} {(records['condition'] == name).sum()}" for name in CONDITIONS]
    print("  by condition: " + ", ".join(by_condition))
    by_subset = [f"{name} {len(subset_of(records, name))}" for name in SUBSETS]
    print("  by subset:    " + ", ".join(by_subset))
    warnings = counted(len(report.faults) - errors, "warning")
    print(f"  {counted(errors, 'error')}, {warnings}")
    if report.errors if allow_warnings else report.faults:
        raise typer.Exit(1)


def synth(
    path: Annotated[Path, typer.Argument(help="Folder to make.")],
    images: Annotated[int, typer.Option(max=9999, help="How many images.")] = 120,
    seed: Annotated[
        int, typer.Option(min=0, max=MOST_SEED, help="The same seed gives the same bytes.")
    ] = 0,
    observers: Annotated[
        int, typer.Option(min=1, max=1000, help="Simulated observers a record.")
    ] = 15,
) -> None:
    """Make the embedded dataset: drawn scenes, sentences, and gaze of a documented model."""
    from csalgan.data import open_dataset, synthesise

    began = time.perf_counter()
    folder = synthesise(path, n_images=images, seed=seed, observers=observers)
    dataset = open_dataset(folder)
    print(f"{folder}: {dataset.name}, {counted(len(dataset.records), 'record')}, simulated gaze")
    print(f"  {time.perf_counter() - began:.1f} s, fingerprint {dataset.fingerprint[:12]}")


def prepare(
    path: PathArgument,
    size: Annotated[int, typer.Option(min=2, max=1024, help="Side of the square, pixels.")] = 256,
) -> None:
    """Pack a dataset for training; what was packed from the same content is kept."""
    began = time.perf_counter()
    with doing(f"reading {path}"):
        from csalgan.data import prepare as pack

        prepared = pack(open_clean(str(path)), size)
    used = prepared.path.stat().st_size
    records = counted(len(prepared.records), "record")
    print(f"{prepared.path}: {records} at {size} px, {used / 1e6:.1f} MB")
    print(f"  {time.perf_counter() - began:.1f} s, fingerprint {prepared.fingerprint[:12]}")
