"""``csalgan train``: one model on one subset."""

from functools import partial
from pathlib import Path
from typing import Annotated

from typer import Option

from csalgan.cli.options import (
    ClipOption,
    DataOption,
    ProfileOption,
    SetOption,
    SubsetOption,
    overrides_of,
    telling,
)


def train(
    out: Annotated[Path, Option(help="Folder of the run.")],
    profile: ProfileOption = "demo",
    subset: SubsetOption = "total",
    data: DataOption = "",
    seeds: Annotated[
        int,
        Option(min=1, max=1000, help="Train so many seeds, in --out/seed-0 …, on one split."),
    ] = 1,
    resume: Annotated[bool, Option("--resume", help="Continue the run in --out.")] = False,
    changes: SetOption = None,
    clip_weights: ClipOption = None,
) -> None:
    """Train one model adversarially; history and checkpoints go to --out."""
    import pandas as pd

    from csalgan.experiment.job import open_job
    from csalgan.files.locks import refuse_inside
    from csalgan.files.writing import require_writable
    from csalgan.training import train as train_model

    require_writable(out)
    job = open_job(profile, data, str(out), overrides_of(changes, clip_weights))
    refuse_inside(job.out)
    wanted = {job.out: job.profile}
    if seeds > 1:
        wanted = {job.out / f"seed-{k}": job.profile.of_seed(k) for k in range(seeds)}
    validated = job.profile.data.split != "all"
    found = []
    for folder, own in wanted.items():
        with telling(partial(_stands, folder), add=["--resume"]):
            run = train_model(own, job.dataset, subset, folder, resume=resume)
        kept = run.kept
        found.append(kept[["val_cc", "val_nss"]])
        text = f"text {job.encoder.name}"
        print(f"{folder}: {len(run.history)} epochs on {job.dataset.name}, {text}")
        score = "no image was held back to validate on"
        if validated:
            score = f"validation CC {kept['val_cc']:.3f}, NSS {kept['val_nss']:.3f}"
            score += f" (at {own.data.size} px)"
        print(f"{own.training.keep} epoch {kept['epoch']:.0f}: {score}")
    if seeds > 1 and validated:
        table = pd.DataFrame(found)
        mean, spread = table.mean(), table.std(ddof=1)
        print(
            f"{seeds} seeds: validation CC {mean['val_cc']:.3f} ± {spread['val_cc']:.3f}, "
            f"NSS {mean['val_nss']:.3f} ± {spread['val_nss']:.3f} (mean ± SD)"
        )


def _stands(folder: Path) -> str:
    history = folder / "history.csv"
    rows = history.read_text(encoding="utf-8").count("\n") - 1 if history.is_file() else 0
    return f"{rows} finished epochs stand in {folder}" if rows else "no epoch is finished"
