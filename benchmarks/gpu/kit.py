"""Packs what a bare machine without a network needs: `python -m benchmarks.gpu.kit`.

Wheels for CPython on Linux (x86-64), CIFAR-10 and the last commit, in parts that unpack themselves; see
docs/gpus.md.
"""

import argparse
import fnmatch
import hashlib
import json
import lzma
import math
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from benchmarks.gpu import unpack
from src import artifacts
from src.command import run_main
from src.download import cifar10
from src.errors import InputError, reason_of

MB = 1_000_000
OVERHEAD = 0.2 * MB  # of a part: the listing of all files, and the file that unpacks them
# What a machine with a GPU has already, in versions that fit its driver.
LEFT_OUT = ("torch", "torchvision", "triton", "nvidia-*", "cuda-*")
# Of requirements-dev.txt, what the tests for a GPU need.
FOR_TESTS = (
    *("pytest", "pytest-timeout", "pytest-xdist", "execnet", "filelock", "hypothesis", "iniconfig"),
    *("pluggy", "sortedcontainers"),
)
NO_WHEELS = ("antlr4-python3-runtime",)  # published as source alone; pure Python
NEWEST_GLIBC = 35  # 2.35: Ubuntu 22.04
DELTA = [{"id": lzma.FILTER_DELTA, "dist": 1}, {"id": lzma.FILTER_LZMA2, "preset": 1}]  # neighbors are alike


@dataclass(frozen=True)
class Piece:
    """A stretch of a file.

    Args:
        file: its name in the kit.
        offset: of its first byte.
        size: in bytes.
    """

    file: str
    offset: int
    size: int


def main() -> None:
    options = parse()
    has = names_in(options.has) if options.has else set()
    with tempfile.TemporaryDirectory(prefix="blindspot-kit-") as made:
        folder = Path(made)
        pack_code(folder / unpack.CODE)
        download_wheels(folder / unpack.WHEELS, has, options.python)
        pack_data(folder / unpack.DATA)
        parts = write_parts(folder, options.out, int(options.part_mb * MB - OVERHEAD))
    for part in parts:
        print(f"{part}: {part.stat().st_size / MB:.1f} MB")
    print(f"On the machine, for each of them: python3 {parts[0].name} FOLDER")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gpu.kit", description="Packs what a bare machine needs for the campaign."
    )
    parser.add_argument(
        "--out", type=Path, default=Path("gpu-kit"), metavar="FOLDER", help="default: %(default)s"
    )
    parser.add_argument(
        "--has",
        type=Path,
        metavar="FILE",
        help="names of packages that the machine has, as `pip freeze` prints them; they are left out, as are "
        + ", ".join(LEFT_OUT),
    )
    parser.add_argument(
        "--python", default="3.12", metavar="X.Y", help="of the machine (default: %(default)s)"
    )
    parser.add_argument(
        "--part-mb", type=float, default=60, metavar="N", help="largest size of a part (default: %(default)s)"
    )
    options = parser.parse_args()
    if not re.fullmatch(r"3\.\d+", options.python):
        parser.error(f"--python: should be like 3.12, not {options.python!r}")
    if not options.part_mb >= 1:
        parser.error(f"--part-mb: should be at least 1, not {options.part_mb:g}")
    return options


def names_in(path: Path) -> set[str]:
    """The names of packages in a file, one a line, with or without a version."""
    if not path.exists():  # where the system has no letters for the name, opening it fails in another way
        raise InputError(f"--has: {path}: No such file or directory")
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"--has: {reason_of(error)}") from error
    found = (re.match(r"[\w.-]+", line.strip()) for line in lines)
    return {str(canonicalize_name(name[0])) for name in found if name}


def requirements(text: str, python: str) -> dict[str, str]:
    """Name → the lines that pin it with its hashes, of those that hold for such a machine."""
    machine = {
        **{"python_version": python, "python_full_version": f"{python}.0", "implementation_name": "cpython"},
        **{"sys_platform": "linux", "platform_system": "Linux", "platform_machine": "x86_64"},
        **{"platform_python_implementation": "CPython", "os_name": "posix"},
    }
    found = {}
    for block in re.findall(r"^\w[^\n]*(?:\n[ ]+[^\n]*)*", text, re.M):
        needed = Requirement(block.partition("\\")[0])
        if needed.marker is None or needed.marker.evaluate(machine):
            hashes = "".join(f" {one}" for one in re.findall(r"--hash=\S+", block))
            found[str(canonicalize_name(needed.name))] = f"{needed.name}{needed.specifier}{hashes}"
    return found


def wanted(has: Collection[str], python: str) -> dict[str, str]:
    """Those that go into the kit."""
    pinned = requirements(Path("requirements.txt").read_text(encoding="utf-8"), python)
    tests = requirements(Path("requirements-dev.txt").read_text(encoding="utf-8"), python)
    pinned |= {name: tests[name] for name in FOR_TESTS}
    return {
        name: line
        for name, line in pinned.items()
        if name not in has and not any(fnmatch.fnmatch(name, pattern) for pattern in LEFT_OUT)
    }


def download_wheels(folder: Path, has: Collection[str], python: str) -> None:
    """Fetch the wheels for the machine with pip; each has one of the hashes in requirements.txt."""
    lines = wanted(has, python)
    print(f"{len(lines)} wheels", flush=True)
    platforms = [f"manylinux_2_{n}_x86_64" for n in range(NEWEST_GLIBC, 4, -1)]
    platforms += ["manylinux2014_x86_64", "manylinux2010_x86_64", "manylinux1_x86_64"]
    there = [
        "--only-binary=:all:",
        f"--python-version={python}",
        "--implementation=cp",
        *(f"--platform={name}" for name in platforms),
    ]
    run_pip("download", folder, [lines[name] for name in lines if name not in NO_WHEELS], there)
    run_pip("wheel", folder, [lines[name] for name in lines if name in NO_WHEELS], [])


def run_pip(command: str, folder: Path, lines: Sequence[str], options: Sequence[str]) -> None:
    if not lines:
        return
    folder.mkdir(parents=True, exist_ok=True)
    listed = folder / "requirements.txt"
    listed.write_text("\n".join(lines) + "\n", encoding="utf-8")
    where = "--dest" if command == "download" else "--wheel-dir"
    pip = [sys.executable, "-m", "pip", command, "--quiet", "--disable-pip-version-check", "--no-deps"]
    full = [*pip, "--require-hashes", where, str(folder), *options, "-r", str(listed)]
    done = subprocess.run(full, capture_output=True, text=True, check=False)
    listed.unlink()
    if done.returncode:
        errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        raise InputError(f"pip {command} failed: {(errors or done.stderr.splitlines() or ['no reason'])[-1]}")


def pack_data(folder: Path) -> None:
    """CIFAR-10 as the project keeps a copy of it, packed."""
    dataset = cifar10.fetch()
    target = folder / cifar10.CACHE
    target.mkdir(parents=True)
    *train, test = cifar10.BATCHES
    for names, split in ((train, dataset.train), ([test], dataset.test)):
        planes = np.asarray(split.images[:]).transpose(0, 3, 1, 2).reshape(len(split), -1)
        rows = np.column_stack([split.labels.astype(np.uint8), planes])
        for name, batch in zip(names, np.split(rows, len(names)), strict=True):
            with lzma.open(target / f"{name}.bin.xz", "wb", filters=DELTA) as packed:
                packed.write(batch.tobytes())


def pack_code(path: Path) -> None:
    """The last commit with the part of git's history that it needs to be one."""
    root = Path(run_git(Path(), "rev-parse", "--show-toplevel").strip())
    if root != Path.cwd():
        raise InputError(f"gpu-kit: the project has to be the root of its repository, which is {root}")
    if run_git(root, "status", "--porcelain"):
        print("the kit has the last commit, not what has changed since")
    with tempfile.TemporaryDirectory() as made:
        clone = Path(made, "project")
        run_git(root, "clone", "--quiet", "--depth=1", root.as_uri(), str(clone))
        run_git(clone, "remote", "remove", "origin")
        shutil.rmtree(clone / ".git/logs")  # says where it came from
        with tarfile.open(path, "w:xz") as archive:
            archive.add(clone, ".")


def run_git(folder: Path, *command: str) -> str:
    try:
        full = ["git", *command]
        done = subprocess.run(full, cwd=folder, capture_output=True, text=True, check=True)
    except subprocess.CalledProcessError as error:
        raise InputError(f"git {command[0]} failed: {error.stderr.strip()}") from error
    return done.stdout


def cut(sizes: dict[str, int], capacity: int) -> list[list[Piece]]:
    """Fill part after part with the files one after the other; what does not fit goes on in the next.

    Args:
        sizes: of the files, by name.
        capacity: of a part, in bytes.
    """
    parts: list[list[Piece]] = [[]]
    left = capacity
    for name, size in sizes.items():
        for offset, length in _stretches(size, left, capacity):
            if not left:
                parts.append([])
                left = capacity
            parts[-1].append(Piece(name, offset, length))
            left -= length
    return parts


def _stretches(size: int, first: int, others: int) -> Iterator[tuple[int, int]]:
    offset, room = 0, first or others
    while True:
        length = min(room, size - offset)
        yield offset, length
        offset, room = offset + length, others
        if offset >= size:
            return


def write_parts(folder: Path, out: Path, capacity: int) -> list[Path]:
    """Write the files of a folder as parts, each a program for Python; returns their paths."""
    files = {
        path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()
    }
    sums = {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in files.items()}
    kit = hashlib.sha256(json.dumps(sums).encode()).hexdigest()
    sizes = {name: path.stat().st_size for name, path in files.items()}
    count = math.ceil(sum(sizes.values()) / capacity)
    parts = cut(sizes, math.ceil(sum(sizes.values()) / count))  # of one size
    out.mkdir(parents=True, exist_ok=True)
    for old in out.glob("blindspot-gpu-*.pyz"):
        old.unlink()
    written = []
    for number, pieces in enumerate(parts, start=1):
        path = out / f"blindspot-gpu-{number}-of-{len(parts)}.pyz"
        listed, contents = [], []
        for piece in pieces:
            with files[piece.file].open("rb") as file:
                file.seek(piece.offset)
                contents.append(file.read(piece.size))
            listed.append({**asdict(piece), "sha256": hashlib.sha256(contents[-1]).hexdigest()})
        listing = {"kit": kit, "part": number, "parts": len(parts), "files": sums, "pieces": listed}
        with artifacts.atomic_file(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
            archive.writestr("__main__.py", Path(unpack.__file__).read_text(encoding="utf-8"))
            archive.writestr(unpack.LISTING, json.dumps(listing))
            for position, content in enumerate(contents):
                archive.writestr(f"pieces/{position}", content)
        written.append(path)
    return written


if __name__ == "__main__":
    run_main("gpu-kit", main)
