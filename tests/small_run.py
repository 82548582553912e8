"""The results of a small run, made in a moment: a dataset, a model that is sure of something, its answers."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from src import artifacts
from src.data.dataset import Dataset, save_dataset
from src.models.registry import create_model
from src.models.trained import TrainedModel, save_trained
from src.preprocessing import Preprocessing
from tests import corrections
from tests.project import call

MEAN, STD = (0.49, 0.48, 0.44), (0.24, 0.23, 0.25)


def make_run(dataset: Dataset, write_params: Callable[..., Path], name: str = "fast", **params: Any) -> None:
    """Fill the working folder, where `write_params` writes too, as the stages up to `evaluate` do.

    Args:
        dataset: its test split is answered.
        write_params: the fixture.
        name: of the model, whose weights are random.
        params: other parameters than the shipped ones, as `write_params` takes them.
    """
    write_params(dataset="sample", threads=1, device="cpu", **params)
    save_dataset(dataset, artifacts.DATASET)
    artifacts.write_text(artifacts.DUPLICATES, "cluster,kind,file,class,part,dropped,label_conflict\n")
    corrections.write(path=artifacts.CORRECTIONS)
    save_model(dataset.classes, name, dataset.preprocessing)
    call("evaluate")


def save_model(
    classes: tuple[str, ...], name: str = "fast", how: Preprocessing | None = None, unsure_below: float = 0.0
) -> None:
    """Write a model that has learned nothing, and yet tells images apart."""
    how = how or Preprocessing()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = create_model(name, len(classes), size=how.size)
        torch.nn.init.normal_(model.head.weight, std=6)
    save_trained(TrainedModel(model, name, "batch", "auto", classes, MEAN, STD, how, unsure_below))


def write_pictures(dataset: Dataset, folder: Path) -> list[Path]:
    """The test images as files, without loss and in order."""
    folder.mkdir()
    paths = [folder / f"{number}.png" for number in range(len(dataset.test))]
    for path, image in zip(paths, dataset.test.images, strict=True):
        Image.fromarray(np.asarray(image)).save(path)
    return paths
