"""What every stage and command does as a process: start clean, print to anybody, end in one line."""

import os
import sys
import tempfile
import traceback
from collections.abc import Callable
from types import TracebackType
from typing import NoReturn

from src import artifacts, places, ranks, streams
from src.errors import GateError, InputError, LibraryError, reason_of


def run_main(name: str, main: Callable[[], None], status: int = 1) -> None:
    """Run a stage or a command; any error ends it with one line.

    What killed processes left half-written in the project is removed first. The traceback of an error that
    nobody foresaw goes to a file; with BLINDSPOT_DEBUG=1 it is shown.

    Args:
        name: what the line begins with.
        main: does the work; raises `InputError` for bad input.
        status: with which it ends then; after a failed gate, that is always 1.
    """

    def end(message: str, status: int = status) -> NoReturn:
        if not ranks.report(message):
            lines = (f"{name}: {ranks.OURS.label}{line}" for line in message.splitlines())
            print("\n".join(lines), file=sys.stderr)
        ranks.leave(status)

    streams.set_up()
    try:
        try:
            artifacts.remove_leftovers()
            main()
        finally:
            sys.stdout.flush()  # here, where it is an error like others if that does not work
    except GateError as error:
        end(str(error), 1)
    except InputError as error:
        end(str(error))
    except KeyboardInterrupt:
        end("interrupted")
    except Exception as error:
        if problem := places.why_not_imported(error):
            end(problem)
        if os.environ.get("BLINDSPOT_DEBUG", "0") not in ("", "0"):
            traceback.print_exception(error)
            ranks.leave(status)
        if isinstance(error, OSError) and error.strerror:
            end(reason_of(error))  # a full disk, a folder without write permission: the system says it best
        what = str(error) if isinstance(error, LibraryError) else f"unexpected error: {reason_of(error)}"
        end(f"{what}; {_keep_traceback(name, error)}")


def _end_in_one_line(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """A new module is missed while a stage imports what it needs, before it calls `run_main`."""
    if problem := places.why_not_imported(error):
        print(f"{os.environ.get('DVC_STAGE', 'import')}: {problem}", file=sys.stderr)
    else:
        sys.__excepthook__(kind, error, trace)


sys.excepthook = _end_in_one_line


def _keep_traceback(name: str, error: Exception) -> str:
    """Write it to a temporary file; returns where it can be seen."""
    text = "".join(traceback.format_exception(error))
    try:
        with tempfile.NamedTemporaryFile(
            "w",
            prefix=f"blindspot-{name}-",
            suffix=".txt",
            delete=False,
            encoding="utf-8",
            errors=streams.ESCAPE,
        ) as file:
            file.write(text)
        return f"the traceback is in {file.name}"
    except OSError:  # no place to write to
        return "BLINDSPOT_DEBUG=1 shows the traceback"
