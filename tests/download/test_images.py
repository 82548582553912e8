"""The data set of oddities, and the way from a folder to data/dataset."""

import hashlib
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from src import artifacts
from src.download import store
from src.download.processes import decode_files
from src.download.reader import read_image
from src.errors import InputError
from src.preprocessing import Preprocessing
from tests.download import folders
from tests.download.folders import imported, picture, pictures, write, write_table
from tests.download.pictures import encode, jpeg, oddities, photograph, plain, ramp, truncated
from tests.project import enter_copy

# Each file of one folder, and what must come of it:
# `as X`: used, of class X; `skipped: reason`; `passed over`; `remark: X`: used, and pointed at.
SOUND, TEXT = encode(photograph(24, 18, 77)), b"no picture"
ODD_FILES: list[tuple[str, bytes, str]] = [
    # names of classes
    ("Größe/1.png", picture(1), "as Größe"),
    ("日本語/1.png", picture(2), "as 日本語"),
    ("😀 🐈/1.png", picture(3), "as 😀 🐈"),
    ("with space/1.png", picture(4), "as with space"),
    (" /1.png", picture(5), "as  "),
    ('"quoted"/1.png', picture(6), 'as "quoted"'),
    ("it's/1.png", picture(7), "as it's"),
    ("a,b;c/1.png", picture(8), "as a,b;c"),
    ("<b>&amp;</b>/1.png".replace("/b", "∕b"), picture(9), "as <b>&amp;<∕b>"),
    ("index/1.png", picture(10), "as index"),
    ("NA/1.png", picture(11), "as NA"),
    ("nan/1.png", picture(12), "as nan"),
    ("1e5/1.png", picture(13), "as 1e5"),
    ("true/1.png", picture(14), "as true"),
    ("null/1.png", picture(15), "as null"),
    ("01/1.png", picture(16), "as 01"),
    ("1/1.png", picture(17), "as 1"),
    ("test/1.png", picture(18), "as test"),
    ("val/1.png", picture(19), "as val"),
    ("=1+1/1.png", picture(20), "as =1+1"),
    ("-rf/1.png", picture(21), "as -rf"),
    ("..x/1.png", picture(22), "passed over"),  # hidden, as are all names that begin with a dot
    ("a" * 200 + "/1.png", picture(23), "as " + "a" * 200),
    ("%20/1.png", picture(24), "as %20"),
    ("a\\b/1.png", picture(25), "as a\\b"),
    # names of files and where they lie
    ("cat/deep/deeper/x.png", picture(30), "as cat"),
    ("cat/train/x.png", picture(31), "as cat"),
    ("cat/UPPER.JPG", picture(32), "as cat"),
    ("cat/two.dots.jpg", picture(33), "as cat"),
    ("cat/no suffix", picture(34), "as cat"),
    ("cat/picture.txt", picture(35), "as cat"),
    ("cat/x\ny.png", picture(36), "skipped: control character"),
    ("cat/Icon\r", b"", "passed over"),
    ("loose.png", picture(38), "skipped: is not in a class folder"),
    ("README.md", TEXT, "passed over"),
    ("cat/.hidden.png", SOUND, "passed over"),
    ("cat/._x.png", SOUND, "passed over"),
    ("cat/.DS_Store", TEXT, "passed over"),
    ("cat/Thumbs.db", TEXT, "passed over"),
    ("cat/desktop.ini", TEXT, "passed over"),
    ("cat/notes.txt", TEXT, "passed over"),
    ("cat/film.mp4", bytes(100), "passed over"),
    ("cat/raw.nef", b"II*\0" + bytes(99), "skipped: raw format"),
    # contents
    ("cat/tiny.png", encode(photograph(3, 3, 50)), "remark: tiny"),
    ("cat/black.png", encode(plain((0, 0, 0))), "remark: blank"),
    ("cat/long.png", encode(photograph(600, 20, 51)), "remark: extreme aspect ratio"),
    ("cat/12-bit.png", encode(ramp(4_000)), "as cat"),
    ("cat/part.jpg", truncated(picture(52)), "skipped: truncated"),
    *(
        (f"pictures/{odd.name}", odd.content, f"skipped: {odd.problem}" if odd.problem else "as pictures")
        for odd in oddities()
        if odd.problem or odd.colors
    ),
]


@pytest.fixture(scope="module")
def odd(tmp_path_factory):
    """The data set of oddities, imported."""
    before, project = Path.cwd(), tmp_path_factory.mktemp("odd")
    os.chdir(project)
    try:
        labels = {
            name.partition("/")[0] for name, _, outcome in ODD_FILES if outcome.startswith(("as", "re"))
        }
        write(Path("mine"), pictures(*sorted(labels), count=3, start=100_000))
        write(Path("mine"), {name: content for name, content, _ in ODD_FILES})
        # What is no matter of content: links, and a name that is no text.
        Path("elsewhere").mkdir()
        Path("elsewhere/linked.png").write_bytes(picture(60))
        Path("mine/cat/link.png").symlink_to(project / "elsewhere/linked.png")
        Path("mine/cat/folder link").symlink_to(project / "elsewhere")
        Path("mine/cat/loop").symlink_to(project / "mine")
        Path("mine/cat/self.png").symlink_to("self.png")
        Path("mine/cat/broken.png").symlink_to("nowhere.png")
        Path(os.fsdecode(b"mine/cat/\xff.png")).write_bytes(picture(61))
        os.mkfifo("mine/cat/pipe.png")
        Path("mine/nothing in it").mkdir()
        yield imported("mine", on_error="skip_all")
    finally:
        os.chdir(before)


LINKS = [
    ("cat/link.png", b"", "as cat"),
    ("cat/folder link/linked.png", b"", "as cat"),
    ("cat/self.png", b"", "skipped: leads nowhere"),
    ("cat/broken.png", b"", "skipped: leads nowhere"),
    ("cat/\\xff.png", b"", "skipped: not valid UTF-8"),
    ("cat/pipe.png", b"", "passed over"),
    ("cat/loop/README.md", b"", "passed over"),
]


def test_there_are_over_a_hundred_oddities():
    assert len(ODD_FILES + LINKS) > 100


@pytest.mark.parametrize(
    ("name", "outcome"),
    [pytest.param(name, outcome, id=ascii(name[:40])) for name, _, outcome in ODD_FILES + LINKS],
)
def test_each_oddity_has_its_outcome(odd, name, outcome):
    shown = name.replace("\n", "\\n").replace("\r", "\\r")
    used = odd.files[odd.files["file"] == name]
    duplicates = odd.duplicates[odd.duplicates["file"] == name]
    kind, _, what = outcome.partition(" ")
    if kind == "as":
        assert len(used) == 1 or duplicates["dropped"].tolist() == ["true"]
        assert (used["class"].tolist() or duplicates["class"].tolist()) == [what]
    elif kind == "remark:":
        assert what in used["remark"].item()
    elif kind == "skipped:":
        assert what in odd.skipped[shown]
        assert used.empty
    else:
        assert used.empty
        assert shown not in odd.skipped


def test_the_pixels_of_the_oddities_are_the_readers(odd):
    labels = odd.dataset.classes
    how = odd.dataset.preprocessing
    assert how.white == 65535
    rows = odd.files[odd.files["class"] == "pictures"]
    contents = {f"pictures/{odd.name}": odd.content for odd in oddities()}
    compared = 0
    for row in rows.itertuples(index=False):
        split = odd.dataset.splits[row.part]
        position = int(row[list(rows.columns).index("index")])
        assert labels[split.labels[position]] == "pictures"
        if row.file in contents:
            np.testing.assert_array_equal(split.images[position], read_image(contents[row.file], how))
            compared += 1
    assert compared > 40


# Whole folders that cannot be trained on: what there is, the configuration, and the one line.
AB = pictures("a", "b", count=3)
STOPS = {
    "nothing there": ({}, {"path": "absent"}, "images.path: absent does not exist"),
    "a file": ({"x": b"1"}, {"path": "mine/x"}, "images.path: mine/x is not a folder"),
    "empty": ({"/": b""}, {}, "images.path: mine holds no images, but nothing"),
    "only text": ({"a/1.txt": TEXT}, {}, "images.path: mine holds no images, but 1 other file"),
    "no class folders": (
        {"1.png": SOUND, "2.png": SOUND},
        {},
        "images.path: mine holds 2 images, but no folder for each class",
    ),
    "one too high": (
        {f"pets/{name}": content for name, content in AB.items()},
        {},
        "images.path: mine holds only the folder pets; did you mean mine/pets?",
    ),
    "two too high": (
        {f"all/pets/{name}": content for name, content in AB.items()},
        {},
        "did you mean mine/all/pets?",
    ),
    "one class": (pictures("a"), {}, "images: there is only one class, 'a'"),
    "a class of one image": (AB | pictures("c", count=1, start=7), {}, "1 class with a single image: c"),
    "only in test": (
        {f"train/{n}": c for n, c in AB.items()} | {"test/c/1.png": SOUND, "test/a/1.png": picture(9)},
        {},
        "1 class without an image to train on, only for test: c",
    ),
    "a line break in a class": (AB | pictures("c\nd"), {}, r"the class 'c\nd' has a line break"),
    "all damaged": (
        AB | {"c/1.png": TEXT, "c/2.png": b""},
        {"on_error": "skip_all"},
        "1 class without a usable image: c; see data/skipped.csv",
    ),
    "too many damaged": (
        AB | {"a/x.png": TEXT},
        {},
        "1 of 7 images cannot be used (not an image: 1), more than 5%; see data/skipped.csv",
    ),
    "stop at the first": (
        pictures("a", "b", count=30) | {"a/x.png": b""},
        {"on_error": "stop"},
        "images.on_error: 1 of 61 images cannot be used (0 bytes: 1)",
    ),
    "ambiguous train folder": (
        {f"train/{n}": c for n, c in AB.items()} | pictures("car", start=9),
        {},
        "images.path: mine/train holds folders, as a training part does, but car beside it is neither",
    ),
    "unknown class": (
        AB,
        {"classes": ["a", "bb"]},
        "images.classes: there is no class 'bb'; did you mean b?",
    ),
    "one pattern for all": (AB, {"group": "png"}, "no test part can be set aside"),
    "no such group": (AB, {"group": "patient"}, "images.group: 'patient' matches no file"),
    "no pattern": (AB, {"group": "("}, "images.group: '(' is neither a column of images.table nor a valid"),
    "leaks": (
        {f"train/{n}": c for n, c in AB.items()} | {f"test/{n}": c for n, c in AB.items()},
        {"leaks": "stop"},
        "images.leaks: 6 images for training or validation with a duplicate in another part",
    ),
    "all of it leaks": (
        {f"train/{n}": c for n, c in AB.items()} | {f"test/{n}": c for n, c in AB.items()},
        {},
        "2 classes without an image to train on, only for test: a, b",
    ),
    "no table": (AB, {"table": "absent.csv"}, "images.table: absent.csv does not exist"),
}


@pytest.mark.parametrize("case", STOPS)
def test_what_cannot_be_trained_on_is_one_line(case, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    files, changes, line = STOPS[case]
    if files:
        write(Path("mine"), files)
    with pytest.raises(InputError) as error:
        imported(**{"path": "mine", **changes})
    assert line in str(error.value)
    assert "\n" not in str(error.value)
    assert not artifacts.DATASET.exists()


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_copy_of_the_project_may_lack_them(project, monkeypatch):
    write(Path("mine"), AB)
    write_table(path=Path("mine.csv"))
    enter_copy(project, monkeypatch)
    write(Path("here"), AB)
    for changes, line in (
        ({"path": "mine"}, "images.path: mine is in the project, but not in the copy of it where DVC runs"),
        (
            {"path": "here", "table": "mine.csv"},
            "images.table: mine.csv is in the project, but not in the",
        ),
    ):
        with pytest.raises(InputError, match=line):
            imported(**changes)


def test_what_is_skipped_is_written_down_before_it_stops(project):
    write(Path("mine"), AB | {"a/x.png": TEXT, 'a/é, "x".png': b""})
    with pytest.raises(InputError):
        imported("mine")
    assert artifacts.SKIPPED.read_text(encoding="utf-8").splitlines() == [
        "file,reason",
        "a/x.png,not an image",
        '"a/é, ""x"".png",0 bytes',
    ]


def test_every_file_is_accounted_for(project, capsys):
    write(Path("mine"), pictures("a", "b", count=40) | {"a/x.png": TEXT, "b/t.txt": TEXT, "b/.x": b""})
    result = imported("mine")
    assert len(result.files) == 80
    assert result.skipped == {"a/x.png": "not an image"}
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1].startswith("83 files found: 80 used (")
    assert lines[-1].endswith("1 skipped, 2 passed over; 2 classes")


def test_adding_files_moves_none_and_decodes_only_those(project, monkeypatch):
    write(Path("mine"), pictures("a", "b", count=60))
    before = imported("mine").files.set_index("file")
    write(Path("mine"), pictures("c", count=10, start=500_000) | {"a/new.png": picture(3)})
    decoded = []

    def spy(work, *rest):
        decoded.extend(work)
        return decode_files(work, *rest)

    monkeypatch.setattr(store, "decode_files", spy)
    after = imported("mine").files.set_index("file")
    assert len(decoded) == 11
    assert (after.loc[before.index, "part"] == before["part"]).all()
    assert set(before["part"]) == {"train", "test"}


def test_the_result_is_the_same_for_any_number_of_processes(project):
    write(Path("mine"), pictures("a", "b", count=50) | {"a/x.png": TEXT, "b/deep.png": encode(ramp(900))})
    sums = []
    for processes in (1, 2):
        imported("mine", processes)
        written = [*sorted(artifacts.DATASET.iterdir()), artifacts.SKIPPED, artifacts.DUPLICATES]
        sums.append({path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in written})
        for file in Path(".images").iterdir():
            file.unlink()
    assert sums[0] == sums[1]


def test_the_users_folder_is_never_written_to(project):
    write(Path("mine"), AB)
    before = {path: path.stat().st_mtime_ns for path in Path("mine").rglob("*")}
    imported("mine")
    assert {path: path.stat().st_mtime_ns for path in Path("mine").rglob("*")} == before


def test_duplicates_in_the_test_part_are_dropped_from_training(project, capsys):
    files = {f"train/{n}": c for n, c in pictures("a", "b", count=6).items()}
    files |= {f"test/{n}": c for n, c in pictures("a", "b", count=3, start=50_000).items()}
    same = photograph(200, 150, 9)
    files |= {"train/a/copy.png": encode(same), "test/a/original.png": encode(same)}
    files |= {"train/a/again.jpg": jpeg(same, quality=75), "train/b/wrong.png": encode(same)}
    write(Path("mine"), files)
    result = imported("mine")
    table = result.duplicates.set_index("file")
    assert set(table["cluster"]) == {"1"}
    assert table["kind"].to_dict() == {
        "test/a/original.png": "exact",
        "train/a/again.jpg": "near",
        "train/a/copy.png": "exact",
        "train/b/wrong.png": "exact",
    }
    assert table.index[table["dropped"] == "true"].str.startswith("train/").all()
    assert (table["dropped"] == "true").sum() == 3
    assert table.loc["train/b/wrong.png", "label_conflict"] == "true"
    assert table.loc["train/a/again.jpg", "label_conflict"] == "false"
    assert not set(result.files["file"]) & set(table.index[table["dropped"] == "true"])
    out = capsys.readouterr().out
    assert "left out: 3 images for training or validation with a duplicate in another part" in out
    assert "label issues: 3 files with the same pixels as a file of another class" in out
    assert set(imported("mine", leaks="keep").files["file"]) >= set(table.index)


def test_a_table_brings_parts_groups_and_metadata(project):
    write(Path("mine"), {f"{n}.png": encode(photograph(24, 18, n)) for n in range(40)})
    notes = ['"x\ry"'] + [""] * 39
    rows = [f'{n}.png,{("NA", "b/c")[n % 2]},{note},p{n // 4},"1,5 "' for n, note in enumerate(notes)]
    write_table("\n".join(["file,label,note,patient,weight", *rows]))
    result = imported("mine", group="patient")
    assert result.dataset.classes == ("b/c", "NA")
    assert set(result.files["metadata.weight"]) == {"1,5 "}
    assert result.files.groupby("group")["part"].nunique().max() == 1
    first = result.files.set_index("file").loc["0.png"]
    assert (first["metadata.note"], first["class"], first["group"]) == ("x\ry", "NA", "p0")
    train = result.dataset.train
    assert train.groups is not None
    assert len(set(train.groups)) == result.files.loc[result.files["part"] == "train", "group"].nunique()


def test_the_users_own_validation_folder_is_kept(project):
    files = {
        f"{part}/{name}": content
        for position, part in enumerate(("Training", "VALID", "Test"))
        for name, content in pictures("2", "10", count=3, start=10_000 * position).items()
    }
    write(Path("mine"), files)
    dataset = imported("mine").dataset
    assert dataset.classes == ("2", "10")
    assert {part: len(split) for part, split in dataset.splits.items()} == {"train": 6, "val": 6, "test": 6}


def test_sizes_are_chosen_by_the_images_or_the_model(project):
    write(Path("mine"), {name: picture(n, 90, 70) for n, name in enumerate(AB)})
    assert imported("mine", size="auto").dataset.preprocessing.size == 64
    write(Path("small"), AB)
    assert imported("small", size="auto").dataset.preprocessing.size == 32
    chosen = folders.import_images(folders.config("small", size="auto"), model_size=96, processes=1)
    assert chosen == Preprocessing(size=96)


def test_numbers_of_classes_follow_the_order_asked_for(project):
    write(Path("mine"), pictures("a", "b", "c", count=4))
    result = imported("mine", classes=["c", "a"])
    assert result.dataset.classes == ("c", "a")
    labels = pd.concat([result.files[result.files["part"] == part] for part in ("train", "test")])
    numbers = np.concatenate([result.dataset.train.labels, result.dataset.test.labels])
    assert [result.dataset.classes[n] for n in numbers] == labels["class"].tolist()
