"""Names as people read them: sorted as they count, and shown whatever they consist of."""

import re
import unicodedata

_DIGITS = re.compile(r"([0-9]+)")

SortKey = tuple[list[object], str]


def natural_key(name: str) -> SortKey:
    """A key to sort by: `2` before `10`, capitals no matter, names in a folder before those below it."""
    parts: list[object] = list(_DIGITS.split(name.replace("/", "\0").casefold()))
    for position in range(1, len(parts), 2):
        digits = str(parts[position]).lstrip("0")
        parts[position] = (len(digits), digits)  # no int: one of more than 4,300 digits is an error
    return parts, name


def shown(name: str) -> str:
    """A name that can be printed and written to a table: what is no UTF-8 or not printable becomes \\x…."""
    name = name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return "".join(_escaped(sign) if unicodedata.category(sign) == "Cc" else sign for sign in name)


def is_utf8(name: str) -> bool:
    """Whether a name that the system handed over is text at all."""
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def has_control_character(name: str) -> bool:
    """Whether there is a line break or its like in it, which would break tables and pages."""
    return any(unicodedata.category(sign) in ("Cc", "Zl", "Zp") for sign in name)


def first_few(names: list[str], count: int = 5) -> str:
    """`a, b, c, d, e and 3 more`."""
    more = len(names) - count
    return ", ".join(names[:count]) + (f" and {more:,} more" if more > 0 else "")


def counted(number: int, noun: str) -> str:
    """`1 file`, `1,234 files`, `2 classes`."""
    plural = noun + ("es" if noun.endswith(("s", "x", "ch")) else "s")
    return f"{number:,} {noun if number == 1 else plural}"


def _escaped(sign: str) -> str:
    return sign.encode("unicode_escape").decode("ascii")
