"""What `python -m src.corrections apply` checks, keeps and says."""

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from src import artifacts, corrections
from src.data.corrections import read_corrections
from src.data.dataset import load_dataset, save_dataset
from src.download.corrections import correct_dataset
from src.errors import InputError
from tests.corrections import row, write
from tests.download import folders


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch, tiny):
    """The sample, as it is when nothing was corrected."""
    monkeypatch.chdir(tmp_path)
    save_dataset(tiny, artifacts.DATASET)
    write(path=artifacts.CORRECTIONS)


@pytest.fixture
def apply(capsys):
    """Applies rows, and returns the lines that it prints."""

    def run(*rows: dict[str, str]) -> list[str]:
        corrections.main(["apply", str(write(*rows))])
        return capsys.readouterr().out.splitlines()

    return run


@pytest.fixture
def reproduce(tiny):
    """Makes the dataset anew, as `dvc repro` does."""
    return lambda: save_dataset(correct_dataset(tiny), artifacts.DATASET)


def label(index: int) -> str:
    dataset = load_dataset()
    return dataset.classes[dataset.test.labels[index]]


def known() -> list[tuple[str, str, str, str]]:
    table = read_corrections()[["index", "label", "verdict", "class"]]
    return list(table.itertuples(index=False, name=None))


# Two classes that the test images below are not of.
X, Y = "frog", "ship"


@pytest.fixture(autouse=True)
def others(tiny):
    assert not {tiny.classes[label] for label in tiny.test.labels[[0, 3]]} & {X, Y}


def test_what_it_says_and_writes(apply):
    first = label(0)
    rows = [row("test", 3, "unusable"), row("train", 150, "fine"), row("test", 0, "wrong", X)]
    assert apply(*rows) == [
        "corrections.csv: 3 corrections applied (1 wrong, 1 unusable, 1 fine); data/corrections.csv has 3 "
        "rows now",
        "run `dvc repro` to train and test with it, and commit it with the results",
    ]
    table = read_corrections()
    assert table["split"].tolist() == ["train", "test", "test"]
    assert known()[1:] == [("0", first, "wrong", X), ("3", label(3), "unusable", "")]


def test_the_order_of_rows_makes_no_difference_and_nothing_new_is_written_twice(apply):
    rows = [row("test", 3, "unusable"), row("train", 150, "fine"), row("test", 0, "wrong", X)]
    apply(*rows)
    first = artifacts.CORRECTIONS.read_bytes()
    assert apply(*rows) == ["corrections.csv: nothing new; data/corrections.csv has 3 rows as before"]
    write(path=artifacts.CORRECTIONS)
    apply(*rows[::-1], rows[0])
    assert artifacts.CORRECTIONS.read_bytes() == first


def test_later_corrections_are_added_and_replace_earlier_ones(apply):
    apply(row("test", 0, "wrong", X), row("test", 3, "fine"))
    apply(row("test", 3, "wrong", X), row("test", 5, "unusable"))
    apply(row("test", 0, "wrong", Y))
    assert known() == [
        ("0", label(0), "wrong", Y),
        ("3", label(3), "wrong", X),
        ("5", label(5), "unusable", ""),
    ]


def test_the_first_label_is_kept_and_can_be_had_back(apply, reproduce):
    first = label(0)
    apply(row("test", 0, "wrong", X))
    reproduce()
    assert label(0) == X
    apply(row("test", 0, "wrong", Y))
    assert known() == [("0", first, "wrong", Y)]
    reproduce()
    assert label(0) == Y
    apply(row("test", 0, "wrong", first))
    assert known() == []
    reproduce()
    assert label(0) == first
    assert "corrections" not in (artifacts.DATASET / "meta.json").read_text()


def test_a_page_that_is_older_than_the_last_corrections_may_be_used_on(apply, reproduce):
    first = label(0)
    apply(row("test", 0, "wrong", X))
    reproduce()
    # Nothing is made anew in between: the image is called X on the page.
    for marked, expected in (
        (row("test", 0, "fine"), ("0", first, "wrong", X)),
        (row("test", 0, "wrong", Y), ("0", first, "wrong", Y)),
        (row("test", 0, "unusable"), ("0", first, "unusable", "")),
        (row("test", 0, "fine"), ("0", first, "wrong", X)),
        (row("test", 0, "wrong", first), None),
        (row("test", 0, "wrong", Y), ("0", first, "wrong", Y)),
    ):
        apply(marked)
        assert known() == ([expected] if expected else [])
        assert apply(marked)[0].startswith("corrections.csv: nothing new")


def test_copies_of_a_picture_that_had_other_labels_keep_them(apply, tiny):
    pair = tiny.test.take(np.array([0, 0]))
    copies = replace(tiny, test=replace(pair, labels=np.array([0, 1])))
    save_dataset(copies, artifacts.DATASET)
    apply(row("test", 0, "wrong", X), row("test", 1, "wrong", X))
    save_dataset(correct_dataset(copies), artifacts.DATASET)
    assert (label(0), label(1)) == (X, X)
    apply(row("test", 0, "wrong", Y), row("test", 1, "wrong", Y))
    assert known() == [("0", "airplane", "wrong", Y), ("1", "automobile", "wrong", Y)]


def test_own_images_are_known_by_their_files(apply):
    files = {f"train/{name}": content for name, content in folders.pictures("a", "b", count=4).items()}
    new = folders.pictures("a", "b", count=4, start=50_000)
    files |= {f"test/{name}": content for name, content in new.items()}
    folders.write(Path("mine"), files)
    before = folders.imported("mine").files
    first = before[before["part"] == "test"].iloc[0]
    said = row("test", 0, "wrong", "b" if first["class"] == "a" else "a")
    assert said["sha256"] == hashlib.sha256(files[first["file"]]).hexdigest()
    apply(said | {"file": first["file"]})
    after = folders.imported("mine").files.set_index("file")
    assert after.loc[first["file"], "class"] == said["class"]
    apply(said | {"label": said["class"], "class": said["label"]})
    assert read_corrections().empty
    with pytest.raises(InputError, match="row 1: sha256 is not that of test image 1 in data/dataset"):
        apply(said | {"index": "1"})


SHA = "0" * 64


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"split": "tset"}, "split is 'tset', should be train, val or test"),
        ({"split": "val"}, "split is 'val', which this dataset does not have"),
        ({"index": "x"}, "index is 'x', should be a number from 0"),
        ({"index": "100"}, "index is 100, but test has 100 images; make the report again"),
        ({"index": "1"}, "sha256 is not that of test image 1 in data/dataset; make the report again"),
        ({"sha256": SHA}, "sha256 is not that of test image 0 in data/dataset; make the report again"),
        ({"sha256": "x"}, "sha256 is 'x', should be 64 digits from 0 to f"),
        ({"label": Y}, "label is 'ship', but test image 0 is labeled 'LABEL' now; make the report again"),
        ({"verdict": "bad"}, "verdict is 'bad', should be wrong, unusable or fine"),
        ({"class": ""}, "class is empty, should be the right one where the verdict is wrong"),
        ({"class": "forg"}, "class is 'forg'; did you mean 'frog'? (known: airplane, "),
        ({"class": "LABEL"}, "class is 'LABEL', which is the label already"),
        ({"verdict": "fine"}, "class is 'frog', should be empty where the verdict is fine"),
    ],
)
def test_a_wrong_or_stale_row(apply, change, problem):
    change = {name: value.replace("LABEL", label(0)) for name, value in change.items()}
    before = artifacts.CORRECTIONS.read_bytes()
    with pytest.raises(InputError) as error:
        apply(row("test", 3, "fine"), row("test", 0, "wrong", X) | change)
    [line, last] = str(error.value).splitlines()
    assert line.startswith(f"corrections.csv: row 2: {problem.replace('LABEL', label(0))}")
    assert last == "nothing was applied: 1 of 2 rows wrong or out of date"
    assert artifacts.CORRECTIONS.read_bytes() == before


def test_each_of_many_wrong_rows_has_a_line_in_their_order(apply):
    sound = row("test", 3, "fine")
    rows = [
        sound | {"index": "500"},
        sound | {"verdict": ""},
        sound,
        row("train", 3, "fine") | {"label": "x"},
        sound | {"verdict": "unusable"},
    ]
    with pytest.raises(InputError) as error:
        apply(*rows)
    *lines, last = str(error.value).splitlines()
    assert [line.split(":")[1] for line in lines] == [" row 1", " row 2", " row 4", " row 5"]
    assert "contradicts row 1, which is about the same image" in lines[-1]
    assert last == "nothing was applied: 4 of 5 rows wrong or out of date"
    assert known() == []


def test_it_is_about_the_data_as_they_are(apply, reproduce):
    old = [row("test", 0, "wrong", X), row("test", 3, "unusable")]
    apply(*old)
    reproduce()
    with pytest.raises(
        InputError, match=r"row 1: label is .* but test image 0 is labeled 'frog' now"
    ) as error:
        apply(*old)
    assert "row 2: sha256 is not that of test image 3 in data/dataset" in str(error.value)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (None, "mine.csv: no such file; you get one by marking images in a report"),
        (
            "file,label\na.png,cat\n",
            "mine.csv: has no column 'split'; the columns should be split, index, file,",
        ),
        ("", "mine.csv: damaged (No columns to parse from file); its first line should be split,index,file,"),
        ("split,index,file,sha256,label,verdict,class\n", "mine.csv: has no rows"),
    ],
)
def test_a_file_that_is_none(tmp_path, text, line):
    if text is not None:
        (tmp_path / "mine.csv").write_text(text)
    with pytest.raises(InputError) as error:
        corrections.main(["apply", "mine.csv"])
    assert str(error.value).startswith(line)
    assert "\n" not in str(error.value)


def test_a_damaged_table_of_the_project_is_not_overwritten(apply):
    artifacts.CORRECTIONS.write_text("mine\n")
    with pytest.raises(InputError, match=r"^data/corrections.csv: has no column 'split'"):
        apply(row("test", 0, "fine"))
    assert artifacts.CORRECTIONS.read_text() == "mine\n"
