"""The teaching layer: exercises that check themselves, and code shown beside its formula.

``check("03-2", answer)`` says what is wrong with an answer. Every expected value is computed from
the data, the networks or the library at that moment; none is written down. The exercises stand in
the modules ``lessons``, one a notebook, and their solutions apart, in ``solutions/``.
"""

from csalgan.teaching.checking import Result, check, exercises
from csalgan.teaching.display import agree, code_of
from csalgan.teaching.measures import leakage, listening, same_order

__all__ = ["Result", "agree", "check", "code_of", "exercises", "leakage", "listening", "same_order"]
