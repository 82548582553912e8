"""What a frozen backbone makes of images, computed once and kept outside of DVC's outputs, as checkpoints."""

import shutil
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch

from src import artifacts, distributed
from src.data.images import Images
from src.data.normalization import Normalize, to_device
from src.errors import InputError
from src.hardware import Hardware
from src.models.base import Classifier
from src.progress import LOG_INTERVAL, bar
from src.ranks import OURS

KEPT = 3  # folders, the latest used: enough to go back and forth between two networks
CHUNK = 512  # images that a kill may cost
BATCH_SIZE = 32  # the fastest on a CPU, where larger ones leave its cache
GPU_BATCH_SIZE = 256
REMEDY = f"remove the folder {artifacts.FEATURES} to have it made again"


class FeatureFolder:
    """Features by name, in files; those of other keys are removed when there are many.

    Args:
        key: names all that the features depend on.
    """

    def __init__(self, key: str) -> None:
        parent = artifacts.outside_runs(artifacts.FEATURES)
        self.path = parent / key
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self.path.touch()  # now the latest
        except OSError as error:
            raise InputError(f"{self.path}: cannot be written: {error.strerror}") from error
        if OURS.local_rank:
            return
        others = [folder for folder in parent.iterdir() if folder != self.path]
        for old in sorted(others, key=lambda folder: folder.stat().st_mtime)[: 1 - KEPT]:
            shutil.rmtree(old, ignore_errors=True)

    def compute(
        self, name: str, images: Images, extract: Callable[[np.ndarray], np.ndarray], views: int
    ) -> np.ndarray:
        """The features of all images, read from disk when they are used.

        The processes of a machine share the work; each machine does all of it.

        Args:
            name: of the file.
            images: uint8 (N, H, W, 3).
            extract: makes features, float32 (views, n, D), of n of them.
            views: of each image.

        Returns:
            float32 (views, N, D). Chunks that were finished before are not computed again.
        """
        whole = self.path / f"{name}.npy"
        starts = range(0, len(images), CHUNK)
        chunks = [self.path / f"{name}-{start:09}.npy" for start in starts]
        missing = [start for start, chunk in zip(starts, chunks, strict=True) if not chunk.exists()]
        if whole.exists():
            missing = []
        # Each round ends together, so that none waits for another longer than a chunk takes.
        rounds = distributed.largest(-(-len(missing) // OURS.local_size))
        mine = missing[OURS.local_rank :: OURS.local_size]
        counts = [min(CHUNK, len(images) - start) * views for start in mine]
        left = sum(min(CHUNK, len(images) - start) for start in missing) * views
        done = f"{len(images) * views - left} are there" if len(missing) < len(chunks) else ""
        for start in _with_progress(f"features of {name} images", mine, counts, done):
            features = extract(images[start : start + CHUNK])
            artifacts.write_array(self.path / f"{name}-{start:09}.npy", features)
            distributed.wait_for_all()
        for _ in range(rounds - len(mine)):
            distributed.wait_for_all()
        if OURS.local_rank == 0:
            if not whole.exists():  # another process may have been faster
                _join(whole, chunks, (views, len(images)))
            for chunk in chunks:
                chunk.unlink(missing_ok=True)
        distributed.wait_for_all()
        return artifacts.read_array(whole, np.float32, (views, len(images), None), REMEDY)


def extractor(
    model: Classifier, normalize: Normalize, hardware: Hardware, mirrored: bool
) -> Callable[[np.ndarray], np.ndarray]:
    """A function from images, uint8 (n, H, W, 3), to features, float32 (views, n, D).

    Args:
        model: on the hardware's device; put into evaluation mode here.
        normalize: turns images into its input.
        hardware: device and precision.
        mirrored: whether there is a second view, with left and right swapped.
    """
    model.eval()
    size = BATCH_SIZE if hardware.device.type == "cpu" else GPU_BATCH_SIZE

    def extract(images: np.ndarray) -> np.ndarray:
        views: list[list[np.ndarray]] = [[], []] if mirrored else [[]]
        with torch.inference_mode(), hardware.autocast():
            for start in range(0, len(images), size):
                batch = normalize(to_device(images[start : start + size], hardware.device))
                for view, inputs in zip(views, (batch, batch.flip(3)), strict=False):
                    view.append(model.features(inputs).float().cpu().numpy())
        return np.stack([np.concatenate(view) for view in views])

    return extract


class FeatureViews:
    """One of the views of each image, drawn anew in each epoch; what `TrainingBatches` asks for inputs.

    Args:
        features: float32 (views, N, D).
        seed: together with the epoch it fixes which.
    """

    def __init__(self, features: np.ndarray, seed: int) -> None:
        self.features, self.seed = features, seed
        self.epoch = -1
        self.views: np.ndarray = np.empty(0, np.int64)

    def __call__(self, indices: np.ndarray, epoch: int) -> np.ndarray:
        """float32 (len(indices), D); an index beyond the last image is one that was drawn again."""
        views, count, _ = self.features.shape
        if epoch != self.epoch:
            # Another stream than that of the order, which is (seed, epoch).
            rng = np.random.default_rng((self.seed, epoch, views))
            self.views = rng.integers(0, views, (count,))
            self.epoch = epoch
        again, positions = np.divmod(indices, count)
        return self.features[(self.views[positions] + again) % views, positions]


def _join(whole: Path, chunks: list[Path], shape: tuple[int, int]) -> None:
    parts = [artifacts.read_array(chunk, np.float32, (shape[0], None, None), REMEDY) for chunk in chunks]
    with artifacts.atomic_file(whole) as temporary, temporary.open("wb") as file:
        header = {"descr": "<f4", "fortran_order": False, "shape": (*shape, parts[0].shape[2])}
        np.lib.format.write_array_header_1_0(file, header)
        for view in range(shape[0]):
            for part in parts:
                file.write(part[view].tobytes())


def _with_progress(what: str, items: list[int], counts: list[int], done: str) -> Iterator[int]:
    """The items one by one, `counts` images each; says how fast they go, and how long it will take."""
    if not items:
        return
    print(f"{what}: {sum(counts)} to compute{', ' * bool(done)}{done}", flush=True)
    started = logged = time.monotonic()
    images = 0
    with bar(total=sum(counts), desc=what, unit=" images") as shown:
        for item, count in zip(items, counts, strict=True):
            yield item
            images += count
            shown.update(count)
            now = time.monotonic()
            rate = images / (now - started)
            if not sys.stderr.isatty() and now - logged >= LOG_INTERVAL:
                logged = now
                left = round((sum(counts) - images) / rate)
                print(f"{what}: {images}, {rate:.0f} images/s, {left // 60}:{left % 60:02} left", flush=True)
    print(f"{what}: {images / (time.monotonic() - started):.0f} images/s", flush=True)
