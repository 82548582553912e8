"""What the model says about files, as it is printed."""

import csv
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain

from wcwidth import ljust, width

from src.download.names import shown


@dataclass(frozen=True)
class Answer:
    """What the model says about a file.

    Attributes:
        file: its path as it was given, or below the folder that was given.
        classes: the most probable first, as many as were asked for; empty if the file is unusable.
        probabilities: theirs, 0 to 1.
        unsure: whether the first is below the model's threshold; None if the model has none.
        problem: why the file is unusable, or empty.
    """

    file: str
    classes: tuple[str, ...] = ()
    probabilities: tuple[float, ...] = ()
    unsure: bool | None = None
    problem: str = ""


def csv_rows(top: int) -> Callable[[Answer], None]:
    """Prints a table's header, and returns what prints its rows."""
    more = [f"{name}_{rank}" for rank in range(2, top + 1) for name in ("class", "probability")]
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(["file", "class", "probability", "unsure", *more, "error"])

    def write(answer: Answer) -> None:
        pairs = [
            (name, f"{probability:.8g}")
            for name, probability in zip(answer.classes, answer.probabilities, strict=True)
        ] or [("", "")] * top
        unsure = "" if answer.unsure is None else str(answer.unsure).lower()
        (name, probability), *others = pairs
        writer.writerow(
            [answer.file, name, probability, unsure, *chain.from_iterable(others), answer.problem]
        )

    return write


def lines(classes: Sequence[str]) -> Callable[[Answer], None]:
    """Returns what prints an answer as a line: classes below each other, the file's name last."""
    column = max(width(shown(name)) for name in classes)

    def write(answer: Answer) -> None:
        if answer.problem:
            return
        said = [
            f"{ljust(shown(name), column)} {probability:6.1%}"
            for name, probability in zip(answer.classes, answer.probabilities, strict=True)
        ]
        if answer.unsure is not None:
            said.insert(1, "unsure" if answer.unsure else "      ")
        print("  ".join([*said, shown(answer.file)]))

    return write
