"""Executed notebooks as pages of HTML that ask nobody else for anything."""

import re
from functools import cache
from pathlib import Path

import nbformat

from csalgan.files.errors import CsalganError
from csalgan.files.inputs import read_text
from csalgan.files.writing import write_text

_WIDGET = "application/vnd.jupyter.widget-view+json"
#: Formulas; code between backticks is left alone.
_MATH = re.compile(r"(`[^`]*`)|\$\$(.+?)\$\$|\$([^$\n]+)\$", re.DOTALL)


def write_page(notebook: Path, *, synthetic: bool) -> Path:
    """Write ``NAME.html`` beside an executed notebook ``NAME.ipynb``.

    Styles and pictures stand in the page, formulas become MathML, which browsers draw themselves,
    and the explorer, which needs a running kernel, is named instead.

    Args:
        synthetic: whether the gaze is simulated; the page then says so at its top.

    Returns:
        The path of the page.
    """
    cells = read(notebook)
    cells.metadata.pop("widgets", None)
    for cell in cells.cells:
        if cell.cell_type == "markdown":
            cell.source = _MATH.sub(_mathml, cell.source)
        for output in cell.get("outputs", []):
            if _WIDGET in output.get("data", {}):
                said = "*The explorer stands here: open the notebook in JupyterLab.*"
                output.data = nbformat.NotebookNode({"text/markdown": said})
    resources = {"metadata": {"name": title(cells, notebook.stem)}, "synthetic": synthetic}
    page, _ = _exporter().from_notebook_node(cells, resources=resources)
    return write_text(notebook.with_suffix(".html"), page)


def read(notebook: Path) -> nbformat.NotebookNode:
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


def title(cells: nbformat.NotebookNode, default: str) -> str:
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
