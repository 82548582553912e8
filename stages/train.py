"""Trains the model."""

from pathlib import Path

import pandas as pd
import torch

from src import artifacts, distributed, schema
from src.command import run_main
from src.data.dataset import load_dataset
from src.data.mean_std import load_mean_std
from src.defaults import explain
from src.hardware import choose_hardware, describe_environment, explain_out_of_memory
from src.launch import done_in_several
from src.models.layers import choose_layers
from src.models.trained import TrainedModel, save_trained
from src.params import load_with_choices
from src.ranks import OURS
from src.training.checkpoint import fingerprint_of_training
from src.training.fit import Checkpoints, fit, unsure_below
from src.training.loop import Epoch, best_epoch
from src.training.setup import set_up_training, with_chosen_lr
from src.training.tensorboard import TensorBoardLog


def main() -> None:
    dataset = load_dataset()
    params, choices = load_with_choices(facts=dataset.facts)
    params = with_chosen_lr(params)
    if done_in_several("train", params):
        return
    if params.dataset == "images" and choices:
        print(explain(choices))
    hardware = choose_hardware(params.device, params.precision)
    distributed.join(hardware.device)
    setup = set_up_training(params, dataset, load_mean_std(), hardware)
    # preview has checked this, unless it was skipped (`dvc repro train`); after hours of training it is late.
    choose_layers(params.gradcam.layers, setup.model, torch.zeros(1, 3, *dataset.train.images.shape[1:3]))
    environment = describe_environment(hardware)
    # The first of several processes writes.
    if OURS.rank == 0:
        artifacts.write_json(artifacts.ENVIRONMENT, environment)
    distributed.require_same(fingerprint_of_training(params, {}, Path(__file__)), "code, data or parameters")

    several = f"{OURS.size} × " if OURS.size > 1 else ""
    held_out = "to validate with" if dataset.val else "held out"
    print(
        f"{params.model} on {several}{hardware}: {len(setup.train_split)} images to train on, "
        f"{len(setup.val_split)} {held_out if setup.held_out else 'test images for the validation curve'}"
    )
    checkpoints = Checkpoints(fingerprint_of_training(params, environment, Path(__file__)))
    log = TensorBoardLog() if params.tensorboard and OURS.rank == 0 else None
    with explain_out_of_memory("batch_size", params.batch_size):
        curves = fit(setup, hardware, params, environment, checkpoints, log.add if log else lambda _: None)
        threshold = unsure_below(setup, hardware)
    if OURS.rank:
        return
    save_trained(
        TrainedModel(
            setup.model,
            params.model,
            params.norm,
            params.stem,
            dataset.classes,
            tuple(setup.mean_std["mean"]),
            tuple(setup.mean_std["std"]),
            dataset.preprocessing,
            threshold,
        )
    )
    write_curves(curves, kept=best_epoch(curves) if setup.held_out else params.epochs)
    checkpoints.remove()


def write_curves(curves: list[Epoch], kept: int) -> None:
    """Write the curves and the last epoch's figures; `kept` is the epoch the saved weights are from."""
    rows = [epoch.row() for epoch in curves]
    schema.write_table(schema.TRAINING_CURVES, pd.DataFrame(rows))
    final = {name: value for name, value in rows[-1].items() if name not in ("epoch", "lr")}
    artifacts.write_json(artifacts.TRAIN_METRICS, {**final, "best_epoch": kept})


if __name__ == "__main__":
    run_main("train", main)
