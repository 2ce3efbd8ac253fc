"""``csalgan evaluate``: anyone's maps, every number with its provenance."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from csalgan.cli.options import BootstrapOption, DataOption, PartOption, SubsetOption, open_clean
from csalgan.data.records import CONDITIONS, SUBSETS
from csalgan.files.errors import CsalganError
from csalgan.files.inputs import MOST_SEED
from csalgan.files.progress import Progress, counted, doing


def evaluate(
    predictions: Annotated[
        Path,
        Argument(help="A folder of maps named by record (PNG, JPEG, .npy; any size), or of a run."),
    ],
    data: DataOption = "",
    profile: Annotated[
        list[str] | None,
        Option("--profile", "-p", help="tuebingen, mit or paper; repeatable, or a comma list."),
    ] = None,
    subset: SubsetOption = "total",
    split: PartOption = "all",
    seed: Annotated[
        int | None,
        Option(
            min=0, max=MOST_SEED, help="Of the split and of metrics that draw; 0, or the run's."
        ),
    ] = None,
    controls: Annotated[
        str, Option(help="Gaze on other images in sAUC and IG: of the same condition, or pooled.")
    ] = "condition",
    uniform_share: Annotated[
        float | None,
        Option(
            min=0,
            max=1,
            help="Mixed into the maps' densities for KL and IG (0: they are densities); "
            "by default fitted on the maps of validation or training images.",
        ),
    ] = None,
    baselines: Annotated[
        bool, Option("--baselines", help="Score baselines and split-half reliability as well.")
    ] = False,
    explain: Annotated[
        str, Option(metavar="RECORD", help="Only this record, under every profile, and why.")
    ] = "",
    bootstrap: BootstrapOption = 1000,
    out: Annotated[
        Path | None, Option(help="CSV of the scores, one row a record and metric.")
    ] = None,
) -> None:
    """Score saliency maps per condition and subset, with 95 % intervals over images."""
    from csalgan.files.writing import require_writable
    from csalgan.metrics import profile_info

    names = [name.strip() for item in profile or ["tuebingen"] for name in item.split(",")]
    for name in names:
        profile_info(name)
    if not predictions.is_dir():
        raise CsalganError(
            f"{predictions}: no such folder; give a folder of saliency maps or of a training run."
        )
    if out is not None:
        require_writable(out.parent)
    with doing("opening the data"):
        import pandas as pd

        from csalgan import evaluation
        from csalgan.config import TrainingConfig
        from csalgan.data import make_split
        from csalgan.evaluation.baselines import YARDSTICKS
        from csalgan.files.compute import use_threads
        from csalgan.files.spreadsheets import write_csv
        from csalgan.prediction import Predictor

        dataset = open_clean(data)
        is_run = (predictions / "run.json").is_file()
        model = Predictor.open(predictions) if is_run else None
    use_threads(model.threads if model else TrainingConfig().threads)
    if model:
        rule, own = model.split
        parts = replace(model, split=(rule, own if seed is None else seed)).split_of(dataset)
    else:
        parts = make_split(dataset.records, "image", seed or 0)
    records = dataset.subset(subset)
    records = records if split == "all" else parts.of(split, records)
    if records.empty:
        why = f"subset {subset} has no record in part {split}."
        if parts.rule == "all":
            why = (
                "the model was trained on all of these images, so none is left for --split "
                f"{split}; give other data, or --split all to score what it has seen."
            )
        raise CsalganError(f"{dataset.root}: {why}")

    def maps_of(rows):
        if model:
            return model.predict_records(dataset, rows)
        return evaluation.open_folder(predictions, dataset, rows).predictions()

    evaluator = evaluation.Evaluator(
        dataset,
        parts,
        metric_profiles=names,
        controls=controls,
        seed=parts.seed,
        provenance=model.receipt if model else None,
    )
    if uniform_share is None:
        held = _held_back(parts, dataset, None if model else predictions)
        uniform_share = evaluator.uniform_share(maps_of, held) if len(held) else None
    if explain:
        row = dataset.records[dataset.records["record"] == explain]
        if row.empty:
            raise CsalganError(
                f"--explain {explain}: the dataset has no such record; names are like "
                f"{dataset.records['record'].iloc[0]}."
            )
        if model:
            _, saliency = next(maps_of(row))
        else:  # what cannot be read is said, not passed over
            saliency = evaluation.read_map(
                evaluation.open_folder(predictions, dataset, row).files[explain]
            )
        print(evaluation.explain(evaluator, explain, saliency, uniform_share))
        return

    folder = None if model else evaluation.open_folder(predictions, dataset, records)
    called = model.name if model else predictions.resolve().name
    if called in (*YARDSTICKS, evaluation.OURS):  # names that tables keep for their own
        called += " (maps)"
    maps = maps_of(records) if model else folder.predictions()
    maps = Progress(maps, total=len(records), desc="score", unit=" records")
    tables = [evaluator(maps, records, model=called, share=uniform_share)]
    if folder is not None and (faults := folder.faults):
        scored = len(folder.files) - folder.unreadable
        print(*faults, sep="\n", file=sys.stderr)
        print(
            f"{counted(len(faults), 'fault')}; {scored} of {counted(len(records), 'record')} "
            "scored.",
            file=sys.stderr,
        )
    if tables[0].empty:
        raise CsalganError(f"{predictions}: none of its files could be read; see above.")
    if baselines:
        train = parts.of("train", dataset.subset(subset))
        each = Progress(evaluator.yardsticks, desc="baselines", unit=" baselines")
        tables += [evaluator.baseline(name, records, train=train) for name in each]
    scores = pd.concat([table for table in tables if len(table)], ignore_index=True)
    _print_scores(scores, dataset, subset, bootstrap, parts.seed)
    print(
        f"\ndata: {dataset.name} [{dataset.fingerprint[:12]}] · records: {subset}, {split} "
        f"({len(records)}) · split: {parts.rule}, seed {parts.seed} · sAUC and IG against other "
        f"images, {evaluation.CONTROLS[controls]} · commit: {scores['commit'].iloc[0]}"
    )
    if model:
        print(f"predicted in {model.precision}")
    if uniform_share is not None:
        print(f"KL and IG: of densities with a uniform share of {uniform_share:.3f}.")
    elif "tuebingen" in names:
        print(
            "KL and IG are left out: there is no map of a validation or training image to make "
            "these maps densities by; add some, or give --uniform-share."
        )
    if model and (seen := len(set(parts.train) & set(records["record"]))):
        print(f"note: among them, {counted(seen, 'record')} that the model was trained on.")
    if model and dataset.fingerprint[:12] in model.provenance.pretraining:
        print("note: the model was pretrained on all of these images.")
    if out is None:
        print("Add --out scores.csv to keep the score of every record.")
    else:
        write_csv(out, scores)
        print(f"{out}: {counted(len(scores), 'score')}")


def _held_back(parts, dataset, folder: Path | None):
    """Rows that are not tested on, with a map in the folder: of validation, else of training."""
    rows = dataset.records
    if folder is not None:
        rows = rows[rows["record"].isin({path.stem for path in folder.iterdir()})]
    validation = parts.of("val", rows)
    return validation if len(validation) else parts.of("train", rows)


def _print_scores(scores, dataset, subset: str, bootstrap: int, seed: int) -> None:
    """Per model and profile: one block of conditions, one of subsets."""
    from csalgan import evaluation

    both = evaluation.with_subsets(scores, dataset)
    both = both if subset == "total" else both[both["subset"] == subset]
    blocks = {"condition": (scores, CONDITIONS), "subset": (both, SUBSETS)}
    tables = {}
    for column, (rows, order) in blocks.items():
        table = evaluation.summarise(rows, ["model", column], bootstrap, seed)
        undefined = table["n_undefined"].map(lambda n: f" ({n} NaN)" if n else "")
        table["cell"] = table.apply("{0[mean]:.3f} [{0[low]:.3f}, {0[high]:.3f}]".format, axis=1)
        table["cell"] += undefined
        table["records"] = table["n_records"] + table["n_undefined"]
        table["metric"] = table["metric"].map(evaluation.METRIC_LABELS)
        tables[column] = table.set_index(["model", "metric_profile"]), order
    for model, profile in scores[["model", "metric_profile"]].drop_duplicates().to_numpy():
        print(f"\n{evaluation.row_label(model)} · profile {profile} · mean [95 % interval]")
        for column, (table, order) in tables.items():
            mine = table.loc[[(model, profile)]]
            block = mine.pivot(index="metric", columns=column, values="cell")
            block = block.loc[mine["metric"].unique(), [one for one in order if one in block]]
            block.loc["records"] = mine.groupby(column)["records"].max().astype(str)
            print(block.rename_axis(index=None).to_string())
