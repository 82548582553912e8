"""What `dvc exp run --temp` and the queue would fail at: `python -m src.copies` says so, if anything.

They run in a copy of what git and DVC know. Where that cannot be made or lacks something, DVC fails before
any code of ours runs in it, and does not say what to do; so it is said before.
"""

import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

from src import places
from src.command import run_main
from src.errors import InputError

WHERE = "--temp and queued experiments"
# DVC hands git the copy's path as a file:// address, without escaping what has a meaning in one.
MEANT_OTHERWISE = re.compile("[#?]|%[0-9A-Fa-f]{2}")


def require_possible() -> None:
    """That DVC can make copies of the project at all.

    Raises:
        InputError: not where the project is.
    """
    if problem := _path_problem():
        raise InputError(problem)


def foresee(named: Mapping[str, str]) -> list[str]:
    """What will go wrong, a line each; nothing in a copy itself, which was made.

    Args:
        named: parameter → a file or folder that a stage depends on.
    """
    unknown = None
    if places.project() == Path():
        unknown = _listed("--others", "--exclude-standard", "--", "src", "stages")
    if unknown is None:  # without git there are no experiments
        return []
    lacking = {path: path for path in unknown if path.endswith(".py")}
    lacking |= {path: f"{key}: {path}" for key, path in named.items() if _is_unknown(Path(path))}
    lines = [f"{WHERE} lack {said}; {places.remedy(Path(path))}" for path, said in lacking.items()]
    return [problem for problem in [_path_problem()] if problem] + lines


def _path_problem() -> str:
    root = places.dvc_root()
    if found := MEANT_OTHERWISE.search(str(root)):
        return f"{WHERE} fail in {root}: DVC trips over {found[0]!r} in a path; move the project to use them"
    if str(root).isascii():
        return ""
    from dvc.repo import Repo  # takes a second, and is hardly ever needed

    with Repo(str(root)) as repo:
        cache = repo.cache.local_cache_dir
    if cache.isascii():
        return ""
    signs = "".join(dict.fromkeys(sign for sign in cache if not sign.isascii()))
    return (
        f"{WHERE} fail in {root}: DVC trips over {signs!r} in the path of its cache; move the project, or "
        "only the cache: dvc cache dir --local FOLDER"
    )


def _is_unknown(path: Path) -> bool:
    """Whether a path relative to the project is not, or not all, in copies of it."""
    if path.is_absolute() or not path.exists():
        return False
    if any(Path(f"{folder}.dvc").is_file() for folder in (path, *path.parents) if folder.name):
        return False
    in_part = ("--others", "--exclude-standard", "--directory", "--", str(path))
    return not _listed("--", str(path)) or bool(_listed(*in_part))


def _listed(*options: str) -> list[str] | None:
    """The files that `git ls-files` lists; None where it cannot."""
    command = ["git", "--literal-pathspecs", "ls-files", "-z", *options]
    try:
        done = subprocess.run(command, capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return [os.fsdecode(name) for name in done.stdout.split(b"\0") if name]


if __name__ == "__main__":
    run_main("copies", require_possible)
