"""What is minimized: cross-entropy, with all that may be done to labels and weights."""

from typing import Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F


class Mixing:
    """Mixes each image of a batch with the one before it, and their labels in the same shares.

    `mixup` blends the two: Zhang et al., "mixup: Beyond Empirical Risk Minimization", 2018; `cutmix` pastes a
    rectangle of one into the other: Yun et al., "CutMix: Regularization Strategy to Train Strong Classifiers
    with Localizable Features", 2019. Both are torchvision's, with shares drawn uniformly, one for a batch.

    Args:
        name: which of the two.
        classes: how many there are.
        seed: together with epoch and step it fixes what happens to a batch.
    """

    def __init__(self, name: Literal["mixup", "cutmix"], classes: int, seed: int) -> None:
        from torchvision.transforms import v2  # here, because it takes a second to import

        self.transform = {"mixup": v2.MixUp, "cutmix": v2.CutMix}[name](num_classes=classes)
        self.seed = seed

    def __call__(self, images: Tensor, labels: Tensor, epoch: int, step: int) -> tuple[Tensor, Tensor]:
        """Mixed images and probabilities.

        Args:
            images: float32 (B, 3, H, W).
            labels: int64 (B,).
            epoch, step: which batch it is.

        Returns:
            Like `images`, and float32 (B, classes).
        """
        [seed] = np.random.SeedSequence((self.seed, epoch, step)).generate_state(1, np.uint64)
        # torchvision draws from torch's own generator, which the model's layers draw from too.
        state = torch.get_rng_state()
        torch.default_generator.manual_seed(int(seed))
        try:
            return self.transform(images, labels)
        finally:
            torch.set_rng_state(state)


class Objective:
    """The loss that is minimized: mean over the images of cross-entropy, each weighted by its class.

    Args:
        label_smoothing: share of the target that is spread evenly over all classes.
        class_weights: float32 (classes,); None: all weigh 1.
        mixing: what is done to batches; None: nothing.
    """

    def __init__(
        self, label_smoothing: float, class_weights: Tensor | None = None, mixing: Mixing | None = None
    ) -> None:
        self.label_smoothing, self.class_weights, self.mixing = label_smoothing, class_weights, mixing

    def mix(self, images: Tensor, labels: Tensor, epoch: int, step: int) -> tuple[Tensor, Tensor]:
        """See `Mixing`; without one, images and labels themselves."""
        return self.mixing(images, labels, epoch, step) if self.mixing else (images, labels)

    def loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        """A mean over the batch.

        The weight of an image is that of its class, or with probabilities the mean of theirs. Not torch's
        `weight`, which divides by the weights of the batch, and also weighs what label smoothing adds.

        Args:
            logits: (B, classes).
            targets: int64 (B,), labels; or float32 (B, classes), probabilities.
        """
        if self.class_weights is None:
            return F.cross_entropy(logits, targets, label_smoothing=self.label_smoothing)
        weights = self.class_weights.to(logits.device)
        weights = (targets * weights).sum(1) if targets.is_floating_point() else weights[targets]
        losses = F.cross_entropy(logits, targets, label_smoothing=self.label_smoothing, reduction="none")
        return (losses * weights).mean()
