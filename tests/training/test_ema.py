import pytest
import torch
from torch import nn

from src.training.ema import WeightAverage


def small_net() -> nn.Module:
    """With statistics and their counter."""
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(16, 10))


def change(model: nn.Module, generator: torch.Generator) -> None:
    """Weights and statistics, as a step would."""
    with torch.no_grad():
        for value in model.state_dict().values():
            if value.is_floating_point():
                value += torch.randn(value.shape, generator=generator)


def numbers(model: nn.Module) -> torch.Tensor:
    return torch.cat([value.flatten() for value in model.state_dict().values() if value.is_floating_point()])


@pytest.mark.parametrize("decay", [0.3, 0.999])
def test_the_average_is_the_weighted_mean_of_all_steps(decay):
    model = small_net()
    generator = torch.Generator().manual_seed(0)
    average = WeightAverage(model, decay)
    expected = 0.0
    for step in range(30):
        change(model, generator)
        average.update(model)
        kept = min(decay, step / (9 + step))
        expected = kept * expected + (1 - kept) * numbers(model)
    torch.testing.assert_close(numbers(average.module), expected, rtol=1e-4, atol=1e-4)


def test_the_first_weights_are_soon_forgotten():
    model = nn.Linear(1, 1, bias=False)
    nn.init.constant_(model.weight, 1)
    average = WeightAverage(model, 0.999)
    average.update(model)
    nn.init.constant_(model.weight, 0)
    for _ in range(100):
        average.update(model)
    assert 0 < average.module.weight.item() < 1e-6  # with a decay of 0.999 from the start: 0.9
    assert model.weight.item() == 0


def test_an_average_resumes_from_its_state():
    model = small_net()
    generator = torch.Generator().manual_seed(0)
    one = WeightAverage(model, 0.9)
    for _ in range(3):
        change(model, generator)
        one.update(model)
    other = WeightAverage(small_net(), 0.9)
    other.load_state_dict(one.state_dict())
    change(model, generator)
    for average in (one, other):
        average.update(model)
    assert torch.equal(numbers(one.module), numbers(other.module))
