"""Cuts the dataset that ships with the repository out of CIFAR-10: `python -m src.sample`.

Needs `data/dataset/` to hold the full CIFAR-10 (`dvc repro download`). The first 200 training and the
first 50 test images of every class, in CIFAR-10's order: no chance is involved, and the files come out the
same to the bit.
"""

from src import artifacts, cifar10, datasets
from src.errors import InputError, run_stage

TRAIN_PER_CLASS, TEST_PER_CLASS = 200, 50


def main() -> None:
    full = datasets.load()
    if full.name != "cifar10":
        raise InputError(f"{artifacts.DATASET}: holds {full.name}, should be cifar10")
    train = full.train.take(datasets.first_of_each_class(full.train.labels, TRAIN_PER_CLASS))
    test = full.test.take(datasets.first_of_each_class(full.test.labels, TEST_PER_CLASS))
    sample = datasets.Dataset("sample", cifar10.HOMEPAGE, full.classes, train, test)
    datasets.save(sample, artifacts.SAMPLE)
    print(f"{artifacts.SAMPLE}: {len(train)} training and {len(test)} test images")


if __name__ == "__main__":
    run_stage("sample", main)
