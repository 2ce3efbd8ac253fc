"""Tables that a spreadsheet shows and does not run."""

import os

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from csalgan.files.errors import CsalganError
from csalgan.files.spreadsheets import read_csv, write_csv

FORMULAS = ['=HYPERLINK("http://x","y")', "+1+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "＝1"]


def test_text_that_begins_like_a_formula_is_text(tmp_path):
    table = pd.DataFrame({"text": FORMULAS, "=name": range(6), "value": [-1.5, 2, 3, 4, 5, 6]})
    path = write_csv(tmp_path / "a.csv", table, float_format="%.6g")
    raw = pd.read_csv(path)
    assert raw["text"].tolist() == [f"'{text}" for text in FORMULAS]
    assert raw.columns.tolist() == ["text", "'=name", "value"]
    assert "\n-1.5" in path.read_text() or ",-1.5" in path.read_text()  # numbers are untouched
    pd.testing.assert_frame_equal(read_csv(path), table)


def test_text_that_is_a_number_is_left_alone(tmp_path):
    path = write_csv(tmp_path / "a.csv", pd.DataFrame({"v": ["-0.25", "+3", "-1e5", "–"]}))
    assert path.read_text() == "v\n-0.25\n+3\n-1e5\n–\n"


def test_the_index_is_text_too(tmp_path):
    table = pd.DataFrame({"n": [1]}, index=pd.Index(["=a"], name="model"))
    assert write_csv(tmp_path / "a.csv", table, index=True).read_text() == "model,n\n'=a,1\n"


@given(st.lists(st.text(alphabet="'=+-@a1 ,\"\n\té", max_size=6), min_size=1, max_size=5))
def test_what_is_read_is_what_was_written(tmp_path_factory, texts):
    path = tmp_path_factory.mktemp("csv") / "a.csv"
    write_csv(path, pd.DataFrame({"text": texts, "other": "x"}))
    assert read_csv(path, dtype=str, keep_default_na=False)["text"].tolist() == texts
    for cell in pd.read_csv(path, dtype=str, keep_default_na=False)["text"]:
        if cell.startswith(("=", "+", "-", "@", "\t")):
            float(cell)


def test_what_is_no_csv_is_one_sentence(tmp_path):
    for content in (b"", b"\xff\xfe\x00", b'a,b\n"1', b"a,b\n1,2,3\n4,5,6,7"):
        (tmp_path / "a.csv").write_bytes(content)
        with pytest.raises(CsalganError, match=r"a\.csv: cannot be read as CSV"):
            read_csv(tmp_path / "a.csv")
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(CsalganError, match="no regular file"):
        read_csv(tmp_path / "pipe.csv")
