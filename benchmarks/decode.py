"""From photographs to a dataset: one core beside Pillow's and torchvision's plain loops, and all of it."""

import io
import os
import tempfile
import time
from collections.abc import Callable
from contextlib import chdir
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torchvision.io import ImageReadMode, decode_jpeg
from torchvision.transforms.v2 import functional

from src import artifacts
from src.download.reader import read_image
from src.download.store import ImageStore
from src.preprocessing import Preprocessing

WIDTH, HEIGHT, SIZE = 500, 375, 224
HOW = Preprocessing(size=SIZE)


def photograph(seed: int) -> bytes:
    """A JPEG of 60 to 100 kB: smooth noise of many scales, which compresses about as photographs do."""
    rng = np.random.default_rng(seed)
    pixels = np.zeros((HEIGHT, WIDTH, 3), np.float32)
    for scale in (1, 2, 4, 8, 16, 32, 64, 128):
        cells = rng.integers(0, 256, (HEIGHT // scale + 2, WIDTH // scale + 2, 3), np.uint8)
        layer = Image.fromarray(cells).resize((cells.shape[1] * scale, cells.shape[0] * scale))
        pixels += (np.asarray(layer)[:HEIGHT, :WIDTH] - 127.5) * scale**0.6
    image = Image.fromarray(np.uint8(np.clip(128 + 52 * pixels / pixels.std(), 0, 255)))
    content = io.BytesIO()
    image.save(content, "JPEG", quality=95)
    return content.getvalue()


def with_pillow(content: bytes) -> np.ndarray:
    """The loop that people write: the same interpolation, no padding, no checks."""
    with Image.open(io.BytesIO(content)) as image:
        size = (SIZE, SIZE * HEIGHT // WIDTH)
        return np.asarray(image.convert("RGB").resize(size, Image.Resampling.BICUBIC))


def with_torchvision(content: bytes) -> torch.Tensor:
    """The same by torchvision's own decoder and resizing."""
    image = decode_jpeg(torch.frombuffer(bytearray(content), dtype=torch.uint8), ImageReadMode.RGB)
    size = [SIZE * HEIGHT // WIDTH, SIZE]
    return functional.resize(image, size, functional.InterpolationMode.BICUBIC, antialias=True)


def measure(images: int, rounds: int) -> dict[str, float]:
    """Images a second, the best of several rounds of each in turn; and how much faster ours is."""
    contents = [photograph(seed) for seed in range(min(images, 64))]
    loops: dict[str, Callable[[bytes], object]] = {
        "ours": lambda content: read_image(content, HOW),
        "pillow": with_pillow,
        "torchvision": with_torchvision,
    }
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        times: dict[str, list[float]] = {name: [] for name in loops}
        for _ in range(rounds):
            for name, loop in loops.items():
                times[name].append(seconds(loop, contents))
    finally:
        torch.set_num_threads(threads)
    rates = {name: len(contents) / min(taken) for name, taken in times.items()}
    cores = os.cpu_count() or 1
    return {
        "file_kB": sum(map(len, contents)) / len(contents) / 1e3,
        **{f"{name}_images_per_s_a_core": rate for name, rate in rates.items()},
        "ours_over_pillow": rates["ours"] / rates["pillow"],
        "ours_over_torchvision": rates["ours"] / rates["torchvision"],
        "cores": cores,
        "store_images_per_s": store_rate(contents, images, cores),
    }


def seconds(loop: Callable[[bytes], object], contents: list[bytes]) -> float:
    """What a loop takes of a core; what else the machine does meanwhile does not count."""
    started = time.process_time()
    for content in contents:
        loop(content)
    return time.process_time() - started


def store_rate(contents: list[bytes], images: int, processes: int) -> float:
    """Images a second from files to the store, everything that is found out about them included."""
    # In the project, not in a temporary folder that may be memory.
    prefix = f"{artifacts.TEMPORARY_PREFIX}{os.getpid()}-"
    with tempfile.TemporaryDirectory(prefix=prefix, dir=Path.cwd()) as folder:
        files = [Path(folder, f"{number}.jpg") for number in range(images)]
        for number, file in enumerate(files):
            # Different contents: what follows a JPEG's end is not looked at.
            file.write_bytes(contents[number % len(contents)] + str(number).encode())
        with chdir(folder), ImageStore(HOW, "raw") as store:
            started = time.perf_counter()
            store.add(files, processes)
            return images / (time.perf_counter() - started)
