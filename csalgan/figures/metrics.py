"""Figures of notebook 04: every metric drawn on one map.

All but the first show maps and fixations, never the photograph, so they may be published.
Maps are float64 (H, W) at native size; fixations int (N, 2), rows (y, x).
"""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from csalgan.figures.base import (
    ACCENTS,
    INK,
    MUTED,
    Figure,
    bare,
    diverging,
    figure,
    show_change,
    show_fixations,
    show_image,
    show_map,
    themed,
    wrapped,
)
from csalgan.metrics import mit, tuebingen

_BLUE, _RED, _GREEN, _PINK = ACCENTS[:4]


@themed
def the_case(
    image: np.ndarray, prediction: np.ndarray, truth: np.ndarray, fixations: np.ndarray, text: str
) -> Figure:
    """What the metrics are given: photograph, sentence, fixations, measured map, prediction."""
    fig = figure(11, 3.4, title=wrapped(text, 110) if text else "no sentence: free viewing")
    seen, measured, predicted = fig.subplots(1, 3)
    show_image(seen, image, title=f"{len(fixations)} fixated pixels")
    show_fixations(seen, fixations)
    show_map(measured, truth, title="measured map (fixations, blurred)")
    show_map(predicted, prediction, title="prediction")
    return fig


@themed
def auc_anatomy(
    prediction: np.ndarray, fixations: np.ndarray, *, shares: Sequence[float] = (0.05, 0.2, 0.5)
) -> Figure:
    """AUC: thresholds on the map, and the ROC curve they walk along.

    Args:
        shares: the shares of the picture that the three drawn thresholds keep.
    """
    fig = figure(11.5, 3.4, title="AUC: how many fixations lie inside, as the area grows?")
    *maps, curve = fig.subplots(1, len(shares) + 1, width_ratios=[1.25] * len(shares) + [1])
    values = prediction[tuple(fixations.T)]
    _roc(curve, values, prediction.ravel(), _BLUE)
    for ax, share, colour in zip(maps, shares, (_RED, _GREEN, _PINK), strict=False):
        level = np.quantile(prediction, 1 - share)
        inside, hits = (prediction > level).mean(), (values > level).mean()
        title = f"{inside:.0%} of the pixels,\n{hits:.0%} of the fixations"
        show_map(ax, prediction, cmap="cividis", title=title)
        if prediction.min() < level < prediction.max():  # else there is no line to draw
            ax.contour(prediction, [level], colors="white", linewidths=1.2)
        show_fixations(ax, fixations[values > level], colour=colour)
        show_fixations(ax, fixations[values <= level], colour="#00000000", size=5)
        curve.plot(inside, hits, "o", color=colour, ms=7, zorder=3)
        if inside:  # nothing lies above the one value of a constant map
            curve.annotate(f"{inside:.0%}", (inside, hits), (7, -3), textcoords="offset points")
    curve.set(title=f"AUC {tuebingen.auc(prediction, fixations):.3f}")
    curve.set(xlabel="share of all pixels inside", ylabel="share of fixations inside")
    return fig


@themed
def sauc_anatomy(prediction: np.ndarray, fixations: np.ndarray, negatives: np.ndarray) -> Figure:
    """Shuffled AUC: the negatives are other images' fixations, so the centre is no help."""
    title = "Shuffled AUC: is this place looked at here, or in any picture?"
    fig, where, spread, curve = _panels(title, 1.25, 1.15, 1)
    show_map(where, prediction, cmap="cividis", title="fixations here, and in other images")
    few = np.random.default_rng(0).permutation(len(negatives))[:1500]
    where.scatter(*negatives[few].T[::-1], s=2, c=_RED, alpha=0.35, linewidths=0)
    show_fixations(where, fixations)
    here, there = prediction[tuple(fixations.T)], prediction[tuple(negatives.T)]
    series = (there, _RED, "fixations of other images"), (here, _BLUE, "fixations here")
    _shares(spread, (prediction.ravel(), MUTED, "all pixels"), *series, fill=False)
    spread.set(title="predicted value", xlabel="value")
    _roc(curve, here, prediction.ravel(), MUTED, "AUC")
    _roc(curve, here, there, _BLUE, "shuffled AUC")
    curve.legend(loc="lower right")
    curve.set(title=f"shuffled AUC {tuebingen.sauc(prediction, fixations, negatives):.3f}")
    curve.set(xlabel="share of negatives inside", ylabel="share of fixations inside")
    return fig


@themed
def nss_anatomy(prediction: np.ndarray, fixations: np.ndarray, truth: np.ndarray) -> Figure:
    """NSS: the z-scored map, read at the fixations; and what ``map > 0`` would read instead."""
    z = _z(prediction)
    at, above = z[tuple(fixations.T)], z[truth > 0]
    title = "NSS: how many standard deviations above the mean is the gaze?"
    fig, scaled, area, spread = _panels(title, 1.25, 1.1, 1)
    artist = show_change(scaled, z, title="z-score of the prediction, fixations")
    show_fixations(scaled, fixations, colour=INK, size=5)
    fig.colorbar(artist, ax=scaled, shrink=0.8, label="standard deviations")
    bare(area, f"measured map > 0: {np.mean(truth > 0):.0%} of the pixels")
    area.imshow(truth > 0, cmap="Greys", vmin=0, vmax=1.6)
    show_fixations(area, fixations, colour=_BLUE, size=5)
    area_label = f"map > 0 (paper profile): {above.mean():.2f}"
    _shares(spread, (above, _RED, area_label), (at, _BLUE, f"fixations (NSS): {at.mean():.2f}"))
    spread.set(title="z-scores that are averaged", xlabel="standard deviations")
    return fig


@themed
def cc_anatomy(prediction: np.ndarray, truth: np.ndarray) -> Figure:
    """CC: measured against predicted value of every pixel, and where the product is made."""
    p, t = _z(prediction), _z(truth)
    fig, product, cloud = _panels("CC: are both maps high in the same places?", 1.25, 1.6)
    limit = float(np.quantile(np.abs(p * t), 0.995))
    title = "product of the z-scores; its mean is CC"
    artist = show_change(product, p * t, limit=limit, title=title)
    fig.colorbar(artist, ax=product, shrink=0.8, extend="both")
    few = np.random.default_rng(0).permutation(p.size)[:20_000]
    x, y = p.ravel()[few], t.ravel()[few]
    cloud.hexbin(x, y, gridsize=45, bins="log", cmap="Greys", linewidths=0.1)
    value = tuebingen.cc(prediction, truth)
    ends = np.array([p.min(), p.max()])
    cloud.plot(ends, value * ends, color=_RED, label="slope CC")
    cloud.set(title=f"CC {value:.3f}", xlabel="prediction (z-score)")
    cloud.set_ylabel("measured map (z-score)")
    cloud.legend(loc="upper left")
    return fig


@themed
def sim_anatomy(prediction: np.ndarray, truth: np.ndarray) -> Figure:
    """SIM: two densities and what they share, on the map and along one line of pixels."""
    title = "SIM: how much of one density lies inside the other?"
    fig, shared, line, floor = _panels(title, 1.25, 1.2, 1.2)
    line.sharey(floor)
    row = int(truth.sum(axis=1).argmax())
    maps = prediction, truth
    smaller = np.minimum(*map(_density, maps))
    show_map(shared, smaller, title="the smaller of the two densities; its sum is SIM")
    shared.axhline(row, color="white", lw=1, ls="--")
    for ax, pair, title, value in (
        (line, maps, "as they are (tuebingen)", tuebingen.sim(*maps)),
        (floor, [m - m.min() for m in maps], "after min–max (mit)", mit.sim(*maps)),
    ):
        ours, theirs = (_density(m)[row] * m.size for m in pair)
        ax.plot(ours, color=_BLUE, label="prediction")
        ax.plot(theirs, color=_RED, label="measured")
        ax.fill_between(range(len(ours)), np.minimum(ours, theirs), color=MUTED, alpha=0.35)
        ax.set(title=f"{title}: SIM {value:.3f}", xlabel="x along the dashed line (pixels)")
    line.set(ylabel="density (1 = uniform)", ylim=(0, None))
    line.legend()
    return fig


@themed
def kl_anatomy(prediction: np.ndarray, truth: np.ndarray) -> Figure:
    """KL: what every pixel adds, and what the smallest predicted values cost."""
    p, q = (_density(m + tuebingen.EPSILON) for m in (truth, prediction))
    part = p * np.log(p / q) * p.size
    title = "KL: what does it cost to have expected the prediction?"
    fig, where, cost = _panels(title, 1.25, 1.6)
    limit = float(np.quantile(np.abs(part), 0.995))
    artist = show_change(where, part, limit=limit, title="p · log(p/q); the mean is KL")
    fig.colorbar(artist, ax=where, shrink=0.8, label="nat × pixels", extend="both")
    total = np.cumsum(part.ravel()[np.argsort(q.ravel())]) / part.size
    cost.plot(np.linspace(0, 1, total.size), total, color=_BLUE)
    cost.axhline(0, color=MUTED, lw=0.8)
    cost.set(title=f"KL {tuebingen.kl(prediction, truth):.3f} nat, added up from low to high")
    cost.set(xlabel="share of pixels, by predicted value", ylabel="nat so far")
    return fig


@themed
def ig_anatomy(prediction: np.ndarray, fixations: np.ndarray, center_bias: np.ndarray) -> Figure:
    """Information gain: bits won or lost at each fixation against knowing the center bias only."""
    q, b = (_density(m + tuebingen.EPSILON) for m in (prediction, center_bias))
    gain = np.log2(q / b)[tuple(fixations.T)]
    title = "IG: what does the map know that the center bias does not?"
    fig, prior, where, spread = _panels(title, 1.15, 1.35, 1)
    show_map(prior, center_bias, title="center bias (training fixations)")
    show_map(where, np.log2(q + 1e-12), cmap="cividis", title="gain at each fixation")
    limit = float(np.quantile(np.abs(gain), 0.98)) or 1.0
    scale = {"cmap": diverging(), "vmin": -limit, "vmax": limit, "edgecolors": "black"}
    dots = where.scatter(*fixations.T[::-1], s=12, c=gain, linewidths=0.4, **scale)
    fig.colorbar(dots, ax=where, shrink=0.8, label="bit over the center bias", extend="both")
    mean = f"mean: IG {gain.mean():.2f} bit".replace("-", "−")
    _shares(spread, (gain, _BLUE, mean))
    spread.axvline(0, color=MUTED, lw=0.8)
    spread.set(title="one value a fixation", xlabel="bit", ylabel="share of fixations")
    return fig


def _panels(title: str, *widths: float) -> tuple:
    """A figure and its panels, side by side."""
    fig = figure(11.5, 3.4, title=title)
    return fig, *fig.subplots(1, len(widths), width_ratios=widths)


def _z(values: np.ndarray) -> np.ndarray:
    return (values - values.mean()) / (values.std() or 1.0)


def _density(values: np.ndarray) -> np.ndarray:
    """A map of no negative value as a density over pixels, as ``tuebingen`` reads it."""
    total = values.sum()
    return values / total if total > 0 else np.full(values.shape, 1 / values.size)


def _shares(ax: Axes, *series: tuple[np.ndarray, str, str], fill: bool = True) -> None:
    """Histograms of shares on the same bins, each with a line at its mean.

    Args:
        series: values, colour and label of each.
        fill: whether all are filled; otherwise the first alone is.
    """
    bins = np.histogram_bin_edges(np.concatenate([values for values, *_ in series]), 30)
    for k, (values, colour, label) in enumerate(series):
        filled = {"histtype": "stepfilled", "alpha": 0.35}
        look = filled if fill or k == 0 else {"histtype": "step", "lw": 1.6}
        weights = np.full(len(values), 1 / len(values))
        ax.hist(values, bins, weights=weights, color=colour, label=label, **look)
        ax.axvline(values.mean(), color=colour, lw=1.2)
    ax.set_ylabel("share")
    ax.legend()


def _roc(
    ax: Axes, positives: np.ndarray, negatives: np.ndarray, colour: str, label: str = ""
) -> None:
    """The ROC curve through every threshold at a fixated value."""
    thresholds = np.unique(positives)[::-1]
    hits = [(positives >= threshold).mean() for threshold in thresholds]
    alarms = [(negatives >= threshold).mean() for threshold in thresholds]
    ax.plot([0, *alarms, 1], [0, *hits, 1], color=colour, label=label or None)
    ax.plot([0, 1], [0, 1], color=MUTED, lw=0.8, ls=":")
    ax.set(xlim=(0, 1), ylim=(0, 1.01), aspect="equal")
