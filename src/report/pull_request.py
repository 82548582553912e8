"""A comparison as a comment on a pull request: what matters first, the rest folded, never too long."""

import html
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from src.report import group_tables, tables
from src.report.comparison import Comparison, Outcome
from src.report.group_comparison import GroupComparison
from src.report.groups import Group
from src.report.reliability import Reliability
from src.report.run import Run
from src.report.tables import Section, as_cell, as_markdown, escape

MARKER = "<!-- blindspot-compare -->"  # by which a bot finds its comment
MAX_LENGTH = 60_000  # characters; GitHub takes 65,536
MAX_IMAGES, MAX_PARAMS, MAX_COMMITS, MAX_SPOTS = 5, 12, 10, 10
MAX_NAME = 100  # characters of a name or a value
Side = TypeVar("Side", Run, Group)
FIGURES = ("accuracy", "loss", "calibration error")


@dataclass(frozen=True)
class Context:
    """What the figures do not say.

    Attributes:
        command: that makes the comment again.
        commits: of the runs of each side, abbreviated; `workspace` for files that are in none.
        objections: what the gates say, a line each; empty if all are passed or there are none.
        gates: whether there are any.
    """

    command: str
    commits: tuple[Sequence[str], Sequence[str]]
    objections: str = ""
    gates: bool = False


def comment(comparison: Comparison | GroupComparison, context: Context) -> str:
    """GitHub-flavored Markdown, of at most `MAX_LENGTH` characters."""
    if isinstance(comparison, GroupComparison):
        comparison = replace(comparison, a=_renamed(comparison.a), b=_renamed(comparison.b))
        details = group_tables.sections(comparison)
    else:
        comparison = replace(comparison, a=_renamed(comparison.a), b=_renamed(comparison.b))
        details = tables.sections(comparison)
    a, b = comparison.a, comparison.b
    parameters = tables.parameters(comparison)
    more = len(parameters.rows) - MAX_PARAMS
    shown = [
        Section("", ["", a.name, b.name, "change"], _four_rows(comparison, details)),
        *_blind_spots(details),
        _broken_images(comparison),
        replace(
            parameters,
            rows=[[_short(cell) for cell in row] for row in parameters.rows[:MAX_PARAMS]],
            note=f"and {more} more" if more > 0 else parameters.note,
        ),
        _origins(comparison, context),
    ]
    head = "\n\n".join(
        [
            MARKER,
            f"## {as_cell(a.name)} → {as_cell(b.name)}",
            *_verdict(comparison, context),
            as_markdown(shown),
            f"<pre>{html.escape(_short(context.command, 1000))}</pre>",
        ]
    )
    return f"{head}\n\n{_folded(as_markdown(details), MAX_LENGTH - len(head) - 2)}"


def _renamed(side: Side) -> Side:
    """With a name that is not too long."""
    return replace(side, name=_short(side.name))


def _verdict(comparison: Comparison | GroupComparison, context: Context) -> list[str]:
    if isinstance(comparison, GroupComparison):
        said = [f"**{escape(group_tables.sentence(comparison))}**"]
    else:
        said = [f"**{escape(tables.verdict(comparison))}**", *map(escape, tables.about_the_seed(comparison))]
    if context.objections:
        lines = context.objections.splitlines()
        said.append("\n".join(f"- :x: {escape(_short(line, 1000))}" for line in lines))
    elif context.gates:
        said.append(":white_check_mark: All gates passed.")
    return said


def _four_rows(
    comparison: Comparison | GroupComparison, details: Sequence[Section]
) -> list[Sequence[object]]:
    [accuracy] = [section for section in details if section.title == "Accuracy"]
    rows = [row for row in accuracy.rows if row[0] in FIGURES]
    if isinstance(comparison, Comparison):
        fixed, broken = comparison.count(Outcome.FIXED), comparison.count(Outcome.BROKEN)
        return [*rows, ["images fixed, broken", "", "", f"{fixed}, {broken}"]]
    changes = comparison.changes
    counts = ", ".join(str(changes.count(outcome)) for outcome in (Reliability.FIXED, Reliability.BROKEN))
    if changes.by_chance:
        expected = (changes.by_chance[outcome] for outcome in (Reliability.FIXED, Reliability.BROKEN))
        counts += f" (by chance {', '.join(f'{count:.0f}' for count in expected)})"
    return [*rows, ["images reliably fixed, broken", "", "", counts]]


def _blind_spots(details: Sequence[Section]) -> list[Section]:
    """Where there are any to tell of."""
    found = [section for section in details if section.title == "Blind spots" and section.rows]
    return [replace(s, rows=[[_short(cell) for cell in row] for row in s.rows[:MAX_SPOTS]]) for s in found]


def _broken_images(comparison: Comparison | GroupComparison) -> Section:
    """The worst few: of groups those that lose most seeds, of single runs those most confidently wrong."""
    before, after = _runs(comparison)
    if isinstance(comparison, GroupComparison):
        title, images = "Reliably broken images", comparison.changes.indices(Reliability.BROKEN)
    else:
        confidence = comparison.b.predictions.confidence
        images = sorted(comparison.indices(Outcome.BROKEN), key=lambda image: -confidence[image])
        title = "Broken images"
    one = before[0].predictions
    rows = []
    for image in images[:MAX_IMAGES]:
        label = one.actual[image]
        answers = np.bincount([run.predictions.predicted[image] for run in after], minlength=len(one.classes))
        answers[label] = 0
        often = [
            f"{sum(run.predictions.right[image] for run in runs)} of {len(runs)}" for runs in (before, after)
        ]
        names = one.files[image] or f"test image {image}", one.classes[label], one.classes[answers.argmax()]
        rows.append([*map(_short, names), *often])
    more = len(images) - MAX_IMAGES
    note = f"and {more} more" if more > 0 else "" if images else "None."
    sides = [f"right in {side.name}" for side in (comparison.a, comparison.b)]
    return Section(title, ["image", "label", "taken for", *sides], rows, note)


def _origins(comparison: Comparison | GroupComparison, context: Context) -> Section:
    rows = [
        [side.name, _list([run.params.get("seed", "") for run in runs]), _list(commits)]
        for side, runs, commits in zip(
            (comparison.a, comparison.b), _runs(comparison), context.commits, strict=True
        )
    ]
    return Section("Seeds, commits, and the command", ["", "seeds", "commits"], rows)


def _runs(comparison: Comparison | GroupComparison) -> tuple[tuple[Run, ...], tuple[Run, ...]]:
    """Of each side."""
    if isinstance(comparison, GroupComparison):
        return comparison.a.runs, comparison.b.runs
    return (comparison.a,), (comparison.b,)


def _folded(text: str, length: int) -> str:
    """Behind a line to click on; what is too long ends at a line."""
    before, after = "<details><summary>All figures</summary>\n\n", "\n\n</details>"
    if len(before) + len(text) + len(after) > length:
        after = "\n\nThe rest is cut: the command above prints it without `--md`." + after
        text = text[: max(0, length - len(before) - len(after))].rpartition("\n")[0]
    return f"{before}{text}{after}"


def _list(values: Sequence[object]) -> str:
    more = len(values) - MAX_COMMITS
    text = ", ".join(_short(value) for value in values[:MAX_COMMITS])
    return f"{text} and {more} more" if more > 0 else text


def _short(value: object, length: int = MAX_NAME) -> str:
    text = str(value)
    return text if len(text) <= length else f"{text[: length - 1]}…"
