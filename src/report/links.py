"""Links from a page to the files of the user's images."""

import os
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import quote


class Originals:
    """The folder that a run's images came from, seen from a page.

    Args:
        source: the folder; of a dataset without files, whatever else.
        page: where the page will lie.

    Attributes:
        base: address of the folder, ending in a slash: relative where project, folder and page may move
            together, with all of its signs escaped. Empty where there is no such folder.
    """

    def __init__(self, source: str, page: Path) -> None:
        self.folder = Path(source)
        self.base = ""
        if source and self.folder.is_dir():
            here, folder, beside = (path.resolve() for path in (Path(), self.folder, page.parent))
            if folder.is_relative_to(here) and beside.is_relative_to(here):
                self.base = f"./{quote(Path(os.path.relpath(folder, beside)).as_posix())}/"
            else:
                self.base = f"{folder.as_uri()}/"

    def exist(self, files: Iterable[str]) -> list[bool]:
        """Whether each is there and below the folder."""
        return [bool(self.base and file) and self._is_below(Path(file)) for file in files]

    def _is_below(self, file: Path) -> bool:
        return not file.is_absolute() and ".." not in file.parts and (self.folder / file).is_file()

    def address(self, file: str) -> str:
        """Of a file below the folder."""
        return self.base + quote(Path(file).as_posix())
