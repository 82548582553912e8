"""For any yaml at all: it is valid, or each mistake gets a line that names the key."""

import copy
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from src.errors import InputError
from src.params import load_params
from tests.conftest import shipped_params

SHIPPED = shipped_params()


def paths(content: dict, above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """To every key, those of groups included."""
    for key, value in content.items():
        yield (*above, key)
        if isinstance(value, dict):
            yield from paths(value, (*above, key))


KEYS = list(paths(SHIPPED))
NAMES = tuple(f"{'.'.join(key)}: " for key in KEYS)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(min_value=-(10**400), max_value=10**400)
    | st.floats()
    | st.text(max_size=20)
    | st.dates()
    | st.binary(max_size=5)
    | st.sampled_from(["auto", "1e-05", "1e400", "-1", "resnet18", "0x10", "0b1", "null", "~", "ß", "💥"])
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(SCALARS, inner, max_size=3)
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("generated")


def check(folder: Path, text: str) -> None:
    path = folder / "params.yaml"
    path.write_text(text, encoding="utf-8", newline="")
    try:
        load_params(path)
    except InputError as error:
        lines = str(error).split("\n")
        assert 1 <= len(lines) <= 40
        for line in lines:
            assert line.startswith(f"{path}: ")
            assert line.isprintable()
            assert len(line) < 1000
            said = line.removeprefix(f"{path}: ")
            assert said.startswith(("unknown key ", "not valid YAML: ", "should be a mapping", *NAMES))


many = settings(
    max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much]
)


@many
@given(changes=st.lists(st.tuples(st.sampled_from(KEYS), VALUES), min_size=1, max_size=4))
def test_any_value_for_any_key(folder, changes):
    content = copy.deepcopy(SHIPPED)
    for (*groups, name), value in changes:
        target = content
        for group in groups:
            target = target[group] if isinstance(target.get(group), dict) else content
        target[name] = value
    check(folder, yaml.dump(content, allow_unicode=True))


@many
@given(content=st.dictionaries(SCALARS, VALUES, max_size=6))
def test_any_mapping(folder, content):
    check(folder, yaml.dump({**SHIPPED, **content}, allow_unicode=True))


@many
@given(text=st.text(st.characters(codec="utf-8"), max_size=200))
def test_any_text(folder, text):
    check(folder, text)


@many
@given(text=st.text(st.sampled_from("ab:-?[]{}&*!|>'\"%@,# \n\t1.~<"), max_size=60))
def test_anything_that_looks_like_yaml(folder, text):
    check(folder, text)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("seed: 0\nseed: 1", "not valid YAML: the key 'seed' appears twice"),
        ("a: &a [*a]", "unknown key 'a'"),
        ("a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]", "unknown key 'a'"),
        ("[" * 5000, "nested too deeply"),
        ("seed: 0x" + "f" * 5000, "seed: should be"),
        ("seed: " + "9" * 5000, "not valid YAML: Exceeds the limit"),
        ("1: 2", "unknown key '1'"),
        ("? [a, b]\n: c", "not valid YAML"),
        ("!!python/object/apply:os.system [ls]", "not valid YAML"),
        ("größe: 3", "unknown key 'größe'"),
    ],
)
def test_strange_files(tmp_path, text, line):
    path = tmp_path / "params.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as error:
        load_params(path)
    assert any(line in said for said in str(error.value).split("\n"))


def test_bytes_that_are_not_text(tmp_path):
    (tmp_path / "params.yaml").write_bytes(b"seed: \xff\xfe")
    with pytest.raises(InputError, match="not valid YAML"):
        load_params(tmp_path / "params.yaml")
