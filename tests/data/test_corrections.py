import hashlib

import numpy as np
import pandas as pd
import pytest

from src import artifacts
from src.data.corrections import (
    COLUMNS,
    image_sha256,
    pixel_sha256,
    read_corrections,
    without_confirmed,
    write_corrections,
)
from src.data.dataset import save_dataset
from src.errors import InputError
from tests.conftest import ROOT
from tests.corrections import HEADER, row, write

A, B = "a" * 64, "b" * 64
SOUND = f"test,7,,{A},cat,wrong,dog\n"


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def read(text):
    artifacts.CORRECTIONS.parent.mkdir(exist_ok=True)
    artifacts.CORRECTIONS.write_text(text, newline="")
    return read_corrections()


def test_the_shipped_table_has_a_header_and_no_rows():
    assert (ROOT / artifacts.CORRECTIONS).read_bytes() == HEADER.encode()
    assert read(HEADER).empty


def test_cells_stay_text_whatever_a_program_has_done_to_the_file():
    text = f'\ufeff{HEADER}test,007,"a ""b"",c.png",{A},NA,wrong,1e5\n'.replace("\n", "\r\n")
    assert read(text).to_dict("records") == [
        dict(zip(COLUMNS, ("test", "007", 'a "b",c.png', A, "NA", "wrong", "1e5"), strict=True))
    ]


WRONG_ROWS = [
    (f"tset,1,,{A},cat,fine,", "split is 'tset', should be train, val or test"),
    (f"test,-1,,{A},cat,fine,", "index is '-1', should be a number from 0"),
    (f"test,1.0,,{A},cat,fine,", "index is '1.0', should be a number from 0"),
    (f"test,1,,{A[1:]},cat,fine,", f"sha256 is '{A[1:]}', should be 64 digits from 0 to f"),
    (f"test,1,,{A},cat,Wrong,dog", "verdict is 'Wrong', should be wrong, unusable or fine"),
    (f"test,1,,{A},cat,,dog", "verdict is '', should be wrong, unusable or fine"),
    (f"test,1,,{A},cat,wrong,", "class is empty, should be the right one where the verdict is wrong"),
    (f"test,1,,{A},cat,fine,dog", "class is 'dog', should be empty where the verdict is fine"),
    (f"test,1,,{A},cat,unusable,dog", "class is 'dog', should be empty where the verdict is unusable"),
    (f"test,1,,{A},cat,wrong,cat", "class is 'cat', which is the label already"),
    (f"test,7,,{A},cat,unusable,", "contradicts row 1, which is about the same image"),
    (f"val,3,,{A},cat,wrong,ship", "contradicts row 1, which is about the same image"),
]


@pytest.mark.parametrize(("wrong", "problem"), WRONG_ROWS)
def test_a_wrong_row(wrong, problem):
    with pytest.raises(InputError) as error:
        read(f"{HEADER}{SOUND}{wrong}\n")
    assert str(error.value) == f"data/corrections.csv: row 2: {problem}"


def test_each_wrong_row_has_a_line():
    with pytest.raises(InputError) as error:
        read(HEADER + SOUND + "".join(f"{wrong}\n" for wrong, _ in WRONG_ROWS))
    lines = str(error.value).splitlines()
    assert lines == [
        f"data/corrections.csv: row {number}: {problem}" for number, (_, problem) in enumerate(WRONG_ROWS, 2)
    ]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            HEADER.replace("verdict,", ""),
            "data/corrections.csv: has no column 'verdict'; the columns should be",
        ),
        (
            "",
            "data/corrections.csv: damaged (No columns to parse from file); its first line should be split,",
        ),
        (f"{HEADER}{SOUND[:-1]},more\n", "data/corrections.csv: damaged (Length of header or names does not"),
    ],
)
def test_what_is_no_such_table(text, line):
    with pytest.raises(InputError) as error:
        read(text)
    assert str(error.value).startswith(line)
    assert "\n" not in str(error.value)


def test_a_missing_table():
    with pytest.raises(InputError, match=r"^data/corrections.csv: missing; run `git restore data/corr"):
        read_corrections()


def test_the_same_said_twice_counts_once():
    assert len(read(HEADER + SOUND + SOUND.replace("test,7", "val,9"))) == 1


def test_the_same_picture_may_have_two_labels():
    assert len(read(HEADER + SOUND + f"test,8,,{A},dog,fine,\n")) == 2


def test_rows_are_written_in_one_order():
    rows = [
        f"train,10,,{A},cat,wrong,dog\n",
        f'train,9,"ü,""x"".png",{B},cat,fine,\n',
        f"val,1,,{B},dog,unusable,\n",
        f"test,0,,{A},ship,unusable,\n",
    ]
    contents = []
    for order in (rows, rows[::-1]):
        write_corrections(read(HEADER + "".join(order)))
        contents.append(artifacts.CORRECTIONS.read_bytes())
    assert contents[0] == contents[1]
    assert contents[0].decode() == HEADER + rows[1] + rows[0] + rows[2] + rows[3]


# --- which image it is


def test_images_without_files_are_known_by_their_pixels(tiny):
    save_dataset(tiny, artifacts.DATASET)
    expected = [
        hashlib.sha256(np.ascontiguousarray(image).tobytes()).hexdigest() for image in tiny.test.images
    ]
    assert image_sha256(artifacts.DATASET, "test") == expected
    assert pixel_sha256(tiny.test.images) == expected
    assert image_sha256(artifacts.DATASET, "test", np.array([99, 3])) == [expected[99], expected[3]]


def test_confirmed_labels_are_no_issue(tiny):
    save_dataset(tiny, artifacts.DATASET)
    indices = [5, 3, 8, 1, 40]
    labels = [tiny.classes[tiny.test.labels[index]] for index in indices]
    issues = pd.DataFrame({"index": indices, "label": labels})
    write(path=artifacts.CORRECTIONS)
    assert without_confirmed(issues, "test") is issues
    said = [
        row("test", 3, "fine"),
        row("test", 8, "unusable"),
        row("test", 40) | {"label": "before", "class": labels[4]},  # which it is since then
        row("test", 1, "wrong", "another"),  # not yet
        row("test", 5, "fine") | {"label": "another"},
    ]
    write(*said, path=artifacts.CORRECTIONS)
    assert without_confirmed(issues, "test")["index"].tolist() == [5, 8, 1]
