"""Finds the learning rate by a range test where `optimizer.lr: find` asks for it; else passes it on."""

import pandas as pd

from src import artifacts, schema
from src.command import run_main
from src.data.dataset import Dataset, load_dataset
from src.data.mean_std import load_mean_std
from src.params import Params, load_params


def main() -> None:
    dataset = load_dataset()
    params = load_params(facts=dataset.facts)
    given = params.optimizer.lr
    if given == "find":
        find(params, dataset)
        return
    # A row without a loss: the chart marks the rate.
    row = {"lr": [given], "loss": [None], "smoothed": [None], "chosen": [given]}
    schema.write_table(schema.LR_RANGE, pd.DataFrame(row))
    artifacts.write_json(artifacts.LR, {"lr": given})
    print(f"learning rate {given:g}, from optimizer.lr")


def find(params: Params, dataset: Dataset) -> None:
    """Run the test; write the curve and the rate chosen from it."""
    # Here, because torch takes seconds to import, and a given rate does without.
    from src import distributed, lr_finder
    from src.hardware import choose_hardware, describe_environment, explain_out_of_memory
    from src.launch import done_in_several
    from src.ranks import OURS
    from src.training.frozen import HeadSetup, head_setup
    from src.training.setup import TrainingSetup, set_up_training

    if done_in_several("find_lr", params):
        return
    hardware = choose_hardware(params.device, params.precision)
    distributed.join(hardware.device)
    setup: TrainingSetup | HeadSetup
    setup = whole = set_up_training(params, dataset, load_mean_std(), hardware)
    hardware.place(whole.model)
    with explain_out_of_memory("batch_size", params.batch_size):
        if params.freeze == "backbone":  # the training begins with the last layer; its features are kept
            setup = head_setup(whole, params, hardware, describe_environment(hardware))
        test = lr_finder.run_range_test(setup, hardware, params)
    if OURS.rank:  # the first of several processes writes
        return
    chosen = lr_finder.choose_lr(test, params.find_lr, params.schedule.name)
    columns = {"lr": test.rates, "loss": test.losses, "smoothed": test.smoothed, "chosen": chosen}
    schema.write_table(schema.LR_RANGE, pd.DataFrame(columns))
    artifacts.write_json(artifacts.LR, {"lr": chosen})
    steps = len(test.rates)
    share = steps / (params.epochs * len(setup.batches))
    print(f"learning rate {chosen:g}, from a range test of {steps} steps, {share:.1%} of the training's")
    if lr_finder.is_cut_short(test, chosen):
        print("the loss still falls at the end of the range: try a higher find_lr.highest")


if __name__ == "__main__":
    run_main("find_lr", main)
