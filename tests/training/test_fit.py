import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from src import artifacts
from src.data.dataset import Dataset
from src.errors import InputError
from src.evaluation.inference import predict_logits
from src.evaluation.scores import cross_entropy
from src.hardware import Hardware
from src.params import Params, load_params
from src.training import features
from src.training.fit import Checkpoints, fit, unsure_below
from src.training.loop import Epoch, best_epoch
from src.training.setup import TrainingSetup, set_up_training
from tests.conftest import ROOT
from tests.project import enter_copy
from tests.training.small_net import SmallClassifier

CPU = Hardware(torch.device("cpu"), torch.float32)
MEAN_STD = {"mean": [0.4, 0.5, 0.6], "std": [0.2, 0.25, 0.3]}
SHIPPED = load_params(ROOT / "params.yaml")
ADAMW = {"name": "adamw", "lr": 0.01, "weight_decay": 0.1}


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    (tmp_path / "data/dataset").mkdir(parents=True)
    (tmp_path / "data/dataset/meta.json").write_text("{}")
    torch.manual_seed(7)
    torch.save(SmallClassifier(10).state_dict(), tmp_path / "weights.pt")
    monkeypatch.setattr("src.training.setup.create_model", create_small)
    return tmp_path


def create_small(name: str, classes: int, norm: str, size: int, stem: str, weights: str) -> SmallClassifier:
    model = SmallClassifier(classes)
    state = torch.load(weights, weights_only=True)
    model.net.load_state_dict({k.removeprefix("net."): v for k, v in state.items() if k.startswith("net.")})
    return model


def params_for(
    optimizer: dict[str, Any] | None = None, augment: dict[str, Any] | None = None, **changes: Any
) -> Params:
    frozen = {"weights": "weights.pt", "freeze": "backbone", "epochs": 5, "batch_size": 20, "threads": 1}
    groups = {
        "optimizer": SHIPPED.optimizer.model_copy(update={**ADAMW, **(optimizer or {})}),
        "augment": SHIPPED.augment.model_copy(update={"pad": 0, "flip": True, **(augment or {})}),
    }
    return SHIPPED.model_copy(update={**frozen, **groups, **changes})


def few(tiny: Dataset, count: int = 5) -> Dataset:
    """`count` training images a class, and as many to test with."""
    some = np.concatenate([np.flatnonzero(tiny.train.labels == c)[:count] for c in range(10)])
    return dataclasses.replace(tiny, train=tiny.train.take(some))


def run(data: Dataset, params: Params, **options: Any) -> tuple[TrainingSetup, list[Epoch]]:
    setup = set_up_training(params, data, MEAN_STD, CPU)
    return setup, fit(setup, CPU, params, {}, **options)


def same_weights(one: TrainingSetup, other: TrainingSetup) -> bool:
    states = [setup.model.state_dict() for setup in (one, other)]
    return all(torch.equal(states[0][key], states[1][key]) for key in states[0])


def interrupted(at: int) -> Any:
    def on_epoch_end(row: Epoch) -> None:
        if row.epoch == at:
            raise KeyboardInterrupt

    return on_epoch_end


def test_only_the_last_layer_is_trained(tiny):
    setup, curves = run(few(tiny), params_for())
    start = torch.load("weights.pt", weights_only=True)
    changed = {key for key, value in setup.model.state_dict().items() if not torch.equal(value, start[key])}
    assert changed == {"linear.weight", "linear.bias"}
    assert [row.epoch for row in curves] == [1, 2, 3, 4, 5]
    assert curves[-1].train_loss < curves[0].train_loss


def test_the_model_answers_as_the_features_did(tiny):
    setup, curves = run(few(tiny), params_for())
    logits = predict_logits(setup.model, setup.val_split.images, setup.normalize, CPU)
    best = curves[best_epoch(curves) - 1]
    assert cross_entropy(logits, setup.val_split.labels) == pytest.approx(best.val_loss, rel=1e-5)


def test_features_are_computed_once_for_all_that_is_tried_with_them(tiny, monkeypatch):
    seen = []
    original = features.extractor

    def spying(*args: Any) -> Any:
        extract = original(*args)
        return lambda images: (seen.append(len(images)), extract(images))[1]

    monkeypatch.setattr("src.training.frozen.extractor", spying)
    data = few(tiny)
    run(data, params_for())
    assert seen == [40, 10]
    run(data, params_for(epochs=2, optimizer={"lr": 0.1}, label_smoothing=0.1))
    assert seen == [40, 10]
    for other in (params_for(seed=3), params_for(augment={"flip": False})):
        run(data, other)
    assert len(seen) == 6
    torch.save(SmallClassifier(10).state_dict(), "other.pt")
    run(data, params_for(weights="other.pt"))
    assert len(seen) == 8


@pytest.mark.parametrize("unfreeze_at", [0, 3])
@pytest.mark.parametrize("validation", [0.2, 0.0])
def test_the_same_bytes_twice_and_after_kills_in_each_phase(tiny, project, unfreeze_at, validation):
    mixed = {"mix": "mixup"} if unfreeze_at else {}
    params = params_for(unfreeze_at=unfreeze_at, validation=validation, augment=mixed, ema=0.5)
    data = few(tiny)
    whole, curves = run(data, params)
    again, curves_again = run(data, params)
    assert curves_again == curves
    assert same_weights(whole, again)
    for at in (1, 2, 3, 4, 5):
        with pytest.raises(KeyboardInterrupt):
            run(data, params, checkpoints=Checkpoints("key"), on_epoch_end=interrupted(at))
    checkpoints, seen = Checkpoints("key"), []
    resumed, resumed_curves = run(data, params, checkpoints=checkpoints, on_epoch_end=seen.append)
    assert resumed_curves == curves == seen
    assert same_weights(whole, resumed)
    checkpoints.remove()
    assert list((project / ".checkpoints").iterdir()) == []


def test_from_the_epoch_named_on_all_is_trained_at_two_rates(tiny):
    setup, curves = run(few(tiny), params_for(unfreeze_at=3, validation=0))
    assert len(curves) == 5
    start = torch.load("weights.pt", weights_only=True)
    now = setup.model.state_dict()
    assert not torch.equal(now["net.conv1.weight"], start["net.conv1.weight"])
    # The rate falls to zero in each of the two phases; the first step of the second is at the full rate.
    assert curves[1].lr < curves[0].lr
    assert curves[2].lr > curves[1].lr
    slow = params_for(unfreeze_at=3, validation=0, optimizer={"backbone_lr": 1e-6})
    still = run(few(tiny), slow)[0].model.state_dict()
    moved = [(state["net.conv1.weight"] - start["net.conv1.weight"]).abs().max() for state in (now, still)]
    assert moved[1] < 1e-3 * moved[0]


def test_the_best_epoch_may_be_one_of_the_last_layer_alone(tiny):
    # A ruinous rate for the backbone: nothing after it is as good.
    ruined = params_for(unfreeze_at=4, optimizer={"backbone_lr": 1.0, "lr": 0.5}, validation=0.4)
    setup, curves = run(few(tiny), ruined)
    best = best_epoch(curves)
    assert best < 4
    start = torch.load("weights.pt", weights_only=True)
    assert torch.equal(setup.model.state_dict()["net.conv1.weight"], start["net.conv1.weight"])


def test_what_features_have_no_use_for_is_said(tiny, capsys):
    run(few(tiny), params_for(augment={"scale": 0.3, "mix": "cutmix"}))
    line = "not used with freeze: backbone, where features are computed once: augment.scale, augment.mix\n"
    assert line in capsys.readouterr().out
    run(few(tiny), params_for(augment={"color": 0.2}, unfreeze_at=3))
    line = "not used in epochs 1 to 2, where features are computed once: augment.color\n"
    assert line in capsys.readouterr().out


def test_muon_has_nothing_to_do_for_a_last_layer(tiny):
    with pytest.raises(
        InputError, match=r"^optimizer\.name: 'muon' is for filters .*; use 'adamw' or 'sgd'$"
    ):
        run(few(tiny), params_for(optimizer={"name": "muon"}))


def test_rare_classes_are_drawn_as_often_as_others(tiny):
    # 20 images of one class, 2 of each of the others.
    some = np.concatenate([np.flatnonzero(tiny.train.labels == c)[: 20 if c == 0 else 2] for c in range(10)])
    data = dataclasses.replace(tiny, train=tiny.train.take(some))
    for weights in ("sampler", "balanced"):
        setup, curves = run(data, params_for(class_weights=weights, validation=0))
        assert len(curves) == 5
        assert (setup.objective.class_weights is not None) == (weights == "balanced")
    assert setup.objective.class_weights.tolist() == pytest.approx([38 / 10 / 20, *[38 / 10 / 2] * 9])


@pytest.mark.parametrize(("classes", "images"), [(2, 6), (6, 10), (1, 4)])
@pytest.mark.parametrize("freeze", ["none", "backbone"])
def test_few_images_are_enough(tiny, freeze, classes, images):
    some = np.concatenate([np.flatnonzero(tiny.train.labels == c)[:images] for c in range(classes)])
    train = tiny.train.take(some)
    test = tiny.test.take(np.flatnonzero(tiny.test.labels < classes))
    data = dataclasses.replace(tiny, classes=tiny.classes[:classes], train=train, test=test)
    setup, curves = run(data, params_for(freeze=freeze, epochs=2, batch_size=min(16, len(some) // 2)))
    assert len(curves) == 2
    assert 0 <= unsure_below(setup, CPU) <= 1


def test_the_threshold_rejects_a_twentieth_of_the_right_answers(tiny):
    setup, _ = run(tiny, params_for(validation=0.5, epochs=20))
    threshold = unsure_below(setup, CPU)
    logits = predict_logits(setup.model, setup.val_split.images, setup.normalize, CPU)
    confidence = torch.from_numpy(logits).double().softmax(1).amax(1).numpy()
    right = confidence[logits.argmax(1) == setup.val_split.labels]
    assert len(right) > 10
    below = (right < threshold - 1e-9).sum()
    assert below <= 0.05 * len(right) < below + 2
    assert unsure_below(dataclasses.replace(setup, held_out=False), CPU) == 0


def test_features_lie_outside_of_the_copy_that_a_run_works_in(tiny, project, monkeypatch):
    weights = str(Path("weights.pt").resolve())
    copy = enter_copy(project, monkeypatch)
    artifacts.write_json(artifacts.DATASET / "meta.json", {})
    run(few(tiny), params_for(weights=weights))
    assert len(list((project / ".features").iterdir())) == 1
    assert not (copy / ".features").exists()
