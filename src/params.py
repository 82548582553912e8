"""Every parameter with its type and limits, checked before any work starts."""

import reprlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeGuard, get_args, get_origin

import yaml
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
from pydantic_core import ErrorDetails

from src import artifacts
from src.errors import InputError, suggest


def _no_bool(value: object) -> object:
    # YAML's `yes` is True, and True is a number to Python.
    if isinstance(value, bool):
        raise ValueError("should be a number")
    return value


def _one_or_many(value: object) -> object:
    return [value] if isinstance(value, str) and value != "auto" else value


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
    """SGD or Muon as torch has them; `adam_lr` matters to `muon` alone."""

    name: Literal["sgd", "muon"]
    lr: Annotated[Literal["find"] | Rate, Field(description="should be 'find' or a number above 0")]
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


class ScheduleConfig(Group):
    """How the learning rate moves; what matters to which schedule is said in params.yaml."""

    name: Literal["constant", "linear", "cosine", "one_cycle", "plateau"]
    peak: Annotated[Number, Field(gt=0)]
    start_divisor: Annotated[Number, Field(ge=1)]
    end_divisor: Annotated[Number, Field(ge=1)]
    annihilation: Switch
    factor: Annotated[Number, Field(gt=0, lt=1)]
    patience: Annotated[Integer, Field(ge=0)]
    threshold: Share


class AugmentConfig(Group):
    """Random changes to the training images; 0 or false switches one off."""

    pad: Annotated[Integer, Field(ge=0, le=16)]
    flip: Annotated[
        Switch | Literal["alternate"], Field(description="should be true or false or 'alternate'")
    ]
    rotate: Annotated[Number, Field(ge=0, le=180)]
    cutout: Annotated[Integer, Field(ge=0, le=32)]


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


class Params(Group):
    """The whole of params.yaml, where each key is explained."""

    seed: Annotated[Integer, Field(ge=0)]
    dataset: Literal["cifar10", "sample"]
    model: Literal["fast", "fast_wide", "fast_deep", "resnet18", "resnet34", "custom_resnet"]
    norm: Literal["batch", "layer", "group"]
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
    deterministic: Switch
    label_smoothing: Share
    ema: Share
    tensorboard: Switch
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
        peak, epochs, schedule = self.schedule.peak, self.epochs, self.schedule
        if schedule.name == "one_cycle" and peak >= epochs:
            raise ValueError(f"schedule.peak: should be less than epochs ({epochs}), not {peak:g}")
        if schedule.name == "one_cycle" and schedule.annihilation and peak >= epochs / 2:
            raise ValueError(
                f"schedule.peak: should be less than half of epochs ({epochs}) with annihilation, "
                f"which needs the epochs left after the rate has gone up and down, not {peak:g}"
            )
        return self


class _UniqueKeyLoader(yaml.SafeLoader):
    """SafeLoader that refuses a key that appears twice; it would silently take the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.YAMLError(f"the key {_show(key)} appears twice")
        return super().construct_mapping(node, deep)


def load_params(path: Path = artifacts.PARAMS) -> Params:
    """Read and check the parameters.

    Raises:
        InputError: the file is missing or no YAML mapping, or a key is unknown, missing, of the wrong type or
            outside its limits; a line for each.
    """
    try:
        content = yaml.load(artifacts.require(path).read_text(encoding="utf-8"), Loader=_UniqueKeyLoader)
    except (yaml.YAMLError, ValueError) as error:  # ValueError: dates and numbers that are none
        raise InputError(f"{path}: not valid YAML: {_yaml_reason(error)}") from error
    except RecursionError as error:
        raise InputError(f"{path}: not valid YAML: nested too deeply") from error
    if not isinstance(content, dict):
        raise InputError(f"{path}: should be a mapping of keys to values, not {_show(content)}")
    try:
        return Params.model_validate(content)
    except ValidationError as error:
        details = error.errors()
        # A misspelled key is missing under its right name too; that would be two lines for one mistake.
        if any(detail["type"] == "extra_forbidden" for detail in details):
            details = [detail for detail in details if detail["type"] != "missing"]
        # Each branch of a union has its say; the same line once is enough.
        lines = dict.fromkeys(_explain(detail, content) for detail in details)
        raise InputError("\n".join(f"{path}: {line}" for line in lines)) from error


def flatten(params: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, object]]:
    """Parameters with their names as `-S` takes them, e.g. `optimizer.lr`."""
    for key, value in params.items():
        if isinstance(value, Mapping):
            yield from flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", _to_number(value)


def _to_number(value: object) -> object:
    """The number that PyYAML takes for a string: DVC writes 0.00001 as 1e-05."""
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value


def _explain(error: ErrorDetails, content: dict[str, Any]) -> str:
    """One line for one of pydantic's errors."""
    if not error["loc"]:  # of the whole: `_fit_together` names the key itself
        return error["msg"].removeprefix("Value error, ")
    # Its location goes on, behind group and key, with the branch of a union or the place in a list.
    group: type[Group] = Params
    name, prefix, holder = str(error["loc"][0]), "", content
    inner = Params.model_fields[name].annotation if name in Params.model_fields else None
    if _is_group(inner) and isinstance(content.get(name), dict) and len(error["loc"]) > 1:
        group, name, prefix, holder = inner, str(error["loc"][1]), f"{name}.", content[name]

    if name not in group.model_fields:
        return f"unknown key {_show(prefix + name)}; {suggest(name, group.model_fields)}"
    key = prefix + name
    if error["type"] == "missing":
        return f"{key}: missing"
    field, value = group.model_fields[name], holder.get(name)
    if error["type"] == "literal_error" and get_origin(field.annotation) is Literal:
        return f"{key}: {_show(value)} is not a valid value; {suggest(value, get_args(field.annotation))}"
    if _is_group(field.annotation):
        rule = f"should be a group of keys ({', '.join(field.annotation.model_fields)})"
    else:
        # The field's own words where it has them; else pydantic's, less what is said anyway.
        rule = field.description or error["msg"].removeprefix("Value error, ").removeprefix("Input ")
        rule = rule.partition(", ")[0]
    return f"{key}: {rule}, not {_show(value)}"


def _is_group(annotation: object) -> TypeGuard[type[Group]]:
    return isinstance(annotation, type) and issubclass(annotation, Group)


def _yaml_reason(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
    reason = " ".join(str(getattr(error, "problem", None) or error).split())
    return where + "".join(c if c.isprintable() else ascii(c)[1:-1] for c in reason)


def _show(value: object) -> str:
    """The value in few characters; an alias to itself or a number of a million digits is shown too."""
    try:
        text = reprlib.repr(value)
    except ValueError:
        text = "a huge number"
    return text if len(text) <= 60 else text[:57] + "..."
