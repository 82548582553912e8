import pytest
import torch
from torch import nn

from src import models
from src.averaging import MovingAverage


def numbers(model: nn.Module) -> list[torch.Tensor]:
    return [value.clone() for value in model.state_dict().values() if value.is_floating_point()]


def change(model: nn.Module, generator: torch.Generator) -> None:
    """Weights and statistics, as a step would."""
    with torch.no_grad():
        for value in model.state_dict().values():
            if value.is_floating_point():
                value += torch.randn(value.shape, generator=generator)


@pytest.mark.parametrize("decay", [0.3, 0.999])
def test_it_is_the_weighted_mean_of_what_was_taken_in(decay):
    model = models.create("custom_resnet", 10)
    generator = torch.Generator().manual_seed(0)
    average = MovingAverage(model, decay)
    expected = None
    for step in range(30):
        change(model, generator)
        average.update_parameters(model)
        now = numbers(model)
        share = 1 - min(decay, (1 + step) / (10 + step))
        expected = now if step == 0 else [a + share * (b - a) for a, b in zip(expected, now, strict=True)]
    for a, b in zip(numbers(average.module), expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4)


def test_the_first_weights_are_soon_forgotten():
    model = nn.Linear(1, 1, bias=False)
    nn.init.constant_(model.weight, 1)
    average = MovingAverage(model, 0.999)
    average.update_parameters(model)
    nn.init.constant_(model.weight, 0)
    for _ in range(100):
        average.update_parameters(model)
    assert 0 < average.module.weight.item() < 1e-6  # 0.9 with a share of 0.001 from the start
    assert model.weight.item() == 0
