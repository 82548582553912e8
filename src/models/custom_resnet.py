"""A ResNet of few layers, made for short trainings.

After Page, "How to Train Your ResNet", 2018: convolutions that halve the map by a max-pool, two of them with
a residual branch. The shortcut goes around the whole branch, which ends in its own non-linearity.
"""

from torch import Tensor, nn

from src.models.base import Classifier, ScaledLinear, norm_layer


class Residual(nn.Module):
    """Adds to its input what two convolutions make of it."""

    def __init__(self, channels: int, norm: str) -> None:
        super().__init__()
        self.branch = nn.Sequential(
            *_conv(channels, channels, norm, pool=False), *_conv(channels, channels, norm, pool=False)
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.branch(x)


class CustomResNet(Classifier):
    """A first convolution, three that halve the map, the maximum over pixels, a linear layer.

    The logits are an eighth of what the linear layer says, as Page has it: maxima are large, so that the
    untrained network would be sure of its guesses, and training would bear only small rates.
    """

    cam_layers = ("prep", "layer1", "layer2", "layer3")

    def __init__(self, classes: int, norm: str) -> None:
        super().__init__()
        self.prep = nn.Sequential(*_conv(3, 64, norm, pool=False))
        self.layer1 = nn.Sequential(*_conv(64, 128, norm, pool=True), Residual(128, norm))
        self.layer2 = nn.Sequential(*_conv(128, 256, norm, pool=True))
        self.layer3 = nn.Sequential(*_conv(256, 512, norm, pool=True), Residual(512, norm))
        self.linear = ScaledLinear(512, classes, 1 / 8)

    def features(self, images: Tensor) -> Tensor:
        x = self.layer3(self.layer2(self.layer1(self.prep(images))))
        return x.amax((2, 3))  # at 32×32 a max-pool of 4


def _conv(inputs: int, outputs: int, norm: str, pool: bool) -> list[nn.Module]:
    """3×3 convolution, max-pool of 2 if `pool`, normalization, ReLU."""
    conv = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
    pooling = [nn.MaxPool2d(2)] if pool else []
    return [conv, *pooling, norm_layer(norm, outputs), nn.ReLU()]


def custom_resnet(classes: int, norm: str = "batch") -> CustomResNet:
    """9 layers with weights, of which 8 are convolutions; 6,573,130 parameters for ten classes."""
    return CustomResNet(classes, norm)
