"""No image in two parts; the leak of the author's code under its own name."""

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from csalgan.data import make_split
from csalgan.files.errors import CsalganError


def table(two: int, four: int) -> pd.DataFrame:
    rows = []
    for number in range(two + four):
        image_id = f"{number:012d}"
        suffixes = ["_0", ""] if number < two else ["_0", "_1", "_2", "_3"]
        rows += [(image_id + suffix, image_id, len(suffixes)) for suffix in suffixes]
    return pd.DataFrame(rows, columns=["record", "image_id", "n_records"])


@settings(max_examples=25, deadline=None)
@given(two=st.integers(0, 60), four=st.integers(1, 60), seed=st.integers(0, 9))
def test_images_fall_into_one_part_each(two, four, seed):
    records = table(two, four)
    split = make_split(records, seed=seed)
    parts = {part: split.of(part, records) for part in ("train", "val", "test")}
    assert sum(map(len, parts.values())) == len(records)
    images = [set(rows["image_id"]) for rows in parts.values()]
    assert sum(map(len, images)) == two + four  # disjoint, and nothing is lost
    for n_records, size in ((2, two), (4, four)):
        for part, share in zip(parts.values(), (0.70, 0.15, 0.15), strict=True):
            found = part.loc[part["n_records"] == n_records, "image_id"].nunique()
            assert abs(found - share * size) <= 1


def test_the_seed_decides():
    records = table(30, 30)
    assert make_split(records, seed=1).test.tolist() == make_split(records, seed=1).test.tolist()
    assert make_split(records, seed=1).test.tolist() != make_split(records, seed=2).test.tolist()


def test_a_split_over_records_leaks_images_as_the_authors_code_did():
    records = table(100, 100)
    split = make_split(records, rule="record", seed=0)
    names = [*split.train, *split.val, *split.test]
    assert sorted(names) == sorted(records["record"])  # each record in one part
    assert len(split.test) == round(0.15 * len(records))
    images = {part: set(split.of(part, records)["image_id"]) for part in ("train", "test")}
    shared = len(images["train"] & images["test"]) / len(images["test"])
    assert shared > 0.8  # most test images are seen in training


def test_a_subset_is_filtered_after_the_split():
    records = table(20, 20)
    split = make_split(records, seed=0)
    four = records[records["n_records"] == 4]
    assert set(split.of("test", four)["record"]) == set(split.test) & set(four["record"])


def test_wrong_arguments_are_named():
    records = table(4, 4)
    with pytest.raises(CsalganError, match="split rule 'published'"):
        make_split(records, rule="published")
    with pytest.raises(CsalganError, match="part 'valid'"):
        make_split(records).of("valid", records)


def test_folds_test_every_image_once_and_choose_without_the_fold():
    records = table(33, 41)
    splits = [make_split(records, f"fold {k} of 5", seed=3) for k in range(1, 6)]
    tested = [name for split in splits for name in split.test]
    assert sorted(tested) == sorted(records["record"])
    for split in splits:
        images = [set(split.of(p, records)["image_id"]) for p in ("train", "val", "test")]
        assert sum(map(len, images)) == len(set.union(*images)) == 74
        for n_records, whole in ((2, 33), (4, 41)):
            rows = records[records["n_records"] == n_records]
            counts = [split.of(p, rows)["image_id"].nunique() for p in ("train", "val", "test")]
            assert abs(counts[2] - whole / 5) < 1
            assert counts[1] == pytest.approx(0.15 * (counts[0] + counts[1]), abs=1)
    validated = [name for split in splits for name in split.val]
    assert len(set(validated)) == len(validated)  # many images choose, not the same ones again
    again = make_split(records, "fold 2 of 5", seed=3)
    assert again.val.tolist() == splits[1].val.tolist()
    assert set(make_split(records, "fold 2 of 5", seed=4).test) != set(again.test)
    for rule in ("fold 0 of 5", "fold 6 of 5", "fold 1 of 1", "folds"):
        with pytest.raises(CsalganError, match="use image, record, all or a fold"):
            make_split(records, rule)
