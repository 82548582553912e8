"""Whether a spot that was healed is called healed, and no other: by the comparison of two experiments."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.clone import Clone, clone
from benchmarks.planted.finding import TrainedSet
from benchmarks.planted.scoring import belonging, blind_spots
from benchmarks.planted.training import KEPT, train, write_labels, write_pictures
from src import artifacts, schema

SIDES = ("planted", "healed")
# What is left of the pipeline: DVC keeps experiments only with all that they should have.
STAGES = ("preview", "find_label_issues", "find_blindspots")
IDENTITY = {
    f"GIT_{role}_{what}": value
    for role in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "planted"), ("EMAIL", "planted@localhost"))
}


def follow_healed(before: TrainedSet, spot: int, folder: Path) -> dict[str, Any]:
    """Train the set again without the cause of one spot, and compare.

    Args:
        before: the set as it is.
        spot: the position of the planted spot.
        folder: of all sets.

    Returns:
        For JSON: whether the model is blind in each spot on either side (in the spots as learned before), and
        the verdicts on reported ones, each with the positions of the planted spots that it belongs to.
    """
    healed = before.planted.heal(spot)
    after = TrainedSet(healed, train(healed, folder))
    with clone() as project:
        project.environment |= IDENTITY
        write_pictures(before.planted, project.folder)
        for name, trained in zip(SIDES, (before, after), strict=True):
            _restore(trained, project)
            for stage in STAGES:
                project.run("python", "-m", f"stages.{stage}")
            project.run("dvc", "commit", "--force")
            project.run("dvc", "exp", "save", "--name", name)
            if trained is before:
                reported = _reported(project, len(before.wrong))
        answer = json.loads(project.run("python", "-m", "src.compare", *SIDES, "--json"))
    belongs = belonging(reported, before.inside_learned)
    return {
        "seed": healed.seed,
        "healed": spot,
        "blind": {
            name: blind_spots(trained.members(before.learned), trained.wrong).tolist()
            for name, trained in zip(SIDES, (before, after), strict=True)
        },
        "error": {
            name: [float(trained.wrong[members].mean()) for members in trained.members(before.learned)]
            for name, trained in zip(SIDES, (before, after), strict=True)
        },
        "verdicts": [
            entry | {"belongs_to": np.flatnonzero(belongs[entry["spot"] - 1]).tolist()}
            for entry in answer["blindspots"]
            if entry["verdict"] != "new" and entry.get("side", "a") == "a"
        ],
        "new": sum(entry["verdict"] == "new" for entry in answer["blindspots"]),
    }


def judge(content: dict[str, Any]) -> dict[str, bool]:
    """Whether the healed spot, and nothing else, is called healed.

    Args:
        content: as `follow_healed` returns it.
    """
    healed = [entry for entry in content["verdicts"] if content["healed"] in entry["belongs_to"]]
    others = [entry for entry in content["verdicts"] if content["healed"] not in entry["belongs_to"]]
    return {
        "reported": bool(healed),
        "called healed": bool(healed) and all(entry["verdict"] == "healed" for entry in healed),
        "no other": all(entry["verdict"] != "healed" for entry in others),
    }


def _restore(trained: TrainedSet, project: Clone) -> None:
    """The files of a set that was trained, in a clone that holds its pictures."""
    shutil.copyfile(trained.kept / artifacts.PARAMS, project.folder / artifacts.PARAMS)
    for name in KEPT:
        shutil.copytree(trained.kept / name, project.folder / name, dirs_exist_ok=True)
    write_labels(trained.planted, project.folder)


def _reported(project: Clone, images: int) -> np.ndarray:
    """The spots that the stage has written, bool (spots, N)."""
    table = schema.read_texts(project.folder / artifacts.BLINDSPOTS)
    numbers = table["spot"].astype(int).to_numpy()
    members = np.zeros((int(numbers.max(initial=0)), images), bool)
    members[numbers - 1, table["index"].astype(int).to_numpy()] = True
    return members
