"""Fixtures every test may use: one tiny embedded dataset, the real folder where there is one."""

import json
import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
#: Tests compare bits and mix networks with arrays, so they see no GPU; the one that is about GPUs
#: gives its processes what was visible.
GPUS = os.environ.get("CUDA_VISIBLE_DEVICES")
os.environ["CUDA_VISIBLE_DEVICES"] = ""
#: The files that take minutes begin, so that no process is left alone with one at the end.
LONGEST = ("pipeline", "runner", "guidance_effect", "browser", "sweep", "determinism")


def pytest_collection_modifyitems(items):
    names = [f"test_{name}.py" for name in LONGEST]
    rank = {name: place for place, name in enumerate(names)}
    items.sort(key=lambda item: rank.get(item.path.name, len(names)))


@pytest.fixture(scope="session", autouse=True)
def home(tmp_path_factory):
    """Point every default path (data, cache, reports) at a temporary folder."""
    folder = tmp_path_factory.mktemp("home")
    before = os.environ.get("CSALGAN_HOME")
    os.environ["CSALGAN_HOME"] = str(folder)
    yield folder
    if before is None:
        os.environ.pop("CSALGAN_HOME", None)
    else:
        os.environ["CSALGAN_HOME"] = before


@pytest.fixture(scope="session")
def real() -> Path:
    """The SJTU-TIS folder: ``$SJTU_TIS``, or ``shared/sjtu-tis`` beside the checkout."""
    folder = Path(os.environ.get("SJTU_TIS", ROOT.parent / "shared" / "sjtu-tis"))
    if not (folder / "map").is_dir():
        pytest.skip(f"no SJTU-TIS data at {folder}")
    return folder


@pytest.fixture(scope="session")
def shared():
    """Another dataset that lies beside SJTU-TIS, by its folder's name."""
    beside = Path(os.environ.get("SJTU_TIS", ROOT.parent / "shared" / "sjtu-tis")).parent

    def folder(name: str) -> Path:
        if not (beside / name).is_dir():
            pytest.skip(f"no data at {beside / name}")
        return beside / name

    return folder


@pytest.fixture(scope="session")
def embedded(tmp_path_factory) -> Path:
    """A small embedded dataset (12 images), made once a session; read it, do not change it."""
    from csalgan.data import synthesise

    return synthesise(tmp_path_factory.mktemp("embedded") / "set", n_images=12, seed=0)


@pytest.fixture(autouse=True)
def readable(request, monkeypatch):
    """Every figure that a test of figures draws can be read (see :mod:`readable`)."""
    name = request.path.stem
    if not name.startswith(("test_figures", "test_guidance", "test_evaluation_report")) and (
        name not in ("test_teaching", "test_sweep", "test_comparison")
    ):
        yield
        return
    from readable import faults

    from csalgan.figures import base

    made = []
    begin = base.Figure.__init__

    def noted(self, *args, **kwargs):
        begin(self, *args, **kwargs)
        made.append(self)

    monkeypatch.setattr(base.Figure, "__init__", noted)
    yield
    with base.theme():
        wrong = {fig.get_suptitle(): found for fig in made if fig.axes and (found := faults(fig))}
    assert not wrong


@pytest.fixture
def quick(monkeypatch):
    """Epochs that change the weights and take no time."""
    import torch

    from csalgan.training import HISTORY_COLUMNS, loop

    def epoch(trainer, batches, number):
        with torch.no_grad():
            for weights in trainer.generator.parameters():
                weights.mul_(1.01)
        return dict.fromkeys(HISTORY_COLUMNS[1:6], float(number))

    def validate(trainer, batches):
        total = sum(weights.detach().sum() for weights in trainer.generator.parameters())
        return dict.fromkeys(HISTORY_COLUMNS[6:], float(total))

    monkeypatch.setattr(loop, "_train_epoch", epoch)
    monkeypatch.setattr(loop, "_validate", validate)


@pytest.fixture
def command(monkeypatch, capsys):
    """Run the command line in this process; give back exit status, stdout and stderr."""
    from csalgan.cli import main

    def run(*arguments) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["csalgan", *map(str, arguments)])
        with pytest.raises(SystemExit) as stopped:
            main()
        said = capsys.readouterr()
        return int(stopped.value.code or 0), said.out, said.err

    return run


@pytest.fixture
def cell():
    """Run the one cell of a notebook that holds ``text``; gives the names it knew and made."""
    from csalgan.files import paths

    def run(number: str, text: str, **known) -> dict:
        (path,) = paths.notebooks_dir().glob(f"{number}_*.ipynb")
        notebook = json.loads(path.read_text(encoding="utf-8"))
        code = ["".join(c["source"]) for c in notebook["cells"] if c["cell_type"] == "code"]
        (source,) = [source for source in code if text in source]
        exec(source, known)
        return known

    return run


@pytest.fixture
def words_of(cell):
    """What notebook 05 says of each word of some records' sentences."""
    from types import SimpleNamespace

    import pandas as pd

    from csalgan import exploration, guidance

    def ask(listener, told, size: int) -> dict:
        job = SimpleNamespace(
            prepared=SimpleNamespace(size=size), save_table=lambda *_, **about: None
        )
        known = {"exploration": exploration, "guidance": guidance, "pd": pd, "job": job}
        known |= {
            "listener": listener,
            "of_listener": None,
            "told": told,
            "draws": {"draws": 50, "seed": 0},
        }
        return cell("05", "leave_one_word_out(listener, told", **known)

    return ask


@pytest.fixture
def halves_of(cell):
    """What notebook 01 says of halves of the fixations, within conditions and across."""
    from itertools import product
    from types import SimpleNamespace

    import numpy as np
    import pandas as pd

    from csalgan import exploration

    def ask(prepared, blur: float) -> pd.DataFrame:
        job = SimpleNamespace(profile=SimpleNamespace(seed=0))
        read = bool((prepared.records["condition"] != "none").any())
        known = {"exploration": exploration, "np": np, "pd": pd, "product": product, "job": job}
        known |= {"dataset": SimpleNamespace(has_sentences=read)}
        return cell("01", "shuffled[:take]", **known, prepared=prepared, blur=blur)["halves"]

    return ask
