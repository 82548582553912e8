import math

import pytest
from torch import nn
from torch.optim import SGD

from src.params import PlateauConfig, ScheduleConfig
from src.training.schedules import create_schedule
from tests.conftest import shipped_params

CONFIG = ScheduleConfig(**shipped_params()["schedule"])


def rates(epochs: int, batches: int, name: str, **changes: object) -> list[float]:
    """Before each step, starting with an optimizer's rate of 0.4; changes are of `schedule.one_cycle`."""
    optimizer = SGD(nn.Linear(1, 1).parameters(), lr=0.4, momentum=0.5)
    one_cycle = CONFIG.one_cycle.model_copy(update=changes)
    config = CONFIG.model_copy(update={"name": name, "one_cycle": one_cycle})
    schedule = create_schedule(config, optimizer, epochs, batches)
    lrs = []
    for _ in range(epochs * batches):
        lrs.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    assert optimizer.param_groups[0]["momentum"] == 0.5
    return lrs


def test_constant():
    assert rates(1, 5, name="constant") == [0.4] * 5


def test_linear():
    assert rates(1, 5, name="linear") == pytest.approx([0.4, 0.32, 0.24, 0.16, 0.08])


def test_cosine():
    expected = [0.2 * (1 + math.cos(math.pi * step / 10)) for step in range(10)]
    assert rates(2, 5, name="cosine") == pytest.approx(expected)


def test_one_cycle_starts_peaks_and_ends_where_it_should():
    lrs = rates(4, 25, name="one_cycle", peak=1, start_divisor=20, end_divisor=10)
    assert lrs[0] == pytest.approx(0.4 / 20)
    assert lrs[24] == max(lrs) == pytest.approx(0.4)  # the last step of the first epoch
    assert lrs[-1] == pytest.approx(0.4 / 20 / 10)
    # Half-way down a cosine is the mean of its ends.
    assert (lrs[61] + lrs[62]) / 2 == pytest.approx((0.4 + 0.002) / 2)


def test_one_cycle_may_end_where_it_started():
    lrs = rates(24, 10, name="one_cycle", peak=5, start_divisor=20, end_divisor=1)
    assert lrs[49] == max(lrs) == pytest.approx(0.4)
    assert [lrs[0], lrs[-1], min(lrs)] == pytest.approx([0.02] * 3)


def test_one_cycle_with_annihilation_is_back_at_the_start_before_it_ends():
    changes = {"peak": 3, "start_divisor": 20, "end_divisor": 10, "annihilation": True}
    lrs = rates(10, 10, name="one_cycle", **changes)
    assert lrs[29] == max(lrs) == pytest.approx(0.4)
    assert lrs[:30] == pytest.approx(lrs[58:28:-1])  # down as fast as up
    assert lrs[58] == pytest.approx(0.02)
    assert lrs[59:] == sorted(lrs[59:], reverse=True)
    assert lrs[-1] == pytest.approx(0.002)


@pytest.mark.parametrize("name", ["constant", "linear", "cosine", "one_cycle"])
@pytest.mark.parametrize("annihilation", [False, True])
@pytest.mark.parametrize("epochs", [1, 2, 3])
@pytest.mark.parametrize("batches", [1, 2, 3, 5, 10])
def test_a_training_may_be_very_short(name, annihilation, epochs, batches):
    steps = epochs * batches
    peaks = {0.001, 0.2, 0.25, 1 / 3, 0.5, 0.999, *(k / steps for k in range(1, steps))}
    for peak in peaks:
        if annihilation and peak >= 0.5:
            continue
        lrs = rates(epochs, batches, name=name, peak=peak * epochs, annihilation=annihilation)
        assert len(lrs) == steps
        assert all(0 < rate <= 0.4 + 1e-9 for rate in lrs)


def test_plateau_waits_until_the_loss_no_longer_falls():
    optimizer = SGD(nn.Linear(1, 1).parameters(), lr=0.4)
    plateau = PlateauConfig(factor=0.1, patience=2, threshold=0.01)
    config = CONFIG.model_copy(update={"name": "plateau", "plateau": plateau})
    schedule = create_schedule(config, optimizer, 10, 1)
    lrs = []
    # 0.995 is no improvement of a hundredth; 0.98 is one.
    for loss in (2.0, 1.0, 0.995, 1.1, 0.98, 1.0, 1.0, 1.0, 0.9):
        schedule.step(loss)
        lrs.append(optimizer.param_groups[0]["lr"])
    assert lrs == pytest.approx([0.4] * 7 + [0.04] * 2)
