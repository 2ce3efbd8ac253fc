"""Reading ``synthetic.json``: what really happened in an embedded dataset."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from csalgan.data.records import parse_stem
from csalgan.files.errors import CsalganError
from csalgan.files.inputs import first_fault, read_json

NAME = "synthetic.json"

_Share = Annotated[float, Field(ge=0, le=1)]
_Pair = Annotated[list[float], Field(min_length=2, max_length=2)]


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, allow_inf_nan=False)


class _Object(_Part):
    center: _Pair
    radius: Annotated[float, Field(gt=0)]
    salience: _Share


class _Record(_Part):
    condition: Literal["none", "general", "non_salient", "salient"]
    named: list[Annotated[int, Field(ge=0)]]


class _Image(_Part):
    height: Annotated[int, Field(gt=0)]
    width: Annotated[int, Field(gt=0)]
    objects: Annotated[list[_Object], Field(min_length=1)]
    records: dict[str, _Record]


class _Pull(_Part):
    none: _Share
    general: _Share
    non_salient: _Share
    salient: _Share


class _GazeModel(_Part):
    kappa: _Pull
    beta: _Share
    epsilon: _Share
    center_sigma: _Pair
    object_sigma_per_radius: float
    object_sigma_floor: float
    map_sigma: float


class _Truth(_Part):
    seed: int
    gaze_model: _GazeModel
    images: dict[str, _Image]


def read_truth(path: Path, records: Iterable[str]) -> dict[str, Any]:
    """The content of ``synthetic.json``, as :mod:`csalgan.data.synthetic` wrote it.

    Args:
        records: names of records that it must know.

    Raises:
        CsalganError: no JSON, a value missing or of another kind, or a record unknown.
    """
    values = read_json(path)
    try:
        truth = _Truth.model_validate(values)
    except ValidationError as error:
        where = "csalgan/data/truth.py"
        raise CsalganError(f"{path}: {first_fault(error, where)}") from error
    for record in records:
        image = truth.images.get(parse_stem(record).image_id)
        found = image.records.get(record) if image else None
        if found is None or max(found.named, default=0) >= len(image.objects):
            raise CsalganError(f"{path}: does not know record {record}; make the set again.")
    return values
