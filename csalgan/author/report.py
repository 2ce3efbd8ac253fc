"""What :func:`csalgan.author.score_clone` found, as tables, figures and a receipt."""

import json
import platform
import re
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from csalgan.author.scoring import MEAN_MAP, Scores
from csalgan.evaluation.tables import PAPER_ROW, SUBSET_LABELS, latex, markdown
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
#: Metric profile → the protocol whose numbers stand under it in a report, and whose records.
_PROTOCOLS = {
    "paper": ("author", "by the author's protocol, all records"),
    "tuebingen": ("tuebingen", "some test images perhaps known"),
}


def rows_of(scores: Scores, metric_profile: str) -> pd.DataFrame:
    """The author's weights as other rows of :func:`csalgan.evaluation.table_one`.

    Returns:
        ``metric``, ``row``, ``subset``, ``mean``, ``low``, ``high``; none under ``mit``.
    """
    protocol, where = _PROTOCOLS.get(metric_profile, ("", ""))
    table = scores.table[scores.table["protocol"] == protocol].rename(columns={"value": "mean"})
    table = table.assign(
        row=[f"{_label(*of)}: {where}" for of in zip(table["run"], table["text"], strict=True)]
    )
    keys = ["run", "subset", "text", "metric"]
    ends = scores.conditions.query("condition == 'all'")[[*keys, "low", "high"]]
    table = table.merge(ends, "left", keys)
    if protocol == "author":  # its spread is over repeats
        table[["low", "high"]] = np.nan
    return table[["metric", "row", "subset", "mean", "low", "high"]]


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
    line, folder = receipt.line(), out / "tables"
    tables = {
        "author_table_one": scores.table,
        "author_mean_map": scores.mean_map,
        "author_draws": scores.draws,
        "author_conditions": scores.conditions,
    }
    for name, table in tables.items():
        write_csv(folder / f"{name}.csv", table, float_format="%.6g")
        write_text(folder / f"{name}.source.txt", line + "\n")
    both = pd.concat([scores.table, scores.mean_map])
    cells = {protocol: _cells(both[both["protocol"] == protocol]) for protocol in _TITLES}
    texts = [f"{_TITLES[protocol]}\n\n{markdown(part)}" for protocol, part in cells.items()]
    path = write_text(folder / "author_table_one.md", "\n\n".join([*texts, line]) + "\n")
    write_text(path.with_suffix(".tex"), "\n".join([f"% {line}", *map(latex, cells.values())]))
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


def _label(run: str, text: str) -> str:
    return f"author's weights ({run}), {text} sentence" if text else run


def _cells(table: pd.DataFrame) -> pd.DataFrame:
    """Texts by (metric, row), a column a subset: the paper's number first, the mean map last."""
    printed = table[table["printed"].notna() & (table["protocol"] == "author")]
    printed = printed.drop_duplicates(["metric", "subset"])
    rows = [
        (row.metric, PAPER_ROW, row.subset, f"{row.printed:.3f}") for row in printed.itertuples()
    ]
    for row in table.itertuples():
        spread = "" if pd.isna(row.sd) else f" ± {row.sd:.3f}"
        text = "–" if pd.isna(row.value) else f"{row.value:.3f}{spread}"
        rows.append((row.metric, _label(row.run, row.text), row.subset, text))
    long = pd.DataFrame(rows, columns=["metric", "row", "subset", "text"])
    wide = long.pivot(index=["metric", "row"], columns="subset", values="text")
    names = [name for name in long["row"].unique() if name != MEAN_MAP]
    order = [(metric, row) for metric in table["metric"].unique() for row in (*names, MEAN_MAP)]
    wide = wide.reindex(index=order, columns=list(SUBSET_LABELS)).dropna(how="all").fillna("–")
    return wide.rename(columns=SUBSET_LABELS)
