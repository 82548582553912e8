"""Every model is tested by being in the registry."""

import pytest
import torch
from torch import nn

from src import models
from src.layers import SMALLEST, default_layers

PARAMETERS = {"resnet18": 11_173_962, "resnet34": 21_282_122}


@pytest.fixture(params=[(name, norm) for name in models.MODELS for norm in ("batch", "layer", "group")])
def model(request):
    torch.manual_seed(0)
    return models.create(request.param[0], 10, request.param[1])


def test_logits_and_gradients(model):
    images = torch.randn(2, 3, 32, 32)
    logits = model(images)
    assert logits.shape == (2, 10)
    logits.square().sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_an_image_is_judged_by_itself(model):
    model.eval()
    images = torch.randn(3, 3, 32, 32)
    assert torch.allclose(model(images)[1:2], model(images[1:2]), atol=1e-4)


def test_it_names_layers_that_can_be_explained(model):
    layers = default_layers(model, torch.zeros(1, 3, 32, 32))
    assert layers
    sizes = [layer.height for layer in layers]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] >= SMALLEST


@pytest.mark.parametrize("name", PARAMETERS)
@pytest.mark.parametrize("norm", ["batch", "layer", "group"])
def test_parameter_counts(name, norm):
    assert sum(p.numel() for p in models.create(name, 10, norm).parameters()) == PARAMETERS[name]


def test_the_norm_is_the_one_asked_for():
    def norms(norm: str) -> list[nn.Module]:
        found = models.create("resnet18", 10, norm).named_modules()
        return [m for n, m in found if isinstance(m, (nn.BatchNorm2d, nn.GroupNorm)) and "shortcut" not in n]

    assert all(isinstance(m, nn.BatchNorm2d) for m in norms("batch"))
    assert all(m.num_groups == 1 for m in norms("layer"))
    assert all(m.num_groups == 32 for m in norms("group"))
    assert len(norms("layer")) == 17


def test_the_stem_is_for_small_images():
    layers = default_layers(models.create("resnet18", 10), torch.zeros(1, 3, 32, 32))
    assert [(layer.name, layer.height, layer.width) for layer in layers] == [
        ("layer1", 32, 32),
        ("layer2", 16, 16),
        ("layer3", 8, 8),
    ]
