"""A trained model in a file that says what it is."""

import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from src import artifacts
from src.errors import InputError
from src.models.base import Classifier
from src.models.registry import create_model
from src.preprocessing import Preprocessing


@dataclass(frozen=True)
class TrainedModel:
    """A model with what it takes to build it again and to use it.

    Attributes:
        model: with its weights.
        name: as in params.yaml, as `norm` and `stem` are.
        classes: in the order of the logits.
        mean: of red, green, blue in 0–1, which images are normalized by; `std` likewise.
        preprocessing: how a picture becomes what the model takes.
        unsure_below: the highest probability has to reach it for the answer to count; 0: not known.
    """

    model: Classifier
    name: str
    norm: str
    stem: str
    classes: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    preprocessing: Preprocessing
    unsure_below: float = 0.0

    @property
    def size(self) -> int:
        """The side of the model's images in pixels."""
        return self.preprocessing.size


def save_trained(trained: TrainedModel, path: Path = artifacts.TRAINED_MODEL) -> None:
    """Write weights, fp32 on the CPU, and description; the same content gives the same bytes."""
    # clone, because a 1×1 convolution counts as contiguous with either order of strides.
    weights = {
        key: value.cpu().clone(memory_format=torch.contiguous_format)
        for key, value in trained.model.state_dict().items()
    }
    content = {
        "name": trained.name,
        "norm": trained.norm,
        "stem": trained.stem,
        "classes": list(trained.classes),
        "mean": [float(value) for value in trained.mean],
        "std": [float(value) for value in trained.std],
        "preprocessing": trained.preprocessing.to_dict(),
        "unsure_below": float(trained.unsure_below),
        "weights": weights,
    }
    # Through memory: given a path, torch would write its (temporary) name into the file.
    buffer = io.BytesIO()
    torch.save(content, buffer)
    with artifacts.atomic_file(path) as temporary:
        temporary.write_bytes(buffer.getbuffer())


def load_trained(path: Path = artifacts.TRAINED_MODEL, of: Sequence[str] | None = None) -> TrainedModel:
    """Read a trained model; nothing in the file is executed.

    Args:
        path: the file.
        of: the classes that it has to know, in the order of the dataset's labels.

    Raises:
        InputError: the file is missing, damaged, of a model that is not known here, or of other classes.
    """
    artifacts.require(path)
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        classes = tuple(content["classes"])
        preprocessing = Preprocessing(**content["preprocessing"])
        model = create_model(
            content["name"], len(classes), content["norm"], preprocessing.size, content["stem"]
        )
        model.load_state_dict(content["weights"])
        trained = TrainedModel(
            model,
            content["name"],
            content["norm"],
            content["stem"],
            classes,
            tuple(content["mean"]),
            tuple(content["std"]),
            preprocessing,
            content["unsure_below"],
        )
    except Exception as error:  # a damaged file can make torch raise almost anything
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(
            f"{path}: damaged, or not a model of this pipeline ({reason}); {artifacts.REMEDY}"
        ) from error
    if of is not None and classes != tuple(of):
        raise InputError(
            f"{path}: knows the classes {', '.join(classes)}, not {', '.join(of)}; {artifacts.REMEDY}"
        )
    return trained


def with_random_weights(trained: TrainedModel) -> TrainedModel:
    """The same network before any training, the same in every experiment."""
    torch.manual_seed(0)
    size = trained.size
    model = create_model(trained.name, len(trained.classes), trained.norm, size, trained.stem)
    return replace(trained, model=model)
