"""The registry of models: a new one is a file in this folder, a line below, a name in `src.params`,
and its file in dvc.yaml; tests name what is missing."""

from collections.abc import Callable

from src.errors import InputError, suggest
from src.models import weights as files
from src.models.base import Classifier
from src.models.custom_resnet import custom_resnet
from src.models.fast import fast, fast_deep, fast_wide
from src.models.library import create_library_model
from src.models.library_sizes import is_library_model
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


def create_model(
    name: str,
    classes: int,
    norm: str = "batch",
    size: int | None = None,
    stem: str = "auto",
    weights: str = "none",
    log: Callable[[str], None] = print,
) -> Classifier:
    """Build a model: freshly initialized, or with weights up to its last layer.

    Args:
        name: a key of `MODELS`, or `torchvision/NAME` or `timm/NAME`.
        classes: how many classes to tell apart.
        norm: `batch`, `sync_batch`, `layer` or `group`, see `src.models.base.norm_layer`; of the models in
            `MODELS`.
        size: side of the images in pixels; None: what the network was made for.
        stem: `auto`, `small` or `original`, see `src.models.stems`; of the libraries' networks.
        weights: `none`; `default`, the library's own; or a file.
        log: is told which weights were loaded.

    Raises:
        InputError: the model is not known, does not take images of this size, or the weights do not fit.
    """
    if is_library_model(name):
        return create_library_model(name, classes, size, stem, weights, log)
    if name not in MODELS:
        raise InputError(
            f"model: {name!r} is not known; {suggest(name, MODELS)}, torchvision/NAME, timm/NAME"
        )
    model = MODELS[name](classes, norm)
    if weights == "default":
        raise InputError(f"weights: there are none to download for {name}; set weights to none, or to a file")
    if weights != "none":
        content = files.read(weights)
        log(f"weights: {files.load_own(model, content, name)}")
        model.pretrained, model.statistics = True, files.statistics(content)
    return model
