"""One record under every profile, side by side, and why the numbers differ."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from csalgan.evaluation.scoring import CONTROLS, Evaluator
from csalgan.evaluation.tables import METRIC_LABELS
from csalgan.files.errors import CsalganError
from csalgan.metrics import METRICS, PROBABILISTIC, PROFILES, profile_info


@dataclass(frozen=True)
class Explanation:
    """The scores of one prediction of one record.

    Attributes:
        record: its row in the dataset.
        n_fixations: how many pixels are fixated.
        shape: (h, w) of the prediction as it was given.
        controls: which gaze on other images sAUC and IG compare with.
        share: the uniform share in its density, None where none was fitted.
        values: one row a metric, one column a profile; NaN where undefined or not in the profile.
        reasons: the same table with a sentence each; empty where the profile has no such metric.
    """

    record: pd.Series
    n_fixations: int
    shape: tuple[int, int]
    controls: str
    share: float | None
    values: pd.DataFrame
    reasons: pd.DataFrame

    def text(self) -> str:
        """The whole story in plain lines, the metrics on which profiles disagree explained."""
        row = self.record
        read = f'read: "{row["text"]}"' if row["text"] else "read nothing (free viewing)"
        lines = [
            f"{row['record']} · {row['condition']} · {row['width']} × {row['height']} pixels · "
            f"{self.n_fixations} fixated pixels · {read}",
            f"prediction: {self.shape[1]} × {self.shape[0]} pixels · sAUC and IG against gaze on "
            f"other images, {self.controls}{self._made_a_density()}",
            "",
            f"{'':<14}" + "".join(f"{name:>12}" for name in PROFILES),
        ]
        for metric in self.values.index:
            cells = "".join(f"{self._cell(metric, profile):>12}" for profile in PROFILES)
            lines.append(f"{METRIC_LABELS[metric]:<14}{cells}")
        for profile in PROFILES:
            info = profile_info(profile)
            lines += ["", f"{profile}: {info.title}", f"  {info.resize}"]
        for metric in self.values.index:
            lines += ["", METRIC_LABELS[metric]]
            for profile in PROFILES:
                if reason := self.reasons.at[metric, profile]:
                    lines.append(f"  {profile:<10}{self._cell(metric, profile):>8}  {reason}")
        return "\n".join(lines)

    def _made_a_density(self) -> str:
        if self.share is None:
            return "; no KL and IG of tuebingen: the map was not made a density"
        return f"; its density holds a uniform share of {self.share:.3f}"

    def _cell(self, metric: str, profile: str) -> str:
        value = self.values.at[metric, profile]
        left_out = profile == "tuebingen" and metric in PROBABILISTIC and self.share is None
        if not self.reasons.at[metric, profile] or left_out:
            return "–"
        return "NaN" if np.isnan(value) else f"{value:.3f}"


def explain(
    evaluator: Evaluator, record: str, prediction: np.ndarray, share: float | None = None
) -> Explanation:
    """Score one prediction under all profiles.

    Args:
        evaluator: of the record's dataset; its own choice of profiles does not matter.
        record: name of a record.
        prediction: (h, w), any size.
        share: see :meth:`csalgan.evaluation.Evaluator.uniform_share`.

    Raises:
        CsalganError: the dataset has no such record.
    """
    dataset = evaluator.dataset
    if record not in set(dataset.records["record"]):
        raise CsalganError(
            f"record {record}: the dataset {dataset.name} has none of that name; "
            "names are like 000000000109_2."
        )
    truth = evaluator.truth(record)
    scored = {
        profile: evaluator.values(record, prediction, truth, profile, share) for profile in PROFILES
    }
    present = [m for m in METRICS if any(m in values for values in scored.values())]
    values = {p: [scored[p].get(m, np.nan) for m in present] for p in PROFILES}
    reasons = {p: [profile_info(p).reasons.get(m, "") for m in present] for p in PROFILES}
    index = pd.Index(present, name="metric")
    return Explanation(
        record=dataset.row(record),
        n_fixations=len(truth.fixations),
        shape=np.shape(prediction),
        controls=CONTROLS[evaluator.controls],
        share=share,
        values=pd.DataFrame(values, index=index),
        reasons=pd.DataFrame(reasons, index=index),
    )
