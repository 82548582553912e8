"""Every model is tested by being in the registry."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from src.models import fast
from src.models.fast import Whitening
from src.models.layers import find_layer, model_layers
from src.models.registry import MODELS, create_model

PARAMETERS = {
    "fast": 1_972_792,
    "fast_wide": 4_606_520,
    "fast_deep": 12_721_208,
    "resnet18": 11_173_962,
    "resnet34": 21_282_122,
    "custom_resnet": 6_573_130,
}


@pytest.fixture(params=[(name, norm) for name in MODELS for norm in ("batch", "layer", "group")])
def model(request):
    torch.manual_seed(0)
    return create_model(request.param[0], 10, request.param[1])


def test_logits_and_gradients(model):
    images = torch.randn(2, 3, 32, 32)
    logits = model(images)
    assert logits.shape == (2, 10)
    logits.square().sum().backward()
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_an_untrained_model_is_not_sure_of_its_guesses(model):
    """Else the first steps only make the logits smaller, and a range test has nothing to read."""
    images, labels = torch.randn(20, 3, 32, 32), torch.arange(20) % 10
    assert F.cross_entropy(model(images), labels) < 1.5 * math.log(10)


def test_an_image_is_judged_by_itself(model):
    model.eval()
    images = torch.randn(3, 3, 32, 32)
    assert torch.allclose(model(images)[1:2], model(images[1:2]), atol=1e-4)


def test_a_model_names_layers_that_can_be_explained(model):
    layers = model_layers(model, torch.zeros(1, 3, 32, 32))
    assert layers
    sizes = [layer.height for layer in layers]
    assert sizes == sorted(sizes, reverse=True)


def test_a_model_can_be_prepared(model):
    model.prepare(torch.randn(8, 3, 32, 32))
    assert torch.isfinite(model.eval()(torch.randn(2, 3, 32, 32))).all()


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("norm", ["batch", "layer", "group"])
def test_parameter_counts(name, norm):
    assert sum(p.numel() for p in create_model(name, 10, norm).parameters()) == PARAMETERS[name]


@pytest.mark.parametrize("name", MODELS)
def test_the_norm_is_the_one_asked_for(name):
    def of(norm: str) -> list[nn.Module]:
        modules = create_model(name, 10, norm).named_modules()
        norms = (nn.BatchNorm2d, nn.GroupNorm)
        return [m for n, m in modules if isinstance(m, norms) and "shortcut" not in n]

    assert of("batch")
    assert all(isinstance(m, nn.BatchNorm2d) for m in of("batch"))
    assert all(m.num_groups == 1 for m in of("layer"))
    assert all(m.num_groups == 32 for m in of("group"))


@pytest.mark.parametrize("norm", ["batch", "layer", "group"])
def test_resnet_keeps_batch_norm_in_its_shortcuts(norm):
    modules = create_model("resnet18", 10, norm).named_modules()
    norms = {n: m for n, m in modules if isinstance(m, (nn.BatchNorm2d, nn.GroupNorm))}
    assert len(norms) == 20
    shortcuts = [module for name, module in norms.items() if "shortcut" in name]
    assert len(shortcuts) == 3
    assert all(isinstance(module, nn.BatchNorm2d) for module in shortcuts)


def test_the_stem_is_for_small_images():
    layers = model_layers(create_model("resnet18", 10), torch.zeros(1, 3, 32, 32))
    assert [(layer.name, layer.height, layer.width) for layer in layers] == [
        ("layer1", 32, 32),
        ("layer2", 16, 16),
        ("layer3", 8, 8),
        ("layer4", 4, 4),
    ]


@pytest.mark.parametrize("part", [fast.PART, 10 * 34 * 34])
def test_whitened_patches_are_uncorrelated_with_unit_variance(part, monkeypatch):
    monkeypatch.setattr(fast, "PART", part)
    torch.manual_seed(0)
    # Neighbors that resemble each other, as in pictures, and colors that go together.
    images = F.avg_pool2d(torch.randn(64, 3, 34, 34), 3, 1)
    images += images.mean(1, keepdim=True)
    whitening = Whitening()
    whitening.fit(images, smallest=0)
    assert not whitening.weight.requires_grad
    made = whitening(images).transpose(0, 1).flatten(1)
    assert torch.equal(made[:12], -made[12:])
    moments = made[:12] @ made[:12].T / made.shape[1]
    assert torch.allclose(moments, torch.eye(12), atol=1e-3)


def test_fast_starts_with_identities():
    block = create_model("fast", 10).layer2
    images = torch.randn(2, 64, 16, 16)
    with torch.inference_mode():
        assert torch.allclose(block.conv1(images)[:, :64], images, atol=1e-6)


def test_fast_is_dense_where_nothing_is_trained():
    """Its last maps are those of training, and those of the image moved by a pixel of the layer before."""
    model = create_model("fast", 10).eval()
    maps = torch.randn(2, 256, 8, 8)
    with torch.inference_mode():
        dense = model.layer3(maps, dense=True)
        assert dense.shape == (2, 256, 9, 9)
        assert torch.allclose(dense[:, :, 1::2, 1::2], model.layer3(maps), atol=1e-5)
        # Pooled from the row before the first on, which is like it.
        before = model.layer3.conv1(maps)
        before = F.max_pool2d(torch.cat([before[:, :, :1], before, before[:, :, -1:]], 2), 2)
        moved = F.gelu(model.layer3.norm2(model.layer3.conv2(F.gelu(model.layer3.norm1(before)))))
        assert torch.allclose(dense[:, :, ::2, 1::2], moved, atol=1e-5)


@pytest.mark.parametrize("size", [32, 18, 20, 33, 64])
def test_fast_is_dense_at_every_size(size):
    model, example = create_model("fast", 10), torch.zeros(1, 3, size, size)
    layers = [find_layer(model, f"layer{number}", example).height for number in (1, 2, 3)]
    assert layers == [-(-(size - 1) // 2), -(-layers[0] // 2), layers[1] + 1]
    model.train()
    with torch.inference_mode():
        trained = model.layer3(torch.zeros(2, 256, layers[1], layers[1]))
    assert trained.shape[2] == -(-layers[1] // 2)


def test_fast_deep_has_a_shortcut():
    # With the branch's last normalization silent the block hands on what went in, behind a non-linearity.
    block = create_model("fast_deep", 10).layer1.eval()
    nn.init.zeros_(block.norm3.weight)
    images = torch.randn(2, 24, 31, 31)
    with torch.inference_mode():
        kept = F.gelu(block.norm1(F.max_pool2d(block.conv1(images), 2, ceil_mode=True)))
        assert torch.allclose(block(images), F.gelu(kept), atol=1e-6)
