"""Exercises of notebook 03: the game and its losses."""

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

    def epoch_of(row: int) -> int:
        return int(history["epoch"].iloc[row])

    closest = int((history["discriminator"] - undecided).abs().argmin())
    right = epoch_of(closest)
    if value == right:
        row = history.iloc[closest]
        return (
            f"Epoch {right}: {row.discriminator:.3f} beside {undecided:.3f}, at a validation CC of "
            f"{row.val_cc:.3f}. Whether D was fooled or had not learned yet, val_cc and the "
            "epochs around it tell, this number alone does not."
        )
    mistakes = [
        (
            epoch_of(int(history["discriminator"].argmin())),
            "That is the epoch with the *smallest* loss: there D tells the maps apart best.",
        ),
        (
            epoch_of(int((history["discriminator"] - undecided / 2).abs().argmin())),
            "You compared with ln 2. D pays for two cross-entropies, one on measured maps and one "
            "on predictions, so not being able to tell costs 2 ln 2.",
        ),
    ]
    for wrong, sentence in mistakes:
        if value == wrong:
            raise Wrong(sentence)
    if value not in set(history["epoch"]):
        raise Wrong(
            f"There is no epoch {value:g}: the history has {epoch_of(0)} to {epoch_of(-1)}."
        )
    raise Wrong(f"Epoch {value:g} is further from {undecided:.3f} than another one.")


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


@exercise("03-3", "change code")
def generator_loss(answer: Any, about: About) -> str:
    probes = [(*game, alpha) for game, alpha in zip(_games(), (0.05, 0.7), strict=True)]

    def right(discriminator, target, prediction, alpha):
        content = losses.bce(prediction, target)
        return alpha * content + losses.fooling_loss(discriminator.logits(prediction))

    def helps_d(discriminator, target, prediction, alpha):
        content = losses.bce(prediction, target)
        return alpha * content + losses.fooling_loss(-discriminator.logits(prediction))

    def sigmoid_twice(discriminator, target, prediction, alpha):
        content = losses.bce(prediction, target)
        return alpha * content + losses.fooling_loss(discriminator(prediction))

    one_function(
        answer,
        probes,
        right,
        (
            helps_d,
            "Your second term asks D to say 0 on predictions: that is D's own wish. The "
            "generator wants D(prediction) to be 1.",
        ),
        (
            sigmoid_twice,
            "discriminator(prediction) has been through the sigmoid already, and the loss "
            "takes logits: use discriminator.logits(prediction).",
        ),
        tolerance=1e-5,
    )
    for discriminator, target, prediction, alpha in probes:
        mine, theirs = (
            _pull(loss, discriminator, target, prediction, alpha) for loss in (answer, right)
        )
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
    return "Value and gradient are right: the gradient goes through D, whose weights stay still."


@exercise("03-4", "change code")
def discriminator_loss(answer: Any, about: About) -> str:
    def right(discriminator, target, prediction):
        return losses.discriminator_loss(
            discriminator.logits(target), discriminator.logits(prediction)
        )

    def exchanged(discriminator, target, prediction):
        return right(discriminator, prediction, target)

    def sigmoid_twice(discriminator, target, prediction):
        return losses.discriminator_loss(discriminator(target), discriminator(prediction))

    games = _games()
    one_function(
        answer,
        games,
        right,
        (exchanged, "You exchanged the labels: 1 is for measured maps, 0 for predictions."),
        (
            sigmoid_twice,
            "discriminator(maps) has been through the sigmoid already, and the loss takes "
            "logits: use discriminator.logits.",
        ),
        tolerance=1e-5,
    )
    discriminator, target, prediction = games[0]
    if _pull(answer, discriminator, target, prediction) is not None:
        raise Wrong(
            "The value is right, but your loss pulls on the prediction, and through it on the "
            "generator, which would learn to make D's work *easy*. Use prediction.detach()."
        )
    loss = answer(discriminator, target, prediction)
    if not getattr(loss, "requires_grad", False):
        raise Wrong(
            "The value is right, but no gradient reaches D's weights (no_grad, item, or detach on "
            "the logits?): detach the prediction only."
        )
    loss.backward()
    halves = []
    for maps, wish in ((target, 1.0), (prediction, -1.0)):
        loss = losses.fooling_loss(wish * discriminator.logits(maps))
        halves.append(torch.autograd.grad(loss, discriminator.decide.weight)[0])
    if not torch.allclose(discriminator.decide.weight.grad, sum(halves), atol=1e-6):
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


def _pull(loss, discriminator, target, prediction, *rest) -> torch.Tensor | None:
    """The gradient of a loss at the prediction; None when there is none."""
    prediction = prediction.clone().requires_grad_(True)
    value = loss(discriminator, target, prediction, *rest)
    if getattr(value, "requires_grad", False):
        value.backward()
        discriminator.zero_grad(set_to_none=True)
    found = prediction.grad
    return found if found is not None and bool(found.any()) else None
