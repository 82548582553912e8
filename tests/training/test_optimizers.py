import math

import pytest
import torch
from torch import nn

from src.errors import InputError
from src.params import OptimizerConfig
from src.training.optimizers import FilterMuon, create_optimizers

SGD = OptimizerConfig(
    name="sgd", lr=0.4, backbone_lr=0.1, momentum=0.5, weight_decay=0.1, nesterov=True, adam_lr=0.01
)
MUON = SGD.model_copy(update={"name": "muon"})


def test_sgd_with_nesterov_and_weight_decay_by_hand():
    model = nn.Linear(1, 1, bias=False)
    nn.init.constant_(model.weight, 2.0)
    [optimizer] = create_optimizers(SGD, model)
    velocity, weight = 0.0, 2.0
    for _ in range(3):
        optimizer.zero_grad()
        (3 * model.weight).sum().backward()
        optimizer.step()
        gradient = 3 + 0.1 * weight
        velocity = 0.5 * velocity + gradient if velocity else gradient
        weight -= 0.4 * (gradient + 0.5 * velocity)
    assert math.isclose(model.weight.item(), weight, rel_tol=1e-6)
    assert isinstance(optimizer, torch.optim.SGD)


def muon_by_hand(weights: torch.Tensor, gradients: list[torch.Tensor]) -> torch.Tensor:
    """With the orthogonal matrix nearest to the momentum from a singular value decomposition."""
    momentum = torch.zeros_like(weights)
    for gradient in gradients:
        momentum = 0.5 * momentum + gradient
        u, _, v = torch.linalg.svd(gradient + 0.5 * momentum, full_matrices=False)
        weights = (1 - 0.4 * 0.1) * weights - 0.4 * u @ v
    return weights


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_muon_moves_filters_by_orthogonal_steps(memory_format):
    torch.manual_seed(0)
    conv = nn.Conv2d(6, 4, 3, bias=False).to(memory_format=memory_format)
    gradients = [torch.randn(4, 6, 3, 3) for _ in range(3)]
    expected = muon_by_hand(conv.weight.detach().flatten(1), [g.flatten(1) for g in gradients])
    before = conv.weight.detach().flatten(1).clone()
    muon = FilterMuon([conv.weight], lr=0.4, momentum=0.5, weight_decay=0.1, nesterov=True, ns_steps=20)
    for gradient in gradients:
        conv.weight.grad = gradient.clone(memory_format=memory_format)
        muon.step()
        muon.zero_grad()
        assert conv.weight.grad is None
    made = conv.weight.detach().flatten(1)
    # The iteration is a rough one, in bf16: singular values from 0.7 to 1.2 instead of 1.
    assert torch.linalg.norm(made - expected) < 0.3 * torch.linalg.norm(before - expected)


def test_muon_has_the_filters_and_adam_the_rest():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4, 2))
    model[1].weight.requires_grad = False
    muon, adam = create_optimizers(MUON, model)
    assert [weights is model[0].weight for weights in muon.filters] == [True]
    assert muon.param_groups[0]["lr"] == 0.4
    rest = [model[0].bias, model[1].bias, model[3].weight, model[3].bias]
    assert all(a is b for a, b in zip(adam.param_groups[0]["params"], rest, strict=True))
    assert (adam.param_groups[0]["lr"], adam.param_groups[0]["weight_decay"]) == (0.01, 0)


def test_adamw_by_hand_spares_biases():
    model = nn.Linear(1, 1)
    nn.init.constant_(model.weight, 2.0)
    nn.init.constant_(model.bias, 1.0)
    [optimizer] = create_optimizers(SGD.model_copy(update={"name": "adamw"}), model)
    assert isinstance(optimizer, torch.optim.AdamW)
    weight, bias, mean, square = 2.0, 1.0, 0.0, 0.0
    for step in range(1, 4):
        (step * model.weight + step * model.bias).sum().backward()
        optimizer.step()
        optimizer.zero_grad()
        mean, square = 0.9 * mean + 0.1 * step, 0.999 * square + 0.001 * step * step
        change = 0.4 * (mean / (1 - 0.9**step)) / (math.sqrt(square / (1 - 0.999**step)) + 1e-8)
        weight = weight * (1 - 0.4 * 0.1) - change
        bias -= change
        assert model.weight.item() == pytest.approx(weight, rel=1e-5)
        assert model.bias.item() == pytest.approx(bias, rel=1e-5)


@pytest.mark.parametrize("name", ["sgd", "adamw"])
def test_the_backbone_has_a_rate_of_its_own(name):
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4, 2))
    backbone = [*model[0].parameters(), *model[1].parameters()]
    [optimizer] = create_optimizers(SGD.model_copy(update={"name": name}), model, backbone)
    assert optimizer.param_groups[0]["lr"] == 0.4  # the one that the curves show
    rates = {id(p): group["lr"] for group in optimizer.param_groups for p in group["params"]}
    assert [rates[id(p)] for p in model[3].parameters()] == [0.4, 0.4]
    assert [rates[id(p)] for p in backbone] == pytest.approx([0.04] * 4)
    assert len(rates) == 6


def test_muon_needs_filters_and_has_one_rate_for_them():
    with pytest.raises(
        InputError, match=r"^optimizer\.name: 'muon' is for filters of convolutions; none here"
    ):
        create_optimizers(MUON, nn.Linear(3, 2))
    conv = nn.Conv2d(3, 4, 3, bias=False)
    with pytest.raises(
        InputError, match=r"^optimizer\.name: 'muon' has one rate for all filters; use 'adamw'"
    ):
        create_optimizers(MUON, conv, [conv.weight])
    assert len(create_optimizers(MUON, conv)) == 1  # nothing for Adam
