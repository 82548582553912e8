import torch
from torch import nn

from benchmarks import augmentation, operations, training_step
from benchmarks.recipes import with_recipe
from src import params
from tests.conftest import shipped_params


def test_they_run():
    figures = augmentation.measure(200, rounds=1)
    assert all(rate > 0 for rate in figures.values())
    settings = params.Params(**shipped_params()).model_copy(update={"batch_size": 4})
    figures = training_step.measure(settings, images=4, rounds=1)
    assert all(figure > 0 for figure in figures.values())


def test_operations_by_hand():
    # A multiply-add is two operations; forward, and as many for each of the two gradients.
    model = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.Flatten(), nn.Linear(4096, 10))
    conv, linear = 32 * 32 * 3 * 4 * 9, 4096 * 10
    # Nobody needs the gradient of the images.
    assert operations.of_a_training_step(model, torch.device("cpu")) == 4 * conv + 6 * linear


def test_a_recipe_changes_what_its_flags_say():
    settings = params.Params(**shipped_params())
    changed = with_recipe(settings, "resnet18")
    assert (changed.model, changed.optimizer.name, changed.optimizer.lr) == ("resnet18", "sgd", 0.1)
    assert changed.seed == settings.seed
