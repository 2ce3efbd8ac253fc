"""What is decided by the machine: device, precision, and what is said where a device is full.

No test sees a GPU (conftest hides them): torch is made to tell of one.
"""

import json

import pytest
import torch
from filelock import FileLock, Timeout

from csalgan.config import load_profile
from csalgan.data import open_dataset, synthesise
from csalgan.files.errors import CsalganError
from csalgan.files.provenance import Provenance
from csalgan.training import Run, Trainer, describe, pretraining, same_settings, train
from csalgan.training.run import standing
from csalgan.training.trainer import device_of, precision_of


@pytest.mark.parametrize(
    ("capability", "device"), [((7, 0), "cpu"), ((7, 5), "cuda"), ((12, 1), "cuda")]
)
def test_a_gpu_older_than_what_torch_was_built_for_is_left_alone(monkeypatch, capability, device):
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.get_arch_list", lambda: ["sm_75", "sm_120a", "compute_120"])
    monkeypatch.setattr("torch.cuda.get_device_capability", lambda: capability)
    assert device_of("auto").type == device
    if device == "cpu":
        with pytest.raises(CsalganError, match="none that this torch was built for"):
            device_of("cuda")


def test_a_gpu_that_only_emulates_bfloat16_computes_in_float32(monkeypatch):
    def supported(including_emulation=True):
        return including_emulation

    monkeypatch.setattr("torch.cuda.is_bf16_supported", supported)
    assert precision_of("auto", torch.device("cuda")) == "float32"
    assert precision_of("bfloat16", torch.device("cuda")) == "bfloat16"


def test_a_finished_run_serves_on_a_machine_of_another_kind(embedded, tmp_path):
    profile, dataset = load_profile("smoke", ["training.epochs=1"]), open_dataset(embedded)
    run, info = train(profile, dataset, "total", tmp_path, progress=False), tmp_path / "run.json"
    there = run.info | {"device": "cuda", "precision": "another"}
    for key, other in (("device", "cuda"), ("precision", "float32")):  # asked for, not come to
        asked = run.info["profile"]["training"] | {key: other}
        made = run.info | {key: other, "profile": run.info["profile"] | {"training": asked}}
        info.write_text(json.dumps(made))
        if other != run.info[key]:
            with pytest.raises(CsalganError, match=f"{key} {other} is now {run.info[key]}"):
                standing(tmp_path, profile, describe(profile, dataset, "total"))
    info.write_text(json.dumps({k: v for k, v in run.info.items() if k != "precision"}))
    with pytest.raises(CsalganError, match="precision None is now"):
        standing(tmp_path, profile, describe(profile, dataset, "total"))
    info.write_text(json.dumps(there))
    assert standing(tmp_path, profile, describe(profile, dataset, "total")).info == there
    assert train(profile, dataset, "total", tmp_path, resume=True).info["device"] == "cuda"
    for changes, told in (
        (["training.epochs=2"], "device cuda is now cpu"),  # half of it would come from each
        (["training.epochs=1", "training.device=cpu"], "device cuda is now cpu"),
        (["training.epochs=1", "training.precision=float32"], "another is now float32"),
    ):
        other = load_profile("smoke", changes)
        with pytest.raises(CsalganError, match=told):
            standing(tmp_path, other, describe(other, dataset, "total"))


def test_to_say_what_auto_comes_to_changes_nothing(embedded, tmp_path):
    dataset = open_dataset(embedded)
    run = train(load_profile("smoke"), dataset, "total", tmp_path, progress=False)
    told = [f"training.{key}={run.info[key]}" for key in ("device", "precision")]
    said = load_profile("smoke", told)
    assert same_settings(describe(said, dataset, "total"), run.info) is None
    assert standing(tmp_path, said, describe(said, dataset, "total")) is not None


def test_provenance_says_that_a_gpu_trained_and_with_what_a_cpu_predicts(embedded, monkeypatch):
    profile, dataset = load_profile("smoke"), open_dataset(embedded)
    assert "trained on" not in provenance(profile, dataset).line()
    monkeypatch.setattr("csalgan.training.run.device_of", torch.device)
    there = profile.model_copy(
        update={"training": profile.training.model_copy(update={"device": "cuda"})}
    )
    assert "trained on cuda · threads: 1" in provenance(there, dataset).line()


def provenance(profile, dataset) -> Provenance:
    about = describe(profile, dataset, "total")["provenance"]
    return Provenance.of(about, "here").with_(threads=1)


def test_no_room_in_the_discriminator_of_the_generators_step(embedded, tmp_path, monkeypatch):
    judge = Trainer.judge

    def full(self, batch, *maps):
        if len(maps) == 1 and len(batch) > 3:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return judge(self, batch, *maps)

    monkeypatch.setattr(Trainer, "judge", full)
    profile = load_profile("smoke", ["training.batch_size=8"])
    with pytest.raises(CsalganError, match="use training.batch_size=3"):
        train(profile, open_dataset(embedded), "total", tmp_path / "run", progress=False)


def test_a_size_is_tried_with_all_that_will_learn(embedded, tmp_path, monkeypatch):
    """In the first epoch the compact model's encoder is held still, and more would fit."""

    def full(trainer, batch):
        last = trainer.generator.encoder.stages()[-1]
        frozen = not any(weights.requires_grad for weights in last.parameters())
        if len(batch.image) > (2 if frozen else 1):
            raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr("csalgan.training.loop.step", full)
    changes = ["text.encoder=none", "training.batch_size=4", "training.epochs=2"]
    profile = load_profile("demo-compact", changes)
    with pytest.raises(CsalganError, match="1 do, so use training.batch_size=1"):
        train(profile, open_dataset(embedded), "total", tmp_path / "run", progress=False)


@pytest.mark.parametrize("said", ["CUDA error: out of memory", "CUBLAS_STATUS_ALLOC_FAILED when"])
def test_a_device_that_is_full_from_the_start_is_one_sentence(
    embedded, tmp_path, monkeypatch, said
):
    def full(*_):
        raise RuntimeError(said)

    monkeypatch.setattr(Trainer, "__init__", full)
    profile, dataset = load_profile("smoke"), open_dataset(embedded)
    with pytest.raises(CsalganError, match="memory of this device"):
        train(profile, dataset, "total", tmp_path / "run", progress=False)
    said = "another fault"
    with pytest.raises(RuntimeError, match="another fault"):
        train(profile, dataset, "total", tmp_path / "run", resume=True, progress=False)


def test_who_else_holds_the_memory_is_said(embedded, tmp_path, monkeypatch):
    def full(*_):
        raise RuntimeError("CUDA out of memory")

    monkeypatch.setattr(Trainer, "__init__", full)
    monkeypatch.setattr("torch.cuda.is_initialized", lambda: True)
    monkeypatch.setattr("torch.cuda.memory_reserved", lambda: 2**30)
    monkeypatch.setattr("torch.cuda.mem_get_info", lambda: (2**30, 8 * 2**30))
    with pytest.raises(CsalganError, match="others hold 6.0 GiB of it"):
        train(load_profile("smoke"), open_dataset(embedded), "total", tmp_path, progress=False)


def test_folds_begun_at_once_share_one_pretraining(tmp_path, monkeypatch):
    """The one that comes second waits for the first instead of doing the same."""
    own, other = (open_dataset(synthesise(tmp_path / str(k), 12, seed=k)) for k in range(2))
    recall, held = pretraining.recall, []

    def asked(path):
        with pytest.raises(Timeout):
            FileLock(path.with_suffix(".lock")).acquire(timeout=0)
        held.append(path)
        return recall(path)

    keep = pretraining.keep

    def kept(path, *what):
        with pytest.raises(Timeout):
            FileLock(path.with_suffix(".lock")).acquire(timeout=0)
        keep(path, *what)

    monkeypatch.setattr(pretraining, "recall", asked)
    monkeypatch.setattr(pretraining, "keep", kept)
    told = [f"training.pretrain.data=[{other.root}]", "training.pretrain.epochs=1"]
    profile = load_profile("smoke", ["training.epochs=1", *told])
    run = train(profile, own, "total", tmp_path / "run", progress=False)
    assert held == [pretraining.cached(run.info)]
    assert Run.load(tmp_path / "run").complete
