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
COMPACT_LABEL = "ours: the compact model, one for all"
OURS_LABEL = "ours: this profile's model"
PAPER_ROW = "paper, as printed"
#: Why a row that looks like a limit can be beaten.
SPLIT_HALF_NOTE = (
    "Split-half reliability is no limit: both halves are noisy, with half of the fixations each, "
    "and a model is scored on all of them."
)
#: The paper's four rows first.
TABLE_METRICS = ("auc", "sauc", "cc", "nss", "sim", "kl", "ig")


def table_one(
    scores: pd.DataFrame, metric_profile: str, *, bootstrap: int = 1000, seed: int = 0
) -> pd.DataFrame:
    """Table I under one metric profile.

    Args:
        scores: tidy scores with a ``subset`` column: which model's column a row belongs to.
            Models first, then baselines by their names in :data:`.baselines.BASELINES`.
        metric_profile: the one to show; numbers of different profiles cannot share a column.

    Returns:
        Rows for each metric: our models, the paper's number (on photographs), baselines, split
        halves. Columns
        ``profile``, ``metric``, ``row``, then ``Total``, ``General``, ``Sal``, ``Non_sal`` (means
        over records; NaN where there is none) and ``Total_low``, ``Total_high``, … (95 %
        bootstrap over images).

    Raises:
        CsalganError: the scores hold no ``subset`` or nothing of that profile.
    """
    if "subset" not in scores.columns:
        raise CsalganError(
            "Table I needs a subset column in the scores, which says whose column a row is; "
            "add it with scores.assign(subset='total')."
        )
    known = profile_info(metric_profile).metrics
    scores = scores[scores["metric_profile"] == metric_profile]
    if scores.empty:
        raise CsalganError(
            f"the scores hold nothing of profile {metric_profile}; evaluate under it first."
        )
    # The paper's numbers are of photographs: beside drawn scenes they would mean nothing.
    drawn = scores["data"].str.contains("synthetic").all()
    summary = summarise(scores, ["model", "subset"], bootstrap, seed)
    cells = summary.set_index(["metric", "model", "subset"])[["mean", "low", "high"]]
    names = scores["model"].drop_duplicates().tolist()
    fixed = [name for name in YARDSTICKS if name in names]
    models = [name for name in names if name not in fixed]
    rows = []
    for metric in (m for m in TABLE_METRICS if m in known):
        rows += [_row(metric_profile, metric, name, row_label(name), cells) for name in models]
        if metric in PAPER_TABLE_I.index and not drawn:
            rows.append(_paper_row(metric_profile, metric))
        rows += [
            _row(metric_profile, metric, name, row_label(name), cells)
            for name in fixed
            if name != CORRECTED or metric == "cc"
        ]
    return pd.DataFrame(rows)


def row_label(model: str) -> str:
    """What tables and figures call a model or baseline."""
    known = YARDSTICKS | {OURS: OURS_LABEL, COMPACT: COMPACT_LABEL}
    return known.get(model, model)


def write_table_one(
    folder: str | Path, table: pd.DataFrame, name: str, provenance: Provenance
) -> list[Path]:
    """Write a table as ``name.csv``, ``.md`` and ``.tex``, and its receipt as ``.source.txt``.

    The CSV holds plain numbers; the other two show each cell with its interval and end with the
    provenance line.
    """
    folder = Path(folder)
    line = provenance.line()
    return [
        write_csv(folder / f"{name}.csv", table, float_format="%.6g"),
        write_text(folder / f"{name}.md", markdown(table, line)),
        write_text(folder / f"{name}.tex", latex(table, line)),
        write_text(folder / f"{name}.source.txt", line + "\n"),
    ]


def markdown(table: pd.DataFrame, line: str) -> str:
    """A table from :func:`table_one` as Markdown; the name of each metric stands once."""
    profile = table["profile"].iloc[0]
    head = ["metric", "", *SUBSET_LABELS.values()]
    lines = [
        f"Table I, metric profile `{profile}` ({profile_info(profile).title}). Mean over the test "
        "records of each column's subset, with 95 % bootstrap intervals over images.",
        "",
        f"| {' | '.join(head)} |",
        f"|---|---|{'---:|' * len(SUBSET_LABELS)}",
    ]
    before = None
    for row in table.to_dict("records"):
        first = f"**{row['metric']}**" if row["metric"] != before else ""
        before = row["metric"]
        lines.append(f"| {first} | {row['row']} | {' | '.join(_cells(row))} |")
    return "\n".join([*lines, "", line, ""])


def latex(table: pd.DataFrame, line: str) -> str:
    """A table from :func:`table_one` for LaTeX with the ``booktabs`` package."""
    profile = table["profile"].iloc[0]
    heads = " & ".join(_tex(label) for label in SUBSET_LABELS.values())
    lines = [
        f"% {line}",
        r"\begin{tabular}{ll" + "r" * len(SUBSET_LABELS) + "}",
        r"\toprule",
        rf" & {_tex('profile ' + profile)} & {heads} \\",
    ]
    before = None
    for row in table.to_dict("records"):
        if row["metric"] != before:
            lines.append(r"\midrule")
        first = _tex(row["metric"]) if row["metric"] != before else ""
        before = row["metric"]
        cells = " & ".join(_cells(row)).replace("−", "$-$")
        lines.append(rf"{first} & {_tex(row['row'])} & {cells} \\")
    end = [r"\bottomrule", r"\end{tabular}", rf"% {{\footnotesize {_tex(line)}}}", ""]
    return "\n".join([*lines, *end])


def _row(profile: str, metric: str, model: str, label: str, cells: pd.DataFrame) -> dict:
    found = {
        subset: cells.loc[(metric, model, subset)]
        for subset in SUBSETS
        if (metric, model, subset) in cells.index
    }
    return _filled(profile, metric, label, found)


def _paper_row(profile: str, metric: str) -> dict:
    found = {subset: {"mean": PAPER_TABLE_I.at[metric, subset]} for subset in SUBSETS}
    return _filled(profile, metric, PAPER_ROW, found)


def _filled(profile: str, metric: str, label: str, found: dict) -> dict:
    nan = float("nan")
    row = {"profile": profile, "metric": METRIC_LABELS[metric], "row": label}
    row |= {SUBSET_LABELS[s]: float(found.get(s, {}).get("mean", nan)) for s in SUBSETS}
    for subset in SUBSETS:
        for end in ("low", "high"):
            value = found.get(subset, {}).get(end, nan)
            row[f"{SUBSET_LABELS[subset]}_{end}"] = float(value)
    return row


def _cells(row: dict) -> Sequence[str]:
    """``0.684 [0.67, 0.70]`` for each subset; without brackets where there is no interval."""
    texts = []
    for label in SUBSET_LABELS.values():
        mean, low, high = (row[label + end] for end in ("", "_low", "_high"))
        if pd.isna(mean):
            texts.append("–")
        elif pd.isna(low):
            texts.append(_number(mean, 3))
        else:
            texts.append(f"{_number(mean, 3)} [{_number(low, 2)}, {_number(high, 2)}]")
    return texts


def _number(value: float, digits: int) -> str:
    text = f"{value:.{digits}f}"
    if not text.strip("-0."):
        text = text.lstrip("-")  # no −0.00
    return text.replace("-", "−")


def _tex(text: str) -> str:
    for character in "&%$#_{}":
        text = text.replace(character, rf"\{character}")
    return text
