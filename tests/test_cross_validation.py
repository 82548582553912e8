import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from src import artifacts, cross_validation
from src.cross_validation import FOLDS, CrossValidation, split
from src.data.dataset import Dataset, Split, save_dataset
from src.errors import InputError
from src.evaluation.label_issues import find_label_issues
from src.evaluation.predictions import Predictions
from src.params import Params, load_params
from src.training.loop import Epoch
from tests.training.small_net import SmallClassifier

MEAN_STD = {"mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25]}
CLASSES = ("rows", "columns", "dots")


def drawn(count: int = 60, wrong: int = 0, groups: np.ndarray | None = None) -> tuple[Dataset, np.ndarray]:
    """Gray pictures of three patterns, and the positions of those whose label is wrong."""
    rng = np.random.default_rng(0)
    truth = np.arange(count) % 3
    images = rng.integers(60, 120, (count, 32, 32, 3), np.uint8)
    images[truth == 0, ::4] += 120
    images[truth == 1, :, ::4] += 120
    images[truth == 2, ::4, ::4] += 120
    labels = truth.copy()
    chosen = np.sort(rng.choice(count, wrong, replace=False))
    labels[chosen] = (truth[chosen] + rng.integers(1, 3, wrong)) % 3
    test = Split(images[:3], truth[:3])
    return Dataset("images", "drawn", CLASSES, Split(images, labels, groups), test), chosen


def create_small(name: str, classes: int, norm: str, size: int, stem: str, weights: str) -> SmallClassifier:
    if weights != "none":
        torch.manual_seed(5)
    return SmallClassifier(classes)


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch, settings_of_torch) -> Path:
    """The working folder, with all that a fingerprint is made of."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    monkeypatch.setattr("src.training.setup.create_model", create_small)
    artifacts.write_json(artifacts.MEAN_STD, MEAN_STD)
    Path("stage.py").touch()
    Path("weights.pt").touch()
    return tmp_path


@pytest.fixture
def params(write_params) -> Callable[..., Params]:
    def make(**changes: Any) -> Params:
        small = {"dataset": "images", "epochs": 6, "batch_size": 12, "threads": 1, "device": "cpu"}
        adamw = {"optimizer__name": "adamw", "optimizer__lr": 0.01, "augment__pad": 0}
        return load_params(write_params(**(small | adamw | changes)))

    return make


def judge(params: Params, dataset: Dataset) -> tuple[np.ndarray, np.ndarray]:
    """As the stage does it, once the dataset is on disk."""
    save_dataset(dataset, artifacts.DATASET)
    return CrossValidation(params, Path("stage.py")).judge(dataset, MEAN_STD)


def kept() -> list[str]:
    """What lies beside the checkpoints, less what the names begin with."""
    return sorted(path.name.partition("-")[2] for path in artifacts.CHECKPOINTS.iterdir())


def forget() -> None:
    for path in artifacts.CHECKPOINTS.iterdir():
        path.unlink()


def interrupt(monkeypatch: pytest.MonkeyPatch, fold: int, epoch: int) -> None:
    """Has the training of a fold end after an epoch, before its checkpoint has been written."""
    calls, fit = [], cross_validation.fit

    def interrupted(*arguments: Any) -> list[Epoch]:
        calls.append(1)

        def on_epoch_end(row: Epoch) -> None:
            if (len(calls), row.epoch) == (fold, epoch):
                raise KeyboardInterrupt

        return fit(*arguments, on_epoch_end)

    monkeypatch.setattr(cross_validation, "fit", interrupted)


# --- which images are judged when


def test_each_image_is_outside_once_and_classes_are_alike_everywhere():
    labels = np.repeat([0, 1, 2], [50, 20, 10])
    folds = split(labels, None, 0)
    assert len(folds) == FOLDS
    np.testing.assert_array_equal(np.sort(np.concatenate([outside for _, outside in folds])), np.arange(80))
    for inside, outside in folds:
        np.testing.assert_array_equal(np.sort(np.concatenate([inside, outside])), np.arange(80))
        np.testing.assert_array_equal(np.bincount(labels[outside]), [10, 4, 2])


def test_the_seed_decides_which():
    labels = np.arange(50) % 5
    for seed, same in ((0, True), (1, False)):
        pairs = zip(split(labels, None, 0), split(labels, None, seed), strict=True)
        assert all(np.array_equal(a[1], b[1]) for a, b in pairs) == same


def test_groups_stay_together():
    rng = np.random.default_rng(0)
    labels, groups = rng.integers(0, 3, 200), rng.integers(0, 40, 200)
    for inside, outside in split(labels, groups, 0):
        assert not set(groups[inside]) & set(groups[outside])
        assert 20 < len(outside) < 60


def test_too_few_images():
    with pytest.raises(InputError, match=r"^label_issues: true trains 5 .* more than 4 training images; set"):
        split(np.repeat([0, 1], [4, 3]), None, 0)


# --- judging


def test_planted_wrong_labels_are_found(params):
    dataset, wrong = drawn(150, wrong=8)
    probabilities, judged = judge(params(epochs=12), dataset)
    assert (probabilities.shape, probabilities.dtype) == ((150, 3), np.float32)
    np.testing.assert_allclose(probabilities.sum(1), 1, rtol=1e-5)
    assert judged.all()
    predictions = Predictions.from_probabilities(dataset.train.labels, probabilities, CLASSES)
    listed = find_label_issues(predictions)["index"].to_numpy()
    assert np.isin(wrong, listed).mean() > 0.7
    assert np.isin(listed, wrong).mean() > 0.7


def test_no_image_is_judged_by_a_model_that_has_seen_it(params, monkeypatch):
    dataset, _ = drawn()
    seen, original = [], cross_validation.set_up_training

    def noting(params: Params, fold: Dataset, *rest: Any) -> Any:
        setup = original(params, fold, *rest)
        seen.append((fold, setup))
        return setup

    monkeypatch.setattr(cross_validation, "set_up_training", noting)
    judge(params(epochs=1, validation=0.25), dataset)
    assert len(seen) == FOLDS
    everything = [image.tobytes() for image in dataset.train.images]
    for fold, setup in seen:
        outside = {image.tobytes() for image in fold.test.images}
        inside = {image.tobytes() for image in fold.train.images}
        assert len(outside) == 12
        assert inside == set(everything) - outside
        assert {image.tobytes() for image in setup.train_split.images} < inside
        assert {image.tobytes() for image in setup.val_split.images} < inside


@pytest.mark.parametrize("validation", [0.0, 0.25])
def test_the_same_twice_and_after_interruptions(params, monkeypatch, capsys, validation):
    dataset, _ = drawn()
    settings = params(validation=validation)
    whole, _ = judge(settings, dataset)
    forget()

    with monkeypatch.context() as patch:
        interrupt(patch, fold=3, epoch=4)
        with pytest.raises(KeyboardInterrupt):
            judge(settings, dataset)
    assert kept() == ["fold3.pt", "judged1-flip.pt", "judged2-flip.pt"]
    capsys.readouterr()
    resumed, judged = judge(settings, dataset)
    np.testing.assert_array_equal(resumed, whole)
    assert judged.all()
    said = capsys.readouterr().out.splitlines()
    assert [line for line in said if "fold" in line] == [
        "fold 1 of 5: finished before",
        "fold 2 of 5: finished before",
        "fold 3 of 5: trains without 12 images",
        "fold 4 of 5: trains without 12 images",
        "fold 5 of 5: trains without 12 images",
    ]
    assert [line for line in said if "resumes" in line] == ["resumes after epoch 3 of 6"]
    assert kept() == [f"judged{number}-flip.pt" for number in range(1, 6)]


def test_other_settings_start_anew(params, capsys):
    dataset, _ = drawn()
    judge(params(epochs=1), dataset)
    judge(params(epochs=1, seed=1), dataset)
    judge(params(epochs=1, evaluate__tta="none"), dataset)
    assert "finished before" not in capsys.readouterr().out
    judge(params(epochs=1), dataset)
    assert capsys.readouterr().out.count("finished before") == FOLDS


def test_what_other_settings_had_said_goes_in_the_end(params):
    dataset, _ = drawn()
    judge(params(epochs=1), dataset)
    judge(params(epochs=1, evaluate__tta="none"), dataset)
    Path(artifacts.CHECKPOINTS, "of-another-training.pt").touch()
    assert len(kept()) == 11
    CrossValidation(params(epochs=1), Path("stage.py")).tidy()
    assert kept() == ["another-training.pt", *(f"judged{number}-flip.pt" for number in range(1, 6))]


def test_a_class_that_a_model_has_not_seen_is_not_judged_by_it(params):
    dataset, _ = drawn()
    labels = np.where(dataset.train.labels == 2, 0, dataset.train.labels)
    labels[7] = 2  # the only one
    train = dataclasses.replace(dataset.train, labels=labels)
    _, judged = judge(params(epochs=1), dataclasses.replace(dataset, train=train))
    assert np.flatnonzero(~judged).tolist() == [7]


def test_features_of_one_fold_are_never_taken_for_those_of_another(params):
    # Sorted by class, as folders are read, all folds have the same positions among their own images.
    dataset, _ = drawn()
    order = np.argsort(dataset.train.labels, kind="stable")
    dataset = dataclasses.replace(dataset, train=dataset.train.take(order))
    frozen = {"weights": "weights.pt", "freeze": "backbone", "validation": 0.0}
    together, _ = judge(params(**frozen), dataset)
    forget()
    folders = list(artifacts.FEATURES.iterdir())
    assert len({(folder / "training.npy").read_bytes() for folder in folders}) == len(folders) > 1
    for number in range(FOLDS):  # each by itself, in a project without features
        for folder in artifacts.FEATURES.iterdir():
            for file in folder.iterdir():
                file.unlink()
        outside = split(dataset.train.labels, None, 0)[number][1]
        alone, _ = judge_one(params(**frozen), dataset, number + 1)
        np.testing.assert_array_equal(alone[outside], together[outside])


def judge_one(params: Params, dataset: Dataset, fold: int) -> tuple[np.ndarray, np.ndarray]:
    """Only that fold; what is said of the others is that they are done."""
    validation = CrossValidation(params, Path("stage.py"))
    for number, (_, outside) in enumerate(split(dataset.train.labels, None, params.seed), 1):
        if number != fold:
            validation._predictions(number).save({"probabilities": torch.zeros(len(outside), 3)})
    result = validation.judge(dataset, MEAN_STD)
    forget()
    return result
