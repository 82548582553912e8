"""A comparison in words and tables: for the terminal, for Markdown and as JSON."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

from tabulate import tabulate

from src.download.names import counted
from src.evaluation import significance
from src.evaluation.significance import CONFIDENCE_LEVEL
from src.report.blindspots import FollowUp
from src.report.comparison import Comparison, Outcome
from src.report.group_blindspots import GroupFollowUp
from src.report.group_comparison import GroupComparison
from src.report.groups import SEED

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
    note = "\n".join([interval, verdict(comparison), *about_the_seed(comparison)])
    shown = [
        *test_data(comparison),
        Section("Accuracy", ["", a, b, "change"], accuracy, note),
        Section("Images", ["", "images", "share"], images),
        *blind_spots(comparison),
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
    return [*shown, parameters(comparison)]


def test_data(comparison: Comparison | GroupComparison) -> list[Section]:
    """What corrections have changed between the sides; none if nothing."""
    data = changes_of_test_data(comparison)
    return [Section("Test data", [], [], "\n".join(data))] if data else []


def blind_spots(comparison: Comparison) -> list[Section]:
    """What became of them; none where they were looked for in neither run."""
    a, b, followed = comparison.a.name, comparison.b.name, comparison.blindspots
    rows = [
        [
            spot.figures.sentence,
            spot.counts[0].images,
            *(f"{count.wrong} ({count.error:.0%})" for count in spot.counts),
            f"{spot.rest[1].error:.1%}",
            f"{spot.p_value:.2g}",
            spot.label,
        ]
        for spot in followed.spots
    ]
    headers = ["", "images", f"wrong in {a}", f"wrong in {b}", f"elsewhere in {b}", "p", "verdict"]
    return blind_spot_section(headers, rows, followed, (a, b))


def blind_spot_section(
    headers: Sequence[str],
    rows: Sequence[Sequence[object]],
    followed: FollowUp | GroupFollowUp,
    names: tuple[str, str],
) -> list[Section]:
    """A table of them, and what is missing; none where they were looked for on neither side."""
    if len(followed.missing) == len(names):
        return []
    notes = [
        f"{name}: blind spots were not looked for; `dvc repro` with this version does."
        for name in followed.missing
    ]
    if followed.lost:
        spots = ", ".join(map(str, followed.lost))
        notes.append(
            f"{names[0]}: blind spot {spots} cannot be followed: the images that confirmed it were removed."
        )
    if not rows and not notes:
        notes = ["None could be confirmed on either side."]
    return [Section("Blind spots", headers if rows else [], rows, "\n".join(notes))]


def parameters(comparison: Comparison | GroupComparison) -> Section:
    """Those that differ."""
    rows = [[key, *map(_value, values)] for key, values in comparison.params.items()]
    none = "" if rows else "The parameters are the same."
    return Section("Parameters that differ", ["key", comparison.a.name, comparison.b.name], rows, none)


def changes_of_test_data(comparison: Comparison | GroupComparison) -> list[str]:
    """What corrections have changed between the sides, a sentence or two each; empty if nothing."""
    said = []
    if changed := comparison.labels_changed:
        said.append(
            f"Test labels changed: {counted(changed, 'image')}. Unless noted, all figures use the labels of "
            f"{comparison.b.name}."
        )
    if removed := comparison.images_removed:
        said.append(
            f"Test images removed: {counted(removed, 'image')}. All figures cover the "
            f"{comparison.images:,} images that both runs were tested on."
        )
    return said


def terminal(comparison: Comparison) -> str:
    """The comparison as plain text, in columns of fixed width."""
    return as_text(sections(comparison))


def as_text(shown: Iterable[Section]) -> str:
    """Sections as plain text, in columns of fixed width."""
    return "\n\n".join(_blocks(shown, "simple", "{}"))


def as_markdown(shown: Iterable[Section]) -> str:
    """Sections as GitHub-flavored Markdown."""
    return "\n\n".join(_blocks(shown, "github", "### {}"))


def _blocks(shown: Iterable[Section], style: str, heading: str) -> list[str]:
    blocks = []
    for section in shown:
        parts = [heading.format(section.title)] if section.title else []
        show, say = (as_cell, escape) if style == "github" else (str, str)
        if section.rows:
            rows = [[show(cell) for cell in row] for row in section.rows]
            headers = [show(cell) for cell in section.headers]
            # Numbers are formatted already; all but names stand to the right.
            align = ["left", *["right"] * (len(section.headers) - 1)]
            parts.append(tabulate(rows, headers, style, disable_numparse=True, colalign=align))
        blocks.append("\n\n".join([*parts, say(section.note)] if section.note else parts))
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
        "blindspots": [spot.as_dict() for spot in comparison.blindspots.spots],
        "blindspots_missing": list(comparison.blindspots.missing),
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


def about_the_seed(comparison: Comparison) -> list[str]:
    """What one run on each side can't tell, in a sentence; none if they are right about the same images."""
    if not comparison.count(Outcome.FIXED) + comparison.count(Outcome.BROKEN):
        return []
    if set(comparison.params) == {SEED}:
        return ["Only the seed differs: two runs of the same recipe differ this much by chance."]
    return [
        "The seed alone can make such a difference: in a third of all tries, this test calls it evidence. To "
        "find out whether a change helps, run both versions with several seeds (`make seeds`)."
    ]


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


def escape(text: str) -> str:
    """So that GitHub shows it as it is, and calls nobody: names of branches and classes may hold anything."""
    text = text.replace("&", "&amp;")
    for sign in "\\|`*_<>[]~$":
        text = text.replace(sign, f"\\{sign}")
    return text.replace(
        "@", "@\u2060"
    )  # an invisible sign, since no escape keeps `@name` from being a mention


def as_cell(cell: object) -> str:
    """The same, on one line."""
    return escape(" ".join(str(cell).splitlines()))
