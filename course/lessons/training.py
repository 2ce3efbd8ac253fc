"""Exercises of notebook 03: adversarial training and its losses."""

import math
from typing import Any

import torch

from course.checking import About, Wrong, exercise, number, one_function, one_number
from csalgan.data import make_split
from csalgan.models import PaperDiscriminator
from csalgan.models.paper import initialise
from csalgan.training import losses

_REAL, _FAKE = 0.9, 0.2  # what the discriminator of exercise 03-2 says


@exercise("03-1", "read")
def undecided_epoch(answer: Any, about: About) -> str:
    history = about.run.history.reset_index(drop=True)
    undecided = 2 * math.log(2)
    value = number(answer)

    epochs = history["epoch"].astype(int)

    def nearest(column: str, to: float) -> int:
        return epochs[(history[column] - to).abs().idxmin()]

    far = (history["discriminator"] - undecided).abs()
    if value in set(epochs[far == far.min()]):
        row = history[epochs == value].iloc[0]
        return (
            f"Epoch {row.epoch:.0f}: {row.discriminator:.3f} beside {undecided:.3f}, at a "
            f"validation CC of {row.val_cc:.3f}. Whether D was fooled or had not learned yet, "
            "val_cc and the epochs around it tell, this number alone does not."
        )
    mistakes = [
        (
            nearest("last_discriminator", undecided),
            "You read the loss of the last batch; the epoch's mean stands in discriminator.",
        ),
        (
            nearest("discriminator", 0),
            "That is the epoch with the *smallest* loss: there D tells the maps apart best.",
        ),
        (
            nearest("discriminator", undecided / 2),
            "You compared with ln 2. D pays for two cross-entropies, one on measured maps and one "
            "on predictions, so not being able to tell costs 2 ln 2.",
        ),
    ]
    if value not in set(epochs):
        raise Wrong(f"There is no epoch {value:g}: the history has {min(epochs)} to {max(epochs)}.")
    said = (sentence for wrong, sentence in mistakes if value == wrong)
    raise Wrong(next(said, f"Epoch {value:g} is further from {undecided:.3f} than another one."))


@exercise("03-2", "compute")
def discriminator_price(answer: Any, about: About) -> str:
    probabilities = torch.tensor([[_REAL], [_FAKE]], dtype=torch.float64)
    real, fake = torch.logit(probabilities)
    right = losses.discriminator_loss(real, fake).item()
    on_real, on_fake = losses.fooling_loss(real).item(), losses.fooling_loss(-fake).item()
    one_number(
        answer,
        right,
        (
            on_real + losses.fooling_loss(fake).item(),
            "You asked for 1 on both. On a *predicted* map D should say 0: its price there is "
            f"-ln(1 - {_FAKE}). Asking for 1 there is the generator's wish.",
        ),
        (right / 2, "That is the mean of the two prices; D pays both."),
        (
            losses.discriminator_loss(*probabilities).item(),
            "You gave probabilities to a function that takes logits (numbers before the "
            "sigmoid); use torch.logit first, or write the logarithms yourself.",
        ),
    )
    return (
        f"{on_real:.3f} on the measured map and {on_fake:.3f} on the predicted one, well below "
        "2 ln 2: this D tells them apart."
    )


def _games() -> list[tuple]:
    """Discriminator, measured map, prediction: small and drawn from seeds."""
    games = []
    for seed in (0, 1):
        discriminator = PaperDiscriminator(8)
        initialise(discriminator, seed)
        with torch.no_grad():
            discriminator.decide.bias.add_(1.5 - seed)  # far enough from undecided to tell apart
        draw = torch.Generator().manual_seed(seed)
        target = torch.rand(2, 1, 8, 8, generator=draw)
        prediction = 0.05 + 0.9 * torch.rand(2, 1, 8, 8, generator=draw)
        games.append((discriminator, target, prediction))
    return games


_SIGMOID_TWICE = (
    "discriminator(maps) has been through the sigmoid already, and the loss takes logits: use "
    "discriminator.logits(maps)."
)


@exercise("03-3", "change code")
def generator_loss(answer: Any, about: About) -> str:
    probes = [(*game, alpha) for game, alpha in zip(_games(), (0.05, 0.7), strict=True)]

    def loss(judge, content=losses.bce):
        def of(discriminator, target, prediction, alpha):
            fooling = losses.fooling_loss(judge(discriminator, prediction))
            return alpha * content(prediction, target) + fooling

        return of

    right = loss(lambda d, maps: d.logits(maps))
    one_function(
        answer,
        probes,
        right,
        (
            loss(lambda d, maps: -d.logits(maps)),
            "Your second term asks D to say 0 on predictions: that is D's own wish. The "
            "generator wants D(prediction) to be 1.",
        ),
        (loss(lambda d, maps: d(maps)), _SIGMOID_TWICE),
        (
            loss(lambda d, maps: d.logits(maps), lambda one, other: losses.bce(other, one)),
            "losses.bce takes the prediction first, then what is right.",
        ),
        tolerance=1e-5,
    )
    for game in probes:
        mine, theirs = (_gradient(one, *game) for one in (answer, right))
        if mine is None:
            raise Wrong(
                "The value is right, but no gradient reaches the prediction (detach, item or "
                "no_grad somewhere?): the generator would never learn."
            )
        if not torch.allclose(mine, theirs, atol=1e-6):
            raise Wrong(
                "The value is right, but part of the gradient is lost on its way to the "
                "prediction. detach belongs to D's step: here the gradient must pass *through* D."
            )
    return "Value and gradient are right: the gradient goes through D to the prediction."


@exercise("03-4", "change code")
def discriminator_loss(answer: Any, about: About) -> str:
    def right(discriminator, *maps):
        return losses.discriminator_loss(*map(discriminator.logits, maps))

    games = _games()
    one_function(
        answer,
        games,
        right,
        (
            lambda d, target, prediction: right(d, prediction, target),
            "You exchanged the labels: 1 is for measured maps, 0 for predictions.",
        ),
        (lambda d, *maps: losses.discriminator_loss(*map(d, maps)), _SIGMOID_TWICE),
        (lambda *game: right(*game) / 2, "That is the mean of the two terms; D pays their sum."),
        tolerance=1e-5,
    )
    if _gradient(answer, *games[0]) is not None:
        raise Wrong(
            "The value is right, but your loss sends a gradient into the prediction, and so into "
            "the generator, which would learn to make D's work *easy*. Use prediction.detach()."
        )
    loss = answer(*games[0])
    if not getattr(loss, "requires_grad", False):
        raise Wrong(
            "The value is right, but no gradient reaches D's weights (no_grad, item, or detach on "
            "the logits?): detach the prediction only."
        )
    weights = games[0][0].decide.weight
    mine, wanted = (torch.autograd.grad(one, weights)[0] for one in (loss, right(*games[0])))
    if not torch.allclose(mine, wanted, atol=1e-6):
        raise Wrong(
            "The value is right, but D learns from one of the two kinds of maps only: detach the "
            "prediction before it enters D, not the logits that come out."
        )
    return "Right in value, and the generator does not feel it."


@exercise("03-5", "compute")
def known_images(answer: Any, about: About) -> str:
    records = about.job.dataset.records
    split = make_split(records, "record", seed=0)
    train, test = split.of("train", records), split.of("test", records)
    known = records["image_id"].isin(train["image_id"])
    right = known.mean()
    one_number(
        answer,
        right,
        (known.sum(), "That is how many; give the share of all records."),
        (
            len(train) / len(records),
            "That is the share of records that were trained on. One that was not may still "
            "show an image that was.",
        ),
    )
    return (
        f"{right:.0%}: {len(train) / len(records):.0%} of the records were trained on, and of "
        f"those kept for testing {test['image_id'].isin(train['image_id']).mean():.0%} show an "
        "image the model knows."
    )


def _gradient(loss, discriminator, target, prediction, *rest) -> torch.Tensor | None:
    """The gradient of a loss at the prediction; None when there is none."""
    prediction = prediction.clone().requires_grad_(True)
    try:
        value = loss(discriminator, target, prediction, *rest)
        if getattr(value, "requires_grad", False):
            value.backward()
    except Exception as error:  # backward twice, a map changed in place
        said = str(error).partition(" (")[0].rstrip(".")
        raise Wrong(f"Give back the loss alone; the loop calls backward ({said}).") from None
    discriminator.zero_grad(set_to_none=True)
    found = prediction.grad
    return found if found is not None and bool(found.any()) else None
