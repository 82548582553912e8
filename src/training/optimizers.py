"""Optimizers, torch's own."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import SGD, AdamW, Muon, Optimizer

from src.params import OptimizerConfig

MUON_ITERATIONS = 3  # of the orthogonalization; airbench's choice, where torch's default is 5
ADAM_BETAS = (0.9, 0.95)  # a training of a few hundred steps ends before 0.999 has forgotten its beginning


class FilterMuon(Muon):
    """torch's Muon, which takes matrices only, for the filters of convolutions.

    A filter (outputs, inputs, height, width) is seen as a matrix with a row for each output, as in
    Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024.

    Args:
        filters: in the memory order in which they will be trained.
        settings: of `torch.optim.Muon`.
    """

    def __init__(self, filters: Iterable[nn.Parameter], **settings: Any) -> None:
        self.filters = list(filters)
        self.orders = [_order(weights) for weights in self.filters]
        matrices = [
            nn.Parameter(weights.detach().permute(order).view(len(weights), -1))  # the same memory
            for weights, order in zip(self.filters, self.orders, strict=True)
        ]
        super().__init__(matrices, **settings)

    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        for matrix, weights, order in zip(
            self.param_groups[0]["params"], self.filters, self.orders, strict=True
        ):
            matrix.grad = None if weights.grad is None else weights.grad.permute(order).flatten(1)
        return super().step(closure)

    def zero_grad(self, set_to_none: bool = True) -> None:
        super().zero_grad(set_to_none)
        for weights in self.filters:
            weights.grad = None


def _order(weights: Tensor) -> tuple[int, ...]:
    """Of the dimensions in memory; the order of a matrix's columns does not matter to Muon."""
    channels_last = weights.is_contiguous(memory_format=torch.channels_last)
    return (0, 2, 3, 1) if channels_last else (0, 1, 2, 3)


def create_optimizers(config: OptimizerConfig, model: nn.Module) -> list[Optimizer]:
    """What trains the weights of `model`, each of them by exactly one.

    Args:
        config: `sgd`: SGD with momentum for all; `muon`: Muon for the filters of convolutions, and Adam,
            with `adam_lr` and without weight decay, for all else.
        model: where it will be trained; weights that need no gradient are left alone.
    """
    trained = [weights for weights in model.parameters() if weights.requires_grad]
    lr = float(config.lr)  # a number by now: the rate that was found, if one was
    if config.name == "sgd":
        sgd = SGD(
            trained,
            lr=lr,
            momentum=config.momentum,
            weight_decay=config.weight_decay,
            nesterov=config.nesterov,
        )
        return [sgd]
    muon = FilterMuon(
        [weights for weights in trained if weights.dim() == 4],
        lr=lr,
        momentum=config.momentum,
        weight_decay=config.weight_decay,
        nesterov=config.nesterov,
        ns_steps=MUON_ITERATIONS,
    )
    others = [weights for weights in trained if weights.dim() != 4]
    return [muon, AdamW(others, lr=config.adam_lr, betas=ADAM_BETAS, weight_decay=0.0)]
