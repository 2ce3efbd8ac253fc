"""Lines of code by room, without docstrings, comments and blank lines.

``python -m benchmarks.size`` prints them; ``make lint`` does too.
"""

import ast
import io
import tokenize
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[1]
LIMITS = {"csalgan": 8_500, "course": 1_200}  # lines of code a package
LONGEST = 300
_NOT_CODE = {
    tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE,
    tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER,
}  # fmt: skip


def code_lines(text: str) -> int:
    """How many lines of Python text hold code."""
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in _NOT_CODE:
            lines |= set(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(
            node
        ):
            lines -= set(range(node.body[0].lineno, node.body[0].end_lineno + 1))
    return len(lines)


def main() -> None:
    """Print lines a room, the sums, and every file that is longer than it should be."""
    for package, limit in LIMITS.items():
        rooms: Counter[str] = Counter()
        long = []
        for path in (ROOT / package).rglob("*.py"):
            count = code_lines(path.read_text(encoding="utf-8"))
            rooms[path.relative_to(ROOT / package).parts[0]] += count
            if count > LONGEST:
                long.append(f"{path.relative_to(ROOT)} has {count} lines")
        for room, count in rooms.most_common():
            print(f"{count:7,}  {room}")
        print(f"{rooms.total():7,}  lines of code in {package}/, of at most {limit:,}")
        for one in long:
            print(f"over {LONGEST}: {one}")


if __name__ == "__main__":
    main()
