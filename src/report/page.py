"""The report page: one HTML file about one run or two, with all it needs inside."""

from pathlib import Path

import numpy as np

from src.data.images import Selection
from src.report import about_data, blindspot_pages, labels, summary, tables, vega
from src.report.comparison import Comparison, Outcome
from src.report.gallery import IMAGES, gallery
from src.report.links import Originals
from src.report.run import Run
from src.report.templates import fill_in

LISTS = 1_000_000  # of them at most for the labels worth checking; the gallery has the rest
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
    originals = Originals(runs[0].source, path)
    lists = [] if comparison else labels.lists(runs[0], originals, LISTS)
    shown_spots = blindspot_pages.of_comparison(comparison) if comparison else blindspot_pages.of_run(runs[0])
    candidates = summary.order_of_images(runs, outcomes, list(OUTCOMES))
    candidates = blindspot_pages.first(shown_spots, candidates)
    images, shown = gallery(runs, outcomes, candidates, originals, IMAGES - labels.size(lists))
    sums = None if comparison else labels.image_sums(runs[0], "test", Selection(runs[0].images, shown), shown)
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
        "gallery": images | {"sha256": sums},
        "lists": lists,
        "spots": blindspot_pages.shown(shown_spots, shown),
        "marksKey": None if sums is None else labels.marks_key(runs[0]),
    }
    counts = {outcome: int((outcomes == outcome).sum()) for outcome in OUTCOMES}
    changes = comparison.confusions if comparison else []
    listed = LISTED_CHANGES if few else LISTED_WITHOUT_MATRIX
    return fill_in(
        "page.html.j2",
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
        hidden=sum(counts.values()) - int(np.isin(outcomes[shown], list(OUTCOMES)).sum()),
        blindspots=tables.blind_spots(comparison) if comparison else runs[0].blindspots,
        about=None if comparison else about_data.sections(runs[0], originals),
        vega=vega.scripts(),
    )
