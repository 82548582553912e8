"""What the benchmarks compute, from times that are made up; and that each of them can be called."""

import base64
import importlib.util
import io
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from torch import nn

from benchmarks import (
    __main__,
    augmentation,
    clone,
    compare,
    epoch,
    groups,
    operations,
    page,
    pipeline,
    processes,
    recipes,
    safety,
    tables,
    textbook,
    time_to_accuracy,
    training_step,
)
from src import artifacts
from src.hardware import Hardware
from src.params import Params
from tests import browser
from tests.conftest import ROOT, shipped_params
from tests.project import STAGES
from tests.small_run import make_run

CPU = torch.device("cpu")
PARAMS = Params(**shipped_params()).model_copy(update={"batch_size": 4, "threads": 1, "device": "cpu"})


@pytest.fixture
def clock(monkeypatch) -> Callable[..., None]:
    """Makes a module's clock show these times, one after the other."""

    def make(module: object, *times: float) -> None:
        left = iter(times)
        monkeypatch.setattr(module, "time", SimpleNamespace(perf_counter=lambda: next(left)))

    return make


def scripted(values: list[float]) -> Callable[..., float]:
    left = iter(values)
    return lambda *_, **__: next(left)


# --- in this process


def test_augmentation_over_torchvision(monkeypatch):
    threads = torch.get_num_threads()
    # By recipe: a round to warm up, then ours and theirs in turn.
    times = iter([99, 99, 2, 4, 4, 4, 5, 20] * 2)

    def seconds(work: Callable[[], None]) -> float:
        work()
        return next(times)

    monkeypatch.setattr(augmentation, "seconds", seconds)
    figures = augmentation.measure(100, rounds=3)
    for recipe in augmentation.RECIPES:
        assert figures[f"{recipe}_images_per_s"] == 25  # the middle of 50, 25 and 20
        assert figures[f"{recipe}_over_torchvision"] == 2  # the middle of 2, 1 and 4
    assert torch.get_num_threads() == threads


def test_seconds_are_those_of_the_work(clock):
    clock(augmentation, 10, 12.5)
    done = []
    assert augmentation.seconds(lambda: done.append(True)) == 2.5
    assert done == [True]


def test_the_recipe_of_torchvision_has_the_same_steps():
    names = [
        type(step).__name__
        for step in augmentation.torchvision_recipe(
            augmentation.RECIPES["pad_crop_flip_rotate_cutout"]
        ).transforms
    ]
    assert names == ["RandomCrop", "RandomHorizontalFlip", "RandomRotation", "PILToTensor", "RandomErasing"]


def test_shares_and_ratios_of_a_training_step(monkeypatch):
    # Two epochs a round: as it is, and from memory. The first round warms up.
    monkeypatch.setattr(training_step, "seconds_an_epoch", scripted([9, 9, 2, 1, 4, 2, 8, 1]))
    monkeypatch.setattr(training_step.textbook, "images_per_second", scripted([9, 2, 1, 0.25]))
    monkeypatch.setattr(training_step.operations, "of_a_training_step", lambda *_: 3e9)
    monkeypatch.setattr(training_step.operations, "matrix_peak", scripted([9, 24e9, 24e9, 24e9]))
    assert training_step.measure(PARAMS, images=11, rounds=3) == {  # 8 images: whole batches
        "ours_images_per_s": 2,  # of 4, 2 and 1
        "textbook_images_per_s": 1,
        "ours_over_textbook": 2,  # of 2, 2 and 4
        "loaded_over_in_memory": 0.5,  # of 1/2, 1/2 and 1/8
        "gflop_per_image": 3,
        "matrix_peak_gflop_per_s": 24,
        "share_of_peak": 0.25,  # of 4 × 3 / 24, 2 × 3 / 24 and 1 × 3 / 24
        "share_of_peak_in_memory": 1,  # of 8 × 3 / 24, 4 × 3 / 24 and 8 × 3 / 24
    }


@pytest.mark.parametrize("in_memory", [False, True])
def test_an_epoch_is_timed_and_really_trains(clock, monkeypatch, in_memory):
    hardware = Hardware(CPU, torch.float32)
    split = epoch.random_split(8)
    ready = epoch.memory_batches(PARAMS, split, hardware)
    assert [len(images) for images, _ in ready.epoch(1)] == [4, 4]
    rows, train = [], epoch.train
    monkeypatch.setattr(epoch, "train", lambda *arguments: rows.extend(train(*arguments)))
    clock(epoch, 10, 12.5)
    assert epoch.seconds_an_epoch(PARAMS, hardware, split, batches=ready if in_memory else None) == 2.5
    assert [row.epoch for row in rows] == [1]


def test_an_epoch_of_a_schedule_that_needs_several_is_timed(clock, monkeypatch):
    monkeypatch.chdir(ROOT)
    params = recipes.with_recipe(PARAMS, "resnet18")
    assert params.schedule.one_cycle.peak > 1
    clock(epoch, 10, 12.5)
    of_four = params.model_copy(update={"batch_size": 4, "model": "fast"})
    hardware = Hardware(CPU, torch.float32)
    assert epoch.seconds_an_epoch(of_four, hardware, epoch.random_split(8)) == 2.5


def test_what_safety_costs(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    seen, times = [], iter([9, 2, 3, 6, 4, 5, 6, 4, 4, 4])

    def seconds(params: Params, hardware: Hardware, split: object, checkpoint: object) -> float:
        seen.append((torch.are_deterministic_algorithms_enabled(), checkpoint is not None))
        if checkpoint:
            assert not checkpoint.path.exists()
            checkpoint.path.write_text("resumed from, unless it is removed")
        return next(times)

    monkeypatch.setattr(safety, "seconds_an_epoch", seconds)
    figures = safety.measure(PARAMS, 8, rounds=3)
    assert figures == {
        "images_an_epoch": 8,
        "deterministic_ratio": 1.25,  # of 3/2, 5/4 and 1
        "checkpoint_ratio": 1.2,  # of 2, 6/5 and 1
        "both_ratio": 1.5,  # of 3, 6/4 and 1
        "checkpoint_s": 1,  # of 3, 1 and 0
    }
    assert seen == [(True, True), *[(False, False), (True, False), (True, True)] * 3]
    assert list(tmp_path.iterdir()) == []


def test_tables_are_written_and_read(clock, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    clock(tables, 0, 1, 10, 12, 20, 23, 30, 35, 40, 44, 50, 59)
    figures = tables.measure(images=50, classes=7, rounds=3)
    assert (figures["write_s"], figures["read_s"]) == (3, 5)  # of 1, 3 and 4; of 2, 5 and 9
    array = 128 + 50 * 7 * 4  # header and float32
    assert array < figures["MB"] * 1e6 < array + 50 * 60  # and a row of text an image
    assert list(tmp_path.iterdir()) == []


def test_operations_by_hand():
    # A multiply-add is two operations; forward, and as many for each of the two gradients.
    model = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.Flatten(), nn.Linear(4096, 10))
    conv, linear = 32 * 32 * 3 * 4 * 9, 4096 * 10
    # Nobody needs the gradient of the images.
    assert operations.of_a_training_step(model, CPU) == 4 * conv + 6 * linear


def test_the_peak_is_the_fastest_of_all_sizes(clock, monkeypatch):
    monkeypatch.setattr(operations, "SIDES", (4, 8))
    # Four products each: from, to.
    clock(operations, 0, 1, 1, 1.5, 2, 3, 3, 4, 5, 9, 10, 12, 12, 14, 14, 16)
    # 2 × 4³ operations in half a second at best, 2 × 8³ in two.
    assert operations.matrix_peak(Hardware(CPU, torch.float32)) == max(2 * 4**3 / 0.5, 2 * 8**3 / 2)


def test_the_textbook_prints_images_a_second(clock, capsys):
    with torch.random.fork_rng(devices=[]):
        clock(textbook, 1, 3)
        textbook.main("fast", batch_size=4, images=8)
    assert capsys.readouterr().out == "4.0\n"


def test_the_textbook_runs_in_a_process_of_its_own(monkeypatch):
    def run(command: list[str], **_: object) -> SimpleNamespace:
        assert command == [sys.executable, "-m", "benchmarks.textbook", "fast", "4", "8"]
        return SimpleNamespace(stdout="12.5\n")

    monkeypatch.setattr(textbook, "subprocess", SimpleNamespace(run=run))
    assert textbook.images_per_second("fast", 4, 8) == 12.5


def test_two_processes_over_one(monkeypatch):
    rates = iter([100, 90, 100, 95, 50, 50])
    monkeypatch.setattr(processes, "images_per_second", lambda count, images: next(rates))
    assert processes.measure(1000, 3) == {
        "one_process_images_per_s": 100,
        "two_processes_images_per_s": 90,
        "two_over_one": 0.95,
    }


def test_a_recipe_changes_what_its_flags_say(monkeypatch):
    monkeypatch.chdir(ROOT)
    changed = recipes.with_recipe(PARAMS, "resnet18")
    assert (changed.model, changed.optimizer.name, changed.optimizer.lr) == ("resnet18", "sgd", 0.1)
    assert (changed.seed, changed.device) == (PARAMS.seed, PARAMS.device)


def test_those_asked_for_are_run_and_written(monkeypatch, tmp_path, capsys):
    (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["benchmarks", "--quick", "--json", "figures.json", "tables"])
    __main__.main()
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert set(figures) == {"hardware", "tables"}
    assert set(figures["tables"]) == {"write_s", "read_s", "MB"}
    assert f"{figures['tables']['MB']:,.2f}" in capsys.readouterr().out
    monkeypatch.setattr(sys, "argv", ["benchmarks", "table"])
    with pytest.raises(SystemExit):
        __main__.main()
    assert "unknown benchmark table; known: training_step, " in capsys.readouterr().err


def test_when_a_page_can_be_used(monkeypatch, tmp_path):
    monkeypatch.setattr(page, "ROUNDS", 1)
    file, picture = tmp_path / "page.html", io.BytesIO()
    Image.new("RGB", (4, 4)).save(picture, "WEBP")
    address = f"data:image/webp;base64,{base64.b64encode(picture.getvalue()).decode()}"
    late = {
        150: f"document.querySelector('.image').src = '{address}'",
        300: "document.getElementById('late').innerHTML = '<svg></svg>'",
    }
    file.write_text(
        "<div class='card'><img class='image'></div>"
        "<div class='chart'><svg></svg></div><div class='chart' id='late'></div><script>"
        + "".join(f"setTimeout(() => {{ {code} }}, {after});" for after, code in late.items())
        + "</script>"
    )
    with browser.started():
        pass  # skips the test where there is none
    times = page.measure(file)
    wanted = {"first_card", "first_image", "first_chart", "all_charts", "content_loaded", "loaded"}
    assert set(times) == wanted
    assert times["first_card"] <= times["first_image"] < times["all_charts"]
    assert times["first_image"] >= 150
    assert times["all_charts"] >= 300


# --- in a clone


def test_a_clone_is_of_the_last_commit(project, monkeypatch, clock):
    monkeypatch.chdir(project.folder)
    for name, value in project.environment().items():
        monkeypatch.setenv(name, value)
    project.change({"seed": 5})  # not committed
    with clone.clone() as made:
        made.change(epochs=1, evaluate={"tta": "none"})
        changed = yaml.safe_load((made.folder / artifacts.PARAMS).read_text())
        assert (changed["seed"], changed["epochs"]) == (0, 1)
        assert changed["evaluate"] == shipped_params()["evaluate"] | {"tta": "none"}
        assert made.run("git", "status", "--short").split() == ["M", "params.yaml"]
        clock(clone, 1, 4)
        assert made.seconds("python", "-m", "stages.download") == 3
        assert (made.folder / artifacts.DATASET / "meta.json").exists()
        with pytest.raises(
            RuntimeError, match=r"python -m stages.evaluate\n(.*\n)*evaluate: data/model.pt: missing"
        ):
            made.run("python", "-m", "stages.evaluate")
    assert not made.folder.exists()


class ScriptedClone(clone.Clone):
    """Notes what would be run, and says how long it took."""

    def __init__(self, folder: Path, times: dict[str, list[float]]) -> None:
        super().__init__(folder)
        self.times = {command: iter(seconds) for command, seconds in times.items()}
        self.commands: list[str] = []

    def run(self, *command: str) -> str:
        self.commands.append(" ".join(command))
        if command[0] == "python":  # it exists
            assert importlib.util.find_spec(command[2])
        if "-o" in command:
            (self.folder / command[-1]).write_bytes(bytes(1_500_000))
        if command[-1] == "stages.evaluate":
            metrics = {"accuracy": 0.9, "accuracy_without_tta": 0.8}
            artifacts.write_json(self.folder / artifacts.TEST_METRICS, metrics)
        return ""

    def seconds(self, *command: str) -> float:
        self.run(*command)
        return next(self.times[" ".join(command)])


@pytest.fixture
def scripted_clone(tmp_path, monkeypatch) -> Callable[..., ScriptedClone]:
    """Replaces the clone that a benchmark would make."""

    def make(module: object, times: dict[str, list[float]]) -> ScriptedClone:
        (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text())
        made = ScriptedClone(tmp_path, times)

        @contextmanager
        def opened() -> Iterator[ScriptedClone]:
            yield made

        monkeypatch.setattr(module, "clone", opened)
        return made

    return make


def test_what_the_pipeline_costs_around_the_training(scripted_clone):
    stages = [stage for stage in STAGES if stage != "train"]
    times = {f"python -m stages.{stage}": [9, 1, 2] for stage in stages}
    made = scripted_clone(pipeline, {**times, "dvc repro": [5, 7, 9], "dvc status": [4, 1, 8]})
    figures = pipeline.measure("cifar10", rounds=3)
    assert figures == {f"{stage}_s": 2 for stage in stages} | {
        "all_but_train_s": 2 * len(stages),
        "repro_nothing_to_do_s": 7,
        "status_s": 4,
        "repro_less_status_s": 1,  # of 1, 6 and 1
    }
    assert made.commands[0] == "dvc repro"
    assert yaml.safe_load((made.folder / "params.yaml").read_text())["dataset"] == "sample"


def test_what_comparing_costs(scripted_clone):
    times = {
        "python -m src.compare HEAD": [3, 1, 2],
        "python -m src.compare HEAD -o page.html": [4, 6, 5],
        "python -m src.report -o report.html": [9, 7, 8],
    }
    made = scripted_clone(compare, times)
    figures = compare.measure("cifar10", rounds=3)
    seconds = {"compare_s": 2, "compare_with_page_s": 5, "report_s": 8}
    assert figures == seconds | {"page_MB": 1.5, "report_MB": 1.5}
    # What is compared differs in the views of each image, and both have been committed to DVC's cache.
    assert made.commands.count("dvc commit --force") == 2
    assert yaml.safe_load((made.folder / "params.yaml").read_text())["evaluate"]["tta"] == "none"


def test_what_comparing_groups_costs(scripted_clone, tiny, write_params, monkeypatch):
    command = "python -m src.compare base other"
    made = scripted_clone(groups, {command: [3, 1, 2], f"{command} -o page.html": [4, 6, 5]})
    monkeypatch.chdir(made.folder)
    make_run(tiny, write_params)
    assert groups.measure("sample", seeds=2, rounds=3) == {
        "compare_s": 2,
        "compare_with_page_s": 5,
        "page_MB": 1.5,
    }
    saved = [command for command in made.commands if command.startswith("dvc exp save")]
    names = ("base-seed0", "base-seed1", "other-seed0", "other-seed1")
    assert saved == [f"dvc exp save --name {name}" for name in names]
    assert made.commands.count("dvc commit --force") == 4


def test_textbook_epochs_are_spread_between_the_seeds():
    assert time_to_accuracy.spread(1, 3) == {1}
    assert time_to_accuracy.spread(2, 4) == {1, 3}
    assert time_to_accuracy.spread(3, 3) == {0, 1, 2}


def test_time_to_accuracy_beside_a_textbook(scripted_clone, monkeypatch, tmp_path, capsys):
    made = scripted_clone(time_to_accuracy, {"python -m stages.train": [10, 30]})
    monkeypatch.setattr(time_to_accuracy, "images_per_second", scripted([1_000, 2_500]))
    monkeypatch.chdir(ROOT)
    arguments = ["--seeds", "3", "4", "--textbook-images", "128", "--json", str(tmp_path / "figures.json")]
    monkeypatch.setattr(sys, "argv", ["time_to_accuracy", *arguments])
    time_to_accuracy.main()
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert [run["seed"] for run in figures["runs"]] == [3, 4]
    assert figures["textbook_epochs_s"] == [50, 20]  # 50,000 images
    assert figures["textbook_images"] == 128
    assert figures["ratio"] == pytest.approx(20 / 35)
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == "mean accuracy 90.00% (80.00% without test-time augmentation), mean ratio 0.57"
    params = yaml.safe_load((made.folder / "params.yaml").read_text())
    assert (params["seed"], params["dataset"], params["epochs"]) == (4, "cifar10", 9)  # those of fast-94
    assert np.isclose(np.mean([run["training_s"] for run in figures["runs"]]), 20)
