"""Reading OSIE as released: 700 photographs of 800 × 600 px, 15 viewers, three seconds each.

J. Xu, M. Jiang, S. Wang, M. Kankanhalli, Q. Zhao, *Predicting human gaze beyond pixels*, Journal of
Vision 14(1):28, 2014. The layout is that of the repository
NUS-VIP/predicting-human-gaze-beyond-pixels, whose code says what the numbers mean: coordinates
count from 1 and are rounded (``src/dataset/computeFixationMaps.m``), and maps are blurred with a
Gaussian of σ = 24 px (``params.eye.radius`` in ``src/common/config.m``).
"""

from pathlib import Path

import numpy as np

from csalgan.data.dataset import Dataset
from csalgan.data.free_viewing import Viewing, dataset_of
from csalgan.data.matlab import MatFile
from csalgan.data.pictures import size_of
from csalgan.files.errors import CsalganError

FIXATIONS = "data/eye/fixations.mat"
#: One degree of visual angle in pixels of the photographs.
SIGMA = 24.0
#: Raise it when the same files give other fixations or maps.
RECIPE = "osie 1: first fixation of each viewer left out, blur 24 px"


def read(root: Path) -> Dataset:
    """Read the release; the first fixation of each viewer, made before looking, is left out.

    Raises:
        CsalganError: the gaze is not as released, or a photograph is missing.
    """
    file = MatFile(root / FIXATIONS)
    viewings = []
    for image in file.cell(file.variable("fixations"), "fixations").ravel():
        name, subjects = file.fields(image, ("img", "subjects"), "an image")
        name = file.text(name, "the name of an image")
        if Path(name).name != name:
            raise CsalganError(f"{file.path}: names a photograph {name!r}; get the release again.")
        size = size_of("image", path := root / "data" / "stimuli" / name)
        trials = []
        for viewer in file.cell(subjects, "subjects").ravel():
            axes = file.fields(viewer, ("fix_y", "fix_x"), f"a viewer of {name}")
            y, x = (file.matrix(np.atleast_2d(a).T, 1, f"fixations on {name}") for a in axes)
            if len(y) != len(x):
                raise file.unexpected(f"as many rows as columns of fixations on {name}")
            # MATLAB's round; then counted from 0.
            trials.append(np.floor(np.hstack([y, x])[1:] + 0.5) - 1)
        viewings.append(Viewing.of(Path(name).stem, path, size, trials, SIGMA))
    return dataset_of(root, "OSIE", viewings, file.path, RECIPE)
