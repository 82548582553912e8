"""What is about to be trained, drawn and written down before it is."""

import re

import pytest
from PIL import Image

from src import artifacts
from src.models.registry import create_model
from tests.project import call, set_params

ROW = re.compile(r"^(?P<indent>(?:│? {4,5})*)(?:├─|└─)\w+ \((?P<name>\w+)\)", re.MULTILINE)


def paths(summary: str) -> set[str]:
    """The dotted names of all modules that the tree in a summary shows."""
    way: list[str] = []
    found = set()
    for row in ROW.finditer(summary):
        depth = len(row["indent"]) // 5
        way[depth:] = [row["name"]]
        found.add(".".join(way))
    return found


@pytest.mark.parametrize(
    ("model", "parameters", "norm"),
    [
        ("fast", "1,972,792", "batch"),
        ("resnet34", "21,282,122", "batch"),
        ("resnet18", "11,173,962", "group"),
    ],
)
def test_every_layer_with_weights_is_in_the_summary(results, capsys, model, parameters, norm):
    for path in (artifacts.TRAIN_SAMPLES, artifacts.TEST_SAMPLES, artifacts.MODEL_SUMMARY):
        path.unlink()
    set_params(results, {"model": model, "norm": norm})
    call("preview")
    summary = artifacts.MODEL_SUMMARY.read_text()
    assert parameters in summary
    assert f"{model}: {parameters} parameters, 180 images to train on" in capsys.readouterr().out
    network = create_model(model, 10, norm)
    with_weights = {
        name for name, module in network.named_modules() if list(module.parameters(recurse=False))
    }
    assert with_weights - paths(summary) == set()
    for path in (artifacts.TRAIN_SAMPLES, artifacts.TEST_SAMPLES):
        with Image.open(path) as image:
            assert image.width > image.height > 100


def test_the_samples_are_those_of_the_first_epoch_and_the_test_split(results):
    call("preview")
    before = {path: path.read_bytes() for path in (artifacts.TRAIN_SAMPLES, artifacts.TEST_SAMPLES)}
    set_params(results, {"augment.cutout": 16})
    call("preview")
    assert artifacts.TRAIN_SAMPLES.read_bytes() != before[artifacts.TRAIN_SAMPLES]
    assert artifacts.TEST_SAMPLES.read_bytes() == before[artifacts.TEST_SAMPLES]


def test_the_layers_that_will_be_explained_are_named(results):
    set_params(results, {"gradcam.layers": ["layer2", "layer3"]})
    call("preview")
    assert artifacts.MODEL_SUMMARY.read_text().endswith("Grad-CAM will explain: layer2 (8×8), layer3 (9×9)\n")


def test_it_needs_no_gpu_and_leaves_the_seed_of_the_training_alone(finished, results):
    # Drawn again in this process, whatever ran here before: the same bytes as from a process of its own.
    for path in (artifacts.TRAIN_SAMPLES, artifacts.MODEL_SUMMARY):
        path.unlink()
    set_params(results, {"device": "cpu"})
    call("preview")
    for path in (artifacts.TRAIN_SAMPLES, artifacts.MODEL_SUMMARY):
        assert path.read_bytes() == (finished.folder / path).read_bytes()
