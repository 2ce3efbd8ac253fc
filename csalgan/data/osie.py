"""Reading OSIE as released: 700 photographs of 800 × 600 px, 15 viewers, three seconds each.

J. Xu, M. Jiang, S. Wang, M. Kankanhalli, Q. Zhao, *Predicting human gaze beyond pixels*, Journal of
Vision 14(1):28, 2014. The layout is that of the repository
NUS-VIP/predicting-human-gaze-beyond-pixels, whose code says what the numbers mean: coordinates
count from 1 and are rounded (``src/dataset/computeFixationMaps.m``), and maps are blurred with a
Gaussian of σ = 24 px (``params.eye.radius`` in ``src/common/config.m``).
"""

from pathlib import Path

import numpy as np

from csalgan.data.free_viewing import FreeViewing, Viewing, as_released, of_trials
from csalgan.data.matlab import numbers, variable
from csalgan.data.pictures import size_of

FIXATIONS = "data/eye/fixations.mat"
#: Taken for one degree of visual angle, pixels of the photographs (data/README.md).
SIGMA = 24.0
#: Raise it when the same files give other fixations or maps.
RECIPE = "osie 1: first fixation of each viewer left out, blur 24 px"


def read(root: Path) -> FreeViewing:
    """Read the release; the first fixation of each viewer, made before looking, is left out.

    Raises:
        CsalganError: the gaze is not as released, or a photograph is missing.
    """
    gaze, viewings = root / FIXATIONS, []
    cell = variable(gaze, "fixations")
    with as_released(gaze):
        for image in cell.ravel():
            name = str(image["img"][0, 0].item())
            if Path(name).name != name:
                raise ValueError(f"a photograph called {name!r}")
            trials = []
            for viewer in image["subjects"][0, 0].ravel():
                places = [numbers(viewer[axis][0, 0].T, 1) for axis in ("fix_y", "fix_x")]
                # MATLAB's round; then counted from 0.
                trials.append(np.floor(np.hstack(places)[1:] + 0.5) - 1)
            path = root / "data" / "stimuli" / name
            about = Path(name).stem, path, size_of("image", path)
            viewings.append(Viewing(*about, *of_trials(trials), SIGMA))
        return FreeViewing(root, "OSIE", viewings, gaze, RECIPE)
