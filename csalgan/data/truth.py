"""Reading ``synthetic.json``: what really happened in an embedded dataset."""

from collections.abc import Iterable
from math import isfinite
from pathlib import Path
from typing import Any

from csalgan.data.records import CONDITIONS, parse_stem
from csalgan.files.errors import CsalganError
from csalgan.files.inputs import read_json

NAME = "synthetic.json"
#: What of the gaze model must be a number; ``kappa`` holds one a condition, a pair has two.
_MODEL = ["beta", "epsilon", "object_sigma_per_radius", "object_sigma_floor", "map_sigma"]


def read_truth(path: Path, records: Iterable[str]) -> dict[str, Any]:
    """The content of ``synthetic.json``, as :mod:`csalgan.data.synthetic` wrote it.

    Args:
        records: names of records that it must know.

    Raises:
        CsalganError: no JSON, or without all that the densities of these records are made from.
    """
    truth = read_json(path)
    try:
        model = truth["gaze_model"]
        numbers = [truth["seed"], *(model[key] for key in _MODEL), *_pair(model["center_sigma"])]
        numbers += [model["kappa"][condition] for condition in CONDITIONS]
        for stem in map(parse_stem, records):
            image = truth["images"][stem.image_id]
            numbers += [image["height"], image["width"]]
            for item in image["objects"]:
                numbers += [*_pair(item["center"]), item["radius"], item["salience"]]
            for index in image["records"][stem.name]["named"]:
                image["objects"][index]
            model["kappa"][image["records"][stem.name]["condition"]]
        if not all(isinstance(n, int | float) and isfinite(n) for n in numbers):
            raise ValueError("something else stands where a number is needed")
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise CsalganError(
            f"{path}: lacks what its gaze was made from ({type(error).__name__}: {error}); make "
            "the set again."
        ) from error
    return truth


def _pair(values: list) -> list:
    if len(values) != 2:
        raise ValueError("something else stands where a pair of numbers is needed")
    return values
