"""What it takes to import a folder of many pictures: time, memory of all processes, and once more."""

import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import cv2
import numpy as np
import psutil

from benchmarks.clone import Clone, clone

CLASSES = 10
SIDES = (160, 240)  # of a picture; it is the size it is stored at that takes memory
SIZE = 224


def measure(images: int) -> dict[str, float]:
    """Seconds, images a second, and the highest memory of the stage with its processes, in MB.

    Args:
        images: how many pictures, each of them different.
    """
    with tempfile.TemporaryDirectory(dir=Path.cwd(), prefix=".tmp-") as folder, clone() as project:
        write_pictures(Path(folder), images)
        project.change(dataset="images", images={"path": folder, "size": SIZE})
        first, memory = run_download(project)
        again, _ = run_download(project)
        write_pictures(Path(folder), images + 10, first=images)
        ten_more, _ = run_download(project)
        size = sum(file.stat().st_size for file in (project.folder / "data/dataset").iterdir())
    return {
        "images": images,
        "first_s": first,
        "images_per_s": images / first,
        "memory_MB": memory,
        "again_s": again,
        "ten_more_s": ten_more,
        "dataset_MB": size / 1e6,
    }


def write_pictures(folder: Path, count: int, first: int = 0) -> None:
    """Blurred noise, which compresses like photographs do, a folder a class."""
    for label in range(CLASSES):
        (folder / f"class {label}").mkdir(exist_ok=True)
    for number in range(first, count):
        coarse = np.random.default_rng(number).integers(0, 256, (12, 16, 3), np.uint8)
        picture = cv2.resize(coarse, SIDES[::-1], interpolation=cv2.INTER_CUBIC)
        cv2.imwrite(str(folder / f"class {number % CLASSES}" / f"{number}.jpg"), picture)


def run_download(project: Clone) -> tuple[float, float]:
    """Seconds that the stage takes, and the most memory that it and its processes have at once, in MB.

    The memory is each process's own (unique set size), so that what they share is not counted twice, and what
    the system may drop, pages of files, not at all.
    """
    started = time.perf_counter()
    command = [sys.executable, "-m", "stages.download"]
    process = subprocess.Popen(
        command, cwd=project.folder, env=project.environment, stdout=subprocess.DEVNULL
    )
    most = 0
    over = threading.Event()

    def watch() -> None:
        nonlocal most
        while not over.wait(0.2):
            most = max(most, own_memory(psutil.Process(process.pid)))

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    if process.wait():
        raise RuntimeError(f"{' '.join(command)}: status {process.returncode}")
    over.set()
    watcher.join()
    return time.perf_counter() - started, most / 1e6


def own_memory(process: psutil.Process) -> int:
    """Bytes of a process and its children."""
    try:
        family = [process, *process.children(recursive=True)]
        return sum(member.memory_full_info().uss for member in family)
    except psutil.NoSuchProcess:  # one ended while it was looked at
        return 0
