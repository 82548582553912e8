"""What the steps found: kept in a JSON file from the first on, and shown as a table."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from src import artifacts
from src.errors import InputError

DONE, FAILED, STOPPED, CUT = "done", "failed", "stopped", "cut"
KEPT = (DONE, STOPPED)  # what the same command does not try again
NOT_RUN = "not run"
JSON, TABLE, LOG = Path("gpu.json"), Path("gpu.md"), Path("gpu.log")


@dataclass
class Record:
    """What came of a step.

    Args:
        state: `done`, `failed`, `stopped` at the step's own limit, or `cut` off at the campaign's.
        result: in a few words.
        seconds: that it took, start and preparations included.
        device: where.
        commit: of the code.
        figures: all that was found.
    """

    state: str
    result: str
    seconds: float
    device: str
    commit: str
    figures: dict[str, Any] = field(default_factory=dict)


class Records:
    """The records of a folder.

    Raises:
        InputError: the file that is there is damaged, or of a rehearsal where this is none, or the reverse.
    """

    def __init__(self, folder: Path, rehearsal: bool) -> None:
        self.folder, self.rehearsal = folder, rehearsal
        self.steps: dict[str, Record] = {}
        path = folder / JSON
        if not path.exists():
            return
        other = "remove it, or name another folder with --out"
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            rehearsed = content["rehearsal"]
            self.steps = {name: Record(**record) for name, record in content["steps"].items()}
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise InputError(f"{path}: damaged ({type(error).__name__}: {error}); {other}") from error
        if rehearsed != rehearsal:
            raise InputError(f"{path}: is {'' if rehearsed else 'not '}of a rehearsal; {other}")

    def is_kept(self, name: str) -> bool:
        """Whether a step need not be tried again."""
        return name in self.steps and self.steps[name].state in KEPT

    def add(self, name: str, record: Record) -> None:
        """Keep a record."""
        self.steps[name] = record
        content = {
            "rehearsal": self.rehearsal,
            "steps": {step: asdict(record) for step, record in self.steps.items()},
        }
        artifacts.write_json(self.folder / JSON, content)

    def write_table(self, names: Sequence[str]) -> str:
        """The table of all steps as Markdown, which is written beside the JSON, too."""
        text = table(self.steps, names)
        artifacts.write_text(self.folder / TABLE, text)
        return text


def table(records: dict[str, Record], names: Sequence[str]) -> str:
    """A row a step, and below it the operations that the profile found."""
    rows = [["step", "result", "seconds", "device"]]
    for name in names:
        if record := records.get(name):
            rows.append([name, record.result, f"{record.seconds:.0f}", record.device])
        else:
            rows.append([name, NOT_RUN, "", ""])
    parts = [markdown(rows)]
    shown = [records[name] for name in names if name in records]
    if commits := sorted({record.commit for record in shown}):
        parts.append(f"Commit: {', '.join(commits)}.")
    for record in shown:
        if operations := record.figures.get("operations"):
            rows = [["operation", "calls", "ms", "share"]]
            for one in operations:
                rows.append([one["operation"], str(one["calls"]), f"{one['ms']:.2f}", f"{one['share']:.1%}"])
            parts.append(markdown(rows))
    return "\n\n".join(parts) + "\n"


def markdown(rows: list[list[str]]) -> str:
    """A table; the first row is its head."""
    head, *others = rows
    lines = []
    for row in (head, ["---"] * len(head), *others):
        cells = (" ".join(cell.split()).replace("|", "\\|") for cell in row)
        lines.append("|" + "|".join(f" {cell} " if cell else " " for cell in cells) + "|")
    return "\n".join(lines)
