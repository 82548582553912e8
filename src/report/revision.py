"""Files of a branch, a tag, a commit or a DVC experiment, without checking it out."""

import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import yaml
from dvc.api import DVCFileSystem
from dvc.exceptions import DvcException, NotDvcRepoError
from dvc.repo import Repo
from dvc.scm import RevError, SCMError
from dvc_data.index import DataIndexDirError

from src import artifacts, places
from src.errors import InputError
from src.report import legacy

WORKSPACE = "workspace"  # stands for the files as they are
PIPELINE = Path("dvc.yaml")
LOCK = Path("dvc.lock")
NOT_THERE = (OSError, DvcException, DataIndexDirError)


class Revision:
    """What git and DVC's cache have of the project in the working folder, wherever in a repository that is.

    Args:
        name: of a branch, tag, commit or experiment.
        system: DVC's, at that revision; paths are relative to the project.
    """

    def __init__(self, name: str, system: DVCFileSystem) -> None:
        self.name, self.system = name, system

    def copy(self, paths: Iterable[Path], folder: Path) -> None:
        """Copy files to their usual places in another folder.

        Raises:
            InputError: the revision has no such file, or its content is not in DVC's cache.
        """
        for path in paths:
            try:
                self._copy(path, folder)
            except NOT_THERE as error:
                if not self._had(path):
                    raise InputError(f"{self.name}: has no {path}; was the pipeline run there?") from error
                raise InputError(
                    f"{self.name}: {path} is not in DVC's cache; `dvc exp apply {self.name}` or "
                    f"`git checkout {self.name}`, then `dvc repro` to make it again"
                ) from error

    def copy_those_there(self, paths: Iterable[Path], folder: Path) -> None:
        """As `copy`, but pass over what is missing."""
        for path in paths:
            try:
                self._copy(path, folder)
            except NOT_THERE:
                (folder / path).unlink(missing_ok=True)

    def _had(self, path: Path) -> bool:
        """Whether the pipeline wrote it; what is in a folder is not known if the cache lacks the folder."""
        outputs = legacy.outputs(yaml.safe_load(self.system.read_text(LOCK.as_posix())))
        return self.system.exists(path.as_posix()) or any(map(path.is_relative_to, outputs))

    def _copy(self, path: Path, folder: Path) -> None:
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        with self.system.open(path.as_posix(), "rb") as source, target.open("wb") as file:
            shutil.copyfileobj(source, file)


@contextmanager
def open_revision(name: str) -> Iterator[Revision]:
    """A revision, while the block lasts.

    Args:
        name: a branch, tag, commit or name of an experiment.

    Raises:
        InputError: there is none of that name, it has no results, or this is no project.
    """
    if not name:
        raise InputError("an empty name is not a revision")
    if not PIPELINE.is_file() or not (places.dvc_root() / Repo.DVC_DIR).is_dir():
        needed = f"{PIPELINE}, and {Repo.DVC_DIR} there or above"
        raise InputError(
            f"{Path.cwd()}: not the root of a project (which has {needed}); revisions are looked up there"
        )
    with ExitStack() as stack:
        try:
            repo = stack.enter_context(Repo())  # its root may be above the project, and git's above that
            stack.enter_context(repo.switch(name))
            repo.dvcfs.read_text(LOCK.as_posix())  # `exists` would say no where there is no such revision
        except (FileNotFoundError, NotDvcRepoError) as error:  # the latter: the commit is older than .dvc
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
        yield Revision(name, repo.dvcfs)


@contextmanager
def files_of(name: str, *paths: Path) -> Iterator[Path]:
    """A folder in which these files of a revision lie at their usual places, while the block lasts.

    Of `WORKSPACE` it is the working folder itself.

    Raises:
        InputError: as `open_revision` and `Revision.copy` do; errors of the block name the revision
            instead of the folder.
    """
    if name == WORKSPACE:
        for path in paths:
            artifacts.require(path)
        yield Path()
        return
    with tempfile.TemporaryDirectory(prefix="blindspot-") as temporary:
        try:
            with open_revision(name) as revision:
                revision.copy(paths, Path(temporary))
            yield Path(temporary)
        except InputError as error:
            raise InputError(str(error).replace(f"{temporary}{os.sep}", f"{name}: ")) from error
