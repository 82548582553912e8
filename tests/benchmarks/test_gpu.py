"""The campaign: what it keeps, repeats and shows, with steps that are made up; and some of its real ones."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace

import psutil
import pytest
import yaml
from torch.autograd import DeviceType

from benchmarks.gpu import campaign, processes, profile, steps
from benchmarks.gpu.__main__ import main
from benchmarks.gpu.project import checksums, commands, copy_project
from benchmarks.gpu.records import JSON, LOG, TABLE, Record, Records, table
from benchmarks.gpu.steps import Step, Work, device, plan
from src import artifacts
from src.errors import InputError
from src.params import load_params
from src.params_file import flatten
from tests.conftest import ROOT

RECORD = Record("done", "as it should", 2.4, "a GPU", "abc", {})


@pytest.fixture
def here(monkeypatch):
    """Steps are run in this process; one that raises `TimeoutError` is one that was stopped."""

    def run(log, limit, target, *arguments):
        try:
            target(*arguments)
        except TimeoutError:
            return None
        except Exception:
            return 1
        return 0

    monkeypatch.setattr(campaign.processes, "run", run)


def make(name: str, act: Callable[[Work], None] = lambda work: work.note("fine"), **limits: float) -> Step:
    return Step(name, act, **{"least": 1, "most": 100} | limits)


def rows_of(text: str) -> dict[str, list[str]]:
    """Step → the other cells of its row."""
    lines = [line.strip("|").split("|") for line in text.partition("\n\n")[0].splitlines()[2:]]
    return {name.strip(): [cell.strip() for cell in cells] for name, *cells in lines}


# --- the campaign


def test_every_result_is_kept_at_once(here, tmp_path):
    def look(work):
        kept = json.loads((tmp_path / JSON).read_text())["steps"]
        assert list(kept) == ["first"]
        assert kept["first"]["figures"] == {"speed": 5}
        assert rows_of((tmp_path / TABLE).read_text())["second"] == ["not run", "", ""]
        assert work.earlier["first"]["figures"] == {"speed": 5}
        work.note("seen")

    said = []
    steps = [make("first", lambda work: work.note("5 a second", speed=5)), make("second", look)]
    campaign.run(steps, Records(tmp_path, False), 100, log=said.append)
    assert said == ["first: 5 a second (0 s)", "second: seen (0 s)"]
    table = rows_of((tmp_path / TABLE).read_text())
    assert [cells[0] for cells in table.values()] == ["5 a second", "seen"]
    assert table["first"][2] == device()
    assert "== second" in (tmp_path / LOG).read_text()


def test_it_goes_on_where_it_was_killed(here, tmp_path):
    done = []

    def killed(_):
        raise KeyboardInterrupt

    def noted(name):
        def act(work):
            done.append(name)
            work.note("fine")

        return act

    first = [make("a", noted("a")), make("b", killed), make("c", noted("c"))]
    with pytest.raises(KeyboardInterrupt):
        campaign.run(first, Records(tmp_path, False), 100)
    second = [make(name, noted(name)) for name in "abc"]
    campaign.run(second, Records(tmp_path, False), 100)
    assert done == ["a", "b", "c"]
    campaign.run(second, Records(tmp_path, False), 100)
    assert done == ["a", "b", "c"]
    campaign.run(second, Records(tmp_path, False), 100, again=["b"])
    assert done == ["a", "b", "c", "b"]


def test_a_step_that_fails_is_a_line_and_is_tried_again(here, tmp_path):
    def fail(work):
        work.note("half", figure=1)
        raise RuntimeError("python -m stages.train\nepoch 1\ntrain: optimizer.lr: the loss became nan\n")

    steps = [make("bad", fail), make("good")]
    campaign.run(steps, Records(tmp_path, False), 100)
    records = Records(tmp_path, False)
    assert records.steps["bad"].state == "failed"
    assert records.steps["bad"].result == "failed: train: optimizer.lr: the loss became nan"
    assert records.steps["bad"].figures == {"figure": 1}
    assert records.steps["good"].state == "done"
    campaign.run([make("bad"), steps[1]], records, 100)
    assert Records(tmp_path, False).steps["bad"].result == "fine"


def test_a_step_that_dies_or_finds_nothing_has_failed(here, monkeypatch, tmp_path):
    steps = [make("silent", lambda work: None)]
    campaign.run(steps, Records(tmp_path, False), 100)
    assert Records(tmp_path, False).steps["silent"].result == "failed: ended with status 0, see gpu.log"
    monkeypatch.setattr(campaign.processes, "run", lambda *_: -11)
    campaign.run(steps, Records(tmp_path, False), 100)
    assert Records(tmp_path, False).steps["silent"].result == "failed: ended with status -11, see gpu.log"


def test_a_step_is_begun_only_if_there_is_time(here, tmp_path):
    said = []
    steps = [make("long", least=50), make("short", least=1)]
    campaign.run(steps, Records(tmp_path, False), 10, log=said.append)
    assert said[0].startswith("long: not begun, ")
    table = rows_of((tmp_path / TABLE).read_text())
    assert [table[name][0] for name in ("long", "short")] == ["not run", "fine"]


def test_stopped_at_its_own_limit_or_at_the_end_of_the_time(here, monkeypatch, tmp_path):
    def slow(work):
        work.note("3 of 20 epochs", epoch_s=[1, 2, 3])
        raise TimeoutError

    own, cut = make("own", slow, most=7), make("cut", slow, most=500)
    campaign.run([own, cut], Records(tmp_path, False), 100)
    records = Records(tmp_path, False)
    assert records.steps["own"].result == "stopped at its limit of 7 s; 3 of 20 epochs"
    assert records.steps["cut"].result == "stopped at the end of the time; 3 of 20 epochs"
    assert records.steps["cut"].figures == {"epoch_s": [1, 2, 3]}
    campaign.run([make("own"), make("cut")], records, 100)  # one might take less than before, the other does
    results = {name: record.result for name, record in Records(tmp_path, False).steps.items()}
    assert results == {"own": "stopped at its limit of 7 s; 3 of 20 epochs", "cut": "fine"}


def test_a_folder_of_something_else(here, tmp_path):
    campaign.run([make("a")], Records(tmp_path, True), 100)
    with pytest.raises(InputError, match=r"gpu\.json: is of a rehearsal; remove it, or name another"):
        Records(tmp_path, False)
    (tmp_path / JSON).write_text('{"rehearsal": false, "steps": {"a": {"state": 1}}}')
    with pytest.raises(InputError, match=r"gpu\.json: damaged \(TypeError"):
        Records(tmp_path, False)


def test_the_table():
    odd = replace(RECORD, result="a | b\nc", commit="def", figures={"operations": [OPERATION]})
    text = table({"one": RECORD, "two": odd}, ["one", "two", "three"])
    assert text == (
        "| step | result | seconds | device |\n"
        "| --- | --- | --- | --- |\n"
        "| one | as it should | 2 | a GPU |\n"
        "| two | a \\| b c | 2 | a GPU |\n"
        "| three | not run | | |\n\n"
        "Commit: abc, def.\n\n"
        "| operation | calls | ms | share |\n"
        "| --- | --- | --- | --- |\n"
        "| conv | 7 | 1.50 | 25.0% |\n"
    )


OPERATION = {"operation": "conv", "calls": 7, "ms": 1.5, "share": 0.25}


def test_the_docs_have_a_row_for_every_step(monkeypatch):
    monkeypatch.chdir(ROOT)
    text = (ROOT / "docs/gpus.md").read_text(encoding="utf-8")
    shown = rows_of(text[text.index("| step |") :])
    assert list(shown) == [step.name for step in plan(60)]


def test_bad_input(monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    monkeypatch.setattr(sys, "argv", ["gpu", "--out", str(tmp_path), "date"])
    with pytest.raises(InputError, match=r"STEP: unknown step 'date'; did you mean 'data'\?"):
        main()
    monkeypatch.setattr(sys, "argv", ["gpu", "--minutes", "-1"])
    with pytest.raises(SystemExit):
        main()
    assert "--minutes: should be a number of minutes, not '-1'" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


# --- processes


def running(argument: str) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter(["cmdline"]):
        command = process.info["cmdline"] or []
        if command[-1:] == [argument] and process.status() != psutil.STATUS_ZOMBIE:
            found.append(process)
    return found


def wait_for(condition: Callable[[], object]) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.1)


def test_what_a_process_prints_and_how_it_ends(tmp_path):
    log = tmp_path / "log"
    assert processes.run(log, 100, print, "größe→") == 0
    assert log.read_text(encoding="utf-8") == "größe→\n"
    assert processes.run(log, 100, os._exit, 3) == 3


def test_a_process_is_stopped_with_all_it_has_started(tmp_path):
    assert processes.run(tmp_path / "log", 5, subprocess.run, ["sh", "-c", "sleep 7654; true", "odd"]) is None
    assert running("7654") == running("odd") == []


def test_a_campaign_that_is_killed_takes_its_step_with_it(tmp_path):
    code = (
        "import subprocess; from pathlib import Path; from benchmarks.gpu import processes\n"
        f"processes.run(Path({str(tmp_path / 'log')!r}), 100, subprocess.run, ['sleep', '8765'])"
    )
    running_campaign = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT)
    try:
        wait_for(lambda: running("8765"))
    finally:
        running_campaign.kill()
        running_campaign.wait()
    wait_for(lambda: not running("8765"))


# --- the steps


@pytest.fixture
def work(monkeypatch, tmp_path):
    """Of a rehearsal, in the real project."""
    monkeypatch.chdir(ROOT)
    return Work(tmp_path, tmp_path / "notes.json", True, {})


def noted(work: Work) -> dict:
    return json.loads(work.notes.read_text())


def test_dvc_lists_the_stages_in_an_order_to_run_them_in(monkeypatch):
    monkeypatch.chdir(ROOT)
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    assert list(commands()) == list(stages)
    made: set[str] = set()
    written = {stage: set(paths(stages[stage])) for stage in stages}
    for stage in commands():
        others = set().union(*(written[other] for other in stages if other != stage))
        assert others & set(stages[stage]["deps"]) <= made, stage
        made |= written[stage]
    assert commands()["train"] == ["python", "-m", "stages.train"]


def paths(stage: dict) -> list[str]:
    entries = [entry for key in ("outs", "metrics", "plots") for entry in stage.get(key, [])]
    return [entry if isinstance(entry, str) else next(iter(entry)) for entry in entries]


def test_a_copy_is_the_project_without_results(work, tmp_path):
    real = copy_project(tmp_path / "real", rehearse=False)
    assert load_params(real.folder / artifacts.PARAMS) == load_params()
    assert not (real.folder / "plots").exists()
    assert checksums(real) == {}
    short = copy_project(tmp_path / "short", rehearse=True)
    assert load_params(short.folder / artifacts.PARAMS).epochs == 1
    made = short.folder / "plots/gradcam/a.png"
    made.parent.mkdir(parents=True)
    made.write_bytes(b"a")
    expected = "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"
    assert checksums(short) == {"plots/gradcam/a.png": expected}


@pytest.mark.parametrize("name", [s.name.removeprefix("recipe ") for s in plan(1) if "recipe" in s.name])
def test_a_recipe_can_be_rehearsed(work, monkeypatch, name):
    monkeypatch.setattr(steps, "run_here", lambda copy, *stages: checked.append(read(copy)))
    checked, read = [], lambda copy: load_params(copy.folder / artifacts.PARAMS)
    with pytest.raises(KeyError):  # nothing was trained
        steps.recipe(work, name, seed=5)
    params = dict(flatten(checked[0].model_dump()))
    recipe = yaml.safe_load(f"[{','.join((ROOT / 'recipes' / name).read_text().split()[1::2][1:2])}]")
    assert recipe == [f"model={params['model']}"]
    assert (params["seed"], params["epochs"], params["dataset"]) == (5, 1, "sample")


def test_a_recipe_is_trained_and_tested(work, settings_of_torch):
    steps.recipe(work, steps.RECIPE, seed=1)
    found = noted(work)
    figures = found["figures"]
    assert figures["epochs"] == len(figures["epoch_s"]) == 1
    assert figures["epoch_s"][0] <= figures["training_s"]
    tested = 10 * 2
    assert round(figures["accuracy"] * tested, 6).is_integer()
    assert found["result"].startswith(f"test accuracy {figures['accuracy']:.2%}, 1 epoch of ")
    assert not (work.folder / "project").exists()


def test_epochs_are_noted_as_they_end(work, monkeypatch):
    times = iter([0, 10, 12, 15])
    monkeypatch.setattr(steps, "time", SimpleNamespace(perf_counter=lambda: next(times)))
    passed = []
    stream = steps.Epochs(SimpleNamespace(write=passed.append), work)
    stream.write("fast on CPU\nepoch  1/20: loss 2")
    assert not work.notes.exists()
    stream.write(".1, 900 images/s\n")
    assert noted(work)["result"] == "1 of 20 epochs of 10.00 s"
    stream.write("epoch  2/20, batch 7/50: loss 1\nepoch  2/20: loss 1\nepoch  3/20: loss 1\n")
    assert noted(work)["result"] == "3 of 20 epochs of 2.50 s"  # without the first, which has to start
    assert noted(work)["figures"] == {"epoch_s": [10, 2, 3], "epochs": 20}
    assert "".join(passed).count("epoch") == 4


@pytest.fixture
def stages(work, monkeypatch):
    """Replaces the stages by one that writes a model, a metric, and what it is told to."""

    def make(plot: str) -> None:
        code = (
            "import pathlib, sys\n"
            "for name, text in zip(sys.argv[1::2], sys.argv[2::2]):\n"
            "    path = pathlib.Path(name); path.parent.mkdir(exist_ok=True); path.write_text(text)"
        )
        metrics = ("metrics/test.json", '{"accuracy": 0.9}')
        command = ["python", "-c", code, "data/model.pt", "weights", *metrics, "plots/loss.csv", plot]
        monkeypatch.setattr(steps, "commands", lambda: {"train": command})

    return make


def test_the_default_run_twice(work, stages):
    stages("1")
    steps.default_run(work)
    first = noted(work)
    assert set(first["figures"]["files"]) == {"data/model.pt", "metrics/test.json", "plots/loss.csv"}
    assert first["result"].startswith("test accuracy 90.00%, train ")
    again = replace(work, earlier={"default run": first}, figures={})
    steps.default_run_again(again)
    assert noted(work)["result"] == "test accuracy 90.00%; all 3 files have the same bytes"
    stages("2")
    steps.default_run_again(again)
    assert noted(work)["result"] == "test accuracy 90.00%; other bytes: plots/loss.csv"
    assert noted(work)["figures"]["differ"] == ["plots/loss.csv"]


def test_two_runs_are_compared_on_one_machine_only(work, stages):
    with pytest.raises(InputError, match="there is no default run to compare with"):
        steps.default_run_again(work)
    other = replace(work, earlier={"default run": {"device": "another GPU", "figures": {"files": {}}}})
    with pytest.raises(InputError, match="the default run was on another GPU; run both on one machine"):
        steps.default_run_again(other)


def test_the_tests_that_need_a_gpu(work, monkeypatch):
    report = (
        "<testsuites><testsuite tests='3' skipped='1' failures='1'><testcase name='a'/>"
        "<testcase name='b'><failure/></testcase><testcase name='c'><skipped/></testcase>"
        "</testsuite></testsuites>"
    )

    def run(command, check):
        assert "tests/test_hardware.py" in command
        assert "tests/test_errors.py" not in command
        path = next(part for part in command if part.startswith("--junitxml=")).partition("=")[2]
        (work.folder / path).write_text(report)
        return SimpleNamespace(returncode=1)

    monkeypatch.setattr(steps, "subprocess", SimpleNamespace(run=run))
    with pytest.raises(InputError, match=r"^1 passed, 1 failed: b$"):
        steps.gpu_tests(work)
    assert noted(work)["result"] == "1 passed, 1 failed, 1 skipped"


def test_a_benchmark_that_fails_keeps_no_other_from_running(work, monkeypatch):
    def fail():
        raise RuntimeError("dvc repro\nno such thing")

    made = {"ours_images_per_s": 12_000.0, "ours_over_textbook": 3.5}
    known = {"training_step": lambda: made, "tables": fail, "decode": lambda: {"ratio": 1.0}}
    monkeypatch.setattr(steps.bench, "known", lambda params, quick: known)
    steps.benchmarks(work)
    expected = "2 of 3; default model 12,000 images/s, 3.50 × the textbook step; tables failed"
    assert noted(work)["result"] == expected
    assert noted(work)["figures"]["failed"] == {"tables": "no such thing"}
    assert set(steps.REHEARSED) < set(steps.BENCHMARKS)


def test_the_campaign_knows_all_benchmarks(monkeypatch):
    monkeypatch.chdir(ROOT)
    assert set(steps.BENCHMARKS) == set(steps.bench.known(load_params(), quick=True))


def test_other_versions_than_the_pinned_ones(work, monkeypatch):
    def version(name):
        if name == "captum":
            raise steps.metadata.PackageNotFoundError(name)
        return {"torch": "2.11.0"}.get(name) or real(name)

    real = steps.metadata.version
    before = steps._other_versions()
    monkeypatch.setattr(steps, "metadata", SimpleNamespace(**{**vars(steps.metadata), "version": version}))
    assert steps._other_versions() == before | {"torch": "2.11.0", "captum": None}


def test_the_profile_of_a_step(monkeypatch, settings_of_torch):
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(profile, "WARM_UP", 1)
    monkeypatch.setattr(profile, "TIMED", 1)
    params = load_params().model_copy(update={"batch_size": 4, "threads": 1, "device": "cpu", "workers": 0})
    milliseconds, operations = profile.of_a_step(params)
    assert milliseconds > 0
    assert len(operations) == profile.SHOWN
    times = [operation["ms"] for operation in operations]
    assert times == sorted(times, reverse=True)
    assert 0.5 < sum(operation["share"] for operation in operations) <= 1
    assert any("conv" in operation["operation"] for operation in operations)


def test_on_a_gpu_the_kernels_count_alone():
    def event(key, kind, time, note=False):
        return SimpleNamespace(
            key=key, device_type=kind, self_device_time_total=time, is_user_annotation=note, count=2
        )

    events = [
        event("aten::conv", DeviceType.CPU, 4_000),  # the same time, of the operation that starts the kernel
        event("relu kernel", DeviceType.CUDA, 1_000),
        event("conv kernel", DeviceType.CUDA, 4_000),
        event("step", DeviceType.CUDA, 5_000, note=True),
    ]
    found = profile.largest(SimpleNamespace(key_averages=lambda: events), on_gpu=True)
    assert found == [
        {"operation": "conv kernel", "calls": 2, "ms": 4, "share": 0.8},
        {"operation": "relu kernel", "calls": 2, "ms": 1, "share": 0.2},
    ]
