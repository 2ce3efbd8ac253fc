"""Has a training converged? What its curves do in the last third of its epochs."""

from collections.abc import Mapping

import pandas as pd
from scipy.stats import linregress

#: Column of a history or log → what the author's figures call it.
DRAWN = {"last_generator": "g_loss", "last_discriminator": "d_loss", "val_fooling": "val_loss"}


def last_third(curves: Mapping[tuple[str, str], pd.DataFrame]) -> pd.DataFrame:
    """Trend and spread of the last third of each curve.

    Args:
        curves: (run, subset) → a history or log with ``epoch`` and the columns of :data:`DRAWN`.

    Returns:
        A row a curve: ``run``, ``subset``, ``loss``, ``first_third`` and ``last_third`` (means),
        ``trend`` (least-squares change over the last third, in nats), ``error`` (its standard
        error), ``spread`` (standard deviation around that line) and ``moves``: ``rises`` or
        ``falls`` where the trend is more than twice its error, else ``level``. Curves with fewer
        than nine finite epochs are left out: three points make no trend.
    """
    rows = []
    for (run, subset), table in curves.items():
        for column, loss in DRAWN.items():
            known = table[["epoch", column]].dropna() if column in table else table[:0]
            if len(known) < 9:
                continue
            n = len(known) // 3
            last = known.tail(n)
            line = linregress(last["epoch"], last[column])
            rest = last[column] - line.intercept - line.slope * last["epoch"]
            trend, error = line.slope * (n - 1), line.stderr * (n - 1)
            moves = "level" if abs(trend) <= 2 * error else "rises" if trend > 0 else "falls"
            means = known[column].head(n).mean(), last[column].mean()
            rows.append((run, subset, loss, *means, trend, error, rest.std(ddof=2), moves))
    columns = ["run", "subset", "loss", "first_third", "last_third", "trend", "error"]
    return pd.DataFrame(rows, columns=[*columns, "spread", "moves"])
