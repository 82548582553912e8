"""A copy of the project that tests may run and change, and stages called without a process."""

import hashlib
import importlib
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from src import artifacts, command
from src.data.dataset import Dataset, save_dataset
from tests.conftest import ROOT, shipped_params

# Small enough for a test, of which two run at a time, and otherwise the shipped configuration.
SMALL = {"dataset": "sample", "epochs": 2, "batch_size": 50, "threads": 1, "workers": 0}
SHOWN = 4  # mistakes
# Of each class, the images that heatmaps are checked with: each is answered 72 times.
CHECKED, CHECKED_HERE = "CHECKED_PER_CLASS = 5", "CHECKED_PER_CLASS = 1"
STAGES = [
    "download",
    "compute_mean_std",
    "find_lr",
    "preview",
    "train",
    "evaluate",
    "find_misclassified",
    "gradcam",
    "find_blindspots",
    "find_label_issues",
]


def call(stage: str) -> None:
    """Do in this process, in the working folder, what `python -m stages.NAME` does in one of its own."""
    command.run_main(stage, importlib.import_module(f"stages.{stage}").main)


def set_params(folder: Path, changes: Mapping[str, Any]) -> None:
    """Change params.yaml; keys as `-S` takes them, e.g. `optimizer.lr`."""
    path = folder / artifacts.PARAMS
    content = yaml.safe_load(path.read_text())
    for key, value in changes.items():
        *groups, name = key.split(".")
        target = content
        for group in groups:
            target = target[group]
        assert name in target
        target[name] = value
    replace(path, yaml.safe_dump(content, sort_keys=False))


def enter_copy(original: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Be where DVC runs a stage of an experiment with `--temp`: in a copy, here an empty one."""
    copy = original / ".dvc/tmp/exps/standalone/tmp0"
    (copy / ".dvc").mkdir(parents=True)
    monkeypatch.setenv("DVC_ROOT", str(original))
    monkeypatch.chdir(copy)
    return copy


def replace(path: Path, content: str | bytes) -> None:
    """Write a file that may be a link to another project's."""
    path.unlink(missing_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)


def tracing(folder: Path) -> dict[str, str]:
    """The environment in which every stage notes in `folder` what it imports."""
    return {"PYTHONPATH": str(ROOT / "tests/tracing"), "TRACE_IMPORTS_TO": str(folder)}


def _link_or_copy(source: str, target: str) -> None:
    """Link what is never written again, the objects of git and of DVC's cache; copy all else."""
    if "/.git/objects/" in source or "/.dvc/cache/files/" in source:
        try:
            os.link(source, target)
            return
        except OSError:  # another file system, or one without links
            pass
    shutil.copy2(source, target)


class Project:
    """A repository of its own, made of the working tree.

    Its sample has 20 + 10 images of each class, and params.yaml asks for it. Heatmaps are drawn of fewer
    mistakes, and checked with fewer images.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.identity = {
            f"GIT_{role}_{part}": "tester@example.org"
            for role in ("AUTHOR", "COMMITTER")
            for part in ("NAME", "EMAIL")
        }

    @classmethod
    def create(cls, folder: Path, tiny: Dataset) -> "Project":
        """Commit the tracked and the new files of the working tree, without results, to a new repository."""
        listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
        for name in subprocess.check_output(listed, cwd=ROOT, text=True).splitlines():
            if (ROOT / name).is_file():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, folder / name)
        save_dataset(tiny, folder / artifacts.SAMPLE)
        (folder / artifacts.PARAMS).write_text(yaml.safe_dump(shipped_params() | SMALL, sort_keys=False))
        set_params(folder, {"misclassified.count": SHOWN})
        gradcam = folder / "stages/gradcam.py"
        assert CHECKED in gradcam.read_text()
        gradcam.write_text(gradcam.read_text().replace(CHECKED, CHECKED_HERE))
        for result in (*folder.glob("metrics/*.json"), *folder.glob("plots/*.csv"), folder / "dvc.lock"):
            result.unlink(missing_ok=True)
        project = cls(folder)
        project.run("git", "init", "--quiet", "--initial-branch=main")
        project.commit()
        return project

    def copy(self, folder: Path) -> "Project":
        """The whole project elsewhere, with git's history and DVC's cache."""
        # .dvc/tmp has locks and absolute paths.
        skip = [str(self.folder / ".dvc/tmp")]
        shutil.copytree(
            self.folder,
            folder,
            symlinks=True,
            copy_function=_link_or_copy,
            ignore=lambda parent, names: [name for name in names if str(Path(parent, name)) in skip],
        )
        return Project(folder)

    def copy_results(self, folder: Path) -> None:
        """What stages read and write, without code, git or DVC."""
        for name in ("data", "metrics", "plots"):
            shutil.copytree(self.folder / name, folder / name)
        shutil.copy2(self.folder / artifacts.PARAMS, folder)

    def enter(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Make it the working folder of this process, with DVC's settings and caches its own."""
        monkeypatch.chdir(self.folder)
        for name in ("DVC_SITE_CACHE_DIR", "HOME"):
            monkeypatch.setenv(name, self.environment()[name])

    def commit(self) -> None:
        self.run("git", "add", "--all")
        self.run("git", "commit", "--quiet", "--message=Start")

    def change(self, changes: Mapping[str, Any]) -> None:
        """Change params.yaml; keys as `-S` takes them."""
        set_params(self.folder, changes)

    def restore(self) -> None:
        """Have everything as it was committed."""
        self.run("git", "restore", ".")
        self.run("dvc", "checkout")

    def attempt(self, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a command with this Python's tools first in the path, and no git settings but `identity`."""
        env = self.environment() | environment
        return subprocess.run(command, cwd=self.folder, env=env, capture_output=True, text=True, check=False)

    def start(self, *command: str) -> subprocess.Popen[str]:
        """Start a command in a process group of its own."""
        return subprocess.Popen(
            command,
            cwd=self.folder,
            env=self.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            # A shell that started us in the background has Ctrl-C ignored, and children inherit that.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )

    def environment(self) -> dict[str, str]:
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        home = self.folder.parent
        isolated = {"PATH": path, "HOME": str(home), "GIT_CONFIG_NOSYSTEM": "1"}
        isolated["DVC_SITE_CACHE_DIR"] = str(home / "dvc-site-cache")
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(("GIT_", "DVC_", "MAKE"))}
        return inherited | self.identity | isolated

    def run(self, *command: str, **environment: str) -> str:
        """Run a command that has to succeed; its standard output."""
        done = self.attempt(*command, **environment)
        assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def outputs(self) -> dict[str, list[Path]]:
        """The files that are the outputs of each stage, present or not."""
        found = {}
        for stage, entry in yaml.safe_load((self.folder / "dvc.yaml").read_text())["stages"].items():
            listed = [*entry.get("outs", []), *entry.get("metrics", []), *entry.get("plots", [])]
            paths = [self.folder / (item if isinstance(item, str) else next(iter(item))) for item in listed]
            folders = [path for path in paths if path.is_dir()]
            inside = [file for folder in folders for file in sorted(folder.iterdir())]
            found[stage] = [path for path in paths if path not in folders] + inside
        return found

    def sums(self) -> dict[str, str]:
        """SHA-256 of every output."""
        return {
            path.relative_to(self.folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for paths in self.outputs().values()
            for path in paths
        }

    def show(self, revision: str, path: Path) -> str:
        """A file that git has of a branch, tag or experiment.

        Of `dvc.lock`, which holds the sum of every output, two that are equal are two runs that agree.
        """
        refs = self.run("git", "for-each-ref", "--format=%(refname)", f"refs/**/{revision}").split()
        return self.run("git", "show", f"{refs[0]}:{path.as_posix()}")

    def run_queue(self, *options: str) -> None:
        """Run what is queued to its end: the workers keep our pipe open for as long as they live."""
        self.run("dvc", "queue", "start", *options)
        status = self.run("dvc", "queue", "status")
        assert "Success" in status, status
        assert not re.search("Queued|Running|Failed", status), status


def stages_run(output: str) -> list[str]:
    """The stages that DVC says it ran."""
    return [line.split("'")[1] for line in output.splitlines() if line.startswith("Running stage")]
