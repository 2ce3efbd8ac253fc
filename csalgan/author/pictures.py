"""The paper's Figures 10 to 12: one image, three sentences, and the author's two pictures of it."""

import numpy as np
import pandas as pd

from csalgan.data.clone import PICTURES, read_picture
from csalgan.prediction import Predictor, resize_map

#: The sentences of Figures 10, 11 and 12, in that order.
CONDITIONS = ("general", "salient", "non_salient")
PICTURE = "the author's picture"


def collect(job, clone: str, image_id: str) -> dict[str, dict[str, np.ndarray]]:
    """Row of the figure → condition → map (H, W).

    Rows: the measured maps, the author's two pictures, what the author's total generator gives
    (with CLIP, or with the mean and the zero sentence), and the report's own total model's maps.

    Args:
        clone: of the author's repository.
        image_id: of an image with all four records.
    """
    records = job.dataset.records
    records = records[(records["image_id"] == image_id) & records["condition"].isin(CONDITIONS)]
    records = records.set_index("condition").loc[list(CONDITIONS)].reset_index()
    measured = {row.condition: job.dataset.map(row.record) for row in records.itertuples()}
    rows = {"measured": measured, PICTURE: {c: read_picture(clone, c) for c in PICTURES}}
    predictors = [Predictor.of_author(clone, "total", dataset=job.dataset)]
    if predictors[0].encoder.name == "none":
        predictors.append(Predictor.of_author(clone, "total"))
    if "total" in job.profile.training.subsets:
        predictors.append(job.predictor("total"))
    for predictor in predictors:
        maps = predictor.predict_records(job.dataset, records)
        rows[predictor.name] = dict(zip(CONDITIONS, (one for _, one in maps), strict=True))
    return rows


def correlations(rows: dict[str, dict[str, np.ndarray]]) -> pd.DataFrame:
    """Each map of :func:`collect` against each of the author's two pictures.

    Returns:
        ``map``, ``sentence``, ``picture`` (whose sentence, by its file's name) and
        ``correlation`` at the picture's size.
    """
    table = [
        (name, sentence, picture, _correlation(one, target))
        for name, maps in rows.items()
        for sentence, one in maps.items()
        for picture, target in rows[PICTURE].items()
    ]
    return pd.DataFrame(table, columns=["map", "sentence", "picture", "correlation"])


def _correlation(one: np.ndarray, target: np.ndarray) -> float:
    at_size = resize_map(np.asarray(one, np.float32), target.shape)
    return float(np.corrcoef(at_size.ravel(), target.ravel())[0, 1])
