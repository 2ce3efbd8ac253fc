"""One record under every profile, side by side, and why the numbers differ."""

import numpy as np

from csalgan.evaluation.scoring import CONTROLS, Evaluator
from csalgan.evaluation.tables import METRIC_LABELS
from csalgan.metrics import METRICS, PROBABILISTIC, PROFILES, profile_info


def explain(
    evaluator: Evaluator, record: str, prediction: np.ndarray, share: float | None = None
) -> str:
    """Score one prediction of one record under all profiles.

    Args:
        evaluator: of the record's dataset; its own choice of profiles does not matter.
        record: name of a record.
        prediction: (h, w), any size.
        share: see :meth:`csalgan.evaluation.Evaluator.uniform_share`; None leaves KL and IG of
            ``tuebingen`` out.

    Returns:
        Lines to print: the record, a table of metrics by profiles (NaN where undefined, – where
        a profile has no such metric), and a sentence on how each number is made.

    Raises:
        CsalganError: the dataset has no such record.
    """
    truth, row = evaluator.truth(record), evaluator.dataset.row(record)
    scored = {p: evaluator.values(truth, prediction, p, share) for p in PROFILES}

    def cell(metric: str, profile: str) -> str:
        left_out = profile == "tuebingen" and metric in PROBABILISTIC and share is None
        if left_out or metric not in profile_info(profile).reasons:
            return "–"
        return f"{scored[profile].get(metric, np.nan):.3f}".replace("nan", "NaN")

    density = f"; its density holds a uniform share of {share:.3f}" if share is not None else ""
    height, width = np.shape(prediction)
    read = f'read: "{row["text"]}"' if row["text"] else "read nothing (free viewing)"
    lines = [
        f"{row['record']} · {row['condition']} · {row['width']} × {row['height']} pixels · "
        f"{len(truth.fixations)} fixated pixels · {read}",
        f"prediction: {width} × {height} pixels · sAUC and IG against gaze on "
        f"other images, {CONTROLS[evaluator.controls]}"
        + (density or "; no KL and IG of tuebingen: the map was not made a density"),
        "",
        f"{'':<14}" + "".join(f"{name:>12}" for name in PROFILES),
    ]
    present = [metric for metric in METRICS if any(metric in one for one in scored.values())]
    for metric in present:
        cells = "".join(f"{cell(metric, profile):>12}" for profile in PROFILES)
        lines.append(f"{METRIC_LABELS[metric]:<14}{cells}")
    for info in map(profile_info, PROFILES):
        lines += ["", f"{info.name}: {info.title}", f"  {info.resize}"]
    for metric in present:
        lines += ["", METRIC_LABELS[metric]]
        lines += [
            f"  {profile:<10}{cell(metric, profile):>8}  {profile_info(profile).reasons[metric]}"
            for profile in PROFILES
            if metric in profile_info(profile).reasons
        ]
    return "\n".join(lines)
