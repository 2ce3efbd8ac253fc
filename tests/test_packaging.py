"""The promises of the repository's files: one set of packages, exact pins, clean notebooks."""

import ast
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import nbformat
import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from csalgan.figures import figure_info

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
#: Targets that the documents name.
TARGETS = {"help", "setup", "reproduce", "test", "lint", "format", "lab", "bench"} | {
    "explore",
    "test-browser",
}


@pytest.fixture(scope="module")
def project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


@pytest.fixture(scope="module")
def wanted(project) -> dict[str, SpecifierSet]:
    """Package → range, extras included."""
    extras = project["optional-dependencies"].values()
    return ranges([*project["dependencies"], *(line for extra in extras for line in extra)])


@pytest.fixture(scope="module")
def locked() -> list[tuple[Requirement, list[str]]]:
    """Every pin of the lock and its hashes."""
    text = (ROOT / "requirements.lock").read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line and not line.lstrip().startswith("#")]
    return [
        (Requirement(line.split(" --hash=")[0].strip()), re.findall(r"--hash=(\S+)", line))
        for line in lines
    ]


def ranges(lines) -> dict[str, SpecifierSet]:
    requirements = [Requirement(line) for line in lines]
    return {canonicalize_name(one.name): one.specifier for one in requirements}


# --- packages ---------------------------------------------------------------------------------


def test_conda_and_pip_are_asked_for_the_same_packages(project, wanted):
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    lines = [line for line in environment["dependencies"] if isinstance(line, str)]
    (pip,) = [line["pip"] for line in environment["dependencies"] if isinstance(line, dict)]
    assert pip[-1] == "--editable ."
    conda = ranges([*lines, *pip[:-1]])
    assert conda.pop("python") == SpecifierSet(project["requires-python"])
    assert conda.pop("pip") == SpecifierSet()
    assert conda == wanted
    assert environment["channels"] == ["conda-forge"]


def imported(path: Path) -> set[str]:
    """The modules a file imports, the first word of each."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {each.name.split(".")[0] for each in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module.split(".")[0])
    return names


def test_every_package_that_is_imported_is_asked_for(wanted):
    """What only comes with another package may go with its next version."""
    files = [path for room in ("csalgan", "course") for path in (ROOT / room).rglob("*.py")]
    modules = set().union(*map(imported, files)) - set(sys.stdlib_module_names)
    assert {"torch", "yaml", "traitlets"} <= modules
    packages = packages_distributions()
    for module in modules - {"csalgan", "course"}:
        assert {canonicalize_name(name) for name in packages[module]} & set(wanted), module


def test_the_lock_pins_and_hashes_every_line(locked):
    assert len(locked) > 50
    for requirement, hashes in locked:
        (pin,) = requirement.specifier
        assert pin.operator == "==", requirement
        assert hashes, requirement
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", one) for one in hashes), requirement


def test_the_lock_satisfies_every_range(locked, wanted):
    pins = {}
    for requirement, _ in locked:
        (pin,) = requirement.specifier
        pins.setdefault(canonicalize_name(requirement.name), []).append(Version(pin.version))
    assert set(wanted) <= set(pins)
    for name, allowed in wanted.items():
        assert all(version in allowed for version in pins[name]), (name, pins[name], allowed)


def test_torch_and_torchvision_are_the_pair_that_imports_together(locked):
    pins = {str(requirement).split(";")[0].strip() for requirement, _ in locked}
    assert {"torch==2.14.1", "torchvision==0.29.1"} <= pins


def test_the_citation_names_this_version(project):
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == project["version"]
    assert citation["license"] == project["license"]
    assert citation["authors"] == project["authors"]


# --- tools ------------------------------------------------------------------------------------


def test_ci_runs_what_a_person_runs():
    script = ROOT / ".ci" / "run"
    assert script.stat().st_mode & 0o111
    assert "make test" in script.read_text().splitlines()


def test_make_has_the_targets_and_lists_them():
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z-]+):(?!=)", makefile, re.MULTILINE))
    assert targets >= TARGETS
    listed = subprocess.run(["make", "-C", ROOT, "help"], capture_output=True, text=True)
    assert listed.returncode == 0
    assert set(re.findall(r"make ([a-z-]+)", listed.stdout)) >= TARGETS
    for target in TARGETS - {"help", "setup"}:
        assert re.search(rf"^{target}: *setup\b", makefile, re.MULTILINE), target


def test_commits_are_judged_by_the_locked_tools():
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    entries = [hook["entry"].split() for repo in hooks for hook in repo["hooks"]]
    assert {repo["repo"] for repo in hooks} == {"local"}
    assert [entry[0] for entry in entries] == [
        ".venv/bin/nbstripout",
        ".venv/bin/ruff",
        ".venv/bin/ruff",
    ]
    assert {tuple(entry[1:2]) for entry in entries[1:]} == {("check",), ("format",)}


# --- notebooks --------------------------------------------------------------------------------


def test_all_six_notebooks_are_there():
    assert [path.name[:3] for path in NOTEBOOKS] == ["01_", "02_", "03_", "04_", "05_", "06_"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_stored_clean(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert notebook.metadata.kernelspec.name == "python3"
    assert "widgets" not in notebook.metadata
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for cell in code:
        assert cell.outputs == []
        assert cell.execution_count is None
        assert len(cell.source.splitlines()) <= 25, cell.source
    assert sum("parameters" in cell.metadata.get("tags", []) for cell in code) == 1


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_has_the_order_of_all_notebooks(path):
    notebook = nbformat.read(path, as_version=4)
    prose = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    headings = re.findall(r"^(#+) (.+)$", prose, re.MULTILINE)
    assert [level for level, _ in headings].count("#") == 1
    assert headings[0][0] == "#"
    seconds = [title for level, title in headings if level == "##"]
    assert seconds[-3:] == ["What we saw", "Limits", "Exercises"]
    numbers = [int(title.split(".")[0]) for title in seconds[:-3]]
    assert numbers == list(range(1, len(numbers) + 1))
    first = notebook.cells[0].source
    assert "**Reads**" in first
    assert "**Writes**" in first


# --- reports ----------------------------------------------------------------------------------


def committed() -> list[str]:
    listed = subprocess.run(
        ["git", "-C", ROOT, "ls-files", "-z"], capture_output=True, text=True, check=False
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    return [name for name in listed.stdout.split("\0") if (ROOT / name).is_file()]


def test_no_committed_table_holds_the_sentences_of_real_data():
    tables = [name for name in committed() if name.startswith("reports/") and name.endswith(".csv")]
    assert tables
    for name in tables:
        columns = set((ROOT / name).read_text(encoding="utf-8").partition("\n")[0].split(","))
        # Words by record, in order, are the sentence.
        assert not ("record" in columns and columns & {"text", "sentence", "word"}), name


def test_no_committed_figure_shows_a_photograph_of_real_data():
    names = committed()
    # A PDF has the PNG of the same name beside it, which says what both show.
    for name in (name for name in names if name.startswith("reports/")):
        path = ROOT / name
        assert path.suffix not in {".jpg", ".jpeg", ".html", ".ipynb"}, name
        if path.suffix == ".pdf":
            assert str(Path(name).with_suffix(".png")) in names, name
        if path.suffix == ".png":
            info = figure_info(path)
            assert not info["photographs"] or info["data"].startswith("embedded"), name
    pictures = {".png", ".jpg", ".jpeg", ".gif", ".webp"}
    for name in (name for name in names if Path(name).suffix.lower() in pictures):
        info = figure_info(ROOT / name)
        assert not info["photographs"] or "embedded" in info["data"], name


def test_lines_of_code_are_neither_docstrings_nor_comments_nor_blank():
    from benchmarks.size import code_lines

    module = '"""Of the module,\nin two lines."""\n\n# why\nx = (\n    1\n)\n\n\n'
    function = 'def f():\n    """What."""\n    return "y"\n'
    assert code_lines(module + function) == 5
