"""Parameters as a recipe changes them."""

from pathlib import Path

import yaml

from src import params


def with_recipe(settings: params.Params, name: str) -> params.Params:
    """`settings` with the flags of `recipes/NAME`, as `dvc exp run $(cat recipes/NAME)` would have it."""
    content = settings.model_dump()
    for flag in Path("recipes", name).read_text().split()[1::2]:
        key, _, value = flag.partition("=")
        *groups, last = key.split(".")
        target = content
        for group in groups:
            target = target[group]
        target[last] = yaml.safe_load(value)
    return params.Params.model_validate(content)
