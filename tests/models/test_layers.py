import pytest
import torch
from torch import nn

from src.errors import InputError
from src.models.layers import Layer, choose_layers, find_layer
from src.models.registry import create_model


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("layer9", "gradcam.layers: no layer 'layer9'; did you mean 'layer"),
        ("", "gradcam.layers: no layer ''"),
        ("linear", "gradcam.layers: 'linear' has no map with a height and a width"),
    ],
)
def test_layers_that_cannot_be_explained(name, line):
    model = create_model("resnet18", 10)
    with pytest.raises(InputError, match=line):
        find_layer(model, name, torch.zeros(1, 3, 32, 32))


class Toy(nn.Module):
    """Has a layer that it does not use."""

    cam_layers = ("conv",)

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.unused = nn.Conv2d(3, 2, 3, stride=2), nn.Conv2d(3, 3, 1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.conv(images).mean((2, 3))


def test_a_layer_is_named_with_the_size_of_its_maps():
    layer = find_layer(Toy(), "conv", torch.zeros(1, 3, 9, 13))
    assert (layer.height, layer.width, str(layer)) == (4, 6, "conv (4×6)")


def test_a_layer_that_is_not_used():
    with pytest.raises(InputError, match=r"'unused' has no map .* \(known: conv\)"):
        find_layer(Toy(), "unused", torch.zeros(1, 3, 9, 13))


def test_the_choice_of_layers():
    model, example = create_model("resnet18", 10), torch.zeros(1, 3, 32, 32)
    assert choose_layers("auto", model, example) == [Layer("layer3", 8, 8)]
    named = choose_layers(["layer4", "layer1.0.conv1"], model, example)
    assert named == [Layer("layer4", 4, 4), Layer("layer1.0.conv1", 32, 32)]


def test_the_deepest_layer_is_explained_if_no_map_is_large():
    fast, example = create_model("fast", 10), torch.zeros(1, 3, 16, 16)
    assert choose_layers("auto", fast, example) == [Layer("layer3", 5, 5)]


def test_smaller_maps_do_for_networks_of_libraries():
    with torch.device("meta"):
        model, example = create_model("torchvision/resnet18", 5, size=128), torch.zeros(1, 3, 128, 128)
    assert choose_layers("auto", model, example)[0].height == 4
