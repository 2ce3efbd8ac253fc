"""``csalgan evaluate``: anyone's maps, every number with its provenance."""

import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from csalgan.cli.options import (
    PARTS,
    BootstrapOption,
    DataOption,
    SubsetOption,
    open_clean,
    require_one_of,
)
from csalgan.data.records import CONDITIONS, SUBSETS
from csalgan.files.errors import CsalganError
from csalgan.files.inputs import MOST_SEED
from csalgan.files.progress import Progress, counted, doing


def evaluate(
    predictions: Annotated[
        Path,
        typer.Argument(
            help="A folder of maps named by record (PNG, JPEG, .npy; any size), or of a run."
        ),
    ],
    data: DataOption = "",
    profile: Annotated[
        list[str] | None,
        typer.Option(
            "--profile", "-p", help="tuebingen, mit or paper; repeatable, or a comma list."
        ),
    ] = None,
    subset: SubsetOption = "total",
    split: Annotated[str, typer.Option(help="Part to score: all, train, val or test.")] = "all",
    seed: Annotated[
        int | None,
        typer.Option(
            min=0, max=MOST_SEED, help="Of the split and of metrics that draw; 0, or the run's."
        ),
    ] = None,
    controls: Annotated[
        str,
        typer.Option(help="Gaze on other images in sAUC and IG: of the same condition, or pooled."),
    ] = "condition",
    uniform_share: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            help="Mixed into the maps' densities for KL and IG (0: they are densities); "
            "by default fitted on the maps of validation or training images.",
        ),
    ] = None,
    baselines: Annotated[
        bool,
        typer.Option("--baselines", help="Score baselines and split-half reliability as well."),
    ] = False,
    explain: Annotated[
        str, typer.Option(metavar="RECORD", help="Only this record, under every profile, and why.")
    ] = "",
    bootstrap: BootstrapOption = 1000,
    out: Annotated[
        Path | None, typer.Option("--out", help="CSV of the scores, one row a record and metric.")
    ] = None,
) -> None:
    """Score saliency maps per condition and subset, with 95 % intervals over images."""
    names = _profiles(profile)
    require_one_of("--split", split, PARTS)
    require_one_of("--subset", subset)
    if not predictions.is_dir():
        raise CsalganError(
            f"{predictions}: no such folder; give a folder of saliency maps or of a training run."
        )
    from csalgan.files.writing import require_writable

    if out is not None:
        require_writable(out.parent)
    with doing("opening the data"):
        from csalgan import evaluation
        from csalgan.config import TrainingConfig
        from csalgan.data import make_split
        from csalgan.evaluation.baselines import YARDSTICKS
        from csalgan.files.compute import use_threads
        from csalgan.files.spreadsheets import write_csv
        from csalgan.prediction import Predictor

        dataset = open_clean(data)
        run = _run(predictions)
    use_threads(run.profile.training.threads if run else TrainingConfig().threads)
    predictor = Predictor.of_run(run) if run else None
    if predictor:
        rule, own = predictor.split
        parts = replace(predictor, split=(rule, own if seed is None else seed)).split_of(dataset)
    else:
        parts = make_split(dataset.records, "image", seed or 0)
    records = dataset.subset(subset)
    records = records if split == "all" else parts.of(split, records)
    if records.empty and parts.rule == "all":
        raise CsalganError(
            f"{dataset.root}: the model was trained on all of these images, so none is left for "
            f"--split {split}; give other data, or --split all to score what it has seen."
        )
    if records.empty:
        raise CsalganError(f"{dataset.root}: subset {subset} has no record in part {split}.")

    evaluator = evaluation.Evaluator(
        dataset,
        parts,
        metric_profiles=names,
        controls=controls,
        seed=parts.seed,
        provenance=predictor.receipt if predictor else None,
    )
    if predictor:
        predict = partial(predictor.predict_records, dataset)
    else:

        def predict(rows):
            return evaluation.open_folder(predictions, dataset, rows).predictions()

    if uniform_share is None:
        held = _held_back(parts, dataset, None if run else predictions)
        uniform_share = evaluator.uniform_share(predict, held) if len(held) else None
    if explain:
        row = _row_of(dataset, explain)
        if run:
            prediction = next(iter(predict(row)))[1]
        else:  # what cannot be read is said, not passed over
            found = evaluation.open_folder(predictions, dataset, row)
            prediction = evaluation.read_map(found.files[explain])
        print(evaluation.explain(evaluator, explain, prediction, uniform_share))
        return
    folder = None if run else evaluation.open_folder(predictions, dataset, records)
    maps = predict(records) if run else folder.predictions()
    model = f"{run.profile.model.kind} model, {run.subset}" if run else predictions.resolve().name
    if model in (*YARDSTICKS, evaluation.OURS):  # names that tables keep for their own
        model += " (maps)"
    import pandas as pd

    maps = Progress(maps, total=len(records), desc="score", unit=" records")
    tables = [evaluator(maps, records, model=model, share=uniform_share)]
    if folder is not None:
        _report_faults(folder, len(records))
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
    if predictor:
        print(f"predicted in {predictor.precision}")
    if uniform_share is not None:
        print(f"KL and IG: of densities with a uniform share of {uniform_share:.3f}.")
    elif "tuebingen" in names:
        print(
            "KL and IG are left out: there is no map of a validation or training image to make "
            "these maps densities by; add some, or give --uniform-share."
        )
    if run and (seen := len(set(parts.train) & set(records["record"]))):
        print(f"note: among them, {counted(seen, 'record')} that the model was trained on.")
    if run and dataset.fingerprint[:12] in run.provenance.pretraining:
        print("note: the model was pretrained on all of these images.")
    if out is None:
        print("Add --out scores.csv to keep the score of every record.")
    else:
        write_csv(out, scores)
        print(f"{out}: {counted(len(scores), 'score')}")


def _profiles(given: list[str] | None) -> list[str]:
    from csalgan.metrics import profile_info

    names = [name.strip() for item in given or ["tuebingen"] for name in item.split(",")]
    for name in names:
        profile_info(name)
    return names


def _run(folder: Path):
    """The training run in a folder; None when it holds maps."""
    if not (folder / "run.json").is_file():
        return None
    from csalgan.training import Run

    return Run.load(folder)


def _row_of(dataset, record: str):
    rows = dataset.records[dataset.records["record"] == record]
    if rows.empty:
        raise CsalganError(
            f"--explain {record}: the dataset has no such record; names are like "
            f"{dataset.records['record'].iloc[0]}."
        )
    return rows


def _held_back(parts, dataset, folder: Path | None):
    """Rows that are not tested on, with a map in the folder: of validation, else of training."""
    there = None if folder is None else {path.stem for path in folder.iterdir()}
    for part in ("val", "train"):
        rows = parts.of(part, dataset.records)
        rows = rows if there is None else rows[rows["record"].isin(there)]
        if len(rows):
            break
    return rows


def _report_faults(folder, n_records: int) -> None:
    for line in folder.faults:
        print(line, file=sys.stderr)
    if folder.faults:
        scored = len(folder.files) - folder.unreadable
        found, records = counted(len(folder.faults), "fault"), counted(n_records, "record")
        print(f"{found}; {scored} of {records} scored.", file=sys.stderr)


def _print_scores(scores, dataset, subset: str, bootstrap: int, seed: int) -> None:
    """Per model and profile: one block of conditions, one of subsets."""
    from csalgan import evaluation

    both = evaluation.with_subsets(scores, dataset)
    both = both if subset == "total" else both[both["subset"] == subset]
    blocks = (
        ("condition", CONDITIONS, scores),
        ("subset", SUBSETS if subset == "total" else (subset,), both),
    )
    tables = [
        (column, order, evaluation.summarise(rows, ["model", column], bootstrap, seed))
        for column, order, rows in blocks
    ]
    for model in scores["model"].drop_duplicates():
        for profile in scores["metric_profile"].drop_duplicates():
            print(f"\n{evaluation.row_label(model)} · profile {profile} · mean [95 % interval]")
            for column, order, table in tables:
                mine = table[(table["model"] == model) & (table["metric_profile"] == profile)]
                _print_block(mine, column, order)


def _print_block(table, column: str, order) -> None:
    import pandas as pd

    from csalgan.evaluation import METRIC_LABELS

    shown = {}
    for value in order:
        rows = table[table[column] == value]
        if len(rows):
            shown[value] = {METRIC_LABELS[row.metric]: _cell(row) for row in rows.itertuples()}
            shown[value]["records"] = rows[["n_records", "n_undefined"]].sum(axis=1).max()
    print(pd.DataFrame(shown).rename_axis(columns=column).to_string())


def _cell(row) -> str:
    undefined = f" ({row.n_undefined} NaN)" if row.n_undefined else ""
    return f"{row.mean:.3f} [{row.low:.3f}, {row.high:.3f}]{undefined}"
