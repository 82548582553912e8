"""What the benchmark of imports computes, from times that are made up."""

import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import psutil
from PIL import Image

from benchmarks import import_images
from src.download.reader import read_header


class Folder:
    """Instead of a clone: notes what is changed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def change(self, **params: object) -> None:
        self.params = params


def test_three_imports_and_what_is_computed_from_them(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data/dataset").mkdir(parents=True)
    (tmp_path / "data/dataset/train_images.npy").write_bytes(bytes(3_000_000))
    project = Folder(tmp_path)

    @contextmanager
    def opened():
        yield project

    counts = []

    def run_download(made: Folder) -> tuple[float, float]:
        folder = Path(made.params["images"]["path"])
        counts.append(len(list(folder.rglob("*.jpg"))))
        return [(4.0, 321.0), (2.0, 100.0), (3.0, 100.0)][len(counts) - 1]

    monkeypatch.setattr(import_images, "clone", opened)
    monkeypatch.setattr(import_images, "run_download", run_download)
    figures = import_images.measure(20)
    assert counts == [20, 20, 30]
    assert project.params["dataset"] == "images"
    assert figures == {
        "images": 20,
        "first_s": 4,
        "images_per_s": 5,
        "memory_MB": 321,
        "again_s": 2,
        "ten_more_s": 3,
        "dataset_MB": 3,
    }


def test_pictures_are_all_different(tmp_path):
    import_images.write_pictures(tmp_path, 20)
    files = sorted(tmp_path.rglob("*.jpg"))
    assert len({file.read_bytes() for file in files}) == 20
    assert {file.parent.name for file in files} == {f"class {label}" for label in range(10)}
    assert read_header(files[0]).width == import_images.SIDES[1]
    Image.open(files[0]).load()


def test_memory_is_that_of_the_whole_family():
    me = psutil.Process()
    before = import_images.own_memory(me)
    hold = "import sys; kept = bytearray(b'1' * 80_000_000); print(flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        child.stdout.readline()
        assert import_images.own_memory(me) > before + 70_000_000
        child.stdin.close()
