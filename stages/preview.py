"""Shows what is about to be trained, before hours go into it: the data and the network."""

import numpy as np
import torch
import torchinfo

from src import artifacts, dataset_report, figures
from src.command import run_main
from src.data.dataset import Dataset, load_dataset
from src.data.mean_std import load_mean_std
from src.hardware import choose_hardware
from src.models.layers import Layer, choose_layers
from src.params import load_params
from src.training.setup import TrainingSetup, set_up_training

SAMPLES, COLUMNS = 40, 10  # images in each of the two grids
SMALL = 64  # pixels; of larger images there are half as many, twice as wide
DEPTH = 100  # of nested modules in the summary: deeper than any network, so that no layer is folded away


def main() -> None:
    dataset = load_dataset()
    params = load_params(facts=dataset.facts)
    describe_data(dataset)
    hardware = choose_hardware("cpu", "fp32")  # nothing here is worth a GPU
    setup = set_up_training(params, dataset, load_mean_std(), hardware)
    example = torch.zeros(1, 3, *dataset.train.images.shape[1:3])
    layers = choose_layers(params.gradcam.layers, setup.model, example)
    draw_samples(dataset, setup)
    summarize(setup, example, layers)
    parameters = sum(weights.numel() for weights in setup.model.parameters())
    print(
        f"{params.model}: {parameters:,} parameters, {len(setup.train_split):,} images to train on, "
        f"Grad-CAM at {', '.join(map(str, layers))}"
    )


def describe_data(dataset: Dataset) -> None:
    """Write how many images there are, of what sizes, and what became of the files."""
    content = dataset_report.describe(dataset)
    artifacts.write_json(artifacts.DATASET_METRICS, content)
    dataset_report.draw(artifacts.DATASET_FIGURE, content, dataset_report.all_files(dataset))


def draw_samples(dataset: Dataset, setup: TrainingSetup) -> None:
    """Draw what the model learns from, augmented as in the first epoch, and what it is tested on."""
    small = dataset.preprocessing.size <= SMALL
    count, columns, cell = (SAMPLES, COLUMNS, 0.8) if small else (SAMPLES // 2, COLUMNS // 2, 1.6)
    train, test = setup.train_split, dataset.test
    few, fewer = spread(len(train), count), spread(len(test), count)
    grids = (
        (
            artifacts.TRAIN_SAMPLES,
            setup.augmentation(few, 1),
            train.labels[few],
            "Training images, augmented",
        ),
        (artifacts.TEST_SAMPLES, test.images[fewer], test.labels[fewer], "Test images"),
    )
    for path, images, labels, heading in grids:
        titles = [dataset.classes[label] for label in labels]
        figures.save_grid(path, images, titles, columns, heading, cell)


def spread(length: int, count: int) -> np.ndarray:
    """Up to `count` positions in a split, as far apart as can be: it may have one class after the other."""
    count = min(count, length)
    return np.arange(count) * length // max(count, 1)


def summarize(setup: TrainingSetup, example: torch.Tensor, layers: list[Layer]) -> None:
    """Write the network layer by layer: output shapes, parameters, multiply-adds for one image."""
    table = torchinfo.summary(
        setup.model,
        input_size=example.shape,
        depth=DEPTH,
        device="cpu",
        verbose=0,
        col_names=("output_size", "num_params", "mult_adds"),
        row_settings=("var_names",),
    )
    explained = ", ".join(map(str, layers))
    artifacts.write_text(artifacts.MODEL_SUMMARY, f"{table}\nGrad-CAM will explain: {explained}\n")


if __name__ == "__main__":
    run_main("preview", main)
