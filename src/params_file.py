"""A parameter file: reading it, and saying what is wrong with it in one clear line for each mistake."""

import reprlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, TypeGuard, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from src import artifacts
from src.errors import InputError, suggest


class _UniqueKeyLoader(yaml.SafeLoader):
    """SafeLoader that refuses a key that appears twice; it would silently take the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.YAMLError(f"the key {_show(key)} appears twice")
        return super().construct_mapping(node, deep)


def read_mapping(path: Path) -> dict[str, Any]:
    """The content of a YAML file that maps keys to values.

    Raises:
        InputError: the file is missing, no YAML, or something else than a mapping.
    """
    try:
        content = yaml.load(artifacts.require(path).read_text(encoding="utf-8"), Loader=_UniqueKeyLoader)
    except (yaml.YAMLError, ValueError) as error:  # ValueError: dates and numbers that are none
        raise InputError(f"{path}: not valid YAML: {_yaml_reason(error)}") from error
    except RecursionError as error:
        raise InputError(f"{path}: not valid YAML: nested too deeply") from error
    if not isinstance(content, dict):
        raise InputError(f"{path}: should be a mapping of keys to values, not {_show(content)}")
    return content


def in_lines(path: Path, error: ValidationError, model: type[BaseModel], content: dict[str, Any]) -> str:
    """Pydantic's findings about `content`, a line for each.

    Args:
        path: the file, which every line begins with.
        error: what validating raised.
        model: what the content was validated against; groups of keys are models too.
        content: of the file.
    """
    details = error.errors()
    # A misspelled key is missing under its right name too; that would be two lines for one mistake.
    if any(detail["type"] == "extra_forbidden" for detail in details):
        details = [detail for detail in details if detail["type"] != "missing"]
    # Each branch of a union has its say; the same line once is enough.
    lines = dict.fromkeys(_explain(detail, model, content) for detail in details)
    return "\n".join(f"{path}: {line}" for line in lines)


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


def _explain(error: ErrorDetails, model: type[BaseModel], content: dict[str, Any]) -> str:
    """One line for one of pydantic's errors."""
    if not error["loc"]:  # of the whole: the validator names the key itself
        return error["msg"].removeprefix("Value error, ")
    # Its location goes on, behind groups and key, with the branch of a union or the place in a list.
    group, holder, prefix = model, content, ""
    location = [str(part) for part in error["loc"]]
    name = location.pop(0)
    while location:
        inner = group.model_fields[name].annotation if name in group.model_fields else None
        if not (_is_group(inner) and isinstance(holder.get(name), dict)):
            break
        group, holder, prefix = inner, holder[name], f"{prefix}{name}."
        name = location.pop(0)

    if name not in group.model_fields:
        return f"unknown key {_show(prefix + name)}; {suggest(name, group.model_fields)}"
    key = prefix + name
    if error["type"] == "missing":
        return f"{key}: missing"
    field, value = group.model_fields[name], holder.get(name)
    if not field.description and (known := _literals(field.annotation)):
        return f"{key}: {_show(value)} is not a valid value; {suggest(value, known)}"
    if _is_group(field.annotation):
        rule = f"should be a group of keys ({', '.join(field.annotation.model_fields)})"
    else:
        # The field's own words where it has them; else pydantic's, less what is said anyway.
        rule = field.description or error["msg"].removeprefix("Value error, ").removeprefix("Input ")
        rule = rule.partition(", ")[0]
    return f"{key}: {rule}, not {_show(value)}"


def _literals(annotation: object) -> list[str]:
    """The values that a literal allows, or those in a union."""
    if get_origin(annotation) is Literal:
        return list(get_args(annotation))
    return [value for branch in get_args(annotation) for value in _literals(branch)]


def _is_group(annotation: object) -> TypeGuard[type[BaseModel]]:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


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
