"""The page about two groups of seeds: one HTML file, with all it needs inside."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from src.report import group_tables, summary, tables, vega
from src.report.gallery import gallery
from src.report.group_comparison import GroupComparison
from src.report.groups import Group
from src.report.links import Originals
from src.report.page import FEW_CLASSES
from src.report.reliability import ImageChanges, Reliability, exceptions
from src.report.templates import fill_in
from src.report.two_way import POWER, ClassDifference
from src.report.verdict import verdict_of_class

MEASURES = ("train_loss", "train_accuracy", "val_loss", "val_accuracy")
# Of each outcome that the page shows: its name there, a sign and a title.
KINDS = {
    Reliability.FIXED: ("fixed", "✓", "reliably fixed"),
    Reliability.BROKEN: ("broken", "✗", "reliably broken"),
    Reliability.FLAKY: ("flaky", "≈", "flaky"),
    Reliability.WRONG: ("always-wrong", "=", "always wrong"),
}
RIGHT = "right"


def render(
    comparison: GroupComparison,
    commits: tuple[Sequence[str], Sequence[str]],
    path: Path = Path("comparison.html"),
) -> str:
    """The page as one HTML document that loads nothing.

    Args:
        comparison: what it is about.
        commits: of the runs of each side, abbreviated.
        path: where it will lie, for links to the user's images.
    """
    groups, changes = (comparison.a, comparison.b), comparison.changes
    medians = [group.median for group in groups]
    names = {outcome: name for outcome, (name, _, _) in KINDS.items()}
    kinds = np.array([names.get(outcome, RIGHT) for outcome in changes.outcomes.tolist()], object)
    candidates = summary.in_turn([changes.indices(outcome) for outcome in KINDS])
    images, shown = gallery(medians, kinds, candidates, Originals(medians[0].source, path))
    for model, often in zip(images["models"], (changes.right_a, changes.right_b), strict=True):
        model["often"] = often[shown].tolist()
    few = len(comparison.classes) <= FEW_CLASSES
    order = _order(comparison.classes, few)
    data = {
        "names": [group.name for group in groups],
        "classes": medians[0].predictions.classes,
        "seeds": [len(group.runs) for group in groups],
        "accuracies": [accuracies(group) for group in groups],
        "difference": group_tables.as_dict(comparison)["difference"],
        "curves": [curves(group) for group in groups],
        "perClass": [class_difference(change) for change in comparison.classes],
        "charted": order[:FEW_CLASSES],
        "gallery": images,
        "marksKey": None,
        "spots": [],
    }
    return fill_in(
        "groups.html.j2",
        data=data,
        comparison=comparison,
        verdict=comparison.verdict,
        sentence=group_tables.sentence(comparison),
        chance_to_win=group_tables.chance_to_win(comparison),
        changes_of_test_data=tables.changes_of_test_data(comparison),
        accuracy=group_tables.accuracy(comparison),
        parameters=tables.parameters(comparison),
        classes=[group_tables.class_row(change) for change in comparison.classes],
        blindspots=group_tables.blind_spots(comparison),
        order=order,
        few=few,
        runs=medians,
        commits=commits,
        power=POWER,
        kinds={
            name: (sign, title, _meaning(outcome, changes)) for outcome, (name, sign, title) in KINDS.items()
        },
        counts={names[outcome]: changes.count(outcome) for outcome in KINDS},
        by_chance={names[outcome]: count for outcome, count in (changes.by_chance or {}).items()},
        shown={name: int((kinds[shown] == name).sum()) for name in names.values()},
        hidden=sum(changes.count(outcome) for outcome in KINDS) - len(shown),
        vega=vega.scripts(),
    )


def accuracies(group: Group) -> list[dict[str, Any]]:
    """A dot for each run."""
    return [
        {"seed": seed, "run": run.name, "accuracy": float(run.predictions.right.mean())}
        for seed, run in zip(group.seeds, group.runs, strict=True)
    ]


def curves(group: Group) -> list[dict[str, Any]]:
    """One row per epoch: of each measure the mean, the least and the most of all runs."""
    epochs = pd.concat([run.curves for run in group.runs]).groupby("epoch")[list(MEASURES)]
    parts = [epochs.mean(), epochs.min(), epochs.max()]
    return [
        {"epoch": int(epoch)}
        | {measure: [float(part.at[epoch, measure]) for part in parts] for measure in MEASURES}
        for epoch in parts[0].index
    ]


def class_difference(change: ClassDifference) -> dict[str, Any] | None:
    """What the chart of classes draws of one; None of a class without images."""
    if change.difference is None:
        return None
    low, high = change.difference.interval or (None, None)
    return {
        "value": change.difference.value,
        "low": low,
        "high": high,
        "images": change.difference.images,
        "verdict": verdict_of_class(change),
    }


def _order(classes: Sequence[ClassDifference], few: bool) -> list[int]:
    """Positions of the classes: as the dataset has them, or of many the largest changes first."""
    if few:
        return list(range(len(classes)))
    return sorted(
        range(len(classes)),
        key=lambda at: -abs(difference.value) if (difference := classes[at].difference) else 1,
    )


def _meaning(outcome: Reliability, changes: ImageChanges) -> str:
    if outcome == Reliability.WRONG:
        return "wrong in all runs of both"
    if outcome == Reliability.FLAKY:
        return "right in some runs, wrong in others"
    sides = [_most(changes.seeds_a, "A"), _most(changes.seeds_b, "B")]
    wrong, right = sides if outcome == Reliability.FIXED else reversed(sides)
    return f"wrong in {wrong}, right in {right}"


def _most(seeds: int, side: str) -> str:
    """Runs in which an image is reliably right, or wrong."""
    if exceptions(seeds):
        return f"at least {seeds - exceptions(seeds)} of {seeds} runs of {side}"
    return f"all {seeds} runs of {side}" if seeds > 1 else f"the run of {side}"
