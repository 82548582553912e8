"""What `auto` in params.yaml stands for: the one place where defaults are chosen.

For CIFAR-10 and its sample the values were searched for (docs/settings.md). For the user's own images they
depend on how many there are, and on what the model has learned before.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Facts:
    """About the dataset: images to train on and to validate with."""

    images: int


@dataclass(frozen=True)
class Choice:
    """What was chosen for a key that says `auto`, and why."""

    key: str
    value: object
    reason: str


CIFAR = {
    "epochs": 12,
    "batch_size": 1000,
    "label_smoothing": 0.2,
    "optimizer.name": "muon",
    "optimizer.lr": 0.2,
    "optimizer.weight_decay": 0.06,
    "optimizer.adam_lr": 0.02,
    "augment.pad": 2,
    "augment.scale": 0.0,
    "augment.flip": "alternate",
    "augment.color": 0.0,
}
SAMPLE = CIFAR | {"epochs": 20, "batch_size": 100, "optimizer.lr": 0.1}
UNUSED = ""  # the reason for a value that does not matter
UNKNOWN = Facts(1000)  # before the images have been read; nothing that depends on it is used then


def fill_in(content: dict[str, Any], facts: Facts | None) -> list[Choice]:
    """Replace `auto` by the value it stands for, in place.

    Args:
        content: of params.yaml, not yet checked: whatever is wrong with it is left as it is.
        facts: about the dataset; None before it has been read.

    Returns:
        What was chosen, in the order of the table of defaults.
    """
    choices = []
    for key, value, reason in _defaults(content, facts or UNKNOWN):
        *groups, name = key.split(".")
        holder: Any = content
        for group in groups:
            holder = holder.get(group) if isinstance(holder, dict) else None
        if isinstance(holder, dict) and holder.get(name) == "auto":
            holder[name] = value
            choices.append(Choice(key, value, reason))
    return choices


def explain(choices: list[Choice]) -> str:
    """A line for each reason, with all that was chosen for it."""
    reasons = dict.fromkeys(choice.reason for choice in choices if choice.reason != UNUSED)
    lines = {
        reason: ", ".join(f"{choice.key} {choice.value}" for choice in choices if choice.reason == reason)
        for reason in reasons
    }
    return "\n".join(f"auto, {reason}: {chosen}" for reason, chosen in lines.items())


def _defaults(content: dict[str, Any], facts: Facts) -> Iterator[tuple[str, object, str]]:
    dataset = content.get("dataset")
    if dataset != "images":
        values, reason = (SAMPLE, "for the sample") if dataset == "sample" else (CIFAR, "for CIFAR-10")
        yield from ((key, value, reason) for key, value in values.items())
        return
    yield from _for_images(content, facts)


def _for_images(content: dict[str, Any], facts: Facts) -> Iterator[tuple[str, object, str]]:
    frozen = content.get("freeze") == "backbone" and not content.get("unfreeze_at")
    pretrained = content.get("weights") not in (None, "none")
    # So that an epoch has 40 to 80 steps, as far as batches of 16 to 256 allow.
    batch = min(max(2 ** ((facts.images // 40).bit_length() - 1), 16), 256)
    batch = min(batch, max(facts.images // 2, 2))  # some are held out, and batch norm needs two
    own = "/" not in str(content.get("model"))
    optimizer = "muon" if own and not pretrained else "adamw"
    if frozen:
        epochs, rate = min(max(round(100_000 / facts.images), 20), 60), 3e-3
        what = "only the last layer is trained"
    elif pretrained:
        # After unfreezing, the rate is the last layer's: the others' is optimizer.backbone_lr times that.
        rate = 3e-3 if content.get("unfreeze_at") else 5e-4
        epochs, what = min(max(round(20_000 / facts.images), 4), 20), "pretrained"
    else:
        epochs, rate = min(max(round(30_000 / facts.images), 12), 60), 0.1 if optimizer == "muon" else 1e-3
        what = "from scratch"
    count = f"{what}, {facts.images:,} images to train on"
    photographs = "the features of an image are computed once" if frozen else "for photographs"
    decay = 0.06 if optimizer == "muon" else 0.5 if frozen else 0.05
    yield "epochs", epochs, count
    yield "batch_size", batch, count
    yield "label_smoothing", 0.0 if frozen else 0.1, what
    yield "optimizer.name", optimizer, what
    yield "optimizer.lr", rate, what
    yield "optimizer.weight_decay", decay, what
    yield "optimizer.adam_lr", 0.02, what if optimizer == "muon" else UNUSED
    yield "augment.pad", 0, photographs
    yield "augment.scale", 0.0 if frozen else 0.35, photographs
    yield "augment.color", 0.0 if frozen else 0.2, photographs
    yield "augment.flip", True, "left and right are alike in most photographs; false for writing"
