from pathlib import Path
from typing import Any

import pytest
import yaml

from src.defaults import Facts, explain, fill_in
from src.params import load_params, load_with_choices
from tests.conftest import ROOT


def shipped_params() -> dict[str, Any]:
    """As they are in the file, `auto` not yet replaced."""
    return yaml.safe_load((ROOT / "params.yaml").read_text())


@pytest.fixture
def write_params(tmp_path: Path):
    def write(**changes: Any) -> Path:
        content = shipped_params()
        content["optimizer"]["lr"] = changes.pop("lr", "auto")
        (tmp_path / "params.yaml").write_text(yaml.safe_dump({**content, **changes}))
        return tmp_path / "params.yaml"

    return write


def chosen(images: int, **changes: object) -> dict[str, object]:
    content = {**shipped_params(), "dataset": "images", **changes}
    return {choice.key: choice.value for choice in fill_in(content, Facts(images))}


def test_what_is_given_is_left_alone():
    content = {**shipped_params(), "dataset": "images", "epochs": 7}
    choices = fill_in(content, Facts(1000))
    assert content["epochs"] == 7
    assert "epochs" not in {choice.key for choice in choices}
    assert content["batch_size"] == next(choice.value for choice in choices if choice.key == "batch_size")


def test_cifar_does_not_depend_on_anything():
    content = [shipped_params(), shipped_params()]
    for one, facts in zip(content, (None, Facts(10)), strict=True):
        fill_in(one, facts)
    assert content[0] == content[1]
    assert (content[0]["epochs"], content[0]["optimizer"]["name"]) == (12, "muon")


@pytest.mark.parametrize("images", [2, 12, 60, 1_000, 30_000, 1_000_000])
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"weights": "w.pt", "model": "timm/resnet18"},
        {"weights": "w.pt", "freeze": "backbone"},
        {"weights": "w.pt", "freeze": "backbone", "unfreeze_at": 3},
    ],
)
def test_any_number_of_images_gives_valid_parameters(write_params, images, changes):
    params = load_params(write_params(dataset="images", **changes), facts=Facts(images))
    assert 2 <= params.batch_size <= max(2, images // 2)
    assert params.epochs >= 3
    assert (params.optimizer.name == "muon") == (changes == {})


def test_more_images_take_fewer_epochs_and_larger_batches():
    small, large = chosen(200), chosen(200_000)
    assert small["epochs"] > large["epochs"]
    assert small["batch_size"] < large["batch_size"]


def test_a_last_layer_alone_needs_no_augmentation():
    frozen = chosen(1000, freeze="backbone", weights="w.pt")
    assert (frozen["augment.scale"], frozen["augment.color"]) == (0, 0)
    assert chosen(1000, freeze="backbone", weights="w.pt", unfreeze_at=3)["augment.scale"] > 0


def test_it_is_said_what_was_chosen_and_why(write_params):
    path = write_params(dataset="images", lr=0.3)
    _, choices = load_with_choices(path, Facts(1486))
    lines = explain(choices).splitlines()
    assert lines[0] == "auto, from scratch, 1,486 images to train on: epochs 20, batch_size 32"
    assert all(line.startswith("auto, ") for line in lines)
    assert "optimizer.lr " not in explain(choices)
    assert len(lines) == 4
    adamw = explain(load_with_choices(write_params(dataset="images", weights="w.pt"), Facts(1486))[1])
    assert "optimizer.name adamw" in adamw
    assert "adam_lr" not in adamw  # only muon has use for it
