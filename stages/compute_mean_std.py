"""Computes what the images are normalized with."""

from src import artifacts
from src.command import run_main
from src.data.dataset import load_dataset
from src.data.mean_std import channel_mean_std


def main() -> None:
    dataset = load_dataset()
    mean_std = channel_mean_std(dataset.train.images)
    # The test split's figures are for information; nothing is ever normalized with them.
    artifacts.write_json(artifacts.MEAN_STD, {**mean_std, "test": channel_mean_std(dataset.test.images)})
    for name, values in (("mean", mean_std["mean"]), ("std", mean_std["std"])):
        print(f"{name}: {', '.join(f'{value:.8f}' for value in values)}")


if __name__ == "__main__":
    run_main("compute_mean_std", main)
