"""Errors that are the user's to mend: one clear line, no traceback."""

import sys
from collections.abc import Callable, Iterable
from difflib import get_close_matches


class InputError(Exception):
    """Bad input. The message names the key or file, the value, and what would be right."""


def suggest(word: str, known: Iterable[str]) -> str:
    """`did you mean …?` for a misspelt word, with all the known ones behind it."""
    known = list(known)
    close = get_close_matches(str(word), known, n=1, cutoff=0.6)
    hint = f"did you mean {close[0]!r}? " if close else ""
    return f"{hint}(known: {', '.join(known)})"


def run_stage(name: str, main: Callable[[], None]) -> None:
    """Run a stage; end the process with one line and status 1 if the user can mend what went wrong."""
    try:
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
