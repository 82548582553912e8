"""The report page: one HTML file about one run or two, with all it needs inside."""

import base64
from pathlib import Path
from typing import Any

import jinja2
import numpy as np

from src.evaluation import significance
from src.report import about_data, pictures, summary, tables, vega
from src.report.comparison import Comparison, Outcome
from src.report.links import Originals
from src.report.run import Run

WEB = Path(__file__).with_name("web")
GALLERY = 3_000_000  # bytes of the page that the gallery may take; with all else it stays below 5 MB
ROW = 200  # of them about what an image and an answer to it take beside picture, heatmap and name
FEW_CLASSES = 40  # up to which a chart shows all classes, and a matrix all confusions
LISTED_CHANGES = 6  # confusions at each end, beside a matrix
LISTED_WITHOUT_MATRIX = 50

# Of each outcome: a sign, a name and what it means. Told apart by more than their colors.
OUTCOMES = {
    summary.MISTAKE: ("✗", "mistake", "taken for another class"),
    Outcome.FIXED: ("✓", "fixed", "A is wrong, B is right"),
    Outcome.BROKEN: ("✗", "broken", "A is right, B is wrong"),
    Outcome.SAME: ("=", "same mistake", "both are wrong, with the same answer"),
    Outcome.DIFFERENT: ("≠", "different mistakes", "both are wrong, with different answers"),
}


def render(subject: Run | Comparison, path: Path = Path("report.html")) -> str:
    """The page as one HTML document that loads nothing, about a run or a comparison of two.

    Args:
        subject: what it is about.
        path: where it will lie, for links to the user's images.
    """
    comparison = subject if isinstance(subject, Comparison) else None
    runs = [subject.a, subject.b] if isinstance(subject, Comparison) else [subject]
    outcomes = summary.outcomes_of_images(runs, comparison)
    issues = summary.label_issues(runs)
    originals = Originals(runs[0].source, path)
    candidates = summary.order_of_images(runs, outcomes, list(OUTCOMES))
    maps = [pictures.shrink_maps(run.heatmaps[:1]) for run in runs if run.heatmaps is not None]
    fixed = len(runs) * ROW + sum(4 * example.size // 3 for example in maps)
    files = runs[0].predictions.files
    shown, thumbnails = pictures.fill(
        candidates, runs[0].images, lambda index: fixed + len(files[index].encode()), GALLERY
    )
    classes = summary.classes(runs)
    few = len(classes) <= FEW_CLASSES
    order = list(range(len(classes))) if few else summary.worst_first(classes)
    data = {
        "names": [run.name for run in runs],
        "classes": runs[0].predictions.classes,
        "curves": [summary.curves(run) for run in runs],
        "matrices": [run.confusions().tolist() for run in runs] if few else None,
        "perClass": classes,
        "charted": order[:FEW_CLASSES],
        "gallery": _gallery(runs, issues, outcomes, shown, originals)
        | {"pictures": [_base64(picture) for picture in thumbnails]},
    }
    counts = {outcome: int((outcomes == outcome).sum()) for outcome in OUTCOMES}
    changes = comparison.confusions if comparison else []
    listed = LISTED_CHANGES if few else LISTED_WITHOUT_MATRIX
    return (
        _environment()
        .get_template("page.html.j2")
        .render(
            data=data,
            comparison=comparison,
            changes_of_test_data=tables.changes_of_test_data(comparison) if comparison else [],
            runs=runs,
            headlines=[summary.headline(run) for run in runs],
            classes=classes,
            order=order,
            few=few,
            confusions=summary.top_confusions(runs[0], summary.TOP_CONFUSIONS if few else listed),
            shrunk=[change for change in changes if change.b < change.a],
            grown=[change for change in reversed(changes) if change.b > change.a],
            listed=listed,
            kinds={
                outcome: words
                for outcome, words in OUTCOMES.items()
                if (outcome == summary.MISTAKE) != bool(comparison)
            },
            counts=counts,
            shown={outcome: int((outcomes[shown] == outcome).sum()) for outcome in OUTCOMES},
            hidden=sum(counts.values()) - len(shown),
            label_issues=int((issues.any(0) & (outcomes != Outcome.RIGHT)).sum()),
            about=None if comparison else about_data.sections(runs[0], originals),
            vega=vega.scripts(),
        )
    )


def _gallery(
    runs: list[Run], issues: np.ndarray, outcomes: np.ndarray, shown: np.ndarray, originals: Originals
) -> dict[str, Any]:
    """All about the images at `shown` but their pictures."""
    listed = summary.listed_classes(runs, shown)
    files = runs[0].predictions.files[shown].tolist()
    models = []
    for run, of_run in zip(runs, issues, strict=True):
        maps = None if run.heatmaps is None else pictures.shrink_maps(run.heatmaps[shown])
        models.append(
            summary.gallery(run, of_run, shown, listed)
            | {"maps": None if maps is None else _base64(maps.tobytes())}
            | {"mapSize": None if maps is None else maps.shape[1:]}
        )
    return {
        "pixelated": max(runs[0].images.shape[1:3]) <= pictures.SMALL,
        "scale": summary.PROBABILITY_SCALE,
        "index": shown.tolist(),
        "kind": outcomes[shown].tolist(),
        "actual": runs[0].predictions.actual[shown].tolist(),
        "files": files if any(files) else None,
        "linked": [int(exists) for exists in originals.exist(files)],
        "base": originals.base,
        "listed": listed,
        "models": models,
    }


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
        "percent": _percent,
        "points": _points,
        "count": lambda number: f"{number:,}",
        "change": _change,
        "chance": significance.in_words,
        "verdict": significance.verdict,
    }
    return environment


def _percent(share: float, digits: int = 2) -> str:
    return f"{share:.{digits}%}"


def _points(difference: float, digits: int = 2) -> str:
    return _signed(f"{100 * difference:+.{digits}f}")


def _change(number: float, how: str = "+,") -> str:
    return _signed(format(number, how))


def _signed(number: str) -> str:
    """With a minus sign as wide as the plus, and none for zero."""
    return number.lstrip("+-") if float(number.replace(",", "")) == 0 else number.replace("-", "−")


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()
