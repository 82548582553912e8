"""Conditions that a second model has to meet before a pull request is merged, say."""

import re
from dataclasses import dataclass

from src.download.names import counted
from src.errors import GateError, InputError
from src.report.tables import points

MORE = "`make seeds` runs more"


@dataclass(frozen=True)
class Facts:
    """What the conditions are about.

    Attributes:
        names: of both sides.
        seeds: how many runs each has.
        interval: confidence interval of the accuracies' difference, second minus first; None if there are too
            few seeds for one.
        broken: images that went from right to wrong: of groups, reliably so.
        images: all test images.
        new_blindspots: what they are, a sentence each.
        without_blindspots: names of the sides in which blind spots were not looked for.
    """

    names: tuple[str, str]
    seeds: tuple[int, int]
    interval: tuple[float, float] | None
    broken: int
    images: int
    new_blindspots: tuple[str, ...] = ()
    without_blindspots: tuple[str, ...] = ()


@dataclass(frozen=True)
class Gates:
    """Conditions as the command line has them; None is none.

    Attributes:
        fail_if_worse_by: a percentage: fails if the second is surely worse by more.
        require_not_worse_by: a percentage: fails unless the second is surely not worse by more.
        fail_if_broken_above: a percentage of the images, or a number of them.
        min_seeds: that each side has to have.
        fail_on_new_blind_spot: fails if the second has a blind spot that the first does not have.
    """

    fail_if_worse_by: str | None = None
    require_not_worse_by: str | None = None
    fail_if_broken_above: str | None = None
    min_seeds: int = 1
    fail_on_new_blind_spot: bool = False

    def check_form(self) -> None:
        """Before anything is read.

        Raises:
            InputError: a condition can't be understood.
        """
        for option, limit in self._margins():
            _share(option, limit)

    def check(self, facts: Facts) -> None:
        """Judge the second model.

        Raises:
            GateError: it does not meet a condition; a line for each.
            InputError: that cannot be judged.
        """
        for name, count in zip(facts.names, facts.seeds, strict=True):
            if count < self.min_seeds:
                raise InputError(
                    f"{name}: {counted(count, 'run')}, below --min-seeds {self.min_seeds}; {MORE}"
                )
        said = [
            *self._margin_failures(facts),
            *self._broken_failures(facts),
            *self._blind_spot_failures(facts),
        ]
        if said:
            raise GateError("\n".join(said))

    def _margins(self) -> list[tuple[str, str]]:
        options = {
            "--fail-if-worse-by": self.fail_if_worse_by,
            "--require-not-worse-by": self.require_not_worse_by,
        }
        return [(option, limit) for option, limit in options.items() if limit is not None]

    def _margin_failures(self, facts: Facts) -> list[str]:
        said = []
        for option, limit in self._margins():
            if facts.interval is None:
                raise InputError(f"{option}: too few seeds to tell; {MORE}")
            low, high = facts.interval
            within = f"95% confidence interval {points(low)} to {points(high)} points"
            margin = -_share(option, limit)
            if option == "--fail-if-worse-by" and high < margin:
                said.append(f"{option} {limit}: {facts.names[1]} is worse by more than that ({within})")
            if option == "--require-not-worse-by" and not low > margin:
                said.append(f"{option} {limit}: {facts.names[1]} may be worse by more than that ({within})")
        return said

    def _broken_failures(self, facts: Facts) -> list[str]:
        limit = self.fail_if_broken_above
        if limit is None:
            return []
        try:
            number = float(limit.removesuffix("%"))
            most = number / 100 * facts.images if limit.endswith("%") else number
        except ValueError:
            most = -1.0
        if not 0 <= most <= facts.images:
            raise InputError(
                f"--fail-if-broken-above: should be a number of images or a percentage of them, not {limit!r}"
            )
        if facts.broken <= most:
            return []
        how = "reliably broken" if max(facts.seeds) > 1 else "broken"
        return [f"{facts.broken} images are {how} ({facts.broken / facts.images:.2%}), more than {limit}"]

    def _blind_spot_failures(self, facts: Facts) -> list[str]:
        if not self.fail_on_new_blind_spot:
            return []
        option = "--fail-on-new-blind-spot"
        if facts.without_blindspots:
            raise InputError(
                f"{option}: {facts.without_blindspots[0]} was made before blind spots were looked for; run "
                "`dvc repro` there"
            )
        return [f"{option}: {spot}" for spot in facts.new_blindspots]


def _share(option: str, limit: str) -> float:
    """A percentage as a share."""
    if not re.fullmatch(r"\d{1,2}(\.\d+)?%", limit):
        raise InputError(f"{option}: should be a percentage such as 0.5%, not {limit!r}")
    return float(limit.removesuffix("%")) / 100
