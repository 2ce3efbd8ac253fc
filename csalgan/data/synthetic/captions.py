"""Sentences about a scene: all of it, its salient object, or a faint one."""

import numpy as np

from csalgan.data.synthetic.scenes import Placed, Scene

_SIZE_WORDS = {
    "salient": ("large", "big", "bright", "bold"),
    "middle": ("", "", "medium-sized"),
    "faint": ("small", "tiny", "faint", "pale"),
}

#: ``{side}`` is always filled in the first two of each, in half of the others.
_SALIENT = (
    "A {object} is lying{side}.",
    "Somebody has put a {object}{side}.",
    "A {object} stands out on the {ground} ground{side}.",
    "There is a {object}{side}, larger than anything else.",
    "A {object} can be seen{side} at first glance.",
    "The picture shows a {object}{side}.",
)
_FAINT = (
    "A {object} is lying{side}.",
    "Somebody has dropped a {object}{side}.",
    "A {object} almost disappears in the {ground} ground{side}.",
    "There is a {object}{side}, easy to miss.",
    "A {object} is hidden{side}.",
    "The picture also has a {object}{side}.",
)
_GENERAL = (
    "{objects} on a {ground} ground.",
    "A {ground} ground with {objects}.",
    "{objects} lie on a {ground} surface.",
    "A scene of {count} shapes, among them {objects}.",
    "Several shapes are spread out: {objects}.",
)


def describe(scene: Scene, condition: str, rng: np.random.Generator) -> tuple[str, list[int]]:
    """Say something about the scene, as the condition asks.

    Returns the sentence and the indices (into ``scene.objects``) of the objects it names: one for
    ``salient`` and ``non_salient``, two or three for ``general``, none for ``none`` (empty
    sentence). Colour and shape of every named object stand in the sentence; a size word and a
    side ("on the left") only in some.
    """
    roles = [item.role for item in scene.objects]
    ground = f"{scene.texture} {scene.tone}"
    if condition == "none":
        return "", []
    if condition == "general":
        count = min(len(roles), int(rng.integers(2, 4)))
        named = sorted(int(i) for i in rng.choice(len(roles), count, replace=False))
        names = [f"a {_name(scene.objects[i], rng)}" for i in named]
        pattern = str(rng.choice(_GENERAL[:3] if count == len(roles) else _GENERAL))
        text = pattern.format(
            objects=", ".join(names[:-1]) + f" and {names[-1]}",
            ground=ground,
            count=("two", "three", "four", "five")[len(roles) - 2],
        )
    else:
        role, patterns = ("salient", _SALIENT) if condition == "salient" else ("faint", _FAINT)
        named = [int(rng.choice([i for i, r in enumerate(roles) if r == role]))]
        item = scene.objects[named[0]]
        choice = int(rng.integers(len(patterns)))
        side = f" {_side(item, scene.image.shape)}" if choice < 2 or rng.random() < 0.5 else ""
        pattern = patterns[choice]
        text = pattern.format(object=_name(item, rng), ground=ground, side=side)
    text = text[0].upper() + text[1:]
    return text.replace(" a orange", " an orange").replace("A orange", "An orange"), named


def _name(item: Placed, rng) -> str:
    """``small blue ring``, or without the size word two times in five."""
    size = str(rng.choice(_SIZE_WORDS[item.role])) if rng.random() < 0.6 else ""
    return f"{size} {item.colour} {item.shape}".strip()


def _side(item: Placed, shape) -> str:
    """The third of the picture the object's centre lies in, in words."""
    column = min(int(3 * item.centre[1] / shape[1]), 2)
    row = min(int(3 * item.centre[0] / shape[0]), 2)
    across = ("on the left", "", "on the right")[column]
    down = ("at the top", "", "at the bottom")[row]
    if across and down:
        return f"{down} {across.removeprefix('on the ')}"
    return across or down or "in the middle"
