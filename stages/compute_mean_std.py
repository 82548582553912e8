"""Computes what the images are normalised with."""

from src import artifacts, datasets
from src.errors import run_stage
from src.stats import channel_stats


def main() -> None:
    dataset = datasets.load()
    # The test split's figures are for information; nothing is ever normalised with them.
    stats = {**channel_stats(dataset.train.images), "test": channel_stats(dataset.test.images)}
    artifacts.write_json(artifacts.STATS, stats)
    for figure in ("mean", "std"):
        print(f"{figure}: {', '.join(f'{value:.8f}' for value in stats[figure])}")


if __name__ == "__main__":
    run_stage("compute_mean_std", main)
