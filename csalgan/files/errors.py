"""What a user did wrong, said in one sentence."""

from collections.abc import Iterable


class CsalganError(Exception):
    """A mistake the user can mend: the message is one sentence that names the file or the
    value and the fix. The command line prints it without a traceback and exits with 1."""


def nearest(word: str, known: Iterable[str]) -> str:
    """`` (did you mean X?)`` for the known word that is most like this one; ``""`` for none."""
    from difflib import get_close_matches

    found = get_close_matches(word, list(known), 1, 0.5)
    return f" (did you mean {found[0]}?)" if found else ""
