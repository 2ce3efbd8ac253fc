"""What the sentence does: change it, hold the picture, and see what the prediction does.

A *variant* is a rule that gives a record another sentence (:data:`VARIANTS`). A model is asked for
every variant of every record, each prediction is scored against the **same** gaze, and the
differences to the true sentence are paired. People are the yardstick: the gaze after another
sentence, scored in the same way (:func:`human_scores`).

``sentences`` asks and scores; ``effects`` shows where a sentence and its words move attention. A
model is anything that can be asked as a :class:`Reader` can (:data:`Ask`).
"""

from csalgan.guidance.effects import (
    WordEffect,
    compare_differences,
    difference_maps,
    expected_map,
    leave_one_word_out,
    summarise_differences,
    summarise_effect,
    summarise_words,
    text_effect,
    word_shares,
)
from csalgan.guidance.sentences import (
    COSTS,
    Ask,
    Reader,
    Score,
    costs,
    human_scores,
    measured,
    paired_differences,
    readable,
    score_models,
    score_strengths,
    score_variants,
)
from csalgan.text.variants import VARIANTS, Sentence, Variant, sentence_variants
from csalgan.text.words import FUNCTION_WORDS, without_each_word
