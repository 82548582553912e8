"""Every command prints whole text into anything, and ends as it would on a terminal."""

import dataclasses
import json
import os
import pty
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

from src import artifacts
from src.data.dataset import save_dataset
from tests import corrections
from tests.conftest import ROOT, shipped_params
from tests.every_command import COMMANDS, ODD
from tests.project import SMALL
from tests.small_run import write_pictures

STRICT = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}  # or Python makes UTF-8 of it
PLACES = {
    "cp1252": {"PYTHONIOENCODING": "cp1252"},
    "ASCII": {"PYTHONIOENCODING": "ascii", "PYTHONUNBUFFERED": "1"},
    "LC_ALL=C": STRICT,
}


@pytest.fixture(scope="session")
def workspace(made_once, tiny) -> Path:
    """A small project before its first run; one of its classes has an odd name."""

    def first(labels: np.ndarray, count: int) -> np.ndarray:
        return np.concatenate([np.flatnonzero(labels == label)[:count] for label in range(10)])

    def fill(folder: Path) -> None:
        dataset = dataclasses.replace(
            tiny,
            classes=(ODD, *tiny.classes[1:]),
            train=tiny.train.take(first(tiny.train.labels, 5)),
            test=tiny.test.take(first(tiny.test.labels, 2)),
        )
        save_dataset(dataset, folder / artifacts.SAMPLE)
        write_pictures(dataset, folder / "pictures")
        corrections.write(path=folder / artifacts.CORRECTIONS)
        params = shipped_params() | SMALL | {"epochs": 1, "batch_size": 10}
        params["misclassified"]["count"] = 2
        (folder / artifacts.PARAMS).write_text(yaml.safe_dump(params))
        # As far as this tells, nothing is known of how results came about.
        outs = [{"path": artifacts.PROBABILITIES.as_posix(), "md5": ""}]
        lock = {"stages": {"evaluate": {"deps": [], "outs": outs}}}
        (folder / "dvc.lock").write_text(yaml.safe_dump(lock))

    return made_once("streams", fill)


class Printed:
    """What every command printed, and its exit status."""

    def __init__(self, folder: Path) -> None:
        self.statuses = json.loads((folder / "statuses.json").read_text())
        self.texts = {
            path.name: plain(path.read_bytes()) for path in folder.iterdir() if path.suffix != ".json"
        }


def plain(printed: bytes) -> str:
    """Without what differs between two runs: times, rates, folders, and names of temporary files."""
    text = re.sub(r"/\S*/(workspace\b|blindspot-\S+)", "PLACE", printed.decode())
    return re.sub(r"[\d.:]+", "#", text)


def run_all(workspace: Path, folder: Path, *flags: str, **environment: str) -> Printed:
    """Run every command in a copy of the workspace."""
    shutil.copytree(workspace, folder / "workspace")
    (folder / "results").mkdir()
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("GIT_", "DVC_", "PYTHON", "LC_"))}
    # Nothing is to be found in PATH, or npm would be.
    places = {
        "PYTHONPATH": str(ROOT),
        "HOME": str(folder),
        "DVC_SITE_CACHE_DIR": str(folder),
        "PATH": "/none",
    }
    done = subprocess.run(
        [sys.executable, "-m", "tests.every_command", str(folder / "results"), *flags],
        cwd=folder / "workspace",
        env=inherited | places | environment,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    return Printed(folder / "results")


@pytest.fixture(scope="session")
def usual(made_once, workspace) -> Printed:
    """What is printed where Python takes UTF-8 for everything."""
    folder = made_once("usual", lambda folder: run_all(workspace, folder, PYTHONUTF8="1") and None)
    return Printed(folder / "results")


def test_every_module_that_can_be_run_is_tried():
    runnable = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__main__")
        for room in ("src", "stages", "recipes", "benchmarks")
        for path in (ROOT / room).rglob("*.py")
        if 'if __name__ == "__main__"' in path.read_text(encoding="utf-8")
    }
    assert runnable == set(COMMANDS)


def test_what_is_usual(usual):
    assert usual.statuses["src.compare-0"] == 0
    assert all(status == 0 for name, status in usual.statuses.items() if name.startswith("stages."))
    odd = {name for name, text in usual.texts.items() if not text.isascii()}
    assert {"src.compare-0.out", "src.predict-1.out", "src.corrections-0.err"} <= odd
    assert not [name for name, text in usual.texts.items() if "Traceback" in text]


@pytest.mark.parametrize("place", PLACES)
def test_the_same_text_everywhere(workspace, usual, tmp_path, place):
    printed = run_all(workspace, tmp_path, **PLACES[place])
    assert printed.statuses == usual.statuses
    assert printed.texts == usual.texts


def test_a_reader_that_went_away_changes_no_status(workspace, usual, tmp_path):
    printed = run_all(workspace, tmp_path, "--no-reader")
    assert printed.statuses == usual.statuses
    assert (tmp_path / "workspace" / artifacts.TRAINED_MODEL).exists()


# --- the streams of one process

WORK = """import sys
import colorama
from src import streams
from src.command import run_main
colorama.init()  # as DVC does
def main():
    print("größe→ \\udcff \\ud800")
    print("problem→", file=sys.stderr)
    print("x" * 300_000, flush=True)
    open("done", "w").write(str(streams.is_read()))
run_main("work", main)"""
QUICK = "from src.command import run_main\nrun_main('quick', lambda: print('word'))"
TEXT = (
    "größe→ ".encode() + b"\xff \\ud800\n" + b"x" * 300_000 + b"\n"
)  # bytes of names stay, nonsense is spelled


@pytest.fixture
def work(tmp_path):
    """Runs WORK in a shell, with `{}` in a command standing for it; quick.py prints a word."""
    (tmp_path / "work.py").write_text(WORK, encoding="utf-8")
    (tmp_path / "quick.py").write_text(QUICK)

    def run(command: str) -> subprocess.CompletedProcess[bytes]:
        env = os.environ | STRICT | {"PYTHONPATH": str(ROOT)}
        line = ["bash", "-c", "set -o pipefail; " + command.format(f"{sys.executable} work.py")]
        return subprocess.run(line, cwd=tmp_path, env=env, capture_output=True, check=False)

    return run


def test_text_is_whole_in_a_pipe(work, tmp_path):
    done = work("{}")
    assert (done.returncode, done.stdout, done.stderr) == (0, TEXT, "problem→\n".encode())
    assert (tmp_path / "done").read_text() == "True"


def test_a_stream_that_is_closed_from_the_start(work):
    done = work("{} >&-")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", "problem→\n".encode())
    done = work("{} 2>&-")
    assert (done.returncode, done.stdout) == (0, TEXT)  # and no problem in it


@pytest.mark.parametrize("command", ["{} | head -1", "{} | true", "{} 2>&1 | head -1"])
def test_the_work_is_done_even_if_nobody_reads(work, tmp_path, command):
    assert work(command).returncode == 0
    assert (tmp_path / "done").read_text() == "False"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no such device")
def test_what_cannot_be_printed_is_one_line(work):
    done = work("{} > /dev/full")
    lines = done.stderr.decode().splitlines()
    assert (done.returncode, lines[-1]) == (1, "work: standard output: No space left on device")
    assert len(lines) == 2
    quick = work(f"{sys.executable} quick.py > /dev/full")  # it is not flushed until the end
    assert (quick.returncode, quick.stderr) == (1, b"quick: standard output: No space left on device\n")
    assert work("{} 2> /dev/full").stdout == TEXT  # what is no result stops nothing


def test_a_pipe_that_does_not_wait(work):
    slow = "import os, sys, time; time.sleep(1); sys.stdout.buffer.write(sys.stdin.buffer.read())"
    unblock = (
        "import os, sys; os.set_blocking(1, False); os.execv(sys.executable, [sys.executable, 'work.py'])"
    )
    done = work(f'{sys.executable} -c "{unblock}" | {sys.executable} -c "{slow}"')
    assert (done.returncode, done.stdout) == (0, TEXT)


def test_a_terminal_gets_what_it_can_show(work, tmp_path):
    ours, theirs = pty.openpty()
    done = subprocess.Popen(
        [sys.executable, "work.py"],
        cwd=tmp_path,
        env=os.environ | STRICT | {"PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "cp1252"},
        stdout=theirs,
        stderr=subprocess.DEVNULL,
    )
    shown = b""
    while len(shown) < 300_000:
        shown += os.read(ours, 65536)
    assert done.wait() == 0
    assert shown.splitlines()[0] == b"gr\xf6\xdfe\\u2192 \xff \\ud800"
    for end in (ours, theirs):
        os.close(end)
