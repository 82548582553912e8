"""What a page says about the data: how many images there are, and what became of the files."""

import base64
from typing import Any

import pandas as pd

from src.download.names import counted
from src.report import pictures
from src.report.links import Originals
from src.report.run import Run

LISTED, LISTED_FILES = 100, 10  # rows of each table, and files of a picture; the CSV files have the rest
PARTS = {"train": "training", "val": "validation", "test": "test"}


def sections(run: Run, originals: Originals) -> dict[str, Any] | None:
    """Counts, skipped files, duplicates and remarks; None of a run that kept no account of its data."""
    if not run.data:
        return None
    parts = {PARTS.get(part, part): count for part, count in run.data["images"].items()}
    return {
        "parts": parts,
        "facts": _facts(run.data),
        "skipped": _table(run.skipped, originals),
        "reasons": most_common(run.data.get("skipped", {})),
        "duplicates": _duplicates(run, originals),
        "kinds": list(run.data.get("duplicates", {}).items()),
        "remarks": most_common(run.data.get("remarks", {})),
    }


def _facts(data: dict[str, Any]) -> list[tuple[str, str]]:
    size = data["size"]
    facts = [("Size as the model sees them", f"{size}×{size} pixels")]
    for side in ("width", "height"):
        if side in data:
            low, median, high = (f"{data[side][key]:,.0f}" for key in ("min", "median", "max"))
            facts.append((f"{side.capitalize()} of the files", f"{low} to {high} pixels, median {median}"))
    if "formats" in data:
        formats = most_common(data["formats"])
        facts.append(("Formats", ", ".join(f"{name} {count:,}" for name, count in formats)))
    if corrections := data.get("corrections"):
        relabeled, removed = sum(corrections["relabeled"].values()), corrections["removed"]
        facts.append(("Corrected", f"{counted(relabeled, 'label')}; {counted(removed, 'image')} left out"))
    return facts


def most_common(counts: dict[str, int]) -> list[tuple[str, int]]:
    """The most frequent first, equals by name."""
    return sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))


def _table(rows: pd.DataFrame, originals: Originals) -> dict[str, Any]:
    """The first skipped files, each with its address where it is there, and the reason."""
    first = rows[:LISTED]
    shown = [
        (file, _address(file, originals), reason)
        for file, reason in zip(first.get("file", []), first.get("reason", []), strict=True)
    ]
    return {"rows": shown, "more": len(rows) - len(first), "count": len(rows)}


def _address(file: str, originals: Originals) -> str:
    return originals.address(file) if originals.exist([file])[0] else ""


def _duplicates(run: Run, originals: Originals) -> dict[str, Any]:
    """The first pictures that are there more than once, those in several parts before others.

    Of a picture that is a test image, too, there is a thumbnail.
    """
    table = run.duplicates
    if not len(table):
        return {"pictures": [], "more": 0, "count": 0}
    tested = {file: index for index, file in enumerate(run.predictions.files) if file}
    parts = table.groupby("cluster")["part"].nunique()
    clusters = sorted(parts.index, key=lambda cluster: (parts[cluster] == 1, int(cluster)))
    shown = []
    for cluster in clusters[:LISTED]:
        members = table[table["cluster"] == cluster]
        index = next((tested[file] for file in members["file"] if file in tested), None)
        thumbnail = (
            None if index is None else base64.b64encode(pictures.thumbnail(run.images[index])).decode()
        )
        files = [
            (
                row["file"],
                _address(row["file"], originals),
                row["class"],
                PARTS.get(row["part"], row["part"]),
                _remark(row),
            )
            for row in members[:LISTED_FILES].to_dict("records")
        ]
        kinds = "the same pixels" if (members["kind"] == "exact").all() else "nearly the same"
        more = len(members) - len(files)
        shown.append({"thumbnail": thumbnail, "kind": kinds, "files": files, "more": more})
    return {"pictures": shown, "more": len(clusters) - len(shown), "count": len(clusters)}


def _remark(row: dict[str, str]) -> str:
    said = {"dropped": "left out", "label_conflict": "another label"}
    return ", ".join(words for name, words in said.items() if row.get(name) == "true")
