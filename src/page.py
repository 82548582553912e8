"""The report page: one HTML file about one experiment or two, with all it needs inside."""

import base64
import io
import math
from pathlib import Path

import jinja2
import numpy as np
from PIL import Image

from src import scoring, significance, vega
from src.comparison import Comparison, Kind, confusion_matrix
from src.experiments import Experiment
from src.label_doubts import doubtful_labels

WEB = Path(__file__).with_name("web")
PIXELS = 1_200 * 32 * 32  # that the gallery shows at most; the page stays below 3 MB
SHEET_COLUMNS = 50
LISTED = 6  # confusions at each end
WHOLE = 10_000  # probabilities are whole numbers of such parts

# Of each kind of image: a sign, a name and what it means. Told apart by more than their colours.
MISTAKE = "mistake"
KINDS = {
    MISTAKE: ("✗", "mistake", "taken for another class"),
    Kind.FIXED: ("✓", "fixed", "A is wrong, B is right"),
    Kind.BROKEN: ("✗", "broken", "A is right, B is wrong"),
    Kind.SAME: ("=", "same mistake", "both are wrong, with the same answer"),
    Kind.DIFFERENT: ("≠", "different mistakes", "both are wrong, with different answers"),
}


def render(subject: Experiment | Comparison) -> str:
    """The page as HTML, about an experiment or a comparison of two."""
    comparison = subject if isinstance(subject, Comparison) else None
    experiments = [comparison.a, comparison.b] if comparison else [subject]
    actual = experiments[0].predictions.actual
    if comparison:
        kinds = comparison.kinds
    else:
        kinds = np.where(subject.predictions.predicted == actual, Kind.RIGHT, MISTAKE)
    doubts = np.stack([doubtful_labels(e.predictions.probabilities, actual) for e in experiments])
    shown = _choose(experiments, kinds)
    matrices = [confusion_matrix(e.predictions) for e in experiments]
    classes = _classes(matrices)
    data = {
        "names": [e.name for e in experiments],
        "classes": experiments[0].predictions.classes,
        "curves": [[_finite(row) for row in e.curves] for e in experiments],
        "matrices": [matrix.tolist() for matrix in matrices],
        "perClass": classes,
        "gallery": _gallery(experiments, kinds, doubts, shown),
    }
    counts = {kind: int((kinds == kind).sum()) for kind in KINDS}
    changed = comparison.confusions if comparison else []
    template = _environment().get_template("page.html.j2")
    return template.render(
        data=data,
        comparison=comparison,
        experiments=experiments,
        figures=[_figures(e) for e in experiments],
        classes=classes,
        confusions=_confusions(matrices[0], experiments[0].predictions.classes),
        shrunk=[c for c in changed if c.b < c.a],
        grown=[c for c in reversed(changed) if c.b > c.a],
        listed=LISTED,
        kinds={kind: words for kind, words in KINDS.items() if (kind == MISTAKE) != bool(comparison)},
        counts=counts,
        shown={kind: int((kinds[shown] == kind).sum()) for kind in KINDS},
        hidden=sum(counts.values()) - len(shown),
        doubted=int(doubts.any(0)[kinds != Kind.RIGHT].sum()),
        sheet=_sheet(experiments[0].images[shown]),
        vega=vega.scripts(),
    )


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(WEB),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["json.dumps_kwargs"] = {
        "allow_nan": False,
        "ensure_ascii": False,
        "separators": (",", ":"),
    }
    environment.filters |= {
        "percent": lambda share, digits=2: f"{share:.{digits}%}".replace("%", "\xa0%"),
        "points": lambda difference, digits=2: _signed(f"{100 * difference:+.{digits}f}"),
        "count": lambda number: f"{number:,}",
        "change": lambda number, how="+,": _signed(format(number, how)),
        "chance": significance.in_words,
        "verdict": significance.verdict,
    }
    return environment


def _signed(number: str) -> str:
    """With a minus sign as wide as the plus, and none for nothing."""
    return number.lstrip("+-") if float(number.replace(",", "")) == 0 else number.replace("-", "−")


def _finite(row: dict[str, float]) -> dict[str, float | None]:
    return {key: value if math.isfinite(value) else None for key, value in row.items()}


def _figures(experiment: Experiment) -> dict:
    """Headline figures, from the predictions: older experiments lack some in their metrics."""
    predictions = experiment.predictions
    right = int((predictions.predicted == predictions.actual).sum())
    return {
        "right": right,
        "images": len(predictions.actual),
        "accuracy": right / len(predictions.actual),
        "interval": significance.accuracy_interval(right, len(predictions.actual)),
        "confidence": float(predictions.confidence.mean()),
        "calibration_error": scoring.calibration_error(predictions.probabilities, predictions.actual),
        "loss": experiment.metrics.get("loss"),
    }


def _classes(matrices: list[np.ndarray]) -> list[dict]:
    """Of each class: its images, how many of them each experiment recognised, and both ends of a line.

    The line is from one experiment's accuracy to the other's, or the confidence interval of the only one's.
    """
    rows = []
    for number, images in enumerate(matrices[0].sum(1).tolist()):
        right = [int(matrix[number, number]) for matrix in matrices]
        line = None
        if images and len(right) == 1:
            line = significance.accuracy_interval(right[0], images)
        elif images:
            line = [r / images for r in right]
        rows.append({"images": images, "right": right, "line": line})
    return rows


def _confusions(matrix: np.ndarray, names: tuple[str, ...]) -> list[tuple[str, str, int]]:
    """Actual and predicted class of the most frequent confusions, and how often."""
    wrong = matrix * (1 - np.eye(len(matrix), dtype=int))
    order = np.argsort(-wrong, axis=None, kind="stable")[: 2 * LISTED]
    places = zip(*np.unravel_index(order, wrong.shape), strict=True)
    return [(names[i], names[j], int(wrong[i, j])) for i, j in places if wrong[i, j]]


def _choose(experiments: list[Experiment], kinds: np.ndarray) -> np.ndarray:
    """Indices of the images to show: all, or of each kind those with the most confident mistakes."""
    wrongly_sure = np.max(
        [e.predictions.confidence * (e.predictions.predicted != e.predictions.actual) for e in experiments], 0
    )
    order = np.argsort(-wrongly_sure, kind="stable")
    groups = sorted((order[kinds[order] == kind] for kind in KINDS), key=len)
    height, width = experiments[0].images.shape[1:3]
    room = max(PIXELS // (height * width), 1)
    chosen = []
    for number, group in enumerate(groups):  # small ones whole, the others get equal shares of the rest
        chosen.append(group[: room // (len(groups) - number)])
        room -= len(chosen[-1])
    return np.sort(np.concatenate(chosen))


def _gallery(experiments: list[Experiment], kinds: np.ndarray, doubts: np.ndarray, shown: np.ndarray) -> dict:
    """What the page's gallery knows about each image, a column each."""
    columns = {"index": shown, "kind": kinds[shown], "actual": experiments[0].predictions.actual[shown]}
    return {
        "size": experiments[0].images.shape[1:3],
        "sheetColumns": SHEET_COLUMNS,
        "whole": WHOLE,
        **{name: column.tolist() for name, column in columns.items()},
        "models": [
            {
                "predicted": e.predictions.predicted[shown].tolist(),
                "probabilities": np.round(WHOLE * e.predictions.probabilities[shown]).astype(int).tolist(),
                "doubts": doubted[shown].astype(int).tolist(),
                "maps": None if e.heatmaps is None else _base64(e.heatmaps[shown].tobytes()),
                "mapSize": None if e.heatmaps is None else e.heatmaps.shape[1:],
            }
            for e, doubted in zip(experiments, doubts, strict=True)
        ],
    }


def _sheet(images: np.ndarray) -> str:
    """All images (N, H, W, 3) in one, row by row, as a data URI."""
    rows = max(math.ceil(len(images) / SHEET_COLUMNS), 1)
    height, width = images.shape[1:3]
    cells = np.zeros((rows * SHEET_COLUMNS, height, width, 3), np.uint8)
    cells[: len(images)] = images
    sheet = cells.reshape(rows, SHEET_COLUMNS, height, width, 3).swapaxes(1, 2)
    file = io.BytesIO()
    whole = sheet.reshape(rows * height, SHEET_COLUMNS * width, 3)
    Image.fromarray(whole).save(file, "WEBP", quality=95)
    return f"data:image/webp;base64,{_base64(file.getvalue())}"


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()
