"""Parameters as a recipe changes them."""

from pathlib import Path

import yaml

from src.params import Params


def with_recipe(params: Params, name: str) -> Params:
    """`params` with the flags of `recipes/NAME`, as `dvc exp run $(cat recipes/NAME)` would have it."""
    content = params.model_dump()
    for flag in Path("recipes", name).read_text().split()[1::2]:
        key, _, value = flag.partition("=")
        *groups, last = key.split(".")
        target = content
        for group in groups:
            target = target[group]
        target[last] = yaml.safe_load(value)
    return Params.model_validate(content)
