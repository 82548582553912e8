from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from src.download.layout import list_images
from src.download.table import read_labels
from src.errors import InputError
from tests.download.folders import config, write, write_table

TABLE = Path("data/labels.csv")


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def read(text, encoding="utf-8"):
    TABLE.parent.mkdir(exist_ok=True)
    TABLE.write_bytes(text.encode(encoding))
    return read_labels(TABLE)


def listed(text, *names, **changes):
    write(Path("mine"), dict.fromkeys(names, b""))
    write_table(text)
    return list_images(config("mine", **changes))


def test_every_cell_stays_as_it_is_written():
    cells = ["NA", "1e5", "true", "01", "null", " x ", "a,b", 'say "x"', "é😀", "line\nbreak"]
    text = "file,label\n" + "".join(
        '{}.png,"{}"\n'.format(n, c.replace('"', '""')) for n, c in enumerate(cells)
    )
    assert read(text)[0]["label"].tolist() == cells


@pytest.mark.parametrize("sign", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_delimiters_encodings_and_line_ends(sign, encoding, end):
    lines = [["File", " label", "split", "größe; in m"], ["ä.png", "Käse", "TEST", "1"]]
    if sign == ";":
        lines[0][3] = "größe"
    table, notes = read("".join(sign.join(line) + end for line in lines), encoding)
    assert table.iloc[0].tolist() == ["ä.png", "Käse", "test", "1"]
    assert table.columns[3].startswith("metadata.größe")
    said = ["images.table: data/labels.csv is not UTF-8; read as Windows-1252"]
    assert notes == (said if encoding == "cp1252" else [])


def test_a_delimiter_in_another_column_name_does_not_confuse():
    assert read("file,label,a;b;c;d\nx,y,z\n")[0].iloc[0].tolist() == ["x", "y", "", "z"]


def test_parquet_has_the_same_cells_as_text():
    frame = pd.DataFrame(
        {
            "file": ["1.png", "2.png", "3.png"],
            "label": [1, 2, 10],
            "split": pd.Categorical(["train", "Valid", None]),
            "flag": [True, False, None],
            "share": [0.5, np.nan, 1.0],
            "many": [[1, 2], None, []],
        }
    )
    TABLE.parent.mkdir()
    frame.to_parquet("data/labels.parquet")
    table, _ = read_labels(Path("data/labels.parquet"))
    assert table["label"].tolist() == ["1", "2", "10"]
    assert table["split"].tolist() == ["train", "val", ""]
    assert table["metadata.flag"].tolist() == ["true", "false", ""]
    assert table["metadata.share"].tolist() == ["0.5", "", "1"]
    assert table["metadata.many"].tolist()[1:] == ["", "[]"]


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"", "needs one column 'file'; the columns there are: none"),
        (b"\n\n", "needs one column 'file'"),
        (b"image,class\n1,2\n", "needs one column 'file'; the columns there are: image, class"),
        (b"file,File,label\n1,1,2\n", "needs one column 'file'; the columns there are: file, file, label"),
        (b"file,label\na,b,c\n", "is not a table"),
        (b'file,label\na,"b\n', "is not a table"),
        (b"file,label\na,\0b\n", "contains a zero byte"),
        (b"file,label\n\x81\x8d,b\n", "is neither UTF-8 nor Windows-1252"),
        (b"PAR1 and so on", "is not a Parquet file"),
        (b"file,label,split\na,b,train\nc,d,nowhere\n", "has the split 'nowhere' in row 2 (known: train,"),
    ],
)
def test_what_is_no_table_is_one_line(content, line):
    TABLE.parent.mkdir()
    TABLE.write_bytes(content)
    with pytest.raises(InputError) as error:
        read_labels(TABLE)
    assert str(error.value).startswith("images.table: data/labels.csv ")
    assert line in str(error.value)
    assert "\n" not in str(error.value)


def test_no_table_or_a_folder_is_one_line():
    with pytest.raises(InputError, match=r"images\.table: data/labels\.csv does not exist"):
        read_labels(TABLE)
    TABLE.mkdir(parents=True)
    with pytest.raises(InputError, match=r"images\.table: data/labels\.csv cannot be read"):
        read_labels(TABLE)


def test_a_header_alone_means_that_folders_count():
    assert listed("file,label\n", "a/1.png", "b/1.png").classes == ("a", "b")


def test_a_table_outranks_folders():
    listing = listed("file,label\na/1.png,x\nb/1.png,y/z\n", "a/1.png", "b/1.png", "b/2.png", "c.txt")
    assert listing.classes == ("x", "y/z")
    assert listing.files["file"].tolist() == ["a/1.png", "b/1.png"]
    assert listing.passed_over == 2
    assert listing.notes[:2] == [
        "layout: the table data/labels.csv, 2 files, 2 classes",
        "passed over: 1 image that the table does not name",
    ]


def test_files_that_cannot_be_used_are_named():
    write(Path(), {"outside.png": b"", "mine/folder/x.png": b""})
    text = "file,label\n1.png,a\n2.png,\nabsent.png,b\n../outside.png,a\nfolder,a\n,a\n3.png,b\n"
    listing = listed(text, "1.png", "2.png", "3.png")
    assert dict(listing.skipped.itertuples(index=False, name=None)) == {
        "": "no file in the table",
        "../outside.png": "lies outside images.path, where DVC would not notice changes",
        "2.png": "no label in the table",
        "absent.png": "no such file",
        "folder": "not a file",
    }
    assert listing.files["file"].tolist() == ["1.png", "3.png"]
    assert "c" not in listing.classes


@pytest.mark.parametrize(
    "written",
    ["a/1.png", "./a/1.png", "a\\1.png", "../mine/a/1.png", "a/../a/1.png", "../../mine/a/1.png"],
)
def test_files_are_found_as_people_write_them(written):
    Path("data/deep").mkdir(parents=True)
    write_table(f"file,label\n{written},x\n", Path("data/deep/t.csv"))
    write(Path("mine"), {"a/1.png": b""})
    listing = list_images(config("mine", table="data/deep/t.csv"))
    assert listing.files["file"].tolist() == ["a/1.png"]


def test_files_are_found_by_absolute_paths_and_beside_the_table():
    write(Path("data"), {"mine/1.png": b"", "mine/2.png": b""})
    absolute = Path("data/mine/2.png").resolve()
    write_table(f"file,label\nmine/1.png,x\n{absolute},y\n")
    listing = list_images(config("data/mine"))
    assert listing.files["file"].tolist() == ["1.png", "2.png"]


def test_another_systems_composition_of_letters_is_found():
    listing = listed("file,label\nGro\u0308\u00dfe.png,x\n", "Gr\u00f6\u00dfe.png")
    assert listing.files["file"].tolist() == ["Gr\u00f6\u00dfe.png"]


def test_the_same_file_twice_counts_once():
    listing = listed("file,label\n1.png,a\n./1.png,a\n2.png,b\n", "1.png", "2.png")
    assert len(listing.files) == 2


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("file,label\n1.png,a\n./1.png,b\n", "gives 1 file more than one label: 1.png"),
        ("file,label,split\n1.png,a,train\n1.png,a,test\n", "gives 1 file more than one split: 1.png"),
    ],
)
def test_contradictions_are_one_line(text, line):
    with pytest.raises(InputError, match=line):
        listed(text, "1.png")


def test_a_column_groups():
    text = "file,label,patient\n1.png,a,p1\n2.png,b,p1\n3.png,a,\n"
    listing = listed(text, "1.png", "2.png", "3.png", group="patient")
    assert listing.files["group"].tolist() == ["p1", "p1", ""]
    assert listing.files["metadata.patient"].tolist() == ["p1", "p1", ""]
    assert "images.group: 1 group of 2 images by the column patient; 1 image in none" in listing.notes


def test_an_unknown_column_is_one_line():
    with pytest.raises(InputError, match=r"'patiant' matches no file.* no column of the table \(patient\)"):
        listed("file,label,patient\n1.png,a,p1\n", "1.png", group="patiant")
