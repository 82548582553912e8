"""Files of a branch, a tag, a commit or a DVC experiment, without checking it out."""

import json
import logging
import os
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import yaml
from dvc.exceptions import DvcException
from dvc.fs import GitFileSystem
from dvc.repo import Repo
from dvc.scm import RevError, SCMError, resolve_rev

from src import artifacts
from src.download.names import counted
from src.errors import GIT, InputError, border
from src.report import legacy

WORKSPACE = "workspace"  # stands for the files as they are
PIPELINE = Path("dvc.yaml")
LOCK = Path("dvc.lock")
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the first is six times as fast


class Revision:
    """What git, DVC's cache and DVC's remote have of the project in the working folder.

    Args:
        name: a branch, tag, commit or name of an experiment.

    Raises:
        InputError: there is none of that name, it has no results, or this is no project.
    """

    @border(*GIT)
    def __init__(self, name: str) -> None:
        if not name:
            raise InputError("an empty name is not a revision")
        self.name, self.repo = name, open_project()
        try:
            self.commit = resolve_rev(self.repo.scm, name)
            self.git = GitFileSystem(scm=self.repo.scm, rev=self.commit)
            with self._open(LOCK) as file:
                lock = file.read()
        except FileNotFoundError as error:
            raise InputError(
                f"{name}: has no dvc.lock and therefore no results; was the pipeline run there?"
            ) from error
        except RevError as error:
            if "ambiguous" in str(error):
                raise InputError(
                    f"{name}: several experiments have this name; `dvc exp list --all-commits` lists them"
                ) from error
            raise InputError(
                f"{name}: not a branch, tag, commit or experiment; "
                "`git branch` and `dvc exp list --name-only` list them"
            ) from error
        except (DvcException, SCMError, AttributeError) as error:  # AttributeError: it names no commit
            raise InputError(f"{name}: cannot be read: {error}") from error
        try:
            self.outputs = legacy.outputs(yaml.load(lock, LOADER))
        except (yaml.YAMLError, KeyError, TypeError) as error:
            raise InputError(f"{name}: its dvc.lock is damaged ({type(error).__name__})") from error

    @border(*GIT)
    def copy(self, paths: Iterable[Path], folder: Path, optional: Iterable[Path] = ()) -> None:
        """Have files at their usual places in another folder, to be read there, never to be changed.

        What DVC's cache lacks is fetched into it from DVC's remote, and nothing else.

        Args:
            paths: the files.
            folder: where to.
            optional: files that are passed over if they are nowhere.

        Raises:
            InputError: the revision has no such file, or its content is neither in the cache nor fetched.
        """
        needed = list(paths)
        missing = [path for path in (*needed, *optional) if not self._place(path, folder)]
        outputs = [path for path in missing if self._md5(path) is not None]
        problem = self._fetch(outputs) if outputs else ""
        for path in missing:
            if not self._place(path, folder) and path in needed:
                if path in outputs:
                    raise InputError(f"{self.name}: {path} is not in DVC's cache{problem}")
                raise InputError(f"{self.name}: has no {path}; was the pipeline run there?")

    def _place(self, path: Path, folder: Path) -> bool:
        """Have a file in a folder if its content is on this machine."""
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        md5 = self._md5(path)
        try:
            if md5 and (cached := self._cached(md5)).exists():
                _link_or_copy(cached, target)
            else:
                with self._open(path) as source, target.open("wb") as file:
                    shutil.copyfileobj(source, file)
        except FileNotFoundError:
            return False
        return True

    def _open(self, path: Path) -> IO[bytes]:
        """A file that git has; the project may be in a folder of a larger repository."""
        folder = os.path.relpath(os.path.realpath(Path()), os.path.realpath(self.repo.scm.root_dir))
        return self.git.open(f"/{Path(folder, path).as_posix()}", "rb")

    def _md5(self, path: Path) -> str | None:
        """Of an output, by dvc.lock; None if it is none, empty while its folder's list is not here."""
        if md5 := self.outputs.get(path.as_posix()):
            return md5
        folder = next((parent for parent in path.parents if parent.as_posix() in self.outputs), None)
        if folder is None:
            return None
        listing = self._cached(self.outputs[folder.as_posix()])
        if not listing.exists():
            return ""
        files = {entry["relpath"]: entry["md5"] for entry in json.loads(listing.read_text(encoding="utf-8"))}
        return files.get(path.relative_to(folder).as_posix())

    def _cached(self, md5: str) -> Path:
        """Where DVC's cache keeps this content, if it does."""
        return Path(self.repo.cache.local.oid_to_path(md5))

    def _fetch(self, paths: list[Path]) -> str:
        """Fetch outputs into DVC's cache; returns what to say if some of them are not there then."""
        here = f"`dvc exp apply {self.name}` or `git checkout {self.name}`, then `dvc repro`, makes it again"
        config = {key: dict(self.repo.config[key]) for key in ("core", "remote")}
        remote = config["core"].get("remote")
        if not remote:
            return f", and no remote is set to fetch it from (`dvc remote add`); {here}"
        place = f"the remote {remote!r} ({config['remote'][remote]['url']})"
        print(f"{self.name}: fetching {counted(len(paths), 'file')} from {place}", file=sys.stderr)
        targets = [path.as_posix() for path in paths]
        logging.disable(logging.WARNING)  # what DVC warns of is said in one line below
        try:
            # With today's settings: the revision may be older than the remote.
            self.repo.fetch(targets, revs=[self.commit], workspace=False, config=config)
        except Exception as error:  # every kind of remote has its own
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            return f", and fetching it from {place} failed: {reason}; `dvc fetch` says more"
        finally:
            logging.disable(logging.NOTSET)
        return (
            f", and {place} did not give it: that is out of reach, or `dvc push` was not run where the run "
            f"was made; {here}"
        )


@border(*GIT)
def open_project() -> Repo:
    """DVC's view of the project in the working folder.

    Raises:
        InputError: this is no project.
    """
    if not PIPELINE.is_file():
        raise InputError(
            f"{Path.cwd()}: not the root of a project (it has no {PIPELINE}); revisions are looked up there"
        )
    try:
        return Repo()  # its root may be above the project, and git's above that
    except DvcException as error:
        raise InputError(f"{Path.cwd()}: {error}") from error


@border(*GIT)
def commit_of(name: str) -> str:
    """The abbreviated commit of a revision that can be read; `WORKSPACE` of the files as they are."""
    return name if name == WORKSPACE else Revision(name).commit[:7]


def is_revision(name: str) -> bool:
    """Whether there is a branch, tag, commit or experiment of that name; or several experiments.

    Raises:
        InputError: this is no project.
    """
    try:
        resolve_rev(open_project().scm, name)
    except RevError as error:
        return "ambiguous" in str(error)
    return True


@contextmanager
def files_of(name: str, *paths: Path) -> Iterator[Path]:
    """A folder in which these files of a revision lie at their usual places, while the block lasts.

    Of `WORKSPACE` it is the working folder itself.

    Raises:
        InputError: as `Revision` and `Revision.copy` do; errors of the block name the revision instead of
            the folder.
    """
    if name == WORKSPACE:
        for path in paths:
            artifacts.require(path)
        yield Path()
        return
    with tempfile.TemporaryDirectory(prefix="blindspot-") as temporary:
        try:
            Revision(name).copy(paths, Path(temporary))
            yield Path(temporary)
        except InputError as error:
            raise InputError(str(error).replace(f"{temporary}{os.sep}", f"{name}: ")) from error


def _link_or_copy(source: Path, target: Path) -> None:
    """A link where the system allows it: ten runs of large files are read without copying any."""
    target.unlink(missing_ok=True)
    try:
        target.symlink_to(source)
    except OSError:
        shutil.copyfile(source, target)
