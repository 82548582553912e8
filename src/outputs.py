"""Files that a user names, as with `-o`: replaced whole where that is possible, otherwise written into."""

import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from src import artifacts
from src.errors import InputError

STANDARD_OUTPUT = Path("-")


@contextmanager
def output_file(path: Path) -> Iterator[Path]:
    """A temporary path, whose content is at `path` when the block ends without an error.

    A regular file is replaced whole or not at all; it keeps its permissions and, where allowed, its owner.
    Of a symbolic link, the file that it names is replaced, and the link stays. What is neither a file nor a
    folder, such as a device or a pipe, is written into. `-` is standard output.

    Raises:
        InputError: `path` is a folder or cannot be written to, or the disk is full.
    """
    old = None if path == STANDARD_OUTPUT else _status(path)
    if old and stat.S_ISDIR(old.st_mode):
        raise InputError(f"{path}: is a folder; give the name of a file, such as {path / 'NAME'}")
    if not is_replaced(path):
        with _written_into(path) as temporary:
            yield temporary
        return
    target = Path(os.path.realpath(path)) if path.is_symlink() else path
    if old and not os.access(target, os.W_OK):
        raise InputError(f"{path}: cannot be written: it is read-only")
    with artifacts.atomic_file(target) as temporary:
        yield temporary
        if old:
            _take_over(old, temporary)


def write_output(path: Path, text: str) -> None:
    """Write text as UTF-8, as `output_file` does."""
    with output_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def is_replaced(path: Path) -> bool:
    """Whether `path` is a regular file, or nothing yet: not what is written into."""
    if is_standard_output(path) or _is_open_as(path, sys.stderr) or _is_descriptor(path):
        return False
    old = _status(path)
    return old is None or stat.S_ISREG(old.st_mode)


def is_standard_output(path: Path) -> bool:
    """Whether the content goes where this process prints, so that it should print nothing else there."""
    return path == STANDARD_OUTPUT or _is_open_as(path, sys.stdout)


def _is_open_as(path: Path, stream: object) -> bool:
    """Whether a stream of this process is open for it, as for /dev/stdout or for the file in `> FILE`."""
    try:
        return os.path.samestat(path.stat(), os.fstat(stream.fileno()))  # type: ignore[attr-defined]
    except (OSError, ValueError, AttributeError):
        return False


def _is_descriptor(path: Path) -> bool:
    """Whether it is a file by the number under which it is open, as /dev/fd/3."""
    return Path(os.path.realpath(path.parent)).is_relative_to("/proc")


def _status(path: Path) -> os.stat_result | None:
    """What is there, or at the end of the link that is there; None if that is nothing."""
    try:
        return path.stat()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror}") from error


@contextmanager
def _written_into(path: Path) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="blindspot-") as folder:
        temporary = Path(folder, "output")
        yield temporary
        try:
            with temporary.open("rb") as source, _opened(path) as sink:
                shutil.copyfileobj(source, sink)
        except BrokenPipeError:
            pass  # its reader has seen enough
        except OSError as error:
            raise InputError(f"{path}: cannot be written: {error.strerror or error}") from error


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    """For writing, behind what is there: a file open under a number may be a log."""
    for stream in (sys.stdout, sys.stderr):
        if path == STANDARD_OUTPUT or _is_open_as(path, stream):
            stream.flush()
            yield stream.buffer
            stream.flush()
            return
    with path.open("ab") as file:
        yield file


def _take_over(old: os.stat_result, path: Path) -> None:
    """Give a file the permissions of another and, as far as allowed, its owner and group."""
    if hasattr(os, "chown"):
        for owner, group in ((-1, old.st_gid), (old.st_uid, -1)):
            with suppress(OSError):
                os.chown(path, owner, group)
    path.chmod(stat.S_IMODE(old.st_mode))
