"""What the download stage makes of data/corrections.csv, of datasets without files and of the user's own."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from src import artifacts
from src.data.dataset import load_dataset, save_dataset
from src.download import corrections, sample
from src.download.corrections import correct_dataset
from src.errors import InputError
from tests.corrections import row, write
from tests.download.folders import config, imported, pictures
from tests.download.folders import write as write_files
from tests.download.pictures import encode, photograph


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def dataset(tiny):
    """The one of which `row` knows the images, and that is corrected."""
    save_dataset(tiny, artifacts.DATASET)
    return tiny


def other(dataset, split, index):
    """A class that the image is not of."""
    return dataset.classes[(dataset.splits[split].labels[index] + 1) % 10]


# --- datasets without files


def test_without_rows_no_image_is_even_looked_at(dataset, monkeypatch, capsys):
    write(path=artifacts.CORRECTIONS)
    monkeypatch.setattr(corrections, "pixel_sha256", None)
    assert correct_dataset(dataset) is dataset
    assert capsys.readouterr().out == ""


def test_images_are_relabeled_and_left_out(dataset, capsys):
    said = [
        row("train", 199, "wrong", other(dataset, "train", 199)),
        row("train", 20, "unusable"),
        row("test", 0, "wrong", other(dataset, "test", 0)),
        row("test", 1, "wrong", other(dataset, "test", 1)),
        row("test", 50, "unusable"),
        row("test", 99, "unusable"),
        row("test", 7, "fine"),
    ]
    write(*said, path=artifacts.CORRECTIONS)
    save_dataset(correct_dataset(dataset), artifacts.DATASET)
    assert capsys.readouterr().out == "corrections: 3 images relabeled, 3 images left out\n"

    corrected = load_dataset()
    names = [
        dataset.classes[dataset.splits[s].labels[n]] for s, n in (("train", 199), ("test", 0), ("test", 1))
    ]
    # By the places that images have now.
    relabeled = {"train": {"198": names[0]}, "test": {"0": names[1], "1": names[2]}}
    assert corrected.corrections == {"relabeled": relabeled, "removed": 3}
    assert json.loads((artifacts.DATASET / "meta.json").read_text())["corrections"] == corrected.corrections
    for split, removed, relabeled in (("train", [20], [199]), ("test", [50, 99], [0, 1])):
        before, after = dataset.splits[split], corrected.splits[split]
        kept = np.delete(np.arange(len(before)), removed)
        np.testing.assert_array_equal(after.images, before.images[kept])
        labels = before.labels.copy()
        labels[relabeled] = (labels[relabeled] + 1) % 10
        np.testing.assert_array_equal(after.labels, labels[kept])


def test_another_split_and_place_make_no_difference(dataset):
    said = row("train", 5, "wrong", other(dataset, "train", 5)) | {"split": "test", "index": "77"}
    write(said, path=artifacts.CORRECTIONS)
    changed = correct_dataset(dataset).train.labels != dataset.train.labels
    assert np.flatnonzero(changed).tolist() == [5]


def test_what_is_about_other_data_is_passed_over_and_said(dataset, capsys):
    said = [
        row("test", 0, "unusable") | {"sha256": "0" * 64},
        row("test", 1, "fine") | {"sha256": "1" * 64},
        row("test", 2, "unusable") | {"label": "dragon"},
        row("test", 3) | {"label": "dragon", "class": other(dataset, "test", 3)},
        # What the label is by now is what it should be.
        row("test", 4) | {"label": "dragon", "class": dataset.classes[dataset.test.labels[4]]},
    ]
    write(*said, path=artifacts.CORRECTIONS)
    corrected = correct_dataset(dataset)
    assert corrected.corrections == {}
    assert len(corrected.test) == 100
    assert capsys.readouterr().out.splitlines() == [
        "data/corrections.csv: ignored 2 rows about images that this dataset does not have",
        "data/corrections.csv: ignored 2 rows whose image has a different label now: row 3, row 4",
    ]


def test_every_copy_of_a_picture_is_corrected(dataset):
    copies = replace(dataset, train=dataset.train.take(np.append(np.arange(200), 3)))
    write(row("train", 3, "wrong", other(dataset, "train", 3)), path=artifacts.CORRECTIONS)
    corrected = correct_dataset(copies)
    assert np.flatnonzero(corrected.train.labels != copies.train.labels).tolist() == [3, 200]


@pytest.mark.parametrize(
    ("said", "line"),
    [
        (
            lambda d: [row("test", 7, "fine"), row("test", 0, "wrong", "plane")],
            "data/corrections.csv: row 2: there is no class 'plane'; did you mean 'airplane'? (known: a",
        ),
        (
            lambda d: [row("test", n, "unusable") for n in range(100)],
            "data/corrections.csv: leaves no image in the split test",
        ),
        (
            lambda d: [row("train", n, "unusable") for n in np.flatnonzero(d.train.labels == 3)],
            "data/corrections.csv: leaves 1 class without an image to train on: cat",
        ),
        (
            lambda d: [row("train", n, "wrong", "dog") for n in np.flatnonzero(d.train.labels == 3)],
            "data/corrections.csv: leaves 1 class without an image to train on: cat",
        ),
    ],
)
def test_what_cannot_be_applied(dataset, said, line):
    write(*said(dataset), path=artifacts.CORRECTIONS)
    with pytest.raises(InputError) as error:
        correct_dataset(dataset)
    assert str(error.value).startswith(line)
    assert "\n" not in str(error.value)


def test_no_sample_is_cut_out_of_a_corrected_dataset(dataset):
    write(row("train", 5, "unusable"), path=artifacts.CORRECTIONS)
    save_dataset(replace(correct_dataset(dataset), name="cifar10"), artifacts.DATASET)
    with pytest.raises(
        InputError, match=r"^data/dataset: is corrected by data/corrections.csv, should be as p"
    ):
        sample.main()


# --- the user's own images


def said(name: str, content: bytes, label: str, verdict: str = "wrong", right: str = "") -> dict[str, str]:
    sha256 = hashlib.sha256(content).hexdigest()
    values = ("train", "0", name, sha256, label, verdict, right)
    return dict(zip(("split", "index", "file", "sha256", "label", "verdict", "class"), values, strict=True))


@pytest.fixture
def mine():
    files = pictures("a", "b", "c", count=10)
    write_files(Path("mine"), files)
    return files


def test_files_are_relabeled_and_left_out_before_anything_is_made_of_them(mine, capsys):
    before = imported("mine")
    corrections = [
        said("a/0.png", mine["a/0.png"], "a", "wrong", "b"),
        said("c/3.png", mine["c/3.png"], "c", "unusable"),
        said("b/1.png", mine["b/1.png"], "b", "fine"),
    ]
    write(*corrections, path=artifacts.CORRECTIONS)
    capsys.readouterr()
    after = imported("mine")
    out = capsys.readouterr().out.splitlines()
    assert "corrections: 1 image relabeled, 1 image left out" in out
    assert out[-1].startswith("30 files found: 29 used (")
    assert "), 1 left out by corrections, 0 skipped, 0 passed over; 3 classes" in out[-1]

    classes = after.files.set_index("file")["class"]
    assert classes["a/0.png"] == "b"
    assert set(before.files["file"]) - set(classes.index) == {"c/3.png"}
    assert (
        classes.drop("a/0.png") == before.files.set_index("file")["class"][classes.index].drop("a/0.png")
    ).all()
    part, index = after.files.set_index("file").loc["a/0.png", ["part", "index"]]
    assert after.dataset.corrections == {"relabeled": {part: {index: "a"}}, "removed": 1}
    numbers = after.files[after.files["part"] == part].reset_index(drop=True)
    assert [after.dataset.classes[n] for n in after.dataset.splits[part].labels] == numbers["class"].tolist()

    write(path=artifacts.CORRECTIONS)
    assert imported("mine").files.equals(before.files)


def test_a_moved_file_stays_corrected(mine):
    write(said("a/0.png", mine["a/0.png"], "a", "wrong", "b"), path=artifacts.CORRECTIONS)
    Path("mine/a/0.png").rename("mine/a/renamed.png")
    assert imported("mine").files.set_index("file")["class"]["a/renamed.png"] == "b"


def test_a_correction_settles_a_conflict_of_labels(mine):
    same = encode(photograph(30, 30, 99))
    write_files(Path("mine"), {"a/same.png": same, "b/same.png": same})
    conflicts = imported("mine", leaks="keep").duplicates["label_conflict"]
    assert conflicts.tolist() == ["true", "true"]
    write(said("a/same.png", same, "a", "wrong", "b"), path=artifacts.CORRECTIONS)
    after = imported("mine", leaks="keep")
    assert after.duplicates["label_conflict"].tolist() == ["false", "false"]
    assert after.duplicates["class"].tolist() == ["b", "b"]


def test_a_file_that_is_left_out_is_nobodys_duplicate(mine):
    same = photograph(30, 30, 99)
    files = {"a/one.png": encode(same), "a/two.bmp": encode(same, "BMP")}
    write_files(Path("mine"), files)
    assert len(imported("mine").duplicates) == 2
    write(said("a/one.png", files["a/one.png"], "a", "unusable"), path=artifacts.CORRECTIONS)
    assert len(imported("mine").duplicates) == 0


def test_a_class_that_was_chosen_against_takes_its_images_with_it(mine, capsys):
    write(said("a/0.png", mine["a/0.png"], "a", "wrong", "c"), path=artifacts.CORRECTIONS)
    files = imported("mine", classes=["a", "b"]).files
    assert "a/0.png" not in set(files["file"])
    assert "corrections: 0 images relabeled, 1 image left out" in capsys.readouterr().out


def test_the_new_class_decides_about_the_test_part():
    # A class with two images has one in each part; a third that is called so by mistake is no help.
    files = pictures("a", count=30) | pictures("b", count=3, start=5_000)
    write_files(Path("few"), files)
    write(said("b/0.png", files["b/0.png"], "b", "wrong", "a"), path=artifacts.CORRECTIONS)
    parts = imported("few").files.set_index("file")["part"]
    assert {parts["b/1.png"], parts["b/2.png"]} == {"train", "test"}


@pytest.mark.parametrize(
    ("verdict", "right", "line"),
    [
        ("wrong", "d", r"^data/corrections.csv: row 1: there is no class 'd'; \(known: a, b, c\)"),
        ("unusable", "", r"^data/corrections.csv: leaves 1 class without an image: a$"),
        ("wrong", "b", r"^data/corrections.csv: leaves 1 class without an image: a$"),
    ],
)
def test_what_cannot_be_applied_to_files(mine, verdict, right, line):
    rows = [said(name, mine[name], "a", verdict, right) for name in mine if name.startswith("a/")]
    write(*rows, path=artifacts.CORRECTIONS)
    with pytest.raises(InputError, match=line):
        imported("mine")
    assert not artifacts.DATASET.exists()


def test_a_missing_table_ends_in_a_line(mine):
    from src.download.images import import_images
    from tests.download.folders import write_table

    write_table()
    with pytest.raises(
        InputError, match=r"^data/corrections.csv: missing; run `git restore data/corrections"
    ):
        import_images(config("mine"), processes=1)
