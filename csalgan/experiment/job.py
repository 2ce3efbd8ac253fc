"""A report's profile, data, split and runs: what a notebook opens in its first cell.

A :class:`Job` ties a profile to a dataset and an output folder, and hands out prepared arrays,
the split, trained runs and the places to save to. What is expensive is made on first use and found
again by the next notebook.
"""

import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import pandas as pd

from csalgan.config import Profile, load_profile
from csalgan.data import (
    Dataset,
    Prepared,
    Split,
    ensure_embedded,
    make_split,
    open_dataset,
    prepare,
    require_clean,
)
from csalgan.data.records import SUBSETS
from csalgan.files import paths
from csalgan.files.compute import use_threads
from csalgan.files.errors import CsalganError
from csalgan.files.provenance import Provenance
from csalgan.files.spreadsheets import write_csv
from csalgan.files.writing import write_text
from csalgan.prediction import Predictor, precision_of_predictions
from csalgan.text import TextEncoder, get_encoder
from csalgan.training import Run, describe, train
from csalgan.training.pretraining import other_sets, provenance_of
from csalgan.training.run import standing

#: The image of the paper's Figures 10 to 12.
PAPER_EXAMPLE = "000000021571"


def open_job(
    profile: str = "demo", data: str = "", out: str = "", overrides: Sequence[str] = ()
) -> "Job":
    """Open a report.

    Args:
        profile: a profile's name or the path of a YAML file.
        data: a dataset's folder or archive; ``""`` is the embedded (synthetic) dataset.
        out: the report's folder; ``""`` is ``reports/<profile>``.
        overrides: ``key.path=value`` changes to the profile.

    Relative paths are taken from the current directory, then from the root of the checkout.

    Raises:
        CsalganError: unknown profile or key, no dataset there, or one with faults.
    """
    chosen = load_profile(profile, overrides)
    use_threads(chosen.training.threads)
    embedded = chosen.data.embedded_images
    dataset = open_dataset(place(data) if data else ensure_embedded(n_images=embedded))
    require_clean(dataset)
    folder = place(out) if out else paths.reports_dir() / chosen.name
    return Job(_present(chosen, dataset), dataset, folder)


def _present(profile: Profile, dataset: Dataset) -> Profile:
    """The profile without models of subsets that the dataset has no record of.

    Where nobody read a sentence, ``general`` is the same as ``total`` and left out as well.
    """
    wanted = profile.training.subsets
    kept = wanted if dataset.has_sentences else ("total",)
    kept = tuple(name for name in kept if len(dataset.subset(name)))
    if set(wanted) <= set(kept):
        return profile
    left = ", ".join(name for name in wanted if name not in kept)
    print(
        f"{dataset.name}: has no gaze of its own for the subsets {left}; only "
        f"{', '.join(kept)} is trained.",
        file=sys.stderr,
    )
    training = profile.training.model_copy(update={"subsets": kept})
    return profile.model_copy(update={"training": training})


def place(path: str) -> Path:
    """A path as a report takes it: from the current directory, else from the checkout's root."""
    given = Path(path).expanduser()
    from_root = paths.root() / given
    return (given if given.exists() or not from_root.exists() else from_root).resolve()


@dataclass
class Job:
    """A profile, a dataset and a folder for what comes out.

    Attributes:
        profile: everything that decides a result.
        dataset: the opened dataset.
        out: the report's folder; ``figures/``, ``tables/`` and ``runs/`` stand in it.
        asked: how the models that were handed out predict; what is saved next carries it.
    """

    profile: Profile
    dataset: Dataset
    out: Path
    asked: list[Provenance] = field(default_factory=list)

    @property
    def figures(self) -> Path:
        """Where figures go (``NN_topic.png`` and ``.pdf``)."""
        return self.out / "figures"

    @property
    def tables(self) -> Path:
        """Where tables go (``NN_topic.csv``)."""
        return self.out / "tables"

    @cached_property
    def prepared(self) -> Prepared:
        """Packed arrays at the model's size."""
        return prepare(self.dataset, self.profile.data.size)

    @cached_property
    def split(self) -> Split:
        """Train, validation and test records.

        Raises:
            CsalganError: all records are trained on, so nothing can be reported.
        """
        if self.profile.data.split == "all":
            raise CsalganError(
                "data.split=all leaves no image to test: it is for `csalgan train`; use image, "
                "record or folds."
            )
        return make_split(
            self.dataset.records, rule=self.profile.data.rule, seed=self.profile.split_seed
        )

    @cached_property
    def encoder(self) -> TextEncoder:
        """The profile's text encoder."""
        return get_encoder(self.profile.text.encoder, clip_weights=self.profile.text.clip_weights)

    @cached_property
    def provenance(self) -> Provenance:
        """The provenance of this report: its data and profile, nothing predicted."""
        return provenance_of(self.profile, self.dataset, other_sets(self.profile, self.dataset))

    @property
    def predicted(self) -> Provenance:
        """The same of what this report's own models predict."""
        precision = precision_of_predictions(self.profile.model.kind == "compact")
        made = self.provenance.predicting(precision, self.profile.test_scales)
        devices = []
        for subset in self.profile.training.subsets:
            with suppress(CsalganError):  # not trained yet
                devices.append(Run.load(self.out / "runs" / subset).provenance.device)
        return made.with_(device=", ".join(sorted(set(filter(None, devices)))))

    @property
    def source(self) -> Provenance:
        """What a table or figure that is saved now carries: all models asked so far, if any."""
        return Provenance.together(self.asked) if self.asked else self.provenance

    def example_image(self) -> str:
        """Id of the image that the example figures show.

        The image of the paper's Figures 10 to 12 where the dataset has it, else the first image of
        the test part among those with the most records (four, in SJTU-TIS).
        """
        records = self.dataset.records
        most = records[records["n_records"] == records["n_records"].max()]
        if (most["image_id"] == PAPER_EXAMPLE).any():
            return PAPER_EXAMPLE
        test = self.split.of("test", most)
        return (test if len(test) else most)["image_id"].iloc[0]

    def run(self, subset: str, *, progress: bool = True) -> Run:
        """The trained run of a subset: loaded, continued, or trained when there is none.

        A run in the report's folder counts only when it has these settings, this data and this
        training code. One that has not is never replaced.

        Raises:
            CsalganError: unknown subset, a run of other settings, or as
                :func:`csalgan.training.train`.
        """
        if subset not in SUBSETS:
            raise CsalganError(f"subset {subset}: use one of {', '.join(SUBSETS)}.")
        return self._run(self.profile, subset, self.out / "runs" / subset, progress)

    def finished_run(self, subset: str) -> Run:
        """The trained run of a subset, which must exist: nothing is trained or replaced.

        Raises:
            CsalganError: there is none with these settings, this data and this training code.
        """
        folder = self.out / "runs" / subset
        if run := self._standing(self.profile, subset, folder):
            return run
        raise CsalganError(
            f"{folder}: is no finished training of this report's profile and data; finish the "
            "report with csalgan reproduce."
        )

    def companion(self) -> Predictor | None:
        """The model of the profile named by ``beside``, with as many threads as this one (see
        :meth:`beside`); None without one."""
        if self.profile.beside is None:
            return None
        threads = self.profile.training.threads
        found = self.beside(load_profile(self.profile.beside, [f"training.threads={threads}"]))
        self.asked.append(found.map_provenance)
        return found

    def beside(self, profile: Profile, folder: str = "beside") -> Predictor:
        """A model of another profile, of the same seed and on the same split, trained on ``total``.

        Args:
            folder: of its run, in ``runs/``; when there is none yet, it is trained (see
                :meth:`run`).
        """
        own = profile.on_split_of(self.profile).model_copy(update={"seed": self.profile.seed})
        return Predictor.of_run(self._run(own, "total", self.out / "runs" / folder))

    def _run(self, profile: Profile, subset: str, folder: Path, progress: bool = True) -> Run:
        # Two notebooks at once may want one run: the second waits and finds it trained.
        how = {"resume": True, "wait": True, "progress": progress}
        found = self._standing(profile, subset, folder)
        return found or train(profile, self.dataset, subset, folder, **how)

    def _standing(self, profile: Profile, subset: str, folder: Path) -> Run | None:
        return standing(folder, profile, describe(profile, self.dataset, subset))

    def refuse_other_runs(self) -> None:
        """Refuse if a training of other settings is where one of this report would go.

        Raises:
            CsalganError: one stands there.
        """
        for subset in self.profile.training.subsets:
            self._standing(self.profile, subset, self.out / "runs" / subset)

    def predictor(self, subset: str) -> Predictor:
        """The model trained on a subset, ready to predict (see :meth:`run`)."""
        found = Predictor.of_run(self.run(subset))
        self.asked.append(self.predicted)
        return found

    def save(self, fig, name: str, *, photographs: bool, source: Provenance | None = None):
        """Save a figure as ``figures/<name>.png`` and ``.pdf`` with its provenance; gives it back.

        As the last line of a notebook's cell it saves and shows.

        Args:
            name: ``NN_topic``, NN the number of the notebook.
            photographs: whether it shows an image of the dataset.
            source: what it was made of; by default :attr:`source`.
        """
        from csalgan import figures

        figures.save(fig, self.figures, name, source or self.source, photographs=photographs)
        return fig

    def save_table(
        self,
        table: pd.DataFrame,
        name: str,
        *,
        index: bool = False,
        source: Provenance | None = None,
    ) -> pd.DataFrame:
        """Save ``tables/<name>.csv`` and its provenance (``.source.txt``); gives the table back.

        Args:
            source: what it was made of; by default :attr:`source`.
        """
        write_csv(self.tables / f"{name}.csv", table, index=index, float_format="%.6g")
        line = (source or self.source).line()
        write_text(self.tables / f"{name}.source.txt", line + "\n")
        return table
