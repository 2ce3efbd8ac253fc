"""``csalgan evaluate`` and ``author``: scores, every number with its provenance."""

import sys
import time
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from csalgan.cli.options import (
    BootstrapOption,
    ClipOption,
    DataOption,
    PartOption,
    SeedOption,
    SubsetOption,
    open_clean,
    require_table,
)
from csalgan.data.records import CONDITIONS, SUBSETS
from csalgan.files.errors import CsalganError
from csalgan.files.inputs import MOST_SEED
from csalgan.files.progress import Progress, counted, doing

_SHOWN = 20  # faults of one kind


def evaluate(
    predictions: Annotated[
        Path, Argument(help="Folder of a run, or of maps named by record (PNG, JPEG, .npy).")
    ],
    data: DataOption = "",
    metric_profile: Annotated[
        list[str] | None,
        Option("--metric-profile", "--profile", "-p", help="tuebingen, mit or paper; repeatable."),
    ] = None,
    subset: SubsetOption = "total",
    split: PartOption = "all",
    seed: Annotated[
        int | None, Option(min=0, max=MOST_SEED, help="Of split and draws; 0, or the run's.")
    ] = None,
    controls: Annotated[
        str, Option(help="Gaze on other images in sAUC and IG: of the same condition, or pooled.")
    ] = "condition",
    uniform_share: Annotated[
        float | None, Option(min=0, max=1, help="Mixed into maps for KL and IG; fitted else.")
    ] = None,
    baselines: Annotated[
        bool, Option("--baselines", help="Score baselines and split-half reliability as well.")
    ] = False,
    explain: Annotated[
        str, Option(metavar="RECORD", help="Only this record, under every metric profile, and why.")
    ] = "",
    bootstrap: BootstrapOption = 1000,
    clip_weights: ClipOption = None,
    name: Annotated[str, Option(help="What tables call the model.")] = "",
    out: Annotated[Path | None, Option(help="CSV of the scores of every record.")] = None,
) -> None:
    """Score saliency maps per condition and subset, with intervals."""
    from csalgan.metrics import profile_info

    names = [name.strip() for item in metric_profile or ["tuebingen"] for name in item.split(",")]
    for one in names:
        profile_info(one)
    if not predictions.is_dir() or not any(predictions.iterdir()):
        what = "is empty" if predictions.is_dir() else "no such folder"
        raise CsalganError(
            f"{predictions}: {what}; give a folder of saliency maps or of a training run."
        )
    if explain and out:
        raise CsalganError("--explain prints one record and writes no table; leave --out out.")
    # What takes a moment is tried before the data are looked at.
    require_table(out, *([Path(data)] if data else []))
    with doing("opening the data"):
        import pandas as pd

        from csalgan import evaluation
        from csalgan.config import TrainingConfig
        from csalgan.evaluation.baselines import YARDSTICKS
        from csalgan.files.compute import use_threads
        from csalgan.files.spreadsheets import write_csv
        from csalgan.prediction import Predictor, split_for

        dataset = open_clean(data)
        is_run = (predictions / "run.json").is_file()
        model = Predictor.open(predictions, clip_weights=clip_weights) if is_run else None
    use_threads(model.threads if model else TrainingConfig().threads)
    rule, own = model.split if model else ("image", 0)
    trained_on = model.provenance.fingerprint if model else ""
    parts = split_for(dataset, (rule, own if seed is None else seed), trained_on)
    records = dataset.subset(subset)
    records = records if split == "all" else parts.of(split, records)
    if records.empty:
        why = f"subset {subset} has no record in part {split}; take --split all."
        if parts.rule == "all":
            why = "the model was trained on all of these images; take --split all, or other data."
        raise CsalganError(f"{dataset.root}: {why}")

    def maps_of(rows):
        if model:
            return model.predict_records(dataset, rows)
        return evaluation.open_folder(predictions, dataset, rows).predictions()

    settings = {"metric_profiles": names, "controls": controls, "seed": parts.seed}
    provenance = model.map_provenance if model else None
    evaluator = evaluation.Evaluator(dataset, parts, **settings, provenance=provenance)
    if uniform_share is None:
        held = _held_back(parts, dataset, None if model else predictions)
        uniform_share = evaluator.uniform_share(maps_of, held) if len(held) else None
    if explain:
        dataset.row(explain)  # refuses what is no record
        row = dataset.records[dataset.records["record"] == explain]
        if model:
            _, saliency = next(maps_of(row))
        else:  # what cannot be read is said, not passed over
            folder = evaluation.open_folder(predictions, dataset, row)
            saliency = evaluation.read_map(folder.files[explain])
        print(evaluation.explain(evaluator, explain, saliency, uniform_share))
        return

    folder = None if model else evaluation.open_folder(predictions, dataset, records)
    called = name or (model.name if model else predictions.resolve().name)
    if called in (*YARDSTICKS, evaluation.OURS):  # names that tables keep for their own
        called += " (maps)"
    maps = maps_of(records) if model else folder.predictions()
    maps = Progress(maps, total=len(records), desc="score", unit=" records")
    tables = [evaluator(maps, records, model=called, share=uniform_share)]
    if folder is not None and (faults := folder.faults):
        read = len(folder.files) - folder.unreadable
        summary = f"{read} of {counted(len(records), 'record')} scored."
        told = pd.Series(faults)
        most = _SHOWN if sys.stderr.isatty() else len(told)
        shown = told.groupby(told.str.partition(":")[0], sort=False).head(most)
        cut = f" (at most {_SHOWN} of a kind are shown)" if len(shown) < len(told) else ""
        print(*shown, f"{counted(len(told), 'fault')}{cut}; {summary}", sep="\n", file=sys.stderr)
    if tables[0].empty:
        raise CsalganError(f"{predictions}: none of its files could be read; see above.")
    if baselines:
        train = parts.of("train", dataset.subset(subset))
        each = Progress(evaluator.yardsticks, desc="baselines", unit=" baselines")
        tables += [evaluator.baseline(name, records, train=train) for name in each]
    scored = records[records["record"].isin(tables[0]["record"])]
    seen = model.seen(dataset, scored) if model else _seen(predictions, scored)
    known = "" if seen is None else tables[0]["record"].isin(scored.loc[seen, "record"])
    tables[0] = tables[0].assign(trained_on=known)
    scores = pd.concat([table for table in tables if len(table)], ignore_index=True)
    _print_scores(scores, dataset, subset, bootstrap, parts.seed)
    print(
        f"\ndata: {dataset.name} [{dataset.fingerprint[:12]}] · records: {subset}, {split} "
        f"({len(scored)} of {len(records)}) · split: {parts.rule}, seed {parts.seed} · sAUC and IG "
        f"against other images, {evaluation.CONTROLS[controls]} · "
        f"commit: {scores['commit'].iloc[0]}"
    )
    if model:
        print(f"predicted in {model.precision}")
    if uniform_share is not None:
        print(f"KL and IG: of densities with a uniform share of {uniform_share:.3f}.")
    elif "tuebingen" in names:
        print("KL and IG are left out: add maps of other images, or give --uniform-share.")
    if seen is not None and seen.any():
        told = counted(int(seen.sum()), "record")
        print(f"note: {told} of images that the model was trained on.")
    if model and trained_on != dataset.fingerprint[:12]:
        print(f"note: the model was trained on other data, {model.provenance.data}.")
    if model and (before := model.pretrained_on(dataset)):
        print(f"note: the model was pretrained on {counted(before, 'image')} of these data.")
    if not baselines:
        print("Add --baselines to see what center bias, mean map and people reach here.")
    if out is None:
        print("Add --out scores.csv to keep the score of every record.")
    else:
        write_csv(out, scores)
        print(f"{out}: {counted(len(scores), 'score')}")


def _seen(maps: Path, records):
    """Bool for each record: whether it shows a training image, by ``predictions.csv`` beside the
    maps; None where that is not known."""
    from csalgan.files.spreadsheets import read_csv

    try:
        told = read_csv(maps.parent / "predictions.csv", dtype=str)
        names = told.loc[told["trained_on"] == "True", "map"]
    except (CsalganError, OSError, KeyError):  # none, or none of csalgan's
        return None
    return records["record"].isin([Path(name).stem for name in names])


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

    both = evaluation.with_subsets(scores, {name: dataset.subset(name) for name in SUBSETS})
    both = both if subset == "total" else both[both["subset"] == subset]
    blocks = {"condition": (scores, CONDITIONS), "subset": (both, SUBSETS)}
    tables = {}
    for column, (rows, order) in blocks.items():
        table = evaluation.summarise(rows, ["model", column], bootstrap, seed)
        undefined = table["n_undefined"].map(lambda n: f" ({n} NaN)" if n else "")
        table["cell"] = table.apply("{0[mean]:.3f} [{0[low]:.3f}, {0[high]:.3f}]".format, axis=1)
        alone = table["n_images"] == 1
        table.loc[alone, "cell"] = table["mean"].map("{:.3f} (one image)".format)
        table["cell"] += undefined
        table["records"] = table["n_records"] + table["n_undefined"]
        table["metric"] = table["metric"].map(evaluation.METRIC_LABELS)
        tables[column] = table.set_index(["model", "metric_profile"]), order
    for model, profile in scores[["model", "metric_profile"]].drop_duplicates().to_numpy():
        print(f"\n{evaluation.row_label(model)} · metric profile {profile} · mean [95 % interval]")
        for column, (table, order) in tables.items():
            mine = table.loc[[(model, profile)]]
            block = mine.pivot(index="metric", columns=column, values="cell")
            block = block.loc[mine["metric"].unique(), [one for one in order if one in block]]
            block.loc["records"] = mine.groupby(column)["records"].max().astype(str)
            print(block.rename_axis(index=None).to_string())


def author(
    clone: Annotated[Path, Argument(help="A clone of github.com/Firehdx/CLIP-SalGAN.")],
    data: Annotated[str, Option(help="SJTU-TIS: its folder or archive.")],
    out: Annotated[
        Path | None, Option(help="Folder of the report; reports/author-weights else.")
    ] = None,
    draws: Annotated[int, Option(min=1, max=100_000, help="Records drawn in one repeat.")] = 300,
    repeats: Annotated[int, Option(min=2, max=1000, help="Repeats; their spread.")] = 10,
    seed: SeedOption = 0,
    clip_weights: ClipOption = None,
) -> None:
    """Score the author's weights, by their protocol and the field's."""
    from csalgan.author import provenance_of, score_clone, write_report
    from csalgan.data.clone import find_weights
    from csalgan.files import paths
    from csalgan.files.locks import locked
    from csalgan.files.writing import require_writable

    began = time.perf_counter()
    out = out or paths.reports_dir() / "author-weights"
    require_writable(out)  # what takes a moment is tried before the data are looked at
    find_weights(clone)
    dataset = open_clean(data)
    with locked(out):
        scores = score_clone(
            clone, dataset, draws=draws, repeats=repeats, clip_weights=clip_weights, seed=seed
        )
        seconds = round(time.perf_counter() - began)
        settings = {"draws": draws, "repeats": repeats, "seconds": seconds}
        path = write_report(out, scores, provenance_of(scores, dataset, seed), **settings)
    print(path.read_text(encoding="utf-8"))
    print(f"{path} ({seconds} s)")
