"""Table I of the paper, with ours, the baselines and split-half reliability in its columns."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from csalgan.data.records import SUBSETS
from csalgan.evaluation.baselines import CORRECTED, YARDSTICKS
from csalgan.evaluation.statistics import summarise
from csalgan.files.errors import CsalganError
from csalgan.files.provenance import Provenance
from csalgan.files.spreadsheets import write_csv
from csalgan.files.writing import write_text
from csalgan.metrics import profile_info

#: The paper's numbers: rows AUC, sAUC, CC, NSS, one column for each of its four models.
PAPER_TABLE_I = pd.DataFrame(
    {
        "total": (0.684, 0.597, 0.408, 0.224),
        "general": (0.716, 0.608, 0.458, 0.191),
        "sal": (0.714, 0.607, 0.423, 0.180),
        "non_sal": (0.682, 0.591, 0.377, 0.186),
    },
    index=pd.Index(["auc", "sauc", "cc", "nss"], name="metric"),
)
#: How tables spell subsets and metrics.
SUBSET_LABELS = {"total": "Total", "general": "General", "sal": "Sal", "non_sal": "Non_sal"}
METRIC_LABELS = {
    "auc": "AUC",
    "sauc": "sAUC",
    "cc": "CC",
    "nss": "NSS",
    "sim": "SIM",
    "kl": "KL",
    "ig": "IG",
    "auc_borji": "AUC-Borji",
    "ig_uniform": "IG (uniform)",
    "lost_content": "CC lost, other image's sentence",
    "lost_exchange": "CC lost, exchanged",
    "lost_sentence": "CC lost, none",
}
#: The ``model`` column of the models a report trains; the encoder has its own column.
OURS = "ours"
COMPACT = "compact"
_LABELS = YARDSTICKS | {
    OURS: "ours: this profile's model",
    COMPACT: "ours: the compact model, one for all",
}
PAPER_ROW = "paper, as printed"


def of_the_paper(data: str) -> bool:
    """Whether data of this name are those that the paper's numbers are of.

    Beside drawn scenes, or photographs that others looked at, they would mean nothing.
    """
    return data.startswith("SJTU-TIS")


#: Why a row that looks like a limit can be beaten.
SPLIT_HALF_NOTE = (
    "Split-half reliability is no limit: both halves are noisy, with half of the fixations each, "
    "and a model is scored on all of them."
)
#: The paper's four rows first.
TABLE_METRICS = ("auc", "sauc", "cc", "nss", "sim", "kl", "ig")


def table_one(
    scores: pd.DataFrame,
    metric_profile: str,
    *,
    more: Sequence[pd.DataFrame] = (),
    bootstrap: int = 1000,
    seed: int = 0,
) -> pd.DataFrame:
    """Table I under one metric profile.

    Args:
        scores: tidy scores with a ``subset`` column: which model's column a row belongs to.
            Models first, then baselines by their names in :data:`.baselines.BASELINES`.
        metric_profile: the one to show; numbers of different profiles cannot share a column.
        more: tables of other rows, to stand below the paper's: ``metric`` (as tables spell it),
            ``row``, ``subset``, ``mean`` and, where they are known, ``low`` and ``high``.

    Returns:
        Rows for each metric: our models, the paper's number (on its data), other rows,
        baselines, split halves. Columns
        ``profile``, ``metric``, ``row``, then ``Total``, ``General``, ``Sal``, ``Non_sal`` (means
        over records; NaN where there is none) and ``Total_low``, ``Total_high``, … (95 %
        bootstrap over images).

    Raises:
        CsalganError: the scores hold nothing of that profile.
    """
    known = profile_info(metric_profile).metrics
    if "subset" not in scores:
        raise CsalganError("Table I needs a column subset: csalgan.evaluation.with_subsets.")
    scores = scores[scores["metric_profile"] == metric_profile]
    if scores.empty:
        raise CsalganError(
            f"the scores hold nothing of profile {metric_profile}; evaluate under it first."
        )
    names = scores["model"].drop_duplicates().map(row_label).tolist()
    yardsticks = [label for label in YARDSTICKS.values() if label in names]
    summary = summarise(scores, ["model", "subset"], bootstrap, seed)
    labels = summary["metric"].map(METRIC_LABELS)
    parts = [summary.assign(metric=labels, row=summary["model"].map(row_label))]
    if scores["data"].map(of_the_paper).any():
        printed = PAPER_TABLE_I.rename(METRIC_LABELS).rename_axis(columns="subset").stack()
        parts.append(printed.rename("mean").reset_index().assign(row=PAPER_ROW))
    others = [row for one in more for row in one["row"].unique()]
    cells = pd.concat([*parts, *(one for one in more if len(one))]).pivot(
        index=["metric", "row"], columns="subset", values=["mean", "low", "high"]
    )
    order = [*(name for name in names if name not in yardsticks), PAPER_ROW, *others, *yardsticks]
    always = set(names) - {YARDSTICKS[CORRECTED]}
    keys = [
        (METRIC_LABELS[metric], row)
        for metric in TABLE_METRICS
        for row in order
        if metric in known and (row in always or (METRIC_LABELS[metric], row) in cells.index)
    ]
    columns = [("mean", s) for s in SUBSETS] + [(e, s) for s in SUBSETS for e in ("low", "high")]
    table = cells.reindex(index=keys, columns=columns).astype(float)
    table.columns = [SUBSET_LABELS[s] + ("" if e == "mean" else f"_{e}") for e, s in columns]
    return (
        table.rename_axis(["metric", "row"])
        .reset_index()
        .assign(profile=metric_profile)[["profile", "metric", "row", *table.columns]]
    )


def row_label(model: str) -> str:
    """What tables and figures call a model or baseline."""
    return _LABELS.get(model, model)


def write_table_one(
    folder: str | Path, table: pd.DataFrame, name: str, provenance: Provenance
) -> list[Path]:
    """Write a table as ``name.csv``, ``.md`` and ``.tex``, and its provenance as ``.source.txt``.

    The CSV holds plain numbers; the other two show each cell with its interval and end with the
    provenance line.
    """
    folder, line = Path(folder), provenance.line()
    profile = table["profile"].iloc[0]
    cells = pd.DataFrame(
        {
            label: map(_cell, table[label], table[f"{label}_low"], table[f"{label}_high"])
            for label in SUBSET_LABELS.values()
        },
        index=pd.MultiIndex.from_frame(table[["metric", "row"]]),
    )
    title = (
        f"Table I, metric profile `{profile}` ({profile_info(profile).title}). Mean over the test "
        "records of each column's subset, with 95 % bootstrap intervals over images."
    )
    return [
        write_csv(folder / f"{name}.csv", table, float_format="%.6g"),
        write_text(folder / f"{name}.md", f"{title}\n\n{markdown(cells)}\n\n{line}\n"),
        write_text(folder / f"{name}.tex", f"% {line}\n{latex(cells)}"),
        write_text(folder / f"{name}.source.txt", line + "\n"),
    ]


def markdown(cells: pd.DataFrame) -> str:
    """Texts by (metric, row) as a Markdown table; the name of each metric stands once."""
    lines = [
        f"| metric |  | {' | '.join(cells.columns)} |",
        f"|---|---|{'---:|' * cells.shape[1]}",
    ]
    before = None
    for (metric, row), texts in zip(cells.index, cells.to_numpy(), strict=True):
        head = "" if metric == before else f"**{metric}**"
        lines.append(f"| {' | '.join((head, row, *texts))} |")
        before = metric
    return "\n".join(lines)


def latex(cells: pd.DataFrame) -> str:
    """Texts by (metric, row) for LaTeX with the ``booktabs`` package."""
    columns = "ll" + "r" * cells.shape[1]
    plain = cells.rename_axis([None, None])
    text = plain.to_latex(escape=True, multirow=False, column_format=columns)
    return text.replace("−", "$-$")


def _cell(mean: float, low: float, high: float) -> str:
    """``0.684 [0.67, 0.70]``; without brackets where there is no interval."""
    if pd.isna(mean):
        return "–"
    ends = "" if pd.isna(low) else f" [{_number(low, 2)}, {_number(high, 2)}]"
    return _number(mean, 3) + ends


def _number(value: float, digits: int) -> str:
    return f"{value:z.{digits}f}".replace("-", "−")  # z: no −0.00
