"""Two runs brought to the same test images with the same labels, after corrections set them apart."""

from dataclasses import replace

import numpy as np
import pandas as pd

from src.data.corrections import pixel_sha256
from src.data.images import Images, select
from src.errors import InputError
from src.evaluation.mistakes import class_accuracy, confusion_matrix
from src.report.run import Run


def on_common_images(a: Run, b: Run) -> tuple[Run, Run]:
    """Both runs on the images that both were tested on.

    Corrections may have removed images from one of the test splits; its order and positions hold for both.

    Raises:
        InputError: the test splits differ in other ways, too.
    """
    if a.test_data[0] == b.test_data[0]:
        return a, b
    smaller, larger = (a, b) if len(a.images) <= len(b.images) else (b, a)
    more = len(larger.images) - len(smaller.images)
    # Otherwise the sample would be CIFAR-10 with most of it removed.
    removed = smaller.corrections.get("removed", 0) - larger.corrections.get("removed", 0)
    positions = _find(smaller.images, larger.images) if 0 < more <= removed else np.array([-1])
    if positions.min() < 0:
        datasets = [
            f"{run.name} on {run.params.get('dataset')} ({len(run.images):,} images)" for run in (a, b)
        ]
        raise InputError(f"evaluated on different test images: {' and '.join(datasets)}")
    common = _take(larger, positions)
    return (a, common) if larger is b else (common, b)


def with_labels(run: Run, labels: np.ndarray) -> Run:
    """The run as if these, int64 (N,), had been the labels of its test images.

    Label issues about other labels are left out.
    """
    same = run.predictions.actual == labels
    if same.all():
        return run
    issues = run.label_issues[same[run.label_issues["index"].to_numpy()]].reset_index(drop=True)
    return _measured(replace(run, predictions=replace(run.predictions, actual=labels), label_issues=issues))


def _take(run: Run, positions: np.ndarray) -> Run:
    """The run as if it had been tested on the images at these positions only."""
    whole = run.predictions
    predictions = replace(
        whole,
        actual=whole.actual[positions],
        predicted=whole.predicted[positions],
        probabilities=whole.probabilities[positions],
        files=whole.files[positions],
    )
    place = np.full(len(whole.actual), -1)
    place[positions] = np.arange(len(positions))
    issues = run.label_issues.assign(index=place[run.label_issues["index"].to_numpy()])
    changes = {
        "images": select(run.images, positions),
        "predictions": predictions,
        "label_issues": issues[issues["index"] >= 0].reset_index(drop=True),
        "heatmaps": None if run.heatmaps is None else run.heatmaps[positions],
        "blindspots": None if run.blindspots is None else run.blindspots.moved(place),
    }
    return _measured(replace(run, **changes))


def _measured(run: Run) -> Run:
    """With the figures and tables that follow from its predictions."""
    # Here, because scikit-learn takes a second, and most comparisons do without.
    from src.evaluation.metrics import measure

    predictions = run.predictions
    # 0, where float32 has no smaller number, would be an infinite loss.
    loss = -np.log(np.maximum(predictions.actual_probability, np.finfo(np.float32).tiny))
    return replace(
        run,
        metrics=measure(predictions) | {"loss": float(loss.mean(dtype=np.float64))},
        confusion_matrix=_named(confusion_matrix(predictions), predictions.classes),
        class_accuracy=_named(class_accuracy(predictions), predictions.classes),
    )


def _named(table: pd.DataFrame, classes: tuple[str, ...]) -> pd.DataFrame:
    """Classes as categories, as `src.schema.read_table` has them."""
    names = [name for name in ("actual", "predicted", "class") if name in table]
    return table.astype(dict.fromkeys(names, pd.CategoricalDtype(list(classes))))


def _find(some: Images, images: Images) -> np.ndarray:
    """Where the same pixels are among other images: int64 (N,), -1 where nowhere; equals in their order."""
    return _keys(images).get_indexer(_keys(some))


def _keys(images: Images) -> pd.MultiIndex:
    contents = pd.Series(pixel_sha256(images))
    return pd.MultiIndex.from_arrays([contents, contents.groupby(contents).cumcount()])
