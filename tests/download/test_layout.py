import os
import random
from pathlib import Path

import pytest

from src.download import walk
from src.download.layout import list_images
from src.download.names import natural_key, shown
from src.errors import InputError
from tests.download.folders import config, write, write_table


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_table()


def listed(*names, **changes):
    """Of empty files: nothing is opened that is named like a picture."""
    write(Path("mine"), dict.fromkeys(names, b""))
    return list_images(config("mine", **changes))


def rows(listing, *columns):
    return [tuple(row) for row in listing.files[list(columns)].itertuples(index=False)]


def test_a_folder_a_class_with_all_below_it():
    listing = listed("cat/1.png", "cat/deep/deeper/2.jpg", "dog/1.png")
    assert rows(listing, "file", "label", "split", "group") == [
        ("cat/1.png", "cat", "", ""),
        ("cat/deep/deeper/2.jpg", "cat", "", ""),
        ("dog/1.png", "dog", "", ""),
    ]
    assert listing.files["path"].tolist()[0] == str(Path("mine/cat/1.png"))
    assert listing.notes == ["layout: a folder for each class, 2 classes in mine"]


def test_classes_and_files_are_sorted_as_people_count():
    listing = listed("10/1.png", "2/10.png", "2/9.png", "1/x.png", "B/1.png", "a/1.png")
    assert listing.classes == ("1", "2", "10", "a", "B")
    assert listing.files["file"].tolist()[:4] == ["1/x.png", "2/9.png", "2/10.png", "10/1.png"]


def test_the_order_of_the_file_system_does_not_matter(monkeypatch):
    names = [f"{label}/{n}.png" for label in "abc" for n in range(5)]
    first = listed(*names)
    real = os.scandir

    class Shuffled:
        def __init__(self, path):
            with real(path) as entries:
                self.entries = list(entries)
            random.shuffle(self.entries)

        def __enter__(self):
            return iter(self.entries)

        def __exit__(self, *_):
            pass

    monkeypatch.setattr(walk.os, "scandir", Shuffled)
    for _ in range(3):
        assert listed(*names).files.equals(first.files)


@pytest.mark.parametrize(
    ("train", "test", "val"),
    [
        ("train", "test", "val"),
        ("Training", "TESTING", "valid"),
        ("TRAIN", "Test", "Validation"),
        ("train", "test", "dev"),
    ],
)
def test_train_test_and_validation_folders(train, test, val):
    listing = listed(f"{train}/a/1.png", f"{test}/a/2.png", f"{val}/b/deep/3.png", f"{train}/b/4.png")
    assert sorted(rows(listing, "label", "split", "file")) == sorted(
        [
            ("a", "train", f"{train}/a/1.png"),
            ("a", "test", f"{test}/a/2.png"),
            ("b", "val", f"{val}/b/deep/3.png"),
            ("b", "train", f"{train}/b/4.png"),
        ]
    )
    [note] = listing.notes
    assert note.startswith("layout: ")
    assert "2 classes in mine" in note


def test_classes_may_be_called_train_and_test():
    listing = listed("train/1.png", "test/1.png", "val/deep/1.png")
    assert listing.classes == ("test", "train", "val")
    assert set(listing.files["split"]) == {""}


def test_a_test_folder_without_class_folders_is_left_out_and_said():
    listing = listed("train/a/1.png", "train/b/1.png", "test/1.png", "test/2.png", "val/a/3.png")
    assert set(listing.files["split"]) == {"train", "val"}
    assert listing.passed_over == 2
    assert "left out: test, which contains no class folders (2 images)" in listing.notes


def test_other_folders_beside_train_and_test_are_left_out_and_said():
    listing = listed("train/a/1.png", "test/a/1.png", "extra/a/1.png", "train/loose.png")
    assert len(listing.files) == 2
    assert "left out: extra, which is no part of that layout (1 image)" in listing.notes
    assert rows_of(listing.skipped) == [("train/loose.png", "is not in a class folder")]


def rows_of(frame):
    return [tuple(row) for row in frame.itertuples(index=False)]


def test_empty_class_folders_are_left_out_and_said():
    listing = listed("a/1.png", "b/1.png", "c/", "d/text.txt")
    assert listing.classes == ("a", "b")
    assert "left out: 2 class folders without images: c, d" in listing.notes


def test_empty_class_folders_in_parts_are_said():
    listing = listed("train/a/1.png", "test/a/1.png", "train/z/", "test/z/")
    assert "left out: 1 class folder without an image: z" in listing.notes


def test_links_are_followed_without_loops():
    listing = listed("a/1.png", "b/1.png")
    Path("other").mkdir()
    Path("other/x.png").touch()
    Path("mine/a/link").symlink_to(Path("other").resolve())
    Path("mine/a/up").symlink_to(Path("mine").resolve())
    Path("mine/a/here").symlink_to(".")
    listing = list_images(config("mine"))
    assert listing.files["file"].tolist() == ["a/1.png", "a/link/x.png", "b/1.png"]
    assert "not followed: 2 links to a folder that contains them" in listing.notes


def test_names_that_are_no_utf8_are_skipped_and_shown():
    listed("a/1.png", "b/1.png")
    Path(os.fsdecode(b"mine/a/\xe4.png")).touch()
    assert rows_of(list_images(config("mine")).skipped) == [("a/\\xe4.png", "its name is not valid UTF-8")]


def test_what_is_passed_over_is_counted():
    listing = listed(
        "a/1.png", "b/1.png", "a/.x/2.png", "a/.y.png", "a/Thumbs.db", "b/x.txt", "b/y.txt", "z.md"
    )
    assert listing.passed_over == 5
    assert listing.notes[1:] == [
        "passed over as no images: 3 files (.txt: 2, .md: 1)",
        "passed over: 3 hidden files or folders",
    ]


def test_some_classes_in_an_order_of_their_own():
    listing = listed("a/1.png", "b/1.png", "c/1.png", classes=["c", "a"])
    assert listing.classes == ("c", "a")
    assert listing.files["label"].tolist() == ["a", "c"]
    assert listing.passed_over == 1
    assert "left out by images.classes: 1 class (1 image)" in listing.notes


def test_classes_that_look_alike_are_said():
    notes = listed("Cat/1.png", "cat/1.png", "dog/1.png").notes
    assert "classes that differ only in capitals or spaces: 'Cat', 'cat'" in notes


def test_groups_by_a_pattern():
    listing = listed("a/p1_1.png", "a/p1_2.png", "b/p2_1.png", "b/none.png", group=r"p(\d+)_")
    assert listing.files["group"].tolist() == ["1", "1", "", "2"]
    assert listing.notes[-1] == r"images.group: 2 groups of 3 images by the pattern p(\d+)_; 1 image in none"
    assert listed("a/p1_1.png", group="p[0-9]").files["group"].tolist() == ["p1", "p1", "", "p2"]
    either = listed("a/p1_1.png", group=r"x(\d)|p(\d)")
    assert either.files["group"].tolist() == ["1", "1", "", "2"]


def test_the_root_may_end_in_a_slash_or_be_absolute():
    listed("a/1.png", "b/1.png")
    for path in ("mine/", "./mine", Path("mine").resolve()):
        assert list_images(config(str(path))).files["file"].tolist() == ["a/1.png", "b/1.png"]


def test_a_folder_that_may_not_be_read_is_skipped(monkeypatch):
    names = ("a/1.png", "b/1.png", "b/locked/2.png")
    real = os.scandir

    def scandir(path):
        if Path(path).name == "locked":
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(walk.os, "scandir", scandir)
    assert rows_of(listed(*names).skipped) == [("b/locked", "folder: permission denied")]


def test_no_layout_is_one_line():
    with pytest.raises(InputError, match=r"images\.path: mine holds 1 image, but no folder for each class"):
        listed("1.png")
    Path("mine/1.png").unlink()
    with pytest.raises(InputError, match=r"mine holds only the folder x; did you mean mine/x/y\?"):
        listed("x/y/a/1.png", "x/y/b/1.png")


@pytest.mark.parametrize(
    ("names", "ordered"),
    [
        (["10", "9", "1"], ["1", "9", "10"]),
        (["b", "A", "a", "B"], ["A", "a", "B", "b"]),
        (["a/1", "a b/1"], ["a/1", "a b/1"]),
        (["x02", "x1", "x2"], ["x1", "x02", "x2"]),
        (["9" * 5_000, "1" * 5_001], ["9" * 5_000, "1" * 5_001]),
        (["1a", "a1", ""], ["", "1a", "a1"]),
    ],
)
def test_names_are_sorted_as_people_count(names, ordered):
    assert sorted(names, key=natural_key) == ordered


def test_any_name_can_be_shown():
    assert shown("é😀 x") == "é😀 x"
    assert shown("a\nb\r\0") == "a\\nb\\r\\x00"
    assert shown(os.fsdecode(b"\xff")) == "\\xff"
