"""Optimizers, torch's own."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import SGD, AdamW, Muon, Optimizer

from src.errors import InputError
from src.params import OptimizerConfig

MUON_ITERATIONS = 3  # of the orthogonalization; airbench's choice, where torch's default is 5
ADAMW_BETAS = (0.9, 0.999)  # torch's defaults
MUON_ADAM_BETAS = (
    0.9,
    0.95,
)  # a training of a few hundred steps ends before 0.999 has forgotten its beginning


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


def create_optimizers(
    config: OptimizerConfig, model: nn.Module, backbone: Iterable[nn.Parameter] = ()
) -> list[Optimizer]:
    """What trains the weights of `model`, each of them by exactly one.

    Args:
        config: `sgd`: SGD with momentum for all; `adamw`: AdamW, Loshchilov & Hutter, "Decoupled Weight Decay
            Regularization", 2019, without decay for biases and scales; `muon`: Muon for the filters of
            convolutions, and Adam, with `adam_lr` and without weight decay, for all else.
        model: where it will be trained; weights that need no gradient are left alone.
        backbone: weights whose rate is `backbone_lr` times the others'.

    Returns:
        Optimizers; the first group of the first has the rate `lr`.

    Raises:
        InputError: there is nothing for Muon, or `backbone` is asked of it.
    """
    trained = [weights for weights in model.parameters() if weights.requires_grad]
    lr = float(config.lr)  # a number by now: the rate that was found, if one was
    if config.name == "muon":
        return _muon(config, trained, lr, list(backbone))
    # By identity: == compares the values of tensors.
    slow = {id(weights) for weights in backbone}
    groups = []
    for members, rate in (
        ([weights for weights in trained if id(weights) not in slow], lr),
        ([weights for weights in trained if id(weights) in slow], lr * config.backbone_lr),
    ):
        if config.name == "sgd":
            groups.append({"params": members, "lr": rate})
            continue
        flat = [weights for weights in members if weights.dim() < 2]
        groups.append({"params": [weights for weights in members if weights.dim() > 1], "lr": rate})
        groups.append({"params": flat, "lr": rate, "weight_decay": 0.0})
    groups = [group for group in groups if group["params"]]
    if config.name == "adamw":
        return [AdamW(groups, lr=lr, betas=ADAMW_BETAS, weight_decay=config.weight_decay)]
    sgd = SGD(
        groups,
        lr=lr,
        momentum=config.momentum,
        weight_decay=config.weight_decay,
        nesterov=config.nesterov,
    )
    return [sgd]


def _muon(
    config: OptimizerConfig, trained: list[nn.Parameter], lr: float, backbone: list[nn.Parameter]
) -> list[Optimizer]:
    filters = [weights for weights in trained if weights.dim() == 4]
    others = [weights for weights in trained if weights.dim() != 4]
    if backbone or not filters:
        reason = "has one rate for all filters" if backbone else "is for filters of convolutions; none here"
        raise InputError(f"optimizer.name: 'muon' {reason}; use 'adamw' or 'sgd'")
    muon = FilterMuon(
        filters,
        lr=lr,
        momentum=config.momentum,
        weight_decay=config.weight_decay,
        nesterov=config.nesterov,
        ns_steps=MUON_ITERATIONS,
    )
    adam = [AdamW(others, lr=config.adam_lr, betas=MUON_ADAM_BETAS, weight_decay=0.0)] if others else []
    return [muon, *adam]
