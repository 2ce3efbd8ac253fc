"""Profiles: small YAML files with a typed schema.

A profile is everything that decides a result, so it travels with every run and report. Any value
can be replaced from the command line (``--set training.epochs=3``) or from papermill
(``overrides = ["training.epochs=3"]``). Unknown keys and wrong types are refused by name.
"""

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from csalgan.data.records import SUBSETS
from csalgan.files.errors import CsalganError, nearest
from csalgan.files.inputs import MOST_SEED, first_fault, read_text

Subset = Literal["total", "general", "sal", "non_sal"]
MetricProfile = Literal["mit", "tuebingen", "paper"]

#: What settings were called before: profiles and ``run.json`` files with these names stay readable.
_RENAMED = {
    "published-code": "author",
    "average": "ema_decay",
    "views": "test_scales",
}
#: Former settings and the values they now have: files that say just this stay readable.
_FIXED = {"image_weights": "package", "channels": 96, "heads": 8, "sim": 0.0}
_FIXED |= {"frozen_stages": 3, "frozen_epochs": 1}
_NOT_YAML = (yaml.YAMLError, ValueError, RecursionError)


class _Yaml(yaml.SafeLoader):
    """YAML as everybody writes it: ``1e-4`` is a number (to YAML 1.1 it is a word)."""

    def compose_mapping_node(self, anchor: str | None) -> yaml.MappingNode:
        """A mapping as it is written; a key that stands there twice is refused, not overruled."""
        node = super().compose_mapping_node(anchor)
        keys = [(key.tag, key.value) for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        if twice := [key for key in keys if keys.count(key) > 1]:
            problem = f"the key {twice[0][1]!r} stands there twice"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark)
        return node

    def construct_scalar(self, node: yaml.ScalarNode) -> str:
        """A scalar's text; JSON's two escapes for one character (an emoji's) are that one again.

        Raises:
            ValueError: half of such a pair.
        """
        value = super().construct_scalar(node)
        return value.encode("utf-16", "surrogatepass").decode("utf-16")


_POWER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$")
_Yaml.add_implicit_resolver("tag:yaml.org,2002:float", _POWER, list("-+.0123456789"))
_FOLDER = Path(__file__).resolve().parent / "profiles"


class Section(BaseModel):
    """Part of a YAML file: unknown keys and values of another type are refused."""

    # strict: a quoted "3" is not a number, so that a slip in a YAML file is seen where it is made.
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _as_python(cls, values: Any) -> Any:
        """YAML has lists only; keys may have their former names, or be settings no more."""
        if not isinstance(values, dict):
            return values
        found = {}
        for key, value in values.items():
            if key not in cls.model_fields and key in _FIXED and value == _FIXED[key]:
                continue
            key = key if key in cls.model_fields else _RENAMED.get(key, key)
            value = "record" if (key, value) == ("split", "published") else value
            found[key] = tuple(value) if isinstance(value, list) else value
        return found


class DataConfig(Section):
    """Size of the images, the split, and which records are used."""

    #: Side of the square the model works at, pixels.
    size: Annotated[int, Field(ge=16, le=1024, multiple_of=2)] = 256
    #: ``image``: no image in two parts. ``record``: no record, as the author's code did. ``folds``:
    #: the images of one fold are tested (``csalgan crossval`` trains a model for each). ``all``:
    #: every image is trained on, for weights that others will use; none is left to choose or to
    #: test by.
    split: Literal["image", "record", "folds", "all"] = "image"
    folds: Annotated[int, Field(ge=2, le=100)] = 5
    fold: Annotated[int, Field(ge=1)] = 1
    #: Of the split; by default the profile's seed. Runs of several seeds share one.
    split_seed: Annotated[int, Field(ge=0, le=MOST_SEED)] | None = None
    #: ``subset``: ``sal`` and ``non_sal`` hold the free viewing of their own images;
    #: ``all``: of every image, as the author's code did.
    free_viewing: Literal["subset", "all"] = "subset"
    #: Images of the embedded dataset, used when no data path is given.
    embedded_images: Annotated[int, Field(ge=8, le=9999)] = 120

    @property
    def rule(self) -> str:
        """The split as :func:`csalgan.data.make_split` calls it."""
        return f"fold {self.fold} of {self.folds}" if self.split == "folds" else self.split


class TextConfig(Section):
    """The text encoder, and what is done to its embeddings."""

    encoder: Literal["clip", "minilm", "hashing", "none"] = "clip"
    #: A local file with CLIP's weights, instead of the hub.
    clip_weights: str | None = None
    #: Cut the embedding to integers before use, as the author's code did: most of CLIP's numbers
    #: become 0, and all of an embedding of length 1 (MiniLM's).
    cast_to_int: bool = False


class ModelConfig(Section):
    """Which generator, and its parts."""

    #: ``paper``: the paper's architecture; it has no other setting.
    #: ``compact``: :class:`csalgan.models.CompactGenerator`.
    kind: Literal["paper", "compact"] = "paper"
    #: What the compact generator does with text: the sentence modulates features, its words point
    #: at places, both, or nothing.
    fusion: Literal["both", "sentence", "words", "none"] = "both"
    #: Compare words with places through ImageNet's class names from the first step on.
    semantic_start: bool = True
    #: Let words point at places through ImageNet's classes too; needs ``semantic_start``. Off
    #: unless a profile says so: weights of runs that knew no such setting fit a generator without.
    class_match: bool = False
    #: Let words that name a colour or a side point at places that have it. Off like the one above.
    attributes: bool = False
    #: Sides at which an image is seen when predicting; the densities are averaged. None:
    #: ``data.size``.
    test_scales: tuple[int, ...] = ()
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.1


class LossConfig(Section):
    """Weights of the terms of the content loss; see :mod:`csalgan.training.losses` for each."""

    bce: Annotated[float, Field(ge=0)] = 1.0
    kl: Annotated[float, Field(ge=0)] = 0.0
    cc: Annotated[float, Field(ge=0)] = 0.0
    nss: Annotated[float, Field(ge=0)] = 0.0
    #: On difference maps between the records of an image: needs ``training.batches=images``.
    change: Annotated[float, Field(ge=0)] = 0.0


class AugmentConfig(Section):
    """Random augmentation of training batches. All off by default, as in the author's code."""

    #: Mirror every other image, unless one of its sentences names a side.
    mirror: bool = False
    #: Smallest side of a random crop, as a share of the image's; 1: no crop.
    crop: Annotated[float, Field(gt=0.3, le=1)] = 1.0
    #: Sides one of which each batch's images are brought to; none: ``data.size``.
    sizes: tuple[int, ...] = ()
    #: Largest change of brightness; each channel's own is a third of it.
    colour: Annotated[float, Field(ge=0, lt=1)] = 0.0
    #: Share of words left out of each sentence, never all of them.
    drop_words: Annotated[float, Field(ge=0, lt=1)] = 0.0
    #: Length of random noise added to a sentence's embedding, as a share of its own length.
    text_noise: Annotated[float, Field(ge=0, le=2)] = 0.0


class PretrainConfig(Section):
    """Free viewing of other photographs, seen before the training itself, with no sentence."""

    #: Datasets: names of folders beside the dataset trained on, or paths. Where they lie is no part
    #: of what a run is; what they hold is. None: no pretraining.
    data: tuple[str, ...] = ()
    epochs: Annotated[int, Field(ge=1, le=10000)] = 4


class TrainingConfig(Section):
    """Optimisation, losses and length of the adversarial training."""

    epochs: Annotated[int, Field(ge=1, le=10000)] = 50
    #: So many trainings from one start, each ``epochs`` long and in an order of its own; the mean
    #: of their weights counts (a model soup, Wortsman et al. 2022).
    soup: Annotated[int, Field(ge=1, le=100)] = 1
    batch_size: Annotated[int, Field(ge=1, le=4096)] = 16
    learning_rate: Annotated[float, Field(gt=0, le=1)] = 2e-4
    betas: tuple[float, float] = (0.5, 0.999)
    #: What ``batch_size`` counts. ``images``: a batch holds all training records of its images,
    #: and each image is encoded once.
    batches: Literal["records", "images"] = "records"
    #: Of the learning rates; ``cosine`` warms up for one epoch and ends near 0.
    schedule: Literal["constant", "cosine"] = "constant"
    #: Decoupled (AdamW); 0 is Adam.
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    #: Learning rate of a pretrained image encoder, as a share of ``learning_rate``.
    encoder_rate: Annotated[float, Field(ge=0, le=1)] = 0.2
    #: Decay of the running average of weights that is validated and saved; 0: the last weights.
    ema_decay: Annotated[float, Field(ge=0, lt=1)] = 0.0
    #: Stop after so many epochs without a better validation CC; 0: never.
    patience: Annotated[int, Field(ge=0)] = 0
    #: The epoch whose generator counts: of the best validation CC, or the last, as the author's
    #: code did. A run holds both.
    keep: Literal["best", "last"] = "best"
    pretrain: PretrainConfig = PretrainConfig()
    losses: LossConfig = LossConfig()
    augment: AugmentConfig = AugmentConfig()
    #: α of SalGAN's ``L_G = α·BCE(map, prediction) + BCE(D(prediction), 1)``, 1/20 in SalGAN's
    #: published code (the paper gives none); 0: no such term, as in the author's code. In place of
    #: BCE stands the weighted sum of ``losses``.
    content_weight: Annotated[float, Field(ge=0)] = 0.05
    #: Weight of the second term; 0 switches the discriminator off.
    adversarial_weight: Annotated[float, Field(ge=0)] = 1.0
    #: Arithmetic inside the networks; losses and updates are always float32.
    #: ``auto``: bfloat16 where the hardware has it, else float32 (of a GPU since Ampere, TF32 in
    #: convolutions: PyTorch's default).
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    #: With how many threads a CPU trains, predicts and scores: the last digits depend on it, so it
    #: is not taken from the machine.
    threads: Annotated[int, Field(ge=1, le=256)] = 2
    #: Keep what it takes to add epochs to a finished run (``state.pt``, some 10 times its weights)
    #: instead of removing it when all are trained.
    keep_state: bool = False
    #: The models of a report, in the order of Table I.
    subsets: tuple[Subset, ...] = SUBSETS

    @property
    def length(self) -> int:
        """Epochs of all trainings of a soup, one after the other."""
        return self.epochs * self.soup


class EvaluationConfig(Section):
    """How predictions are scored."""

    #: The first one is the headline; all of them get a Table I.
    metric_profiles: tuple[MetricProfile, ...] = ("tuebingen", "paper")
    #: Resamples of the images for the 95 % intervals.
    bootstrap: Annotated[int, Field(ge=10, le=100000)] = 1000
    #: Also by the author's protocol (:mod:`csalgan.author`): so many records drawn with
    #: replacement from *all* of the subset, training included. 0: not.
    draws: Annotated[int, Field(ge=0, le=100000)] = 0


class Profile(Section):
    """Everything that decides a result."""

    name: str
    description: str
    seed: Annotated[int, Field(ge=0, le=MOST_SEED)] = 0
    #: Another profile, whose model (trained on ``total``) stands beside this one's in a report.
    beside: str | None = None
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

    @property
    def test_scales(self) -> tuple[int, ...]:
        """Sides at which photographs are seen when predicting, pixels."""
        return self.model.test_scales or (self.data.size,)

    @model_validator(mode="after")
    def _fits_together(self) -> "Profile":
        data, model, training = self.data, self.model, self.training
        compact = model.kind == "compact"
        sides = (*model.test_scales, *training.augment.sizes)
        odd = [side for side in (data.size, *sides) if side % 32 or not 32 <= side <= 1024]
        faults = (
            (data.fold > data.folds, f"data.fold={data.fold}: there are {data.folds} folds"),
            (
                training.content_weight == training.adversarial_weight == 0,
                "content_weight and adversarial_weight are both 0: nothing to learn",
            ),
            (
                training.losses.change and training.batches != "images",
                "losses.change compares records of one image: use training.batches=images",
            ),
            (
                not 0 < len(training.subsets) == len(set(training.subsets)),
                "training.subsets must name at least one subset, each once",
            ),
            (not all(0 <= beta < 1 for beta in training.betas), "betas must lie in [0, 1)"),
            (
                data.split == "all" and (training.keep != "last" or training.patience),
                "data.split=all holds no image back to choose an epoch by: use training.keep=last "
                "and training.patience=0",
            ),
            (
                compact and odd,
                f"an image side of {min(odd, default=0)}: compact needs a multiple of 32",
            ),
            (
                training.soup > 1 and training.patience,
                "training.soup averages whole trainings: use training.patience=0",
            ),
            (
                training.soup > 1 and not compact,
                "training.soup is for model.kind=compact: batch norms would need statistics anew",
            ),
            (compact and self.text.cast_to_int, "text.cast_to_int is for the author's model only"),
            (
                not compact and (sides or training.batches == "images"),
                "training.batches=images, model.test_scales and training.augment.sizes are for "
                "model.kind=compact",
            ),
        )
        for wrong, message in faults:
            if wrong:
                raise ValueError(message)
        return self

    def as_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON and YAML."""
        return self.model_dump(mode="json")


def profile_names() -> list[str]:
    """Names of the profiles that come with the package."""
    return sorted(path.stem for path in _FOLDER.glob("*.yaml"))


def load_profile(name_or_path: str | os.PathLike, overrides: Sequence[str] = ()) -> Profile:
    """Read a profile by name or from a YAML file, then apply ``key.path=value`` overrides.

    Values of overrides are read as YAML (``training.epochs=3``, ``training.subsets=[sal]``).

    Raises:
        CsalganError: no such profile, not YAML, an unknown key, or a value of the wrong type.
    """
    name = _RENAMED.get(str(name_or_path), str(name_or_path))
    is_path = _is_path(name)
    path = Path(name).expanduser() if is_path else _FOLDER / f"{name}.yaml"
    if not path.is_file():
        known = profile_names()
        raise CsalganError(
            f"{name}: no such profile{nearest(name, known)}; use one of {', '.join(known)}, or the "
            "path of a .yaml file."
        )
    source = str(path) if is_path else f"profile {name}"
    values = read_yaml(path, source)
    for override in overrides:
        _apply(values, override)
    return profile_from(values, source)


def resolved(name_or_path: str | os.PathLike) -> str:
    """A profile's name, or the absolute path of its file: the same from any folder."""
    name = str(name_or_path)
    return str(Path(name).expanduser().resolve()) if _is_path(name) else name


def _is_path(name: str) -> bool:
    return name.endswith((".yaml", ".yml")) or os.sep in name


def profile_from(values: dict[str, Any], source: str) -> Profile:
    """Check plain values against the schema; ``source`` names their file in messages."""
    try:
        return Profile.model_validate(values)
    except ValidationError as error:
        raise CsalganError(f"{source}: {first_fault(error, known=_keys(Profile))}") from error


def read_yaml(path: Path, source: str = "") -> dict[str, Any]:
    """The keys of a YAML file; ``source`` names it in messages.

    Raises:
        CsalganError: not YAML, or no keys.
    """
    try:
        values = yaml.load(read_text(path, 2**20), _Yaml)  # a profile has a few kilobytes
    except _NOT_YAML as error:
        where = getattr(error, "problem_mark", None)
        line = f" (line {where.line + 1}: {error.problem})" if where else ""
        raise CsalganError(f"{source or path}: not readable as YAML{line}; mend it.") from error
    if not isinstance(values, dict):
        raise CsalganError(f"{source or path}: holds no keys; write lines such as seed: 0.")
    return values


def _keys(section: type[BaseModel], before: str = "") -> Iterator[str]:
    """Every key of a profile, ``training.epochs`` and the like."""
    for name, field in section.model_fields.items():
        yield before + name
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _keys(field.annotation, f"{before}{name}.")


def _apply(values: dict[str, Any], override: str) -> None:
    key, _, text = override.partition("=")
    said = override if len(override) < 100 else f"{override[:80]}…"
    *sections, last = key.strip().split(".")
    if not last or "=" not in override:
        raise CsalganError(f"{said!r}: an override reads key.path=value (training.epochs=3).")
    for section in sections:
        values = values.setdefault(section, {})
        if not isinstance(values, dict):
            raise CsalganError(f"{said!r}: {section} is a value, not a section with keys.")
    try:
        values[_RENAMED.get(last, last)] = yaml.load(text, _Yaml)
    except _NOT_YAML as error:
        why = f" ({error.problem})" if getattr(error, "problem", None) else ""
        raise CsalganError(f"{said!r}: the value is not readable as YAML{why}.") from error
