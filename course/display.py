"""The real code beside its formula."""

import ast
import inspect
import textwrap
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from IPython.display import Code


def source_of(thing: Callable | type) -> str:
    """The source of a function or class without its docstrings, as it stands in the library."""
    text = textwrap.dedent(inspect.getsource(thing))
    lines = text.splitlines()
    for node in sorted(ast.walk(ast.parse(text)), key=lambda n: -getattr(n, "lineno", 0)):
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and ast.get_docstring(node):
            documentation = node.body[0]
            blank = not lines[documentation.end_lineno].strip()  # after a class's
            del lines[documentation.lineno - 1 : documentation.end_lineno + blank]
    return "\n".join(lines)


def code_of(*things: Callable | type) -> "Code":
    """The code of library functions and classes for a notebook to show.

    It is read from the library when the cell runs, so the page cannot say something else than
    what was computed.
    """
    from IPython.display import Code

    return Code("\n\n".join(map(source_of, things)), language="python")
