import subprocess
from pathlib import Path

import pytest

from src import artifacts
from src.errors import InputError
from src.params import load_params
from src.params_file import flatten
from tests.conftest import ROOT

ANNIHILATION = {"peak": 6, "start_divisor": 25, "end_divisor": 10000, "annihilation": True}


def test_the_shipped_file_is_valid(write_params):
    params = load_params(write_params())
    assert (params.dataset, params.validation) == ("cifar10", 0.1)


def test_every_shipped_key_has_a_comment():
    show = ["git", "show", f"HEAD:{artifacts.PARAMS}"]
    for line in subprocess.check_output(show, cwd=ROOT, text=True).splitlines():
        key = line.strip().partition(":")[0]
        if key and not line.rstrip().endswith(":") and key not in ("momentum", "nesterov"):
            assert "#" in line, line


def test_a_small_rate_survives_the_way_dvc_writes_it(write_params):
    # `-S optimizer.lr=1e-5` arrives as 1e-05, a string to PyYAML.
    path = write_params(optimizer__lr=0.125)
    path.write_text(path.read_text().replace("lr: 0.125", "lr: 1e-05"))
    assert load_params(path).optimizer.lr == 1e-5


def test_a_single_layer_needs_no_brackets(write_params):
    assert load_params(write_params(gradcam__layers="layer4")).gradcam.layers == ["layer4"]


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"epoch": 3}, "unknown key 'epoch'; did you mean 'epochs'?"),
        ({"optimizer__momentun": 3}, "unknown key 'optimizer.momentun'; did you mean 'momentum'?"),
        ({"model": "resnet81"}, "model: 'resnet81' is not a valid value; did you mean 'resnet18'?"),
        ({"dataset": "cifar"}, "dataset: 'cifar' is not a valid value; did you mean 'cifar10'?"),
        ({"misclassified__order": "best"}, "misclassified.order: 'best' is not a valid value; (known:"),
        ({"epochs": -3}, "epochs: should be greater than or equal to 1, not -3"),
        ({"epochs": "many"}, "epochs: should be a valid integer, not 'many'"),
        ({"epochs": 2.5}, "epochs: should be a valid integer, not 2.5"),
        ({"epochs": True}, "epochs: should be a valid integer, not True"),
        ({"optimizer__lr": "fast"}, "optimizer.lr: should be 'find' or a number above 0, not 'fast'"),
        ({"optimizer__lr": True}, "optimizer.lr: should be 'find' or a number above 0, not True"),
        ({"optimizer__lr": float("nan")}, "optimizer.lr: should be 'find' or a number above 0, not nan"),
        ({"optimizer__lr": "find"}, "optimizer.lr: 'find' is for optimizer.name: sgd; muon has two rates"),
        ({"optimizer__adam_lr": 0}, "optimizer.adam_lr: should be greater than 0, not 0"),
        (
            {"find_lr__highest": 0.00005},
            "find_lr.highest: should be above find_lr.lowest (0.0001), not",
        ),
        (
            {"norm": "instance"},
            "norm: 'instance' is not a valid value; (known: batch, sync_batch, layer,",
        ),
        ({"optimizer__momentum": 0}, "optimizer.nesterov: should be false when momentum is 0, not True"),
        ({"optimizer": 3}, "optimizer: should be a group of keys (name, lr, backbone_lr, momentum,"),
        ({"augment__flip": 1}, "augment.flip: should be true or false or 'alternate', not 1"),
        ({"evaluate__tta": "flips"}, "evaluate.tta: 'flips' is not a valid value; did you mean 'flip'?"),
        ({"schedule__name": "liner"}, "schedule.name: 'liner' is not a valid value; did you mean 'linear'?"),
        (
            {"epochs": 24, "schedule__name": "one_cycle", "schedule__one_cycle__peak": 25},
            "schedule.one_cycle.peak: should be less than epochs (24), not 25",
        ),
        (
            {
                "schedule__name": "one_cycle",
                "schedule__one_cycle__peak": 6,
                "schedule__one_cycle__annihilation": True,
            },
            "schedule.one_cycle.peak: should be less than half of epochs (12) with annihilation",
        ),
        ({"augment__cutout": 513}, "augment.cutout: should be less than or equal to 512, not 513"),
        ({"validation": 1}, "validation: should be less than 1, not 1"),
        ({"workers": "many"}, "workers: should be 'auto' or a number from 0 to 64, not 'many'"),
        ({"gradcam__classes": "none"}, "gradcam.classes: 'none' is not a valid value; "),
        ({"gradcam__layers": []}, "gradcam.layers: should be 'auto' or names of layers, not []"),
    ],
)
def test_bad_values_get_one_line_each(write_params, change, line):
    path = write_params(**change)
    with pytest.raises(InputError) as error:
        load_params(path)
    assert str(error.value).startswith(f"{path}: {line}")
    assert "\n" not in str(error.value)


def test_two_mistakes_get_two_lines(write_params):
    with pytest.raises(InputError) as error:
        load_params(write_params(epochs=0, seed=-1))
    assert len(str(error.value).splitlines()) == 2


@pytest.mark.parametrize("text", ["", "[1, 2]", "just text", "a: [", "a: \x00", "seed: 2026-13-45"])
def test_what_is_no_mapping_is_refused(tmp_path: Path, text: str):
    path = tmp_path / "params.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=r"should be a mapping|not valid YAML"):
        load_params(path)


def test_a_missing_key_is_named(write_params):
    path = write_params()
    path.write_text(path.read_text().replace("seed: 0\n", ""))
    with pytest.raises(InputError, match="seed: missing"):
        load_params(path)


def test_a_missing_file_is_named(tmp_path: Path):
    with pytest.raises(InputError, match=r"params\.yaml: missing"):
        load_params(tmp_path / "params.yaml")


def test_keys_of_groups_are_named_as_dvc_takes_them():
    content = {"seed": 0, "optimizer": {"lr": "1e-05", "name": "sgd"}, "schedule": {}}
    assert dict(flatten(content)) == {"seed": 0, "optimizer.lr": 1e-5, "optimizer.name": "sgd"}
