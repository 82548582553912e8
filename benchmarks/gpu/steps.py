"""The steps of the campaign: each a function that does something for real and notes what came of it."""

import contextlib
import io
import platform
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from importlib import metadata
from pathlib import Path
from statistics import median
from typing import Any
from xml.etree import ElementTree

import torch

import recipes
from benchmarks import __main__ as bench
from benchmarks.clone import Clone
from benchmarks.gpu import profile
from benchmarks.gpu.project import SHORT, change, checksums, commands, copy_project, run_here
from benchmarks.recipes import with_recipe
from src import artifacts
from src.data.dataset import load_dataset
from src.errors import InputError
from src.hardware import choose_hardware, describe_environment
from src.params import load_params

SEEDS = (0, 1, 2)
RECIPE = "fast-94"
# Those first that a GPU matters to. A rehearsal does not do those that take minutes.
BENCHMARKS = (
    *("training_step", "training_step_resnet18", "safety", "pipeline", "tables", "augmentation", "decode"),
    *("compare", "groups", "import_images"),
)
REHEARSED = ("training_step", "tables", "decode")


@dataclass
class Work:
    """What a step is given, and where it notes what it found: at once, for it may be killed.

    Args:
        folder: to work in; the same for all steps of a run.
        notes: the file that `note` writes.
        rehearse: whether it does as little as possible, on the CPU.
        earlier: what the steps noted that were done before, by name.
    """

    folder: Path
    notes: Path
    rehearse: bool
    earlier: dict[str, dict[str, Any]]
    figures: dict[str, Any] = field(default_factory=dict)

    def note(self, result: str, **figures: Any) -> None:
        """Keep a short result, and figures beside those that were noted before."""
        self.figures |= figures
        artifacts.write_json(self.notes, {"result": result, "device": device(), "figures": self.figures})

    def fail(self, problem: str) -> None:
        """Keep why it failed, beside what was noted before."""
        noted = artifacts.read_json(self.notes) if self.notes.exists() else {"device": device()}
        artifacts.write_json(self.notes, noted | {"problem": problem})

    @contextlib.contextmanager
    def project(self) -> Iterator[Clone]:
        """A copy of the project that is gone afterwards."""
        folder = self.folder / "project"
        shutil.rmtree(folder, ignore_errors=True)  # of a step that was killed
        try:
            yield copy_project(folder, self.rehearse)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


@dataclass(frozen=True)
class Step:
    """A part of the campaign.

    Args:
        name: in the table.
        work: does it.
        least: seconds that have to be left to begin with it.
        most: seconds after which it is stopped.
    """

    name: str
    work: Callable[[Work], None]
    least: float
    most: float


def plan(recipe_seconds: float) -> list[Step]:
    """All steps, in order."""
    folder = Path(recipes.__file__).parent
    others = sorted(path.name for path in folder.iterdir() if path.is_file() and not path.suffix)
    others.remove(RECIPE)
    return [
        Step("versions", versions, 5, 120),
        Step("data", data, 10, 300),
        Step("GPU tests", gpu_tests, 20, 300),
        Step("default run", default_run, 30, 1200),
        Step("default run again", default_run_again, 30, 1200),
        *(Step(f"{RECIPE}, seed {n}", partial(recipe, name=RECIPE, seed=n), 15, 900) for n in SEEDS),
        *(Step(f"recipe {name}", partial(recipe, name=name), 15, recipe_seconds) for name in others),
        Step("benchmarks", benchmarks, 20, 600),
        Step("profile of a step", profile_step, 10, 120),
    ]


def device() -> str:
    """The device, by its name."""
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    return f"CPU ({torch.cpu.get_capabilities().get('cpu_name') or platform.machine()})"


def versions(work: Work) -> None:
    """What results may depend on, and which of the packages are missing or have another version."""
    hardware = choose_hardware("auto", "auto", lambda _: None)
    figures: dict[str, Any] = {**describe_environment(hardware), "differs": _other_versions()}
    result = f"Python {figures['python']}, torch {figures['torch']}, torchvision {figures['torchvision']}"
    if hardware.device.type == "cuda":
        found = torch.cuda.get_device_properties(0)
        driver = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
        with contextlib.suppress(OSError):  # not everywhere where torch finds the device
            figures["driver"] = subprocess.run(driver, capture_output=True, text=True, check=False).stdout
        figures["gpu"] = {
            "memory_GB": found.total_memory / 1e9,
            "capability": f"{found.major}.{found.minor}",
            "multiprocessors": found.multi_processor_count,
        }
        result += f", CUDA {figures['cuda']}, cuDNN {figures['cudnn']}"
    work.note(result, **figures)


def _other_versions() -> dict[str, str | None]:
    """Of the packages that Blindspot itself uses: the version here where it is not the pinned one."""
    wanted = dict(re.findall(r"^([\w-]+)==([\w.]+)", Path("requirements.txt").read_text("utf-8"), re.M))
    names = re.findall(r"^([\w-]+)", Path("requirements.in").read_text("utf-8"), re.M)
    here: dict[str, str | None] = {}
    for name in names:
        try:
            here[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            here[name] = None
    return {name: version for name, version in here.items() if version != wanted.get(name)}


def data(work: Work) -> None:
    """The images are there and their checksums right: `download` refuses them otherwise."""
    with work.project() as copy:
        run_here(copy, "download")
        dataset = load_dataset(copy.folder / artifacts.DATASET)
        train, test = len(dataset.train), len(dataset.test)
        work.note(f"{dataset.name}: {train:,} training and {test:,} test images", train=train, test=test)


def gpu_tests(work: Work) -> None:
    """The tests that need a GPU; without one they are skipped."""
    files = [
        str(path)
        for path in sorted(Path("tests").rglob("test_*.py"))
        if "mark.gpu" in path.read_text(encoding="utf-8")
    ]
    report = work.folder / "tests.xml"
    command = [sys.executable, "-m", "pytest", "-m", "gpu", "-n", "0", "-p", "no:cacheprovider"]
    done = subprocess.run([*command, f"--junitxml={report}", *files], check=False)
    if not report.exists():
        raise InputError(f"pytest ended with status {done.returncode}")
    suite = next(ElementTree.parse(report).iter("testsuite"))  # noqa: S314 (pytest wrote it)
    counts = {key: int(suite.get(key, 0)) for key in ("tests", "failures", "errors", "skipped")}
    wrong = [
        case.get("name", "")
        for case in suite.iter("testcase")
        if case.find("failure") is not None or case.find("error") is not None
    ]
    passed = counts["tests"] - len(wrong) - counts["skipped"]
    work.note(f"{passed} passed, {len(wrong)} failed, {counts['skipped']} skipped", **counts, failed=wrong)
    if done.returncode:
        raise InputError(f"{passed} passed, {len(wrong)} failed: {', '.join(wrong)}")


def default_run(work: Work) -> None:
    """The stages of dvc.yaml, each in a process of its own as with DVC, and with params.yaml as it is."""
    with work.project() as copy:
        seconds = {}
        for stage, command in commands().items():
            seconds[stage] = copy.seconds(*command)
            work.note(f"{len(seconds)} stages", seconds=seconds)
        test = artifacts.read_json(copy.folder / artifacts.TEST_METRICS)
        result = f"test accuracy {test['accuracy']:.2%}, train {seconds['train']:.1f} s"
        work.note(result, accuracy=test["accuracy"], files=checksums(copy))


def default_run_again(work: Work) -> None:
    """The same, and whether every file has the same bytes."""
    first = work.earlier.get("default run", {})
    if "files" not in first.get("figures", {}):
        raise InputError("there is no default run to compare with")
    if first["device"] != device():
        raise InputError(f"the default run was on {first['device']}; run both on one machine")
    default_run(work)
    before, now = first["figures"]["files"], work.figures["files"]
    other = sorted(name for name in {*before, *now} if before.get(name) != now.get(name))
    shown = ", ".join(other[:5]) + (f" and {len(other) - 5} more" if len(other) > 5 else "")
    accuracy = f"test accuracy {work.figures['accuracy']:.2%}"
    same = f"all {len(now)} files have the same bytes" if not other else f"other bytes: {shown}"
    work.note(f"{accuracy}; {same}", differ=other)


def recipe(work: Work, name: str, seed: int = 0) -> None:
    """Train and test once with a recipe; how long an epoch takes is noted as soon as one is over."""
    with work.project() as copy:
        change(copy, with_recipe(load_params(), name).model_dump() | {"seed": seed})
        if work.rehearse:
            change(copy, SHORT)
        run_here(copy, "download", "compute_mean_std", "find_lr")
        started = time.perf_counter()
        with contextlib.redirect_stdout(Epochs(sys.stdout, work)):
            run_here(copy, "train")
        seconds = time.perf_counter() - started
        trained = work.figures["epoch_s"]
        run_here(copy, "evaluate")
        test = artifacts.read_json(copy.folder / artifacts.TEST_METRICS)
    result = f"test accuracy {test['accuracy']:.2%}, {_epochs(trained)}, training {seconds:.1f} s"
    work.note(result, accuracy=test["accuracy"], training_s=seconds)


class Epochs(io.TextIOBase):
    """Passes on what a training prints, and notes when an epoch is over."""

    END = re.compile(r"epoch +(\d+)/(\d+): ")

    def __init__(self, below: Any, work: Work) -> None:
        self.below, self.work = below, work
        self.line, self.last, self.seconds = "", time.perf_counter(), list[float]()

    def write(self, text: str) -> int:
        self.below.write(text)
        *lines, self.line = (self.line + text).split("\n")
        for line in lines:
            if over := self.END.match(line):
                now = time.perf_counter()
                self.seconds.append(now - self.last)
                self.last = now
                of = int(over[2])
                self.work.note(f"{_epochs(self.seconds, of)}", epoch_s=self.seconds, epochs=of)
        return len(text)

    def flush(self) -> None:
        self.below.flush()


def _epochs(seconds: list[float], of: int = 0) -> str:
    """How many and how long; the first takes longer than others, because everything starts."""
    count = f"{len(seconds)} of {of}" if of else str(len(seconds))
    noun = "epoch" if (of or len(seconds)) == 1 else "epochs"
    return f"{count} {noun} of {median(seconds[1:] or seconds):.2f} s"


def benchmarks(work: Work) -> None:
    """Those of `make bench`, one after the other; one that fails does not keep the others from running."""
    with contextlib.ExitStack() as stack:
        if work.rehearse:
            stack.enter_context(contextlib.chdir(stack.enter_context(work.project()).folder))
        known = bench.known(load_params(), quick=work.rehearse)
        names = REHEARSED if work.rehearse else BENCHMARKS
        done, failed = {}, {}
        for name in names:
            try:
                done[name] = known[name]()
            except Exception as error:
                failed[name] = last_line(error)
            result = f"{len(done)} of {len(names)}"
            if step := done.get("training_step"):
                ours, ratio = step["ours_images_per_s"], step["ours_over_textbook"]
                result += f"; default model {ours:,.0f} images/s, {ratio:.2f} × the textbook step"
            result += "".join(f"; {name} failed" for name in failed)
            work.note(result, **done, failed=failed)
        if not done:
            raise InputError(next(iter(failed.values())))


def profile_step(work: Work) -> None:
    """Where the time of one training step of the default model goes."""
    with work.project() as copy, contextlib.chdir(copy.folder):
        milliseconds, operations = profile.of_a_step(load_params())
    result = f"{milliseconds:.1f} ms; most of it: {operations[0]['operation']}"
    work.note(result, ms=milliseconds, operations=operations)


def last_line(error: Exception) -> str:
    """Of a command that failed, the last line that it printed says most."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
