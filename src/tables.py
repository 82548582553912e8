"""A comparison in words and tables: for the terminal, for Markdown and as JSON."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from tabulate import tabulate

from src import significance
from src.comparison import Comparison, Kind
from src.significance import LEVEL

LONGEST = 8  # confusions shown in either direction
WORDS = {
    Kind.FIXED: "fixed (only the second is right)",
    Kind.BROKEN: "broken (only the first is right)",
    Kind.SAME: "wrong in both, the same answer",
    Kind.DIFFERENT: "wrong in both, different answers",
    Kind.RIGHT: "right in both",
}


@dataclass(frozen=True)
class Table:
    """A table under a title; `note` follows it."""

    title: str
    headers: Sequence[str]
    rows: Sequence[Sequence[object]]
    note: str = ""


def tables(comparison: Comparison) -> list[Table]:
    """What there is to say, the most important first."""
    a, b = comparison.a.name, comparison.b.name
    total = len(comparison.kinds)
    low, high = comparison.interval
    accuracy = [
        ["accuracy", *(f"{value:.2%}" for value in comparison.accuracies), points(comparison.difference)],
        *(
            [name, *(_figure(e.metrics.get(key)) for e in (comparison.a, comparison.b)), ""]
            for name, key in (("loss", "loss"), ("calibration error", "calibration_error"))
        ),
    ]
    interval = f"{LEVEL:.0%} confidence interval of the difference: {points(low)} to {points(high)} points."
    images = [
        [WORDS[kind], comparison.count(kind), f"{comparison.count(kind) / total:.2%}"] for kind in WORDS
    ]
    images.append(
        ["another answer than before (churn)", round(comparison.churn * total), f"{comparison.churn:.2%}"]
    )
    found = [
        Table("Accuracy", ["", a, b, "change"], accuracy, f"{interval}\n{verdict(comparison)}"),
        Table("Images", ["", "images", "share"], images),
        Table(
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
    for title, confusions in (("Confusions that shrank", shrunk), ("Confusions that grew", grown)):
        if confusions:
            rest = len(confusions) - LONGEST
            rows = [[f"{c.actual} → {c.predicted}", c.a, c.b, f"{c.b - c.a:+}"] for c in confusions[:LONGEST]]
            more = f"and {rest} more" if rest > 0 else ""
            found.append(Table(title, ["actual → predicted", a, b, "change"], rows, more))
    parameters = [[key, *map(_value, values)] for key, values in comparison.params.items()]
    none = "" if parameters else "The parameters are the same."
    return [*found, Table("Parameters that differ", ["key", a, b], parameters, none)]


def terminal(comparison: Comparison) -> str:
    """For people at a terminal."""
    return "\n\n".join(_blocks(comparison, "simple", "{}"))


def markdown(comparison: Comparison) -> str:
    """For a pull request."""
    heading = f"## {_escape(comparison.a.name)} → {_escape(comparison.b.name)}"
    return "\n\n".join([heading, *_blocks(comparison, "github", "### {}")])


def _blocks(comparison: Comparison, style: str, heading: str) -> list[str]:
    blocks = []
    for table in tables(comparison):
        parts = [heading.format(table.title)]
        if table.rows:
            rows = (
                [[_escape(cell) for cell in row] for row in table.rows] if style == "github" else table.rows
            )
            headers = [_escape(cell) for cell in table.headers] if style == "github" else table.headers
            # Figures are formatted already; all but names stand to the right.
            align = ["left", *["right"] * (len(table.headers) - 1)]
            parts.append(tabulate(rows, headers, style, disable_numparse=True, colalign=align))
        blocks.append("\n\n".join([*parts, table.note] if table.note else parts))
    return blocks


def as_dict(comparison: Comparison) -> dict:
    """For programs: shares from 0 to 1, positions in the test split."""
    low, high = comparison.interval
    return {
        "a": comparison.a.name,
        "b": comparison.b.name,
        "images": len(comparison.kinds),
        "accuracy": {"a": comparison.accuracies[0], "b": comparison.accuracies[1]},
        "difference": {"value": comparison.difference, "low": low, "high": high, "level": LEVEL},
        "mcnemar_p": comparison.p_value,
        "churn": comparison.churn,
        "negative_flips": comparison.negative_flips,
        "counts": {str(kind): comparison.count(kind) for kind in Kind},
        "indices": {str(kind): comparison.indices(kind) for kind in Kind if kind != Kind.RIGHT},
        "classes": [asdict(change) for change in comparison.classes],
        "confusions": [asdict(c) for c in comparison.confusions],
        "params": {key: {"a": one, "b": other} for key, (one, other) in comparison.params.items()},
    }


def verdict(comparison: Comparison) -> str:
    """McNemar's test in a sentence."""
    p = comparison.p_value
    fixed, broken = comparison.count(Kind.FIXED), comparison.count(Kind.BROKEN)
    if fixed + broken == 0:
        return "Both are right about the same images."
    return f"McNemar's test of {fixed} fixed and {broken} broken: p = {p:.2g}; {significance.in_words(p)}."


def points(share: float) -> str:
    """A difference of shares in percentage points, always with its sign."""
    return f"{100 * share:+.2f}"


def _share(right: int, count: int) -> str:
    return f"{right / count:.1%}" if count else ""


def _figure(value: object) -> str:
    return f"{value:.4f}" if isinstance(value, float) else ""


def _value(value: object) -> str:
    return "(not there)" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _escape(cell: object) -> str:
    """So that Markdown shows it as it is: names of branches and classes may hold anything."""
    text = str(cell)
    for sign in "\\|`*_<>[]":
        text = text.replace(sign, f"\\{sign}")
    return text
