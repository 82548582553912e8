"""Brings the dataset to data/dataset/."""

import pandas as pd

from src import artifacts, copies, schema
from src.command import run_main
from src.data.dataset import save_dataset
from src.download import cifar10
from src.download.corrections import correct_dataset
from src.download.sample import read_sample
from src.params import Params, load_params


def main() -> None:
    params = load_params()
    own = {"images.path": params.images.path, "images.table": params.images.table}
    for line in copies.foresee(own if params.dataset == "images" else {}):
        print(line)
    if params.dataset == "images":
        import_own(params)
        return
    dataset = correct_dataset(read_sample() if params.dataset == "sample" else cifar10.fetch())
    save_dataset(dataset, artifacts.DATASET)
    for table in (schema.SKIPPED, schema.DUPLICATES):  # no file can be wrong, and no picture be there twice
        schema.write_table(table, pd.DataFrame(columns=list(table.columns)))
    print(
        f"{params.dataset}: {len(dataset.train)} training and {len(dataset.test)} test images "
        f"of {len(dataset.classes)} classes"
    )


def import_own(params: Params) -> None:
    """Read the user's own images, at the size that the model is made for."""
    # Here, because they take a while to import, and CIFAR-10 does without.
    from src.download.images import import_images
    from src.models.library_sizes import input_size

    size, interpolation = input_size(params.model, params.weights) or (None, "bicubic")
    processes = None if params.workers == "auto" else max(int(params.workers), 1)
    import_images(params.images, size, processes, interpolation)


if __name__ == "__main__":
    run_main("download", main)
