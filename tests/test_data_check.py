"""Every fault is named at once, file by file."""

import json
import sys

import numpy as np
import pytest
from damage import a_record, copy_of, write
from PIL import Image

from csalgan.cli import main
from csalgan.data import open_dataset
from csalgan.data.check import check_dataset, require_clean
from csalgan.files.errors import CsalganError


def kinds(report) -> dict[str, str]:
    return {fault.file: fault.kind for fault in report.faults}


def test_a_clean_dataset_has_no_fault(embedded):
    report = check_dataset(embedded)
    assert report.faults == []
    assert report.records.equals(open_dataset(embedded).records)


def test_all_faults_are_found_at_once(embedded, tmp_path):
    root = copy_of(embedded, tmp_path / "set")
    records = open_dataset(root).records
    names = records.loc[records["n_records"] == 4, "record"].tolist()
    shape = {r: open_dataset(root).map(r).shape for r in names}
    (root / "map" / f"{names[0]}.png").unlink()
    (root / "fixation" / f"{names[1]}.png").unlink()
    cut = root / "map" / f"{names[2]}.png"
    cut.write_bytes(cut.read_bytes()[:150])
    height, width = shape[names[3]]
    write(root / "fixation" / f"{names[3]}.png", np.full((height - 2, width), 255, np.uint8))
    odd = np.zeros(shape[names[4]], np.uint8)
    odd[5, 5] = 128
    odd[6, 6] = 255
    write(root / "fixation" / f"{names[4]}.png", odd)
    write(root / "fixation" / f"{names[5]}.png", np.zeros(shape[names[5]], np.uint8))
    write(root / "map" / f"{names[6]}.png", np.full(shape[names[6]], 7, np.uint8))
    (root / "map" / "stray.png").write_bytes(b"x")
    (root / "map" / "notes.txt").write_text("x")
    (root / "map" / ".DS_Store").write_text("x")
    Image.open(root / "map" / f"{names[7]}.png").save(root / "map" / f"{names[7]}.jpg")
    two = records.loc[records["n_records"] == 2, "image_id"].iloc[0]
    for path in (root / "image").glob(f"{two}*"):
        path.unlink()

    found = kinds(check_dataset(root))
    expected = {
        f"map/{names[0]}": "missing map",
        f"fixation/{names[1]}": "missing fixation",
        f"map/{names[2]}.png": "unreadable file",
        f"map/{names[3]}.png": "size mismatch",
        f"fixation/{names[4]}.png": "fixation values",
        f"fixation/{names[5]}.png": "empty fixation set",
        f"map/{names[6]}.png": "constant map",
        "map/stray.png": "unknown name",
        "map/notes.txt": "unknown name",
        "map/.DS_Store": "not a dataset file",
        f"map/{names[7]}.png": "duplicate record",
        f"image/{two}": "missing image",
        f"image/{two}_0": "missing image",
    }
    assert found == expected


def test_sentences_are_checked(embedded, tmp_path):
    root = copy_of(embedded, tmp_path / "set")
    record = a_record(root, "salient")
    key = record.lstrip("0")
    bare = key.partition("_")[0]  # of an image whose records all have a suffix
    path = root / "image_text.json"
    text = path.read_text(encoding="utf-8").replace(f'"{key}"', '"999_3"')
    path.write_text(text.replace("{", f'{{"{bare}": "A dog",', 1), encoding="utf-8")
    report = check_dataset(root)
    by_kind = {fault.kind: fault for fault in report.faults}
    assert record in by_kind["missing sentence"].message
    without = by_kind["sentence without record"].message
    assert without.startswith("2 sentences whose record is not here: ")
    assert set(without.split(": ")[1].split()) == {"999_3", bare}
    assert {"sentences disagree", "missing sentence", "sentence without record"} == set(by_kind)
    assert [fault.kind for fault in report.errors] == ["missing sentence"]
    path.write_text("{")
    assert "unreadable sentences" in kinds(check_dataset(root)).values()
    path.unlink()
    next(root.glob("*.xlsx")).unlink()
    assert "missing sentences" in kinds(check_dataset(root)).values()


def test_a_record_that_is_gone_from_an_image_that_is_here_is_an_error(embedded, tmp_path):
    root = copy_of(embedded, tmp_path / "set")
    record = a_record(root, "salient")
    for folder in ("image", "map", "fixation"):
        (root / folder / f"{record}.png").unlink(missing_ok=True)
    report = check_dataset(root)
    assert [fault.kind for fault in report.errors] == ["missing record"]
    assert record.lstrip("0") in report.errors[0].message


def test_an_image_has_two_records_or_four(embedded, tmp_path):
    root = copy_of(embedded, tmp_path / "set")
    (root / "image_text.json").unlink()  # the workbook does not name free viewing
    (root / "synthetic.json").unlink()  # it knows which records there are
    records = open_dataset(root).records
    four = records.loc[records["n_records"] == 4, "image_id"].unique()
    two = records.loc[records["n_records"] == 2, "image_id"].iloc[0]
    for folder in ("map", "fixation"):
        (root / folder / f"{four[0]}_0.png").unlink()
        (root / folder / f"{two}.png").unlink()
        source = root / folder / f"{four[1]}_1.png"
        (root / folder / f"{four[1]}.png").write_bytes(source.read_bytes())
    found = {(fault.kind, fault.file) for fault in check_dataset(root).errors}
    assert found == {
        ("missing record", f"map/{four[0]}_0"),
        ("missing record", f"map/{two}"),
        ("duplicate record", f"map/{four[1]}"),
        ("missing sentence", f"map/{four[1]}"),
    }


def test_maps_must_be_8_bit_grey(embedded, tmp_path):
    root = copy_of(embedded, tmp_path / "set")
    deep, coloured = a_record(root, "salient"), a_record(root, "none")
    dataset = open_dataset(root)
    pixels = np.stack([dataset.map(coloured)] * 3, axis=-1)
    write(root / "map" / f"{deep}.png", dataset.map(deep).astype(np.uint16) * 200)
    write(root / "map" / f"{coloured}.png", pixels)
    assert kinds(check_dataset(root)) == {f"map/{deep}.png": "map not grey"}
    with pytest.raises(CsalganError, match=rf"{deep}\.png: mode I;16; must be 8-bit grey"):
        open_dataset(root)
    pixels[..., 0] = 255 - pixels[..., 0]
    write(root / "map" / f"{coloured}.png", pixels)
    assert kinds(check_dataset(root)) == {
        f"map/{deep}.png": "map not grey",
        f"map/{coloured}.png": "map not grey",
    }
    with pytest.raises(CsalganError, match="is coloured"):
        dataset.map(coloured)


@pytest.mark.parametrize("lost", [8, 20, 200])
def test_a_png_without_its_end_is_found(embedded, tmp_path, lost):
    root = copy_of(embedded, tmp_path / "set")
    path = root / "map" / f"{a_record(root, 'salient')}.png"
    path.write_bytes(path.read_bytes()[:-lost])
    assert kinds(check_dataset(root)) == {f"map/{path.name}": "unreadable file"}


def test_a_sentence_of_free_viewing_is_a_warning_and_not_used(embedded, tmp_path):
    root = copy_of(embedded, tmp_path / "set")
    next(root.glob("*.xlsx")).unlink()
    record = a_record(root, "none")
    path = root / "image_text.json"
    sentences = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**sentences, record.lstrip("0"): "A dog."}), encoding="utf-8")
    report = check_dataset(root)
    assert [fault.kind for fault in report.faults] == ["sentence of free viewing"]
    assert report.errors == []
    assert open_dataset(root).row(record)["text"] == ""


def test_coloured_fixations_are_an_error(embedded, tmp_path):
    root = copy_of(embedded, tmp_path / "set")
    record = a_record(root, "salient")
    pixels = np.zeros((*open_dataset(root).map(record).shape, 3), np.uint8)
    pixels[4, 4] = 255
    write(root / "fixation" / f"{record}.png", pixels)
    assert check_dataset(root).faults == []
    pixels[5, 5, 0] = 255  # red only: which pixels count would depend on the reader
    write(root / "fixation" / f"{record}.png", pixels)
    assert kinds(check_dataset(root)) == {f"fixation/{record}.png": "fixation values"}


def test_a_missing_folder_is_a_fault_and_nothing_at_all_is_an_error(embedded, tmp_path):
    root = copy_of(embedded, tmp_path / "set")
    for path in (root / "map").iterdir():
        path.unlink()
    (root / "map").rmdir()
    assert kinds(check_dataset(root))["map/"] == "missing folder"
    with pytest.raises(CsalganError, match="no such dataset"):
        check_dataset(tmp_path / "absent")
    (tmp_path / "empty").mkdir()
    with pytest.raises(CsalganError, match="is empty"):
        check_dataset(tmp_path / "empty")


def test_training_refuses_a_fault_and_remembers_a_clean_set(embedded, tmp_path, monkeypatch):
    root = copy_of(embedded, tmp_path / "set")
    require_clean(open_dataset(root))
    monkeypatch.setattr("csalgan.data.check.check_dataset", lambda _: 1 / 0)
    require_clean(open_dataset(root))  # the same content is not checked twice
    monkeypatch.undo()
    record = a_record(root, "salient")
    write(root / "map" / f"{record}.png", np.zeros(open_dataset(root).map(record).shape, np.uint8))
    with pytest.raises(CsalganError, match=rf"{record}\.png: every pixel is 0; `csalgan data che"):
        require_clean(open_dataset(root))


def command(*arguments, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["csalgan", "data", *arguments])
    with pytest.raises(SystemExit) as stopped:
        main()
    said = capsys.readouterr()
    return int(stopped.value.code or 0), said.out, said.err


def test_exit_codes(embedded, tmp_path, monkeypatch, capsys):
    def check(*arguments):
        return command("check", *arguments, monkeypatch=monkeypatch, capsys=capsys)

    code, out, _ = check(str(embedded))
    assert code == 0
    assert "0 errors, 0 warnings" in out
    root = copy_of(embedded, tmp_path / "set")
    (root / "map" / ".DS_Store").write_text("x")
    assert check(str(root))[0] == 1
    assert check(str(root), "--allow-warnings")[0] == 0
    (root / "map" / "stray.png").write_bytes(b"x")
    code, out, _ = check(str(root), "--allow-warnings")
    assert code == 1
    assert "map/stray.png" in out
    code, _, err = check(str(tmp_path / "absent"))
    assert code == 1
    assert "error: " in err
    assert "Traceback" not in err


def test_real_data_is_clean_but_for_absent_images(real, monkeypatch, capsys):
    code, out, _ = command(
        "check", str(real), "--allow-warnings", monkeypatch=monkeypatch, capsys=capsys
    )
    assert code == 0
    assert "510 images, 1530 records" in out
    assert "total 1530, general 1020, sal 510, non_sal 510" in out
    assert "270 sentences whose record is not here: " in out
    assert "0 errors, 1 warning" in out


def test_synth_and_prepare_at_the_command_line(tmp_path, monkeypatch, capsys):
    path = str(tmp_path / "set")
    code, out, _ = command("synth", path, "--images", "8", monkeypatch=monkeypatch, capsys=capsys)
    assert code == 0
    assert "simulated gaze" in out
    code, out, _ = command("prepare", path, "--size", "32", monkeypatch=monkeypatch, capsys=capsys)
    assert code == 0
    assert "at 32 px" in out
    code, _, err = command("synth", str(tmp_path), monkeypatch=monkeypatch, capsys=capsys)
    assert code == 1
    assert len(err.strip().splitlines()) == 1
