"""The report a run leaves behind: one page that needs nothing but itself, and a manifest."""

import base64
import json
import platform
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2
import nbformat
import pandas as pd

from csalgan import figures
from csalgan.files import write_text
from csalgan.metrics import profile_info

if TYPE_CHECKING:
    from csalgan.job import Job

_PACKAGES = (
    "csalgan",
    "torch",
    "torchvision",
    "open_clip_torch",
    "tokenizers",
    "numpy",
    "pandas",
)
_LONGEST_TABLE = 60  # rows shown on the page (Table I has 46); longer tables are linked only


def write(job: "Job", steps: list[str], seconds: dict[str, float]) -> Path:
    """Write ``manifest.json`` and ``index.html`` into the report's folder.

    Args:
        job: the report's profile, data and folder.
        steps: names of the executed notebooks, in order.
        seconds: how long each took.

    Returns:
        The path of ``index.html``, which holds every figure and every short table inside itself
        and links to the notebooks, the long tables and the PDFs.
    """
    manifest = _manifest(job, steps, seconds)
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("csalgan", "templates"), autoescape=True
    )
    page = environment.get_template("report.html.j2").render(
        manifest=manifest,
        provenance=job.provenance.line(),
        synthetic=job.dataset.synthetic,
        table_one=[
            _table_one(job.tables / f"04_table_one_{name}.csv", name)
            for name in job.profile.evaluation.metric_profiles
            if (job.tables / f"04_table_one_{name}.csv").is_file()
        ],
        sections=_sections(job, steps, manifest),
    )
    index = job.out / "index.html"
    write_text(index, page)
    # Last: a report whose manifest says complete has everything.
    write_text(job.out / "manifest.json", json.dumps(manifest, indent=1, ensure_ascii=False) + "\n")
    return index


def _manifest(job: "Job", steps: list[str], seconds: dict[str, float]) -> dict[str, Any]:
    return {
        "complete": True,
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "provenance": job.provenance.as_dict(),
        "profile": job.profile.as_dict(),
        "data": {
            "name": job.dataset.name,
            "synthetic": job.dataset.synthetic,
            "fingerprint": job.dataset.fingerprint,
            "images": int(job.dataset.records["image_id"].nunique()),
            "records": len(job.dataset.records),
        },
        "split": {part: len(getattr(job.split, part)) for part in ("train", "val", "test")}
        | {"rule": job.split.rule, "seed": job.split.seed},
        "text_encoder": {"name": job.encoder.name, "fingerprint": job.encoder.fingerprint},
        "runs": _runs(job),
        "versions": {"python": platform.python_version()}
        | {name: version(name) for name in _PACKAGES},
        "machine": {"system": platform.system(), "processor": platform.machine()},
        "seconds": seconds | {"total": round(sum(seconds.values()), 1)},
        "notebooks": [f"notebooks/{step}.ipynb" for step in steps],
        "figures": {
            path.name: {
                "photographs": bool(info["photographs"]),
                "title": info["title"],
            }
            for path in sorted(job.figures.glob("*.png"))
            for info in [figures.figure_info(path)]
        },
        "tables": sorted(path.name for path in job.tables.glob("*.csv")),
    }


def _runs(job: "Job") -> dict[str, Any]:
    runs = {}
    for subset in job.profile.training.subsets:
        run = job.run(subset, progress=False)
        keys = ("records", "best_epoch", "device", "precision", "seconds_per_epoch")
        runs[subset] = {key: run.info[key] for key in keys} | {
            "epochs": len(run.history),
            "commit": run.provenance.commit,
        }
    return runs


def _sections(job: "Job", steps: list[str], manifest: dict[str, Any]) -> list[dict[str, Any]]:
    """One section a notebook number: its title, executed copies, figures and tables."""
    sections: dict[str, dict[str, Any]] = {}
    for step in steps:
        number = step[:2]
        path = job.out / "notebooks" / f"{step}.ipynb"
        section = sections.setdefault(
            number,
            {"number": number, "title": _title(path), "notebooks": [], "figures": [], "tables": []},
        )
        section["notebooks"].append(
            {"name": step, "link": f"notebooks/{step}.ipynb", "seconds": manifest["seconds"][step]}
        )
    for name, about in manifest["figures"].items():
        if name[:2] in sections:
            sections[name[:2]]["figures"].append(
                {
                    "name": name,
                    "title": about["title"],
                    "source": _inline(job.figures / name),
                    "pdf": f"figures/{Path(name).stem}.pdf",
                }
            )
    for name in manifest["tables"]:
        if name[:2] in sections and not name.startswith("04_table_one"):
            sections[name[:2]]["tables"].append(_table(job.tables / name))
    return list(sections.values())


def _title(notebook: Path) -> str:
    """The notebook's one H1."""
    for cell in nbformat.read(notebook, as_version=4).cells:
        if cell.cell_type == "markdown" and cell.source.startswith("# "):
            return cell.source.splitlines()[0].removeprefix("# ")
    return notebook.stem


def _inline(picture: Path) -> str:
    return "data:image/png;base64," + base64.b64encode(picture.read_bytes()).decode("ascii")


def _table_one(path: Path, profile: str) -> dict[str, Any]:
    """Table I as it is read: means with their intervals, one block a metric."""
    table = pd.read_csv(path)
    columns = [c for c in table if f"{c}_low" in table]
    rows = []
    for number, row in table.iterrows():
        cells = []
        for column in columns:
            low, high = row[f"{column}_low"], row[f"{column}_high"]
            mean = "–" if pd.isna(row[column]) else f"{row[column]:.3f}"
            cells.append((mean, "" if pd.isna(low) else f"[{low:.2f}, {high:.2f}]"))
        first = number == 0 or row["metric"] != table["metric"].iloc[number - 1]
        rows.append({"metric": row["metric"] if first else "", "row": row["row"], "cells": cells})
    return {
        "profile": profile,
        "about": profile_info(profile).title,
        "link": f"tables/{path.name}",
        "columns": columns,
        "rows": rows,
    }


def _table(path: Path) -> dict[str, Any]:
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    short = len(table) <= _LONGEST_TABLE
    return {
        "name": path.stem,
        "link": f"tables/{path.name}",
        "rows": len(table),
        "columns": table.columns.tolist(),
        "cells": [[_short(cell) for cell in row] for row in table.to_numpy().tolist()]
        if short
        else None,
    }


def _short(cell: str) -> str:
    """At most four decimals on the page; the CSV keeps all."""
    if "." not in cell:
        return cell
    try:
        return f"{float(cell):.4f}".rstrip("0").rstrip(".")
    except ValueError:
        return cell
