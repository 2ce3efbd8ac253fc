"""From photographs and sentences to saliency maps: a trained model as other modules use it."""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from csalgan.config import TrainingConfig
from csalgan.data import Dataset, Split, make_split
from csalgan.data.clone import weights_of
from csalgan.data.pictures import as_seen, read_photograph
from csalgan.data.prepared import square
from csalgan.data.records import SUBSETS
from csalgan.files.compute import threads
from csalgan.files.errors import CsalganError
from csalgan.files.provenance import Provenance, commit
from csalgan.models import CompactGenerator, load_published_generator
from csalgan.models.build import Generator, fast_copy
from csalgan.models.compact import ImageFeatures
from csalgan.prediction.author import (
    SIZE,
    clip_or_none,
    encode,
    photographs_of,
    with_mean_sentence,
)
from csalgan.prediction.weights import load_packed, shipped
from csalgan.text import TextEncoder, get_encoder
from csalgan.text.sentences import Sentences, read_sentences
from csalgan.text.words import require_readable
from csalgan.training import Run, embed
from csalgan.training.run import among, subset_records
from csalgan.training.trainer import precision_of

#: Image features of a generator, one entry for each of :attr:`Predictor.test_scales`.
Features = tuple[Tensor | ImageFeatures, ...]
#: Largest magnitude of a sentence's strength; the explorer's slider ends at 2.
MOST_STRENGTH = 10


@dataclass
class Predictor:
    """A trained generator with the text encoder it was trained with.

    Attributes:
        name: what to call it on figures (``paper model, total``).
        generator: in evaluation mode.
        encoder: the text encoder.
        test_scales: sides of the squares the generator sees, pixels; with several, the average of
            the densities is predicted.
        provenance: of the run the weights come from.
        cast_to_int: cut text embeddings to integers, as the author's code did.
        split: rule and seed of the split whose training images the generator has seen; see
            :meth:`split_of`.
        images: :func:`csalgan.training.run.digests` of those images; None where they were not kept.
        pretraining_images: the same of the images seen before, in pretraining.
        threads: how many compute a map; its last digits depend on it.
        fast: see :meth:`fast_copy`.
    """

    name: str
    generator: Generator
    encoder: TextEncoder
    test_scales: tuple[int, ...]
    provenance: Provenance
    cast_to_int: bool = False
    split: tuple[str, int] = ("image", 0)
    images: frozenset[str] | None = None
    pretraining_images: frozenset[str] | None = None
    threads: int = 2
    batch_size: int = 16
    fast: bool = False

    def split_of(self, dataset: Dataset) -> Split:
        """The split of a dataset by the model's rule and seed; see :func:`split_for`."""
        return split_for(dataset, self.split, self.provenance.fingerprint)

    def seen(self, dataset: Dataset, records: pd.DataFrame) -> pd.Series:
        """Which records (rows of ``dataset.records``) show an image that it was trained on: bool.

        Images are compared by digests of their ids: ``dataset`` may hold more or fewer of them
        than the training data.
        """
        ids = records["image_id"]
        if self.images is None and self.provenance.fingerprint == dataset.fingerprint[:12]:
            return ids.isin(self.split_of(dataset).of("train", dataset.records)["image_id"])
        return among(ids, self.images, otherwise=False)

    def pretrained_on(self, dataset: Dataset) -> int:
        """How many images of a dataset it saw in pretraining.

        Weights made before images were recorded name datasets only: then it is all of them or none.
        """
        ids = dataset.records["image_id"].drop_duplicates()
        whole = dataset.fingerprint[:12] in self.provenance.pretraining
        return int(among(ids, self.pretraining_images, otherwise=whole).sum())

    @classmethod
    def of_run(
        cls,
        run: Run,
        *,
        clip_weights: str | Path | None = None,
        encoder: TextEncoder | None = None,
    ) -> "Predictor":
        """The predictor of a training run.

        Args:
            encoder: that it was trained with, where it is not one of the suite's.
            clip_weights: where CLIP's weights lie on this machine; by default where they lay when
                it was trained.

        Raises:
            CsalganError: the text encoder's weights are not those the run was trained with.
        """
        profile, text = run.profile, run.profile.text
        if encoder is None:
            encoder = get_encoder(text.encoder, clip_weights=clip_weights or text.clip_weights)
        if encoder.fingerprint != run.info["text_fingerprint"]:
            raise CsalganError(
                f"{run.folder}: trained with {run.provenance.encoder}, of other weights or code "
                f"({str(run.info['text_fingerprint'])[:12]}, now {encoder.fingerprint[:12]}); "
                "provide those (requirements.lock pins the version), or train again."
            )
        return cls(
            name=f"{profile.model.kind} model, {run.info.get('subset', encoder.name)}",
            generator=run.generator().to(memory_format=torch.channels_last),
            encoder=encoder,
            test_scales=profile.test_scales,
            provenance=run.provenance,
            cast_to_int=text.cast_to_int,
            split=(profile.data.rule, profile.split_seed),
            images=run.images,
            pretraining_images=run.pretraining_images,
            # A packed file is asked elsewhere than where it was trained.
            threads=(TrainingConfig() if run.folder.is_file() else profile.training).threads,
        )

    @classmethod
    def of_author(
        cls,
        path: str | Path,
        subset: str = "total",
        *,
        clip_weights: str | Path | None = None,
        dataset: Dataset | None = None,
    ) -> "Predictor":
        """The predictor of the author's own weights (:mod:`csalgan.author`).

        It reads CLIP's text feature cut to integers, as in its training, where CLIP's weights are
        there. Where they are not it reads **no** sentence, whatever it is given: the average one
        of its training if ``dataset`` has photographs to measure that with, else zeros. The name
        says which.

        Args:
            path: a clone of the author's repository, or one ``generator_*.pt``.
            subset: of a clone; a file's name says its own.
            clip_weights: a file with CLIP's weights; by default the hub's cache.

        Raises:
            CsalganError: no such weights, or the given file is not CLIP's.
        """
        found = weights_of(path, subset)
        generator = load_published_generator(found.path)
        encoder = clip_or_none(clip_weights)
        reads = "reads CLIP cut to integers"
        if encoder is None:
            encoder, reads = get_encoder("none"), "CLIP's weights are not here: zeros"
            if dataset is not None:
                known = found.subset if found.subset in SUBSETS else "total"
                rows = subset_records(dataset, known, "all")  # as in the author's training
                images, counts = photographs_of(dataset, rows)
                generator = with_mean_sentence(generator, encode(generator, images), counts)
                reads = "CLIP's weights are not here: the mean sentence"
        digest = hashlib.sha256(found.path.read_bytes()).hexdigest()
        return cls(
            name=f"author's model, {found.subset} ({reads})",
            generator=generator.to(memory_format=torch.channels_last),
            encoder=encoder,
            test_scales=(SIZE,),
            provenance=Provenance(
                data="the author's training, records not known",
                fingerprint=digest[:12],
                encoder=encoder.name,
                profile=found.run,
                seed=-1,  # none was set
                commit=commit(),
            ),
            cast_to_int=True,
        )

    @classmethod
    def open(
        cls, weights: str | Path = "compact-minilm", *, clip_weights: str | Path | None = None
    ) -> "Predictor":
        """The predictor of whatever ``weights`` names.

        Args:
            weights: a training run's folder, a ``generator_*.pt`` of the author's, a packed file,
                or the name of weights in the package.
            clip_weights: a file with CLIP's weights, for a model that reads with them.
        """
        if str(weights).endswith(".pt"):
            return cls.of_author(weights, clip_weights=clip_weights)
        run = Run.load(weights) if Path(weights).is_dir() else load_packed(weights)
        return cls.of_run(run, clip_weights=clip_weights)

    @property
    def precision(self) -> str:
        """Arithmetic of its predictions: ``bfloat16`` or ``float32``."""
        return precision_of_predictions(isinstance(self.generator, CompactGenerator), self.fast)

    @property
    def map_provenance(self) -> Provenance:
        """Where its weights come from, and how it predicts: precision, sizes, threads on a CPU."""
        made = self.provenance.predicting(self.precision, self.test_scales)
        return made.with_(threads=self.threads)

    @property
    def reads(self) -> bool:
        """Whether a sentence can change its maps."""
        return self.encoder.name != "none"

    @property
    def cheap_to_reread(self) -> bool:
        """Whether one more sentence about an encoded image takes milliseconds on a CPU."""
        return isinstance(self.generator, CompactGenerator) or max(self.test_scales) <= 64

    def fast_copy(self) -> "Predictor":
        """The same model with batch norms folded, in bfloat16 where the CPU has it.

        For looking. Maps of the paper's model differ by up to 0.03 from those in float32, which
        its tables are made with; the compact one always computes in bfloat16.
        """
        return replace(self, generator=fast_copy(self.generator), fast=True)

    def predict(
        self, images: Sequence[np.ndarray], texts: Sequence[str], *, strength: float = 1.0
    ) -> list[np.ndarray]:
        """Saliency maps of images read with sentences.

        Args:
            images: uint8 ``(H, W, 3)`` RGB arrays, any sizes.
            texts: one sentence an image; ``""`` is free viewing.
            strength: how much the sentence counts: the text feature is ``e0 + strength·(e − e0)``,
                ``e0`` the embedding of the empty sentence. 0 is free viewing, 1 the sentence.

        Returns:
            float32 ``(H, W)`` in [0, 1] for each image, at its own size.

        Raises:
            CsalganError: as many sentences as images are needed; an image is not uint8 RGB.
        """
        _require_one_each(len(images), texts)
        maps: list[np.ndarray] = []
        for start in range(0, len(images), self.batch_size):
            part = slice(start, start + self.batch_size)
            shapes = [image.shape[:2] for image in images[part]]
            maps += self.read(
                self.encode_images(images[part]), texts[part], shapes, strength=strength
            )
        return maps

    @torch.inference_mode()
    def encode_images(self, images: Sequence[np.ndarray]) -> Features:
        """Image features, one entry for each of :attr:`test_scales`, reusable for any sentence.

        Args:
            images: B arrays, uint8 ``(H, W, 3)`` RGB, any sizes.

        Returns:
            For each size S: of the paper's model float ``(B, 128, S/2, S/2)``, of the compact one
            :class:`~csalgan.models.compact.ImageFeatures`.

        Raises:
            CsalganError: an image is not uint8 RGB.
        """
        parts = []
        for size in self.test_scales:
            small = torch.from_numpy(np.stack([_square(image, size) for image in images]))
            image = small.permute(0, 3, 1, 2).float().div_(255)  # (B, S, S, 3) → (B, 3, S, S)
            with self._computing():
                parts.append(self.generator.encode_image(image))
        return tuple(parts)

    @torch.inference_mode()
    def read(
        self,
        features: Features,
        texts: Sequence[str],
        shapes: Sequence[tuple[int, int]],
        *,
        strength: float = 1.0,
    ) -> list[np.ndarray]:
        """Saliency maps of encoded images, one sentence an image (see :meth:`predict`).

        Args:
            features: of :meth:`encode_images`, of one image or of as many as sentences.
            texts: N sentences.
            shapes: (height, width) of each map.

        Returns:
            N maps, float32 ``(height, width)`` in [0, 1].
        """
        text, side = self.text_features(texts, strength), max(self.test_scales)
        parts = [_for_each(part, texts) for part in features]
        with self._computing():
            found = [self.generator.read(part, text, side)[:, 0].float() for part in parts]
        maps = _average(found).numpy()
        return [resize_map(one, shape) for one, shape in zip(maps, shapes, strict=True)]

    def predict_records(
        self, dataset: Dataset, records: pd.DataFrame
    ) -> Iterator[tuple[str, np.ndarray]]:
        """Predict records of a dataset, one batch in memory at a time.

        Args:
            records: rows of ``dataset.records``; their ``text`` is read.

        Yields:
            ``(record, float32 (H, W) in [0, 1])`` in the order of ``records``.
        """
        for start in range(0, len(records), self.batch_size):
            some = records.iloc[start : start + self.batch_size]
            images = [dataset.image(record) for record in some["record"]]
            yield from zip(some["record"], self.predict(images, some["text"].tolist()), strict=True)

    def text_features(self, texts: Sequence[str], strength: float = 1.0) -> Tensor | Sentences:
        """Text input of the generator for N sentences at a strength (see :meth:`predict`).

        Returns:
            Float ``(N, D)``; of the compact model :class:`Sentences`.
        """
        require_strength(strength)
        if isinstance(self.generator, CompactGenerator):
            return read_sentences(self.encoder, texts, strength)
        vectors = embed(self.encoder, [*texts, ""], self.cast_to_int)
        empty = vectors[-1]
        return torch.from_numpy(empty + np.float32(strength) * (vectors[:-1] - empty))

    @contextmanager
    def _computing(self) -> Iterator[None]:
        bfloat16 = self.precision == "bfloat16"
        with threads(self.threads), torch.autocast("cpu", dtype=torch.bfloat16, enabled=bfloat16):
            yield


def split_for(dataset: Dataset, split: tuple[str, int], trained_on: str) -> Split:
    """A dataset's split by the rule and seed of a model trained on data of that fingerprint.

    A model trained on all images of *other* data has seen none of these: rule ``image``.
    """
    rule, seed = split
    if rule == "all" and trained_on != dataset.fingerprint[:12]:
        rule = "image"
    return make_split(dataset.records, rule=rule, seed=seed)


def require_strength(strength: float) -> None:
    """Refuse a strength that is no number, or so large that nothing but rounding is left.

    Raises:
        CsalganError: not from −:data:`MOST_STRENGTH` to :data:`MOST_STRENGTH`.
    """
    if not abs(strength) <= MOST_STRENGTH:  # NaN is refused too
        raise CsalganError(
            f"--strength {strength}: use a number from -{MOST_STRENGTH} to {MOST_STRENGTH}."
        )


def require_reader(predictor: Predictor, texts: Sequence[str]) -> None:
    """Refuse sentences where none is read: maps of no text are not handed out as maps of one.

    Raises:
        CsalganError: naming the model.
    """
    if any(texts) and not predictor.reads:
        raise CsalganError(
            f"{predictor.name}: reads no sentence; leave the text out, or take a model that does "
            "(the author's needs CLIP's weights: --clip-weights FILE)."
        )


def predict(
    image,
    text: str | Sequence[str] | None = "",
    *,
    weights: str | Path = "compact-minilm",
    strength: float = 1.0,
    clip_weights: str | Path | None = None,
) -> np.ndarray | list[np.ndarray]:
    """Where people look in a photograph after reading a sentence, in one line.

    Args:
        image: a path, a PIL image, or a uint8 ``(H, W, 3)`` RGB array.
        text: a sentence, ``""`` or None for free viewing, or several sentences.
        weights, clip_weights: what :meth:`Predictor.open` takes; loaded once.
        strength: how much the sentence counts (see :meth:`Predictor.predict`).

    Returns:
        float32 ``(H, W)`` in [0, 1], the highest place near 1; a list for several sentences.

    Raises:
        CsalganError: not a picture, no such weights, weights that read no sentence, or one too long
            to be read.
    """
    if isinstance(image, Image.Image):
        image = as_seen(image)
    elif not isinstance(image, np.ndarray):
        image = read_photograph(image)
    predictor = opened(str(weights), str(clip_weights or ""))
    text = "" if text is None else text
    texts = [text] if isinstance(text, str) else list(text)
    for sentence in texts:
        require_readable(sentence)
    require_reader(predictor, texts)
    if not texts:
        return []
    shapes = [image.shape[:2]] * len(texts)
    maps = predictor.read(predictor.encode_images([image]), texts, shapes, strength=strength)
    return maps[0] if isinstance(text, str) else maps


@lru_cache(maxsize=2)
def opened(weights: str, clip_weights: str = "") -> Predictor:
    """:meth:`Predictor.open`, cached; :meth:`Predictor.fast_copy` of it if not packed weights."""
    predictor = Predictor.open(weights, clip_weights=clip_weights or None)
    packed = weights in shipped() or weights.endswith(".safetensors")
    return predictor if packed else predictor.fast_copy()


def precision_of_predictions(compact: bool, fast: bool = False) -> str:
    """``bfloat16`` for the compact model, where the CPU has it, else ``float32``.

    The paper's generator keeps the float32 its tables were made with, unless it is to be ``fast``.
    """
    return precision_of("auto" if compact or fast else "float32", torch.device("cpu"))


def _average(maps: Sequence[Tensor]) -> Tensor:
    """The average of densities ``(B, S, S)``, scaled so that each one's highest place is 1."""
    if len(maps) == 1:
        return maps[0]
    mean = sum(one / one.sum((1, 2), keepdim=True) for one in maps)
    return mean / mean.amax((1, 2), keepdim=True)


def _require_one_each(images: int, texts: Sequence[str]) -> None:
    if images != len(texts):
        raise CsalganError(f"{images} images and {len(texts)} sentences: give one an image.")


def _for_each(part: Tensor | ImageFeatures, texts: Sequence[str]) -> Tensor | ImageFeatures:
    """Features of as many images as sentences; those of one image are expanded, not copied."""
    if isinstance(part, ImageFeatures):
        return ImageFeatures(*(_for_each(tensor, texts) for tensor in part))
    if len(part) != 1:
        _require_one_each(len(part), texts)
    return part.expand(len(texts), *part.shape[1:])


def resize_map(saliency: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Bilinear (half-pixel centres) resize of a real ``(h, w)`` map to ``shape`` (H, W).

    Returns float32 ``(H, W)``, within the range of the map's values; no antialiasing.
    """
    tensor = torch.from_numpy(np.ascontiguousarray(saliency, dtype=np.float32))[None, None]
    return F.interpolate(tensor, size=tuple(shape), mode="bilinear")[0, 0].numpy()


def _square(image: np.ndarray, size: int) -> np.ndarray:
    """uint8 (H, W, 3) → (size, size, 3), resized as the prepared arrays are."""
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise CsalganError(
            f"an image of shape {image.shape} and type {image.dtype}: "
            "give uint8 RGB arrays (height, width, 3)."
        )
    return square(image, size)
