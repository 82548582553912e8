"""Errors the user can fix: one clear line, no traceback."""

from collections.abc import Iterable
from difflib import get_close_matches


class InputError(Exception):
    """Bad input. The message names the key or file, the value, and what would be right."""


class GateError(InputError):
    """Nothing is wrong with the input: a model does not meet a condition that was set for it."""


def suggest(word: object, known: Iterable[str]) -> str:
    """`did you mean …?` for a misspelled word, followed by all known ones."""
    known = list(known)
    close = get_close_matches(str(word), known, n=1, cutoff=0.6)
    hint = f"did you mean {close[0]!r}? " if close else ""
    return f"{hint}(known: {', '.join(known)})"
