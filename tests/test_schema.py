import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from src import schema
from src.errors import InputError
from src.schema import Column, TableSchema, read_table, write_table

TABLES = {name: value for name, value in vars(schema).items() if isinstance(value, TableSchema)}

# A table with a column of every kind.
EVERY_KIND = TableSchema(
    Path("data/every_kind.csv"),
    {
        "count": Column("integer", "how many"),
        "share": Column("number", "how much"),
        "low": Column("number or empty", "how little"),
        "flag": Column("true or false", "whether"),
        "note": Column("text", "what else"),
        "class": Column("class", "which"),
    },
)
CLASSES = ("cat", "dog")


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def frame() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "count": [3, 2**62],
            "share": [1 / 3, 1e-300],
            "low": [np.nan, 0.25],
            "flag": [True, False],
            "note": ["", "NA"],
            "class": ["dog", "cat"],
        }
    )


def test_a_table_comes_back_as_it_was():
    write_table(EVERY_KIND, frame())
    read = read_table(EVERY_KIND, CLASSES)
    expected = frame().astype({"class": pd.CategoricalDtype(list(CLASSES))})
    pd.testing.assert_frame_equal(read, expected, check_exact=True)
    assert read["class"].cat.codes.tolist() == [1, 0]


def test_the_file_is_plain_text_with_line_feeds():
    write_table(EVERY_KIND, frame()[list(reversed(EVERY_KIND.columns))])
    assert EVERY_KIND.path.read_bytes() == (
        b"count,share,low,flag,note,class\n"
        b"3,0.3333333333333333,,true,,dog\n"
        b"4611686018427387904,1e-300,0.25,false,NA,cat\n"
    )


def test_numbers_are_written_with_as_many_digits_as_the_table_asks_for():
    table = TableSchema(Path("t.csv"), {"share": Column("number", "how much")}, digits=3)
    write_table(table, pd.DataFrame({"share": [1 / 3, 1234.5, 1e-9]}))
    assert table.path.read_text() == "share\n0.333\n1.23e+03\n1e-09\n"


def test_a_table_without_rows():
    write_table(EVERY_KIND, frame()[:0])
    assert EVERY_KIND.path.read_text() == "count,share,low,flag,note,class\n"
    read = read_table(EVERY_KIND, CLASSES)
    assert len(read) == 0
    assert [str(dtype) for dtype in read.dtypes[:4]] == ["int64", "float64", "float64", "bool"]
    assert read["class"].cat.categories.tolist() == list(CLASSES)


@pytest.mark.parametrize("change", [{"extra": 1}, {"flag": None}])
def test_other_columns_are_not_written(change):
    other = frame().assign(**change) if "extra" in change else frame().drop(columns="flag")
    with pytest.raises(ValueError, match="columns differ"):
        write_table(EVERY_KIND, other)
    assert not EVERY_KIND.path.exists()


STRANGE_NAMES = (
    *("index", "NA", "true", "1e5", "nan", "null", "", "0", "-inf", "actual", "#1", " a ", "__proto__"),
    *("a,b", 'a "b"', '"', "a\nb", "'", "Käfer", "猫", "💥", "a;b\tc", "\\n", "=1+1"),
)


@pytest.mark.parametrize("table", [schema.CONFUSION, schema.CONFUSION_MATRIX])
def test_classes_may_have_any_name(table):
    names = np.array(STRANGE_NAMES, object)
    content = pd.DataFrame({"actual": names, "predicted": names[::-1], "images": range(len(names))})
    write_table(table, content[list(table.columns)])
    read = read_table(table, STRANGE_NAMES)
    assert read["actual"].tolist() == list(STRANGE_NAMES)
    assert read["actual"].cat.codes.tolist() == list(range(len(names)))
    assert read["predicted"].tolist() == list(STRANGE_NAMES[::-1])
    assert read_table(table)["actual"].tolist() == list(STRANGE_NAMES)  # without knowing the classes


@pytest.mark.parametrize("name", STRANGE_NAMES)
def test_a_single_class_may_have_any_name(name):
    write_table(schema.CONFUSION, pd.DataFrame({"actual": [name], "predicted": [name]}))
    assert read_table(schema.CONFUSION, [name])["predicted"].tolist() == [name]


HEADER = "count,share,low,flag,note,class"
GOOD = "3,0.5,,true,,dog"


def problem(content: str | bytes) -> str:
    """What is said about a file with this content, less what is said about every damaged file."""
    EVERY_KIND.path.parent.mkdir(exist_ok=True)
    EVERY_KIND.path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InputError) as error:
        read_table(EVERY_KIND, CLASSES)
    assert "\n" not in str(error.value)
    pattern = r"data/every_kind\.csv: damaged \((.*)\); run `dvc repro --force` to make it again"
    return re.fullmatch(pattern, str(error.value)).group(1)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("3.0,0.5,,true,,dog", "count is '3.0', should be integer"),
        (",0.5,,true,,dog", "count is '', should be integer"),
        (f"{'9' * 30},0.5,,true,,dog", f"count is '{'9' * 30}', should be integer"),
        ("-1,0.5,,true,,dog", "count is '-1', should be integer"),
        ("3,half,,true,,dog", "share is 'half', should be number"),
        ("3,,,true,,dog", "share is '', should be number"),
        ("3,nan,,true,,dog", "share is 'nan', should be number"),
        ("3,inf,,true,,dog", "share is 'inf', should be number"),
        ("3,0.5,none,true,,dog", "low is 'none', should be number or empty"),
        ("3,0.5,,True,,dog", "flag is 'True', should be true or false"),
        ("3,0.5,,,,dog", "flag is '', should be true or false"),
        ("3,0.5,,true,,bird", "class is 'bird', should be a class of this dataset"),
        ("3,0.5,,true,,Dog", "class is 'Dog', should be a class of this dataset"),
        ("3,0.5", "flag is '', should be true or false"),  # cut short
    ],
)
@pytest.mark.parametrize("before", [0, 2])
def test_a_bad_value_is_named_with_its_row_and_column(row, reason, before):
    lines = [HEADER, *[GOOD] * before, row, GOOD]
    assert problem("\n".join([*lines, ""])) == f"row {before + 1}: {reason}"


@pytest.mark.parametrize("column", EVERY_KIND.columns)
def test_a_missing_column_is_named(column):
    assert problem(f"{HEADER}\n{GOOD}\n".replace(column, "other", 1)) == f"has no column {column!r}"


@pytest.mark.parametrize("rows", [[f"{GOOD},7"], [GOOD, f"{GOOD},7"], [f"{GOOD},7", GOOD]])
def test_a_row_that_is_too_long(rows):
    reason = problem("\n".join([HEADER, *rows, ""]))
    assert re.search("Expected 6 fields in line 3, saw 7|does not match length of data", reason)


@pytest.mark.parametrize("content", ["", "\n\n"])
def test_an_empty_file(content):
    assert problem(content) == "No columns to parse from file"


def test_a_file_that_was_cut_short():
    assert "EOF inside string" in problem(f'{HEADER}\n3,0.5,,true,"not')
    assert problem(f"{HEADER}\n{GOOD}\n3,0.5,,tr") == "row 2: flag is 'tr', should be true or false"


def test_a_file_that_is_not_utf_8():
    content = f"{HEADER}\n3,0.5,,true,Käse,dog\n".encode("latin-1")
    assert "'utf-8' codec can't decode byte 0xe4" in problem(content)


def test_a_missing_file():
    with pytest.raises(InputError, match=r"^data/every_kind\.csv: missing; run `dvc repro` to restore it$"):
        read_table(EVERY_KIND, CLASSES)


def test_a_table_in_another_folder(project):
    (project / "elsewhere").mkdir()
    write_table(EVERY_KIND, frame(), Path("elsewhere"))
    assert not EVERY_KIND.path.exists()
    assert len(read_table(EVERY_KIND, CLASSES, Path("elsewhere"))) == 2
    with pytest.raises(InputError, match=r"^elsewhere/data/every_kind\.csv: damaged \(row 1: class is 'dog'"):
        read_table(EVERY_KIND, ("cat",), Path("elsewhere"))


def test_every_table_has_a_file_of_its_own():
    assert len({table.path for table in TABLES.values()}) == len(TABLES) == 12


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_every_column_has_a_kind_and_a_meaning(table):
    assert table.columns
    for name, column in table.columns.items():
        assert name == name.lower()
        assert column.type in schema._CONVERTERS or column.type == "class"
        assert len(column.meaning) > 5
        assert not column.meaning.endswith(".")
