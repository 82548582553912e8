"""Which files a folder holds, in an order of its own: those that may be pictures, and the rest."""

import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from PIL import Image

from src.download import reader
from src.download.names import counted, has_control_character, is_utf8, natural_key, shown

# By suffix a file is taken for a picture, whatever becomes of it later; any other only by its content.
SUFFIXES = {suffix for suffix, name in Image.registered_extensions().items() if name in reader.FORMATS}
SUFFIXES |= {".heic", ".heif", ".hif", ".avif"}
# Cameras' own formats begin like a TIFF; what Pillow would read is a thumbnail.
CAMERA_RAW = {".arw", ".cr2", ".cr3", ".dng", ".nef", ".orf", ".pef", ".raf", ".rw2", ".srw"}
SYSTEM_NAMES = {"thumbs.db", "desktop.ini", "__macosx", "@eadir", "$recycle.bin", "system volume information"}


@dataclass
class Found:
    """What lies in a folder; all names are relative to it and have `/` between their parts.

    Attributes:
        images: files that may be pictures, sorted.
        folders: all but hidden ones, sorted.
        skipped: name and reason of those that would be wanted but cannot be used.
        passed_over: hidden files, and those that are no pictures.
        hidden: how many of those, and of folders that were not looked into, are hidden.
        loops: links to a folder that contains them; not followed.
    """

    images: list[str] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)
    skipped: list[tuple[str, str]] = field(default_factory=list)
    passed_over: list[str] = field(default_factory=list)
    hidden: int = 0
    loops: list[str] = field(default_factory=list)

    def notes(self) -> list[str]:
        """Lines to print about what was passed over."""
        visible = [name for name in self.passed_over if not is_hidden(PurePosixPath(name).name)]
        kinds = Counter(PurePosixPath(name).suffix.lower() or "no suffix" for name in visible)
        notes = []
        if visible:
            kind = ", ".join(f"{shown(suffix)}: {n:,}" for suffix, n in kinds.most_common(5))
            notes.append(f"passed over as no images: {counted(len(visible), 'file')} ({kind})")
        if self.hidden:
            notes.append(f"passed over: {self.hidden:,} hidden files or folders")
        if self.loops:
            notes.append(f"not followed: {counted(len(self.loops), 'link')} to a folder that contains them")
        return notes


def is_hidden(name: str) -> bool:
    """Whether a file or folder is the system's rather than the user's."""
    return name.startswith(".") or name.lower() in SYSTEM_NAMES


def walk(root: Path) -> Found:
    """Look through a folder and all below it; links are followed, and nothing is written."""
    found = Found()
    status = root.stat()
    pending: list[tuple[str, tuple[tuple[int, int], ...]]] = [("", ((status.st_dev, status.st_ino),))]
    while pending:
        folder, above = pending.pop()
        try:
            with os.scandir(root / folder) as listed:
                entries = list(listed)
        except OSError as error:
            found.skipped.append((folder, f"folder: {(error.strerror or 'cannot be read').lower()}"))
            continue
        for entry in entries:
            name = f"{folder}/{entry.name}" if folder else entry.name
            if is_hidden(entry.name):
                found.hidden += 1
                if not _is_folder(entry):
                    found.passed_over.append(name)
            elif _is_folder(entry):
                status = entry.stat()
                identity = (status.st_dev, status.st_ino)
                if identity in above:
                    found.loops.append(name)
                else:
                    found.folders.append(name)
                    pending.append((name, (*above, identity)))
            else:
                _sort_in(entry, name, found)
    for names in (found.images, found.folders, found.passed_over):
        names.sort(key=natural_key)
    found.skipped.sort(key=lambda row: natural_key(row[0]))
    return found


def _sort_in(entry: os.DirEntry[str], name: str, found: Found) -> None:
    """A file to where it belongs."""
    suffix = PurePosixPath(entry.name).suffix.lower()
    path = Path(entry.path)
    if not path.is_file():  # follows a link
        if entry.is_symlink() and not path.exists():
            found.skipped.append((name, "a link that leads nowhere"))
        else:
            found.passed_over.append(name)  # a pipe or the like, which must not be opened
    elif suffix in CAMERA_RAW:
        found.skipped.append((name, "a camera's raw format; convert it to JPEG or TIFF"))
    elif suffix not in SUFFIXES and not _is_picture(path):
        found.passed_over.append(name)
    elif problem := name_problem(name):
        found.skipped.append((name, problem))
    else:
        found.images.append(name)


def name_problem(name: str) -> str:
    """Why a file of that name cannot be used; empty if it can."""
    if not is_utf8(name):
        return "its name is not valid UTF-8"
    if has_control_character(PurePosixPath(name).name):
        return "its name holds a control character"
    return ""


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _is_picture(path: Path) -> bool:
    try:
        reader.read_header(path)
    except reader.UnusableImage:
        return False
    return True
