import numpy as np
import pytest
import torch
from captum.attr import LayerAttribution, LayerGradCam
from torch import nn

from src.data.normalization import Normalize
from src.explanation.gradcam import Explainer, enlarge, gradcam, to_bytes
from src.hardware import choose_hardware
from src.models.layers import find_layer, model_layers
from src.models.registry import create_model


class Toy(nn.Module):
    """Two channels, a copy of red and of green; the mean of each; logits with known weights."""

    cam_layers = ("conv",)

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 2, 1, bias=False)
        self.linear = nn.Linear(2, 2)
        with torch.no_grad():
            self.conv.weight.copy_(torch.tensor([[1.0, 0, 0], [0, 1, 0]]).view(2, 3, 1, 1))
            self.linear.weight.copy_(torch.tensor([[2.0, 0.0], [1.0, -3.0]]))
            self.linear.bias.copy_(torch.tensor([5.0, 7.0]))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.linear(self.conv(images).mean((2, 3)))


IMAGES = torch.rand(2, 3, 8, 10)


def test_maps_by_hand():
    # The gradient of a logit by a pixel is its weight / 80; the map is the sum of weight × channel.
    model = Toy().eval()
    layer = find_layer(model, "conv", IMAGES[:1])
    assert (layer.height, layer.width, str(layer)) == (8, 10, "conv (8×10)")
    maps = gradcam(model, layer, IMAGES, np.array([0, 1]))
    assert maps.shape == (2, 8, 10)
    np.testing.assert_allclose(maps[0], 2 / 80 * IMAGES[0, 0], rtol=1e-5)
    np.testing.assert_allclose(maps[1], (IMAGES[1, 0] - 3 * IMAGES[1, 1]) / 80, rtol=1e-4, atol=1e-7)


def test_a_map_sums_to_the_logit_less_its_bias():
    # Before mean and linear layer nothing is lost; negative evidence must be kept for that.
    torch.manual_seed(0)
    model = create_model("resnet18", 10).eval()
    images, targets = torch.randn(3, 3, 32, 32), np.array([1, 5, 9])
    maps = gradcam(model, find_layer(model, "layer4", images[:1]), images, targets)
    with torch.inference_mode():
        logits = model(images)[range(3), targets] - model.linear.bias[targets]
    np.testing.assert_allclose(maps.sum((1, 2)), logits, rtol=1e-3, atol=1e-5)


def test_enlarge_is_bilinear_and_keeps_a_constant():
    assert enlarge(np.full((1, 2, 2), 3.0, np.float32), 4, 6).tolist() == [[[3.0] * 6] * 4]
    ramp = enlarge(np.array([[[0.0, 1.0]]], np.float32), 1, 4)
    np.testing.assert_allclose(ramp[0, 0], [0, 0.25, 0.75, 1])


def test_maps_as_bytes():
    maps = np.array([[[-1.0, 0.5], [1.0, 2.0]], [[-3.0, -2.0], [-1.0, 0.0]]])
    assert to_bytes(maps).tolist() == [[[0, 64], [128, 255]], [[0, 0], [0, 0]]]


@pytest.mark.parametrize("name", ["fast", "resnet18"])
def test_maps_are_captums_on_every_layer_of_the_model(name):
    torch.manual_seed(0)
    model = create_model(name, 10).eval()
    images = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), np.uint8)
    targets = np.array([3, 1, 4])
    normalize = Normalize([0.5] * 3, [0.2] * 3, torch.device("cpu"))
    explainer = Explainer(model, normalize, choose_hardware("cpu", "fp32"))
    for layer in model_layers(model, torch.zeros(1, 3, 32, 32)):
        captum = LayerGradCam(model, model.get_submodule(layer.name))
        for image, target, ours in zip(images, targets, explainer.maps(images, layer, targets), strict=True):
            theirs = captum.attribute(explainer.inputs(image[None]), int(target))
            theirs = LayerAttribution.interpolate(theirs, (32, 32), "bilinear")[0, 0].detach().numpy()
            np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-4 * np.abs(theirs).max())
