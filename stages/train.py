"""Trains the model and draws what it is trained on."""

import sys
from pathlib import Path

import numpy as np
import torch
import torchinfo

from src import artifacts, checkpoint, datasets, figures, hardware, models, params
from src.augmentation import Augmentation
from src.batches import TrainingBatches, worker_count
from src.errors import run_stage
from src.inference import Normalise, to_device
from src.layers import chosen_layers
from src.models.base import Classifier
from src.resume import StateFile, fingerprint
from src.training import Epoch, best_epoch, train

CPU = torch.device("cpu")
PREPARE = 5_000  # images that a model may look at before it is trained
SAMPLES = 40  # images in each of the two grids


def main() -> None:
    settings = params.load()
    dataset = datasets.load()
    stats = artifacts.read_json(artifacts.STATS, "mean", "std")
    used = hardware.choose(settings.device, settings.precision)
    hardware.set_up(settings.threads, settings.deterministic)
    torch.manual_seed(settings.seed)

    learn, held_out = datasets.hold_out(dataset.train.labels, settings.validation, settings.seed)
    train_split = dataset.train.take(learn)
    # Without images held out the curve is the test split's, to be looked at; it selects nothing.
    curve = dataset.train.take(held_out) if len(held_out) else dataset.test
    augmentation = Augmentation(settings.augment, train_split.images, stats["mean"], settings.seed)
    batches = TrainingBatches(
        augmentation,
        train_split.labels,
        settings.batch_size,
        settings.seed,
        worker_count(settings.workers, used.device),
        pin_memory=used.device.type == "cuda",
    )
    model = models.create(settings.model, len(dataset.classes), settings.norm)
    first = to_device(train_split.images[:PREPARE], CPU)
    model.prepare(Normalise(stats["mean"], stats["std"], CPU)(first))
    # Not used here, but a misspelt layer should not come to light after hours of training.
    chosen_layers(settings.gradcam.layers, model, torch.zeros(1, 3, *dataset.train.images.shape[1:3]))
    summarise(model, dataset)
    draw_samples(dataset, train_split, augmentation)
    environment = hardware.versions(used)
    artifacts.write_json(artifacts.ENVIRONMENT, environment)

    print(
        f"{settings.model} on {used}: {len(train_split)} images to train on, "
        f"{len(curve)} {'held out' if len(held_out) else 'test images for the curve'}"
    )
    state_file = StateFile(fingerprint_of_training(settings, environment))
    with hardware.memory_for("batch_size", settings.batch_size):
        curves = train(
            used.place(model),
            batches,
            curve,
            Normalise(stats["mean"], stats["std"], used.device),
            used,
            settings,
            keep_best=len(held_out) > 0,
            state_file=state_file,
        )
    checkpoint.save(checkpoint.Checkpoint(model, settings.model, settings.norm, dataset.classes))
    write_curves(curves, kept=best_epoch(curves) if len(held_out) else settings.epochs)
    state_file.remove()


def fingerprint_of_training(settings: params.Params, environment: dict) -> str:
    """Of all that shapes the weights; what only later stages read, and the number of workers, does not."""
    shaping = settings.model_dump(exclude={"workers", "evaluate", "misclassified", "gradcam"})
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


def draw_samples(dataset: datasets.Dataset, train_split: datasets.Split, augmentation: Augmentation) -> None:
    """Write what the model learns from, augmented as in the first epoch, and what it is tested on."""
    few = np.arange(min(SAMPLES, len(train_split)))
    grids = (
        (artifacts.TRAIN_SAMPLES, augmentation(few, 1), train_split.labels, "Training images, augmented"),
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
