"""What the explorer knows and computes, without a widget: images, sentences, views, scores."""

import html
from collections.abc import Generator, Mapping

from csalgan.data.records import CONDITIONS
from csalgan.explorer.cached import SHOWN_METRICS, CachedPredictors, Model, Truth
from csalgan.explorer.view import SIDES, View
from csalgan.figures.base import CONDITION_LABELS
from csalgan.files.errors import CsalganError
from csalgan.text.words import without_each_word

_CHUNK = 8  # words weighed at once, between looks at whether something newer was asked
_PARTS = {
    "train": "this model was <b>trained</b> on the image",
    "val": "the image is in this model's <b>validation</b> part",
    "test": "the image is in this model's <b>test</b> part",
    "new": "this model has never seen data like these",
}


class Session:
    """A report's data with the models that are asked about it.

    Args:
        job: from :func:`csalgan.open_job`.
        models: name → model; the first one's split says which images come first.
    """

    def __init__(self, job, models: Mapping[str, Model]):
        self.job, self.dataset = job, job.dataset
        self.predictors, self.truth = CachedPredictors(models), Truth(job)
        self._drawn = self.predictors.models[self.predictors.names[0]].drawn(job.dataset)
        self.of_image = dict(tuple(job.dataset.records.groupby("image_id", sort=False)))

    def first_image(self) -> str:
        """The example image where the first model was tested on it, else one that it was."""
        four = [i for i, rows in self.of_image.items() if len(rows) == 4] or list(self.of_image)
        tested = [image for image in four if self._drawn[image] == "test"] or four
        try:
            example = self.job.example_image()
        except CsalganError:  # no image has all four records
            return tested[0]
        return example if example in tested else tested[0]

    def best_record(self, image_id: str) -> str:
        """The record of an image whose sentence names the most conspicuous thing."""
        rows = self.of_image[image_id]
        return rows.loc[rows["condition"].map(CONDITIONS.index).idxmax(), "record"]

    def records(self, record: str) -> list[tuple[str, str]]:
        """(condition, record) of a record's image."""
        rows = self._siblings(record)
        return list(zip(rows["condition"].map(CONDITION_LABELS), rows["record"], strict=True))

    def sentences(self, record: str) -> list[tuple[str, str]]:
        """(condition and sentence, sentence) of a record's image; first that of no sentence."""
        told = self._siblings(record).query("condition != 'none'").itertuples(index=False)
        named = [(f"{CONDITION_LABELS[one.condition]}: {one.text}", one.text) for one in told]
        return [("no sentence", ""), *named]

    def opening(self, record: str) -> tuple[str, str]:
        """What A and B are at first: a record's sentence, and one of its image that differs."""
        first = self.dataset.row(record)["text"]
        rows = self._siblings(record).sort_values(
            "condition", key=lambda all_: all_ != "non_salient", kind="stable"
        )
        return first, next((text for text in rows["text"] if text not in ("", first)), "")

    def _siblings(self, record: str):
        return self.of_image[self.dataset.row(record)["image_id"]]

    def find(self, words: str) -> dict[str, str]:
        """Image → its sentences, of images with all these words in them; test images first."""
        told = {image: " / ".join(filter(None, r["text"])) for image, r in self.of_image.items()}
        parts = words.lower().split()
        found = [i for i in told if all(part in f"{i} {told[i]}".lower() for part in parts)]
        return {i: told[i] for i in sorted(found, key=lambda image: self._drawn[image] != "test")}

    def shares(self, view: View) -> Generator[None, None, list[list[float]]]:
        """Share of attention each word of both sentences holds, returned after steps."""
        shares: list[list[float]] = [[], []]
        for found, sentence in zip(shares, view.sentences, strict=True):
            rests = [rest for _, rest in without_each_word(sentence)]
            for start in range(0, len(rests), _CHUNK):
                part = rests[start : start + _CHUNK]
                found += self.predictors.shares(view.model, view.picture, sentence, part)
                yield
        return shares

    def scores(self, view: View) -> Generator[None, None, dict[str, dict[str, float]]]:
        """Side → metric → value against the record's gaze, returned after steps."""
        scores: dict[str, dict[str, float]] = {}
        for side, saliency in zip(SIDES, view.maps, strict=True):
            scores[side] = self.truth.scores(view.record, saliency)
            yield
        return scores

    def receipt(self, view: View) -> str:
        """Who answered, and what about, as HTML."""
        predictor = self.predictors.predictor(view.model)
        line = f"model: {predictor.name}, {predictor.provenance.line()}"
        return f"<p><small>{html.escape(f'{line} · shown: {self.shown(view)}')}</small></p>"

    def shown(self, view: View) -> str:
        """What the picture was taken from."""
        return self.dataset.name if view.record else "an uploaded photograph"

    def table(self, view: View, scores: Mapping[str, Mapping[str, float]]) -> str:
        """Scores as HTML, with whose gaze they compare with."""
        row = self.dataset.row(view.record)
        read = f"“{html.escape(row['text'])}”" if row["text"] else "nothing (free viewing)"
        part = self.predictors.models[view.model].part(self.dataset, row["image_id"])
        heads = [f"<th>{name.upper()} {better}</th>" for name, better in SHOWN_METRICS.items()]
        table = f"<tr><th>sentence</th>{''.join(heads)}</tr>"
        for side, values in scores.items():
            cells = "".join(f"<td>{values[name]:.3f}</td>" for name in SHOWN_METRICS)
            table += f"<tr><th>{side}</th>{cells}</tr>"
        whose = "simulated for readers of" if self.dataset.synthetic else "of people who had read"
        return (
            f"<p>Compared with the gaze {whose} {read}; {_PARTS[part]}.</p><table>{table}</table>"
        )
