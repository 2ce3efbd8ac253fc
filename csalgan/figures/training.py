"""Figures of notebook 03: how the two networks learn (the paper's Figures 6 to 9)."""

import numpy as np
import pandas as pd
from matplotlib.ticker import MaxNLocator

from csalgan.figures.base import ACCENTS, MUTED, Figure, figure, themed

_BLUE, _RED, _GREEN = ACCENTS[:3]


@themed
def loss_curves(history: pd.DataFrame, title: str) -> Figure:
    """The adversarial game, the content loss, and what validation says, epoch by epoch.

    Args:
        history: a row per epoch with ``epoch``, ``generator``, ``discriminator``, ``content``,
            ``val_content``, ``val_cc``, ``val_nss``; NaN where something was not computed.
        title: heads the figure.
    """
    fig = figure(12, 3.2, title=title)
    game, content, cc, nss = fig.subplots(1, 4)
    _line(game, history, "generator", _BLUE, "generator", "o")
    _line(game, history, "discriminator", _RED, "discriminator", "s")
    # At 2 ln 2 the discriminator cannot tell the measured maps from the drawn ones.
    game.axhline(2 * np.log(2), color=MUTED, lw=0.8, ls=":", label="discriminator at chance")
    game.set(title="adversarial losses", ylabel="loss (nats)")
    _line(content, history, "content", _BLUE, "training", "o")
    _line(content, history, "val_content", _GREEN, "validation", "^")
    content.set(title="content loss (BCE with the map)", ylabel="loss (nats)")
    _line(cc, history, "val_cc", _GREEN, "validation", "^")
    _line(nss, history, "val_nss", _GREEN, "validation", "^")
    cc.set(title="CC on validation", ylabel="CC")
    nss.set(title="NSS on validation", ylabel="NSS")
    best = history.epoch[history.val_cc.idxmax()] if history.val_cc.notna().any() else None
    for ax in (game, content, cc, nss):
        ax.set(xlabel="epoch", xlim=(history.epoch.min() - 0.5, history.epoch.max() + 0.5))
        ax.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6, min_n_ticks=1))
        if best is not None and ax is not game:
            ax.axvline(best, color=MUTED, lw=0.8, ls="--", label=f"best CC, epoch {best}")
        ax.legend(loc="best", handlelength=1.3)
    return fig


def _line(ax, history: pd.DataFrame, column: str, colour: str, label: str, marker: str) -> None:
    # Markers only where there are few epochs: a single one would otherwise be invisible.
    marker = marker if len(history) <= 12 else None
    ax.plot(history.epoch, history[column], color=colour, label=label, marker=marker)
