"""Errors end in one clear line: those the user can fix, and those of libraries."""

import re
import textwrap
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from subprocess import CalledProcessError

LONGEST_REASON = 400  # characters
GIT = ("git or DVC", "`git status` and `dvc status` may say more")  # for `border`
# What errors say, and what helps; braces stand for the group.
TRUST = 'it belongs to another user; if you trust it, run `git config --global --add safe.directory "{}"`'
REMEDIES = {
    r"repository path '(.+?)(?:/\.git)?/?' is not owned by current user": TRUST,
    r"dubious ownership in repository at '(.+?)'": TRUST,
    r"(?i:getpwuid|(?:determine|resolve|find)\b.* home directory)": (
        "if this user has no entry in /etc/passwd, set USER, to any name, and HOME, to a folder that can be "
        "written to"
    ),
}


class InputError(Exception):
    """Bad input. The message names the key or file, the value, and what would be right."""


class GateError(InputError):
    """Nothing is wrong with the input: a model does not meet a condition that was set for it."""


class LibraryError(Exception):
    """A library failed in a way that nobody listed. The message says which and why; the cause says where."""


@contextmanager
def border(library: str, remedy: str = "") -> Iterator[None]:
    """Around calls into a library, as a block or a decorator: nothing unexpected gets through.

    Args:
        library: its name, as users know it.
        remedy: what may help, if nothing better is known.

    Raises:
        LibraryError: for everything but an InputError.
    """
    try:
        yield
    except (InputError, LibraryError):
        raise
    except Exception as error:
        raise LibraryError(f"{library} failed: {reason_of(error, remedy)}") from error


def reason_of(error: BaseException, remedy: str = "") -> str:
    """What an error says, in one line, and what helps: what is known to, otherwise `remedy`."""
    if isinstance(error, OSError) and error.strerror:
        text = f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    else:
        said: object = error
        if isinstance(error, KeyError) and error.args:
            said = error.args[0]  # str() would quote it
        if isinstance(error, CalledProcessError) and error.stderr:
            said = error.stderr
        text = ": ".join(filter(None, (type(error).__name__, " ".join(str(said).split()))))
    for pattern, known in REMEDIES.items():
        if match := re.search(pattern, text):
            remedy = known.format(*match.groups())
    return "; ".join(filter(None, (textwrap.shorten(text, LONGEST_REASON, placeholder=" …"), remedy)))


def suggest(word: object, known: Iterable[str]) -> str:
    """`did you mean …?` for a misspelled word, followed by all known ones."""
    known = list(known)
    close = get_close_matches(str(word), known, n=1, cutoff=0.6)
    hint = f"did you mean {close[0]!r}? " if close else ""
    return f"{hint}(known: {', '.join(known)})"
