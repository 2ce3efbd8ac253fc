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

_BLUE, _RED, _GREEN = ACCENTS[:3]


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
    _roc(curve, values, prediction.ravel())
    for ax, share, colour in zip(maps, shares, (_RED, _GREEN, ACCENTS[3]), strict=False):
        level = np.quantile(prediction, 1 - share)
        inside, hits = (prediction > level).mean(), (values > level).mean()
        show_map(ax, prediction, cmap="cividis")
        if prediction.min() < level < prediction.max():  # else there is no line to draw
            ax.contour(prediction, [level], colors="white", linewidths=1.2)
        show_fixations(ax, fixations[values > level], colour=colour)
        show_fixations(ax, fixations[values <= level], colour="#00000000", size=5)
        ax.set_title(f"{inside:.0%} of the pixels,\n{hits:.0%} of the fixations")
        curve.plot(inside, hits, "o", color=colour, ms=7, zorder=3)
        if inside:  # nothing lies above the one value of a constant map
            curve.annotate(f"{inside:.0%}", (inside, hits), (7, -3), textcoords="offset points")
    curve.set(
        title=f"AUC {tuebingen.auc(prediction, fixations):.3f}",
        xlabel="share of all pixels inside",
        ylabel="share of fixations inside",
    )
    return fig


@themed
def sauc_anatomy(prediction: np.ndarray, fixations: np.ndarray, negatives: np.ndarray) -> Figure:
    """Shuffled AUC: the negatives are other images' fixations, so the centre is no help."""
    fig = figure(11.5, 3.4, title="Shuffled AUC: is this place looked at here, or in any picture?")
    where, spread, curve = fig.subplots(1, 3, width_ratios=[1.25, 1.15, 1])
    show_map(where, prediction, cmap="cividis", title="fixations here, and in other images")
    few = np.random.default_rng(0).permutation(len(negatives))[:1500]
    where.scatter(*negatives[few].T[::-1], s=2, c=_RED, alpha=0.35, linewidths=0)
    show_fixations(where, fixations)
    here, there = prediction[tuple(fixations.T)], prediction[tuple(negatives.T)]
    bins = np.linspace(prediction.min(), prediction.max(), 30)
    for values, colour, label in (
        (prediction.ravel(), MUTED, "all pixels"),
        (there, _RED, "fixations of other images"),
        (here, _BLUE, "fixations here"),
    ):
        kind = (
            {"histtype": "stepfilled", "alpha": 0.25}
            if colour == MUTED
            else {
                "histtype": "step",
                "linewidth": 1.6,
            }
        )
        weights = np.full(len(values), 1 / len(values))
        spread.hist(values, bins, weights=weights, color=colour, label=label, **kind)
    spread.set(title="predicted value", xlabel="value", ylabel="share")
    spread.legend()
    _roc(curve, here, prediction.ravel(), colour=MUTED, label="AUC")
    _roc(curve, here, there, colour=_BLUE, label="shuffled AUC")
    curve.legend(loc="lower right")
    curve.set(
        title=f"shuffled AUC {tuebingen.sauc(prediction, fixations, negatives):.3f}",
        xlabel="share of negatives inside",
        ylabel="share of fixations inside",
    )
    return fig


@themed
def nss_anatomy(prediction: np.ndarray, fixations: np.ndarray, truth: np.ndarray) -> Figure:
    """NSS: the z-scored map, read at the fixations; and what ``map > 0`` would read instead."""
    z = (prediction - prediction.mean()) / (prediction.std() or 1.0)
    at, above = z[tuple(fixations.T)], z[truth > 0]
    fig = figure(11.5, 3.4, title="NSS: how many standard deviations above the mean is the gaze?")
    scaled, area, spread = fig.subplots(1, 3, width_ratios=[1.25, 1.1, 1])
    artist = show_change(scaled, z, title="z-score of the prediction, fixations")
    show_fixations(scaled, fixations, colour=INK, size=5)
    fig.colorbar(artist, ax=scaled, shrink=0.8, label="standard deviations")
    bare(area, f"measured map > 0: {np.mean(truth > 0):.0%} of the pixels")
    area.imshow(truth > 0, cmap="Greys", vmin=0, vmax=1.6)
    show_fixations(area, fixations, colour=_BLUE, size=5)
    bins = np.linspace(z.min(), z.max(), 30)
    for values, colour, label in (
        (above, _RED, f"map > 0 (paper profile): {above.mean():.2f}"),
        (at, _BLUE, f"fixations (NSS): {at.mean():.2f}"),
    ):
        weights = np.full(len(values), 1 / len(values))
        spread.hist(values, bins, weights=weights, color=colour, alpha=0.45, label=label)
        spread.axvline(values.mean(), color=colour, lw=1.6)
    spread.set(title="z-scores that are averaged", xlabel="standard deviations", ylabel="share")
    spread.legend()
    return fig


@themed
def cc_anatomy(prediction: np.ndarray, truth: np.ndarray) -> Figure:
    """CC: measured against predicted value of every pixel, and where the product is made."""
    p, t = (
        (m - m.mean()) / (m.std() or 1.0)
        for m in (np.asarray(prediction, float), np.asarray(truth, float))
    )
    fig = figure(11.5, 3.4, title="CC: are both maps high in the same places?")
    product, cloud = fig.subplots(1, 2, width_ratios=[1.25, 1.6])
    limit = float(np.quantile(np.abs(p * t), 0.995))
    artist = show_change(
        product, p * t, limit=limit, title="product of the z-scores; its mean is CC"
    )
    fig.colorbar(artist, ax=product, shrink=0.8, extend="both")
    few = np.random.default_rng(0).permutation(p.size)[:20_000]
    cloud.hexbin(
        p.ravel()[few], t.ravel()[few], gridsize=45, bins="log", cmap="Greys", linewidths=0.1
    )
    value = tuebingen.cc(prediction, truth)
    ends = np.array([p.min(), p.max()])
    cloud.plot(ends, value * ends, color=_RED, label="slope CC")
    cloud.set(
        title=f"CC {value:.3f}", xlabel="prediction (z-score)", ylabel="measured map (z-score)"
    )
    cloud.legend(loc="upper left")
    return fig


@themed
def sim_anatomy(prediction: np.ndarray, truth: np.ndarray) -> Figure:
    """SIM: two densities and what they share, on the map and along one line of pixels."""
    p, t = _density(prediction), _density(truth)
    fig = figure(11.5, 3.4, title="SIM: how much of one density lies inside the other?")
    shared, line, floor = fig.subplots(1, 3, width_ratios=[1.25, 1.2, 1.2], sharey=False)
    row = int(truth.sum(axis=1).argmax())
    show_map(shared, np.minimum(p, t), title="the smaller of the two densities; its sum is SIM")
    shared.axhline(row, color="white", lw=1, ls="--")
    stretched = [m - m.min() for m in (np.asarray(prediction, float), np.asarray(truth, float))]
    stretched = [m / (m.sum() or 1.0) for m in stretched]
    for ax, (a, b), title, value in (
        (line, (p, t), "as they are (tuebingen)", tuebingen.sim(prediction, truth)),
        (floor, stretched, "after min–max (mit)", mit.sim(prediction, truth)),
    ):
        x = np.arange(a.shape[1])
        ax.plot(x, a[row] * a.size, color=_BLUE, label="prediction")
        ax.plot(x, b[row] * b.size, color=_RED, label="measured")
        ax.fill_between(x, 0, np.minimum(a[row], b[row]) * a.size, color=MUTED, alpha=0.35)
        ax.set(title=f"{title}: SIM {value:.3f}", xlabel="x along the dashed line (pixels)")
    top = max(line.get_ylim()[1], floor.get_ylim()[1])
    for ax in (line, floor):
        ax.set_ylim(0, top)
    line.set_ylabel("density (1 = uniform)")
    line.legend()
    return fig


@themed
def kl_anatomy(prediction: np.ndarray, truth: np.ndarray) -> Figure:
    """KL: what every pixel adds, and what the smallest predicted values cost."""
    p = _density(truth, tuebingen.EPSILON)
    q = _density(prediction, tuebingen.EPSILON)
    part = p * np.log(p / q) * p.size
    fig = figure(11.5, 3.4, title="KL: what does it cost to have expected the prediction?")
    where, cost = fig.subplots(1, 2, width_ratios=[1.25, 1.6])
    limit = float(np.quantile(np.abs(part), 0.995))
    artist = show_change(where, part, limit=limit, title="p · log(p/q); the mean is KL")
    fig.colorbar(artist, ax=where, shrink=0.8, label="nat × pixels", extend="both")
    order = np.argsort(q.ravel())
    share = np.linspace(0, 1, order.size)
    total = np.cumsum(part.ravel()[order]) / part.size
    step = max(1, order.size // 2000)
    cost.plot(share[::step], total[::step], color=_BLUE)
    cost.axhline(0, color=MUTED, lw=0.8)
    cost.set(
        title=f"KL {tuebingen.kl(prediction, truth):.3f} nat, added up from low to high",
        xlabel="share of pixels, by predicted value",
        ylabel="nat so far",
    )
    return fig


@themed
def ig_anatomy(prediction: np.ndarray, fixations: np.ndarray, center_bias: np.ndarray) -> Figure:
    """Information gain: bits won or lost at each fixation against knowing the center bias only."""
    q = _density(prediction, tuebingen.EPSILON)
    b = _density(center_bias, tuebingen.EPSILON)
    gain = np.log2(q[tuple(fixations.T)]) - np.log2(b[tuple(fixations.T)])
    fig = figure(11.5, 3.4, title="IG: what does the map know that the center bias does not?")
    prior, where, spread = fig.subplots(1, 3, width_ratios=[1.15, 1.35, 1])
    show_map(prior, center_bias, title="center bias (training fixations)")
    show_map(where, np.log2(q + 1e-12), cmap="cividis", title="gain at each fixation")
    limit = float(np.quantile(np.abs(gain), 0.98)) or 1.0
    dots = where.scatter(
        *fixations.T[::-1], s=12, c=gain, cmap=diverging(), vmin=-limit, vmax=limit,
        edgecolors="black", linewidths=0.4,
    )  # fmt: skip
    fig.colorbar(dots, ax=where, shrink=0.8, label="bit over the center bias", extend="both")
    spread.hist(gain, 30, color=_BLUE, alpha=0.6)
    spread.axvline(0, color=MUTED, lw=0.8)
    spread.axvline(
        gain.mean(), color=_RED, label=f"mean: IG {gain.mean():.2f} bit".replace("-", "−")
    )
    spread.set(title="one value a fixation", xlabel="bit", ylabel="fixations")
    spread.legend()
    return fig


def _density(values: np.ndarray, epsilon: float = 0.0) -> np.ndarray:
    """A map as a density over pixels, as the ``tuebingen`` profile reads it (docs/metrics.md)."""
    values = np.asarray(values, dtype=np.float64)
    values = values - min(values.min(), 0.0) + epsilon
    total = values.sum()
    return values / total if total > 0 else np.full(values.shape, 1 / values.size)


def _roc(
    ax: Axes, positives: np.ndarray, negatives: np.ndarray, *, colour: str = _BLUE, label: str = ""
) -> None:
    """The ROC curve through every threshold at a fixated value."""
    thresholds = np.unique(positives)[::-1]
    hits = 1 - np.searchsorted(np.sort(positives), thresholds) / len(positives)
    alarms = 1 - np.searchsorted(np.sort(negatives), thresholds) / len(negatives)
    ax.plot([0, *alarms, 1], [0, *hits, 1], color=colour, label=label or None)
    ax.plot([0, 1], [0, 1], color=MUTED, lw=0.8, ls=":")
    ax.set(xlim=(0, 1), ylim=(0, 1.01))
    ax.set_aspect("equal")
