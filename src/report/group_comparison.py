"""Whether a change helps: two groups of seeds on the same images."""

from dataclasses import dataclass, field, replace

from src.errors import InputError
from src.report.alignment import on_common_images, with_labels
from src.report.comparison import check_classes, differing_params
from src.report.group_blindspots import GroupFollowUp, follow_groups
from src.report.groups import SEED, Group
from src.report.reliability import ImageChanges, image_changes
from src.report.two_way import ClassDifference, Difference, difference_of, differences_by_class
from src.report.verdict import Verdict, verdict_of


@dataclass(frozen=True)
class GroupComparison:
    """Two groups on the same images, by the same labels: those of `b`, where corrections have changed some.

    Attributes:
        a, b: the groups, as if all of their runs had been tested on these images and labels.
        difference: of their mean accuracies, with its interval over seeds and images.
        changes: what became of each image, over all seeds.
        classes: the difference on each class, in the order of the dataset.
        params: key to its values in both, where they differ; None where a key is missing. Not the seed.
        labels_changed: test images that have another label in one group than in the other.
        images_removed: test images that only one of the groups has, and that are left out here.
        blindspots: what became of the blind spots.
    """

    a: Group
    b: Group
    difference: Difference
    changes: ImageChanges
    classes: list[ClassDifference]
    params: dict[str, tuple[object, object]]
    labels_changed: int = 0
    images_removed: int = 0
    blindspots: GroupFollowUp = field(default_factory=GroupFollowUp)

    @property
    def verdict(self) -> Verdict:
        """Whether the change from a to b helps."""
        return verdict_of(self.difference)

    @property
    def images(self) -> int:
        """Number of images that all runs were tested on."""
        return self.difference.images


def compare_groups(a: Group, b: Group) -> GroupComparison:
    """Compare two groups of seeds.

    Raises:
        InputError: they share a run, or were not evaluated on the same images, apart from what corrections
            have removed.
    """
    if shared := {run.name for run in a.runs} & {run.name for run in b.runs}:
        raise InputError(f"{min(shared)} is in both groups, {a.name} and {b.name}")
    one, other = a.runs[0], b.runs[0]
    check_classes(one, other)
    # What a group's runs have in common is checked when it is read, so one of each stands for all.
    runs_a = [on_common_images(run, other)[0] for run in a.runs]
    runs_b = [on_common_images(one, run)[1] for run in b.runs]
    before, after = runs_a[0].predictions.actual, runs_b[0].predictions.actual
    a = replace(a, runs=tuple(with_labels(run, after) for run in runs_a))
    b = replace(b, runs=tuple(runs_b))
    params = {key: values for key, values in differing_params(one, other).items() if key != SEED}
    return GroupComparison(
        a,
        b,
        difference_of(a.right, b.right),
        image_changes(a.right, b.right),
        differences_by_class(a.right, b.right, after, other.predictions.classes),
        params,
        int((before != after).sum()),
        max(len(one.images), len(other.images)) - len(after),
        follow_groups(a, b),
    )
