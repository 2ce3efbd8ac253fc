"""What notebooks draw: each run here at smoke size, every figure readable (see conftest.py)."""

import json
import re

import numpy as np
import pandas as pd
import pytest
from scipy.stats import linregress

from csalgan import metrics
from csalgan.experiment.job import Job
from csalgan.files import paths
from csalgan.prediction import resize_map
from csalgan.text.words import STOP_WORDS, words

NAMES = {path.stem[:2]: path for path in sorted(paths.notebooks_dir().glob("0*.ipynb"))}


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    return tmp_path_factory.mktemp("notebooks")


@pytest.fixture
def execute(out, embedded, monkeypatch):
    """Run a notebook's cells in this process; gives its names, and its figures by theirs."""
    figures = {}
    save = Job.save

    def kept(self, fig, name, **about):
        figures[name] = fig
        return save(self, fig, name, **about)

    monkeypatch.setattr(Job, "save", kept)

    def run(number):
        notebook = json.loads(NAMES[number].read_text(encoding="utf-8"))
        known = {"display": lambda *_: None}
        for cell in notebook["cells"]:
            if cell["cell_type"] == "code":
                exec("".join(cell["source"]), known)
                if "profile" in known and "job" not in known:  # the cell of parameters has run
                    known |= {"profile": "smoke", "data": str(embedded), "out": str(out)}
        return known, figures

    return run


def titles(fig):
    return [ax.get_title(loc="left") for ax in fig.axes]


def test_notebook_01(execute, out):
    known, figures = execute("01")
    assert {path.stem for path in (out / "figures").glob("01_*.png")} == set(figures)
    assert len(figures["01_contact_sheet"].axes) == 5 * min(4, len(known["most"]))
    assert "01_observers" not in figures  # these data do not say who fixated
    assert titles(figures["01_mean_maps"])[:5] == [*known["labels"].values(), "all records"]
    records, counts = known["records"], known["counts"].set_index("condition")
    assert counts.loc["all", "records"] == len(records) == known["split"].records.sum()
    assert counts.loc["salient", "records"] == counts.loc["all", "four_record_images"]
    assert not known["split"].shared_with_train.any()
    assert known["subsets"].set_index("subset").records["sal"] == 2 * counts.records["salient"]
    means = known["profiles"].groupby(["condition", "axis"]).density.mean()
    assert np.allclose(means, 1)
    word, condition, share = known["common"].iloc[-1]
    told = known["lengths"][known["lengths"].condition == condition]
    assert share == pytest.approx(np.mean([word in words(text) for text in told.text]))
    assert not set(known["common"].word) & STOP_WORDS


def test_notebook_02(execute):
    known, figures = execute("02")
    for name, layers, count in (
        ("02_generator", known["generator_layers"], 918_081),
        ("02_discriminator", known["discriminator_layers"], 2_171_649),
    ):
        (ax,) = figures[name].axes
        assert f"{count:,} parameters" in ax.get_title(loc="left")
        # A bar's parameters are the last line of its label, below its name.
        bars = {layer.name for layer in layers if layer.macs}
        notes = [text.get_text().split("\n") for text in ax.texts]
        counts = [n[-1] for n in notes if n[0] in bars and re.fullmatch(r"[\d,]+", n[-1])]
        assert len(counts) == len(bars)
        assert sum(int(number.replace(",", "")) for number in counts) == count


def test_notebook_03(execute):
    known, figures = execute("03")
    history = known["run"].history
    (ours,) = figures["03_losses-total"].axes
    last = next(line for line in ours.lines if line.get_label() == "generator, last batch")
    assert last.get_ydata().tolist() == history.last_generator.tolist()
    labels = [t.get_text() for t in figures["03_validation-total"].axes[1].get_legend().get_texts()]
    assert f"best CC, epoch {history.epoch[history.val_cc.idxmax()]}" in labels


def test_notebook_04(execute):
    known, figures = execute("04")
    scores = metrics.score(known["prediction"], **known["given"])
    for metric, name in (("auc", "AUC"), ("sauc", "shuffled AUC"), ("cc", "CC"), ("kl", "KL")):
        said = titles(figures[f"04_anatomy_{metric}"])
        assert any(title.startswith(f"{name} {scores[metric]:.3f}") for title in said), metric
    (bits,) = re.findall(r"IG (\S+) bit", str(figures["04_anatomy_ig"].axes[2].get_legend().texts))
    assert float(bits.replace("−", "-")) == pytest.approx(scores["ig"], abs=0.006)
    beside = figures["04_cc_beside_the_paper"]
    assert titles(beside) == ["total", "general", "sal", "non_sal"]
    assert "paper" not in beside.get_suptitle()  # its numbers never stand beside drawn scenes
    assert not [line for ax in beside.axes for line in ax.lines if line.get_linestyle() == "--"]
    assert {"AUC", "CC", "NSS", "KL (nat, less is better)"} <= set(
        titles(figures["04_distributions"])
    )


def test_notebook_05(execute):
    known, figures = execute("05")
    encoders = figures["05_encoders"]
    still = [text.get_text() for ax in encoders.axes for text in ax.texts]
    assert "undefined" in still  # the encoder that reads nothing
    legend = figures["05_known_effect"].legends[0]
    assert [text.get_text() for text in legend.get_texts()] == list(known["effects"])
    assert "true effect" in legend.get_title().get_text()
    words = [effect.word for effect in known["word_effects"]]
    shown = [title for title in titles(figures["05_words"]) if "%" in title]
    assert [title.split()[0] for title in shown] == words
    drawn = {line.get_label() for line in figures["05_strength"].axes[0].lines}
    assert {"general", "non-salient", "salient"} <= drawn
    assert np.isfinite(known["matrix"]["mean"]).all()


def defined(number: str, name: str, **given) -> dict:
    """What the cell of a notebook that defines a function leaves behind, run by itself."""
    cells = json.loads(NAMES[number].read_text(encoding="utf-8"))["cells"]
    (source,) = [s for cell in cells if f"def {name}(" in (s := "".join(cell["source"]))]
    exec(source, given)
    return given


def test_the_last_third_of_a_curve_says_where_it_goes():
    epoch, random = np.arange(1, 31), np.random.default_rng(0)
    noise = random.normal(0, 0.1, (3, 30))
    table = pd.DataFrame({"epoch": epoch, "last_generator": 5 - 0.1 * epoch + noise[0]})
    table = table.assign(last_discriminator=0.5 + noise[1], val_fooling=np.nan)
    cell = defined("03", "last_third", pd=pd, linregress=linregress)
    curves = {("run", "total"): table, ("run", "sal"): table.head(8)}
    found = cell["last_third"](curves, cell["DRAWN"])
    assert found[["subset", "loss"]].to_numpy().tolist() == [
        ["total", "g_loss"],
        ["total", "d_loss"],
    ]
    assert found["moves"].tolist() == ["falls", "level"]
    assert found["trend"][0] == pytest.approx(-0.9, abs=2 * found["error"][0])  # nine steps of 0.1
    assert found["spread"].between(0.05, 0.2).all()


def test_maps_are_correlated_with_each_of_the_two_pictures():
    random = np.random.default_rng(0)
    pictures = {
        c: random.integers(0, 256, (48, 64)).astype(np.uint8) for c in ("salient", "non_salient")
    }
    own = {"general": pictures["salient"][::2, ::2]}  # another size
    theirs = "the author's picture"
    given = {"np": np, "pd": pd, "resize_map": resize_map, "PICTURE": theirs}
    correlate = defined("04", "correlate_pictures", **given)["correlate_pictures"]
    found = correlate({theirs: pictures, "ours": own})
    same = found[(found["map"] == theirs) & (found["sentence"] == found["picture"])]
    assert same["correlation"].tolist() == pytest.approx([1, 1])
    mine = found[found["map"] == "ours"].set_index("picture")["correlation"]
    assert mine["salient"] > 0.15 > abs(mine["non_salient"])
