"""Figures of notebook 03: how the two networks learn (the paper's Figures 6 to 9)."""

import numpy as np
import pandas as pd
from matplotlib.ticker import MaxNLocator

from csalgan.figures.base import ACCENTS, MUTED, Figure, figure, themed

_BLUE, _RED, _GREEN = ACCENTS[:3]
#: What the author's code logs and draws, and the epoch's mean that stands behind it in ours.
_DRAWN = (
    ("last_generator", "generator", "generator, last batch", _BLUE, "o"),
    ("last_discriminator", "discriminator", "discriminator, last batch", _RED, "s"),
    ("val_fooling", None, "validation, mean", _GREEN, "^"),
)


@themed
def loss_curves(
    history: pd.DataFrame, title: str, *, log: pd.DataFrame | None = None, run: str = ""
) -> Figure:
    """What the author's Figures 6 to 9 draw: three losses over epochs in one panel.

    Args:
        history: a row per epoch with ``epoch``, ``generator``, ``discriminator`` and, in runs that
            recorded them, ``last_generator``, ``last_discriminator``, ``val_fooling``.
        title: heads the figure.
        log: the author's, of :func:`csalgan.author.read_log`; it then stands beside, on one scale.
        run: the log's name.
    """
    fig = figure(12 if log is not None else 7.5, 3.8, title=title)
    panels = fig.subplots(1, 1 if log is None else 2, sharey=True, squeeze=False)[0]
    tables = [(panels[0], history, "ours")]
    if log is not None:
        tables.append((panels[1], log, f"the author's, on SJTU-TIS ({run})"))
    for ax, table, whose in tables:
        for column, mean, label, colour, marker in _DRAWN:
            if mean in table:
                faint = {"color": colour, "alpha": 0.35, "lw": 3}
                ax.plot(table.epoch, table[mean], label=f"{mean}, epoch's mean", **faint)
            if column in table:
                _line(ax, table, column, colour, label, marker)
        # At 2 ln 2 the discriminator cannot tell the measured maps from the drawn ones.
        ax.axhline(2 * np.log(2), color=MUTED, lw=0.8, ls=":", label="discriminator at chance")
        _finish(ax, table, whose)
    panels[0].set_ylabel("loss (nats)")
    return fig


@themed
def validation_curves(history: pd.DataFrame, title: str) -> Figure:
    """The content loss, and what validation says, epoch by epoch.

    Args:
        history: ``epoch``, ``content``, ``val_content``, ``val_cc``, ``val_nss``; NaN where
            something was not computed.
        title: heads the figure.
    """
    fig = figure(10.5, 3.2, title=title)
    content, cc, nss = fig.subplots(1, 3)
    _line(content, history, "content", _BLUE, "training", "o")
    _line(content, history, "val_content", _GREEN, "validation", "^")
    _line(cc, history, "val_cc", _GREEN, "validation", "^")
    _line(nss, history, "val_nss", _GREEN, "validation", "^")
    titles = "content loss (BCE with the map)", "CC on validation", "NSS on validation"
    for ax, name in zip((content, cc, nss), titles, strict=True):
        if history.val_cc.notna().any():
            best = history.epoch[history.val_cc.idxmax()]
            ax.axvline(best, color=MUTED, lw=0.8, ls="--", label=f"best CC, epoch {best}")
        _finish(ax, history, name)
    content.set_ylabel("loss (nats)")
    return fig


def _finish(ax, table: pd.DataFrame, title: str) -> None:
    ax.set(title=title, xlabel="epoch", xlim=(table.epoch.min() - 0.5, table.epoch.max() + 0.5))
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6, min_n_ticks=1))
    ax.legend(loc="best", handlelength=1.3)


def _line(ax, table: pd.DataFrame, column: str, colour: str, label: str, marker: str) -> None:
    # Markers only where there are few epochs: a single one would otherwise be invisible.
    marker = marker if len(table) <= 12 else None
    ax.plot(table.epoch, table[column], color=colour, label=label, marker=marker)
