"""The moving average of the weights."""

from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn


class MovingAverage(AveragedModel):
    """A copy of a model, in `module`, that follows its weights and statistics step by step (EMA).

    At a rate that stays high the weights themselves jump about the place they are heading for. Polyak &
    Juditsky, "Acceleration of Stochastic Approximation by Averaging", 1992.

    Args:
        model: what is followed; on its device.
        decay: share of the average that is kept at each step; it covers about 1 / (1 - decay) steps.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        super().__init__(model, use_buffers=True)
        self.decay = decay

    def update_parameters(self, model: nn.Module) -> None:
        """Take in the model as it is after a step; early on a share of at least 9 / (10 + steps) of it.

        So an average over a thousand steps is not still half of the first weights after five hundred; from
        TensorFlow's `ExponentialMovingAverage`.
        """
        steps = int(self.n_averaged)
        self.multi_avg_fn = get_ema_multi_avg_fn(min(self.decay, (1 + steps) / (10 + steps)))
        super().update_parameters(model)
