"""Applies the model to the test split."""

import numpy as np

from src import artifacts, checkpoint, datasets, hardware, params, predictions, scoring, significance
from src.errors import run_stage
from src.inference import Normalise, predict_views


def main() -> None:
    settings = params.load()
    dataset = datasets.load()
    stats = artifacts.read_json(artifacts.STATS, "mean", "std")
    used = hardware.choose(settings.device, settings.precision)
    hardware.set_up(settings.threads, settings.deterministic)
    model = used.place(checkpoint.load().model)

    test = dataset.test
    normalise = Normalise(stats["mean"], stats["std"], used.device)
    size = settings.evaluate.batch_size
    with hardware.memory_for("evaluate.batch_size", size):
        views = predict_views(model, test.images, normalise, used, settings.evaluate.tta, size)
    logits = views.mean(0)
    found = predictions.Predictions(test.labels, np.exp(scoring.log_softmax(logits)), dataset.classes)
    per_class = dict(
        zip(
            dataset.classes,
            scoring.class_accuracy(found.predicted, test.labels, len(dataset.classes)),
            strict=True,
        )
    )
    accuracy = scoring.accuracy(found.predicted, test.labels)
    low, high = significance.accuracy_interval(int((found.predicted == test.labels).sum()), len(test))
    without_tta = scoring.accuracy(views[0].argmax(1), test.labels)
    metrics = {
        "accuracy": accuracy,
        "accuracy_low": low,
        "accuracy_high": high,
        "loss": scoring.cross_entropy(logits, test.labels),
        "calibration_error": scoring.calibration_error(found.probabilities, test.labels),
        "per_class": per_class,
        "accuracy_without_tta": without_tta,
    }
    predictions.write(found)
    names = np.array(dataset.classes)
    artifacts.write_csv(
        artifacts.CONFUSION,
        [
            {"actual": actual, "predicted": predicted}
            for actual, predicted in zip(names[found.actual], names[found.predicted], strict=True)
        ],
        ["actual", "predicted"],
    )
    artifacts.write_csv(
        artifacts.CLASS_ACCURACY,
        [{"class": name, "accuracy": value} for name, value in per_class.items()],
        ["class", "accuracy"],
    )
    artifacts.write_json(artifacts.TEST_METRICS, metrics)
    note = "" if settings.evaluate.tta == "none" else f"; {without_tta:.2%} without test-time augmentation"
    print(f"test accuracy {accuracy:.2%} ({low:.1%} to {high:.1%}) of {len(test)} images{note}")


if __name__ == "__main__":
    run_stage("evaluate", main)
