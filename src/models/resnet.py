"""ResNets of basic blocks with a stem for small images.

He et al., "Deep Residual Learning for Image Recognition", 2015 (section 3 and table 1). The first
convolution is 3×3 with stride 1 and no pooling follows, so that at 32×32 the maps of the four groups are
32, 16, 8 and 4 pixels wide; the stem for ImageNet would leave a single pixel.
"""

from torch import Tensor, nn
from torch.nn import functional as F

from src.models.base import Classifier, norm_layer


class BasicBlock(nn.Module):
    """Two 3×3 convolutions and a shortcut; a projection (1×1) where the shape changes."""

    def __init__(self, inputs: int, outputs: int, stride: int, norm: str) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.norm1 = norm_layer(norm, outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.norm2 = norm_layer(norm, outputs)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            # Batch norm whatever `norm` is: the projection has no non-linearity behind it to protect.
            self.shortcut = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.norm1(self.conv1(x)))
        y = self.norm2(self.conv2(y))
        return F.relu(y + self.shortcut(x))


class ResNet(Classifier):
    """Four groups of basic blocks, 64 to 512 channels, then the mean over pixels and a linear layer."""

    cam_layers = ("layer1", "layer2", "layer3", "layer4")

    def __init__(self, blocks: tuple[int, int, int, int], classes: int, norm: str) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
        self.norm1 = norm_layer(norm, 64)
        self.layer1 = _group(blocks[0], 64, 64, 1, norm)
        self.layer2 = _group(blocks[1], 64, 128, 2, norm)
        self.layer3 = _group(blocks[2], 128, 256, 2, norm)
        self.layer4 = _group(blocks[3], 256, 512, 2, norm)
        self.linear = nn.Linear(512, classes)

    def features(self, images: Tensor) -> Tensor:
        x = F.relu(self.norm1(self.conv1(images)))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        # Not adaptive_avg_pool2d: it has no deterministic backward pass on CUDA.
        return x.mean((2, 3))


def _group(blocks: int, inputs: int, outputs: int, stride: int, norm: str) -> nn.Sequential:
    first = BasicBlock(inputs, outputs, stride, norm)
    return nn.Sequential(first, *(BasicBlock(outputs, outputs, 1, norm) for _ in range(blocks - 1)))


def resnet18(classes: int, norm: str = "batch") -> ResNet:
    """18 layers with weights; 11,173,962 parameters for ten classes."""
    return ResNet((2, 2, 2, 2), classes, norm)


def resnet34(classes: int, norm: str = "batch") -> ResNet:
    """34 layers with weights; 21,282,122 parameters for ten classes."""
    return ResNet((3, 4, 6, 3), classes, norm)
