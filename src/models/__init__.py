"""The registry of models: a new one is a file in this folder and a line below.

Reading the names costs nothing: torch is imported only when a model is built.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from src.models.base import Classifier

# name → the module of this folder with a function of that name, `(classes, norm) -> Classifier`
MODELS = {
    "fast": "fast",
    "fast_wide": "fast",
    "fast_deep": "fast",
    "resnet18": "resnet",
    "resnet34": "resnet",
    "custom_resnet": "custom_resnet",
}


def create(name: str, classes: int, norm: str = "batch") -> Classifier:
    """Build a freshly initialised model.

    Args:
        name: a key of `MODELS`.
        classes: how many classes to tell apart.
        norm: `batch`, `layer` or `group`, see `src.models.base.norm_layer`.
    """
    module = importlib.import_module(f"{__name__}.{MODELS[name]}")
    return getattr(module, name)(classes, norm)
