"""What :func:`csalgan.author.score_clone` found, as tables, figures and a receipt."""

import json
import platform
import re
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd

from csalgan.author.scoring import MEAN_MAP, Scores
from csalgan.evaluation.tables import PAPER_ROW, SUBSET_LABELS
from csalgan.figures.author import draws as draws_figure
from csalgan.figures.saving import save
from csalgan.files.provenance import Provenance
from csalgan.files.spreadsheets import write_csv
from csalgan.files.writing import write_text

_TITLES = {
    "author": "Table I by the author's protocol: records drawn with replacement from all of the "
    "subset (training records included), batches of four flattened to one vector at 256 × 256; "
    "mean ± standard deviation over repeats. AUC, sAUC and NSS are the author's, not the field's.",
    "tuebingen": "The same weights under the benchmark's definitions (profile `tuebingen`), at "
    "native size, on the test images of our split; the author's weights may have been trained on "
    "them, the mean training map was not.",
}


def label(run: str, text: str) -> str:
    """What tables and figures call a row."""
    return f"author's weights ({run}), {text} sentence" if text else run


def write(out: Path, scores: Scores, receipt: Provenance, settings: dict[str, Any]) -> Path:
    """Write tables and figures into a report's folder.

    ``tables/``: ``author_table_one`` as CSV, Markdown and LaTeX, ``author_mean_map.csv`` (the
    same columns), ``author_draws.csv`` and ``author_conditions.csv``. ``figures/``: one a run.
    ``author_manifest.json``: whose files were scored, and how.

    Args:
        settings: what else the manifest is to say.

    Returns:
        The path of the Markdown table.
    """
    tables = {
        "author_table_one": scores.table,
        "author_mean_map": scores.mean_map,
        "author_draws": scores.draws,
        "author_conditions": scores.conditions,
    }
    for name, table in tables.items():
        write_csv(out / "tables" / f"{name}.csv", table, float_format="%.6g")
        write_text(out / "tables" / f"{name}.source.txt", receipt.line() + "\n")
    both = pd.concat([scores.table, scores.mean_map])
    parts = {protocol: _wide(both, protocol) for protocol in _TITLES}
    markdown = [
        "\n".join([_TITLES[protocol], "", *_markdown(part)]) for protocol, part in parts.items()
    ]
    path = out / "tables" / "author_table_one.md"
    write_text(path, "\n\n".join([*markdown, receipt.line()]) + "\n")
    latex = [part.reset_index().to_latex(index=False, escape=True) for part in parts.values()]
    write_text(path.with_suffix(".tex"), "\n".join([f"% {receipt.line()}", *latex]))
    for run, draws in scores.draws.groupby("run", sort=False):
        name = "04_author-draws-" + re.sub(r"[^a-z0-9]+", "-", run.lower()).strip("-")
        fig = draws_figure(draws, scores.table[scores.table["run"] == run], run)
        save(fig, out / "figures", name, receipt, photographs=False)
    manifest = {
        "provenance": receipt.as_dict(),
        "weights": scores.files.to_dict("records"),
        **settings,
        "versions": {"python": platform.python_version()}
        | {name: version(name) for name in ("csalgan", "torch", "numpy", "pillow")},
    }
    write_text(out / "author_manifest.json", json.dumps(manifest, indent=1) + "\n")
    return path


def _wide(table: pd.DataFrame, protocol: str) -> pd.DataFrame:
    """Rows (metric, row), columns the subsets, cells as they are read."""
    table = table[table["protocol"] == protocol]
    rows: dict[tuple[str, str], dict[str, str]] = {}
    for row in table.itertuples(index=False):
        subset = SUBSET_LABELS[row.subset]
        if protocol == "author" and not pd.isna(row.printed):
            rows.setdefault((row.metric, PAPER_ROW), {})[subset] = f"{row.printed:.3f}"
        spread = "" if pd.isna(row.sd) else f" ± {row.sd:.3f}"
        value = "–" if pd.isna(row.value) else f"{row.value:.3f}{spread}"
        rows.setdefault((row.metric, label(row.run, row.text)), {})[subset] = value
    wide = pd.DataFrame.from_dict(rows, orient="index", columns=list(SUBSET_LABELS.values()))
    wide.index = pd.MultiIndex.from_tuples(rows, names=["metric", "row"])
    metrics = {metric: place for place, metric in enumerate(dict.fromkeys(table["metric"]))}
    order = sorted(
        wide.index, key=lambda key: (metrics[key[0]], key[1] != PAPER_ROW, key[1] == MEAN_MAP)
    )
    return wide.loc[order].fillna("–")


def _markdown(table: pd.DataFrame) -> list[str]:
    lines = [f"| metric | | {' | '.join(table.columns)} |", f"|---|---|{'---:|' * table.shape[1]}"]
    lines += [
        f"| {metric} | {row} | {' | '.join(cells)} |"
        for (metric, row), cells in zip(table.index, table.to_numpy(), strict=True)
    ]
    return lines
