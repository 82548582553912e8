"""A copy of the project to run stages in: made without git or DVC, which a bare machine may lack."""

import contextlib
import hashlib
import importlib
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from benchmarks.clone import Clone
from src import artifacts
from src.data.dataset import Dataset, first_of_each_class, load_dataset, save_dataset

COPIED = (
    *(".dvc/config", ".dvcignore", ".gitignore", "dvc.yaml", "params.yaml", "data/corrections.csv"),
    *("benchmarks", "data/sample", "recipes", "src", "stages"),
)
# Of each class, with which a rehearsal does everything for real in little time.
FEW_TRAIN, FEW_TEST = 10, 2
SHORT = {
    **{"dataset": "sample", "epochs": 1, "batch_size": 50, "device": "cpu", "threads": 1, "workers": 0},
    **{"schedule": {"one_cycle": {"peak": 0.4}}, "find_lr": {"steps": 30}, "misclassified": {"count": 2}},
}


def copy_project(folder: Path, rehearse: bool) -> Clone:
    """The working folder's project as it is now, without results; with few images for a rehearsal."""
    for name in COPIED:
        source, target = Path(name), folder / name
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        elif source.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target)
    copy = Clone(folder)
    if rehearse:
        change(copy, SHORT)
        sample = load_dataset(artifacts.SAMPLE)
        train, test = (
            part.take(first_of_each_class(part.labels, count))
            for part, count in ((sample.train, FEW_TRAIN), (sample.test, FEW_TEST))
        )
        few = Dataset(sample.name, sample.source, sample.classes, train, test)
        save_dataset(few, folder / artifacts.SAMPLE)
    return copy


def change(copy: Clone, params: Mapping[str, Any]) -> None:
    """`Clone.change`, also of groups within groups."""
    path = copy.folder / artifacts.PARAMS
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    path.write_text(yaml.safe_dump(_merged(content, params), sort_keys=False), encoding="utf-8")


def _merged(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    inside = {
        key: _merged(old[key], value) if isinstance(value, Mapping) else value for key, value in new.items()
    }
    return {**old, **inside}


def commands() -> dict[str, list[str]]:
    """The stages of dvc.yaml in its order, which is one that they can be run in, and what runs each."""
    stages = yaml.safe_load(Path("dvc.yaml").read_text(encoding="utf-8"))["stages"]
    return {name: stage["cmd"].split() for name, stage in stages.items()}


def run_here(copy: Clone, *stages: str) -> None:
    """Run stages in this process, which has imported what they need."""
    with contextlib.chdir(copy.folder):
        for stage in stages:
            importlib.import_module(f"stages.{stage}").main()


def checksums(copy: Clone) -> dict[str, str]:
    """SHA-256 of every file that the stages wrote."""
    files = [
        path
        for room in ("data", "metrics", "plots")
        for path in (copy.folder / room).rglob("*")
        if path.is_file()
        and not path.is_relative_to(copy.folder / artifacts.SAMPLE)
        and path != copy.folder / artifacts.CORRECTIONS
    ]
    return {
        path.relative_to(copy.folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(files)
    }
