"""Every recipe is tested by being in the folder; one goes through the pipeline in test_notebook."""

import re
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from recipes import PUBLISHED, enqueue
from src import lr_finder
from src.data.dataset import Dataset, first_of_each_class
from src.data.mean_std import channel_mean_std
from src.errors import InputError
from src.hardware import Hardware
from src.models.layers import choose_layers
from src.params import ImagesConfig, Params, load_params
from src.params_file import flatten
from src.training.loop import train
from src.training.setup import set_up_training
from tests.conftest import ROOT
from tests.project import Project

RECIPES = sorted(path for path in (ROOT / "recipes").iterdir() if path.is_file() and not path.suffix)
NAMES = [path.name for path in RECIPES]
FP32 = Hardware(torch.device("cpu"), torch.float32)


def flags(recipe: str) -> dict[str, Any]:
    named = re.findall(r"-S ([\w.]+)=(\S+)", (ROOT / "recipes" / recipe).read_text())
    return {key: yaml.safe_load(value) for key, value in named}


def load(write_params, changes: dict[str, Any]) -> Params:
    return load_params(write_params(**{key.replace(".", "__"): value for key, value in changes.items()}))


@pytest.fixture(scope="session")
def few(tiny) -> Dataset:
    """Two images of each class."""
    parts = [part.take(first_of_each_class(part.labels, 2)) for part in (tiny.train, tiny.test)]
    return Dataset(tiny.name, tiny.source, tiny.classes, *parts)


@pytest.mark.parametrize("recipe", RECIPES, ids=NAMES)
def test_it_is_a_flag_a_line(recipe):
    assert re.fullmatch(r"(-S [\w.]+=\S+\n)+", recipe.read_text())
    assert len(flags(recipe.name)) == len(recipe.read_text().splitlines())


@pytest.mark.parametrize("recipe", NAMES)
def test_it_builds_and_trains(write_params, few, recipe):
    short = {"epochs": 1, "batch_size": 10, "schedule.one_cycle.peak": 0.4, "threads": 1, "find_lr.steps": 30}
    params = load(write_params, flags(recipe) | short)
    stated = flags(recipe)
    with torch.random.fork_rng(devices=[]):
        setup = set_up_training(params, few, channel_mean_std(few.train.images), FP32)
        if params.optimizer.lr == "find":
            test = lr_finder.run_range_test(setup, FP32, params)
            assert 1 < len(test.rates) <= 30  # it ends where the loss explodes
            params = params.model_copy(update={"optimizer": params.optimizer.model_copy(update={"lr": 0.01})})
            setup = set_up_training(params, few, channel_mean_std(few.train.images), FP32)
        before = {name: value.clone() for name, value in setup.model.state_dict().items()}
        [row] = train(
            setup.model,
            setup.batches,
            setup.val_split,
            setup.normalize,
            FP32,
            params,
            keep_best=setup.held_out,
        )
    assert np.isfinite([row.train_loss, row.val_loss]).all()
    trained = setup.model.state_dict()
    moved = [
        name for name, _ in setup.model.named_parameters() if not torch.equal(before[name], trained[name])
    ]
    still = [name for name, weights in setup.model.named_parameters() if not weights.requires_grad]
    assert len(moved) + len(still) == len(list(setup.model.parameters()))
    example = torch.zeros(1, 3, 32, 32)
    layers = [layer.name for layer in choose_layers(params.gradcam.layers, setup.model, example)]
    assert layers == (layers[-1:] if stated["gradcam.layers"] == "auto" else stated["gradcam.layers"])
    assert setup.held_out == (stated["validation"] > 0)


def test_all_can_be_queued_with_changes(tmp_path, tiny):
    project = Project.create(tmp_path, tiny)
    project.run("python", "-m", "recipes.enqueue", "-S", "dataset=sample", "-S", "epochs=9")
    queued = project.run("dvc", "queue", "status")
    for name in PUBLISHED:
        assert re.search(rf"{name}\s.*Queued", queued)
    unknown = project.attempt("python", "-m", "recipes.enqueue", "-S", "schedule.one_cycle.peek=5")
    assert unknown.returncode == 1
    [line] = unknown.stderr.splitlines()
    assert line.startswith("enqueue: unknown key 'schedule.one_cycle.peek'; did you mean ")

    rows = project.run("python", "-m", "recipes.results").splitlines()[2:]
    assert [row.split()[1] for row in rows] == list(PUBLISHED)
    assert all("not run" in row for row in rows)
    # One that ran on several commits is not said to be not run.
    for commit in ("0" * 40, "1" * 40):
        ref = f"refs/exps/{commit[:2]}/{commit[2:]}/custom-resnet"
        project.run("git", "update-ref", ref, "HEAD")
    assert "several: `dvc exp list --all-commits`" in project.run("python", "-m", "recipes.results")

    # The normalizations, as the page says.
    [line] = re.findall(r"dvc exp run --queue --name norm .*", (ROOT / "recipes/README.md").read_text())
    printed = project.run("bash", "-c", line)
    assert re.findall(r"'norm=(\w+)'.*?Queued experiment '([\w-]+)'", printed, re.DOTALL) == [
        ("batch", "norm-1"),
        ("layer", "norm-2"),
        ("group", "norm-3"),
    ]


@pytest.mark.parametrize(
    "form", [["-S", "{}"], ["-S{}"], ["--set-param={}"], ["-m", "x=y", "-S", "params.yaml:{}"]]
)
def test_a_misspelled_key_is_found_in_every_form(form):
    enqueue.check([part.format("schedule.one_cycle.peak=5") for part in form])
    with pytest.raises(InputError, match=r"unknown key 'schedule\.peek'"):
        enqueue.check([part.format("schedule.peek=5") for part in form])


# Of the machine, or of how things are done; and what only one value of another key makes use of.
NOT_NAMED = {"seed", "device", "precision", "workers", "threads", "processes", "deterministic"}
NOT_NAMED |= {"evaluate.batch_size"}
CHOICES = ("dataset", "freeze", "optimizer.name", "optimizer.lr", "schedule.name")
USED_BY = {
    "images": {f"images.{key}" for key in ImagesConfig.model_fields},
    "backbone": {"stem", "unfreeze_at", "optimizer.backbone_lr"},
    "muon": {"optimizer.adam_lr"},
    "find": {"find_lr.lowest", "find_lr.highest", "find_lr.steps"},
    "one_cycle": {
        f"schedule.one_cycle.{key}" for key in ("peak", "start_divisor", "end_divisor", "annihilation")
    },
    "plateau": {f"schedule.plateau.{key}" for key in ("factor", "patience", "threshold")},
}


@pytest.mark.parametrize("recipe", [recipe.name for recipe in RECIPES])
def test_what_ran_before_makes_no_difference(write_params, recipe):
    named = flags(recipe)
    everything = set(dict(flatten(load(write_params, named).model_dump())))
    relevant = set.union(*(USED_BY.get(named[key], set()) for key in CHOICES))
    assert set(named) == everything - NOT_NAMED - set.union(*USED_BY.values()) | relevant


# What the pages state.
CROP_ROTATE = {"augment.pad": 4, "augment.rotate": 18, "augment.flip": False}
SGD = {"optimizer.name": "sgd", "optimizer.momentum": 0.9}
STATED = {
    "resnet18-rotate": SGD
    | CROP_ROTATE
    | {"model": "resnet18", "norm": "batch", "augment.cutout": 16, "batch_size": 64, "epochs": 20}
    | {"optimizer.lr": 0.01, "schedule.name": "constant"},
    "resnet18-small-batch": SGD
    | {"model": "resnet18", "norm": "batch", "augment.cutout": 16, "batch_size": 4, "epochs": 20}
    | {"optimizer.lr": 0.001, "gradcam.classes": "actual", "misclassified.count": 10},
    "resnet18-mean-fill": {"model": "resnet18", "augment.pad": 4, "augment.cutout": 16, "epochs": 20}
    | {"optimizer.name": "sgd", "gradcam.classes": "predicted", "tensorboard": True},
    "custom-resnet": {"model": "custom_resnet", "augment.pad": 4, "augment.flip": True, "augment.cutout": 8}
    | {"epochs": 24, "batch_size": 512, "schedule.name": "one_cycle", "schedule.one_cycle.peak": 5}
    | {"schedule.one_cycle.annihilation": False, "optimizer.lr": "find", "label_smoothing": 0},
    "resnet18-layernorm": CROP_ROTATE
    | {"model": "resnet18", "norm": "layer", "epochs": 40, "batch_size": 128, "optimizer.name": "sgd"}
    | {"optimizer.lr": 0.03, "schedule.name": "plateau", "schedule.plateau.factor": 0.1}
    | {"schedule.plateau.patience": 2, "schedule.plateau.threshold": 0.001}
    | {"gradcam.layers": ["layer3", "layer4"], "gradcam.classes": "predicted"},
}


@pytest.mark.parametrize("recipe", PUBLISHED)
def test_the_published_ones_are_what_their_pages_state(recipe):
    assert flags(recipe).items() >= STATED[recipe].items()


@pytest.mark.parametrize("recipe", PUBLISHED)
def test_the_flags_that_the_readme_puts_behind_them_fit(write_params, recipe):
    readme = (ROOT / "recipes/README.md").read_text()
    [behind] = re.findall(r"recipes.enqueue .* e\.g\. (-S .*)", readme)
    changes = dict(re.findall(r"-S ([\w.]+)=(\S+)", behind))
    read = load(write_params, flags(recipe) | {key: yaml.safe_load(value) for key, value in changes.items()})
    assert read.dataset == "sample"


def test_the_published_ones_are_there():
    assert set(PUBLISHED) <= {recipe.name for recipe in RECIPES}


def test_each_is_described():
    described = (ROOT / "recipes/README.md").read_text()
    for recipe in RECIPES:
        assert f"`{recipe.name}`" in described
