"""Scores of all sets in a folder, as tables."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.planted.finding import OURS, WITHHELD
from benchmarks.planted.healing import judge
from benchmarks.planted.scoring import Score, belonging, mean_rates, pooled, score


def read(folder: Path, seeds: Sequence[int]) -> list[dict[str, Any]]:
    """What `finding.find` has written about these sets, as far as it is there."""
    paths = [folder / f"{seed:04}.json" for seed in seeds]
    return [json.loads(path.read_text()) for path in paths if path.exists()]


def masks(groups: Sequence[Sequence[int]], images: int) -> np.ndarray:
    """Positions as bool (groups, N)."""
    result = np.zeros((len(groups), images), bool)
    for row, positions in zip(result, groups, strict=True):
        row[list(positions)] = True
    return result


def score_of(content: dict[str, Any], method: str, spots: str = "learned") -> Score:
    """Of a method on a set.

    Args:
        content: the set.
        method: a name.
        spots: `learned`, as the model has them, or `spots`, as they were planted.
    """
    images = content["images"]
    return score(
        masks(content["methods"][method]["groups"], images),
        masks([spot["images"] for spot in content[spots]], images),
        np.array([spot["blind"] for spot in content[spots]], bool),
    )


def with_spots(contents: Sequence[dict[str, Any]], spots: str = "learned") -> pd.DataFrame:
    """A row a method: what it finds, and how much of what it reports is false; `spots` as in `score_of`."""
    rows = []
    contents = [content for content in contents if content["spots"]]
    for method in _methods(contents):
        scores = [score_of(content, method, spots) for content in contents if method in content["methods"]]
        total, (discovery, false) = pooled(scores), mean_rates(scores)
        rows.append(
            {
                "method": method,
                "sets": len(scores),
                "blind": total.blind,
                "found": total.covered,
                "discovery rate": total.discovery_rate,
                "reported": total.hypotheses,
                "false": total.false,
                "false-discovery rate": total.false_discovery_rate,
                "mean discovery": discovery,
                "mean false discovery": false,
            }
        )
    return pd.DataFrame(rows)


def without_spots(contents: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """A row a method: in how many sets without spots it reports none."""
    rows = []
    contents = [content for content in contents if not content["spots"]]
    for method in _methods(contents):
        counts = [
            len(content["methods"][method]["groups"]) for content in contents if method in content["methods"]
        ]
        row = {"method": method, "sets": len(counts), "nothing reported": counts.count(0)}
        rows.append(row | {"reported": sum(counts)})
    return pd.DataFrame(rows)


def intervals(contents: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """How many intervals of reported spots contain the error rate on fresh images."""
    rows = []
    for method in (OURS, WITHHELD):
        spots = [
            spot
            for content in contents
            for spot in content["methods"].get(method, {}).get("spots", [])
            if spot.get("fresh", {}).get("images")
        ]
        errors = [spot["fresh"]["wrong"] / spot["fresh"]["images"] for spot in spots]
        inside = [spot["low"] <= error <= spot["high"] for spot, error in zip(spots, errors, strict=True)]
        above = [error > spot["high"] for spot, error in zip(spots, errors, strict=True)]
        share = float(np.mean(inside)) if spots else np.nan
        row = {"method": method, "spots": len(spots), "inside": sum(inside), "above": sum(above)}
        rows.append(row | {"share": share})
    return pd.DataFrame(rows)


def healed(folder: Path, seeds: Sequence[int]) -> pd.DataFrame:
    """A row for each spot whose cause was removed; faint objects may stay a blind spot all the same."""
    rows = []
    for path in sorted(path for seed in seeds for path in folder.glob(f"{seed:04}-healed-*.json")):
        content = json.loads(path.read_text())
        spot = content["healed"]
        before, after = (content["error"][side][spot] for side in ("planted", "healed"))
        still = content["blind"]["healed"][spot]
        row = {"set": path.stem, "error before": before, "after": after, "still blind": still}
        rows.append(row | judge(content))
    return pd.DataFrame(rows)


def planted_spots(contents: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """A row for each planted spot: whether the model is blind there, and who finds it.

    Figures are of the spot as the model has learned it; conditions that play no role are in parentheses.
    """
    rows = []
    for content in contents:
        inside = masks([spot["images"] for spot in content["learned"]], content["images"])
        for number, spot in enumerate(content["learned"]):
            kept = [tuple(condition) for condition in spot["conditions"]]
            row: dict[str, Any] = {
                "set": content["seed"],
                "spot": ", ".join(
                    f"{name} {word}" if (name, word) in kept else f"({name} {word})"
                    for name, word in content["spots"][number]["conditions"]
                ),
                "cause": spot["cause"],
                "images": len(spot["images"]),
                "error": spot["error"],
                "rest": content["rest_error"],
                "blind": spot["blind"],
            }
            only = np.arange(len(inside)) == number
            for method in (OURS, WITHHELD):
                if method in content["methods"]:
                    groups = masks(content["methods"][method]["groups"], content["images"])
                    row[method] = bool(score(groups, inside, only).covered)
            rows.append(row)
    return pd.DataFrame(rows)


def reported_spots(contents: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """A row for each spot that was reported: what it says, and which planted spots it belongs to."""
    rows = []
    for content in contents:
        inside = masks([spot["images"] for spot in content["learned"]], content["images"])
        for method in (OURS, WITHHELD):
            reported = content["methods"].get(method, {"groups": [], "spots": []})
            belongs = belonging(masks(reported["groups"], content["images"]), inside)
            for spot, of in zip(reported["spots"], belongs, strict=True):
                fresh = spot.get("fresh", {})
                rows.append(
                    {
                        "set": content["seed"],
                        "method": method,
                        "sentence": spot["sentence"],
                        "wrong": f"{spot['wrong']} of {spot['images']}",
                        "interval": f"{spot['low']:.2f}-{spot['high']:.2f}",
                        "fresh": fresh["wrong"] / fresh["images"] if fresh.get("images") else np.nan,
                        "planted": ", ".join(str(number + 1) for number in np.flatnonzero(of)),
                    }
                )
    return pd.DataFrame(rows)


def _methods(contents: Sequence[dict[str, Any]]) -> list[str]:
    return list(dict.fromkeys(method for content in contents for method in content["methods"]))
