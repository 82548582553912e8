"""The dataset that ships with the repository: a part of CIFAR-10.

`python -m src.download.sample` cuts it out of the full one in `data/dataset/` (`dvc repro download`): the
first 200 training and the first 50 test images of every class, in CIFAR-10's order. No chance is involved,
and the files come out the same to the bit.
"""

from src import artifacts
from src.command import run_main
from src.data.dataset import Dataset, first_of_each_class, load_dataset, save_dataset
from src.download.cifar10 import HOMEPAGE
from src.errors import InputError

TRAIN_PER_CLASS, TEST_PER_CLASS = 200, 50


def read_sample() -> Dataset:
    """The sample as it ships.

    Raises:
        InputError: a file is missing or damaged.
    """
    return load_dataset(artifacts.SAMPLE)


def main() -> None:
    full = load_dataset()
    if full.name != "cifar10":
        raise InputError(f"{artifacts.DATASET}: holds {full.name}, should be cifar10")
    if full.corrections:
        raise InputError(
            f"{artifacts.DATASET}: is corrected by {artifacts.CORRECTIONS}, should be as published"
        )
    train = full.train.take(first_of_each_class(full.train.labels, TRAIN_PER_CLASS))
    test = full.test.take(first_of_each_class(full.test.labels, TEST_PER_CLASS))
    save_dataset(Dataset("sample", HOMEPAGE, full.classes, train, test), artifacts.SAMPLE)
    print(f"{artifacts.SAMPLE}: {len(train)} training and {len(test)} test images")


if __name__ == "__main__":
    run_main("sample", main)
