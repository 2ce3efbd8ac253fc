"""``csalgan compare``: two tables of scores, record by record."""

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from csalgan.cli.options import BootstrapOption, SeedOption
from csalgan.data.records import CONDITIONS
from csalgan.files.errors import CsalganError
from csalgan.files.progress import counted


def compare(
    a: Annotated[
        Path, Argument(help="Scores that csalgan evaluate wrote, or the folder of a crossval.")
    ],
    b: Annotated[Path, Argument(help="Others on the same data.")],
    model_a: Annotated[str, Option(help="Which model of A, when it holds several.")] = "",
    model_b: Annotated[str, Option(help="Which model of B, when it holds several.")] = "",
    subset: Annotated[
        str, Option(help="Only rows of this subset, in scores that hold several (a report's).")
    ] = "",
    bootstrap: BootstrapOption = 1000,
    seed: SeedOption = 0,
    out: Annotated[Path | None, Option(help="CSV of the differences.")] = None,
) -> None:
    """Paired differences A − B with 95 % intervals over images, and which exclude zero."""
    from csalgan import evaluation
    from csalgan.files.spreadsheets import write_csv

    left = evaluation.one_model(_scores(a, subset), model_a or None, str(a))
    right = evaluation.one_model(_scores(b, subset), model_b or None, str(b))
    table = evaluation.compare(left, right, bootstrap=bootstrap, seed=seed)
    print(f"A: {left['model'].iloc[0]} ({a})\nB: {right['model'].iloc[0]} ({b})")
    clear = table["excludes_zero"]
    shown = table.assign(
        interval=table.apply("[{0[low]:+.3f}, {0[high]:+.3f}]".format, axis=1),
        verdict=("excludes zero, " + table["better"] + " is better").where(clear, "holds zero"),
    )
    shown = shown.rename(
        columns={"a": "A", "b": "B", "difference": "A − B", "n_records": "records"}
    ).set_index(table["metric"].map(evaluation.METRIC_LABELS).rename(None))
    columns = ["condition", "A", "B", "A − B", "interval", "records", "verdict"]
    written = {"A": "{:.3f}".format, "B": "{:.3f}".format, "A − B": "{:+.3f}".format}
    for profile, rows in shown.groupby("metric_profile", sort=False):
        print(f"\nprofile {profile}, A − B with 95 % intervals over images")
        print(rows[columns].to_string(formatters=written))
    print(f"\n{clear.sum()} of {len(table)} differences exclude zero.")
    if out is not None:
        write_csv(out, table)
        print(f"{out}: {counted(len(table), 'difference')}")


def _scores(path: Path, subset: str):
    """Read a CSV of scores, ids as text; ``subset`` keeps the rows of one, where it is given."""
    import pandas as pd

    from csalgan.evaluation import METRIC_LABELS, TEXTS
    from csalgan.files.spreadsheets import read_csv

    path = path / "tables" / "scores.csv" if path.is_dir() else path
    try:
        scores = read_csv(path, dtype=TEXTS)
    except FileNotFoundError as error:
        raise CsalganError(
            f"{path}: no such file; write it with csalgan evaluate … --out {path.name}."
        ) from error
    known = {"condition": CONDITIONS, "metric": METRIC_LABELS}
    for column in scores.columns.intersection(["value", "epsilon", *known]):
        right = scores[column].isna() | (
            pd.to_numeric(scores[column], errors="coerce").abs() < 9e99
        )
        if column in known:
            right = scores[column].isin(known[column])
        if not right.all():
            row = int((~right).to_numpy().argmax())
            raise CsalganError(
                f"{path}: {column} is {scores[column].iloc[row]} in line {row + 2}; "
                "give scores as csalgan evaluate wrote them."
            )
    if subset:
        if subset not in set(scores.get("subset", ())):
            raise CsalganError(
                f"--subset {subset}: {path} has no rows of it; leave the option out."
            )
        scores = scores[scores["subset"] == subset]
    return scores
