"""``csalgan author``: Table I from the weights of the paper's author."""

import time
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from csalgan.cli.options import ClipOption, SeedOption, open_clean


def author(
    clone: Annotated[Path, Argument(help="A clone of github.com/Firehdx/CLIP-SalGAN.")],
    data: Annotated[str, Option(help="SJTU-TIS: its folder or archive.")],
    out: Annotated[
        Path | None, Option(help="Folder of the report; reports/author-weights else.")
    ] = None,
    draws: Annotated[int, Option(min=1, max=100_000, help="Records drawn in one repeat.")] = 300,
    repeats: Annotated[int, Option(min=2, max=1000, help="Repeats; their spread.")] = 10,
    seed: SeedOption = 0,
    clip_weights: ClipOption = None,
) -> None:
    """Score every model/*/generator_*.pt of the clone, by the author's protocol and the field's."""
    from csalgan.author import score_clone, write_report
    from csalgan.data.clone import find_weights
    from csalgan.files import paths
    from csalgan.files.locks import locked
    from csalgan.files.provenance import Provenance, commit
    from csalgan.files.writing import require_writable

    began = time.perf_counter()
    out = out or paths.reports_dir() / "author-weights"
    require_writable(out)  # before the data are looked at
    dataset = open_clean(data)
    find_weights(clone)  # or a sentence, before anything is made
    with locked(out):
        scores = score_clone(
            clone, dataset, draws=draws, repeats=repeats, clip_weights=clip_weights, seed=seed
        )
        receipt = Provenance(
            data=dataset.name,
            fingerprint=dataset.fingerprint[:12],
            encoder=", ".join(scores.table["text"].unique()),
            profile="author's weights",
            seed=seed,
            commit=commit(),
        )
        seconds = round(time.perf_counter() - began)
        settings = {"draws": draws, "repeats": repeats, "seconds": seconds}
        path = write_report(out, scores, receipt, settings)
    print(path.read_text(encoding="utf-8"))
    print(f"{path} ({seconds} s)")
