"""``csalgan data``: check, make and pack datasets."""

import time
from pathlib import Path
from typing import Annotated

from typer import Argument, Exit, Option

from csalgan.cli.options import SeedOption, open_clean
from csalgan.data.records import CONDITIONS, SUBSETS
from csalgan.files.inputs import printable
from csalgan.files.progress import counted, doing

PathArgument = Annotated[Path, Argument(help="A dataset's folder or archive.")]


def check(
    path: PathArgument,
    allow_warnings: Annotated[
        bool, Option("--allow-warnings", help="Harmless faults do not count.")
    ] = False,
) -> None:
    """Name every fault, file by file, then count records; exit 0 only when clean."""
    with doing(f"reading {path}"):
        from csalgan.data.check import check_dataset
        from csalgan.data.dataset import subset_of

        report = check_dataset(path)
    for fault in report.faults:
        told = printable(f"{fault.file}: {fault.kind}: {fault.message}")
        print(f"{fault.severity:<8}{told}")
    errors, records = len(report.errors), report.records
    images = counted(records["image_id"].nunique(), "image")
    print(f"{report.root}: {images}, {counted(len(records), 'record')}")
    by_condition = [f"{name} {(records['condition'] == name).sum()}" for name in CONDITIONS]
    print("  by condition: " + ", ".join(by_condition))
    by_subset = [f"{name} {len(subset_of(records, name))}" for name in SUBSETS]
    print("  by subset:    " + ", ".join(by_subset))
    warnings = counted(len(report.faults) - errors, "warning")
    print(f"  {counted(errors, 'error')}, {warnings}")
    if report.errors if allow_warnings else report.faults:
        raise Exit(1)


def synth(
    path: Annotated[Path, Argument(help="Folder to make.")],
    images: Annotated[int, Option(max=9999, help="How many images.")] = 120,
    seed: SeedOption = 0,
    observers: Annotated[int, Option(min=1, max=1000, help="Simulated, for a record.")] = 15,
) -> None:
    """Make the embedded dataset: drawn scenes, sentences, simulated gaze."""
    from csalgan.data import open_dataset, synthesise
    from csalgan.files.writing import require_writable

    require_writable(path)
    began = time.perf_counter()
    folder = synthesise(path, n_images=images, seed=seed, observers=observers)
    dataset = open_dataset(folder)
    print(f"{folder}: {dataset.name}, {counted(len(dataset.records), 'record')}, simulated gaze")
    print(f"  {time.perf_counter() - began:.1f} s, fingerprint {dataset.fingerprint[:12]}")


def prepare(
    path: PathArgument,
    size: Annotated[int, Option(min=2, max=1024, help="Side of the square, pixels.")] = 256,
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
