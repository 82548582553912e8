"""What became of blind spots from one group of seeds to another: in how many runs they are there."""

from dataclasses import dataclass

from src.blindspots.files import SpotFigures
from src.report.blindspots import Fate, images_of, is_raised, matches, numbers_of
from src.report.groups import Group
from src.report.reliability import exceptions
from src.report.run import Run


@dataclass(frozen=True)
class GroupSpot:
    """A blind spot of the run of median accuracy of one side, in the runs of both.

    Attributes:
        spot: its number among those of that run, from 1.
        side: `a` or `b`, whose run it is.
        figures: as that run has them.
        verdict: what became of it from a to b.
        raised: in how many runs of each side the error rate of its images is raised.
        runs: how many there are.
    """

    spot: int
    side: str
    figures: SpotFigures
    verdict: Fate
    raised: tuple[int, int]
    runs: tuple[int, int]

    def reason(self, a: str = "A", b: str = "B") -> str:
        """What the verdict rests on, in a sentence.

        Args:
            a, b: names of the sides.
        """
        said = [
            f"{raised} of {runs} runs of {name}"
            for raised, runs, name in zip(self.raised, self.runs, (a, b), strict=True)
        ]
        return f"raised in {' and '.join(said)}"

    def as_dict(self) -> dict:
        """For programs."""
        return {
            "spot": self.spot,
            "side": self.side,
            "verdict": str(self.verdict),
            "sentence": self.figures.sentence,
            "reason": self.reason(),
            "raised": dict(zip("ab", self.raised, strict=True)),
            "runs": dict(zip("ab", self.runs, strict=True)),
        }


@dataclass(frozen=True)
class GroupFollowUp:
    """The blind spots of two groups.

    Attributes:
        spots: those of `a`'s median run, then those of `b`'s that it doesn't have.
        missing: names of the groups in whose median run blind spots were not looked for.
        lost: numbers of `a`'s spots that cannot be followed: none of the images that confirmed them is left.
    """

    spots: tuple[GroupSpot, ...] = ()
    missing: tuple[str, ...] = ()
    lost: tuple[int, ...] = ()

    def by_verdict(self, verdict: Fate) -> list[GroupSpot]:
        """Those with that verdict."""
        return [spot for spot in self.spots if spot.verdict == verdict]


def follow_groups(a: Group, b: Group) -> GroupFollowUp:
    """Follow the blind spots of both sides' median runs through all runs, on the same images and labels.

    A spot is there in a side if it is raised in all of its runs, of three or more in all but one; it is gone
    if it is raised in none, or in one of three or more. One of A is healed if it was there in A and is gone
    in B, and worse the other way around; one of B is new if it was gone in A and is there in B.
    """
    sides = a.median, b.median
    spots: list[GroupSpot] = []
    for side, run, other in zip("ab", sides, reversed(sides), strict=True):
        known = matches(run.blindspots, other.blindspots) if side == "b" else {}
        spots += [
            spot
            for number in numbers_of(run.blindspots)
            if number not in known
            for spot in _followed(number, side, run, a, b)
        ]
    missing = tuple(group.name for group, run in zip((a, b), sides, strict=True) if run.blindspots is None)
    followed = [spot.spot for spot in spots if spot.side == "a"]
    lost = tuple(number for number in numbers_of(sides[0].blindspots) if number not in followed)
    return GroupFollowUp(tuple(spots), missing, lost)


def _followed(number: int, side: str, run: Run, a: Group, b: Group) -> list[GroupSpot]:
    """The spot, or nothing where none of its images is left."""
    assert run.blindspots
    inside, rest = images_of(run.blindspots, number, run)
    if not inside.any():
        return []
    raised = tuple(sum(is_raised(right, inside, rest) for right in group.right) for group in (a, b))
    runs = len(a.runs), len(b.runs)
    there = [times >= of - exceptions(of) for times, of in zip(raised, runs, strict=True)]
    gone = [times <= exceptions(of) for times, of in zip(raised, runs, strict=True)]
    verdict = Fate.UNCHANGED
    if there[0] and gone[1]:
        verdict = Fate.HEALED
    elif gone[0] and there[1]:
        verdict = Fate.NEW if side == "b" else Fate.WORSE
    figures = run.blindspots.spots[number - 1]
    return [GroupSpot(number, side, figures, verdict, (raised[0], raised[1]), runs)]
