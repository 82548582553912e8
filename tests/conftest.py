"""What several test files need: a small dataset, a parameter file to change, a finished run to copy."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import yaml
from filelock import FileLock

from src import artifacts
from src.data.dataset import Dataset, first_of_each_class, load_dataset
from src.defaults import fill_in

if TYPE_CHECKING:
    from tests.project import Project

ROOT = Path(__file__).parents[1]
# Two tests run at a time; threads of the one that wait must not keep the other from its CPU.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    import torch

    if not torch.cuda.is_available():
        for item in items:
            if item.get_closest_marker("gpu"):
                item.add_marker(pytest.mark.skip(reason="no CUDA GPU here"))
    # Those first that wait for a pipeline: one process runs it while the other has the rest to do.
    slow = ("compared", "finished")
    items.sort(key=lambda item: [name not in getattr(item, "fixturenames", ()) for name in slow])


def shipped_params() -> dict[str, Any]:
    """params.yaml as it is in the working tree, with the values that `auto` stands for on CIFAR-10."""
    content = yaml.safe_load((ROOT / artifacts.PARAMS).read_text())
    fill_in(content, None)
    return content


@pytest.fixture(scope="session")
def tiny() -> Dataset:
    """20 training and 10 test images of each class, real ones."""
    sample = load_dataset(ROOT / artifacts.SAMPLE)
    return Dataset(
        "sample",
        sample.source,
        sample.classes,
        sample.train.take(first_of_each_class(sample.train.labels, 20)),
        sample.test.take(first_of_each_class(sample.test.labels, 10)),
    )


@pytest.fixture
def write_params(tmp_path: Path) -> Callable[..., Path]:
    """Writes the shipped params.yaml with changes, `group__key=value`, to the test's own folder."""

    def write(**changes: Any) -> Path:
        content = shipped_params()
        for key, value in changes.items():
            *groups, name = key.split("__")
            target = content
            for group in groups:
                target = target[group]
            target[name] = value
        path = tmp_path / artifacts.PARAMS
        path.write_text(yaml.safe_dump(content))
        return path

    return write


@pytest.fixture
def random_images() -> np.ndarray:
    """uint8 (12, 32, 32, 3)."""
    return np.random.default_rng(0).integers(0, 256, (12, 32, 32, 3), np.uint8)


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Callable[[Path], None]], Path]:
    """Has a folder filled once a session, whichever of the processes that run the tests needs it first."""
    base = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent  # shared by all of them

    def make(name: str, fill: Callable[[Path], None]) -> Path:
        folder, complete = base / name, base / f"{name}.complete"
        with FileLock(base / f"{name}.lock"):
            if not complete.exists():
                shutil.rmtree(folder, ignore_errors=True)  # of an attempt that failed
                folder.mkdir()
                fill(folder)
                complete.touch()
        return folder

    return make


@pytest.fixture(scope="session")
def finished(made_once: Callable[..., Path], tiny: Dataset) -> "Project":
    """A project after `dvc repro`, its results not yet committed. Never to be changed: see `project`.

    Beside it lie `repro.txt`, what was printed, and `traces/`, what each stage imported.
    """
    from tests.project import Project, tracing

    def fill(folder: Path) -> None:
        (folder / "project").mkdir()
        (folder / "traces").mkdir()
        project = Project.create(folder / "project", tiny)
        printed = project.run("dvc", "repro", **tracing(folder / "traces"))
        (folder / "repro.txt").write_text(printed)

    return Project(made_once("finished", fill) / "project")


@pytest.fixture
def project(finished: "Project", tmp_path: Path) -> "Project":
    """A copy of the finished project, with git and DVC, to run and change."""
    return finished.copy(tmp_path / "project")


@pytest.fixture
def settings_of_torch() -> Iterator[None]:
    """Whatever a stage sets in this process is undone."""
    import torch

    threads, mode = torch.get_num_threads(), torch.get_deterministic_debug_mode()
    with torch.random.fork_rng(devices=[]):
        yield
    torch.set_num_threads(threads)
    torch.set_deterministic_debug_mode(mode)


@pytest.fixture
def results(
    finished: "Project", settings_of_torch: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """The working folder: a copy of the finished run's files, for stages that are called in this process."""
    folder = tmp_path / "results"
    finished.copy_results(folder)
    monkeypatch.chdir(folder)
    monkeypatch.setattr("stages.gradcam.CHECKED_PER_CLASS", 1)  # as in the finished run
    return folder


@pytest.fixture
def run(
    tiny: Dataset,
    settings_of_torch: None,
    write_params: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    """The working folder: a dataset, an untrained model and its answers, made in a moment."""
    from tests.small_run import make_run

    monkeypatch.chdir(tmp_path)
    make_run(tiny, write_params)
    return tmp_path


@pytest.fixture(scope="session")
def compared(made_once: Callable[..., Path], finished: "Project") -> "Project":
    """A branch `main` with results, the tag `nothing` without, and two experiments. Never to be changed.

    `longer` has an epoch more and was run with --temp, so that its results are in DVC's cache alone;
    `plain` views each test image once and was run in the workspace. Beside it lies what each printed.
    """

    def fill(folder: Path) -> None:
        project = finished.copy(folder / "project")
        project.run("git", "tag", "nothing")
        project.commit()
        for name, flags in {
            "longer": ("--temp", "-S", "epochs=3"),
            "plain": ("-S", "evaluate.tta=none"),
        }.items():
            printed = project.run("dvc", "exp", "run", "--name", name, *flags)
            (folder / f"{name}.txt").write_text(printed)
        project.run("git", "restore", ".")
        project.run("dvc", "checkout")

    from tests.project import Project

    return Project(made_once("compared", fill) / "project")
