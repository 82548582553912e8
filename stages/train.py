"""Trains the model."""

import sys
from pathlib import Path

import pandas as pd
import torch

from src import artifacts, schema
from src.command import run_main
from src.data.dataset import load_dataset
from src.data.mean_std import load_mean_std
from src.hardware import choose_hardware, describe_environment, explain_out_of_memory
from src.models.layers import choose_layers
from src.models.trained import TrainedModel, save_trained
from src.params import Params, load_params
from src.training.checkpoint import CheckpointFile, fingerprint
from src.training.loop import Epoch, best_epoch, train
from src.training.setup import set_up_training
from src.training.tensorboard import TensorBoardLog


def main() -> None:
    params = with_chosen_lr(load_params())
    dataset = load_dataset()
    hardware = choose_hardware(params.device, params.precision)
    setup = set_up_training(params, dataset, load_mean_std(), hardware)
    # preview has checked this, unless it was skipped (`dvc repro train`); after hours of training it is late.
    choose_layers(params.gradcam.layers, setup.model, torch.zeros(1, 3, *dataset.train.images.shape[1:3]))
    environment = describe_environment(hardware)
    artifacts.write_json(artifacts.ENVIRONMENT, environment)

    print(
        f"{params.model} on {hardware}: {len(setup.train_split)} images to train on, "
        f"{len(setup.val_split)} {'held out' if setup.held_out else 'test images for the validation curve'}"
    )
    checkpoint = CheckpointFile(fingerprint_of_training(params, environment))
    log = TensorBoardLog() if params.tensorboard else None
    with explain_out_of_memory("batch_size", params.batch_size):
        curves = train(
            hardware.place(setup.model),
            setup.batches,
            setup.val_split,
            setup.normalize,
            hardware,
            params,
            keep_best=setup.held_out,
            checkpoint=checkpoint,
            on_epoch_end=log.add if log else lambda _: None,
        )
    save_trained(TrainedModel(setup.model, params.model, params.norm, dataset.classes))
    write_curves(curves, kept=best_epoch(curves) if setup.held_out else params.epochs)
    checkpoint.remove()


def with_chosen_lr(params: Params) -> Params:
    """The parameters with the rate that `find_lr` has passed on, found or given."""
    lr = artifacts.read_json(artifacts.LR, "lr")["lr"]
    return params.model_copy(update={"optimizer": params.optimizer.model_copy(update={"lr": lr})})


def fingerprint_of_training(params: Params, environment: dict) -> str:
    """Of all that shapes the weights; what only other stages read, and the number of workers, does not."""
    irrelevant = {"workers", "tensorboard", "find_lr", "evaluate", "misclassified", "gradcam"}
    relevant = params.model_dump(exclude=irrelevant)  # with the rate that was found, if one was
    # The code that this stage has imported: the same files that DVC compares.
    modules = [module for name, module in sys.modules.items() if name.startswith("src.")]
    code = [Path(__file__), *(Path(module.__file__) for module in modules if module.__file__)]
    data = [artifacts.DATASET / "meta.json", artifacts.MEAN_STD]  # meta.json has the checksums of the arrays
    return fingerprint({"params": relevant, "environment": environment}, [*code, *data])


def write_curves(curves: list[Epoch], kept: int) -> None:
    """Write the curves and the last epoch's figures; `kept` is the epoch the saved weights are from."""
    rows = [epoch.row() for epoch in curves]
    schema.write_table(schema.TRAINING_CURVES, pd.DataFrame(rows))
    final = {name: value for name, value in rows[-1].items() if name not in ("epoch", "lr")}
    artifacts.write_json(artifacts.TRAIN_METRICS, {**final, "best_epoch": kept})


if __name__ == "__main__":
    run_main("train", main)
