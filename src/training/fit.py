"""A whole training: in one go, or first of the last layer alone and then, perhaps, of everything."""

from collections.abc import Callable
from typing import Any

import numpy as np

from src.data.augmentation import unused_by_features
from src.evaluation.inference import predict_logits
from src.evaluation.scores import log_softmax
from src.hardware import Hardware
from src.params import Params
from src.training.checkpoint import CheckpointFile
from src.training.frozen import head_setup
from src.training.loop import Epoch, Phase, train
from src.training.setup import TrainingSetup

REJECTED = 0.05  # share of the right answers that are given up to notice pictures of something else


class Checkpoints:
    """What a training in one or two phases resumes from.

    Args:
        key: from `fingerprint`.
    """

    def __init__(self, key: str) -> None:
        self.head, self.whole = CheckpointFile(f"{key}-head"), CheckpointFile(key)

    def remove(self) -> None:
        """The training is over."""
        self.head.remove()
        self.whole.remove()


def fit(
    setup: TrainingSetup,
    hardware: Hardware,
    params: Params,
    environment: dict[str, Any],
    checkpoints: Checkpoints | None = None,
    on_epoch_end: Callable[[Epoch], None] = lambda _: None,
) -> list[Epoch]:
    """Train the setup's model in place, on the hardware's device; returns one row per epoch.

    With `freeze: backbone` the last layer is trained on features, see `src.training.frozen`. From epoch
    `unfreeze_at` on all is trained, on augmented images, with new optimizers and a schedule for the epochs
    left, at `optimizer.backbone_lr` times `optimizer.lr` for all but the last layer: gradual unfreezing,
    Howard & Ruder, "Universal Language Model Fine-tuning for Text Classification", 2018, in a single step.

    Args:
        setup: what to start from.
        hardware: device and precision.
        params: all that shapes a training.
        environment: see `head_setup`.
        checkpoints: written after each epoch; resumed from if there are any.
        on_epoch_end: see `train`.

    Raises:
        InputError: see `train`; features cannot be written.
    """
    model = hardware.place(setup.model)
    head, whole = (checkpoints.head, checkpoints.whole) if checkpoints else (None, None)
    phase = Phase(params.epochs)
    if params.freeze == "backbone":
        last = params.unfreeze_at - 1 if params.unfreeze_at else params.epochs
        if unused := unused_by_features(params.augment):
            when = f"in epochs 1 to {last}" if params.unfreeze_at else "with freeze: backbone"
            print(f"not used {when}, where features are computed once: {', '.join(unused)}")
        frozen = head_setup(setup, params, hardware, environment)
        curves = train(
            frozen.model,
            frozen.batches,
            frozen.val_split,
            frozen.normalize,
            hardware,
            params,
            setup.held_out,
            head,
            on_epoch_end,
            frozen.objective,
            Phase(last),
        )
        if not params.unfreeze_at:
            return curves
        phase = Phase(params.epochs, tuple(curves), tuple(model.backbone_parameters()))
    return train(
        model,
        setup.batches,
        setup.val_split,
        setup.normalize,
        hardware,
        params,
        setup.held_out,
        whole,
        on_epoch_end,
        setup.objective,
        phase,
    )


def unsure_below(setup: TrainingSetup, hardware: Hardware) -> float:
    """The confidence below which an answer should not count, from images that were held out.

    A picture that shows none of the classes gets an answer too, often a confident one, though on average less
    so than a picture that does: Hendrycks & Gimpel, "A Baseline for Detecting Misclassified and
    Out-of-Distribution Examples in Neural Networks", 2017.

    Args:
        setup: its model is trained by now.
        hardware: device and precision.

    Returns:
        The highest probability that at most `REJECTED` of the right answers fall below, without test-time
        augmentation; 0 where nothing was held out, or nothing was right.
    """
    if not setup.held_out:
        return 0.0
    logits = predict_logits(setup.model, setup.val_split.images, setup.normalize, hardware)
    confidence = np.exp(log_softmax(logits).max(1))[logits.argmax(1) == setup.val_split.labels]
    return float(np.quantile(confidence, REJECTED, method="lower")) if len(confidence) else 0.0
