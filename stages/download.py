"""Brings the dataset to data/dataset/."""

from src import artifacts, cifar10, datasets, params
from src.errors import run_stage


def main() -> None:
    name = params.load().dataset
    dataset = datasets.load(artifacts.SAMPLE) if name == "sample" else cifar10.fetch()
    datasets.save(dataset, artifacts.DATASET)
    print(
        f"{name}: {len(dataset.train)} training and {len(dataset.test)} test images "
        f"of {len(dataset.classes)} classes"
    )


if __name__ == "__main__":
    run_stage("download", main)
