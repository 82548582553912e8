"""What must stay on one side of every split: images of one patient, one video, one burst."""

import re
from collections.abc import Callable

import pandas as pd

from src.data.dataset import METADATA
from src.download.names import counted, first_few
from src.errors import InputError


def set_groups(files: pd.DataFrame, group: str) -> tuple[pd.DataFrame, list[str]]:
    """Fill the column `group`.

    Args:
        files: see `Listing`.
        group: `none`, a column of the table, or a pattern that is searched in `file`: the first group that
            it captures counts, else all that it matches; an image that it does not match stands for itself.

    Returns:
        The files; lines to print.

    Raises:
        InputError: the pattern is none, or matches no file.
    """
    if group == "none":
        return files, []
    if (column := f"{METADATA}{group}") in files:
        values = files[column]
        source = f"column {group}"
    else:
        values = files["file"].map(_matcher(group))
        source = f"pattern {group}"
        if (values == "").all():
            columns = [name.removeprefix(METADATA) for name in files if name.startswith(METADATA)]
            hint = f" and is no column of the table ({first_few(columns)})" if columns else ""
            raise InputError(
                f"images.group: {group!r} matches no file, e.g. not {files['file'].iloc[0]!r}{hint}"
            )
    sizes = values[values != ""].value_counts()
    images = counted(int(sizes.sum()), "image")
    note = f"images.group: {counted(len(sizes), 'group')} of {images} by the {source}"
    if alone := int((values == "").sum()):
        note += f"; {counted(alone, 'image')} in none"
    return files.assign(group=values), [note]


def _matcher(pattern: str) -> Callable[[str], str]:
    try:
        compiled = re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise InputError(
            f"images.group: {pattern!r} is neither a column of images.table nor a valid pattern ({error})"
        ) from None

    def match(name: str) -> str:
        found = compiled.search(name)
        if found is None:
            return ""
        return next((part for part in found.groups() if part is not None), found.group())

    return match
