"""The words of a sentence, and which of them say nothing about a picture."""

import re

_WORD = re.compile(r"[A-Za-z]+(?:'[a-z]+)?")
#: Words that say nothing about a picture's content.
STOP_WORDS = frozenset(
    _WORD.findall(
        "a an and are as at be been being beside by for from has have he her him his in into is it "
        "its near next of off on one or out over she some that the their them there they this to "
        "two under up was were which while who with"
    )
)


def words(text: str) -> list[str]:
    """The words of a sentence, lower case, without punctuation."""
    return _WORD.findall(text.lower())
