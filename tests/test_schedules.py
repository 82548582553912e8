import math

import pytest
from torch import nn
from torch.optim import SGD

from src import params
from src.schedules import create_schedule
from tests.conftest import shipped_params

SETTINGS = params.Schedule(**shipped_params()["schedule"])


def rates(epochs: int, batches: int, **settings: object) -> list[float]:
    """Before each step, beginning with an optimiser's rate of 0.4."""
    optimiser = SGD(nn.Linear(1, 1).parameters(), lr=0.4, momentum=0.5)
    schedule = create_schedule(SETTINGS.model_copy(update=settings), optimiser, epochs, batches)
    found = []
    for _ in range(epochs * batches):
        found.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        schedule.step()
    assert optimiser.param_groups[0]["momentum"] == 0.5
    return found


def test_constant():
    assert rates(1, 5, name="constant") == [0.4] * 5


def test_linear():
    assert rates(1, 5, name="linear") == pytest.approx([0.4, 0.32, 0.24, 0.16, 0.08])


def test_cosine():
    expected = [0.2 * (1 + math.cos(math.pi * step / 10)) for step in range(10)]
    assert rates(2, 5, name="cosine") == pytest.approx(expected)


def test_one_cycle_starts_peaks_and_ends_where_it_should():
    found = rates(4, 25, name="one_cycle", peak=1, start_divisor=20, end_divisor=10)
    assert found[0] == pytest.approx(0.4 / 20)
    assert found[24] == max(found) == pytest.approx(0.4)  # the last step of the first epoch
    assert found[-1] == pytest.approx(0.4 / 20 / 10)
    # Half-way down a cosine is the mean of its ends.
    assert (found[61] + found[62]) / 2 == pytest.approx((0.4 + 0.002) / 2)


def test_one_cycle_may_end_where_it_began():
    found = rates(24, 10, name="one_cycle", peak=5, start_divisor=20, end_divisor=1)
    assert found[49] == max(found) == pytest.approx(0.4)
    assert [found[0], found[-1], min(found)] == pytest.approx([0.02] * 3)


def test_one_cycle_with_annihilation_is_back_at_the_start_before_it_ends():
    settings = {"peak": 3, "start_divisor": 20, "end_divisor": 10, "annihilation": True}
    found = rates(10, 10, name="one_cycle", **settings)
    assert found[29] == max(found) == pytest.approx(0.4)
    assert found[:30] == pytest.approx(found[58:28:-1])  # down as fast as up
    assert found[58] == pytest.approx(0.02)
    assert found[59:] == sorted(found[59:], reverse=True)
    assert found[-1] == pytest.approx(0.002)


@pytest.mark.parametrize("name", ["constant", "linear", "cosine", "one_cycle"])
@pytest.mark.parametrize("annihilation", [False, True])
@pytest.mark.parametrize("epochs", [1, 2, 3])
@pytest.mark.parametrize("batches", [1, 2, 3, 5, 10])
def test_a_training_may_be_as_short_as_it_likes(name, annihilation, epochs, batches):
    steps = epochs * batches
    peaks = {0.001, 0.2, 0.25, 1 / 3, 0.5, 0.999, *(k / steps for k in range(1, steps))}
    for peak in peaks:
        if annihilation and peak >= 0.5:
            continue
        found = rates(epochs, batches, name=name, peak=peak * epochs, annihilation=annihilation)
        assert len(found) == steps
        assert all(0 < rate <= 0.4 + 1e-9 for rate in found)


def test_plateau_waits_until_the_loss_no_longer_falls():
    optimiser = SGD(nn.Linear(1, 1).parameters(), lr=0.4)
    settings = SETTINGS.model_copy(
        update={"name": "plateau", "factor": 0.1, "patience": 2, "threshold": 0.01}
    )
    schedule = create_schedule(settings, optimiser, 10, 1)
    found = []
    # 0.995 is no improvement of a hundredth; 0.98 is one.
    for loss in (2.0, 1.0, 0.995, 1.1, 0.98, 1.0, 1.0, 1.0, 0.9):
        schedule.step(loss)
        found.append(optimiser.param_groups[0]["lr"])
    assert found == pytest.approx([0.4] * 7 + [0.04] * 2)
