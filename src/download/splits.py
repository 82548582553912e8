"""Which images are for training and which for testing: none is in both, and adding files moves none."""

import hashlib
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from src.download.names import counted, first_few, natural_key
from src.errors import InputError

SIDES = {"train": "training", "val": "validation", "test": "test"}


@dataclass(frozen=True)
class Parts:
    """Where every image belongs.

    Attributes:
        part: object (N,), `train`, `val` or `test`.
        unit: int64 (N,), equal for images that have to stay on one side: of one group, or duplicates.
        notes: lines to print.
    """

    part: np.ndarray
    unit: np.ndarray
    notes: list[str] = field(default_factory=list)


def assign_parts(
    files: pd.DataFrame, cluster: np.ndarray, blank: np.ndarray, classes: tuple[str, ...], share: float
) -> Parts:
    """Give every image its part: the user's, or else by what it shows.

    Without a test part, units are set aside whose number, a hash of the group's name or of the smallest
    content hash, is below the share. It depends on nothing else: other files may come and go. The exceptions
    are said: a class that would have no test image gives the unit with the smallest number, one that would
    have no training image keeps that with the largest. And a new file that is nearly an old one may take it
    along.

    Args:
        files: `label`, `split` (empty: to be decided), `group` (empty: none), `content` (SHA-256).
        cluster: int64 (N,), equal for duplicates.
        blank: bool (N,); a blank picture does not tie the groups together in which there is one.
        classes: all that there are, in order.
        share: of units to test with.

    Raises:
        InputError: there is one class only, or one has no image to train on.
    """
    if len(classes) < 2:
        raise InputError(f"images: there is only one class, {classes[0]!r}; at least two are needed")
    unit = _units(files["group"], cluster, blank)
    label = pd.Categorical(files["label"], categories=list(classes)).codes
    given = files["split"].to_numpy(object)
    notes = []
    if (given == "test").any():
        part = np.where(given == "", "train", given).astype(object)
        if undecided := int((given == "").sum()):
            notes.append(f"{counted(undecided, 'image')} without a given part: used for training")
        notes += _spanning_groups(files["group"], part)
    else:
        undecided = given == ("" if (given == "").any() else "train")
        number = _numbers(files, unit)
        test, notes = _set_aside(unit, label, number, undecided, given != "val", classes, share)
        part = np.where(test, "test", np.where(given == "val", "val", "train")).astype(object)
    _check_training(part, label, classes)
    return Parts(part, unit, notes + _untested(part, label, unit, classes))


def leaks(part: np.ndarray, cluster: np.ndarray) -> np.ndarray:
    """Which images should not be used because another part has the same picture: bool (N,).

    The test part stays whole; what it shares with training and validation is left out there, and of what
    those two share, training's.
    """
    in_part = {name: np.isin(cluster, cluster[part == name]) for name in ("val", "test")}
    return (part == "train") & (in_part["test"] | in_part["val"]) | (part == "val") & in_part["test"]


def check_left(part: np.ndarray, labels: pd.Series, classes: tuple[str, ...]) -> None:
    """After images were left out.

    Raises:
        InputError: a class has none left to train on.
    """
    _check_training(part, pd.Categorical(labels, categories=list(classes)).codes, classes)


def _units(group: pd.Series, cluster: np.ndarray, blank: np.ndarray) -> np.ndarray:
    """Connected by a group or a cluster, in any number of steps."""
    count = len(cluster)
    numbers, names = pd.factorize(group)
    grouped = (group != "").to_numpy()
    tied = ~(grouped & blank)
    nodes = np.arange(count)
    start = np.concatenate([nodes[tied], nodes[grouped]])
    end = np.concatenate([cluster[tied], count + numbers[grouped]])
    size = count + len(names)
    edges = coo_array((np.ones(len(start), bool), (start, end)), (size, size))
    return connected_components(edges, False)[1][:count].astype(np.int64)


def _numbers(files: pd.DataFrame, unit: np.ndarray) -> np.ndarray:
    """In [0, 1) for each image, the same in a unit."""
    # A group's name comes before any content.
    keys = np.where(files["group"] != "", "0" + files["group"], "1" + files["content"])
    smallest = pd.Series(keys).groupby(unit).min()
    # Hashed again: of several contents the smallest is small.
    numbers = [int.from_bytes(hashlib.sha256(key.encode()).digest()[:6], "big") / 2**48 for key in smallest]
    return pd.Series(numbers, smallest.index).loc[unit].to_numpy()


def _set_aside(
    unit: np.ndarray,
    label: np.ndarray,
    number: np.ndarray,
    undecided: np.ndarray,
    usable: np.ndarray,
    classes: tuple[str, ...],
    share: float,
) -> tuple[np.ndarray, list[str]]:
    """Which images are for testing."""
    free = ~np.isin(unit, unit[~undecided])  # a unit of which a part is given stays out of the test part
    counts = np.bincount(label[usable], minlength=len(classes))
    if len(single := [classes[c] for c in np.flatnonzero(counts == 1)]):
        what = f"{counted(len(single), 'class')} with a single image: {first_few(single)}"
        raise InputError(
            f"images: {what}; each class needs one to train on and one to test with: add images, or choose "
            "classes by images.classes"
        )
    test = free & (number < share)
    few = []
    # A row a class of each unit, by the unit's number: so few are needed that a loop will do.
    rows = pd.DataFrame({"label": label, "unit": unit, "number": number})[free]
    rows = rows.drop_duplicates(["label", "unit"]).sort_values(["number", "unit"])

    def tested(test: np.ndarray) -> np.ndarray:
        return np.bincount(label[test], minlength=len(classes))

    for missing in ("test", "train"):
        for c in range(len(classes)):
            if counts[c] == 0 or tested(test)[c] != (0 if missing == "test" else counts[c]):
                continue
            candidates = rows.loc[rows["label"] == c, "unit"].to_numpy()[:: 1 if missing == "test" else -1]
            for candidate in candidates:
                members = unit == candidate
                changed = np.where(members, missing == "test", test)
                own = np.unique(label[members])
                of_own = tested(changed)[own]
                if (of_own < counts[own]).all() and (missing == "test" or (of_own > 0).all()):
                    test = changed
                    few.append(classes[c])
                    break
            else:
                if missing == "train" and len(candidates):  # better not tested than not known
                    test &= unit != candidates[0]
    if not test.any():
        raise InputError(
            "images: no test part can be set aside, as each class is all in one group or all duplicates; add "
            "images, or a test folder"
        )
    if few:
        few = sorted(set(few), key=natural_key)
        return test, [
            f"{counted(len(few), 'class')} with so few images that one was chosen for the part that had none "
            f"(it may change when files are added): {first_few(few)}"
        ]
    return test, []


def _check_training(part: np.ndarray, label: np.ndarray, classes: tuple[str, ...]) -> None:
    trained = np.bincount(label[part == "train"], minlength=len(classes))
    missing = [classes[c] for c in np.flatnonzero(trained == 0)]
    if missing:
        where = {SIDES[p] for p in np.unique(part[np.isin(label, np.flatnonzero(trained == 0))])}
        only = f", only for {' and '.join(sorted(where))}" if where else ""
        what = f"{counted(len(missing), 'class')} without an image to train on{only}"
        raise InputError(
            f"images: {what}: {first_few(missing)}; add some, or choose other classes by images.classes"
        )


def _untested(part: np.ndarray, label: np.ndarray, unit: np.ndarray, classes: tuple[str, ...]) -> list[str]:
    tested = np.bincount(label[part == "test"], minlength=len(classes))
    missing = np.flatnonzero(tested == 0)
    if not len(missing):
        return []
    units = pd.Series(unit).groupby(label).nunique()
    names = [
        classes[c] + (" (all of it is one group, or duplicates)" if units[c] == 1 else "") for c in missing
    ]
    return [f"{counted(len(names), 'class')} without a test image, so not tested: {first_few(names)}"]


def _spanning_groups(group: pd.Series, part: np.ndarray) -> list[str]:
    parts = pd.Series(part)[(group != "").to_numpy()].groupby(group[group != ""].to_numpy()).nunique()
    names = sorted(parts.index[parts > 1], key=natural_key)
    if not names:
        return []
    return [f"{counted(len(names), 'group')} in several of the given parts: {first_few(names)}"]
