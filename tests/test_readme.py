"""README's tables of measured numbers hold what the committed tables hold."""

import re
from pathlib import Path

import pandas as pd

from csalgan.evaluation import PAPER_TABLE_I

ROOT = Path(__file__).parent.parent
REPORTS = ROOT / "reports"
METRICS = ("auc", "sauc", "cc", "nss")
#: Tables of the author's recipe as it was trained here.
RECIPE = REPORTS / "sjtu-tis-author-cpu" / "tables"


#: (heading, label) of the rows that a test has looked up.
LOOKED_UP: set[tuple[str, str]] = set()


class Rows(dict):
    """Label → cells; what is looked up is remembered."""

    def __init__(self, heading: str):
        self.heading = heading

    def __getitem__(self, label: str) -> list[str]:
        LOOKED_UP.add((self.heading, label))
        return super().__getitem__(label)


def rows(heading: str) -> Rows:
    """The rows of every table between a heading and the next one; a label may come twice."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    section = text.split(f"## {heading}\n")[1].split("\n## ")[0]
    found = Rows(heading)
    for line in section.splitlines():
        if line.startswith("|") and not line.startswith("|---"):
            label, *cells = (cell.strip() for cell in line.strip("|").split("|"))
            while label in found:
                label += " (again)"
            found[label] = cells
    return found


def author(name: str, protocol: str, text: str = "", column: str = "value") -> list[str]:
    table = pd.read_csv(REPORTS / "sjtu-tis-author-weights" / "tables" / f"{name}.csv")
    table = table[(table["subset"] == "total") & (table["protocol"] == protocol)]
    if text:
        table = table[(table["text"] == text) & (table["run"] == "epoch_50_lr_0.0002")]
    table = table.set_index(table["metric"].str.lower()).loc[list(METRICS)]
    spread = table["sd"].map(lambda sd: "" if pd.isna(sd) or column != "value" else f" ± {sd:.3f}")
    return [f"{value:.3f}{sd}" for value, sd in zip(table[column], spread, strict=True)]


def summary(model: str, profile: str, subset: str = "total") -> list[str]:
    """Means over test records in the report of the paper's model as it was trained here."""
    table = pd.read_csv(REPORTS / "sjtu-tis-paper-cpu" / "tables" / "04_summary.csv")
    table = table[(table["metric_profile"] == profile) & (table["subset"] == subset)]
    table = table[table["model"] == model].set_index("metric")["mean"]
    return [f"{table[metric]:.3f}" for metric in METRICS]


def without_sauc(means: pd.Series) -> list[str]:
    """An earlier report took shuffled AUC's negatives from all conditions: not comparable."""
    return ["–" if metric == "sauc" else f"{means[metric]:.3f}" for metric in METRICS]


def test_how_far_the_paper_reproduces_is_what_the_tables_say():
    found = rows("How far the paper reproduces")
    table = "author_table_one"
    assert found["Table I, as printed"] == author(table, "author", "mean", "printed")
    for text in ("mean", "zero"):
        label = f"author's weights, {text} sentence"
        assert found[label] == author(table, "author", text)
    assert found["mean training map"] == author("author_mean_map", "author")
    here = found["author's weights, mean sentence (again)"]
    assert here == author(table, "tuebingen", "mean")
    assert found["mean training map (again)"] == author("author_mean_map", "tuebingen")

    ours = "the paper's model, trained here (`paper-cpu`)"
    assert found[ours] == summary("ours", "tuebingen")
    assert found[f"{ours} (again)"] == summary("ours", "paper")
    assert found["mean training map (again) (again)"] == summary("mean_map", "paper")
    for metric, low, high in (("auc", -0.06, 0), ("sauc", -0.03, 0), ("cc", -0.063, 0.01),
                              ("nss", 0.026, 0.063)):  # fmt: skip
        for subset in ("total", "general", "sal", "non_sal"):
            printed = PAPER_TABLE_I.loc[metric, subset]
            difference = float(summary("ours", "paper", subset)[METRICS.index(metric)]) - printed
            assert low <= round(difference, 3) <= high, (metric, subset)
    compact = pd.read_csv(REPORTS / "sjtu-tis-one-split" / "tables" / "comparison.csv")
    seeds = compact["run"].isin([f"compact-{seed}" for seed in range(3)])
    compact = compact[seeds & (compact["condition"] == "all")].groupby("metric")["mean"].mean()
    (label,) = (label for label in found if "compact model" in label)
    assert found[label] == without_sauc(compact)


def test_the_authors_recipe_gives_table_one_as_near_as_is_said():
    found = rows("How far the paper reproduces")
    recipe = "the author's recipe, trained here (`author-cpu`), which reads nothing"
    drawn = pd.read_csv(RECIPE / "04_author_protocol.csv").set_index(["subset", "metric"])
    drawn = drawn.rename(str.lower, level="metric")
    assert found[recipe] == [
        f"{m['value']:.3f} ± {m['sd']:.3f}" for _, m in drawn.loc["total"].iterrows()
    ]
    away = drawn["value"] - PAPER_TABLE_I.T.stack().rename_axis(["subset", "metric"])
    assert all(
        away["total"].abs().round(3)
        <= pd.Series({"auc": 0.016, "sauc": 0.003, "cc": 0.011, "nss": 0.016})
    )
    others = away.drop("total", level="subset").unstack()
    assert others["auc"].between(-0.0505, -0.026).all()
    assert others["sauc"].between(-0.026, 0).all()
    assert others["cc"].between(-0.0645, 0).all()
    assert others["nss"].abs().max() < 0.0435
    text = (ROOT / "docs" / "deviations.md").read_text(encoding="utf-8")
    for subset, name in (("total", "Total"), ("sal", "Sal")):
        cc = pd.read_csv(RECIPE / f"03_history-{subset}.csv")["val_cc"].tail(10)
        assert f"between {cc.min():.3f} and {cc.max():.3f} for {name}" in text


def test_the_table_of_baselines_is_table_one():
    table = pd.read_csv(REPORTS / "sjtu-tis-paper-cpu" / "tables" / "04_table_one_tuebingen.csv")
    table = table[table["metric"] == "CC"].set_index("row")
    labels = {
        "the paper's model, trained here (`paper-cpu`: 128 px, MiniLM)": "ours: this profile's "
        "model",
        "mean training map": "mean training map",
        "free-viewing map of the same image (records with a sentence)": "free-viewing map of the "
        "same image (records with a sentence)",
        "split-half reliability: half of the fixations predicts the other half": "split-half "
        "reliability: half of the fixations predicts the other half",
        "the same, Spearman–Brown corrected to whole samples": "split-half reliability, "
        "Spearman–Brown corrected to whole samples",
    }
    found = rows("What we measured on real gaze")
    for label, row in labels.items():
        for cell, subset in zip(found[label], ("Total", "General", "Sal", "Non_sal"), strict=True):
            mean, low, high = re.findall(r"[\d.]+", cell)
            expected = table.loc[row, [subset, f"{subset}_low", f"{subset}_high"]]
            assert mean == f"{expected.iloc[0]:.3f}", (label, subset)
            assert (low, high) == (f"{expected.iloc[1]:.2f}", f"{expected.iloc[2]:.2f}")
    printed = found["paper, as printed (another protocol, see above)"]
    assert printed == [f"{value:.3f}" for value in PAPER_TABLE_I.loc["cc"]]
    table = pd.read_csv(REPORTS / "sjtu-tis-paper-cpu" / "tables" / "04_table_one_tuebingen.csv")
    nss = table[table["metric"] == "NSS"].set_index("row")["Total"]
    model, mean, free, half = (f"{nss[row]:.2f}" for row in list(labels.values())[:4])
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert f"Total: {model}, (0.224, another definition), {mean}, {free}, {half} (of" in text


def test_what_people_do_is_what_the_tables_say():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    tables = REPORTS / "sjtu-tis-paper-cpu" / "tables"
    effect = pd.read_csv(tables / "01_sentence_effect.csv")
    effect = effect.set_index(["metric", "predictor", "gaze"])
    exchange = effect.loc[("cc", "salient", "non_salient")]
    assert f"non-salient sentence correlate at {exchange['mean']:.2f};" in text
    lost = [f"{1 - exchange[key]:.2f}" for key in ("mean", "high", "low")]
    assert "costs people's own map {} CC [{}, {}]".format(*lost) in text
    within = [effect.loc[("cc_halves", c, c), "mean"] for c in ("none", "salient", "non_salient")]
    assert min(within) >= 0.90
    moved = pd.read_csv(tables / "05_change_agreement.csv").set_index(["condition", "measure"])
    moved = moved["mean"]["all"]
    said = f"moves {moved['predicted_share']:.0%} of".replace("%", " %")
    assert said in text
    assert f"people's maps differ by {moved['measured_share']:.0%} ".replace("%", " %") in text
    heard = pd.read_csv(tables / "05_listening.csv").set_index("sentence")["moved"]
    assert f"({heard['no meaning']:.0%} when it reads nonsense)".replace("%", " %") in text
    cost = pd.read_csv(tables / "05_differences.csv")
    cost = cost[(cost["who"] == "paper model, total") & (cost["variant"] == "no_text")]
    cost = cost[(cost["metric"] == "cc") & (cost["condition"] == "all")].iloc[0]
    said = f"{cost['mean']:.3f} CC [{cost['low']:.3f}, {cost['high']:.3f}] better"
    assert f"Without any text it is {said}" in text
    assert f"two changes correlate at {moved['correlation']:.2f}." in text


def test_the_table_of_one_split_is_what_was_measured():
    found = rows("What we measured on real gaze")
    table = pd.read_csv(REPORTS / "sjtu-tis-one-split" / "tables" / "comparison.csv")
    table = table.set_index(["run", "metric", "condition"])["mean"]
    columns = [("cc", "all"), ("nss", "all"), ("cc", "salient"), ("cc", "non_salient")]
    columns += [("cc_lost", "salient"), ("cc_lost", "non_salient")]
    for label, run in (
        ("mean training map (again)", "mean_map"),
        ("compact, encoder `none`", "none-0"),
        ("compact, `hashing`", "hashing-0"),
    ):
        cells = ", ".join(found[label]).split(", ")
        for (metric, condition), cell in zip(columns, cells, strict=False):
            if cell != "–":
                digits = 2 if metric == "nss" else 3
                assert cell == f"{table[run, metric, condition]:z.{digits}f}", (label, metric)
    cells = ", ".join(found["**compact, `minilm`** (mean ± SD of 3 seeds)"]).replace("*", "")
    for (metric, condition), cell in zip(columns, cells.split(", "), strict=True):
        seeds = pd.Series([table[f"compact-{seed}", metric, condition] for seed in range(3)])
        digits = 2 if metric == "nss" else 3
        assert cell == f"{seeds.mean():.{digits}f} ± {seeds.std():.{digits}f}", metric
    people = pd.read_csv(REPORTS / "sjtu-tis-paper-cpu" / "tables" / "01_sentence_effect.csv")
    people = people.set_index(["metric", "predictor", "gaze"])["mean"]
    lost = f"{1 - people['cc', 'salient', 'non_salient']:.2f}"
    assert found["people: what the other sentence's map loses"][-1] == f"{lost}, {lost}"


def test_what_the_papers_model_trained_here_makes_of_sentences():
    found = rows("What we measured on real gaze")["the paper's model, trained here"]
    table = pd.read_csv(REPORTS / "sjtu-tis-paper-cpu" / "tables" / "05_differences.csv")
    table = table[(table["metric"] == "cc") & (table["variant"] == "swapped")]
    table = table[table["who"] != "people"].set_index("condition")
    told = table.loc[["salient", "non_salient"]]
    assert found[2:4] == [f"{value:.3f}" for value in told["reference"]]
    assert found[4] == ", ".join(f"{-value:z.3f}".replace("-", "−") for value in told["mean"])
    _, _, cc, nss = summary("ours", "tuebingen")
    assert (found[0], found[1]) == (cc, f"{float(nss):.2f}")
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for kind, row in told.iterrows():
        mean, low, high = (f"{-row[k]:z.3f}".replace("-", "−") for k in ("mean", "high", "low"))
        assert f"{kind.replace('_', '-')} {mean} CC [{low}, {high}]" in text


def of_folds(report: str, model: str, condition: str, metric: str) -> pd.Series:
    table = pd.read_csv(REPORTS / report / "tables" / "sweep.csv")
    chosen = (table["model"] == model) & (table["condition"] == condition)
    (row,) = [row for _, row in table[chosen & (table["metric"] == metric)].iterrows()]
    return row


def test_the_table_of_folds_is_what_the_folds_gave():
    found = rows("What we measured on real gaze")
    columns = [("all", "cc"), ("all", "nss"), ("none", "cc"), ("salient", "cc")]
    columns += [("non_salient", "cc")]
    labels = {
        "mean training map (again) (again)": ("sjtu-tis-folds/pretrained", "mean_map"),
        "compact, not pretrained": ("sjtu-tis-folds/plain", "best"),
        "compact, pretrained on OSIE and Scene500": ("sjtu-tis-folds/pretrained", "best"),
        "compact, pretrained, mean of two trainings": ("sjtu-tis-folds/soup", "best"),
        "the same, seen at 256 and 448 px": ("sjtu-tis-folds/finer", "best"),
        "the same, with class matches": ("sjtu-tis-folds/classes", "best"),
        "**compact, the package's recipe: and with colours and sides**": ("sjtu-tis-best", "best"),
    }
    for label, (name, model) in labels.items():
        for cell, (condition, metric) in zip(found[label], columns, strict=False):
            row = of_folds(name, model, condition, metric)
            mean, low, high = re.findall(r"[\d.]+", cell)
            assert mean == f"{row['mean']:.3f}", (label, condition, metric)
            assert (low, high) == (f"{row['low']:.2f}", f"{row['high']:.2f}"), (label, condition)
        if model == "best":
            kinds = ("salient", "non_salient")
            lost = [of_folds(name, model, kind, "lost_content")["mean"] for kind in kinds]
            assert found[label][-1].strip("*") == ", ".join(f"{value:.3f}" for value in lost)


def test_what_a_step_is_worth_is_the_paired_difference():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    steps = {
        "sjtu-tis-folds/pretrained/tables/minus_plain.csv": (
            ("cc", "all", "0.009 CC"),
            ("cc", "non_salient", "0.021"),
        ),
        "sjtu-tis-folds/finer/tables/minus_384.csv": (
            ("nss", "all", "0.023 NSS"),
            ("cc", "all", "0.001 CC"),
            ("cc", "non_salient", "0.006"),
        ),
        "sjtu-tis-best/tables/minus_classes.csv": (
            ("nss", "all", "0.010 NSS"),
            ("cc", "all", "0.003 CC"),
            ("cc", "non_salient", "0.012 CC"),
            ("cc", "salient", "0.006 CC"),
            ("lost_content", "non_salient", "0.020 more"),
            ("lost_content", "salient", "0.006 more"),
        ),
        "sjtu-tis-folds/classes/tables/minus_finer.csv": (
            ("nss", "all", "0.008 NSS"),
            ("cc", "all", "0.002 CC"),
            ("cc", "non_salient", "0.009 CC"),
            ("cc", "none", "−0.001 CC"),
            ("nss", "none", "−0.008 NSS"),
            ("ig", "none", "−0.013 bits"),
            ("ig", "all", "0.004"),
            ("lost_content", "salient", "−0.006"),
        ),
    }
    for path, said in steps.items():
        table = pd.read_csv(REPORTS / path).set_index(["metric", "condition"])
        (line,) = (line for line in text.splitlines() if path in line)
        for metric, condition, about in said:
            row = table.loc[metric, condition]
            worth, low, high = (
                f"{row[name]:.3f}".replace("-", "−") for name in ("difference", "low", "high")
            )
            assert about.startswith(worth)
            assert f"{about} [{low}, {high}]" in line


def test_what_is_gained_over_the_center_bias_is_of_records_with_a_sentence():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    kinds = ("general", "salient", "non_salient")
    rows = [of_folds("sjtu-tis-best", "best", kind, "ig") for kind in kinds]
    gained = sum(row["mean"] * row["n_records"] for row in rows) / sum(r["n_records"] for r in rows)
    assert f"the compact model {gained:.2f} (all images" in text
    free = of_folds("sjtu-tis-best", "free_viewing", "all", "ig")["mean"]
    assert f"the free-viewing map gains {free:.2f} bits" in text


def test_the_views_that_were_tried_are_what_the_folds_gave():
    table = pd.read_csv(REPORTS / "sjtu-tis-folds" / "soup" / "tables" / "views.csv")
    table = table[table["part"] == "test"].set_index("averaged")
    text = (ROOT / "docs" / "compact.md").read_text(encoding="utf-8")
    section = text.split("**Seen at other sizes.**")[1].split("So a finer second scale")[0]
    names = {"with their mirror images": ", mirrored too", "to the power 1.3": ", to the power 1.3"}
    said = [line.strip("| ").split(" | ") for line in section.splitlines() if " px" in line[:40]]
    rows = [cells for cells in said if len(cells) == 6]
    assert len(rows) == 8
    for label, *cells in rows:
        sizes = "+".join(re.findall(r"\b\d{3}\b", label))
        row = table.loc[sizes + "".join(new for old, new in names.items() if old in label)]
        columns = ["cc", "nss", "cc_none", "cc_salient", "cc_non_salient"]
        assert cells == [f"{value:.3f}" for value in row[columns]], label


def test_the_card_of_the_weights_is_what_the_folds_gave():
    card = (ROOT / "csalgan" / "weights" / "README.md").read_text(encoding="utf-8")
    said = {
        "CC, all 1530 records": ("all", "cc"),
        "NSS": ("all", "nss"),
        "CC, free viewing": ("none", "cc"),
        "shuffled AUC, negatives of the same condition": ("all", "sauc"),
        "CC, general sentence": ("general", "cc"),
        "SIM": ("all", "sim"),
        "CC, salient sentence": ("salient", "cc"),
        "KL": ("all", "kl"),
        "CC, non-salient sentence": ("non_salient", "cc"),
        "information gain, bits": ("all", "ig"),
    }
    for label, (condition, metric) in said.items():
        row = of_folds("sjtu-tis-best", "best", condition, metric)
        value = f"{row['mean']:.3f} [{row['low']:.3f}, {row['high']:.3f}]"
        assert f"| {label} | {value} |" in card, label


def test_no_number_of_a_table_is_left_without_a_test():
    for name, test in list(globals().items()):
        if name.startswith("test_") and name != "test_no_number_of_a_table_is_left_without_a_test":
            test()
    for heading in ("How far the paper reproduces", "What we measured on real gaze"):
        found = rows(heading)
        numbers = {label for label in found if re.search(r"\d\.\d", " ".join(found.get(label)))}
        assert numbers == {label for of, label in LOOKED_UP if of == heading} & numbers, heading
        assert len(numbers) >= 10
