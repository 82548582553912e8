"""Every parameter with its type and limits, checked before any work starts."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    Strict,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from src import artifacts, params_file
from src.defaults import Choice, Facts, fill_in
from src.errors import InputError


def _no_bool(value: object) -> object:
    # YAML's `yes` is True, and True is a number to Python.
    if isinstance(value, bool):
        raise ValueError("should be a number")
    return value


def _one_or_many(value: object) -> object:
    return [value] if isinstance(value, str) and value != "auto" else value


def _as_texts(value: object) -> object:
    # `classes: [1, 2]` and `[yes, no]` are names all the same; YAML makes numbers and truth of them.
    if not isinstance(value, list):
        return value
    return [str(name).lower() if isinstance(name, bool) else str(name) for name in value]


# Limits are wide; they are there so that nothing overflows or runs out of memory later on.
Integer = Annotated[int, Strict(), Field(le=2**32 - 1)]
Switch = Annotated[bool, Strict()]
# Not strict: DVC writes `-S optimizer.lr=1e-5` as 1e-05, which PyYAML reads as a string.
Number = Annotated[float, BeforeValidator(_no_bool), Field(allow_inf_nan=False), Field(le=1e9)]
Share = Annotated[Number, Field(ge=0, lt=1)]


class Group(BaseModel):
    """A group of keys: none unknown, none missing, not changed once read."""

    model_config = ConfigDict(extra="forbid", frozen=True)


Rate = Annotated[Number, Field(gt=0)]


class OptimizerConfig(Group):
    """SGD, AdamW or Muon as torch has them; `adam_lr` matters to `muon` alone."""

    name: Literal["sgd", "adamw", "muon"]
    lr: Annotated[Literal["find"] | Rate, Field(description="should be 'find' or a number above 0")]
    backbone_lr: Annotated[Number, Field(gt=0, le=1)]
    momentum: Share
    weight_decay: Annotated[Number, Field(ge=0)]
    nesterov: Switch
    adam_lr: Rate

    @field_validator("nesterov")
    @classmethod
    def _needs_momentum(cls, value: bool, info: ValidationInfo) -> bool:
        if value and info.data.get("momentum") == 0:
            raise ValueError("should be false when momentum is 0")
        return value


class FindLrConfig(Group):
    """The range test that `optimizer.lr: find` asks for."""

    lowest: Rate
    highest: Rate
    steps: Annotated[Integer, Field(ge=30)]  # with fewer there is no curve to read

    @field_validator("highest")
    @classmethod
    def _above_lowest(cls, value: float, info: ValidationInfo) -> float:
        if value <= info.data.get("lowest", 0):
            raise ValueError(f"should be above find_lr.lowest ({info.data['lowest']:g})")
        return value


class OneCycleConfig(Group):
    """The rate goes up, then down."""

    peak: Annotated[Number, Field(gt=0)]
    start_divisor: Annotated[Number, Field(ge=1)]
    end_divisor: Annotated[Number, Field(ge=1)]
    annihilation: Switch


class PlateauConfig(Group):
    """The rate falls where the loss stalls."""

    factor: Annotated[Number, Field(gt=0, lt=1)]
    patience: Annotated[Integer, Field(ge=0)]
    threshold: Share


class ScheduleConfig(Group):
    """How the learning rate moves."""

    name: Literal["constant", "linear", "cosine", "one_cycle", "plateau"]
    one_cycle: OneCycleConfig
    plateau: PlateauConfig


class AugmentConfig(Group):
    """Random changes to the training images; 0 or false switches one off."""

    pad: Annotated[Integer, Field(ge=0, le=64)]
    scale: Annotated[Number, Field(ge=0, le=1)]
    flip: Annotated[
        Switch | Literal["alternate"], Field(description="should be true or false or 'alternate'")
    ]
    rotate: Annotated[Number, Field(ge=0, le=180)]
    color: Share
    policy: Literal["none", "randaugment"]
    mix: Literal["none", "mixup", "cutmix"]
    cutout: Annotated[Integer, Field(ge=0, le=512)]


class EvaluateConfig(Group):
    """How the model is applied when it is not trained."""

    batch_size: Annotated[Integer, Field(ge=1)]
    tta: Literal["none", "flip", "flip_shift"]


class MisclassifiedConfig(Group):
    """Which of the mistakes are shown."""

    count: Annotated[Integer, Field(ge=1, le=100)]
    order: Literal["confident", "index", "random"]


class GradCamConfig(Group):
    """Which layers are explained, `auto` leaves the choice to the model; and for which class."""

    layers: Annotated[
        Literal["auto"] | Annotated[list[str], Field(min_length=1)],
        BeforeValidator(_one_or_many),
        Field(description="should be 'auto' or names of layers"),
    ]
    classes: Literal["predicted", "actual", "both"]


class ImagesConfig(Group):
    """The user's own images: where they are, and how they are stored."""

    path: Annotated[str, Strict(), Field(min_length=1)]
    table: Annotated[str, Strict(), Field(min_length=1)]
    classes: Annotated[
        Literal["all"] | Annotated[list[str], Field(min_length=2)],
        BeforeValidator(_as_texts),
        Field(description="should be 'all' or at least two names of classes"),
    ]
    test: Annotated[Number, Field(gt=0, lt=1)]
    group: Annotated[str, Strict(), Field(min_length=1)]
    size: Annotated[
        Literal["auto"] | Annotated[Integer, Field(ge=16, le=1024)],
        Field(description="should be 'auto' or a number from 16 to 1024"),
    ]
    fit: Literal["pad", "crop", "stretch"]
    store: Literal["auto", "raw", "jpeg"]
    leaks: Literal["drop", "keep", "stop"]
    on_error: Literal["skip", "skip_all", "stop"]
    max_pixels: Annotated[Integer, Field(ge=1)]


# The last two stand for the names that the pattern allows.
ModelName = (
    Literal["fast", "fast_wide", "fast_deep", "resnet18", "resnet34", "custom_resnet"]
    | Literal["torchvision/NAME", "timm/NAME"]
    | Annotated[str, Field(pattern=r"^(torchvision|timm)/.")]
)


class Params(Group):
    """The whole of params.yaml, where each key is explained."""

    seed: Annotated[Integer, Field(ge=0)]
    dataset: Literal["cifar10", "sample", "images"]
    model: ModelName
    norm: Literal["batch", "sync_batch", "layer", "group"]
    stem: Literal["auto", "original", "small"]
    weights: Annotated[str, Strict(), Field(min_length=1)]
    freeze: Literal["none", "backbone"]
    unfreeze_at: Annotated[Integer, Field(ge=0)]
    epochs: Annotated[Integer, Field(ge=1, le=100_000)]
    batch_size: Annotated[Integer, Field(ge=1)]
    validation: Share
    device: Literal["auto", "cpu", "cuda"]
    precision: Literal["auto", "fp32", "bf16"]
    workers: Annotated[
        Literal["auto"] | Annotated[Integer, Field(ge=0, le=64)],
        Field(description="should be 'auto' or a number from 0 to 64"),
    ]
    threads: Annotated[
        Literal["auto"] | Annotated[Integer, Field(ge=1, le=1024)],
        Field(description="should be 'auto' or a number from 1 to 1024"),
    ]
    processes: Annotated[
        Literal["auto"] | Annotated[Integer, Field(ge=1, le=1024)],
        Field(description="should be 'auto' or a number from 1 to 1024"),
    ]
    deterministic: Switch
    label_smoothing: Share
    class_weights: Literal["none", "balanced", "sampler"]
    ema: Share
    tensorboard: Switch
    label_issues: Switch
    images: ImagesConfig
    optimizer: OptimizerConfig
    find_lr: FindLrConfig
    schedule: ScheduleConfig
    augment: AugmentConfig
    evaluate: EvaluateConfig
    misclassified: MisclassifiedConfig
    gradcam: GradCamConfig

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        if self.optimizer.lr == "find" and self.optimizer.name == "muon":
            raise ValueError(
                "optimizer.lr: 'find' is for optimizer.name: sgd; muon has two rates, "
                "which one test cannot tell apart"
            )
        self._check_library_model()
        one_cycle, epochs = self.schedule.one_cycle, self.epochs
        peak = one_cycle.peak
        if self.schedule.name == "one_cycle" and peak >= epochs:
            raise ValueError(f"schedule.one_cycle.peak: should be less than epochs ({epochs}), not {peak:g}")
        if self.schedule.name == "one_cycle" and one_cycle.annihilation and peak >= epochs / 2:
            raise ValueError(
                f"schedule.one_cycle.peak: should be less than half of epochs ({epochs}) with annihilation, "
                f"which needs the epochs left after the rate has gone up and down, not {peak:g}"
            )
        return self

    def _check_library_model(self) -> None:
        """What only torchvision's and timm's models have, or lack."""
        if "/" in self.model:
            if self.norm not in ("batch", "sync_batch"):
                raise ValueError(
                    f"norm: {self.norm!r} is for Blindspot's own models; {self.model} comes with its own "
                    "normalization: leave norm at 'batch', or 'sync_batch'"
                )
        elif self.weights == "default":
            raise ValueError(
                f"weights: 'default' is for torchvision/NAME and timm/NAME; {self.model} has no pretrained "
                "weights: use 'none', or a file"
            )
        if self.freeze == "backbone" and self.weights == "none":
            raise ValueError(
                "freeze: 'backbone' would keep random weights; set weights to 'default' or to a file"
            )
        if self.unfreeze_at and self.freeze == "none":
            raise ValueError(f"unfreeze_at: {self.unfreeze_at} needs freeze: backbone")
        if self.unfreeze_at > self.epochs or self.unfreeze_at == 1:
            raise ValueError(
                f"unfreeze_at: should be 0 or from 2 to epochs ({self.epochs}), not {self.unfreeze_at}"
            )


def load_params(path: Path = artifacts.PARAMS, facts: Facts | None = None) -> Params:
    """Read and check the parameters.

    Args:
        path: the file.
        facts: about the dataset, which `auto` depends on with the user's own images.

    Raises:
        InputError: the file is missing or no YAML mapping, or a key is unknown, missing, of the wrong type or
            outside its limits; a line for each.
    """
    return load_with_choices(path, facts)[0]


def load_with_choices(
    path: Path = artifacts.PARAMS, facts: Facts | None = None
) -> tuple[Params, list[Choice]]:
    """As `load_params`, and what was chosen for each key that says `auto`."""
    content = params_file.read_mapping(path)
    choices = fill_in(content, facts)
    try:
        return Params.model_validate(content), choices
    except ValidationError as error:
        raise InputError(params_file.in_lines(path, error, Params, content)) from error
