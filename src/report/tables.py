"""A comparison in words and tables: for the terminal, for Markdown and as JSON."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from tabulate import tabulate

from src.download.names import counted
from src.evaluation import significance
from src.evaluation.significance import CONFIDENCE_LEVEL
from src.report.comparison import Comparison, Outcome

MAX_CONFUSIONS = 8  # shown in either direction
WORDS = {
    Outcome.FIXED: "fixed (only the second is right)",
    Outcome.BROKEN: "broken (only the first is right)",
    Outcome.SAME: "wrong in both, the same answer",
    Outcome.DIFFERENT: "wrong in both, different answers",
    Outcome.RIGHT: "right in both",
}


@dataclass(frozen=True)
class Section:
    """A table under a title; `note` follows it."""

    title: str
    headers: Sequence[str]
    rows: Sequence[Sequence[object]]
    note: str = ""


def sections(comparison: Comparison) -> list[Section]:
    """What there is to say, the most important first."""
    a, b = comparison.a.name, comparison.b.name
    total = len(comparison.outcomes)
    low, high = comparison.interval
    accuracy = [
        _accuracies("accuracy", comparison),
        *([_accuracies(f"with the labels of {a}", other)] if (other := comparison.by_labels_of_a) else []),
        *(
            [name, *(_figure(run.metrics.get(key)) for run in (comparison.a, comparison.b)), ""]
            for name, key in (("loss", "loss"), ("calibration error", "calibration_error"))
        ),
    ]
    level = f"{CONFIDENCE_LEVEL:.0%}"
    interval = f"{level} confidence interval of the difference: {points(low)} to {points(high)} points."
    images = [
        [WORDS[outcome], comparison.count(outcome), f"{comparison.count(outcome) / total:.2%}"]
        for outcome in WORDS
    ]
    images.append(
        ["different answer than before (churn)", round(comparison.churn * total), f"{comparison.churn:.2%}"]
    )
    data = changes_of_test_data(comparison)
    shown = [
        *([Section("Test data", [], [], "\n".join(data))] if data else []),
        Section("Accuracy", ["", a, b, "change"], accuracy, f"{interval}\n{verdict(comparison)}"),
        Section("Images", ["", "images", "share"], images),
        Section(
            "Classes",
            ["class", "images", a, b, "change", "fixed", "broken"],
            [
                [
                    change.name,
                    change.images,
                    *(_share(right, change.images) for right in (change.right_a, change.right_b)),
                    points((change.right_b - change.right_a) / change.images) if change.images else "",
                    change.fixed,
                    change.broken,
                ]
                for change in comparison.classes
            ],
        ),
    ]
    shrunk = [c for c in comparison.confusions if c.b < c.a]
    grown = [c for c in reversed(comparison.confusions) if c.b > c.a]
    directions = {"Confusions that became rarer": shrunk, "Confusions that became more frequent": grown}
    for title, confusions in directions.items():
        if confusions:
            rest = len(confusions) - MAX_CONFUSIONS
            rows = [
                [f"{c.actual} → {c.predicted}", c.a, c.b, f"{c.b - c.a:+}"]
                for c in confusions[:MAX_CONFUSIONS]
            ]
            more = f"and {rest} more" if rest > 0 else ""
            shown.append(Section(title, ["actual → predicted", a, b, "change"], rows, more))
    parameters = [[key, *map(_value, values)] for key, values in comparison.params.items()]
    none = "" if parameters else "The parameters are the same."
    return [*shown, Section("Parameters that differ", ["key", a, b], parameters, none)]


def changes_of_test_data(comparison: Comparison) -> list[str]:
    """What corrections have changed between the runs, a sentence or two each; empty if nothing."""
    said = []
    if changed := comparison.labels_changed:
        said.append(
            f"Test labels changed: {counted(changed, 'image')}. Unless noted, all figures use the labels of "
            f"{comparison.b.name}."
        )
    if removed := comparison.images_removed:
        said.append(
            f"Test images removed: {counted(removed, 'image')}. All figures cover the "
            f"{len(comparison.outcomes):,} images that both runs were tested on."
        )
    return said


def terminal(comparison: Comparison) -> str:
    """The comparison as plain text, in columns of fixed width."""
    return "\n\n".join(_blocks(comparison, "simple", "{}"))


def markdown(comparison: Comparison) -> str:
    """The comparison as GitHub-flavored Markdown, for a pull request."""
    heading = f"## {_escape(comparison.a.name)} → {_escape(comparison.b.name)}"
    return "\n\n".join([heading, *_blocks(comparison, "github", "### {}")])


def _blocks(comparison: Comparison, style: str, heading: str) -> list[str]:
    blocks = []
    for section in sections(comparison):
        parts = [heading.format(section.title)]
        show = _escape if style == "github" else str
        if section.rows:
            rows = [[show(cell) for cell in row] for row in section.rows]
            headers = [show(cell) for cell in section.headers]
            # Numbers are formatted already; all but names stand to the right.
            align = ["left", *["right"] * (len(section.headers) - 1)]
            parts.append(tabulate(rows, headers, style, disable_numparse=True, colalign=align))
        blocks.append("\n\n".join([*parts, show(section.note)] if section.note else parts))
    return blocks


def as_dict(comparison: Comparison) -> dict:
    """For programs: shares from 0 to 1, positions in the test split (without images that were removed)."""
    return {
        "a": comparison.a.name,
        "b": comparison.b.name,
        "images": len(comparison.outcomes),
        **_figures(comparison),
        "test_labels_changed": comparison.labels_changed,
        "test_images_removed": comparison.images_removed,
        "by_labels_of_a": comparison.by_labels_of_a and _figures(comparison.by_labels_of_a),
        "churn": comparison.churn,
        "negative_flips": comparison.negative_flips,
        "counts": {str(outcome): comparison.count(outcome) for outcome in Outcome},
        "indices": {
            str(outcome): comparison.indices(outcome) for outcome in Outcome if outcome != Outcome.RIGHT
        },
        "classes": [asdict(change) for change in comparison.classes],
        "confusions": [asdict(c) for c in comparison.confusions],
        "params": {key: {"a": one, "b": other} for key, (one, other) in comparison.params.items()},
    }


def _figures(comparison: Comparison) -> dict:
    low, high = comparison.interval
    return {
        "accuracy": {"a": comparison.accuracies[0], "b": comparison.accuracies[1]},
        "difference": {"value": comparison.difference, "low": low, "high": high, "level": CONFIDENCE_LEVEL},
        "mcnemar_p": comparison.p_value,
    }


def verdict(comparison: Comparison) -> str:
    """McNemar's test in a sentence."""
    p = comparison.p_value
    fixed, broken = comparison.count(Outcome.FIXED), comparison.count(Outcome.BROKEN)
    if fixed + broken == 0:
        return "Both get the same images right."
    return f"McNemar's test of {fixed} fixed and {broken} broken: p = {p:.2g}; {significance.in_words(p)}."


def points(share: float) -> str:
    """A difference of shares in percentage points, always with its sign."""
    return f"{100 * share:+.2f}"


def _accuracies(name: str, comparison: Comparison) -> list[str]:
    """A row of both accuracies and their difference."""
    return [name, *(f"{value:.2%}" for value in comparison.accuracies), points(comparison.difference)]


def _share(right: int, count: int) -> str:
    return f"{right / count:.1%}" if count else ""


def _figure(value: object) -> str:
    return f"{value:.4f}" if isinstance(value, float) else ""


def _value(value: object) -> str:
    return "(missing)" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _escape(cell: object) -> str:
    """So that Markdown shows it as it is: names of branches and classes may hold anything."""
    text = str(cell)
    for sign in "\\|`*_<>[]":
        text = text.replace(sign, f"\\{sign}")
    return text
