"""The author's weights among the rows of a report's Table I."""

import numpy as np
import pandas as pd
import pytest

from csalgan.author import Scores, table_rows
from csalgan.config import load_profile
from csalgan.evaluation.tables import PAPER_ROW, table_one
from csalgan.pipeline import check_parameters, plan


def test_the_clone_goes_to_the_notebooks_that_show_it():
    asked = {"profile": "smoke", "data": "", "out": "out", "overrides": [], "author": "clone"}
    steps = plan(load_profile("smoke"), asked)
    check_parameters(steps)
    assert {step.name[:2] for step in steps if "author" in step.parameters} == {"03", "04"}


def scores() -> Scores:
    keys = {"run": "run", "subset": "sal", "text": "mean"}
    table = pd.DataFrame(
        [
            keys | {"protocol": "author", "metric": "AUC", "value": 0.7, "sd": 0.01},
            keys | {"protocol": "tuebingen", "metric": "AUC", "value": 0.8, "sd": np.nan},
        ]
    )
    ends = {"condition": "all", "metric": "AUC", "mean": 0.8, "low": 0.75, "high": 0.85}
    return Scores(table, table[:0], table[:0], pd.DataFrame([keys | ends]), table[:0])


def tidy() -> pd.DataFrame:
    """Scores of a model and a baseline on one image, in AUC and CC."""
    about = {"record": "a_3", "image_id": "a", "condition": "salient", "subset": "sal"}
    rows = [
        about | {"model": model, "metric_profile": profile, "metric": metric, "value": 0.6}
        for profile in ("paper", "tuebingen")
        for model in ("ours", "uniform")
        for metric in ("auc", "cc")
    ]
    return pd.DataFrame(rows).assign(data="SJTU-TIS (510 images)")


@pytest.mark.parametrize(
    ("profile", "value", "low"), [("paper", 0.7, None), ("tuebingen", 0.8, 0.75)]
)
def test_rows_stand_below_the_papers_under_the_profile_of_their_protocol(profile, value, low):
    more = [table_rows(scores(), profile)]
    found = table_one(tidy(), profile, more=more, bootstrap=10).query("metric in ('AUC', 'CC')")
    assert found["metric"].tolist() == ["AUC"] * 4 + ["CC"] * 3
    theirs = found.iloc[2]
    assert found["row"][1] == PAPER_ROW
    assert theirs["row"].startswith("author's weights (run), mean sentence")
    assert theirs["Sal"] == value
    assert np.isnan(theirs["Total"])
    assert (theirs["Sal_low"] == low) if low else np.isnan(theirs["Sal_low"])


def test_no_row_stands_under_a_profile_that_no_protocol_has():
    assert table_rows(scores(), "mit").empty
