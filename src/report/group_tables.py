"""A comparison of two groups of seeds in words and tables: for the terminal, for Markdown and as JSON."""

from math import isfinite
from statistics import fmean, stdev

from src.evaluation.significance import CONFIDENCE_LEVEL
from src.report import tables
from src.report.group_comparison import GroupComparison
from src.report.groups import Group
from src.report.reliability import CHANGES, Reliability
from src.report.tables import Section, points
from src.report.two_way import ClassDifference, Difference, Side
from src.report.verdict import in_one_sentence, verdict_of_class

LEVEL = f"{CONFIDENCE_LEVEL:.0%}"
RELIABLY = (
    "Reliably fixed or broken: wrong in all runs of one side and right in all of the other; of three or "
    "more, one may be an exception.\nBy chance: how many there would be if only the seeds differed."
)


def sections(comparison: GroupComparison) -> list[Section]:
    """What there is to say, the most important first."""
    a, b = comparison.a, comparison.b
    return [
        *tables.test_data(comparison),
        accuracy(comparison),
        Section("Seeds", ["seed", a.name, b.name], _seeds(a, b)),
        _images(comparison),
        *blind_spots(comparison),
        Section(
            "Classes",
            ["class", "images", a.name, b.name, "change", f"{LEVEL} interval", "p (Holm)", ""],
            [class_row(change) for change in comparison.classes],
            "The intervals are of each class by itself; p is corrected for the number of classes.",
        ),
        tables.parameters(comparison),
    ]


def accuracy(comparison: GroupComparison) -> Section:
    """The figures of both sides, and the verdict."""
    a, b, difference = comparison.a, comparison.b, comparison.difference
    means = [_accuracy(side) for side in (difference.a, difference.b)]
    figures: list[list[object]] = [
        ["accuracy", *means, points(difference.value)],
        ["loss", *(_metric(group, "loss") for group in (a, b)), ""],
        ["calibration error", *(_metric(group, "calibration_error") for group in (a, b)), ""],
        ["runs", len(a.runs), len(b.runs), ""],
    ]
    note = "\n".join(filter(None, [sentence(comparison), chance_to_win(comparison)]))
    return Section("Accuracy", ["mean ± standard deviation", a.name, b.name, "change"], figures, note)


def terminal(comparison: GroupComparison) -> str:
    """The comparison as plain text, in columns of fixed width."""
    return tables.as_text(sections(comparison))


def as_dict(comparison: GroupComparison) -> dict:
    """For programs: shares from 0 to 1, positions in the test split (without images that were removed)."""
    changes = comparison.changes
    shown = (*CHANGES, Reliability.WRONG, Reliability.RIGHT)
    return {
        "a": _side(comparison.a, comparison.difference.a),
        "b": _side(comparison.b, comparison.difference.b),
        "images": comparison.images,
        "verdict": str(comparison.verdict),
        "sentence": sentence(comparison),
        "difference": _difference(comparison.difference),
        "test_labels_changed": comparison.labels_changed,
        "test_images_removed": comparison.images_removed,
        "counts": {str(outcome): changes.count(outcome) for outcome in shown},
        "by_chance": changes.by_chance,
        "indices": {str(outcome): changes.indices(outcome) for outcome in CHANGES},
        "classes": [
            {"name": change.name, "p_adjusted": change.p_value, "verdict": verdict_of_class(change)}
            | (_difference(change.difference) if change.difference else {})
            for change in comparison.classes
        ],
        "blindspots": [spot.as_dict() for spot in comparison.blindspots.spots],
        "blindspots_missing": list(comparison.blindspots.missing),
        "params": {key: {"a": one, "b": other} for key, (one, other) in comparison.params.items()},
    }


def sentence(comparison: GroupComparison) -> str:
    """The verdict."""
    return in_one_sentence(comparison.difference, comparison.a.name, comparison.b.name)


def chance_to_win(comparison: GroupComparison) -> str:
    """What one more run of each side would show, in a sentence; empty if unknown."""
    chance = comparison.difference.b_beats_a
    if chance is None:
        return ""
    return (
        f"One more run of {comparison.b.name} would beat one more run of {comparison.a.name} with a "
        f"probability of {chance:.0%}."
    )


def blind_spots(comparison: GroupComparison) -> list[Section]:
    """What became of them; none where they were looked for on neither side."""
    a, b, followed = comparison.a.name, comparison.b.name, comparison.blindspots
    rows = [
        [
            spot.figures.sentence,
            *(f"{raised} of {runs} runs" for raised, runs in zip(spot.raised, spot.runs, strict=True)),
            str(spot.verdict),
        ]
        for spot in followed.spots
    ]
    return tables.blind_spot_section(["", f"raised in {a}", f"in {b}", "verdict"], rows, followed, (a, b))


def _seeds(a: Group, b: Group) -> list[list[str]]:
    """The accuracy of each run."""
    columns = [
        {
            seed: f"{run.predictions.right.mean():.2%}"
            for seed, run in zip(group.seeds, group.runs, strict=True)
        }
        for group in (a, b)
    ]
    return [
        [str(seed), *(column.get(seed, "") for column in columns)] for seed in sorted({*a.seeds, *b.seeds})
    ]


def _images(comparison: GroupComparison) -> Section:
    changes = comparison.changes
    rows = []
    for outcome in (*CHANGES, Reliability.WRONG, Reliability.RIGHT):
        count, by_chance = changes.count(outcome), (changes.by_chance or {}).get(outcome)
        chance = "" if by_chance is None else f"{by_chance:.0f}"
        rows.append([str(outcome), count, f"{count / comparison.images:.2%}", chance])
    return Section("Images", ["", "images", "share", "by chance"], rows, RELIABLY)


def class_row(change: ClassDifference) -> list[object]:
    """Its name, images, accuracy of both sides, change, interval, p-value and verdict."""
    difference = change.difference
    if difference is None:
        return [change.name, 0, *[""] * 6]
    return [
        change.name,
        difference.images,
        *(f"{side.mean:.1%}" for side in (difference.a, difference.b)),
        points(difference.value),
        "" if difference.interval is None else " to ".join(map(points, difference.interval)),
        "" if change.p_value is None else f"{change.p_value:.2g}",
        verdict_of_class(change),
    ]


def _accuracy(side: Side) -> str:
    return f"{side.mean:.2%}" + ("" if side.std is None else f" ± {100 * side.std:.2f}")


def _metric(group: Group, key: str) -> str:
    values = [value for run in group.runs if isinstance(value := run.metrics.get(key), float)]
    if len(values) < len(group.runs):
        return ""
    return f"{fmean(values):.4f}" + (f" ± {stdev(values):.4f}" if len(values) > 1 else "")


def _side(group: Group, side: Side) -> dict:
    return {
        "name": group.name,
        "runs": [run.name for run in group.runs],
        "seeds": list(group.seeds),
        "accuracies": list(side.accuracies),
        "mean": side.mean,
        "std": side.std,
    }


def _difference(difference: Difference) -> dict:
    low, high = difference.interval or (None, None)
    variance = difference.variance
    return {
        "value": difference.value,
        "low": low,
        "high": high,
        "level": CONFIDENCE_LEVEL,
        "p_value": difference.p_value,
        "b_beats_a": difference.b_beats_a,
        "smallest_detectable": difference.smallest,
        "degrees_of_freedom": variance.degrees if variance and isfinite(variance.degrees) else None,
    }
