import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from src.data.augmentation import Augmentation
from src.data.batches import TrainingBatches
from src.data.dataset import Dataset, Split
from src.data.normalization import Normalize
from src.errors import InputError
from src.evaluation.inference import predict_logits
from src.evaluation.scores import accuracy, cross_entropy
from src.hardware import Hardware, choose_hardware, set_up_torch
from src.params import Params, PlateauConfig, load_params
from src.training.checkpoint import CheckpointFile
from src.training.loop import Epoch, best_epoch, train
from tests.conftest import ROOT
from tests.training.small_net import SmallNet

FP32 = Hardware(torch.device("cpu"), torch.float32)
PARAMS = load_params(ROOT / "params.yaml").model_copy(update={"epochs": 2, "batch_size": 20})


def normalizer(hardware: Hardware = FP32) -> Normalize:
    return Normalize([0.5] * 3, [0.25] * 3, hardware.device)


def set_up(
    tiny: Dataset, params: Params, hardware: Hardware = FP32, threads: int = 1
) -> tuple[nn.Module, TrainingBatches]:
    """The same untrained model and the same batches of 50 images at every call."""
    set_up_torch(threads, deterministic=True)
    torch.manual_seed(0)
    train_split = tiny.train.take(np.arange(0, len(tiny.train), 4))
    augmentation = Augmentation(params.augment, train_split.images, [0.5] * 3, 0)
    batches = TrainingBatches(augmentation, train_split.labels, params.batch_size, seed=0)
    return hardware.place(SmallNet()), batches


def run(
    tiny: Dataset,
    hardware: Hardware = FP32,
    keep_best: bool = True,
    val_split: Split | None = None,
    checkpoint: CheckpointFile | None = None,
    on_epoch_end: Callable[[Epoch], None] = lambda _: None,
    threads: int = 1,
    **changes: object,
) -> tuple[nn.Module, list[Epoch]]:
    params = PARAMS.model_copy(update=changes)
    model, batches = set_up(tiny, params, hardware, threads)
    curves = train(
        model,
        batches,
        val_split or tiny.test,
        normalizer(hardware),
        hardware,
        params,
        keep_best,
        checkpoint,
        on_epoch_end,
    )
    return model, curves


def assert_same_weights(one: nn.Module, other: nn.Module) -> None:
    for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True):
        assert torch.equal(a, b)


def test_it_learns(tiny):
    slow = PARAMS.optimizer.model_copy(update={"lr": 0.02})
    still = PARAMS.augment.model_copy(update={"pad": 0, "flip": False, "cutout": 0})
    _, curves = run(tiny, epochs=12, batch_size=10, optimizer=slow, augment=still)
    assert curves[-1].train_accuracy > 0.5
    assert curves[-1].train_loss < curves[0].train_loss / 1.5


def test_the_same_seed_gives_the_same_bits(tiny):
    (one, first), (two, second) = (run(tiny, threads=2) for _ in range(2))
    assert first == second
    assert_same_weights(one, two)


@pytest.mark.gpu
def test_the_same_seed_gives_the_same_bits_on_a_gpu(tiny):
    hardware = choose_hardware("cuda", "auto")
    (one, first), (two, second) = run(tiny, hardware), run(tiny, hardware)
    assert first == second
    assert_same_weights(one, two)


class Interrupted(CheckpointFile):
    """Stops the training, as a kill would, after the state of an epoch has been written."""

    def __init__(self, key: str, after: int) -> None:
        super().__init__(key)
        self.after = after

    def save(self, state: Mapping[str, Any]) -> None:
        super().save(state)
        if len(state["curves"]) == self.after:
            raise KeyboardInterrupt


def check_resume(tiny: Dataset, hardware: Hardware, **changes: object) -> None:
    whole, curves = run(tiny, hardware, **changes)
    for after in (1, 2):
        with pytest.raises(KeyboardInterrupt):
            run(tiny, hardware, checkpoint=Interrupted("key", after), **changes)
    resumed, resumed_curves = run(tiny, hardware, checkpoint=CheckpointFile("key"), **changes)
    assert resumed_curves == curves
    assert_same_weights(whole, resumed)


@pytest.mark.parametrize("schedule", ["one_cycle", "constant", "linear", "cosine", "plateau"])
def test_a_training_stopped_twice_ends_in_the_same_bits(tiny, tmp_path, monkeypatch, capsys, schedule):
    monkeypatch.chdir(tmp_path)
    # A plateau without patience or hope of improvement: the rate falls in each epoch but the first.
    plateau = PlateauConfig(factor=0.1, patience=0, threshold=0.9)
    config = PARAMS.schedule.model_copy(update={"name": schedule, "plateau": plateau})
    changes = {"epochs": 3, "schedule": config}
    check_resume(tiny, FP32, **changes)
    assert "resumes after epoch 1 of 3\n" in capsys.readouterr().out


@pytest.mark.parametrize("keep_best", [True, False])
def test_the_average_of_the_weights_is_resumed_too(tiny, tmp_path, monkeypatch, keep_best):
    monkeypatch.chdir(tmp_path)
    check_resume(tiny, FP32, epochs=3, ema=0.9, keep_best=keep_best)


def test_the_average_of_the_weights_is_what_is_tested_and_left(tiny):
    (plain, jumping), (averaged, curves) = [run(tiny, ema=ema, keep_best=False) for ema in (0, 0.9)]
    # What is trained is the same.
    assert [row.train_loss for row in curves] == [row.train_loss for row in jumping]
    assert [row.val_loss for row in curves] != [row.val_loss for row in jumping]
    logits = predict_logits(averaged, tiny.test.images, normalizer(), FP32)
    assert cross_entropy(logits, tiny.test.labels) == curves[-1].val_loss
    assert any(
        not torch.equal(a, b)
        for a, b in zip(plain.state_dict().values(), averaged.state_dict().values(), strict=True)
    )


def test_every_epoch_is_reported_also_after_a_restart(tiny, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for after in (1, 2, 3):
        seen = []
        with pytest.raises(KeyboardInterrupt):
            run(tiny, checkpoint=Interrupted("key", after), on_epoch_end=seen.append, epochs=3)
        assert [row.epoch for row in seen] == list(range(1, after + 1))


@pytest.mark.gpu
def test_a_training_stopped_twice_ends_in_the_same_bits_on_a_gpu(tiny, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    check_resume(tiny, choose_hardware("cuda", "auto"), epochs=3)


def test_the_best_epoch_is_kept(tiny):
    gentle = PARAMS.optimizer.model_copy(update={"lr": 0.01})
    constant = PARAMS.schedule.model_copy(update={"name": "constant"})
    changes = {"epochs": 4, "optimizer": gentle, "schedule": constant}
    model, curves = run(tiny, **changes)
    best = max(row.val_accuracy for row in curves)
    assert len({row.val_accuracy for row in curves}) > 1
    logits = predict_logits(model, tiny.test.images, normalizer(), FP32)
    assert accuracy(logits.argmax(1), tiny.test.labels) == best
    assert curves[best_epoch(curves) - 1].val_accuracy == best


def test_without_images_held_out_nothing_is_selected(tiny):
    # Whatever the labels of the validation images, the weights are the last epoch's.
    changes = {"epochs": 2, "schedule": PARAMS.schedule.model_copy(update={"name": "constant"})}
    rng = np.random.default_rng(0)
    other = Split(tiny.test.images, rng.integers(0, 10, len(tiny.test)))
    one, _ = run(tiny, keep_best=False, **changes)
    two, _ = run(tiny, keep_best=False, val_split=other, **changes)
    assert_same_weights(one, two)


def plateau_by_hand(losses: list[float]) -> list[float]:
    """Rates from 0.02 on: a tenth after each loss that is not a hundredth below the best."""
    rates, best = [0.02], math.inf
    for loss in losses:
        improved = loss < 0.99 * best
        rates.append(rates[-1] if improved else 0.1 * rates[-1])
        best = loss if improved else best
    return rates[:-1]


@pytest.mark.parametrize("held_out", [True, False])
def test_plateau_listens_to_images_held_out_or_else_to_the_training(tiny, held_out):
    falling = PlateauConfig(factor=0.1, patience=0, threshold=0.01)
    plateau = PARAMS.schedule.model_copy(update={"name": "plateau", "plateau": falling})
    slow = PARAMS.optimizer.model_copy(update={"lr": 0.02})
    _, curves = run(tiny, epochs=5, schedule=plateau, optimizer=slow, keep_best=held_out)
    validation = plateau_by_hand([row.val_loss for row in curves])
    training = plateau_by_hand([row.train_loss for row in curves])
    assert validation != pytest.approx(training)
    assert [row.lr for row in curves] == pytest.approx(validation if held_out else training)


def plain_and_smoothed(model: nn.Module, batches: TrainingBatches, smoothing: float) -> tuple[float, float]:
    """The mean losses over an epoch's images of a model that is not trained meanwhile."""
    plain = smoothed = images = 0
    normalize = normalizer()
    for batch, labels in batches.epoch(1):
        logits = model.train()(normalize(batch))
        plain += F.cross_entropy(logits, labels, reduction="sum").item()
        smoothed += F.cross_entropy(logits, labels, reduction="sum", label_smoothing=smoothing).item()
        images += len(labels)
    return plain / images, smoothed / images


@pytest.mark.parametrize("batch_size", [50, 20])
def test_the_training_loss_of_the_curves_is_without_label_smoothing(tiny, batch_size):
    # With batches of 20, 20 and 10 the weights must not change on the way; the mean is over images.
    still = PARAMS.optimizer.model_copy(update={"name": "sgd", "lr": 1e-12, "weight_decay": 0})
    changes = {"epochs": 1, "batch_size": batch_size, "optimizer": still, "label_smoothing": 0.5}
    changes["schedule"] = PARAMS.schedule.model_copy(update={"name": "constant"})
    _, [row] = run(tiny, **changes)
    plain, smoothed = plain_and_smoothed(*set_up(tiny, PARAMS.model_copy(update=changes)), 0.5)
    assert row.train_loss == pytest.approx(plain, rel=1e-5)
    assert abs(smoothed - plain) > 1e-3 * plain


def test_what_is_minimized_is_the_loss_with_label_smoothing(tiny):
    # A target that is spread evenly over all classes, but for a thousandth, makes sure answers costly.
    (_, plain), (_, smoothed) = (run(tiny, epochs=10, label_smoothing=s) for s in (0.0, 0.999))
    assert plain[-1].train_loss < plain[0].train_loss - 0.2
    assert smoothed[-1].train_loss > math.log(10) - 0.1


def test_best_epoch_is_the_first_of_equals():
    rows = [Epoch(n, 0.1, 1.0, 0.5, 1.0, value) for n, value in enumerate([0.1, 0.4, 0.2, 0.4], 1)]
    assert best_epoch(rows) == 2


def test_a_loss_that_is_not_a_number_ends_the_training(tiny):
    fast = PARAMS.optimizer.model_copy(update={"lr": 1e30})
    with pytest.raises(
        InputError, match=r"optimizer\.lr: the loss became (nan|inf) in epoch 1 at step [123]"
    ):
        run(tiny, optimizer=fast)


def test_a_last_step_that_ruins_the_weights_ends_the_training_too(tiny):
    # One step only: its loss is that of the weights before it.
    ruinous = PARAMS.optimizer.model_copy(update={"lr": 1e30})
    with pytest.raises(InputError, match=r"the validation loss became (nan|inf) in epoch 1 at step 1"):
        run(tiny, optimizer=ruinous, epochs=1, batch_size=50)


def test_a_log_without_a_terminal_has_a_line_an_epoch(tiny, capsys):
    run(tiny)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("epoch 1/2: loss ")
    for word in ("accuracy", "validation", "images/s", "left"):
        assert word in lines[0]
    assert lines[1].endswith("0:00:00 left")
