"""The report a run leaves behind: a page beside its pictures, tables and notebooks; a manifest."""

import json
import platform
import re
import zipfile
from collections.abc import Sequence
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jinja2
import nbformat
import pandas as pd

from csalgan import figures
from csalgan.data.pictures import opened
from csalgan.data.records import SUBSETS
from csalgan.evaluation.tables import SPLIT_HALF_NOTE
from csalgan.experiment.job import PAPER_EXAMPLE, Job
from csalgan.files.errors import CsalganError
from csalgan.files.inputs import read_text
from csalgan.files.spreadsheets import read_csv
from csalgan.files.writing import atomic_file, write_text
from csalgan.metrics import profile_info
from csalgan.runner.state import State

_PACKAGES = ("csalgan", "torch", "torchvision", "open_clip_torch", "tokenizers", "numpy", "pandas")
_LONGEST_TABLE = 60  # rows shown on the page (Table I has 46); longer tables are linked only
_SHOWN = 96 / 160  # a figure's pixels on paper (160 an inch) → on a page (96 an inch)
_MANIFEST = "manifest.json"
#: What is handed around; runs, logs and what the runner keeps are not.
_HANDED = ("index.html", _MANIFEST, "figures/*", "tables/*", "notebooks/*")
#: Formulas; code between backticks is left alone.
_MATH = re.compile(r"(`[^`]*`)|\$\$(.+?)\$\$|\$([^$\n]+)\$", re.DOTALL)


_LOSSES = list(enumerate(SUBSETS, 6))  # number of the figure, subset
#: What the paper has, what it shows, and the files of a report that correspond; none: why not.
PAPER = (
    ("Figure 1", "CLIP", "another paper's figure (CLIP)"),
    ("Figures 2, 3", "SalGAN", "another paper's figures (SalGAN)"),
    ("Figure 4", "generator", ("figures/02_generator.png",)),
    ("Figure 5", "discriminator", ("figures/02_discriminator.png",)),
    *((f"Figure {k}", f"losses, {s}", (f"figures/03_losses-{s}.png",)) for k, s in _LOSSES),
    *(
        (
            f"Figure {k}",
            f"prediction with the {kind.replace('_', '-')} sentence",
            (f"figures/05_pair-{kind}.png", "figures/04_figures_10_to_12.png"),
        )
        for k, kind in enumerate(("general", "salient", "non_salient"), 10)
    ),
    (
        "Table I",
        "scores of the four models",
        ("tables/04_table_one_paper.csv", "tables/04_table_one_tuebingen.csv"),
    ),
)


def write(job: Job, steps: Sequence[str], seconds: dict[str, float]) -> Path:
    """Write ``manifest.json``, ``index.html`` and the notebooks' pages into the report's folder.

    The same figures, tables and notebooks give the same pages, byte for byte: times stand in the
    manifest only.

    Args:
        job: the report's profile, data and folder.
        steps: names of the executed notebooks, in order.
        seconds: how long each took.

    Returns:
        The path of ``index.html``, below 1 MB: it shows every figure and every short table and
        links to the notebooks, the long tables and the PDFs.
    """
    manifest = _manifest(job, steps, seconds)
    synthetic = job.dataset.synthetic
    for step in steps:
        write_page(job.out / "notebooks" / f"{step}.ipynb", synthetic=synthetic)
    metrics = job.profile.evaluation.metric_profiles
    ones = {name: job.tables / f"04_table_one_{name}.csv" for name in metrics}
    loader = jinja2.PackageLoader("csalgan", "templates")
    trimmed = {"trim_blocks": True, "lstrip_blocks": True}
    environment = jinja2.Environment(loader=loader, autoescape=True, **trimmed)
    page = environment.get_template("report.html.j2").render(
        manifest=manifest,
        provenance=job.predicted.line(),
        synthetic=synthetic,
        paper=_counterparts(job),
        table_one=[_table_one(path, name) for name, path in ones.items() if path.is_file()],
        split_half=SPLIT_HALF_NOTE,
        sections=_sections(job, steps, manifest),
    )
    index = write_text(job.out / "index.html", page)
    # Last: a report whose manifest says complete has everything.
    write_text(job.out / _MANIFEST, json.dumps(manifest, indent=1, ensure_ascii=False) + "\n")
    return index


def pack(report: Path, file: Path) -> Path:
    """One file to hand around: page, pictures, tables and notebooks of a report, without its runs.

    The same report gives the same bytes.

    Raises:
        CsalganError: the folder is no finished report, a file of it is a link to somewhere else,
            or the packed one would lie in it or cannot be written.
    """
    home = report.resolve()
    if file.resolve().is_relative_to(home):
        raise CsalganError(f"{file}: lies in the report that it is to hold; choose another place.")
    if not (report / "index.html").is_file():
        raise CsalganError(f"{report}: holds no index.html; finish it with csalgan reproduce.")
    found = sorted({path for kind in _HANDED for path in report.glob(kind) if path.is_file()})
    if away := [path for path in found if not path.resolve().is_relative_to(home)]:
        raise CsalganError(f"{away[0]}: is a link out of the report; put the file in its place.")
    with (
        atomic_file(file) as temporary,
        zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as packed,
    ):
        for path in found:
            entry = zipfile.ZipInfo(f"{report.name}/{path.relative_to(report).as_posix()}")
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            packed.writestr(entry, path.read_bytes())
    return file


def photographs(report: Path) -> list[str]:
    """Names of a report's figures that show photographs of real data: not to be published."""
    known = json.loads((report / _MANIFEST).read_text(encoding="utf-8"))
    if known["data"]["synthetic"]:
        return []
    return [name for name, about in known["figures"].items() if about["photographs"]]


def _counterparts(job: Job) -> list[dict[str, Any]]:
    """The paper's figures and table, and what of this report answers each."""
    rows = []
    for of, shows, answer in PAPER:
        files = () if isinstance(answer, str) else answer
        there = [Path(name) for name in files if (job.out / name).is_file()]
        why = answer if isinstance(answer, str) else "" if there else "not in this report"
        if any("05_pair" in path.name for path in there) and job.example_image() != PAPER_EXAMPLE:
            why = f"another image, {job.example_image()}: this dataset lacks the paper's"
        links = [f"#{p.stem}" if p.parent.name == "figures" else p.as_posix() for p in there]
        named = list(zip(links, [path.stem for path in there], strict=True))
        rows.append({"of": of, "shows": shows, "files": named, "why": why})
    return rows


def _manifest(job: Job, steps: Sequence[str], seconds: dict[str, float]) -> dict[str, Any]:
    done = [State(job.out).read(step) for step in steps]
    ours = {name for one in done if one for name in one.files}
    return {
        "complete": True,
        "made": max((one.started for one in done if one), default=""),
        "provenance": job.predicted.as_dict(),
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
        "runs": {subset: _about_run(job, subset) for subset in job.profile.training.subsets},
        "versions": {"python": platform.python_version()}
        | {name: version(name) for name in _PACKAGES},
        "machine": {"system": platform.system(), "processor": platform.machine()},
        "seconds": seconds | {"total": round(sum(seconds.values()), 1)},
        "notebooks": [f"notebooks/{step}.ipynb" for step in steps],
        "figures": {
            path.name: {"photographs": bool(info["photographs"]), "title": info["title"]}
            for path in sorted(job.figures.glob("*.png"))
            if f"figures/{path.name}" in ours  # others were put there by hand
            for info in [figures.figure_info(path)]
        },
        "tables": sorted(path.name for path in job.tables.glob("*.csv")),
    }


def _about_run(job: Job, subset: str) -> dict[str, Any]:
    run = job.finished_run(subset)
    keys = ("records", "best_epoch", "device", "precision", "seconds_per_epoch")
    about = {key: run.info[key] for key in keys}
    return about | {"epochs": len(run.history), "commit": run.provenance.commit}


def _sections(job: Job, steps: Sequence[str], manifest: dict[str, Any]) -> list[dict[str, Any]]:
    """One section a notebook number: its title, executed copies, figures and tables."""
    sections = []
    for number in dict.fromkeys(step[:2] for step in steps):
        notebooks = [step for step in steps if step[:2] == number]
        first = _read(job.out / "notebooks" / f"{notebooks[0]}.ipynb")
        own = [name for name in manifest["tables"] if name[:2] == number]
        sections.append(
            {
                "number": number,
                "title": _title(first, notebooks[0]),
                "notebooks": notebooks,
                "figures": [
                    _figure(job.figures / name, about["title"])
                    for name, about in manifest["figures"].items()
                    if name[:2] == number
                ],
                "tables": [_table(job.tables / n) for n in own if not n.startswith("04_table_one")],
            }
        )
    return sections


def _figure(path: Path, title: str) -> dict[str, Any]:
    with opened(path) as picture:
        width, height = (round(side * _SHOWN) for side in picture.size)
    return {"name": path.stem, "title": title, "width": width, "height": height}


def _table_one(path: Path, profile: str) -> dict[str, Any]:
    """Table I as it is read: means with their intervals, one block a metric."""
    table = read_csv(path)
    columns = [c for c in table if f"{c}_low" in table]
    numbers = table.drop(columns=["profile", "metric", "row"], errors="ignore")
    if {"metric", "row"} - {*table} or not all(map(pd.api.types.is_numeric_dtype, numbers.dtypes)):
        raise CsalganError(
            f"{path}: is not Table I as it was written; do step 04 again with csalgan reproduce."
        )
    return {
        "profile": profile,
        "about": profile_info(profile).title,
        "link": f"tables/{path.name}",
        "columns": columns,
        "blocks": {m: rows.to_dict("records") for m, rows in table.groupby("metric", sort=False)},
    }


def _table(path: Path) -> dict[str, Any]:
    table = read_csv(path, dtype=str, keep_default_na=False)
    short = len(table) <= _LONGEST_TABLE
    return {
        "name": path.stem,
        "link": f"tables/{path.name}",
        "rows": len(table),
        "columns": table.columns.tolist(),
        "cells": table.map(_short).to_numpy().tolist() if short else None,
    }


def _short(cell: str) -> str:
    """At most four decimals on the page; the CSV keeps all."""
    try:
        return f"{float(cell):.4f}".rstrip("0").rstrip(".") if "." in cell else cell
    except ValueError:
        return cell


def write_page(notebook: Path, *, synthetic: bool) -> Path:
    """Write ``NAME.html`` beside an executed notebook ``NAME.ipynb``.

    Styles and pictures stand in the page, formulas become MathML, which browsers draw themselves,
    and the explorer, which needs a running kernel, is named instead.

    Args:
        synthetic: whether the gaze is simulated; the page then says so at its top.

    Returns:
        The path of the page.
    """
    cells = _read(notebook)
    cells.metadata.pop("widgets", None)
    for cell in cells.cells:
        if cell.cell_type == "markdown":
            cell.source = _MATH.sub(_mathml, cell.source)
    resources = {"metadata": {"name": _title(cells, notebook.stem)}, "synthetic": synthetic}
    page, _ = _exporter().from_notebook_node(cells, resources=resources)
    return write_text(notebook.with_suffix(".html"), page)


def _read(notebook: Path) -> nbformat.NotebookNode:
    """An executed notebook.

    Raises:
        CsalganError: missing, or not a notebook.
    """
    try:
        cells = nbformat.reads(read_text(notebook), as_version=4)
        nbformat.validate(cells)
        return cells
    except (FileNotFoundError, ValueError, RecursionError, LookupError, AttributeError,
            TypeError, nbformat.ValidationError) as error:  # fmt: skip
        raise CsalganError(
            f"{notebook}: cannot be read as a notebook; do its step again with csalgan reproduce."
        ) from error


def _title(cells: nbformat.NotebookNode, default: str) -> str:
    """A notebook's one H1."""
    for cell in cells.cells:
        if cell.cell_type == "markdown" and cell.source.startswith("# "):
            return cell.source.splitlines()[0].removeprefix("# ")
    return default


@cache
def _exporter():
    from nbconvert import HTMLExporter  # takes a second

    here = Path(__file__).resolve().parents[1] / "templates"
    return HTMLExporter(
        extra_template_paths=[str(here)],
        template_file="notebook.html.j2",
        exclude_anchor_links=True,
    )


def _mathml(found: re.Match) -> str:
    from latex2mathml.converter import convert

    code, block, inline = found.groups()
    return code or convert(block or inline, display="block" if block else "inline")
