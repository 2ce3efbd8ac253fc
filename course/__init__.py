"""The course beside the module: exercises that check themselves, code beside its formula.

``check("03-2", answer)`` says what is wrong with an answer. Every expected value is computed from
the data, the networks or the library at that moment; none is written down. Questions stand in the
notebooks, judges in the modules ``lessons``, one a notebook, solutions apart, in ``solutions/``.
"""

from course.checking import check, exercises
from course.display import code_of, source_of
from course.measures import leakage, listening, same_order

__all__ = ["check", "code_of", "exercises", "leakage", "listening", "same_order", "source_of"]
