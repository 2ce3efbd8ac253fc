"""The real code beside its formula, and whether the two agree."""

import ast
import inspect
import textwrap
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from IPython.display import Code


def source_of(function: Callable) -> str:
    """The source of a function without its docstring, as it stands in the library."""
    text = textwrap.dedent(inspect.getsource(function))
    lines = text.splitlines()
    first = ast.parse(text).body[0].body[0]
    documented = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    if documented:
        del lines[first.lineno - 1 : first.end_lineno]
    return "\n".join(lines)


def code_of(*functions: Callable) -> "Code":
    """The code of library functions for a notebook to show.

    It is read from the library when the cell runs, so the page cannot say something else than
    what was computed.
    """
    from IPython.display import Code

    return Code("\n\n".join(map(source_of, functions)), language="python")


def agree(formula: float, library: float) -> str:
    """Say whether a formula, written out in a cell, and the library give the same number."""
    same = np.isclose(formula, library, rtol=1e-9, atol=1e-12, equal_nan=True)
    verdict = "the same number" if same else "THEY DIFFER"
    return f"by the formula {formula:.6f}, by the library {library:.6f}: {verdict}"
