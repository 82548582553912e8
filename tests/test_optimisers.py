import math

import pytest
import torch
from torch import nn

from src import params
from src.optimisers import create_optimiser, create_schedule

SGD = params.Optimizer(name="sgd", lr=0.4, momentum=0.5, weight_decay=0.1, nesterov=True)


def rates(steps: int, **settings: object) -> list[float]:
    optimiser = create_optimiser(SGD, nn.Linear(1, 1))
    schedule = create_schedule(params.Schedule(**settings), optimiser, steps)
    found = []
    for _ in range(steps):
        found.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        schedule.step()
    assert optimiser.param_groups[0]["momentum"] == 0.5
    return found


def test_constant():
    assert rates(5, name="constant", peak=0.5, start_divisor=25, end_divisor=10) == [0.4] * 5


def test_one_cycle_starts_peaks_and_ends_where_it_should():
    found = rates(101, name="one_cycle", peak=0.25, start_divisor=20, end_divisor=10)
    assert found[0] == pytest.approx(0.4 / 20)
    assert found[-1] == pytest.approx(0.4 / 20 / 10)
    assert max(found) == pytest.approx(0.4, rel=1e-3)
    assert found.index(max(found)) in (24, 25)
    # Half-way down a cosine is the mean of its ends.
    assert found[62] == pytest.approx((0.4 + 0.002) / 2, rel=0.02)


@pytest.mark.parametrize("name", ["constant", "one_cycle"])
@pytest.mark.parametrize("steps", [1, 2, 3, 4, 5, 10])
def test_a_training_may_be_as_short_as_it_likes(name, steps):
    peaks = {0.001, 0.2, 0.25, 1 / 3, 0.5, 0.999, *(k / steps for k in range(1, steps))}
    for peak in peaks:
        found = rates(steps, name=name, peak=peak, start_divisor=25, end_divisor=10)
        assert len(found) == steps
        assert all(0 < rate <= 0.4 + 1e-9 for rate in found)


def test_sgd_with_nesterov_and_weight_decay_by_hand():
    model = nn.Linear(1, 1, bias=False)
    nn.init.constant_(model.weight, 2.0)
    optimiser = create_optimiser(SGD, model)
    velocity, weight = 0.0, 2.0
    for _ in range(3):
        optimiser.zero_grad()
        (3 * model.weight).sum().backward()
        optimiser.step()
        gradient = 3 + 0.1 * weight
        velocity = 0.5 * velocity + gradient if velocity else gradient
        weight -= 0.4 * (gradient + 0.5 * velocity)
    assert math.isclose(model.weight.item(), weight, rel_tol=1e-6)
    assert isinstance(optimiser, torch.optim.SGD)
