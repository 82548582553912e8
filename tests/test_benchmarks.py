import torch
from torch import nn

from benchmarks import augmentation, compare, operations, time_to_accuracy, training_step
from benchmarks.clone import clone
from benchmarks.recipes import with_recipe
from src import params
from tests.conftest import shipped_params


def test_they_run():
    figures = augmentation.measure(200, rounds=1)
    assert all(rate > 0 for rate in figures.values())
    settings = params.Params(**shipped_params()).model_copy(update={"batch_size": 4})
    figures = training_step.measure(settings, images=4, rounds=1)
    assert all(figure > 0 for figure in figures.values())


def test_comparing_is_measured():
    figures = compare.measure("sample", rounds=1)
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


def test_time_to_accuracy_trains_tests_and_compares():
    settings = with_recipe(params.Params(**shipped_params()), "fast-94")
    small = {"dataset": "sample", "epochs": 1, "batch_size": 500}
    with clone() as project:
        project.change(**settings.model_dump() | small)
        for stage in ("download", "compute_mean_std", "find_lr"):
            project.run("python", "-m", f"stages.{stage}")
        row = time_to_accuracy.measure(project, seed=3, textbook_images=128)
        assert "seed: 3" in (project.folder / "params.yaml").read_text()
    assert 0.1 < row["accuracy"] < 0.9
    assert 0.1 < row["accuracy_without_tta"] < 0.9
    assert row["ratio"] == row["training_s"] / row["textbook_epoch_s"]
