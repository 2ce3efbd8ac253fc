"""Data walks one way: no room of the module imports from a floor that is not below its own."""

import tomllib
from pathlib import Path

import grimp
import pytest

from benchmarks.size import LONGEST, code_lines

ROOT = Path(__file__).resolve().parent.parent
FLOORS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["house"]["floors"]


@pytest.fixture(scope="module")
def graph():
    """Every import of the module, those inside functions and for type checkers too."""
    return grimp.build_graph("csalgan", exclude_type_checking_imports=False, cache_dir=None)


def test_no_arrow_runs_up(graph):
    floor = {room: k for k, rooms in enumerate(FLOORS) for room in rooms.split()}
    up = []
    for module in sorted(graph.modules - {"csalgan"}):
        for imported in graph.find_modules_directly_imported_by(module) - {"csalgan"}:
            above, below = module.split(".")[1], imported.split(".")[1]
            if above != below and floor[above] >= floor[below]:
                up.append(f"{module} imports {imported}")
    assert not up
    assert {module.split(".")[1] for module in graph.modules - {"csalgan"}} == set(floor)
    assert len(FLOORS) <= 11


def test_the_module_does_without_the_course(graph):
    whole = grimp.build_graph("csalgan", include_external_packages=True, cache_dir=None)
    assert "torch" in whole.modules
    assert "course" not in whole.modules


@pytest.mark.parametrize("package", ["csalgan", "course"])
def test_no_file_is_too_long_to_read(package):
    lengths = {p: code_lines(p.read_text()) for p in (ROOT / package).rglob("*.py")}
    assert {str(p): n for p, n in lengths.items() if n > LONGEST} == {}
