"""A copy of the project that tests may run and change."""

import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import yaml

from src import artifacts, datasets
from tests.conftest import ROOT, shipped_params

# Small enough for a test, of which two run at a time, and otherwise the shipped configuration.
SMALL = {"dataset": "sample", "epochs": 2, "batch_size": 50, "threads": 1}


class Project:
    """The tracked and the new files of the working tree, committed to a repository of their own.

    Its sample has 20 + 10 images of each class, and params.yaml asks for it.
    """

    def __init__(self, folder: Path, tiny: datasets.Dataset) -> None:
        self.folder = folder
        self.identity = {
            f"GIT_{role}_{part}": "tester@example.org"
            for role in ("AUTHOR", "COMMITTER")
            for part in ("NAME", "EMAIL")
        }
        listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
        for name in subprocess.check_output(listed, cwd=ROOT, text=True).splitlines():
            if (ROOT / name).is_file():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, folder / name)
        datasets.save(tiny, folder / artifacts.SAMPLE)
        (folder / artifacts.PARAMS).write_text(yaml.safe_dump(shipped_params() | SMALL, sort_keys=False))
        for result in (*folder.glob("metrics/*.json"), *folder.glob("plots/*.csv"), folder / "dvc.lock"):
            result.unlink(missing_ok=True)
        self.run("git", "init", "--quiet", "--initial-branch=main")
        self.commit()

    def commit(self) -> None:
        self.run("git", "add", "--all")
        self.run("git", "commit", "--quiet", "--message=Start")

    def edit(self, changes: dict[str, str]) -> None:
        path = self.folder / artifacts.PARAMS
        text = path.read_text()
        for old, new in changes.items():
            assert old in text
            text = text.replace(old, new, 1)
        path.write_text(text)

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
        home = {"PATH": path, "HOME": str(self.folder.parent), "GIT_CONFIG_NOSYSTEM": "1"}
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(("GIT_", "DVC_", "MAKE"))}
        return inherited | self.identity | home

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

    def stages_run(self, output: str) -> list[str]:
        """The stages that DVC says it ran."""
        return [line.split("'")[1] for line in output.splitlines() if line.startswith("Running stage")]

    def lock(self, experiment: str) -> str:
        """The lock file of an experiment: the sum of every output, the model's and the pictures' too."""
        pattern = f"refs/exps/**/{experiment}"
        [ref] = self.run("git", "for-each-ref", "--format=%(refname)", pattern).split()
        return self.run("git", "show", f"{ref}:dvc.lock")

    def run_queue(self, *options: str) -> None:
        """Run what is queued to its end: the workers keep our pipe open for as long as they live."""
        self.run("dvc", "queue", "start", *options)
        status = self.run("dvc", "queue", "status")
        assert "Success" in status, status
        assert not re.search("Queued|Running|Failed", status), status
