"""Where the project is: below the root of a repository, and where DVC runs an experiment in a copy of it."""

import os
import re
from pathlib import Path

COPIES = Path(".dvc/tmp/exps")  # below them DVC makes its copies, for `--temp` and for the queue


def dvc_root() -> Path:
    """The folder that holds .dvc: the project's own, or one above it; the working folder if there is none."""
    here = Path.cwd()
    return next((folder for folder in (here, *here.parents) if (folder / ".dvc").is_dir()), here)


def project() -> Path:
    """The folder that the user works in: the working folder, if that is not in one of DVC's copies.

    DVC_ROOT names the folder of the original's .dvc. It may also be of another project, one of whose stages
    runs this one.
    """
    copy = dvc_root()
    original = Path(os.environ.get("DVC_ROOT", "")).resolve()
    if (original / COPIES).resolve() not in copy.parents:
        return Path()
    return original / Path.cwd().relative_to(copy)


def given(path: str | Path) -> Path:
    """The file or folder that a variable or a parameter names, relative to the project.

    What git and DVC know is in a copy of the project as it belongs to the experiment; the rest is in the
    project alone.
    """
    path = Path(os.path.expanduser(path))  # noqa: PTH111 (leaves an unknown ~user alone)
    return path if path.exists() else project() / path


def why_missing(path: Path) -> str:
    """Why a copy of the project lacks what the project has; empty if that is not so."""
    if path.exists() or not (project() / path).exists():
        return ""
    return f"is in the project, but not in the copy of it where DVC runs this experiment; {remedy(path)}"


def why_not_imported(error: BaseException) -> str:
    """The same of a module of the project's that could not be imported; empty for any other error."""
    if not isinstance(error, ImportError) or not error.name:
        return ""
    of_package = re.match(r"cannot import name '(\w+)'", str(error))
    module = Path(*error.name.split("."), *(of_package.groups() if of_package else ()))
    for path in (module.with_suffix(".py"), module):
        if problem := why_missing(path):
            return f"{path.as_posix()} {problem}"
    return ""


def remedy(path: Path) -> str:
    """How to have it in copies; of what lies in the project, or is named relative to it."""
    place = project() / path
    if ".." in path.parts:
        return f"its absolute path works: {os.path.abspath(place)}"  # noqa: PTH100 (links stay as they are)
    if place.is_dir() and not place.is_symlink():
        return f"run `dvc add {path}` or `git add {path}`"
    return f"run `git add -N {path}`"
