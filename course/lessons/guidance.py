"""Exercises of notebook 05: what the sentence does."""

from typing import Any

import numpy as np

from course.checking import About, Wrong, exercise, one_function, some_words
from csalgan import exploration
from csalgan.text import get_encoder
from csalgan.text.variants import VARIANTS, sentence_variants
from csalgan.text.words import words


@exercise("05-1", "change code")
def total_variation(answer: Any, about: About) -> str:
    def right(before, after):
        first, second = (exploration.density(one, len(before)) for one in (before, after))
        return np.abs(second - first).mean() / 2

    rng = np.random.default_rng(0)
    probes = []
    for scale in (1.0, 255.0):
        before, after = rng.gamma(2.0, size=(2, 16, 16))
        probes.append((before, scale * after))
    one_function(
        answer,
        probes,
        right,
        (
            lambda before, after: 2 * right(before, after),
            "You counted everything that moves twice: once where it leaves, once where it "
            "arrives. Take half.",
        ),
        (
            lambda before, after: np.abs(after - before).mean() / 2,
            "Your maps are on different scales: make both of them sum to 1 (or mean 1).",
        ),
    )
    return "Right: 0 when nothing moves, 1 when no attention stays where it was."


@exercise("05-2", "change code")
def long_words(answer: Any, about: About) -> str:
    probes = [
        ("A brown horse stands beside the wooden fence.",),
        ("Somebody has left Three Green apples, near a chair!",),
        ("On it.",),
    ]

    def kept(text: str, keep) -> str:
        return " ".join(word for word in words(text) if keep(word))

    def right(text):
        return kept(text, lambda word: len(word) >= 5)

    one_function(
        answer,
        probes,
        right,
        (
            lambda text: kept(text, lambda word: len(word) > 5),
            "Words of exactly five letters are missing: five or more is >= 5.",
        ),
        (
            lambda text: " ".join(w for w in text.split() if len(w) >= 5),
            "Full stop, comma and capitals are still there, and a word of four letters with "
            "its comma counts as five. words(text) of csalgan.text.words takes both away.",
        ),
    )
    return "Right. Try it as a variant: do content words alone carry the effect?"


@exercise("05-3", "predict")
def zero_by_construction(answer: Any, about: About) -> str:
    names = [name for name in VARIANTS if name != "true"]
    found = some_words(answer, [*names, "true"], "variants") - {"true"}
    records = about.job.dataset.records
    table = sentence_variants(records, seed=about.job.profile.seed)
    zero, moving = _same_embedding(table, "none"), _same_embedding(table, "hashing")
    for name in sorted(found - zero):
        raise Wrong(f"{name}: there the encoder none gives another embedding for some record.")
    for name in sorted(zero - found):
        raise Wrong(
            f"{name} as well: the encoder none gives zeros for *every* sentence, so the "
            "model cannot notice that it was changed."
        )
    return (
        "All of them: none is the control that shows no effect by construction. The encoder "
        f"hashing notices {', '.join(sorted(set(names) - moving))}."
    )


def _same_embedding(table, encoder: str) -> set[str]:
    """Variants whose sentences have the embedding of the true one, record by record."""
    encode = get_encoder(encoder).encode
    true = table[table["variant"] == "true"].set_index("record")["text"]
    return {
        name
        for name, group in table.groupby("variant")
        if np.array_equal(
            encode(group["text"].tolist()), encode(true.loc[group["record"]].tolist())
        )
    } - {"true"}
