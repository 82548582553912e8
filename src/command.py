"""What every stage and command does as a process: start clean, end in one line."""

import io
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType

from src import artifacts, places
from src.errors import InputError


def run_main(name: str, main: Callable[[], None]) -> None:
    """Run a stage or a command; an error the user can fix ends it with one line and status 1.

    What killed processes left half-written in the project is removed first.

    Args:
        name: what the line begins with.
        main: does the work; raises `InputError` for bad input.
    """
    try:
        artifacts.remove_leftovers()
        main()
    except InputError as error:
        sys.exit("\n".join(f"{name}: {line}" for line in str(error).splitlines()))
    except OSError as error:
        # A full disk, a folder without write permission: the system's own words say it best.
        if error.filename is None and error.strerror is None:
            raise
        where = f"{error.filename}: " if error.filename else ""
        sys.exit(f"{name}: {where}{error.strerror}")
    except KeyboardInterrupt:
        sys.exit(f"{name}: interrupted")


def _end_in_one_line(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """A new module is missed while a stage imports what it needs, before it calls `run_main`."""
    if problem := places.why_not_imported(error):
        print(f"{os.environ.get('DVC_STAGE', 'import')}: {problem}", file=sys.stderr)
    else:
        sys.__excepthook__(kind, error, trace)


sys.excepthook = _end_in_one_line


@contextmanager
def printing() -> Iterator[None]:
    """Inside, text is printed as UTF-8, whatever Windows thinks of arrows; names of files keep their bytes.

    It is no failure that `head` stops reading; the block ends then.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", errors="surrogateescape", newline="\n")
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        # Python would complain once more when it flushes on its way out.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
