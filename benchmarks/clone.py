"""A clone of the last commit, to run the pipeline in."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from src import artifacts
from src.download import cifar10


class Clone:
    """The project in a folder of its own; a copy of CIFAR-10 that was kept here is used there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        tools = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        self.environment = os.environ | {"PATH": tools}
        if cifar10.CACHE.exists():
            self.environment[cifar10.OVERRIDE] = str(cifar10.CACHE.resolve())

    def change(self, **params: Any) -> None:
        """Set parameters; a group is given as a mapping of what changes in it."""
        path = self.folder / artifacts.PARAMS
        content = yaml.safe_load(path.read_text())
        for key, value in params.items():
            content[key] = content[key] | value if isinstance(value, dict) else value
        path.write_text(yaml.safe_dump(content))

    def run(self, *command: str) -> str:
        """Run a command that has to succeed; its standard output."""
        done = subprocess.run(
            command, cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
        return done.stdout

    def test_on(self, dataset: str) -> None:
        """Train for one epoch on few images, so that there are many mistakes; test on `dataset`."""
        self.change(dataset="sample", epochs=1, batch_size=100)
        self.run("dvc", "repro")
        # The same weights about the other dataset: as for DVC, an experiment like any other.
        self.change(dataset=dataset)
        for stage in ("download", "evaluate", "find_misclassified", "gradcam", "find_blindspots"):
            self.run("python", "-m", f"stages.{stage}")

    def seconds(self, *command: str) -> float:
        """Wall-clock time of the same."""
        started = time.perf_counter()
        self.run(*command)
        return time.perf_counter() - started


@contextmanager
def clone() -> Iterator[Clone]:
    """Inside, the clone is there."""
    here = Clone(Path.cwd())
    # The project may be a folder of a larger repository.
    root, below = (here.run("git", "rev-parse", f"--show-{what}")[:-1] for what in ("toplevel", "prefix"))
    with tempfile.TemporaryDirectory() as folder:
        here.run("git", "clone", "--quiet", root, folder)
        yield Clone(Path(folder, below))
