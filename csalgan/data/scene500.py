"""Reading Scene500 as released: 500 photographs of SUN2012, 12 viewers, three seconds.

H. Liang, M. Jiang, R. Liang, Q. Zhao, *Saliency prediction with scene structural guidance*, SMC
2017. The layout is that of the repository Yanakz/Scene, whose code says what the numbers mean: the
k-th photograph by name is the k-th row; columns are (y, x, latency, duration), places are pixels of
the photograph counted from its edge, and those outside it are gone
(``src/matlab/data/parseEyeData.m``). Its readme speaks of 15 viewers; the file holds 12. The last
fixations end after 3.01 seconds; its ``config.m`` says 5.
"""

from pathlib import Path

from csalgan.data.free_viewing import FreeViewing, Viewing, as_released, of_trials
from csalgan.data.matlab import numbers, variable
from csalgan.data.pictures import size_of
from csalgan.files.errors import CsalganError

FIXATIONS = "data/tidy/fixations.mat"
SIZES = "data/tidy/imgInfo.mat"
#: (height, width) of the screen, which each photograph filled as far as its proportions allow. Not
#: written down anywhere: with this screen alone every coordinate is a tenth of a screen pixel.
SCREEN = (1080, 1920)
#: Blur on the screen, pixels. The release blurs by 8 px at 256 × 256 (``p.eye.radius`` in
#: ``src/matlab/config.m``), where the screen's height is 256 px for most photographs. The release
#: states no angle; the same laboratory's 26 px of 1024 × 768, on such a screen, are 36.6 px.
SIGMA = 8 * SCREEN[0] / 256
#: Raise it when the same files give other fixations or maps.
RECIPE = "scene500 1: first fixation of each viewer left out, blur 33.75 px of the screen"


def read(root: Path) -> FreeViewing:
    """Read the release; the first fixation of each viewer is left out.

    Raises:
        CsalganError: the gaze is not as released, or a photograph is missing or of another size.
    """
    gaze, about, viewings = root / FIXATIONS, root / SIZES, []
    cell, info = variable(gaze, "fixations"), variable(about, "imgInfo")
    with as_released(about):
        sizes = numbers(info["size"][0, 0], 2).astype(int).tolist()
    photographs = sorted((root / "data" / "stimuli").glob("*.jpg"))
    with as_released(gaze):
        for path, (height, width), row in zip(photographs, sizes, cell, strict=True):
            if size_of("image", path) != (height, width):
                raise CsalganError(
                    f"{path}: is not {width} × {height}, as imgInfo.mat says; get the release "
                    "again."
                )
            trials = [numbers(trial, 4)[1:, :2] for trial in row]
            sigma = SIGMA / min(SCREEN[0] / height, SCREEN[1] / width)
            viewings.append(Viewing(path.stem, path, (height, width), *of_trials(trials), sigma))
        return FreeViewing(root, "Scene500", viewings, gaze, RECIPE)
