"""The runner: processes side by side, keys, skipping, locks, and what is left after a kill."""

import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import nbformat
import psutil
import pytest

from csalgan import pipeline
from csalgan.files.errors import CsalganError
from csalgan.files.locks import locked
from csalgan.runner import processes, state
from csalgan.runner.processes import Task, run_tasks
from csalgan.runner.state import Asked, Done, State, step_key

ROOT = Path(__file__).resolve().parent.parent


def task(tmp_path, name: str, code: str, after=()) -> Task:
    return Task(name, (sys.executable, "-c", code), tmp_path / f"{name}.log", tuple(after))


# --- processes --------------------------------------------------------------------------------


def test_tasks_run_at_once_but_after_what_they_wait_for(tmp_path):
    mark = "import time, pathlib; p = pathlib.Path({0!r}); p.with_suffix('.began').touch();"
    both = mark + (
        "end = time.time() + 20\n"
        "while not p.with_name({1!r}).exists(): time.sleep(0.02); assert time.time() < end"
    )
    one, two, last = (str(tmp_path / name) for name in ("one", "two", "last"))
    tasks = [  # the first two wait for each other: they end only when they run at once
        task(tmp_path, "one", both.format(one, "two.began")),
        task(tmp_path, "two", both.format(two, "one.began")),
        task(tmp_path, "last", mark.format(last), after=("one", "two")),
    ]
    events = []
    found = run_tasks(tasks, jobs=3, on_event=events.append)
    assert [one.ok for one in found.values()] == [True] * 3
    told = [(event["event"], event["step"]) for event in events]
    assert sorted(told[:2]) == [("started", "one"), ("started", "two")]
    assert told[-2:] == [("started", "last"), ("finished", "last")]


def test_a_failure_stops_only_what_waits_for_it(tmp_path):
    tasks = [
        task(
            tmp_path, "bad", "import sys; print('error: no such thing', file=sys.stderr); exit(1)"
        ),
        task(tmp_path, "child", "pass", after=("bad",)),
        task(tmp_path, "other", "pass"),
        task(tmp_path, "killed", "import os; os.kill(os.getpid(), 9)"),
    ]
    found = run_tasks(tasks)
    assert {name: one.ok for name, one in found.items()} == {
        "bad": False,
        "child": False,
        "other": True,
        "killed": False,
    }
    assert found["bad"].message == "no such thing"
    assert found["child"].message == "not run: bad failed"
    assert "SIGKILL" in found["killed"].message


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_children_end_with_the_runner(tmp_path, number):
    """Also when it is killed outright: the child asks the system for that."""
    code = (
        "from csalgan.runner.processes import tie_to_parent; tie_to_parent()\n"
        f"import os, time, pathlib; pathlib.Path({str(tmp_path / 'pid')!r}).write_text("
        "str(os.getpid())); time.sleep(60)"
    )
    runner = (  # SIGINT as in a terminal: what starts in the background begins with it ignored
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from pathlib import Path; import sys\n"
        "from csalgan.runner.processes import Task, run_tasks\n"
        f"run_tasks([Task('t', (sys.executable, '-c', {code!r}), Path({str(tmp_path / 'log')!r}))])"
    )
    process = subprocess.Popen([sys.executable, "-c", runner], stderr=subprocess.DEVNULL)
    wait_for((tmp_path / "pid").exists)
    wait_for(lambda: (tmp_path / "pid").read_text())
    child = int((tmp_path / "pid").read_text())
    process.send_signal(number)
    process.wait(20)
    wait_for(lambda: not alive(child))
    assert not alive(child)


def wait_for(condition, seconds: float = 40) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_each_of_several_jobs_gets_one_of_the_gpus_that_are_visible(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5")
    name = "CUDA_VISIBLE_DEVICES"
    assert [processes._gpu(slot) for slot in range(3)] == [{name: "3"}, {name: "5"}, {name: "3"}]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    assert processes._gpu(1) == {}
    for told in ("0,", "0,-1", "0, ,1"):  # CUDA stops at what is none
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", told)
        assert processes._gpu(1) == {}
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    for count, seen in ((1, {}), (2, {name: "1"})):
        monkeypatch.setattr("torch.cuda.device_count", lambda count=count: count)
        assert processes._gpu(1) == seen


def test_memory_and_files_stay_flat_over_many_steps(tmp_path):
    def many(n: int) -> tuple[int, int]:
        tasks = [Task(f"t{i}", ("true",), tmp_path / f"t{i % 7}.log") for i in range(n)]
        assert all(one.ok for one in run_tasks(tasks, jobs=8).values())
        usage = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # KiB
        return len(os.listdir("/proc/self/fd")), usage

    files, memory = many(20)
    files_after, memory_after = many(200)
    assert files_after == files
    assert memory_after - memory < 8 * 1024


@pytest.mark.notebook
def test_a_kernel_ends_with_its_step(tmp_path):
    """Also when the step is killed outright, so that nobody writes into a report any more."""
    source = f"import os, time\nopen({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid()))\n"
    path = notebook(tmp_path / "long.ipynb", source + "time.sleep(60)")
    spec = {"name": "long", "notebook": str(path), "parameters": {}, "ledger": str(tmp_path / "w")}
    spec["output"] = str(tmp_path / "out.ipynb")
    command = [sys.executable, "-m", "csalgan.runner.step", json.dumps(spec)]
    step = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    pid = tmp_path / "pid"
    wait_for(lambda: pid.exists() and pid.read_text(), seconds=120)
    kernel = int(pid.read_text())
    step.kill()
    step.wait()
    wait_for(lambda: not alive(kernel), seconds=0.9)  # ipykernel itself looks once a second
    assert not alive(kernel)


# --- keys and state ---------------------------------------------------------------------------


def notebook(path: Path, source: str, output: str = "") -> Path:
    cell = nbformat.v4.new_code_cell(source, id="0")
    if output:
        cell.outputs = [nbformat.v4.new_output("stream", text=output)]
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), path)
    return path


def test_a_key_changes_with_what_decides_a_result_and_with_nothing_else(tmp_path):
    one = notebook(tmp_path / "one.ipynb", "1 + 1")
    arguments = ({"subset": "sal"}, {"seed": 0}, "data", ["source"])
    key = step_key(one, *arguments)
    assert step_key(notebook(tmp_path / "two.ipynb", "1 + 1", "2"), *arguments) == key
    others = [
        step_key(notebook(tmp_path / "three.ipynb", "1 + 2"), *arguments),
        step_key(one, {"subset": "total"}, *arguments[1:]),
        step_key(one, arguments[0], {"seed": 1}, *arguments[2:]),
        step_key(one, *arguments[:2], "other", ["source"]),
        step_key(one, *arguments[:3], ["another"]),
    ]
    assert len({key, *others}) == 6


def test_a_key_changes_with_the_package(tmp_path, monkeypatch):
    one = notebook(tmp_path / "one.ipynb", "1 + 1")
    keys = set()
    for digest in ("before", "after"):
        monkeypatch.setattr(state, "package_digest", lambda digest=digest: digest)
        keys.add(step_key(one, {}, {}, "data", []))
    assert len(keys) == 2


def test_the_package_changes_with_what_computes_and_not_with_the_command_line(
    tmp_path, monkeypatch
):
    package = tmp_path / "csalgan"
    shutil.copytree(
        ROOT / "csalgan", package, ignore=shutil.ignore_patterns("*.safetensors", "__pycache__")
    )
    monkeypatch.setattr(state, "__file__", str(package / "runner" / "state.py"))

    def digest_with(name: str) -> str:
        with (package / name).open("a") as file:
            file.write("# more\n")
        return state.package_digest.__wrapped__()

    before = state.package_digest.__wrapped__()
    assert digest_with("cli/train.py") == before
    assert digest_with("metrics/mit.py") != before


def test_a_step_stands_while_its_key_and_files_do(tmp_path):
    state = State(tmp_path)
    table = tmp_path / "tables" / "01_a.csv"
    table.parent.mkdir()
    table.write_text("a\n1\n")
    assert not state.is_current("01", "key")
    files = state.digests([table])
    state.write("01", Done("key", "done", "2026", 1.0, files))
    assert state.is_current("01", "key")
    assert not state.is_current("01", "other")
    table.write_text("a\n2\n")
    assert not state.is_current("01", "key")
    table.write_text("a\n1\n")
    state.write("01", Done("key", "running", "2026", 0.0, files))
    assert not state.is_current("01", "key")
    (tmp_path / "steps" / "01.json").write_text("{half")
    assert state.read("01") is None


@pytest.mark.parametrize(
    "text", ["[]", "{}", "3", '{"profile": 1, "data": "", "overrides": []}', "[" * 100_000]
)
def test_a_state_that_is_not_ours_is_one_sentence_or_nothing(tmp_path, text):
    (tmp_path / "steps").mkdir()
    for name in ("plan", "01"):
        (tmp_path / "steps" / f"{name}.json").write_text(text)
    with pytest.raises(CsalganError, match=r"no readable steps/plan\.json"):
        pipeline.open_report(tmp_path)
    assert State(tmp_path).read("01") is None


@contextmanager
def held(folder: Path):
    """Another process works on a folder, and is killed at the end; its id."""
    code = (
        "import sys, time; from pathlib import Path; from csalgan.files.locks import locked\n"
        f"with locked(Path({str(folder)!r})): print('held', flush=True); time.sleep(60)"
    )
    other = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    try:
        assert other.stdout.readline() == b"held\n"
        yield other.pid
    finally:
        other.kill()
        other.communicate()


def test_two_runs_do_not_write_one_report(tmp_path):
    with held(tmp_path) as other:
        message = rf"process {other} on .* works on this; wait for it"
        with pytest.raises(CsalganError, match=message), locked(tmp_path):
            pytest.fail("two at once")
    with locked(tmp_path):  # a holder that was killed leaves no lock
        assert json.loads((tmp_path / ".holder.json").read_text())["pid"] == os.getpid()


# --- a report ---------------------------------------------------------------------------------

#: Notebooks of the small report the tests below make again and again.
SMALL = ("02_model_definition", "03_adversarial_training", "04_metric_evaluation")


def small_notebooks(folder: Path) -> Path:
    """Notebooks like ours, each a few lines: a table, the trainings, a table that reads them."""
    declared = "profile = 'smoke'\ndata = ''\nout = ''\noverrides = []\nsubset = 'total'"
    opened = (
        "import csalgan\n"
        "job = csalgan.open_job(profile=profile, data=data, out=out, overrides=overrides)\n"
    )
    tables = {
        SMALL[
            0
        ]: "table = job.save_table(job.prepared.records.drop(columns=['image_path', 'map_path', "
        "'fixation_path']), '02_records')",
        SMALL[1]: "from csalgan.figures.base import figure\n"
        "history = job.save_table(job.run(subset).history, f'03_history-{subset}')\n"
        "fig = figure(3, 2, title=subset)\n"
        "fig.subplots().plot(history.epoch, history.generator)\n"
        "job.save(fig, f'03_losses-{subset}', photographs=False)\n"
        "table = job.save_table(job.dataset.records[['record']], '03_every')",  # each writes it
        SMALL[2]: "import pandas as pd\n"
        "rows = [job.run(s).history.assign(subset=s) for s in ('total', 'sal')]\n"
        "table = job.save_table(pd.concat(rows), '04_all')",
    }
    folder.mkdir()
    for name, source in tables.items():
        cells = [nbformat.v4.new_markdown_cell(f"# {name}", id="t")]
        cells += [nbformat.v4.new_code_cell(declared, id="p", metadata={"tags": ["parameters"]})]
        cells += [nbformat.v4.new_code_cell(opened + source, id="c")]
        made = nbformat.v4.new_notebook(cells=cells)
        made.metadata.kernelspec = {"name": "python3", "display_name": "Python 3"}
        made.metadata.language_info = {"name": "python"}
        nbformat.write(made, folder / f"{name}.ipynb")
    return folder


SETTINGS = ("training.subsets=[total, sal]", "training.epochs=6", "training.batch_size=4")
COMMAND = """
import sys
from pathlib import Path
from csalgan import pipeline
from csalgan.files import paths
paths.notebooks_dir = lambda: Path(sys.argv[1])
pipeline.NOTEBOOKS = {small!r}
pipeline._READERS = {small!r}[2:]
try:
    asked = "smoke", sys.argv[2], sys.argv[3], {settings!r}
    pipeline.reproduce(*asked, jobs=int(sys.argv[4]), **{more!r})
except pipeline.CsalganError as error:
    sys.exit(f"error: {{error}}")
"""


def command(notebooks: Path, data: Path, out: Path, jobs: int = 1, **more) -> list[str]:
    code = COMMAND.format(small=SMALL, settings=SETTINGS, more=more)
    return [sys.executable, "-c", code, str(notebooks), str(data), str(out), str(jobs)]


def make(notebooks, data, out, jobs: int = 1, **more) -> str:
    """Make the small report; what was printed."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        command(notebooks, data, out, jobs, **more), capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


def results(out: Path) -> dict[str, bytes]:
    """Every file of a report but locks; of those that say when and where, what else they say."""
    files = {path.relative_to(out).as_posix(): path for path in out.rglob("*") if path.is_file()}
    return {name: said(out, path) for name, path in files.items() if path.name != ".lock"}


def said(out: Path, path: Path) -> bytes:
    if path.suffix in (".csv", ".txt", ".safetensors", ".png", ".pdf"):
        return path.read_bytes()
    if path.suffix == ".ipynb":
        cells = nbformat.read(path, as_version=4).cells
        where = "injected-parameters"
        for cell in cells:  # a training's lines say how long it took, or are not there
            cell.outputs = [o for o in cell.get("outputs", []) if o.output_type != "stream"]
        told = [
            [c.source, c.get("outputs")] for c in cells if where not in c.metadata.get("tags", [])
        ]
        return json.dumps(told).encode()
    if path.name == "run.json":
        return json.dumps(json.loads(path.read_text()) | {"seconds_per_epoch": []}).encode()
    return b"times, paths"


@pytest.fixture(scope="module")
def notebooks(tmp_path_factory):
    return small_notebooks(tmp_path_factory.mktemp("small") / "notebooks")


def test_a_report_that_somebody_makes_is_refused_and_its_step_runs_or_was_interrupted(
    notebooks, embedded, tmp_path, monkeypatch
):
    monkeypatch.setattr("csalgan.files.paths.notebooks_dir", lambda: notebooks)
    monkeypatch.setattr(pipeline, "NOTEBOOKS", SMALL)
    monkeypatch.setattr(pipeline, "_READERS", SMALL[2:])
    monkeypatch.setattr(pipeline, "_reproduce", lambda *_: pytest.fail("two at once"))
    asked = Asked(profile="smoke", data=str(embedded), overrides=list(SETTINGS))
    State(tmp_path).write_plan(asked)
    State(tmp_path).write(SMALL[0], Done("key", "running", "2026"))
    with held(tmp_path) as other:
        with pytest.raises(CsalganError, match=rf"process {other} on .* works on this"):
            pipeline.reproduce("smoke", str(embedded), str(tmp_path), SETTINGS)
        assert pipeline.open_report(tmp_path)[1][0]["status"] == "running"
    assert pipeline.open_report(tmp_path)[1][0]["status"] == "interrupted"


@pytest.fixture(scope="module")
def whole(notebooks, embedded, tmp_path_factory):
    """The small report, made without a break."""
    out = tmp_path_factory.mktemp("whole") / "report"
    make(notebooks, embedded, out)
    assert len([name for name in results(out) if name.startswith("tables/")]) == 10
    assert len([name for name in results(out) if name.startswith("figures/")]) == 4
    return out


@pytest.mark.notebook
def test_a_finished_report_stays_as_it_is(whole, notebooks, embedded, tmp_path):
    """Run again, on a copy, it changes no byte, also of what several steps wrote or somebody."""
    shutil.copytree(whole, tmp_path / "copy", ignore=shutil.ignore_patterns(".lock"))
    (tmp_path / "copy" / "tables" / "mine.csv").write_text("a\n1\n")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.*") if "tables" in path.parts}
    said = make(notebooks, embedded, tmp_path / "copy")
    assert said.count("unchanged, skipped") == 4
    assert {p: p.read_bytes() for p in tmp_path.rglob("*.*") if "tables" in p.parts} == before
    assert results(tmp_path / "copy") == results(whole) | {"tables/mine.csv": b"a\n1\n"}


@pytest.mark.notebook
def test_a_step_done_again_leaves_nothing_of_before_and_keeps_what_others_wrote(
    whole, notebooks, embedded, tmp_path
):
    out = tmp_path / "report"
    shutil.copytree(whole, out, ignore=shutil.ignore_patterns(".lock"))
    record = out / "steps" / f"{SMALL[1]}-sal.json"
    done = json.loads(record.read_text())
    old = out / "tables" / "03_of_an_older_notebook.csv"
    old.write_text("a\n1\n")
    done["files"] |= State(out).digests([old])
    record.write_text(json.dumps(done | {"key": "older"}))
    said = make(notebooks, embedded, out)
    assert said.count("unchanged, skipped") == 2  # not the step, nor what reads it
    assert results(out) == results(whole)
    assert make(notebooks, embedded, out).count("unchanged, skipped") == 4


@pytest.mark.notebook
def test_stopped_while_it_does_all_again_it_keeps_what_was_not_yet_begun(
    whole, notebooks, embedded, tmp_path
):
    out = tmp_path / "report"
    shutil.copytree(whole, out, ignore=shutil.ignore_patterns(".lock"))
    before = begun(out)
    again = command(notebooks, embedded, out, from_step="02")
    process = subprocess.Popen(again, stderr=subprocess.DEVNULL)
    wait_for(lambda: len(begun(out)) > len(before))
    process.send_signal(signal.SIGTERM)
    process.wait(40)
    assert begun(out)[len(before) :] == [SMALL[0]]
    kept = {name for name in results(whole) if name.startswith(("tables/03", "tables/04", "fig"))}
    assert kept <= results(out).keys()
    make(notebooks, embedded, out)
    assert results(out) == results(whole)


def begun(out: Path) -> list[str]:
    """The steps that were ever begun in a report, in order."""
    told = map(json.loads, (out / "events.jsonl").open())
    return [one["step"] for one in told if one["event"] == "started"]


def stamps(out: Path) -> dict[str, tuple[int, int]]:
    """When each file of the trainings of a report was written, and as which."""
    files = (path for path in (out / "runs").rglob("*.*") if path.name != ".lock")
    return {str(path): (path.stat().st_mtime_ns, path.stat().st_ino) for path in files}


@pytest.mark.notebook
@pytest.mark.parametrize("first", ["04", "03_adversarial_training-s"])
def test_from_a_step_on_every_step_is_done_again_and_no_training(
    whole, notebooks, embedded, tmp_path, first
):
    out = tmp_path / "report"
    shutil.copytree(whole, out, ignore=shutil.ignore_patterns(".lock"))
    runs, before = stamps(out), begun(out)
    make(notebooks, embedded, out, from_step=first)
    assert begun(out)[len(before) :] == [f"{SMALL[1]}-sal", SMALL[2]][first == "04" :]
    assert stamps(out) == runs
    assert results(out) == results(whole)


@pytest.mark.notebook
def test_fresh_does_every_step_and_training_again_and_leaves_what_is_somebodys(
    whole, notebooks, embedded, tmp_path
):
    out = tmp_path / "report"
    shutil.copytree(whole, out, ignore=shutil.ignore_patterns(".lock"))
    (out / "tables" / "mine.csv").write_text("a\n1\n")
    (out / "runs" / "total" / "best.safetensors").write_bytes(b"of another time")
    runs, before = stamps(out), begun(out)
    make(notebooks, embedded, out, fresh=True)
    assert begun(out)[len(before) :] == before
    assert runs.keys() == stamps(out).keys()
    assert not set(runs.values()) & set(stamps(out).values())
    assert results(out) == results(whole) | {"tables/mine.csv": b"a\n1\n"}


@pytest.mark.notebook
def test_steps_are_skipped_while_nothing_changes(whole, notebooks, embedded, monkeypatch):
    monkeypatch.setattr("csalgan.files.paths.notebooks_dir", lambda: notebooks)
    monkeypatch.setattr(pipeline, "NOTEBOOKS", SMALL)
    monkeypatch.setattr(pipeline, "_READERS", SMALL[2:])

    def status() -> list[str]:
        return [step["status"] for step in pipeline.open_report(whole)[1]]

    assert status() == ["done"] * 4
    before = results(whole)
    said = make(notebooks, embedded, whole)
    assert said.count("unchanged, skipped") == 4
    assert "[1/" not in said
    # A notebook that changes is done again, and what reads it; nothing else is.
    path = notebooks / f"{SMALL[1]}.ipynb"
    text = path.read_text()
    path.write_text(text.replace("job.save_table(job.run", "1 + 1\\njob.save_table(job.run"))
    assert status() == ["done", "stale", "stale", "stale"]
    path.write_text(text)
    # So is a step whose table somebody changed.
    (whole / "tables" / "02_records.csv").write_text("changed")
    assert status() == ["stale", "done", "done", "done"]
    said = make(notebooks, embedded, whole)
    assert said.count("unchanged, skipped") == 3
    assert results(whole) == before
    kinds = [json.loads(line)["event"] for line in (whole / "events.jsonl").open()]
    assert kinds.count("started") == kinds.count("finished") == 5
    assert kinds.count("skipped") == 7


@pytest.mark.notebook
def test_steps_at_once_give_the_same_bytes(whole, notebooks, embedded, tmp_path):
    make(notebooks, embedded, tmp_path / "report", jobs=3)
    assert results(tmp_path / "report") == results(whole)


@pytest.mark.notebook
def test_killed_at_any_moment_it_goes_on_to_the_same_bytes(whole, notebooks, embedded, tmp_path):
    """Twenty kills at random moments, with no chance to tidy up; then the same command."""
    seed = random.SystemRandom().randrange(10**6)
    print(f"seed {seed}")
    chance = random.Random(seed)
    out = tmp_path / "report"
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    kills = 0
    while kills < 20:
        process = subprocess.Popen(
            command(notebooks, embedded, out, jobs=2),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=environment,
        )
        events = out / "events.jsonl"
        size = size_of(events)
        wait_for(lambda: process.poll() is not None or size_of(events) > size)  # noqa: B023
        try:
            process.wait(chance.uniform(0, 7))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            kills += 1
            for path in out.glob("tables/[0-9]*"):
                assert path.read_bytes() == (whole / "tables" / path.name).read_bytes(), path
        else:  # it came to its end: compare, and begin anew
            assert results(out) == results(whole), f"seed {seed}"
            shutil.rmtree(out)
    for _ in range(2):  # once more when it is whole: nothing changes
        said = make(notebooks, embedded, out, jobs=2)
        assert results(out) == results(whole), f"seed {seed}: {said}"


def size_of(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
