"""What comparing two groups of seeds costs, in a clone of the last commit."""

from pathlib import Path
from statistics import median

import numpy as np

from benchmarks.clone import clone
from src import artifacts, schema
from src.evaluation.label_issues import find_label_issues
from src.evaluation.metrics import measure as measure_predictions
from src.evaluation.mistakes import class_accuracy, confusion_matrix
from src.evaluation.predictions import Predictions, read_predictions, write_predictions

CHANGED = 0.03  # share of the images to which each run gives an answer of its own


def measure(dataset: str, seeds: int, rounds: int) -> dict[str, float]:
    """Seconds, medians over rounds, and the size of the page.

    Args:
        dataset: whose test images are compared. The runs' answers are those of one model but for some, which
            are made up.
        seeds: in each of the two groups.
        rounds: how often the groups are compared.
    """
    with clone() as project:
        project.test_on(dataset)
        classes = artifacts.read_json(project.folder / artifacts.DATASET / "meta.json")["classes"]
        labels = np.load(project.folder / artifacts.DATASET / "test_labels.npy")
        known = read_predictions(classes, len(labels), project.folder)
        project.environment |= {"GIT_AUTHOR_NAME": "b", "GIT_AUTHOR_EMAIL": "b@localhost"}
        project.environment |= {"GIT_COMMITTER_NAME": "b", "GIT_COMMITTER_EMAIL": "b@localhost"}
        for number, name in enumerate(("base", "other")):
            for seed in range(seeds):
                project.change(seed=seed, ema=0.9 * number)
                _write(_another(known, np.random.default_rng((number, seed))), project.folder)
                project.run("dvc", "commit", "--force")
                project.run("dvc", "exp", "save", "--name", f"{name}-seed{seed}")
        compare = ("python", "-m", "src.compare", "base", "other")
        commands = {"compare_s": compare, "compare_with_page_s": (*compare, "-o", "page.html")}
        seconds = {
            name: median(project.seconds(*command) for _ in range(rounds))
            for name, command in commands.items()
        }
        return seconds | {"page_MB": (project.folder / "page.html").stat().st_size / 1e6}


def _another(known: Predictions, rng: np.random.Generator) -> Predictions:
    """Answers like those known, but for some images."""
    probabilities = known.probabilities.copy()
    rows = np.flatnonzero(rng.random(len(probabilities)) < CHANGED)
    probabilities[rows] = rng.dirichlet(np.ones(len(known.classes)), len(rows))
    return Predictions.from_probabilities(known.actual, probabilities, known.classes, known.files.tolist())


def _write(predictions: Predictions, folder: Path) -> None:
    """What the stage that evaluates would write."""
    write_predictions(predictions, folder)
    schema.write_table(schema.CONFUSION_MATRIX, confusion_matrix(predictions), folder)
    schema.write_table(schema.CLASS_ACCURACY, class_accuracy(predictions), folder)
    schema.write_table(schema.LABEL_ISSUES, find_label_issues(predictions), folder)
    path = folder / artifacts.TEST_METRICS
    artifacts.write_json(path, artifacts.read_json(path) | measure_predictions(predictions))
