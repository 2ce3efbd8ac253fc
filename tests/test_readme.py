"""README's tables of measured numbers hold what the committed tables hold."""

import re
from pathlib import Path

import pandas as pd

ROOT = Path(__file__).parent.parent
REPORTS = ROOT / "reports"


def rows(heading: str) -> dict[str, list[str]]:
    """Label → cells of every table between a heading and the next one; a label may come twice."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    section = text.split(f"## {heading}\n")[1].split("\n## ")[0]
    found: dict[str, list[str]] = {}
    for line in section.splitlines():
        if line.startswith("|") and not line.startswith("|---"):
            label, *cells = (cell.strip() for cell in line.strip("|").split("|"))
            while label in found:
                label += " (again)"
            found[label] = cells
    return found


def test_the_table_of_baselines_is_table_one():
    table = pd.read_csv(REPORTS / "sjtu-tis-paper-cpu" / "tables" / "04_table_one_tuebingen.csv")
    table = table[table["metric"] == "CC"].set_index("row")
    labels = {
        "the paper's model, trained here (128 px, MiniLM, 3 epochs)": "ours: the paper's model, "
        "trained here",
        "mean training map": "mean training map",
        "free-viewing map of the same image (records with a sentence)": "free-viewing map of the "
        "same image (records with a sentence)",
    }
    found = rows("What we measured on real gaze")
    for label, row in labels.items():
        for cell, subset in zip(found[label], ("Total", "General", "Sal", "Non_sal"), strict=True):
            mean, low, high = re.findall(r"[\d.]+", cell)
            expected = table.loc[row, [subset, f"{subset}_low", f"{subset}_high"]]
            assert mean == f"{expected.iloc[0]:.3f}", (label, subset)
            assert (low, high) == (f"{expected.iloc[1]:.2f}", f"{expected.iloc[2]:.2f}")
