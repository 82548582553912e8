"""The account of the data, against counts made by hand."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from src import artifacts, dataset_report
from src.data.dataset import Dataset, Split, dataset_writer, load_dataset
from src.preprocessing import Preprocessing

ODD = ("$x$", "emoji 🐈", "index", "x" * 90, "NA")


@pytest.fixture
def project(tmp_path):
    """Four training images and two test images of files, of two classes."""
    (tmp_path / "data").mkdir()
    with dataset_writer(tmp_path / artifacts.DATASET, Preprocessing(16)) as writer:
        for part, labels in (("train", [0, 0, 0, 1]), ("test", [0, 1])):
            writer.write_part(part, iter([bytes(16 * 16 * 3)] * len(labels)), np.array(labels))
        files = pd.DataFrame({"part": ["train"] * 4 + ["test"] * 2, "index": [0, 1, 2, 3, 0, 1]})
        files = files.assign(file="a.jpg", width=[10, 20, 30, 40, 50, 600], height=100, content="", group="")
        files = files.assign(format=["PNG", *["JPEG"] * 5], remark=["blank", "", "", "", "", "blank"])
        files.to_csv(writer.folder / "files.csv", index=False)
        writer.finish("images", "pets", ("cat", "dog"))
    (tmp_path / artifacts.SKIPPED).write_text(
        "file,reason\na,truncated: 1 of 2 bytes\nb,0 bytes\nc,truncated: 2 of 9 bytes\n"
    )
    (tmp_path / artifacts.DUPLICATES).write_text(
        "cluster,kind,file,class,part,dropped,label_conflict\n"
        "1,near,a,cat,train,true,false\n1,near,b,cat,test,false,false\n"
        "2,exact,c,cat,train,false,true\n2,exact,d,dog,train,false,true\n"
    )
    return tmp_path


def test_what_is_counted(project):
    content = dataset_report.describe(load_dataset(project / artifacts.DATASET), project)
    assert content == {
        "images": {"train": 4, "test": 2},
        "size": 16,
        "classes": {"cat": {"train": 3, "test": 1}, "dog": {"train": 1, "test": 1}},
        "width": {"min": 10, "median": 35, "max": 600},
        "height": {"min": 100, "median": 100, "max": 100},
        "formats": {"JPEG": 5, "PNG": 1},
        "remarks": {"blank": 2},
        "skipped": {"truncated": 2, "0 bytes": 1},
        "duplicates": {
            "files with the same pixels as another": 2,
            "files nearly the same as another": 2,
            "pictures in more than one part": 1,
            "files left out of training or validation": 1,
            "files with another label on the same pixels": 2,
        },
    }
    assert dataset_report.notes(content) == [
        "Smallest 10×100, largest 600×100,",
        "median 35×100 pixels",
        "Formats: JPEG 5, PNG 1",
        "Not used:",
        "     truncated: 2",
        "     0 bytes: 1",
        "More than once:",
        *(f"     {what}: {count}" for what, count in content["duplicates"].items()),
        "Worth a look:",
        "     blank: 2",
    ]


def test_a_dataset_without_files(tiny, tmp_path):
    content = dataset_report.describe(tiny, tmp_path)
    assert content["images"] == {"train": 200, "test": 100}
    assert content["classes"]["cat"] == {"train": 20, "test": 10}
    assert (content["skipped"], content["duplicates"], dataset_report.notes(content)) == ({}, {}, [])
    assert "width" not in content


@pytest.mark.parametrize("classes", [2, 30, 31, 1000])
def test_the_picture_fits_any_number_of_classes(tmp_path, project, classes):
    names = tuple(f"{ODD[number % len(ODD)]} {number}" for number in range(classes))
    split = Split(np.zeros((classes, 1, 1, 3), np.uint8), np.arange(classes))
    content = dataset_report.describe(Dataset("images", "", names, split, split), project)
    files = dataset_report.all_files(load_dataset(project / artifacts.DATASET), project)
    content |= dataset_report.describe(load_dataset(project / artifacts.DATASET), project) | {
        "images": content["images"],
        "classes": content["classes"],
    }
    for name in ("a.png", "b.png"):
        dataset_report.draw(tmp_path / name, content, files)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    with Image.open(tmp_path / "a.png") as image:
        assert image.width == 1050
        assert 300 < image.height < 900
