"""``csalgan compare``: two tables of scores, side by side."""

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from csalgan.cli.options import BootstrapOption, SeedOption, require_table
from csalgan.data.records import CONDITIONS
from csalgan.files.errors import CsalganError
from csalgan.files.progress import counted


def compare(
    a: Annotated[Path, Argument(help="What csalgan evaluate wrote, or a crossval's folder.")],
    b: Annotated[Path, Argument(help="Others on the same data.")],
    model_a: Annotated[str, Option(help="Which model of A, when it holds several.")] = "",
    model_b: Annotated[str, Option(help="Which model of B, when it holds several.")] = "",
    subset: Annotated[str, Option(help="Only its rows, in scores that hold several.")] = "",
    bootstrap: BootstrapOption = 1000,
    seed: SeedOption = 0,
    out: Annotated[Path | None, Option(help="CSV of the differences.")] = None,
) -> None:
    """Paired differences A − B of two tables of scores. With 95 % intervals over images."""
    from csalgan import evaluation
    from csalgan.files.spreadsheets import write_csv

    require_table(out, _table_in(a), _table_in(b))
    left = evaluation.one_model(_scores(a, subset), model_a or None, str(a))
    right = evaluation.one_model(_scores(b, subset), model_b or None, str(b))
    table = evaluation.compare(left, right, bootstrap=bootstrap, seed=seed)
    print(f"A: {left['model'].iloc[0]} ({a})\nB: {right['model'].iloc[0]} ({b})")
    clear = table["excludes_zero"]
    shown = table.assign(
        interval=table.apply("[{0[low]:+.3f}, {0[high]:+.3f}]".format, axis=1),
        verdict=("excludes zero, " + table["better"] + " is better").where(clear, "holds zero"),
    )
    shown.loc[table["n_images"] < 2, ["interval", "verdict"]] = "one image"
    shown = shown.rename(
        columns={"a": "A", "b": "B", "difference": "A − B", "n_records": "records"}
    ).set_index(table["metric"].map(evaluation.METRIC_LABELS).rename(None))
    columns = ["condition", "A", "B", "A − B", "interval", "records", "verdict"]
    written = {"A": "{:.3f}".format, "B": "{:.3f}".format, "A − B": "{:+.3f}".format}
    for profile, rows in shown.groupby("metric_profile", sort=False):
        print(f"\nmetric profile {profile}, A − B with 95 % intervals over images")
        print(rows[columns].to_string(formatters=written))
    print(f"\n{clear.sum()} of {len(table)} differences exclude zero.")
    splits = [
        set(side.reindex(columns=["split", "seed"]).astype(str).itertuples(index=False, name=None))
        for side in (left, right)
    ]
    if splits[0] != splits[1]:
        print(
            "note: A and B were scored with another split or seed each; the negatives of sAUC, the "
            "center bias of IG and the uniform share of KL and IG differ with it."
        )
    for side, given, scores in (("A", a, left), ("B", b, right)):
        known = scores.reindex(columns=["trained_on"])["trained_on"].astype(str) == "True"
        if seen := scores.loc[known, "record"].nunique():
            print(f"note: {side} ({given}) was trained on the images of {counted(seen, 'record')}.")
    if out is not None:
        write_csv(out, table.assign(a_from=_origin(left), b_from=_origin(right)))
        print(f"{out}: {counted(len(table), 'difference')}")


def _origin(scores) -> str:
    """Where the scores of a model come from, on one line."""
    columns = ("model", "data", "fingerprint", "encoder", "profile", "seed", "commit")
    columns += ("precision", "test_scales", "device")
    told = {key: sorted(set(scores[key].astype(str))) for key in columns if key in scores}
    return " · ".join(f"{key}: {'/'.join(values)}" for key, values in told.items())


def _table_in(path: Path) -> Path:
    """A table of scores: the file itself, or that of a crossval's folder."""
    return path / "tables" / "scores.csv" if path.is_dir() else path


def _scores(path: Path, subset: str):
    """Read a CSV of scores, ids as text; ``subset`` keeps the rows of one, where it is given."""
    import pandas as pd

    from csalgan.evaluation import METRIC_LABELS, read_scores

    path = _table_in(path)
    if not path.exists():
        raise CsalganError(f"{path}: no such file; write it with csalgan evaluate … --out.")
    scores = read_scores(path)
    known = {"condition": CONDITIONS, "metric": METRIC_LABELS}
    for column in scores.columns.intersection(["value", "epsilon", *known]):
        given = scores[column]
        right = given.isna() | (pd.to_numeric(given, errors="coerce").abs() < 9e99)
        right = given.isin(known[column]) if column in known else right
        if not right.all():
            row = int(right.to_numpy().argmin())
            raise CsalganError(
                f"{path}: {column} is {given.iloc[row]} in line {row + 2}; give scores as "
                "csalgan evaluate wrote them."
            )
    if subset:
        if subset not in set(scores.get("subset", ())):
            raise CsalganError(f"--subset {subset}: {path} has no rows of it; leave it out.")
        scores = scores[scores["subset"] == subset]
    return scores
