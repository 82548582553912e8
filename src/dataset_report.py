"""The data in numbers and in one picture, before anything is trained on it."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullFormatter

from src import artifacts, figures, schema
from src.data.dataset import Dataset, read_files

PARTS = {"train": "training", "val": "validation", "test": "test"}
COLORS = {
    "train": "#0072b2",
    "val": "#e69f00",
    "test": "#009e73",
}  # Okabe and Ito, "Color Universal Design", 2008
SHOWN_CLASSES = 30  # in the picture: of more the largest and the smallest
BAR, LINE = 0.22, 0.19  # inches
LISTED = 8  # lines of a list in the picture
CENSUS = 20_000  # points of the chart of sizes at most


def describe(dataset: Dataset, folder: Path = Path()) -> dict[str, Any]:
    """What metrics/dataset.json says.

    Args:
        dataset: as it was loaded.
        folder: the project's; its tables of files, skipped files and duplicates are read if they are there.

    Returns:
        `images` by part, `size` in pixels as stored, `classes` (images by class and part); and of a dataset
        made of files `width` and `height` (min, median, max), `formats`, `remarks`, and how many files were
        skipped by reason and are there more than once; `corrections` where there were some: how many
        images were relabeled, by part, and removed.
    """
    counts = {
        part: np.bincount(split.labels, minlength=len(dataset.classes)).tolist()
        for part, split in dataset.splits.items()
    }
    content: dict[str, Any] = {
        "images": {part: sum(numbers) for part, numbers in counts.items()},
        "size": dataset.preprocessing.size,
        "classes": {
            name: {part: numbers[position] for part, numbers in counts.items()}
            for position, name in enumerate(dataset.classes)
        },
    }
    files = all_files(dataset, folder)
    if files is not None:
        for side in ("width", "height"):
            low, median, high = (float(f(files[side])) for f in (np.min, np.median, np.max))
            content[side] = {"min": low, "median": median, "max": high}
        content["formats"] = _count(files["format"])
        content["remarks"] = _count(files["remark"][files["remark"] != ""])
    if dataset.corrections:
        relabeled = {part: len(labels) for part, labels in dataset.corrections["relabeled"].items()}
        content["corrections"] = {"relabeled": relabeled, "removed": dataset.corrections["removed"]}
    skipped, duplicates = (_rows(folder / path) for path in (artifacts.SKIPPED, artifacts.DUPLICATES))
    # Without what is different for every file: "truncated: 100 of 200 bytes".
    content["skipped"] = _count([text.split(":")[0].split(" (")[0] for text in skipped.get("reason", [])])
    content["duplicates"] = _count_duplicates(duplicates)
    return content


def _count_duplicates(table: pd.DataFrame) -> dict[str, int]:
    """Files that share their picture with others, and pictures that are in more than one part."""
    if not len(table):
        return {}
    parts = table.groupby("cluster")["part"].nunique()
    counts = {
        "files with the same pixels as another": (table["kind"] == "exact").sum(),
        "files nearly the same as another": (table["kind"] == "near").sum(),
        "pictures in more than one part": (parts > 1).sum(),
        "files left out of training or validation": (table["dropped"] == "true").sum(),
        "files with another label on the same pixels": (table["label_conflict"] == "true").sum(),
    }
    return {what: int(count) for what, count in counts.items() if count}


def all_files(dataset: Dataset, folder: Path = Path()) -> pd.DataFrame | None:
    """`read_files` of all parts; None where the dataset has no files."""
    parts = [read_files(part, folder / artifacts.DATASET) for part in dataset.splits]
    known = [files for files in parts if files is not None]
    return pd.concat(known, ignore_index=True) if known else None


def _rows(path: Path) -> pd.DataFrame:
    return schema.read_texts(path) if path.exists() else pd.DataFrame()


def _count(values: Any) -> dict[str, int]:
    """The most frequent first, equals by name."""
    counts = Counter(str(value) for value in values)
    return dict(sorted(counts.items(), key=lambda entry: (-entry[1], entry[0])))


def draw(path: Path, content: dict[str, Any], files: pd.DataFrame | None) -> None:
    """Draw `describe`'s content: images by class and part, sizes of the files, and what became of them."""
    lines = notes(content)
    bars = BAR * min(len(content["classes"]), SHOWN_CLASSES + 1)
    beside = 0 if files is None else 3.2 + LINE * len(lines)
    width, height = 7 if files is None else 10.5, 1.4 + max(bars, beside)
    figure = Figure(figsize=(width, height))

    def place(left: float, top: float, wide: float, high: float) -> Axes:
        """Axes by their place in inches from the top left."""
        return figure.add_axes((left / width, 1 - (top + high) / height, wide / width, high / height))

    counts = ", ".join(f"{count:,} {PARTS[part]}" for part, count in content["images"].items())
    size = content["size"]
    title = f"{counts} images of {len(content['classes']):,} classes, stored at {size}×{size} pixels"
    figure.text(0.1 / width, 1 - 0.2 / height, title, va="center", fontsize=11)
    _draw_classes(place(2.1, 1, 4.4, bars), content)
    if files is not None:
        _draw_sizes(place(7.4, 1, 2.9, 2.4), content, files)
        text = place(7.0, 3.9, 3.4, LINE * len(lines))
        text.set_axis_off()
        text.text(0, 1, "\n".join(lines), va="top", fontsize=9, linespacing=1.4, parse_math=False)
    figures.save(figure, path)


def _draw_classes(axis: Axes, content: dict[str, Any]) -> None:
    """Stacked horizontal bars; of very many classes the largest and the smallest."""
    names = list(content["classes"])
    totals = np.array([sum(counts.values()) for counts in content["classes"].values()])
    shown, heading = np.arange(len(names)), "Images of each class"
    places = shown.astype(float)
    if len(names) > SHOWN_CLASSES:
        order, half = np.argsort(-totals, kind="stable"), SHOWN_CLASSES // 2
        shown = np.concatenate([order[:half], order[-half:]])
        heading += f": the {half} largest and the {half} smallest"
        places = np.arange(SHOWN_CLASSES) + (np.arange(SHOWN_CLASSES) >= half)  # a gap between them
    start = np.zeros(len(shown))
    for part in content["images"]:
        counts = np.array([content["classes"][names[position]][part] for position in shown])
        axis.barh(places, counts, left=start, color=COLORS[part], label=PARTS[part], height=0.75)
        start += counts
    for place, total in zip(places, totals[shown], strict=True):
        axis.text(total + 0.01 * start.max(), place, f"{total:,}", va="center", fontsize=8)
    axis.set_yticks(places, [figures.fit(names[position], 1.9, 8) for position in shown], parse_math=False)
    axis.set_ylim(places[-1] + 0.5, -0.5)
    axis.set_xlim(0, 1.1 * start.max())
    axis.set_title(heading, fontsize=9, loc="left", x=-0.01, pad=24)
    axis.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axis.tick_params(labelsize=8)
    axis.tick_params(axis="y", length=0)
    axis.spines[["top", "right", "left"]].set_visible(False)
    axis.legend(
        fontsize=8,
        frameon=False,
        loc="lower left",
        bbox_to_anchor=(-0.01, 1),
        borderpad=0.2,
        ncols=len(PARTS),
    )


def _draw_sizes(axis: Axes, content: dict[str, Any], files: pd.DataFrame) -> None:
    """A point for each size that files have; a square at what all are stored at."""
    some = files.iloc[:: -(-len(files) // CENSUS)]
    sizes, counts = np.unique(some[["width", "height"]].to_numpy(), axis=0, return_counts=True)
    area = 12 + 200 * counts / counts.sum()
    axis.scatter(sizes[:, 0], sizes[:, 1], s=area, color=COLORS["train"], alpha=0.5, linewidths=0)
    size = content["size"]
    axis.plot([size], [size], marker="s", color="#d55e00", markersize=7)
    for name, values, side in (("x", sizes[:, 0], axis.xaxis), ("y", sizes[:, 1], axis.yaxis)):
        if max(values.max(), size) > 8 * min(values.min(), size):
            getattr(axis, f"set_{name}scale")("log")
            side.set_minor_formatter(NullFormatter())
        else:
            side.set_major_locator(MaxNLocator(5, integer=True))
        side.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axis.margins(0.15)
    axis.set_title("Width and height of the files in pixels\n(square: as stored)", fontsize=9, loc="left")
    axis.tick_params(labelsize=8)
    axis.spines[["top", "right"]].set_visible(False)


def notes(content: dict[str, Any]) -> list[str]:
    """What else there is to say, a line each."""
    lines: list[str] = []
    if "width" in content:
        low, median, high = (
            "×".join(f"{content[side][key]:,.0f}" for side in ("width", "height"))
            for key in ("min", "median", "max")
        )
        all_alike = low == high
        lines += (
            [f"All {low} pixels"]
            if all_alike
            else [f"Smallest {low}, largest {high},", f"median {median} pixels"]
        )
        lines.append(figures.fit("Formats: " + _tally(content["formats"]), 3.4, 9))
        for title, key in (
            ("Not used", "skipped"),
            ("More than once", "duplicates"),
            ("Worth a look", "remarks"),
        ):
            entries = list(content[key].items())
            lines.append(f"{title}:" if entries else f"{title}: none")
            lines += ["     " + figures.fit(f"{name}: {count:,}", 3.1, 9) for name, count in entries[:LISTED]]
            if len(entries) > LISTED:
                lines.append(f"   and {len(entries) - LISTED} other reasons")
    return lines


def _tally(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items())
