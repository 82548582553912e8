"""Trains the model and draws what it is trained on."""

import sys
from pathlib import Path

import numpy as np
import torch
import torchinfo

from src import artifacts, checkpoint, datasets, figures, hardware, params
from src.errors import run_stage
from src.event_log import EventLog
from src.layers import chosen_layers
from src.models.base import Classifier
from src.preparation import Preparation, prepare
from src.resume import StateFile, fingerprint
from src.training import Epoch, best_epoch, train

SAMPLES = 40  # images in each of the two grids


def main() -> None:
    settings = with_found_lr(params.load())
    dataset = datasets.load()
    stats = artifacts.read_json(artifacts.STATS, "mean", "std")
    used = hardware.choose(settings.device, settings.precision)
    prepared = prepare(settings, dataset, stats, used)
    model = prepared.model
    # Not used here, but a misspelt layer should not come to light after hours of training.
    chosen_layers(settings.gradcam.layers, model, torch.zeros(1, 3, *dataset.train.images.shape[1:3]))
    summarise(model, dataset)
    draw_samples(dataset, prepared)
    environment = hardware.versions(used)
    artifacts.write_json(artifacts.ENVIRONMENT, environment)

    print(
        f"{settings.model} on {used}: {len(prepared.split)} images to train on, "
        f"{len(prepared.curve)} {'held out' if prepared.held_out else 'test images for the curve'}"
    )
    state_file = StateFile(fingerprint_of_training(settings, environment))
    log = EventLog() if settings.tensorboard else None
    with hardware.memory_for("batch_size", settings.batch_size):
        curves = train(
            used.place(model),
            prepared.batches,
            prepared.curve,
            prepared.normalise,
            used,
            settings,
            keep_best=prepared.held_out,
            state_file=state_file,
            watch=log.add if log else lambda _: None,
        )
    checkpoint.save(checkpoint.Checkpoint(model, settings.model, settings.norm, dataset.classes))
    write_curves(curves, kept=best_epoch(curves) if prepared.held_out else settings.epochs)
    state_file.remove()


def with_found_lr(settings: params.Params) -> params.Params:
    """The parameters with the rate that `find_lr` has passed on, found or given."""
    found = artifacts.read_json(artifacts.LR, "lr")["lr"]
    return settings.model_copy(update={"optimizer": settings.optimizer.model_copy(update={"lr": found})})


def fingerprint_of_training(settings: params.Params, environment: dict) -> str:
    """Of all that shapes the weights; what only later stages read, and the number of workers, does not."""
    irrelevant = {"workers", "tensorboard", "find_lr", "evaluate", "misclassified", "gradcam"}
    shaping = settings.model_dump(exclude=irrelevant)  # with the rate that was found, if one was
    # The code that this stage has imported: the same files that DVC compares.
    modules = [Path(module.__file__) for name, module in sys.modules.items() if name.startswith("src.")]
    code = [Path(__file__), *modules]
    data = [artifacts.DATASET / "meta.json", artifacts.STATS]  # meta.json has the sums of the arrays
    return fingerprint({"params": shaping, "environment": environment}, [*code, *data])


def summarise(model: Classifier, dataset: datasets.Dataset) -> None:
    """Write the model layer by layer: shapes, parameters, multiply-adds of one image."""
    _, height, width, _ = dataset.train.images.shape
    table = torchinfo.summary(
        model,
        input_size=(1, 3, height, width),
        depth=3,
        device="cpu",
        verbose=0,
        col_names=("output_size", "num_params", "mult_adds"),
        row_settings=("var_names",),
    )
    artifacts.write_text(artifacts.MODEL_SUMMARY, f"{table}\n")


def draw_samples(dataset: datasets.Dataset, prepared: Preparation) -> None:
    """Write what the model learns from, augmented as in the first epoch, and what it is tested on."""
    few = np.arange(min(SAMPLES, len(prepared.split)))
    augmented = prepared.augmentation(few, 1)
    grids = (
        (artifacts.TRAIN_SAMPLES, augmented, prepared.split.labels, "Training images, augmented"),
        (artifacts.TEST_SAMPLES, dataset.test.images[:SAMPLES], dataset.test.labels, "Test images"),
    )
    for path, images, labels, heading in grids:
        titles = [dataset.classes[label] for label in labels[: len(images)]]
        figures.save_grid(path, images, titles, 10, heading, cell=0.8)


def write_curves(curves: list[Epoch], kept: int) -> None:
    """Write the curves and the last epoch's figures; `kept` is the epoch the saved weights are from."""
    rows = [epoch.row() for epoch in curves]
    artifacts.write_csv(artifacts.TRAINING_CURVES, rows, list(rows[0]))
    final = {name: value for name, value in rows[-1].items() if name not in ("epoch", "lr")}
    artifacts.write_json(artifacts.TRAIN_METRICS, {**final, "best_epoch": kept})


if __name__ == "__main__":
    run_stage("train", main)
