"""What the sentence does: change it, hold the picture, and see what the prediction does.

A *variant* is a rule that gives a record another sentence (:data:`VARIANTS`). A model is asked for
every variant of every record, each prediction is scored against the **same** gaze, and the
differences to the true sentence are paired. People are the yardstick: the gaze after another
sentence, scored in the same way (:func:`human_scores`).

``sentences`` → ``reading`` (a model, each picture encoded once) → ``scores`` and ``changes`` →
``words`` and ``effect`` (where the true effect is known). A model is anything that
can be asked as a :class:`Reader` can (:class:`Ask`).
"""

from csalgan.guidance.changes import (
    changes,
    compare_changes,
    density,
    predicted_changes,
    share_moved,
    summarise_changes,
)
from csalgan.guidance.effect import expected_map, summarise_effect, text_effect
from csalgan.guidance.reading import Ask, Reader, measured
from csalgan.guidance.scores import (
    COSTS,
    Score,
    costs,
    human_scores,
    paired_differences,
    readable,
    score_models,
    score_strengths,
    score_variants,
)
from csalgan.guidance.words import Pull, summarise_words, word_pulls, word_shares
from csalgan.text.variants import (
    FUNCTION_WORDS,
    VARIANTS,
    Pool,
    Sentence,
    Variant,
    sentence_variants,
    without_each_word,
)

__all__ = [
    "COSTS",
    "FUNCTION_WORDS",
    "VARIANTS",
    "Ask",
    "Pool",
    "Pull",
    "Reader",
    "Score",
    "Sentence",
    "Variant",
    "changes",
    "compare_changes",
    "costs",
    "density",
    "expected_map",
    "human_scores",
    "measured",
    "paired_differences",
    "predicted_changes",
    "readable",
    "score_models",
    "score_strengths",
    "score_variants",
    "sentence_variants",
    "share_moved",
    "summarise_changes",
    "summarise_effect",
    "summarise_words",
    "text_effect",
    "without_each_word",
    "word_pulls",
    "word_shares",
]
