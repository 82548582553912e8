import numpy as np
import pytest
import torch
from captum.attr import LayerAttribution, LayerGradCam
from torch import nn

from src.data.normalization import Normalize
from src.evaluation.inference import Answerer, predict_views
from src.explanation.gradcam import Explainer, enlarge, gradcam, to_bytes
from src.hardware import choose_hardware
from src.models.layers import choose_layers, find_layer, model_layers
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


IMAGES = torch.randint(0, 256, (2, 8, 10, 3), dtype=torch.uint8)
EXAMPLE = torch.zeros(1, 3, 8, 10)


def answerer(model: nn.Module, tta: str = "none", mean: float = 0.0, std: float = 1.0) -> Answerer:
    return Answerer(model, Normalize([mean] * 3, [std] * 3, torch.device("cpu")), tta)


def test_maps_by_hand():
    # The gradient of a logit by a pixel is its weight / 80; the map is the sum of weight × channel.
    model = Toy()
    layer = find_layer(model, "conv", EXAMPLE)
    assert (layer.height, layer.width, str(layer)) == (8, 10, "conv (8×10)")
    maps, logits = gradcam(answerer(model), layer, IMAGES, np.array([0, 1]))
    assert maps.shape == (2, 8, 10)
    red, green = IMAGES[..., 0] / 255, IMAGES[..., 1] / 255
    np.testing.assert_allclose(maps[0], 2 / 80 * red[0], rtol=1e-5)
    np.testing.assert_allclose(maps[1], (red[1] - 3 * green[1]) / 80, rtol=1e-4, atol=1e-7)
    np.testing.assert_allclose(logits[:, 0], 2 * red.mean((1, 2)) + 5, rtol=1e-5)


class Sided(nn.Module):
    """One channel, a copy of red; a logit that only the left half of it counts for, the other both halves."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 1, 1, bias=False)
        with torch.no_grad():
            self.conv.weight.copy_(torch.tensor([1.0, 0, 0]).view(1, 3, 1, 1))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        red = self.conv(images)[:, 0]
        return torch.stack([red[..., :5].pow(2).sum((1, 2)), red.sum((1, 2))], 1)


def test_two_views_by_hand():
    model = Sided()
    layer = find_layer(model, "conv", EXAMPLE)
    maps, logits = gradcam(answerer(model, "flip"), layer, IMAGES, np.array([0, 1]))
    red = IMAGES[..., 0] / 255
    left, right = red[..., :5], red[..., 5:]
    # The answer is the mean of both views; the flipped one sees the right half on its left.
    half = (left.pow(2).sum((1, 2)) + right.pow(2).sum((1, 2))) / 2
    np.testing.assert_allclose(logits[:, 0], half, rtol=1e-5)
    # A view's channel weighs its mean gradient, 2 × the red of the half it sees / 80. The map of the view,
    # weight × red, is turned back to the image and so red again; the mean of both weights is left.
    weight = (2 * left.sum((1, 2)) + 2 * right.sum((1, 2))) / 80 / 2
    np.testing.assert_allclose(maps[0], weight[0] * red[0], rtol=1e-5)
    np.testing.assert_allclose(maps[1], red[1], rtol=1e-5)


def test_a_map_sums_to_the_logit_less_its_bias():
    # Before mean and linear layer nothing is lost; negative evidence must be kept for that.
    torch.manual_seed(0)
    model = create_model("resnet18", 10)
    images, targets = torch.randint(0, 256, (3, 32, 32, 3), dtype=torch.uint8), np.array([1, 5, 9])
    layer = find_layer(model, "layer4", torch.zeros(1, 3, 32, 32))
    asked = answerer(model, "flip", mean=0.5, std=0.2)
    maps, explained = gradcam(asked, layer, images, targets)
    with torch.inference_mode():
        logits = asked.answer(images).numpy()
    np.testing.assert_allclose(explained, logits, rtol=1e-4, atol=1e-5)
    expected = logits[range(3), targets] - model.linear.bias.detach().numpy()[targets]
    np.testing.assert_allclose(maps.sum((1, 2)), expected, rtol=1e-3, atol=1e-5)


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
    asked = answerer(model, "none", mean=0.5, std=0.2)
    explainer = Explainer(asked, choose_hardware("cpu", "fp32"))
    for layer in model_layers(model, torch.zeros(1, 3, 32, 32)):
        captum = LayerGradCam(model, model.get_submodule(layer.name))
        for image, target, ours in zip(images, targets, explainer.maps(images, layer, targets), strict=True):
            theirs = captum.attribute(asked.normalize(torch.from_numpy(image[None])), int(target))
            theirs = LayerAttribution.interpolate(theirs, (32, 32), "bilinear")[0, 0].detach().numpy()
            np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-4 * np.abs(theirs).max())


@pytest.mark.parametrize("name", ["fast", "fast_wide", "fast_deep", "resnet18", "custom_resnet"])
def test_what_is_explained_is_what_answers(name, random_images):
    """Maps of the layer that `auto` chooses are 8×8 at least, and about the answers of `predict_views`."""
    torch.manual_seed(0)
    model = create_model(name, 10)
    asked = answerer(model, "flip", mean=0.5, std=0.2)
    hardware = choose_hardware("cpu", "fp32")
    answers, _ = predict_views(asked, random_images, hardware, batch_size=7)
    [layer] = choose_layers("auto", model, torch.zeros(1, 3, 32, 32))
    maps, logits = Explainer(asked, hardware).explain(random_images, layer, answers.argmax(1))
    assert min(maps.shape[1:]) >= 8
    assert (logits.argmax(1) == answers.argmax(1)).all()
    np.testing.assert_allclose(logits, answers, rtol=1e-3, atol=1e-5)
