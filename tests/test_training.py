import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
import torch

from src import hardware, models, params
from src.augmentation import Augmentation
from src.batches import TrainingBatches
from src.datasets import Dataset, Split
from src.errors import InputError
from src.hardware import Hardware
from src.inference import Normalise, predict_logits
from src.resume import StateFile
from src.scoring import accuracy, cross_entropy
from src.training import Epoch, best_epoch, train
from tests.conftest import shipped_params

FP32 = Hardware(torch.device("cpu"), torch.float32)
SETTINGS = params.Params(**shipped_params()).model_copy(update={"epochs": 2, "batch_size": 20})


def run(
    tiny: Dataset,
    used: Hardware = FP32,
    keep_best: bool = True,
    curve: Split | None = None,
    state_file: StateFile | None = None,
    watch: Callable[[Epoch], None] = lambda _: None,
    **changes: object,
) -> tuple[torch.nn.Module, list[Epoch]]:
    settings = SETTINGS.model_copy(update=changes)
    hardware.set_up(2, True)
    torch.manual_seed(0)
    few = tiny.train.take(np.arange(0, len(tiny.train), 4))
    augmentation = Augmentation(settings.augment, few.images, [0.5] * 3, 0)
    batches = TrainingBatches(augmentation, few.labels, settings.batch_size, seed=0)
    model = used.place(models.create("fast", 10))
    normalise = Normalise([0.5] * 3, [0.25] * 3, used.device)
    curves = train(
        model, batches, curve or tiny.test, normalise, used, settings, keep_best, state_file, watch
    )
    return model, curves


def test_it_learns(tiny):
    slow = SETTINGS.optimizer.model_copy(update={"lr": 0.02})
    still = SETTINGS.augment.model_copy(update={"pad": 0, "flip": False, "cutout": 0})
    _, curves = run(tiny, epochs=12, batch_size=10, optimizer=slow, augment=still)
    assert curves[-1].train_accuracy > 0.5
    assert curves[-1].train_loss < curves[0].train_loss / 1.5


def test_the_same_seed_gives_the_same_bits(tiny):
    (one, first), (two, second) = run(tiny), run(tiny)
    assert first == second
    for a, b in zip(one.state_dict().values(), two.state_dict().values(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.gpu
def test_the_same_seed_gives_the_same_bits_on_a_gpu(tiny):
    used = hardware.choose("cuda", "auto")
    (one, first), (two, second) = run(tiny, used), run(tiny, used)
    assert first == second
    for a, b in zip(one.state_dict().values(), two.state_dict().values(), strict=True):
        assert torch.equal(a, b)


class Interrupted(StateFile):
    """Stops the training, as a kill would, after the state of an epoch has been written."""

    def __init__(self, key: str, after: int) -> None:
        super().__init__(key)
        self.after = after

    def save(self, state: Mapping[str, Any]) -> None:
        super().save(state)
        if len(state["curves"]) == self.after:
            raise KeyboardInterrupt


def check_resume(tiny: Dataset, used: Hardware, **changes: object) -> None:
    whole, curves = run(tiny, used, **changes)
    for after in (1, 2):
        with pytest.raises(KeyboardInterrupt):
            run(tiny, used, state_file=Interrupted("key", after), **changes)
    resumed, resumed_curves = run(tiny, used, state_file=StateFile("key"), **changes)
    assert resumed_curves == curves
    for a, b in zip(whole.state_dict().values(), resumed.state_dict().values(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("schedule", ["one_cycle", "constant", "linear", "cosine", "plateau"])
def test_a_training_stopped_twice_ends_in_the_same_bits(tiny, tmp_path, monkeypatch, capsys, schedule):
    monkeypatch.chdir(tmp_path)
    # A plateau without patience or hope of improvement: the rate falls in each epoch but the first.
    settings = {"name": schedule, "patience": 0, "threshold": 0.9}
    changes = {"epochs": 3, "schedule": SETTINGS.schedule.model_copy(update=settings)}
    check_resume(tiny, FP32, **changes)
    assert "going on after epoch 1 of 3" in capsys.readouterr().out


@pytest.mark.parametrize("keep_best", [True, False])
def test_the_average_of_the_weights_is_gone_on_with_too(tiny, tmp_path, monkeypatch, keep_best):
    monkeypatch.chdir(tmp_path)
    check_resume(tiny, FP32, epochs=3, ema=0.9, keep_best=keep_best)


def test_the_average_of_the_weights_is_what_is_tested_and_left(tiny):
    (plain, jumping), (averaged, curves) = [run(tiny, ema=ema, keep_best=False) for ema in (0, 0.9)]
    # What is trained is the same.
    assert [row.train_loss for row in curves] == [row.train_loss for row in jumping]
    assert [row.val_loss for row in curves] != [row.val_loss for row in jumping]
    logits = predict_logits(averaged, tiny.test.images, Normalise([0.5] * 3, [0.25] * 3, FP32.device), FP32)
    assert cross_entropy(logits, tiny.test.labels) == curves[-1].val_loss
    assert any(
        not torch.equal(a, b)
        for a, b in zip(plain.state_dict().values(), averaged.state_dict().values(), strict=True)
    )


def test_whoever_watches_is_told_every_epoch_also_after_a_restart(tiny, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for after in (1, 2, 3):
        seen = []
        with pytest.raises(KeyboardInterrupt):
            run(tiny, state_file=Interrupted("key", after), watch=seen.append, epochs=3)
        assert [row.epoch for row in seen] == list(range(1, after + 1))


@pytest.mark.gpu
def test_a_training_stopped_twice_ends_in_the_same_bits_on_a_gpu(tiny, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    check_resume(tiny, hardware.choose("cuda", "auto"), epochs=3)


def test_the_best_epoch_is_kept(tiny):
    gentle = SETTINGS.optimizer.model_copy(update={"lr": 0.01})
    constant = SETTINGS.schedule.model_copy(update={"name": "constant"})
    changes = {"epochs": 4, "optimizer": gentle, "schedule": constant}
    model, curves = run(tiny, **changes)
    best = max(row.val_accuracy for row in curves)
    assert len({row.val_accuracy for row in curves}) > 1
    logits = predict_logits(model, tiny.test.images, Normalise([0.5] * 3, [0.25] * 3, FP32.device), FP32)
    assert accuracy(logits.argmax(1), tiny.test.labels) == best
    assert curves[best_epoch(curves) - 1].val_accuracy == best


def test_without_images_held_out_nothing_is_selected(tiny):
    # The curve's images may say what they like: the weights are the last epoch's.
    changes = {"epochs": 2, "schedule": SETTINGS.schedule.model_copy(update={"name": "constant"})}
    rng = np.random.default_rng(0)
    other = Split(tiny.test.images, rng.integers(0, 10, len(tiny.test)))
    one, _ = run(tiny, keep_best=False, **changes)
    two, _ = run(tiny, keep_best=False, curve=other, **changes)
    for a, b in zip(one.state_dict().values(), two.state_dict().values(), strict=True):
        assert torch.equal(a, b)


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
    plateau = SETTINGS.schedule.model_copy(update={"name": "plateau", "patience": 0, "threshold": 0.01})
    slow = SETTINGS.optimizer.model_copy(update={"lr": 0.02})
    _, curves = run(tiny, epochs=5, schedule=plateau, optimizer=slow, keep_best=held_out)
    validation = plateau_by_hand([row.val_loss for row in curves])
    training = plateau_by_hand([row.train_loss for row in curves])
    assert validation != pytest.approx(training)
    assert [row.lr for row in curves] == pytest.approx(validation if held_out else training)


def test_best_epoch_is_the_first_of_equals():
    rows = [Epoch(n, 0.1, 1.0, 0.5, 1.0, value) for n, value in enumerate([0.1, 0.4, 0.2, 0.4], 1)]
    assert best_epoch(rows) == 2


def test_a_loss_that_is_no_number_ends_it(tiny):
    fast = SETTINGS.optimizer.model_copy(update={"lr": 1e30})
    with pytest.raises(
        InputError, match=r"optimizer\.lr: the loss became (nan|inf) in epoch 1 at step [123]"
    ):
        run(tiny, optimizer=fast)


def test_a_last_step_that_ruins_the_weights_ends_it_too(tiny):
    # One step only: its loss is that of the weights before it.
    ruinous = SETTINGS.optimizer.model_copy(update={"lr": 1e9})
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
