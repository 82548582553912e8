"""Pictures that were decoded before, in one SQLite file outside DVC's outputs.

What is known of a file is kept under the hash of its bytes: a file that is moved, renamed or listed twice is
decoded once, and a run that was killed goes on where it stopped. Other settings have a store of their own.
"""

import hashlib
import json
import sqlite3
import time
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

import numpy as np
import pandas as pd
import PIL

from src import artifacts
from src.download.facts import THUMBNAIL, Facts
from src.download.processes import batches, decode_files, hash_files
from src.download.reader import FORMATS
from src.errors import InputError
from src.preprocessing import Preprocessing
from src.progress import Progress

VERSION = 1  # of what is stored; a change makes a new store
COMMIT_SECONDS, COMMIT_BYTES = 2.0, 32_000_000  # how much work a kill loses at most
BUSY_SECONDS = 120  # to wait for another process that writes
KEPT_STORES = 3  # the latest: so many sizes or ways to fit can be compared without decoding again
QUERY = 10_000  # contents asked for at a time

COLUMNS = ["content", "problem", "width", "height", "format", "mode", "pixels", "phash", "remark"]
SCHEMA = """
    CREATE TABLE IF NOT EXISTS images (
        content TEXT PRIMARY KEY, problem TEXT, width INTEGER, height INTEGER, format TEXT, mode TEXT,
        pixels TEXT, phash INTEGER, remark TEXT, thumbnail BLOB, checksum INTEGER, payload BLOB
    )
"""
INSERT = "INSERT OR IGNORE INTO images VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"


class ImageStore:
    """What was decoded with these settings, by the content of the files. A context manager.

    Several processes may use the same store at once.

    Args:
        how: pictures become squares.
        encoding: of what is kept: `raw` pixels, or `jpeg`.

    Raises:
        InputError: it cannot be written. A damaged one is replaced by an empty one, and that is said.
    """

    def __init__(self, how: Preprocessing, encoding: str) -> None:
        self.how, self.encoding = how, encoding
        settings = [VERSION, how.to_dict(), encoding, PIL.__version__, FORMATS]
        name = hashlib.sha256(json.dumps(settings).encode()).hexdigest()[:16]
        self.path = artifacts.outside_runs(artifacts.IMAGES) / f"{name}.sqlite"
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"{self.path.parent}: cannot be written: {error.strerror}") from error
        try:
            self._open()
        except DamagedStoreError:
            self._start_afresh()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.database.close()

    def add(self, files: Sequence[Path], processes: int) -> pd.DataFrame:
        """Decode what is not yet known.

        Args:
            files: pictures, or what may be some.
            processes: that decode at the same time; the result is the same for any number.

        Returns:
            A row a file, in their order: content (SHA-256 of its bytes, empty if it could not be read),
            problem (why it cannot be used, or empty), width, height (as displayed), format, mode, pixels
            (SHA-256 of what is stored and the original size), phash (uint64), remark (see `facts.remark`).

        Raises:
            InputError: a decoding process was killed, or the store cannot be written.
        """
        try:
            return self._add(files, processes)
        except DamagedStoreError:
            self._start_afresh()
            return self._add(files, processes)

    def thumbnails(self, contents: Sequence[str]) -> np.ndarray:
        """uint8 (N, 12, 12, 3) of usable pictures: all of each, stretched.

        Raises:
            InputError: one is not in the store, or the store is damaged.
        """
        result = np.empty((len(contents), THUMBNAIL, THUMBNAIL, 3), np.uint8)
        with self._remedy():
            for start in range(0, len(contents), QUERY):
                part = contents[start : start + QUERY]
                found = dict(self._select("content, thumbnail", part))
                for row, content in enumerate(part, start):
                    pixels = np.frombuffer(found.get(content) or self._absent(content), np.uint8)
                    result[row] = pixels.reshape(result.shape[1:])
        return result

    def payload(self, content: str) -> bytes:
        """The pixels of a usable picture, row by row (size × size × 3 bytes), or the JPEG.

        Raises:
            InputError: it is not in the store, or the store is damaged.
        """
        with self._remedy():
            [(payload, checksum)] = self._select("payload, checksum", [content]) or [(b"", 0)]
            if payload and zlib.crc32(payload) != checksum:
                raise DamagedStoreError
        return payload or self._absent(content)

    def forget_others(self, contents: Iterable[str]) -> None:
        """Drop what is not among these, and old stores of other settings, and give the space back.

        Raises:
            InputError: the store cannot be written, or is damaged.
        """
        with self._remedy():
            with self._transaction():
                self.database.execute("CREATE TEMP TABLE kept (content TEXT PRIMARY KEY)")
                self.database.executemany("INSERT OR IGNORE INTO kept VALUES (?)", ((c,) for c in contents))
                self.database.execute("DELETE FROM images WHERE content NOT IN (SELECT content FROM kept)")
                self.database.execute("DROP TABLE kept")
            with self._errors():
                self.database.executescript("PRAGMA incremental_vacuum")  # `execute` frees one page
        self.path.touch()  # in use, even if nothing was new
        stores = sorted(self.path.parent.glob("*.sqlite"), key=lambda path: path.stat().st_mtime)
        for old in stores[:-KEPT_STORES]:
            with suppress(OSError):  # another process may be using or removing it
                old.unlink()

    def _add(self, files: Sequence[Path], processes: int) -> pd.DataFrame:
        contents, problems = hash_files(files, processes)
        unknown = {content: file for content, file in zip(contents, files, strict=True) if content}
        for part in batches(list(unknown), QUERY):
            for (content,) in self._select("content", part):
                del unknown[content]
        lost = self._decode(list(unknown.items()), processes)
        return self._table(contents, problems, lost)

    def _decode(self, work: list[tuple[str, Path]], processes: int) -> dict[str, str]:
        """Store what there is to know of these contents; the problems of those that may work next time."""
        lost: dict[str, str] = {}
        rows: list[Facts] = []
        size, committed = 0, time.monotonic()
        with Progress("decoding", len(work)) as progress:
            try:
                for batch in decode_files(work, self.how, self.encoding, processes):
                    lost |= {facts.content: facts.problem for facts in batch if not facts.lasting}
                    rows += [facts for facts in batch if facts.lasting]
                    size += sum(len(facts.payload) for facts in batch)
                    progress.advance(len(batch))
                    if size > COMMIT_BYTES or time.monotonic() - committed > COMMIT_SECONDS:
                        self._insert(rows)
                        rows, size, committed = [], 0, time.monotonic()
            finally:
                self._insert(rows)  # also what was done before Ctrl-C
        return lost

    def _insert(self, rows: list[Facts]) -> None:
        with self._transaction():
            self.database.executemany(INSERT, map(_row, rows))

    def _table(self, contents: list[str], problems: dict[int, str], lost: dict[str, str]) -> pd.DataFrame:
        parts = [
            pd.DataFrame(self._select(", ".join(COLUMNS), part), columns=COLUMNS)
            for part in batches(list(dict.fromkeys(contents)), QUERY)
        ]
        empty = Facts("")
        nothing = [(content, problem, *_row(empty)[2:9]) for content, problem in {"": "", **lost}.items()]
        known = pd.concat([*parts, pd.DataFrame(nothing, columns=COLUMNS)], ignore_index=True)
        table = known.take(pd.Index(known["content"]).get_indexer(contents)).reset_index(drop=True)
        table.loc[list(problems), "problem"] = list(problems.values())
        return table.assign(phash=table["phash"].to_numpy(np.int64).view(np.uint64))

    def _select(self, columns: str, contents: Sequence[str]) -> list[tuple]:
        places = ",".join("?" * len(contents))
        with self._errors():
            query = f"SELECT {columns} FROM images WHERE content IN ({places})"  # noqa: S608 (names of ours)
            return self.database.execute(query, contents).fetchall()

    def _open(self) -> None:
        with self._errors():
            self.database = sqlite3.connect(self.path, timeout=BUSY_SECONDS, isolation_level=None)
            self.database.execute("PRAGMA page_size = 8192")
            self.database.execute("PRAGMA auto_vacuum = INCREMENTAL")
            self.database.execute("PRAGMA synchronous = NORMAL")
            self.database.execute(SCHEMA)

    def _start_afresh(self) -> None:
        print(f"{self.path}: damaged; the images are decoded again", flush=True)
        self._remove()
        self._open()

    def _remove(self) -> None:
        self.database.close()
        for path in (self.path, self.path.with_name(f"{self.path.name}-journal")):
            path.unlink(missing_ok=True)

    def _absent(self, content: str) -> bytes:
        raise InputError(f"{self.path}: holds no image {content[:12]}…; run `dvc repro` again")

    @contextmanager
    def _remedy(self) -> Iterator[None]:
        try:
            yield
        except DamagedStoreError:
            self._remove()
            raise InputError(f"{self.path}: was damaged, and is removed; run `dvc repro` again") from None

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._errors():
            self.database.execute("BEGIN IMMEDIATE")
            try:
                yield
                self.database.execute("COMMIT")
            except BaseException:
                if self.database.in_transaction:
                    self.database.execute("ROLLBACK")
                raise

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as error:
            # An SQLITE_ERROR is a table that is not as it should be.
            if error.sqlite_errorname.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_ERROR")):
                raise DamagedStoreError from error
            raise InputError(f"{self.path}: cannot be used: {error}") from error


class DamagedStoreError(Exception):
    """The file is no store, or no longer."""


def _row(facts: Facts) -> tuple:
    signed = facts.phash - (facts.phash >> 63 << 64)  # SQLite's integers have a sign
    return (
        *(facts.content, facts.problem, facts.width, facts.height, facts.format, facts.mode, facts.pixels),
        *(signed, facts.remark, facts.thumbnail, zlib.crc32(facts.payload), facts.payload),
    )
