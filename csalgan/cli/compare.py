"""``csalgan compare``: two tables of scores, record by record."""

from pathlib import Path
from typing import Annotated

import typer

from csalgan.cli.options import BootstrapOption
from csalgan.data.records import CONDITIONS
from csalgan.files.errors import CsalganError
from csalgan.files.inputs import MOST_SEED
from csalgan.files.progress import counted


def compare(
    a: Annotated[
        Path,
        typer.Argument(help="Scores that csalgan evaluate wrote, or the folder of a crossval."),
    ],
    b: Annotated[Path, typer.Argument(help="Others on the same data.")],
    model_a: Annotated[
        str, typer.Option("--model-a", help="Which model of A, when it holds several.")
    ] = "",
    model_b: Annotated[
        str, typer.Option("--model-b", help="Which model of B, when it holds several.")
    ] = "",
    subset: Annotated[
        str,
        typer.Option(help="Only rows of this subset, in scores that hold several (a report's)."),
    ] = "",
    bootstrap: BootstrapOption = 1000,
    seed: Annotated[int, typer.Option(min=0, max=MOST_SEED, help="Of the resampling.")] = 0,
    out: Annotated[Path | None, typer.Option("--out", help="CSV of the differences.")] = None,
) -> None:
    """Paired differences A − B with 95 % intervals over images, and which exclude zero."""
    import pandas as pd

    from csalgan import evaluation
    from csalgan.files.spreadsheets import write_csv

    left = evaluation.one_model(_scores(a, subset), model_a or None, str(a))
    right = evaluation.one_model(_scores(b, subset), model_b or None, str(b))
    table = evaluation.compare(left, right, bootstrap=bootstrap, seed=seed)
    print(f"A: {left['model'].iloc[0]} ({a})\nB: {right['model'].iloc[0]} ({b})")
    for profile, rows in table.groupby("metric_profile", sort=False):
        print(f"\nprofile {profile}, A − B with 95 % intervals over images")
        shown = {
            "condition": rows["condition"],
            "A": rows["a"].map("{:.3f}".format),
            "B": rows["b"].map("{:.3f}".format),
            "A − B": rows["difference"].map("{:+.3f}".format),
            "interval": rows.apply(lambda row: f"[{row.low:+.3f}, {row.high:+.3f}]", axis=1),
            "records": rows["n_records"],
            "verdict": ("excludes zero, " + rows["better"] + " is better").where(
                rows["excludes_zero"], "holds zero"
            ),
        }
        metrics = rows["metric"].map(evaluation.METRIC_LABELS)
        print(pd.DataFrame(shown).set_axis(metrics.array).to_string())
    clear = int(table["excludes_zero"].sum())
    print(f"\n{clear} of {len(table)} differences exclude zero.")
    if out is not None:
        write_csv(out, table)
        print(f"{out}: {counted(len(table), 'difference')}")


def _check_values(scores, path: Path) -> None:
    """Refuse scores that are no numbers, and conditions and metrics that nobody knows."""
    import numpy as np
    import pandas as pd

    from csalgan.evaluation import METRIC_LABELS

    wrong = {}
    for column in {"value", "epsilon"} & set(scores.columns):
        numbers = pd.to_numeric(scores[column], errors="coerce")
        wrong[column] = (numbers.isna() & scores[column].notna()) | np.isinf(numbers)
    for column, known in {"condition": CONDITIONS, "metric": METRIC_LABELS}.items():
        if column in scores.columns:
            wrong[column] = ~scores[column].isin(known)
    for column, rows in wrong.items():
        if rows.any():
            row = int(rows.to_numpy().argmax())
            raise CsalganError(
                f"{path}: {column} is {scores[column].iloc[row]} in line {row + 2}; "
                "give scores as csalgan evaluate wrote them."
            )


def _scores(path: Path, subset: str):
    """Read a CSV of scores, ids as text; ``subset`` keeps the rows of one, where it is given."""
    from csalgan.evaluation import TEXTS
    from csalgan.files.spreadsheets import read_csv

    path = path / "tables" / "scores.csv" if path.is_dir() else path
    try:
        scores = read_csv(path, dtype=TEXTS)
    except FileNotFoundError as error:
        raise CsalganError(
            f"{path}: no such file; write it with csalgan evaluate … --out {path.name}."
        ) from error
    _check_values(scores, path)
    if not subset:
        return scores
    if "subset" not in scores.columns or subset not in set(scores["subset"]):
        raise CsalganError(f"--subset {subset}: {path} has no rows of it; leave the option out.")
    return scores[scores["subset"] == subset]
