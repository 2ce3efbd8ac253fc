"""``csalgan predict`` end to end, and one photograph at a time, with the package's weights.

Photographs are noise (640 × 480 JPEG, the size of SJTU-TIS) and each is read with one sentence.
Prints photographs a second of the whole command (files in, maps and overlays out) and of the model
alone, milliseconds of one call of ``csalgan.predict``, and the ratio to the paper's generator at
256 px (float32, as the published code runs it) in the same run.
"""

import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np
import torch
from PIL import Image

import csalgan
from benchmarks.generators import fastest
from csalgan.cli.predict import Photograph, _photographs, _predict_all, _write
from csalgan.models import PaperGenerator
from csalgan.prediction import Predictor

N, SENTENCE = 64, "A red ball on the grass"


def main() -> None:
    """Print the table."""
    predictor = Predictor.open()
    sizes = {"both scales": predictor.test_scales, "256 px alone": (256,)}
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        paths = []
        for k in range(N):
            image = rng.integers(0, 255, (30, 40, 3), dtype=np.uint8)
            path = Path(folder) / f"{k}.jpg"
            Image.fromarray(image).resize((640, 480), Image.Resampling.BICUBIC).save(path)
            paths.append(path)
        work = _photographs(paths, (SENTENCE,))
        images = [np.asarray(Image.open(path)) for path in paths[:16]]
        print(f"{N} photographs of 640 × 480, {torch.get_num_threads()} threads")
        for label, scales in sizes.items():
            predictor.test_scales = scales
            whole = rate(work, predictor, Path(folder) / label, overlays=True)
            maps = rate(work, predictor, Path(folder) / f"{label} maps", overlays=False)
            alone = 16 / fastest(lambda: predictor.predict(images, [SENTENCE] * 16))
            print(
                f"{label:14} {scales!s:12} command {whole:6.1f} /s, without overlays "
                f"{maps:6.1f} /s, model alone {alone:6.1f} /s"
            )
        paper = PaperGenerator(384).eval()
        batch, text = torch.rand(4, 3, 256, 256), torch.randn(4, 384)
        with torch.inference_mode():
            theirs = 4 / fastest(lambda: paper(batch, text))
        print(
            f"{'paper, 256 px':27} model alone {theirs:6.1f} /s: the line above is "
            f"{alone / theirs:.0f} times as fast"
        )
    one = fastest(lambda: csalgan.predict(images[0], SENTENCE))
    print(f"csalgan.predict, one photograph after loading: {one * 1e3:.0f} ms")


def rate(work: list[Photograph], predictor: Predictor, out: Path, *, overlays: bool) -> float:
    """Photographs a second, files in and files out."""
    write = partial(_write, out=out, provenance="", npy=False, overlays=overlays)
    _predict_all(work[:4], predictor, 1.0, write)  # warm up
    began = time.perf_counter()
    _predict_all(work, predictor, 1.0, write)
    return len(work) / (time.perf_counter() - began)


if __name__ == "__main__":
    main()
