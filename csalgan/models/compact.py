"""The compact generator: a light ImageNet encoder, and attention between words and places.

The paper's generator adds one text vector to all places alike and matches no word with one of
them. Here each word is compared with each place. The key of a place is computed from the encoder's
last features, in the space of the text encoder: ImageNet's classifier gives each class a score
there, the text encoder embeds the classes' names and definitions, and the scores weigh the
embeddings (ConSE, Norouzi et al. 2014). So a word and a place can be compared before any training
on gaze. See :func:`semantic_start`.

That product of key and query is linear in the scores. With ``class_match`` a word also leans
towards classes of its own, and a place says which classes it shows more than its image does. With
``attributes`` words that name a colour or a side point at places that have it.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from csalgan.models.attributes import Attributes
from csalgan.models.depthwise import Depthwise
from csalgan.models.lite0 import CLASSES, Lite0
from csalgan.models.paper import require_length, require_multiple
from csalgan.text.sentences import Sentences

_STRIDE = 8  # of the decoder: maps are blurred by about one of its places
_PRIORS, _PRIOR_SIDE = 4, 12


class ImageFeatures(NamedTuple):
    """Features of B photographs, computed once for any number of sentences.

    ``base`` (B, C, S/8, S/8); ``places`` (B, heads, D/heads, S/16, S/16), keys of the word–place
    attention, of mean 0 over the places and mean square 1; ``shown`` (B, 1000, S/16, S/16), how
    much more of each of ImageNet's classes a place shows than its image, 0 or more; ``attributes``
    (B, 13, S/16, S/16), how much more of each colour and side it has (:meth:`Attributes.seen`).
    Without class matches ``shown`` is (B, 0, 1, 1), without attributes ``attributes``; without
    words ``places`` is empty, too.
    """

    base: Tensor
    places: Tensor
    shown: Tensor
    attributes: Tensor


class CompactGenerator(nn.Module):
    """Image and sentence → saliency map.

    Args:
        text_dim: length D of a word's embedding; a multiple of ``heads``.
        channels: width C of the decoder.
        heads: of the word–place attention.
        fusion: ``both``: the sentence modulates features and its words point at places;
            ``sentence`` or ``words``: only one of the two; ``none``: the image alone.
        class_match: words point at places through ImageNet's classes too.
        attributes: words that name a colour or a side point at places that have it
            (:class:`Attributes`).
        dropout: share of the decoder's channels left out at random while training.
    """

    def __init__(
        self,
        text_dim: int,
        *,
        channels: int = 96,
        heads: int = 8,
        fusion: str = "both",
        class_match: bool = False,
        attributes: bool = False,
        dropout: float = 0.1,
    ):
        super().__init__()
        require_multiple(text_dim, heads)
        self.text_dim, self.heads = text_dim, heads
        self.uses_words = fusion in ("both", "words")
        self.uses_sentence = fusion in ("both", "sentence")
        self.class_match = class_match and self.uses_words
        self.encoder = Lite0(classify=self.class_match)
        width = self.encoder.channels
        self.from_low = nn.Conv2d(width.low, channels, 2, stride=2)
        self.from_middle = nn.Conv2d(width.middle, channels, 1)
        self.from_high = nn.Conv2d(width.high, channels, 1)
        self.from_top = nn.Conv2d(width.top, channels, 1)
        self.base = nn.Sequential(_Block(channels), _Block(channels, kernel=5))
        self.decode = nn.Sequential(_Block(channels), _Context(channels), _Block(channels))
        self.dropout = nn.Dropout2d(dropout)
        self.to_map = _zeros(nn.Conv2d(channels, 1, 1))
        self.priors = nn.Parameter(_round_priors())
        self.choose_prior = nn.Linear(text_dim if self.uses_sentence else 1, _PRIORS)
        if self.uses_sentence:
            self.modulate = nn.Sequential(
                nn.Linear(text_dim + channels, 64),
                nn.GELU(),
                nn.Dropout(dropout),
                _zeros(nn.Linear(64, 2 * channels)),
            )
        if self.uses_words:
            self.key = nn.Conv2d(width.classes, text_dim, 1)
            self.key_high = _zeros(nn.Conv2d(width.high, text_dim, 1))
            self.query = nn.Linear(text_dim, text_dim)
            ways = heads + self.class_match  # in which a word can fit a place
            self.importance = nn.Linear(text_dim, ways)
            self.value = nn.Linear(text_dim, channels)
            gain, direct = torch.ones(ways), torch.full((ways,), 0.1)
            if self.class_match:
                self.register_buffer("names", torch.zeros(CLASSES, text_dim))
                self.sharpness = nn.Parameter(torch.tensor(7.0))
                self.threshold = nn.Parameter(torch.tensor(1.0))
                gain[-1], direct[-1] = 5, 0.3  # docs/compact.md says how these four were found
            self.gain, self.direct = nn.Parameter(gain), nn.Parameter(direct)
            self.from_matches = nn.Conv2d(2 * ways, channels, 1)
            self.from_values = nn.Conv2d(channels, channels, 1)
        wanted = attributes and self.uses_words
        self.attributes = Attributes(text_dim, channels) if wanted else None

    def encode_image(self, image: Tensor) -> ImageFeatures:
        """Features of images ``(B, 3, S, S)``, float RGB in [0, 1], S a multiple of 32.

        Shapes and ranges: :class:`ImageFeatures`.
        """
        levels = self.encoder(image)
        deep = _resize(self.from_high(levels.high) + self.from_top(levels.top), levels.middle)
        base = self.base(deep + self.from_middle(levels.middle) + self.from_low(levels.low))
        empty = base.new_zeros(len(image), 0, 1, 1)
        if not self.uses_words:
            return ImageFeatures(base, empty[..., None], empty, empty)
        places = (self.key(levels.classes) + self.key_high(levels.high)).float()
        places = places - places.mean((2, 3), keepdim=True)
        places = places / (places.square().mean((1, 2, 3), keepdim=True).sqrt() + 1e-6)
        shown = attributes = empty
        if self.class_match:
            scores = self.encoder.classifier(levels.classes).float()
            more = scores - scores.mean((2, 3), keepdim=True) - self.threshold
            shown = more.relu().to(levels.classes.dtype)
        if self.attributes is not None:
            attributes = self.attributes.seen(image)
        return ImageFeatures(base, places.unflatten(1, (self.heads, -1)), shown, attributes)

    def read(self, features: ImageFeatures, text: Sentences, size: int | None = None) -> Tensor:
        """Saliency maps of images read with sentences.

        Args:
            features: of :meth:`encode_image`, one for each sentence.
            size: side of the maps; by default the images'.

        Returns:
            ``(B, 1, size, size)`` float32 in (0, 1], the highest place of each map 1;
            proportional to the density of fixations.

        Raises:
            CsalganError: another embedding length than the model was built for.
        """
        require_length(text.whole, self.text_dim)
        logits = self._logits(features, text)
        shape = (size, size) if size else [_STRIDE * side for side in logits.shape[-2:]]
        logits = F.interpolate(logits, size=shape, mode="bicubic", align_corners=False)
        return (logits - logits.amax((2, 3), keepdim=True)).exp()

    def forward(self, image: Tensor, text: Sentences) -> Tensor:
        """Saliency maps of images, one sentence an image (see :meth:`read`).

        ``(B, 3, S, S)`` float RGB in [0, 1], S a multiple of 32, and B sentences → ``(B, 1, S, S)``
        float32 in (0, 1], the highest place of each map 1.
        """
        return self.read(self.encode_image(image), text)

    def match(self, features: ImageFeatures, text: Sentences) -> Tensor:
        """How well each word fits each place: float32 ``(B, T, ways, S/16, S/16)``, any real.

        First head by head a learned gain times the product of key and query. The query of a word
        has length 1 over all heads, keys have mean square 1; nothing is normalised after the
        product. Then, with ``class_match``, a learned gain times :meth:`_match_classes`.
        """
        query = self.query(text.words)
        query = query / (query.norm(dim=-1, keepdim=True) + 1e-6)
        query = query.unflatten(-1, (self.heads, -1))  # (B, T, D) → (B, T, heads, D/heads)
        matches = torch.einsum("bhdyx,bthd->bthyx", features.places.to(query.dtype), query)
        matches = matches.float()
        if self.class_match:
            matches = torch.cat([matches, self._match_classes(features.shown, text)], dim=2)
        return matches * self.gain[:, None, None]

    def _match_classes(self, shown: Tensor, text: Sentences) -> Tensor:
        """How much a place shows of what a word means, ``(B, T, 1, S/16, S/16)``, of mean 0.

        What a word means is a softmax over its cosines with the names of ImageNet's classes; class
        activation maps (Zhou et al. 2016) say where those are, averaged over 3 × 3 places: they
        light up at the part of a thing that tells its class, and gaze goes to all of it.
        """
        words = text.words / (text.words.norm(dim=-1, keepdim=True) + 1e-6)
        meant = (words @ self.names.T * self.sharpness).softmax(-1)  # (B, T, 1000)
        fits = torch.einsum("btc,bcyx->btyx", meant.to(shown.dtype), shown).float()
        fits = F.avg_pool2d(fits, 3, 1, padding=1, count_include_pad=False)
        return (fits - fits.mean((2, 3), keepdim=True))[:, :, None]

    def _logits(self, features: ImageFeatures, text: Sentences) -> Tensor:
        """Logarithm of the fixation density up to a constant, ``(B, 1, S/8, S/8)``."""
        y = features.base
        whole = text.whole if self.uses_sentence else y.new_zeros(len(y), 1)
        if self.uses_sentence:
            seen = torch.cat([whole, y.mean((2, 3)).to(whole.dtype)], dim=1)
            scale, shift = self.modulate(seen)[..., None, None].chunk(2, dim=1)
            y = y * (1 + scale) + shift
        logits = self._prior(whole, y)
        if self.uses_words and text.words.shape[1]:
            pointed, towards = self._point(features, text)
            y = y + _resize(pointed, y)
            logits = logits + _resize(towards, y)
        return logits + self.to_map(self.decode(self.dropout(y))).float()

    def _prior(self, whole: Tensor, like: Tensor) -> Tensor:
        """Center bias: a mixture of learned maps, weighted by the sentence, ``(B, 1, h, w)``."""
        priors = F.interpolate(self.priors, size=like.shape[-2:], mode="bicubic")
        weights = self.choose_prior(whole).float().softmax(1)
        return torch.einsum("bk,kcyx->bcyx", weights, priors)

    def _point(self, features: ImageFeatures, text: Sentences) -> tuple[Tensor, Tensor]:
        """What the words add to features, ``(B, C, h, w)``, and to logits, ``(B, 1, h, w)``."""
        matches = self.match(features, text)  # (B, T, ways, h, w)
        none = ~text.is_word[:, :, None]
        weights = self.importance(text.words).float().masked_fill(none, -1e4).softmax(1)
        mean = torch.einsum("bthyx,bth->bhyx", matches, weights)
        matches = matches.masked_fill(none[..., None, None], -1e4)
        count = text.is_word.sum(1).clamp(min=1)[:, None, None, None]
        best = matches.logsumexp(1) - count.log()  # a smooth maximum over words
        which = matches.mean(2).softmax(1)  # the word each place is most like
        values = torch.einsum("btyx,btc->bcyx", which, self.value(text.words).float())
        # Without a word there is nothing to point with; strength 0 is free viewing. Not even the
        # convolutions' biases are then added: a map does not depend on other sentences' words.
        much = (text.is_word.any(1) * text.strength)[:, None, None, None]
        pointed = self.from_matches(torch.cat([mean, best], dim=1)) + self.from_values(values)
        towards = (mean * self.direct[:, None, None]).sum(1, keepdim=True)
        if self.attributes is not None:
            features_there, logits_there = self.attributes(features.attributes, text)
            pointed, towards = pointed + features_there, towards + logits_there
        return pointed * much, towards * much


class ConditionalDiscriminator(nn.Module):
    """Saliency map of a photograph → logit that it is a measured one.

    It sees the photograph beside the map, so that a plausible map of another picture does not
    pass; any size, since it averages over places.
    """

    def __init__(self, channels: int = 32):
        super().__init__()
        widths = (4, channels, 2 * channels, 4 * channels)
        layers: list[nn.Module] = []
        for before, after in zip(widths, widths[1:], strict=False):
            layers += [nn.Conv2d(before, after, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
        self.features = nn.Sequential(*layers)
        self.decide = nn.Linear(widths[-1], 1)

    def logits(self, saliency_map: Tensor, image: Tensor) -> Tensor:
        """``(B, 1, h, w)`` in [0, 1] and ``(B, 3, S, S)`` in [0, 1] → ``(B, 1)``."""
        small = F.interpolate(image, size=saliency_map.shape[-2:], mode="area")
        x = self.features(torch.cat([saliency_map, small.to(saliency_map.dtype)], dim=1))
        return self.decide(x.mean((2, 3)))


def semantic_start(generator: CompactGenerator, classifier: Tensor, class_vectors: Tensor) -> None:
    """Initialise keys and queries from class-name embeddings.

    The key of a place becomes the sum of the class embeddings weighted by the classifier's
    scores there (ConSE with the scores themselves in place of a softmax, which makes it linear).
    Keys and queries are turned to the principal directions of the class embeddings, the first
    head taking the directions in which classes differ most. With ``class_match`` the class
    embeddings are kept as they are, too.

    Args:
        classifier: ``(1000, 1280)`` weights of ImageNet's classifier.
        class_vectors: ``(1000, D)`` embeddings of the classes' names.
    """
    if not generator.uses_words or not class_vectors.any():
        return  # an encoder without words has no class names either
    centred = class_vectors - class_vectors.mean(0)
    directions = torch.linalg.svd(centred, full_matrices=False).Vh  # (D, D)
    keys = directions @ centred.T @ classifier / len(classifier)
    with torch.no_grad():
        generator.key.weight.copy_(keys[:, :, None, None])
        generator.key.bias.zero_()
        generator.query.weight.copy_(directions)
        generator.query.bias.zero_()
        if generator.class_match:
            generator.names.copy_(F.normalize(class_vectors, dim=1))


class _Context(nn.Module):
    """Two residual blocks at half the resolution: a wide receptive field at a quarter of the cost.

    Dilation would do the same, but on CPUs the bfloat16 weight gradient of a dilated depthwise
    convolution is wrong (torch 2.14.1, oneDNN); a test compares all gradients with float32.
    """

    def __init__(self, channels: int):
        super().__init__()
        self.blocks = nn.Sequential(_Block(channels, kernel=5), _Block(channels, kernel=5))

    def forward(self, x: Tensor) -> Tensor:
        return x + _resize(self.blocks(F.avg_pool2d(x, 2)), x)


class _Block(nn.Module):
    """A residual block: places are mixed per channel, then channels per place (ConvNeXt)."""

    def __init__(self, channels: int, kernel: int = 3):
        super().__init__()
        self.spatial = Depthwise(channels, kernel)
        self.norm = nn.GroupNorm(1, channels)
        self.up = nn.Conv2d(channels, 2 * channels, 1)
        self.down = nn.Conv2d(2 * channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.down(F.gelu(self.up(self.norm(self.spatial(x)))))


def _round_priors() -> Tensor:
    """``(K, 1, n, n)``: logits of a centred Gaussian, the same for each of K priors."""
    y, x = torch.meshgrid(*[torch.linspace(-1, 1, _PRIOR_SIDE)] * 2, indexing="ij")
    return (-2 * (x**2 + y**2)).repeat(_PRIORS, 1, 1, 1)


def _zeros(layer: nn.Module) -> nn.Module:
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


def _resize(x: Tensor, like: Tensor) -> Tensor:
    return F.interpolate(x, size=like.shape[-2:], mode="bilinear", align_corners=False)
