"""What every stage and command does as a process: start clean, end in one line."""

import io
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import NoReturn

from src import artifacts, places
from src.errors import GateError, InputError


def run_main(name: str, main: Callable[[], None], status: int = 1) -> None:
    """Run a stage or a command; an error the user can fix ends it with one line.

    What killed processes left half-written in the project is removed first.

    Args:
        name: what the line begins with.
        main: does the work; raises `InputError` for bad input.
        status: with which it ends then; after a failed gate, that is always 1.
    """

    def end(message: str, status: int = status) -> NoReturn:
        print("\n".join(f"{name}: {line}" for line in message.splitlines()), file=sys.stderr)
        sys.exit(status)

    try:
        artifacts.remove_leftovers()
        main()
    except GateError as error:
        end(str(error), 1)
    except InputError as error:
        end(str(error))
    except OSError as error:
        # A full disk, a folder without write permission: the system's own words say it best.
        if error.filename is None and error.strerror is None:
            raise
        end(f"{f'{error.filename}: ' if error.filename else ''}{error.strerror}")
    except KeyboardInterrupt:
        end("interrupted")


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
