"""The registry of models: a new one is a file in this folder, a line below, a name in `src.params`,
and its file in dvc.yaml; tests name what is missing."""

from collections.abc import Callable

from src.models.base import Classifier
from src.models.custom_resnet import custom_resnet
from src.models.fast import fast, fast_deep, fast_wide
from src.models.resnet import resnet18, resnet34

# name → a function of the number of classes and the normalization
MODELS: dict[str, Callable[[int, str], Classifier]] = {
    "fast": fast,
    "fast_wide": fast_wide,
    "fast_deep": fast_deep,
    "resnet18": resnet18,
    "resnet34": resnet34,
    "custom_resnet": custom_resnet,
}


def create_model(name: str, classes: int, norm: str = "batch") -> Classifier:
    """Build a freshly initialized model.

    Args:
        name: a key of `MODELS`.
        classes: how many classes to tell apart.
        norm: `batch`, `layer` or `group`, see `src.models.base.norm_layer`.
    """
    return MODELS[name](classes, norm)
