"""From a command to a report: every notebook executed at smoke size, on embedded and real gaze."""

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import nbformat
import pandas as pd
import pytest
from PIL import Image

from csalgan import pipeline
from csalgan.config import load_profile
from csalgan.experiment.job import open_job
from csalgan.figures import figure_info
from csalgan.files.errors import CsalganError
from csalgan.pipeline.report import write_page
from csalgan.runner.step import execute

ROOT = Path(__file__).resolve().parent.parent

#: What every report must hold, by the notebook that leaves it.
FIGURES = (
    "02_generator",
    "02_discriminator",
    "03_losses-total",
    "03_losses-general",
    "03_losses-sal",
    "03_losses-non_sal",
)


def run(*arguments: str, home: Path) -> subprocess.CompletedProcess:
    """Run the command line in a process of its own, as a user does."""
    environment = os.environ | {"CSALGAN_HOME": str(home)}
    return subprocess.run(
        [sys.executable, "-m", "csalgan", *arguments],
        capture_output=True,
        text=True,
        env=environment,
        timeout=900,
    )


@pytest.fixture(scope="module")
def report(home) -> Path:
    """One smoke report on embedded data."""
    done = run("reproduce", "--profile", "smoke", home=home)
    assert done.returncode == 0, done.stderr
    index = Path(done.stdout.strip().splitlines()[-1].removeprefix("report: "))
    assert index.is_file()
    return index.parent


@pytest.mark.notebook
def test_the_report_is_complete_and_says_where_it_came_from(report):
    manifest = json.loads((report / "manifest.json").read_text())
    assert manifest["complete"]
    assert manifest["provenance"]["encoder"] == "hashing"
    assert manifest["data"]["synthetic"]
    assert len(manifest["notebooks"]) == 9
    assert set(manifest["runs"]) == {"total", "general", "sal", "non_sal"}
    assert manifest["profile"] == load_profile("smoke").as_dict()
    stems = {Path(name).stem for name in manifest["figures"]}
    assert set(FIGURES) <= stems
    for number in ("01", "02", "03", "04", "05", "06"):
        assert any(stem.startswith(number) for stem in stems), f"notebook {number} drew nothing"
    for path in (report / "figures").glob("*.png"):
        info = figure_info(path)
        assert info["fingerprint"] == manifest["provenance"]["fingerprint"]
        assert path.with_suffix(".pdf").is_file()


@pytest.mark.notebook
def test_the_page_is_small_and_needs_only_what_lies_beside_it(report):
    index = report / "index.html"
    assert index.stat().st_size < 1e6
    page = index.read_text()
    pictures = re.findall(r'<img src="([^"]+)" width="(\d+)" height="(\d+)"', page)
    assert {Path(name).name for name, *_ in pictures} == {
        path.name for path in (report / "figures").glob("*.png")
    }
    for name, width, height in pictures:  # so that nothing jumps when they load
        w, h = Image.open(report / name).size
        assert int(width) / int(height) == pytest.approx(w / h, rel=0.01)  # whole pixels
    assert not re.search(r'(src|href)="https?:', page)
    for link in re.findall(r'(?:href|src)="([^"#]+)"', page):
        assert (report / link).exists(), link
    for anchor in re.findall(r'href="#([^"]+)"', page):
        assert f'id="{anchor}"' in page
    for path in (report / "notebooks").glob("*.ipynb"):
        copy = path.with_suffix(".html").read_text()
        assert not re.search(r'<(script|link|img|iframe)[^>]*(src|href)=["\']?https?:', copy)
        assert "<script" not in copy
        assert "imulated" in copy
        assert not re.search(r"\$\$|\\(frac|hat|mathrm)", copy), path.name  # formulas are drawn


@pytest.mark.notebook
def test_the_page_says_what_answers_the_papers_figures(report):
    table = (report / "index.html").read_text().split("<tbody>")[1].split("</tbody>")[0]
    rows = [re.sub(r"<[^>]+>", "|", row) for row in table.split("</tr>")]
    named = {row.split("|")[2]: row for row in rows if row.strip()}
    assert [*named] == [
        "Figure 1",
        "Figures 2, 3",
        *(f"Figure {k}" for k in range(4, 13)),
        "Table I",
    ]
    assert "SalGAN" in named["Figures 2, 3"]
    assert "03_losses-non_sal" in named["Figure 9"]
    assert "another image" in named["Figure 11"]  # the embedded data lacks the paper's
    assert "04_table_one_paper" in named["Table I"]


@pytest.mark.notebook
def test_pictures_of_simulated_gaze_say_so(report):
    titles = {p.name: figure_info(p)["title"] for p in (report / "figures").glob("*.png")}
    silent = {name for name, title in titles.items() if "imulated gaze" not in title}
    assert silent == {"02_generator.png", "02_discriminator.png"}
    assert not [title for title in titles.values() if "people" in title.lower()]


@pytest.mark.notebook
def test_a_report_is_written_again_to_the_same_bytes_and_packed_without_its_runs(report, home):
    before = {p: p.read_bytes() for p in report.rglob("*") if p.suffix in (".html", ".json")}
    done = run("report", str(report), "--zip", str(home / "a.zip"), home=home)
    assert done.returncode == 0, done.stderr
    assert "photographs" not in done.stderr  # the scenes are drawn
    assert {p: p.read_bytes() for p in before} == before
    run("report", str(report), "--zip", str(home / "b.zip"), home=home)
    assert (home / "a.zip").read_bytes() == (home / "b.zip").read_bytes()
    with zipfile.ZipFile(home / "a.zip") as packed:
        names = set(packed.namelist())
    top = report.name
    assert f"{top}/index.html" in names
    assert f"{top}/notebooks/04_metric_evaluation.html" in names
    assert {name.split("/")[1] for name in names} == {
        *("index.html", "manifest.json", "figures", "tables", "notebooks"),
    }
    for link in re.findall(r'(?:href|src)="([^"#]+)"', (report / "index.html").read_text()):
        assert f"{top}/{link}" in names
    done = run("report", str(home / "nowhere"), home=home)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")


@pytest.mark.notebook
def test_table_one_holds_our_numbers_and_the_mean_map(report):
    for profile in ("tuebingen", "paper"):
        table = pd.read_csv(report / "tables" / f"04_table_one_{profile}.csv")
        text = table.to_csv()
        for metric in ("AUC", "sAUC", "CC", "NSS"):
            assert metric in text
        assert "as printed" not in text  # the paper's numbers are of photographs
        assert "mean" in text
        for suffix in (".md", ".tex"):
            assert (report / "tables" / f"04_table_one_{profile}{suffix}").is_file()
    scores = pd.read_csv(report / "tables" / "04_scores.csv")
    assert {"record", "model", "metric_profile", "metric", "value"} <= set(scores.columns)
    assert scores["value"].notna().any()


@pytest.mark.notebook
def test_executed_notebooks_have_no_error_and_no_warning_left(report):
    for path in sorted((report / "notebooks").glob("*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        outputs = [o for cell in notebook.cells for o in cell.get("outputs", [])]
        assert outputs
        assert not [o for o in outputs if o.output_type == "error"]
        warned = [o.text for o in outputs if o.output_type == "stream" and "Warning" in o.text]
        assert not warned, f"{path.name}: {warned[0]}"


@pytest.mark.notebook
def test_a_second_run_trains_nothing_again(report, home, monkeypatch):
    monkeypatch.setenv("CSALGAN_HOME", str(home))
    before = {p: p.stat().st_mtime_ns for p in (report / "runs").rglob("*.safetensors")}
    job = open_job("smoke", out=str(report))
    for subset in job.profile.training.subsets:
        assert job.run(subset).complete
    assert {p: p.stat().st_mtime_ns for p in before} == before
    # Other settings are not mistaken for these.
    for change in ("training.learning_rate=0.001", "training.epochs=3"):
        with pytest.raises(CsalganError, match=r"runs/sal: a training of other settings.*--fresh"):
            open_job("smoke", out=str(report), overrides=[change]).run("sal", progress=False)
        with pytest.raises(CsalganError, match=r"runs/total: a training of other settings"):
            pipeline.reproduce("smoke", out=str(report), overrides=[change])
    # Nor is a training whose settings nobody can read any more.
    told = report / "runs" / "sal" / "run.json"
    whole = told.read_text()
    told.write_text(whole.replace('"kind": "paper"', '"kind": "of another version"'))
    with pytest.raises(CsalganError, match=r"runs/sal: a training stands there that cannot be"):
        open_job("smoke", out=str(report)).run("sal", progress=False)
    told.write_text(whole)
    assert {p: p.stat().st_mtime_ns for p in before} == before  # it may be all somebody has


@pytest.mark.notebook
def test_one_notebook_works_on_its_own_with_papermill(home, tmp_path):
    out = tmp_path / "alone"
    done = subprocess.run(
        [sys.executable, "-m", "papermill", str(ROOT / "notebooks" / "04_metric_evaluation.ipynb")]
        + [str(tmp_path / "04.ipynb"), "-p", "profile", "smoke", "-p", "out", str(out)]
        + ["-k", "python3", "--no-progress-bar"],
        capture_output=True,
        text=True,
        env=os.environ | {"CSALGAN_HOME": str(home)},
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert (out / "tables" / "04_table_one_tuebingen.csv").is_file()


@pytest.fixture(scope="module")
def some_real(real, tmp_path_factory) -> Path:
    """Links to 24 real images with all their records, and the real sentences."""
    folder = tmp_path_factory.mktemp("real") / "sjtu-tis"
    ids = sorted({path.stem.split("_")[0] for path in (real / "map").iterdir()})
    four = [i for i in ids if (real / "map" / f"{i}_3.png").exists()]
    two = [i for i in ids if i not in set(four)]
    chosen = set(four[:12] + two[:12])
    for kind in ("image", "map", "fixation"):
        (folder / kind).mkdir(parents=True)
        for path in (real / kind).iterdir():
            if path.stem.split("_")[0] in chosen:
                (folder / kind / path.name).symlink_to(path)
    for path in real.iterdir():
        if path.is_file():
            shutil.copyfile(path, folder / path.name)
    return folder


@pytest.mark.notebook
def test_the_same_command_runs_on_real_gaze(some_real, home, tmp_path):
    out = tmp_path / "report"
    asked = ["--profile", "smoke", "--data", str(some_real), "--out", str(out)]
    done = run("reproduce", *asked, "--set", "training.subsets=[total]", home=home)
    assert done.returncode == 0, done.stderr
    manifest = json.loads((out / "manifest.json").read_text())
    assert not manifest["data"]["synthetic"]
    assert "simulated" not in (out / "index.html").read_text()
    shown = [name for name, about in manifest["figures"].items() if about["photographs"]]
    assert shown
    assert "02_generator.png" not in shown
    table = (out / "tables" / "04_table_one_paper.csv").read_text()
    assert "0.408" in table  # the paper's CC of its total model
    done = run("report", str(out), "--zip", str(tmp_path / "r.zip"), home=home)
    assert f"{len(shown)} of its figures show photographs" in done.stderr


def test_a_notebook_without_a_parameter_is_refused_before_anything_runs(tmp_path, monkeypatch):
    for name in pipeline.NOTEBOOKS:
        shutil.copy(ROOT / "notebooks" / f"{name}.ipynb", tmp_path)
    path = tmp_path / "05_text_guidance_ablation.ipynb"
    path.write_text(path.read_text().replace("overrides = ", "changes = "))
    monkeypatch.setattr("csalgan.files.paths.notebooks_dir", lambda: tmp_path)
    steps = pipeline.plan(load_profile("smoke"), {"profile": "smoke", "overrides": []})
    with pytest.raises(CsalganError, match="05_text_guidance_ablation.*no parameter overrides"):
        pipeline.check_parameters(steps)
    path.unlink()
    with pytest.raises(CsalganError, match=r"05_text_guidance_ablation\.ipynb: this notebook is m"):
        pipeline.check_parameters(steps)


@pytest.mark.notebook
def test_a_page_names_the_explorer_and_keeps_every_other_output(tmp_path):
    widget = {"application/vnd.jupyter.widget-view+json": {"model_id": "a"}, "text/plain": "Box()"}
    outputs = [
        nbformat.v4.new_output("display_data", widget),
        nbformat.v4.new_output("display_data", {"text/html": "<b>bold</b>", "text/plain": "x"}),
    ]
    state = {"application/vnd.jupyter.widget-state+json": {"state": {"a": {"secret": 1}}}}
    cells = [nbformat.v4.new_code_cell("1", outputs=outputs, id="a")]
    path = tmp_path / "n.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata={"widgets": state}), path)
    page = write_page(path, synthetic=True).read_text(encoding="utf-8")
    assert "The explorer stands here: open the notebook in JupyterLab." in page
    assert "<b>bold</b>" in page
    assert not {"Box()", "secret"} & set(re.findall(r"Box\(\)|secret", page))


def test_a_failing_cell_is_named_and_what_ran_is_kept(tmp_path):
    notebook = nbformat.v4.new_notebook()
    notebook.cells = [
        nbformat.v4.new_code_cell("ran = 41 + 1\nprint(ran)"),
        nbformat.v4.new_code_cell("raise ValueError('the sky fell\\nand more')"),
        nbformat.v4.new_code_cell("print('never')"),
    ]
    nbformat.write(notebook, tmp_path / "bad.ipynb")
    with pytest.raises(
        CsalganError, match=r"bad: cell \d+ failed with ValueError: the sky fell \("
    ):
        execute("bad", tmp_path / "bad.ipynb", {}, tmp_path / "out" / "bad.ipynb")
    kept = nbformat.read(tmp_path / "out" / "bad.ipynb", as_version=4)
    assert "42" in json.dumps(kept)
    assert "never\\n" not in json.dumps([c.get("outputs") for c in kept.cells])


def test_a_folder_that_is_not_a_report_is_left_alone(embedded, tmp_path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter1.tex").write_text("mine")
    with pytest.raises(CsalganError, match=r"holds chapter1\.tex and is not a report"):
        pipeline.reproduce("smoke", str(embedded), str(tmp_path / "thesis"))
    assert (tmp_path / "thesis" / "chapter1.tex").read_text() == "mine"
