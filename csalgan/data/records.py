"""The vocabulary of SJTU-TIS: conditions, suffixes, subsets.

A *record* is the gaze of one image in one condition. Its name is the stem its files share
(``000000000109_2``); the image's id is that stem without the suffix.
"""

import re
from typing import NamedTuple

#: What the viewer had read before looking, in the order used on every table and figure.
CONDITIONS = ("none", "general", "non_salient", "salient")

#: File suffix → condition. No suffix is ``general`` (images that have no ``_1`` … ``_3``).
CONDITION_OF_SUFFIX = {
    "0": "none",
    "1": "general",
    "2": "non_salient",
    "3": "salient",
    "": "general",
}

#: The paper's four training subsets, in the order of Table I.
SUBSETS = ("total", "general", "sal", "non_sal")

#: Subset → its conditions. ``sal`` and ``non_sal`` hold four-record images only.
CONDITIONS_OF_SUBSET = {
    "total": CONDITIONS,
    "general": ("none", "general"),
    "sal": ("none", "salient"),
    "non_sal": ("none", "non_salient"),
}

_STEM = re.compile(r"^(?P<id>\d{8,12})(?:_(?P<suffix>[0-3]))?$")


class Stem(NamedTuple):
    """A record's name taken apart."""

    image_id: str
    suffix: str
    condition: str

    @property
    def name(self) -> str:
        """The name again."""
        return f"{self.image_id}_{self.suffix}".removesuffix("_")

    @property
    def key(self) -> str:
        """What the record is called in the files of sentences: its name without leading zeros."""
        return self.name.lstrip("0")


def parse_stem(stem: str) -> Stem | None:
    """Take a name apart; None when it is no record (8 to 12 digits, then nothing or _0 … _3)."""
    match = _STEM.match(stem)
    if match is None:
        return None
    suffix = match["suffix"] or ""
    return Stem(match["id"], suffix, CONDITION_OF_SUFFIX[suffix])


def source_of(image_id: str) -> str:
    """``COCO`` for ids zero-padded to 12 digits, ``Flickr30k`` for shorter ones."""
    return "COCO" if len(image_id) == 12 else "Flickr30k"
