"""A table that says which files there are and what is on them: CSV or Parquet, every cell as text."""

import codecs
import csv
import io
import os
import unicodedata
import warnings
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from src import places
from src.data.dataset import METADATA
from src.download.names import counted, first_few, shown
from src.download.walk import name_problem
from src.errors import InputError

REQUIRED = ("file", "label")
DELIMITERS = (",", ";", "\t")
PARTS = {
    "train": "train",
    "training": "train",
    "test": "test",
    "testing": "test",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
}


def read_labels(path: Path) -> tuple[pd.DataFrame, list[str]]:
    """Read the user's table: `file`, `label`, `split`, and `metadata.NAME` for every other column.

    Cells stay as they are written (`NA`, `1e5`, `01`, `true`); what is missing is empty text.

    Returns:
        The table, `split` being one of train, val, test or empty; lines to print about how it was read.

    Raises:
        InputError: the file is missing or no table, or lacks a column, or a split is unknown.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        problem = (
            places.why_missing(path)
            or "does not exist; it needs the columns file and label, and may have no rows"
        )
        raise InputError(f"images.table: {path} {problem}") from None
    except OSError as error:
        raise InputError(f"images.table: {path} cannot be read: {(error.strerror or '').lower()}") from None
    table, notes = (_read_parquet(content, path), []) if content[:4] == b"PAR1" else _read_csv(content, path)
    return _named(table, path), notes


def look_up(written: str, root: Path, beside: Path, known: set[str]) -> tuple[str, str]:
    """The name relative to the root of a file that the table names, and the reason why it cannot be used."""
    if not written.strip():
        return "", "no file in the table"
    outside = ""
    # As written, by a Windows program, or composed as another system does it.
    variants = [written, written.replace("\\", "/")]
    variants += [unicodedata.normalize(form, variants[1]) for form in ("NFC", "NFD")]
    for variant in dict.fromkeys(variants):
        if variant in known:
            return variant, name_problem(variant)
        if "\0" in variant:
            continue
        for folder in (root, beside):
            path = os.path.abspath(folder / variant)  # noqa: PTH100 (links stay as they are)
            if not os.path.lexists(path):
                continue
            name = os.path.relpath(path, os.path.abspath(root)).replace(os.sep, "/")  # noqa: PTH100
            if not name.startswith("../") and name != "..":
                return name, name_problem(name) or ("" if Path(path).is_file() else "not a file")
            outside = outside or name
    if outside:
        return outside, "lies outside images.path, where DVC would not notice changes"
    return written, "no such file"


def check_repeated(labels: pd.DataFrame, table: str) -> None:
    """A file may stand in the table twice, but has to be the same thing."""
    for column in ("label", "split"):
        different = labels.groupby("file", sort=False)[column].nunique() > 1
        names = [shown(str(name)) for name in different.index[different] if name]
        if names:
            raise InputError(
                f"images.table: {table} gives {counted(len(names), 'file')} more than one {column}: "
                f"{first_few(names)}"
            )


def _read_csv(content: bytes, path: Path) -> tuple[pd.DataFrame, list[str]]:
    text, notes = _decoded(content, path)
    header = next((line for line in text.splitlines() if line.strip()), "")
    delimiter = max(DELIMITERS, key=lambda sign: _fit(header, sign))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # about a row that is too long
            table = pd.read_csv(
                io.StringIO(text), sep=delimiter, dtype=str, na_filter=False, index_col=False
            ).fillna("")
    except pd.errors.EmptyDataError:
        table = pd.DataFrame()
    except (pd.errors.ParserError, pd.errors.ParserWarning, ValueError, csv.Error) as error:
        reason = str(error).strip().splitlines()[-1]
        raise InputError(f"images.table: {path} is not a table ({reason})") from None
    return table, notes


def _decoded(content: bytes, path: Path) -> tuple[str, list[str]]:
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encodings = ["utf-16"]
    else:
        encodings = ["utf-8-sig", "cp1252"]
    for encoding in encodings:
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" in text:  # pandas would end the cell there
            raise InputError(f"images.table: {path} is not text: it contains a zero byte")
        read_as = f"images.table: {path} is not UTF-8; read as Windows-1252"
        return text, [read_as] if encoding == "cp1252" else []
    raise InputError(f"images.table: {path} is neither UTF-8 nor Windows-1252; save it as CSV in UTF-8")


def _fit(header: str, delimiter: str) -> tuple[int, int]:
    """How well a delimiter suits a header: required columns found, then columns in all."""
    try:
        names = next(csv.reader([header], delimiter=delimiter), [])
    except csv.Error:
        return 0, 0
    return len({name.strip().lower() for name in names} & set(REQUIRED)), len(names)


def _read_parquet(content: bytes, path: Path) -> pd.DataFrame:
    try:
        table = pq.read_table(pa.BufferReader(content))
    except (pa.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"images.table: {path} is not a Parquet file ({reason})") from None
    columns = {}
    for name, column in zip(table.column_names, table.columns, strict=True):
        try:
            values = pc.cast(column, pa.string()).to_pylist()
        except pa.ArrowException:  # lists and the like; text that is not UTF-8
            values = [None if value is None else str(value) for value in column.to_pylist()]
        columns[name] = pd.Series(["" if value is None else value for value in values], dtype=object)
    return pd.DataFrame(columns)


def _named(table: pd.DataFrame, path: Path) -> pd.DataFrame:
    """The columns by the names they have here."""
    known = (*REQUIRED, "split")
    names = {name: str(name).strip().lower() for name in table.columns}
    names = {name: plain if plain in known else f"{METADATA}{name}" for name, plain in names.items()}
    table = table.rename(columns=names).astype(object)
    for name in REQUIRED:
        if list(table.columns).count(name) != 1:
            there = ", ".join(n.removeprefix(METADATA) for n in table.columns) or "none"
            raise InputError(
                f"images.table: {path} needs one column {name!r}; the columns there are: {there}"
            )
    if list(table.columns).count("split") > 1:
        raise InputError(f"images.table: {path} has more than one column 'split'")
    if "split" not in table:
        table["split"] = ""
    table["split"] = _parts(table["split"], path)
    rest = [name for name in table.columns if name not in known]
    return table[[*known, *rest]]


def _parts(written: pd.Series, path: Path) -> pd.Series:
    parts = written.str.strip().str.lower().map(PARTS | {"": ""})
    if parts.isna().any():
        row = int(parts.isna().to_numpy().argmax())
        raise InputError(
            f"images.table: {path} has the split {written.iloc[row]!r} in row {row + 1} "
            f"(known: {', '.join(PARTS)}; empty: to be decided)"
        )
    return parts.astype(object)
