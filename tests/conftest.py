"""What several test files need: a small dataset, and a parameter file to change."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from src import artifacts, datasets

ROOT = Path(__file__).parents[1]
os.environ.setdefault("OMP_NUM_THREADS", "1")  # two tests run at a time


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    import torch

    if not torch.cuda.is_available():
        for item in items:
            if item.get_closest_marker("gpu"):
                item.add_marker(pytest.mark.skip(reason="no CUDA GPU here"))


def shipped_params() -> dict[str, Any]:
    """params.yaml as it is committed, whatever experiments have since made of its values."""
    working = yaml.safe_load((ROOT / artifacts.PARAMS).read_text())
    show = ["git", "show", f"HEAD:{artifacts.PARAMS}"]
    committed = yaml.safe_load(subprocess.check_output(show, cwd=ROOT, text=True))

    def reset(now: dict, then: dict) -> dict:
        return {
            key: reset(value, then.get(key, {})) if isinstance(value, dict) else then.get(key, value)
            for key, value in now.items()
        }

    return reset(working, committed)


@pytest.fixture(scope="session")
def tiny() -> datasets.Dataset:
    """20 training and 10 test images of each class, real ones."""
    sample = datasets.load(ROOT / artifacts.SAMPLE)
    return datasets.Dataset(
        "sample",
        sample.source,
        sample.classes,
        sample.train.take(datasets.first_of_each_class(sample.train.labels, 20)),
        sample.test.take(datasets.first_of_each_class(sample.test.labels, 10)),
    )


@pytest.fixture
def write_params(tmp_path: Path) -> Callable[..., Path]:
    """Writes the shipped params.yaml with changes, `group__key=value`, to the test's own folder."""

    def write(**changes: Any) -> Path:
        content = shipped_params()
        for key, value in changes.items():
            *groups, name = key.split("__")
            target = content
            for group in groups:
                target = target[group]
            target[name] = value
        path = tmp_path / artifacts.PARAMS
        path.write_text(yaml.safe_dump(content))
        return path

    return write


@pytest.fixture
def random_images() -> np.ndarray:
    """uint8 (12, 32, 32, 3)."""
    return np.random.default_rng(0).integers(0, 256, (12, 32, 32, 3), np.uint8)
