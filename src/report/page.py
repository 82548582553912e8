"""The report page: one HTML file about one run or two, with all it needs inside."""

import base64
import io
import math
from pathlib import Path

import jinja2
import numpy as np
from PIL import Image

from src.evaluation import significance
from src.report import summary, vega
from src.report.comparison import Comparison, Outcome
from src.report.run import Run

WEB = Path(__file__).with_name("web")
SHEET_COLUMNS = 50
LISTED_CHANGES = 6  # confusions at each end

# Of each outcome: a sign, a name and what it means. Told apart by more than their colors.
OUTCOMES = {
    summary.MISTAKE: ("✗", "mistake", "taken for another class"),
    Outcome.FIXED: ("✓", "fixed", "A is wrong, B is right"),
    Outcome.BROKEN: ("✗", "broken", "A is right, B is wrong"),
    Outcome.SAME: ("=", "same mistake", "both are wrong, with the same answer"),
    Outcome.DIFFERENT: ("≠", "different mistakes", "both are wrong, with different answers"),
}


def render(subject: Run | Comparison) -> str:
    """The page as one HTML document that loads nothing, about a run or a comparison of two."""
    comparison = subject if isinstance(subject, Comparison) else None
    runs = [subject.a, subject.b] if isinstance(subject, Comparison) else [subject]
    outcomes = summary.outcomes_of_images(runs, comparison)
    issues = summary.label_issues(runs)
    shown = summary.choose_images(runs, outcomes, list(OUTCOMES))
    classes = summary.classes(runs)
    data = {
        "names": [run.name for run in runs],
        "classes": runs[0].predictions.classes,
        "curves": [summary.curves(run) for run in runs],
        "matrices": [run.confusions().tolist() for run in runs],
        "perClass": classes,
        "gallery": {
            "size": runs[0].images.shape[1:3],
            "sheetColumns": SHEET_COLUMNS,
            "scale": summary.PROBABILITY_SCALE,
            "index": shown.tolist(),
            "kind": outcomes[shown].tolist(),
            "actual": runs[0].predictions.actual[shown].tolist(),
            "models": [
                summary.gallery(run, of_run, shown) | {"maps": _maps(run, shown)}
                for run, of_run in zip(runs, issues, strict=True)
            ],
        },
    }
    counts = {outcome: int((outcomes == outcome).sum()) for outcome in OUTCOMES}
    changes = comparison.confusions if comparison else []
    return (
        _environment()
        .get_template("page.html.j2")
        .render(
            data=data,
            comparison=comparison,
            runs=runs,
            headlines=[summary.headline(run) for run in runs],
            classes=classes,
            confusions=summary.top_confusions(runs[0]),
            shrunk=[change for change in changes if change.b < change.a],
            grown=[change for change in reversed(changes) if change.b > change.a],
            listed=LISTED_CHANGES,
            kinds={
                outcome: words
                for outcome, words in OUTCOMES.items()
                if (outcome == summary.MISTAKE) != bool(comparison)
            },
            counts=counts,
            shown={outcome: int((outcomes[shown] == outcome).sum()) for outcome in OUTCOMES},
            hidden=sum(counts.values()) - len(shown),
            label_issues=int((issues.any(0) & (outcomes != Outcome.RIGHT)).sum()),
            sheet=_sheet(runs[0].images[shown]),
            vega=vega.scripts(),
        )
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


def _maps(run: Run, indices: np.ndarray) -> str | None:
    """The heatmaps of these images, one byte per pixel."""
    return None if run.heatmaps is None else _base64(run.heatmaps[indices].tobytes())


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()
