"""The kit: what goes into it, how it is cut into parts, and that the parts become the same files again."""

import importlib.util
import json
import lzma
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

from benchmarks.gpu import kit, unpack
from benchmarks.gpu.kit import Piece
from src.download import cifar10
from src.errors import InputError
from tests.conftest import ROOT

PINNED = """# a comment
numpy==2.4.6 ; python_full_version < '3.12' \\
    --hash=sha256:aa
    # via blindspot
numpy==2.5.5 ; python_full_version >= '3.12' \\
    --hash=sha256:bb \\
    --hash=sha256:cc
pywin32==312 ; sys_platform == 'win32' \\
    --hash=sha256:dd
ruamel-yaml==0.19.1 \\
    --hash=sha256:ee
"""


def test_what_is_pinned_for_the_machine():
    assert kit.requirements(PINNED, "3.12") == {
        "numpy": "numpy==2.5.5 --hash=sha256:bb --hash=sha256:cc",
        "ruamel-yaml": "ruamel-yaml==0.19.1 --hash=sha256:ee",
    }
    assert kit.requirements(PINNED, "3.11")["numpy"] == "numpy==2.4.6 --hash=sha256:aa"


def test_what_the_machine_has_is_left_out(monkeypatch, tmp_path):
    monkeypatch.chdir(ROOT)
    everything = kit.wanted((), "3.12")
    assert {"albumentations", "dvc", "pytest-xdist", "numpy"} <= set(everything)
    of_torch = ("torch", "nvidia-", "cuda-", "triton")
    assert [name for name in everything if name.startswith(of_torch)] == ["torchinfo"]
    frozen = tmp_path / "packages.txt"
    frozen.write_text("# made here\nnumpy==1.26.4\nRuamel.YAML==0.1\nopencv_python_headless @ file:///x\n\n")
    names = {"numpy", "ruamel-yaml", "opencv-python-headless"}
    assert kit.names_in(frozen) == names
    assert set(everything) - set(kit.wanted(names, "3.12")) == names


def test_a_list_that_is_not_there(monkeypatch, tmp_path, capsys):
    with pytest.raises(InputError, match="--has: absent: No such file or directory"):
        kit.names_in(Path("absent"))
    for flags in (["--part-mb", "0"], ["--python", "two"]):
        monkeypatch.setattr(sys, "argv", ["kit", *flags])
        with pytest.raises(SystemExit):
            kit.main()
        assert f"{flags[0]}: should be" in capsys.readouterr().err


def test_pip_is_asked_for_wheels_with_these_hashes(monkeypatch, tmp_path):
    asked = []

    def run(command, **_):
        asked.append((command[3], Path(command[-1]).read_text().splitlines(), command))
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(kit.subprocess, "run", run)
    kit.download_wheels(tmp_path / "wheels", {"numpy"}, "3.12")
    (first, wheels, flags), (second, sources, _) = asked
    assert (first, second) == ("download", "wheel")
    assert {"--require-hashes", "--python-version=3.12", "--platform=manylinux_2_28_x86_64"} <= set(flags)
    assert [line.partition("==")[0] for line in sources] == list(kit.NO_WHEELS)
    assert all("--hash=sha256:" in line for line in [*wheels, *sources])
    assert len(wheels) == len(kit.wanted({"numpy"}, "3.12")) - 1
    assert list((tmp_path / "wheels").iterdir()) == []

    def refuse(command, **_):
        return subprocess.CompletedProcess(command, 1, "", "WARNING: odd\nERROR: No matching distribution\n")

    monkeypatch.setattr(kit.subprocess, "run", refuse)
    with pytest.raises(InputError, match="pip download failed: ERROR: No matching distribution"):
        kit.download_wheels(tmp_path / "wheels", (), "3.12")


def test_files_are_cut_where_a_part_is_full():
    assert kit.cut({"a": 4, "empty": 0, "b": 13, "c": 3}, 10) == [
        [Piece("a", 0, 4), Piece("empty", 0, 0), Piece("b", 0, 6)],
        [Piece("b", 6, 7), Piece("c", 0, 3)],
    ]
    assert kit.cut({"a": 25}, 10) == [[Piece("a", 0, 10)], [Piece("a", 10, 10)], [Piece("a", 20, 5)]]
    assert kit.cut({"a": 10, "b": 10}, 10) == [[Piece("a", 0, 10)], [Piece("b", 0, 10)]]


@pytest.fixture
def content(tmp_path) -> Path:
    """Files of a small kit: code, data and a wheel."""
    folder = tmp_path / "content"
    code = tmp_path / "readme.txt"
    code.write_text("code")
    for room in (unpack.WHEELS, f"{unpack.DATA}/.downloads/cifar10"):
        (folder / room).mkdir(parents=True)
    with tarfile.open(folder / unpack.CODE, "w:xz") as archive:
        archive.add(code, "README.md")
    packed = folder / unpack.DATA / ".downloads/cifar10/test_batch.bin.xz"
    packed.write_bytes(lzma.compress(bytes(range(256)) * 8))
    with zipfile.ZipFile(folder / unpack.WHEELS / "carried-1.0-py3-none-any.whl", "w") as wheel:
        texts = {
            "carried.py": "WORD = 'carried'\n",
            "carried-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: carried\nVersion: 1.0\n",
            "carried-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        }
        record = "carried-1.0.dist-info/RECORD"
        texts[record] = "".join(f"{name},,\n" for name in (*texts, record))
        for name, text in texts.items():
            wheel.writestr(name, text)
    return folder


def execute(part: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """As on the machine: without the project."""
    env = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    command = [sys.executable, str(part), str(folder)]
    return subprocess.run(command, cwd=part.parent, env=env, capture_output=True, text=True, check=False)


def test_the_parts_in_any_order_become_a_project_that_runs(content, tmp_path):
    parts = kit.write_parts(content, tmp_path / "out", 500)
    assert len(parts) >= 3
    assert all(part.stat().st_size < 500 + kit.OVERHEAD for part in parts)
    target = tmp_path / "machine"
    for number, part in enumerate(reversed(parts[1:])):
        done = execute(part, target)
        assert done.returncode == 0, done.stderr
        waiting = ", ".join(map(str, range(1, len(parts) - number)))
        assert done.stdout.splitlines()[-1] == f"still missing: part {waiting}"
    assert not (target / unpack.PROJECT).exists()
    done = execute(parts[0], target)
    assert done.returncode == 0, done.stderr
    for path in content.rglob("*"):
        assert path.is_dir() or (target / path.relative_to(content)).read_bytes() == path.read_bytes()
    assert (target / "project/README.md").read_text() == "code"
    assert (target / "project/.downloads/cifar10/test_batch.bin").read_bytes() == bytes(range(256)) * 8
    # The wheel is installed there and nowhere else, beside what this Python has.
    python = target / "env/bin/python"
    assert f"{python} -m benchmarks.gpu" in done.stdout.splitlines()[-1]
    seen = subprocess.check_output([python, "-c", "import carried, yaml; print(carried.WORD)"], text=True)
    assert seen == "carried\n"
    assert importlib.util.find_spec("carried") is None


def test_a_damaged_part_and_a_part_of_another_kit(content, tmp_path):
    first, *_ = kit.write_parts(content, tmp_path / "out", 500)
    target = tmp_path / "machine"
    damaged = tmp_path / "damaged.pyz"
    with zipfile.ZipFile(first) as old, zipfile.ZipFile(damaged, "w") as new:
        for name in old.namelist():
            text = old.read(name)
            new.writestr(name, text[:-1] + b"\0" if name == "pieces/0" else text)
    done = execute(damaged, target)
    assert done.returncode == 1
    piece = json.loads(zipfile.ZipFile(first).read(unpack.LISTING))["pieces"][0]["file"]
    line = f"{damaged}: damaged: checksum mismatch of {piece}; copy it again\n"
    assert done.stderr == line
    whole = first.read_bytes()
    at = whole.index(zipfile.ZipFile(first).read("pieces/0"))
    damaged.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])  # one bit
    assert (execute(damaged, target).returncode, execute(damaged, target).stderr) == (1, line)
    assert execute(first, target).returncode == 0  # the same again, undamaged
    (content / unpack.CODE).write_bytes(b"another")
    other, *_ = kit.write_parts(content, tmp_path / "out", 500)
    done = execute(other, target)
    assert (done.returncode, "has parts of another kit" in done.stderr) == (1, True)


def test_a_kit_that_is_made_again_leaves_no_old_parts(content, tmp_path):
    several = kit.write_parts(content, tmp_path / "out", 500)
    (one,) = kit.write_parts(content, tmp_path / "out", 100_000)
    assert one.name == "blindspot-gpu-1-of-1.pyz"
    assert not any(part.exists() for part in several)


@pytest.fixture
def repository(monkeypatch, tmp_path) -> Path:
    """The working folder: a repository of two commits."""
    folder = tmp_path / "repository"
    (folder / "src").mkdir(parents=True)
    monkeypatch.chdir(folder)
    for name in ("GIT_AUTHOR", "GIT_COMMITTER"):
        monkeypatch.setenv(f"{name}_NAME", "tester")
        monkeypatch.setenv(f"{name}_EMAIL", "tester@example.org")
    kit.run_git(folder, "init", "--quiet")
    for text in ("one", "two"):
        (folder / "params.yaml").write_text(text)
        kit.run_git(folder, "add", "--all")
        kit.run_git(folder, "commit", "--quiet", "--message", text)
    return folder


def test_the_last_commit_is_one_there(repository, monkeypatch, tmp_path, capsys):
    kit.pack_code(tmp_path / unpack.CODE)
    assert capsys.readouterr().out == ""
    monkeypatch.setattr(unpack, "make_environment", lambda folder: folder / "bin/python")
    unpack.install(tmp_path)
    made = tmp_path / unpack.PROJECT
    assert (made / "params.yaml").read_text() == "two"
    head = ("rev-parse", "HEAD")
    assert kit.run_git(made, *head) == kit.run_git(repository, *head)
    assert kit.run_git(made, "status", "--porcelain") == ""
    assert str(repository) not in (made / ".git/config").read_text()  # a path of another machine's
    capsys.readouterr()
    (repository / "params.yaml").write_text("three")
    kit.pack_code(tmp_path / "again.tar.xz")
    assert capsys.readouterr().out == "the kit has the last commit, not what has changed since\n"
    monkeypatch.chdir("src")
    with pytest.raises(InputError, match="the project has to be the root of its repository"):
        kit.pack_code(tmp_path / "below.tar.xz")


def test_the_data_is_as_the_project_keeps_it(tiny, monkeypatch, tmp_path):
    monkeypatch.setattr(kit.cifar10, "fetch", lambda: tiny)
    kit.pack_data(tmp_path)
    packed = tmp_path / cifar10.CACHE
    assert {path.name for path in packed.iterdir()} == {f"{name}.bin.xz" for name in cifar10.BATCHES}
    second = lzma.decompress((packed / "data_batch_2.bin.xz").read_bytes())
    rows = np.frombuffer(second, np.uint8).reshape(40, 1 + cifar10.PIXELS)  # a fifth of 200 images
    assert rows[:, 0].tolist() == tiny.train.labels[40:80].tolist()
    assert (rows[0, 1 : 1 + 1024] == tiny.train.images[40][:, :, 0].ravel()).all()  # the red plane
