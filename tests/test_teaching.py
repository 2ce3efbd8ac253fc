"""Exercises: solutions pass, typical mistakes are named, nothing a student types breaks a check."""

import math
import re
import runpy
import shutil
import sys
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import pytest
import torch
from scipy.special import expit

import course
from course import display
from csalgan import exploration, metrics
from csalgan.data import make_split
from csalgan.experiment.job import Job, open_job
from csalgan.files.errors import CsalganError
from csalgan.metrics import author as paper
from csalgan.metrics import tuebingen
from csalgan.text import variants
from csalgan.text.words import words
from csalgan.training import HISTORY_COLUMNS, losses

ROOT = Path(__file__).resolve().parent.parent
EXERCISES = {one.id: one for one in course.exercises()}
NOTEBOOKS = {path.name[:2]: path for path in sorted((ROOT / "notebooks").glob("0*.ipynb"))}


@pytest.fixture(scope="module")
def job(tmp_path_factory):
    """A small job with one run, whose history tells every mistake of exercise 03-1 apart."""
    job = open_job("smoke", out=str(tmp_path_factory.mktemp("teaching") / "report"))
    folder = job.run("total", progress=False).folder
    history = pd.DataFrame(0.5, index=range(7), columns=HISTORY_COLUMNS)
    history["epoch"] = range(1, 8)
    history["discriminator"] = [1.20, 1.38, 1.00, 0.70, 0.40, 0.90, 1.10]
    history["val_discriminator"] = [1.10, 1.20, 1.39, 0.90, 0.60, 1.00, 0.80]
    history["val_cc"] = [0.10, 0.20, 0.30, 0.40, 0.50, 0.60, 0.50]
    history.to_csv(folder / "history.csv", index=False)
    return job


@pytest.fixture(scope="module")
def solved(job, home) -> dict:
    """Every solution script, run as a reader runs it; exercise → its answer."""
    open_job("smoke").run("total", progress=False)  # where course/solutions/03.py looks for it
    answers = {}
    before = sys.argv
    try:
        for path in sorted((ROOT / "course" / "solutions").glob("*.py")):
            sys.argv = [str(path), "smoke"]
            answers |= runpy.run_path(str(path), run_name="__main__")["answers"]
    finally:
        sys.argv = before
    return answers


# --- solutions --------------------------------------------------------------------------------


@pytest.mark.parametrize("exercise", EXERCISES)
def test_the_solution_is_right(exercise, solved, job):
    if exercise == "03-1":  # about the run: the script's answer is about that of its own report
        job = open_job("smoke")
    result = course.check(exercise, solved[exercise], job)
    assert result, result
    assert result.right is True


def test_every_solution_belongs_to_an_exercise(solved):
    assert set(solved) == set(EXERCISES)


# --- typical mistakes -------------------------------------------------------------------------


def central(job):
    statistics = exploration.map_statistics(job.prepared)
    return statistics.groupby("condition")[["central", "peak_distance"]].mean()


def moved(job, largest):
    """An image whose salient sentence moved less than the non-salient one."""
    four = job.dataset.records.query("n_records == 4")
    gaps = {}
    for image_id, members in four.groupby("image_id"):
        record = members.set_index("condition")["record"]
        a, b = (
            np.abs(exploration.difference_map(job.prepared, record[c], record["none"])).mean()
            for c in ("salient", "non_salient")
        )
        gaps[image_id] = a - b
    return max(gaps, key=gaps.get) if largest else min(gaps, key=gaps.get)


def mean_map_ccs(job):
    average = exploration.mean_maps(job.prepared)["all"]
    return average, np.array([exploration.correlation(average, m) for m in job.prepared.maps])


def disc_logits(d, s, p):
    return d.logits(s), d.logits(p)


def stepped(d, s, p, alpha):
    loss = alpha * losses.bce(p, s) + losses.fooling_loss(d.logits(p))
    if loss.requires_grad:
        loss.backward()
    return loss


def zs(p):
    return (p - p.mean()) / p.std()


def density(m):
    return m / m.sum()


def example(job):
    members = job.dataset.records.query(
        "image_id == @image", local_dict={"image": job.example_image()}
    )
    record = members.loc[members.condition == "non_salient", "record"].iloc[0]
    return record, job.dataset.map(record).astype(float)


#: Exercise → wrong answers (made from the job) and what the student must read about each.
WRONG = {
    "01-1": [
        (lambda job: "none", "is not the largest of the row|largest peak_distance"),
        (lambda job: central(job).peak_distance.idxmax(), "opposite. Read the row central"),
        (lambda job: "everywhere", "one of these words: none, general"),
        (lambda job: 0.64, "one of these words"),
    ],
    "01-2": [
        (lambda job: moved(job, False), "the usual case"),
        (lambda job: moved(job, True) + "_3", r"_3 is no image; an id is a record's name"),
        (
            lambda job: job.dataset.records.query("n_records == 2").image_id.iloc[0],
            "has 2 records",
        ),
        (lambda job: "42", "42 is no image"),
        (lambda job: 1213, "in quotation marks"),
    ],
    "01-3": [
        (lambda job: mean_map_ccs(job)[1], r"That is \d+ numbers"),
        (
            lambda job: np.corrcoef(
                np.stack([mean_map_ccs(job)[0]] * len(job.prepared.maps)).ravel(),
                job.prepared.maps.ravel(),
            )[0, 1],
            "all pixels of all maps at once",
        ),
        (
            lambda job: exploration.correlation(
                mean_map_ccs(job)[0], job.prepared.maps.mean(axis=0)
            ),
            "averaged first and correlated then",
        ),
    ],
    "01-4": [
        (
            lambda job: (
                lambda s, r: int(s.of("test", r).image_id.isin(s.of("train", r).image_id).sum())
            ),
            "counted test .records",
        ),
        (lambda job: lambda s, r: len(set(s.train) & set(s.test)), "compared record names"),
        (lambda job: lambda s, r: r.nothing, "stopped with AttributeError"),
        (lambda job: 44, "the function itself"),
    ],
    "02-1": [
        (lambda job: 2, "A picture has two"),
        (lambda job: 0.25, "That is what is left"),
    ],
    "02-2": [
        (lambda job: 2_171_649, "count at 256"),
        (lambda job: 2_171_649 / 4, "divided everything by four"),
        (lambda job: 2_171_649 // 4, "everything by four"),
    ],
    "02-3": [
        (lambda job: lambda g, t: t @ g.text_feature_conv.weight.flatten(1).T, "bias is missing"),
        (
            lambda job: (
                lambda g, t: (
                    t @ g.text_feature_conv.weight.movedim(1, -1).flatten(1).T
                    + g.text_feature_conv.bias
                )
            ),
            "in another order",
        ),
        (lambda job: lambda g, t: t @ g.text_feature_conv.weight, "stopped with RuntimeError"),
        (lambda job: lambda g, t: g.encode_text(t).flatten(1), "is the convolution"),
        (
            lambda job: lambda g, t: g.text_feature_conv(t.reshape(len(t), -1, 2, 2)).flatten(1),
            "make do with a product",
        ),
    ],
    "02-4": [
        (lambda job: lambda layers: 1 + sum(k - 1 for k, _ in layers), "lie further apart"),
        (lambda job: lambda layers: stride_first(layers), "spreads the .outputs"),
    ],
    "03-1": [
        (lambda job: 4, "compared with ln 2"),
        (lambda job: 5, "with the .smallest. loss"),
        (lambda job: 7, "Epoch 7 is further from 1.386"),
        (lambda job: 99, "no epoch 99: the history has 1 to 7"),
        (lambda job: "the second", "to be a number"),
    ],
    "03-2": [
        (lambda job: -math.log(0.9) - math.log(0.2), "asked for 1 on both"),
        (lambda job: -math.log(expit(0.9)) - math.log(1 - expit(0.2)), "takes logits"),
        (lambda job: math.log(0.9) + math.log(0.8), "the sign is not"),
        (lambda job: -(math.log(0.9) + math.log(0.8)) / 2, "the mean of the two prices"),
    ],
    "03-3": [
        (
            lambda job: lambda d, s, p, a: a * losses.bce(p, s) + losses.fooling_loss(d(p)),
            "been through the sigmoid already",
        ),
        (
            lambda job: (
                lambda d, s, p, a: a * losses.bce(p, s) + losses.fooling_loss(d.logits(p.detach()))
            ),
            "part of the gradient is lost",
        ),
        (
            lambda job: (
                lambda d, s, p, a: (a * losses.bce(p, s) + losses.fooling_loss(d.logits(p))).item()
            ),
            "no gradient reaches the prediction",
        ),
        (
            lambda job: lambda d, s, p, a: a * losses.bce(p, s) + losses.fooling_loss(-d.logits(p)),
            "D's own wish",
        ),
        (
            lambda job: lambda d, s, p, a: a * losses.bce(s, p) + losses.fooling_loss(d.logits(p)),
            "takes the prediction first",
        ),
        (lambda job: stepped, "the loop calls backward .Trying to backward"),
        (lambda job: lambda d, s, p, a: (losses.bce(p, s), d.logits(p)), "of type tuple"),
    ],
    "03-4": [
        (
            lambda job: lambda d, s, p: losses.discriminator_loss(*disc_logits(d, s, p)),
            "sends a gradient into the prediction",
        ),
        (
            lambda job: lambda d, s, p: losses.discriminator_loss(*disc_logits(d, p, s)),
            "exchanged the labels",
        ),
        (
            lambda job: (
                lambda d, s, p: losses.discriminator_loss(d.logits(s), d.logits(p).detach())
            ),
            "one of the two kinds of maps only",
        ),
        (
            lambda job: (
                lambda d, s, p: losses.discriminator_loss(
                    *(logits.detach() for logits in disc_logits(d, s, p))
                )
            ),
            "no gradient reaches D's weights",
        ),
        (lambda job: lambda d, s, p: losses.discriminator_loss(d(s), d(p)), "the sigmoid already"),
        (
            lambda job: lambda d, s, p: losses.discriminator_loss(*disc_logits(d, s, p)) / 2,
            "mean of the two terms",
        ),
    ],
    "03-5": [
        (lambda job: parted(job)[0], "give the share of all records"),
        (lambda job: parted(job)[1], "may still show an image that was"),
    ],
    "04-1": [
        (lambda job: {"auc"}, "and so does sauc"),
        (lambda job: {"auc", "sauc", "cc"}, "cc changes: from"),
        (lambda job: "nss", "nss changes"),
        (lambda job: set(), "nothing but the order"),
        (lambda job: {"auc", "precision"}, "'precision' is none of the metrics"),
        (lambda job: 2, "Give a set"),
    ],
    "04-2": [
        (lambda job: lambda p, f: zs(p)[f[:, 0], f[:, 1]].mean(), "That is the NSS of tuebingen"),
        (
            lambda job: lambda p, f: ((p - p.mean()) / p.std(ddof=1))[f[:, 0], f[:, 1]].mean(),
            "is to count once",
        ),
        (lambda job: lambda p, f: zs(p)[f[:, 0], f[:, 1]], "an array of shape"),
        (lambda job: lambda p, f: print(end=""), "end it with return"),
        (lambda job: lambda p: 0, "stopped with TypeError"),
    ],
    "04-3": [
        (
            lambda job: lambda p, t: np.minimum(density(p), density(t)).sum(),
            "subtract each map's minimum first",
        ),
        (
            lambda job: lambda p, t: np.minimum(density(p - p.min()), density(t - t.min())).mean(),
            "SIM is the sum",
        ),
    ],
    "04-4": [
        (lambda job: example(job)[1], "because the map is good"),
        (lambda job: 1e200 * (1.0 + example(job)[1]), "CC 1.000: AUC is high"),
        (lambda job: -example(job)[1], "upside down"),
        (
            lambda job: (
                np.random.default_rng(0).random(example(job)[1].shape) + 0.001 * example(job)[1]
            ),
            "AUC notices",
        ),
        (lambda job: np.ones_like(example(job)[1]), "constant"),
        (lambda job: example(job)[1][:-1], "has shape"),
        (lambda job: np.full_like(example(job)[1], np.nan), "NaN"),
        (lambda job: "a map", "as an array of numbers"),
    ],
    "04-5": [
        (
            lambda job: (
                lambda d, r: np.concatenate(
                    [d.fixations(k) for k in d.records.record if k.startswith(r.split("_")[0])]
                )
            ),
            "own fixations are among",
        ),
        (lambda job: lambda d, r: d.fixations(r.split("_")[0] + "_0")[:3], r"\(3, 2\)|of shape"),
        (lambda job: lambda d, r: d.fixations(r)[:, 0], r"rows \(y, x\) are asked"),
    ],
    "05-1": [
        (lambda job: lambda a, b: np.abs(b - a).mean() / 2, "on different scales"),
        (lambda job: lambda a, b: np.abs(density(b) - density(a)).sum(), "Take half"),
    ],
    "05-2": [
        (
            lambda job: lambda t: " ".join(w for w in words(t) if len(w) > 5),
            "exactly five letters",
        ),
        (lambda job: lambda t: " ".join(w for w in t.split() if len(w) >= 5), "Full stop"),
        (lambda job: lambda t: [w for w in words(t) if len(w) >= 5], "is right"),
    ],
    "05-3": [
        (lambda job: {"swapped", "other_image", "shuffled"}, "as well"),
        (lambda job: {"absent"}, "as well: the encoder none gives zeros"),
        (lambda job: {"louder"}, "'louder' is none of the variants"),
    ],
    "06-1": [
        (lambda job: lambda e, e0, s: s * e, "At s = 0 your feature is zero"),
        (lambda job: lambda e, e0, s: e0 + s * e, "go along the .difference"),
        (lambda job: lambda e, e0, s: e0 + s * (e0 - e), "points from e0 to e"),
    ],
    "06-2": [
        (lambda job: lambda m, p: m >= m.max() * p / 100, "share of the .largest value"),
        (lambda job: lambda m, p: m >= np.percentile(m, 100 - p), "100 - p per cent stay"),
        (lambda job: lambda m, p: m[m >= np.percentile(m, p)], "of shape"),
    ],
    "06-3": [
        (
            lambda job: lambda cs: (min(c.min() for c in cs), max(c.max() for c in cs)),
            "not symmetric",
        ),
        (lambda job: lambda cs: (-np.abs(cs[0]).max(), np.abs(cs[0]).max()), "first map only"),
    ],
}


def count_parameters(module):
    return sum(parameter.numel() for parameter in module.parameters())


def stride_first(layers):
    seen = step = 1
    for kernel, stride in layers:
        step *= stride
        seen += (kernel - 1) * step
    return seen


def parted(job):
    """Of a split over records: records whose image is trained on, and two wrong shares."""
    records = job.dataset.records
    split = make_split(records, "record", seed=0)
    known = records.image_id.isin(split.of("train", records).image_id)
    test = records.record.isin(split.test)
    return int(known.sum()), len(split.train) / len(records), known[test].mean()


def test_every_exercise_has_two_typical_wrong_answers():
    assert set(WRONG) == set(EXERCISES)
    for exercise, cases in WRONG.items():
        assert len(cases) >= 2, exercise
        assert len({message for _, message in cases}) == len(cases), exercise


@pytest.mark.parametrize("exercise", EXERCISES)
def test_typical_wrong_answers_are_told_what_is_wrong(exercise, job):
    for number, (make, message) in enumerate(WRONG[exercise]):
        result = course.check(exercise, make(job), job)
        assert result.right is False, (exercise, number)
        assert re.search(message, result.message), (exercise, number, result.message)


@pytest.mark.parametrize("exercise", EXERCISES)
def test_nothing_a_student_types_breaks_a_check(exercise, job):
    odd = ["", "hello", [], {}, (), object(), float("nan"), -1e9, True, b"x", [[1], [2, 3]]]
    odd += [np.zeros((2, 2)), torch.zeros(3), pd.DataFrame({"a": [1, 2]}), print, lambda: 1, int]
    odd += [lambda *a: a, lambda *a: "text", lambda *a: [[1], [2, 3]], lambda *a: np.nan, 1 + 2j]
    for answer in odd:
        result = course.check(exercise, answer, job)
        assert result.right is False, (exercise, answer, result)
        assert len(result.message) > 15
        assert result.message[-1] in ".?!", result.message


# --- what a student sees ----------------------------------------------------------------------


def test_an_unanswered_exercise_says_so_and_computes_nothing(monkeypatch):
    opened = "csalgan.experiment.job.open_job"
    monkeypatch.setattr(opened, lambda *a: pytest.fail("opened the data"))
    for exercise in EXERCISES.values():
        result = course.check(exercise.id)
        assert result.right is None
        assert not result
        assert "in place of None" in result.message
        assert "not answered yet" in str(result)
        assert "not answered yet" in result._repr_html_()


def test_a_result_shows_code_of_the_student_as_text(job):
    result = course.check("04-3", lambda p, t: "<script>alert(1)</script>", job)
    assert "<script>" in result.message
    assert "<script>" not in result._repr_html_()
    assert "not yet" in result._repr_html_()


def test_an_unknown_exercise_is_named_with_those_there_are():
    with pytest.raises(CsalganError, match=r"no exercise '03-9'; use one of 03-1, 03-2"):
        course.check("03-9", 1)
    with pytest.raises(CsalganError, match=r"no exercise '3-2'; use one of 01-1"):
        course.check("3-2", 1)


def test_every_epoch_that_is_equally_close_is_right(job, tmp_path):
    run = shutil.copytree(job.out / "runs" / "total", tmp_path / "runs" / "total")
    history = pd.read_csv(run / "history.csv")
    told = Job(job.profile, job.dataset, tmp_path)
    for losses_, right in (([0.0] * 7, range(1, 8)), ([1.2, 1.4, 0, 1.4, 0, 0, 0], (2, 4))):
        history.assign(discriminator=losses_).to_csv(run / "history.csv", index=False)
        answers = [epoch for epoch in range(1, 8) if course.check("03-1", epoch, told)]
        assert answers == [*right]


def test_a_check_never_trains(tmp_path):
    untrained = open_job("smoke", out=str(tmp_path / "none"))
    with pytest.raises(CsalganError, match="no trained run is here.*run notebook 03 with subset"):
        course.check("03-1", 2, untrained)
    assert not (tmp_path / "none").exists()


def test_an_answer_that_changes_its_arguments_harms_nothing(job):
    def careless(prediction, fixations):
        prediction -= prediction.mean()
        prediction /= prediction.std(ddof=1)
        fixations = np.unique(fixations, axis=0)
        return prediction[fixations[:, 0], fixations[:, 1]].mean()

    assert course.check("04-2", careless, job)


def test_answers_are_judged_on_the_data_of_the_job(job, tmp_path):
    other = open_job("smoke", out=str(tmp_path), overrides=["data.embedded_images=12"])
    mine, theirs = (mean_map_ccs(one)[1].mean() for one in (job, other))
    assert abs(mine - theirs) > 0.01
    assert course.check("01-3", mine, job)
    assert course.check("01-3", round(mine, 2), job)
    assert course.check("01-3", theirs, other)
    assert not course.check("01-3", mine, other)


def test_a_variant_that_somebody_adds_is_among_the_variants(job, monkeypatch):
    longer = variants.Variant("longer", lambda row, pool: [variants.Sentence(f"{row.text} x", "")])
    monkeypatch.setitem(variants.VARIANTS, "longer", longer)
    assert "longer" in set(variants.sentence_variants(job.dataset.records)["variant"])


# --- the notebooks ----------------------------------------------------------------------------


def cells(number, kind):
    notebook = nbformat.read(NOTEBOOKS[number], as_version=4)
    return [cell for cell in notebook.cells if cell.cell_type == kind]


@pytest.mark.parametrize("number", NOTEBOOKS)
def test_a_notebook_asks_all_its_exercises(number):
    mine = course.exercises(number)
    assert len(mine) >= 3
    prose = " ".join(" ".join(cell.source for cell in cells(number, "markdown")).split())
    code = "\n".join(cell.source for cell in cells(number, "code"))
    asked = re.findall(r'course\.check\("(\d\d-\d)", answer', code)
    assert asked == [exercise.id for exercise in mine]
    assert code.count("answer = None") == len(mine)
    for exercise in mine:
        question = prose.split(f"**{exercise.id} · {exercise.kind.capitalize()}.** ")[1]
        assert len(question.split("**")[0]) > 60


@pytest.mark.parametrize("number", NOTEBOOKS)
def test_exercises_go_from_reading_to_changing_code(number):
    kinds = [exercise.kind for exercise in course.exercises(number)]
    assert "change code" in kinds
    if number not in {"05", "06"}:
        assert kinds[0] in {"read", "predict"}


def test_formulas_in_notebook_04_give_the_librarys_numbers(capsys):
    """The cells tagged ``formula`` run on drawn maps, with ties and repeated fixations."""
    rng = np.random.default_rng(0)
    given = {
        "fixations": np.repeat(rng.integers(0, 24, (20, 2)), 2, axis=0),
        "negatives": rng.integers(0, 24, (300, 2)),
        "center_bias": rng.random((24, 30)),
    }
    place = {
        "np": np,
        "course": course,
        "tuebingen": tuebingen,
        "paper": paper,
        "display": lambda *shown: None,
        "prediction": np.round(rng.gamma(2.0, size=(24, 30)), 1),
        "truth": type("Truth", (), {"saliency_map": rng.gamma(2.0, size=(24, 30))} | given),
        "given": given,
    }
    chosen = [c for c in cells("04", "code") if "formula" in c.metadata.get("tags", [])]
    assert len(chosen) >= 7
    for cell in chosen:
        exec(cell.source, place)
    said = capsys.readouterr().out
    compared = [cell for cell in chosen if "assert np.isclose(by_formula, library" in cell.source]
    assert len(compared) == said.count("by the formula and by the library") == 7


def test_every_equation_of_the_paper_stands_beside_its_code():
    shown = {number: "\n".join(c.source for c in cells(number, "code")) for number in NOTEBOOKS}
    for name in ("encode_image", "encode_text", "fuse", "decode"):
        assert f"PaperGenerator.{name})" in shown["02"]
    for name in ("discriminator_loss", "fooling_loss", "bce"):
        assert f"losses.{name})" in shown["03"]
    for name in metrics.profile_info("tuebingen").metrics:
        if name != "ig_uniform":
            assert f"tuebingen.{name}" in shown["04"]
    for name in metrics.profile_info("paper").metrics:
        assert f"paper.{name}" in shown["04"]
    prose = {number: "\n".join(c.source for c in cells(number, "markdown")) for number in NOTEBOOKS}
    assert all(rf"\qquad({k})" in prose["02"] for k in (1, 2, 3, 4))
    assert "L_G =" in prose["03"]
    assert all(rf"\mathrm{{{name}}}" in prose["04"] for name in ("AUC", "NSS", "CC", "SIM", "KL"))


# --- what the misconceptions measure ----------------------------------------------------------


def test_code_is_shown_as_it_stands_without_its_docstring():
    text = display.source_of(tuebingen.nss)
    assert text.startswith("@metric(constant=0.0)\ndef nss(prediction, fixations) -> float:")
    assert '"""' not in text
    assert "deviation = np.sqrt" in text


def test_code_without_a_docstring_is_shown_whole():
    assert display.source_of(zs) == "def zs(p):\n    return (p - p.mean()) / p.std()"


@pytest.mark.parametrize("kind", ["8-bit", "float"])
def test_maps_of_one_order_share_both_areas_and_nothing_else(kind):
    rng = np.random.default_rng(1)
    y, x = np.mgrid[-1:1:40j, -1:1:50j]
    saliency = np.exp(-4 * (y**2 + x**2)) + 0.05 * rng.random((40, 50))
    if kind == "8-bit":
        saliency = np.rint(255 * saliency / saliency.max()).astype(np.uint8)
    fixations, negatives = rng.integers(10, 30, (30, 2)), rng.integers(0, 40, (200, 2))
    maps = course.same_order(saliency)
    areas = {
        (tuebingen.auc(one, fixations), tuebingen.sauc(one, fixations, negatives))
        for one in maps.values()
    }
    assert len(areas) == 1
    ccs = [tuebingen.cc(one, saliency) for one in maps.values()]
    assert ccs[0] == pytest.approx(1)
    assert ccs[2] < 0.5
    assert all(one.min() >= 0 and one.max() == pytest.approx(1) for one in maps.values())


def test_remembering_images_pays_only_where_the_split_leaks(job):
    means = course.leakage(job).groupby("rule").mean()
    assert means.remembered["over images"] == 0
    assert means.memory["over images"] == means.mean_map["over images"]
    for leaking in ("over records", "all records"):
        assert means.remembered[leaking] > 0.5
    gain = means.memory - means.mean_map
    assert gain["all records"] > gain["over records"] > 0


class Listener:
    """Predicts from the sentence by a rule: ``(dataset, row, text) → map``."""

    def __init__(self, rule):
        self.rule = rule

    def predict_records(self, dataset, records):
        for row in records.itertuples():
            yield row.record, self.rule(dataset, row, row.text)


def deaf(dataset, row, text):
    return np.ones((row.height, row.width))


def startled(dataset, row, text):
    """Looks to the left as soon as anybody speaks."""
    saliency = np.ones((row.height, row.width))
    if text:
        saliency[:, : row.width // 2] = 3
    return saliency


def perfect(dataset, row, text):
    free = dataset.records.query("condition == 'none'").set_index("image_id").record
    own = text == dataset.row(row.record)["text"]
    return dataset.map(row.record if own else free[row.image_id])


def test_listening_tells_deaf_startled_and_listening_models_apart(job):
    records = job.split.of("test", job.dataset.records)
    deaf_, startled_, perfect_ = (
        course.listening(Listener(rule), job, records).set_index("sentence")
        for rule in (deaf, startled, perfect)
    )
    people = perfect_.loc["people, own sentence"]
    assert people.agreement == pytest.approx(1)
    assert 0.05 < people.moved < 0.95
    models = ["own sentence", "another image's", "no meaning"]
    assert (deaf_.moved[models] == 0).all()
    assert deaf_.agreement[models].isna().all()
    assert startled_.moved["own sentence"] == pytest.approx(0.25, abs=0.01)  # 3:1, blurred edge
    assert startled_.moved[models].nunique() == 1
    assert perfect_.moved["own sentence"] == pytest.approx(people.moved, rel=0.05)
    assert perfect_.agreement["own sentence"] > 0.98
    assert perfect_.moved["no meaning"] == 0
