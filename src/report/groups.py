"""Runs of the same experiment that differ in the seed alone, as one group."""

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import pairwise

import numpy as np
from dvc.repo.experiments.utils import exp_refs

from src.errors import GIT, InputError, border
from src.report.revision import WORKSPACE, is_revision, open_project
from src.report.run import Run, read_run

GLOB = re.compile(r"[*?\[]")
SEED = "seed"
MAX_KEYS = 5  # named where runs differ in many


@dataclass(frozen=True)
class Group:
    """Runs that differ in nothing but the seed; a single run is a group of one.

    Attributes:
        name: what was asked for: one name, a pattern, a list, or what the runs' names begin with.
        runs: at least one, ordered by seed.
        seeds: theirs.
    """

    name: str
    runs: tuple[Run, ...]
    seeds: tuple[int, ...]

    @property
    def right(self) -> np.ndarray:
        """bool (runs, N): which of the test images each run gets right."""
        return np.stack([run.predictions.right for run in self.runs])

    @property
    def median(self) -> Run:
        """The run of median accuracy, to look at one in detail; the lower one of two."""
        order = np.argsort(self.right.mean(1), kind="stable")
        return self.runs[order[(len(order) - 1) // 2]]


def read_group(spec: str) -> Group:
    """Read every run that a name stands for.

    Args:
        spec: see `names_of`.

    Raises:
        InputError: a run cannot be read; more than the seed differs between two of them, they have the same
            seed, or they are about different data; or a pattern matches nothing.
    """
    names = names_of(spec)
    runs = sorted(map(read_run, names), key=_seed)
    _check_params(spec, runs)
    for one, other in pairwise(runs):
        if different := [name for name in sorted(one.sums) if one.sums[name] != other.sums.get(name)]:
            raise InputError(
                f"{spec}: {one.name} and {other.name} are about different data ({', '.join(different)})"
            )
        if _seed(one) == _seed(other):
            raise InputError(f"{spec}: {one.name} and {other.name} have the same seed, {_seed(one)}")
    return Group(spec, tuple(runs), tuple(map(_seed, runs)))


@border(*GIT)
def names_of(spec: str) -> tuple[str, ...]:
    """The revisions that a name stands for.

    Args:
        spec: a revision; a list of them, separated by commas; a pattern such as `base*`, which experiments,
            branches and tags are matched with; or what is common to experiments that are numbered, as
            `base` is to base-1 and base-seed1. Where it can be read in several ways, the first one counts.

    Raises:
        InputError: a pattern matches nothing, or this is no project.
    """
    if spec in ("", WORKSPACE) or is_revision(spec):
        return (spec,)
    if "," in spec:
        return tuple(name for part in spec.split(",") for name in names_of(part.strip()))
    scm = open_project().scm
    experiments = {reference.name for reference in exp_refs(scm)}
    if GLOB.search(spec):
        everything = experiments | {*scm.list_branches(), *scm.list_tags()}
        if found := sorted(name for name in everything if fnmatchcase(name, spec)):
            return tuple(found)
        raise InputError(
            f"{spec}: matches no experiment, branch or tag; `dvc exp list --all-commits` and `git branch` "
            "list them"
        )
    numbered = re.compile(rf"{re.escape(spec)}[-_.]?({SEED})?\d+")
    return tuple(sorted(filter(numbered.fullmatch, experiments))) or (spec,)


def _seed(run: Run) -> int:
    seed = run.params.get(SEED)
    return seed if isinstance(seed, int) else 0  # who changed params.yaml by hand is told elsewhere


def _check_params(spec: str, runs: list[Run]) -> None:
    """Refuse runs that differ in more than their seed."""
    first = runs[0]
    said = []
    for key in sorted({key for run in runs for key in run.params} - {SEED}):
        other = next((run for run in runs if run.params.get(key) != first.params.get(key)), None)
        if other:
            values = [f"{run.params.get(key, '(missing)')} in {run.name}" for run in (first, other)]
            said.append(f"{key} ({', '.join(values)})")
    if said:
        more = f" and {len(said) - MAX_KEYS} more" if len(said) > MAX_KEYS else ""
        raise InputError(
            f"{spec}: not a group, for more than the seed differs: {', '.join(said[:MAX_KEYS])}{more}"
        )
