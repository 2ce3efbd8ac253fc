"""From predictions to tidy scores, from scores to means with intervals and to Table I."""

from csalgan.evaluation.explain import explain
from csalgan.evaluation.maps import Folder, open_folder, read_map
from csalgan.evaluation.scoring import (
    COLUMNS,
    CONTROLS,
    Evaluator,
    Truth,
    read_scores,
    with_subsets,
)
from csalgan.evaluation.statistics import compare, interval, one_model, over_seeds, summarise
from csalgan.evaluation.tables import (
    COMPACT,
    METRIC_LABELS,
    OURS,
    PAPER_TABLE_I,
    TABLE_METRICS,
    of_the_paper,
    row_label,
    table_one,
    write_table_one,
)
