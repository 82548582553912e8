"""Brings the dataset to data/dataset/."""

from src import artifacts
from src.command import run_main
from src.data.dataset import save_dataset
from src.download import cifar10
from src.download.sample import read_sample
from src.params import load_params


def main() -> None:
    name = load_params().dataset
    dataset = read_sample() if name == "sample" else cifar10.fetch()
    save_dataset(dataset, artifacts.DATASET)
    print(
        f"{name}: {len(dataset.train)} training and {len(dataset.test)} test images "
        f"of {len(dataset.classes)} classes"
    )


if __name__ == "__main__":
    run_main("download", main)
