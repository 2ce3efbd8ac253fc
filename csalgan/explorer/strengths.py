"""The explorer's figure for a report, where nobody moves a slider."""

from collections.abc import Mapping, Sequence

import numpy as np

from csalgan.explorer.cached import CachedPredictors
from csalgan.explorer.pictures import Picture
from csalgan.explorer.view import even
from csalgan.figures import figure, overlay, show_change, themed
from csalgan.figures.base import wrapped


@themed
def strength_figure(
    predictors: CachedPredictors,
    picture: Picture,
    sentences: Mapping[str, str],
    strengths: Sequence[float] = (0.0, 1.0, 2.0),
    *,
    model: str | None = None,
):
    """One picture, a row a sentence, a column a strength, and what the sentence changed.

    Args:
        sentences: label → sentence.
        strengths: from silence (0) to exaggeration (2).
        model: a name of ``predictors``; by default its first.

    Returns:
        A figure. The last column shows the map at strength 1 minus that at 0, both as multiples of
        evenly spread attention, on one scale in all rows.
    """
    model = model or predictors.names[0]
    shown = predictors.shown(picture)
    height, width = shown.shape[:2]
    columns = len(strengths) + 1
    cell = 2.5  # inches
    fig = figure(
        cell * columns,
        (cell * height / width + 0.65) * len(sentences) + 0.4,
        title=f"Louder and softer ({predictors.predictor(model).name})",
    )
    free = even(predictors.map(model, picture, ""))
    differences = [even(predictors.map(model, picture, text)) - free for text in sentences.values()]
    limit = max(float(np.abs(difference).max()) for difference in differences) or 1.0  # 0: no text
    rows = fig.subfigures(len(sentences), 1, squeeze=False)[:, 0]
    for row, difference, (label, text) in zip(rows, differences, sentences.items(), strict=True):
        row.suptitle(
            f"{label}: {wrapped(text, 100, 1)}", x=0.005, ha="left", size=10.5, weight="normal"
        )
        *panels, last = row.subplots(1, columns)
        for ax, strength in zip(panels, strengths, strict=True):
            saliency = predictors.map(model, picture, text, strength)
            overlay(ax, shown, saliency, title=f"strength {strength:g}")
        show_change(last, difference, limit=limit, title=f"difference, 0 to 1 (±{limit:.2g})")
    return fig
