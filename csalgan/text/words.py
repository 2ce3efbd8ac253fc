"""The words of a sentence, and which of them say nothing about a picture."""

import re

from csalgan.files.errors import CsalganError

#: More words of a sentence are not read: the encoders take some 75 to 125 pieces of words.
LONGEST_SENTENCE = 50
_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)?")


def require_readable(sentence: str) -> None:
    """Refuse a sentence whose last words no encoder would read.

    Raises:
        CsalganError: it has more than :data:`LONGEST_SENTENCE` words.
    """
    if (count := len(sentence.split())) > LONGEST_SENTENCE:
        raise CsalganError(
            f"a sentence of {count} words ({sentence[:40]!r} …): no encoder reads more than "
            f"{LONGEST_SENTENCE}, shorten it."
        )


def words(text: str) -> list[str]:
    """The words of a sentence in order, lower case, without punctuation."""
    return _WORD.findall(text.lower())


#: Words that say nothing about a picture's content.
STOP_WORDS = frozenset(
    words(
        "a an and are as at be been being beside by for from has have he her him his in into is it "
        "its near next of off on one or out over she some that the their them there they this to "
        "two under up was were which while who with"
    )
)
#: Words that carry grammar, not things: :data:`STOP_WORDS` and what else English captions bind
#: their content words with. No tagger and no model: a list, and so an approximation. What is left,
#: the *content words*, are nouns, adjectives and full verbs.
FUNCTION_WORDS = STOP_WORDS | frozenset(
    words(
        "about above across after against all along also am among amongst another any around away "
        "because been before behind being below beneath between beyond both but can could did do "
        "does doing down during each either else every everything few had having how if inside "
        "just many may me might more most much must my neither no none nor not nothing now only "
        "onto other others our ours past same several shall she should since so somebody someone "
        "something such than then these those though through throughout till together too toward "
        "towards underneath until upon us very was we what when where whether whose will within "
        "without would yet you your"
    )
)


def without_each_word(text: str) -> list[tuple[str, str]]:
    """Every word of a sentence with the sentence that lacks it.

    Words are what spaces separate; the word is given without its punctuation, lower case (as it
    stands when it has no letters).
    """
    tokens = text.split()
    return [
        (" ".join(words(token)) or token, " ".join(tokens[:k] + tokens[k + 1 :]))
        for k, token in enumerate(tokens)
    ]
