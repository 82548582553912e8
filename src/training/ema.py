"""The exponential moving average of the weights."""

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn


class WeightAverage:
    """A copy of a model, in `module`, whose weights and statistics follow the model's step by step (EMA).

    At a rate that stays high the weights themselves jump about the place they are heading for; their mean
    does not (Polyak & Juditsky, "Acceleration of Stochastic Approximation by Averaging", 1992). After n steps
    the decay is at most n / (9 + n), much as in TensorFlow's `ExponentialMovingAverage`: so the average goes
    back over about 1 / (1 - decay) steps, but never over more than a ninth of those there have been, and
    forgets the untrained weights soon.

    Args:
        model: what is followed; on its device.
        decay: share of the average that is kept at each step, below 1.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.module, self.decay = copy.deepcopy(model), decay
        self.steps = 0

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Take in the model as it is after a step; on a GPU this waits for nothing."""
        mean, new = _averaged(self.module), _averaged(model)
        decay = min(self.decay, self.steps / (9 + self.steps))
        get_ema_multi_avg_fn(decay)(mean, new, self.steps)
        self.steps += 1

    def state_dict(self) -> dict[str, Any]:
        """What `load_state_dict` takes to resume from here."""
        return {"module": self.module.state_dict(), "steps": self.steps}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Resume from what `state_dict` gave."""
        self.module.load_state_dict(state["module"])
        self.steps = state["steps"]


def _averaged(model: nn.Module) -> list[Tensor]:
    """Weights and statistics, but no counters: their mean is nothing."""
    return [value for value in model.state_dict().values() if value.is_floating_point()]
