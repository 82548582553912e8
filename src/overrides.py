"""Parameters as `-S KEY=VALUE` changes them, checked before DVC is asked to run anything."""

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from dvc.exceptions import DvcException
from dvc.utils.hydra import apply_overrides

from src import artifacts
from src.errors import InputError, suggest
from src.params import load_params
from src.params_file import flatten, read_mapping


def check_keys(changes: Sequence[str]) -> None:
    """Refuse a misspelled parameter in one line; DVC would do it in four.

    Args:
        changes: as `-S` takes them, e.g. `epochs=24`.

    Raises:
        InputError: a parameter is none that params.yaml has.
    """
    known = dict(flatten(load_params().model_dump()))
    for change in changes:
        key = change.removeprefix("params.yaml:").partition("=")[0]
        if key not in known:
            raise InputError(f"unknown key {key!r}; {suggest(key, known)}")


def params_with(changes: Sequence[str]) -> dict[str, object]:
    """What params.yaml would say after these changes, with the keys of groups as in `optimizer.lr`.

    Raises:
        InputError: a key or a value is not possible.
    """
    check_keys(changes)
    with tempfile.TemporaryDirectory(prefix="blindspot-") as folder:
        path = Path(folder) / artifacts.PARAMS
        shutil.copyfile(artifacts.require(artifacts.PARAMS), path)
        try:
            apply_overrides(path, [change.removeprefix("params.yaml:") for change in changes])
            load_params(path)
        except DvcException as error:
            reason = str(error.__cause__ or error).splitlines()[0]
            raise InputError(
                f"FLAGS: should be KEY=VALUE with one value each, not {' '.join(changes)} ({reason})"
            ) from error
        except InputError as error:
            raise InputError(str(error).replace(str(path), artifacts.PARAMS.name)) from error
        return dict(flatten(read_mapping(path)))
