"""Training the last layer alone, on features that the rest of the network has made once."""

import hashlib
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from src import artifacts
from src.data.batches import TrainingBatches
from src.data.dataset import Split
from src.hardware import Hardware
from src.params import Params
from src.training.checkpoint import fingerprint
from src.training.features import FeatureFolder, FeatureViews, extractor
from src.training.objective import Objective
from src.training.setup import TrainingSetup


@dataclass(frozen=True)
class HeadSetup:
    """As `TrainingSetup`, with the last layer for a model and features for images.

    Attributes:
        model: the last layer of the setup's model, on the hardware's device.
        batches: features, float32 (B, D), and labels, int64 (B,).
        val_split: float32 (N, D) instead of images.
        normalize: leaves features as they are.
        objective: without mixing, which needs images.
    """

    model: nn.Module
    batches: TrainingBatches
    val_split: Split
    normalize: Callable[[Tensor], Tensor]
    objective: Objective


def head_setup(
    setup: TrainingSetup, params: Params, hardware: Hardware, environment: dict[str, Any]
) -> HeadSetup:
    """Compute the features, if they are not there yet.

    Args:
        setup: its model on the hardware's device.
        params: `augment.flip` decides about a mirrored view of the training images.
        hardware: device and precision.
        environment: what else features may depend on, from `describe_environment`.
    """
    folder = FeatureFolder(_key(setup, params, environment))
    views = 2 if params.augment.flip else 1
    normalize, model = setup.normalize, setup.model
    training = folder.compute(
        "training", setup.train_split.images, extractor(model, normalize, hardware, views == 2), views
    )
    [validation] = folder.compute(
        "validation", setup.val_split.images, extractor(model, normalize, hardware, False), 1
    )
    return HeadSetup(
        model.head,
        TrainingBatches(
            FeatureViews(training, params.seed),
            setup.train_split.labels,
            params.batch_size,
            params.seed,
            balanced=params.class_weights == "sampler",
        ),
        Split(validation, setup.val_split.labels),
        _unchanged,
        Objective(params.label_smoothing, setup.objective.class_weights),
    )


def _unchanged(features: Tensor) -> Tensor:
    return features


def _key(setup: TrainingSetup, params: Params, environment: dict[str, Any]) -> str:
    """Of all that features depend on; not of the last layer, nor of how it is trained."""
    head = {id(weights) for weights in setup.model.head.state_dict(keep_vars=True).values()}
    weights = hashlib.sha256()
    for name, value in setup.model.state_dict(keep_vars=True).items():
        if id(value) not in head:
            weights.update(name.encode())
            content = value.detach().cpu().contiguous().flatten().view(torch.uint8)
            weights.update(memoryview(content.numpy()))
    facts = {
        "model": [params.model, params.norm, params.stem],
        "weights": weights.hexdigest(),
        "mean_std": [setup.mean_std["mean"], setup.mean_std["std"]],
        "training": hashlib.sha256(setup.train_indices.tobytes()).hexdigest(),
        "held_out": setup.held_out,
        "mirrored": bool(params.augment.flip),
        "environment": environment,
        "libraries": [metadata.version(name) for name in ("torchvision", "timm")],
    }
    code = [module for name, module in sys.modules.items() if name.startswith("src.models.")]
    files = [Path(module.__file__) for module in code if module.__file__]
    # meta.json has the checksums of the images and their size.
    return fingerprint(
        facts, [*files, Path(__file__).with_name("features.py"), artifacts.DATASET / "meta.json"]
    )
