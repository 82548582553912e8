"""Standard output and standard error of a process: they take any text, whoever reads it, or nobody."""

import codecs
import errno
import io
import os
import select
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

NAMES = {"stdout": "standard output", "stderr": "standard error"}
ESCAPE = "blindspot.escape"  # what becomes of characters that an encoding lacks


def set_up() -> None:
    """Have both streams take any text, whatever has wrapped them by now.

    A terminal gets text in its own encoding, with `\\u2192` for an arrow that it cannot show. Pipes and files
    get UTF-8, the same bytes on every system and in every locale. Names of files keep their bytes. A reader
    that goes away, as `head` does, is no failure, and neither is a stream that was closed from the start.
    Streams that are redirected inside this process stay as they are.
    """
    codecs.register_error(ESCAPE, _escape)
    for name in NAMES:
        stream, own = getattr(sys, name), getattr(sys, f"__{name}__")
        if stream is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8", errors=ESCAPE))  # noqa: SIM115
        elif isinstance(own, io.TextIOWrapper) and _same(stream, own):
            with suppress(OSError):
                stream.flush()
            setattr(sys, name, _text(own, NAMES[name]))


def is_read() -> bool:
    """Whether somebody may still read standard output."""
    raw = getattr(getattr(sys.stdout, "buffer", None), "raw", None)
    return not (isinstance(raw, _Output) and raw.unread)


class _Output(io.RawIOBase):
    """Passes bytes on for as long as somebody takes them, and drops them after that.

    Args:
        below: the stream of the system's.
        name: of it, for messages.
    """

    def __init__(self, below: Any, name: str) -> None:
        self.below, self.name, self.unread = below, name, False

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self.below.fileno()

    def isatty(self) -> bool:
        return self.below.isatty()

    def write(self, data: Any) -> int:
        while not self.unread:
            try:
                written = self.below.write(data)
            except OSError as error:
                self.unread = True
                if self.name == NAMES["stdout"] and not _is_gone(error):
                    raise OSError(error.errno, error.strerror, self.name) from error
            else:
                if written is not None:
                    return written
                select.select([], [self], [])  # a pipe that is full, and set not to wait
        return len(data)


def _text(own: io.TextIOWrapper, name: str) -> TextIO:
    raw = getattr(own.buffer, "raw", own.buffer)  # unbuffered, as with `python -u`, there is no other
    return io.TextIOWrapper(
        io.BufferedWriter(_Output(raw, name)),
        own.encoding if own.isatty() else "utf-8",
        ESCAPE,
        newline="\n",
        line_buffering=own.line_buffering,
        write_through=own.write_through,
    )


def _same(stream: Any, own: TextIO) -> bool:
    try:
        return stream.fileno() == own.fileno()
    except (OSError, ValueError, AttributeError):  # in memory, or closed
        return False


def _is_gone(error: OSError) -> bool:
    """Whether the reader is: Windows calls a pipe invalid then, and a terminal that was closed fails."""
    windows = os.name == "nt" and error.errno == errno.EINVAL
    return isinstance(error, ConnectionError) or error.errno == errno.EIO or windows


def _escape(error: UnicodeError) -> tuple[str | bytes, int]:
    try:
        return codecs.lookup_error("surrogateescape")(error)
    except UnicodeError:
        return codecs.backslashreplace_errors(error)
