"""A network that trains in no time."""

import torch
from torch import nn
from torch.nn import functional as F

from src.models.base import Classifier


class SmallNet(nn.Module):
    """All that a checkpoint has to know about: filters, a matrix, statistics, and dropout, which draws."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.norm = nn.Conv2d(3, 16, 4, stride=4, bias=False), nn.BatchNorm2d(16)
        self.conv2, self.drop = nn.Conv2d(16, 32, 3, stride=2), nn.Dropout(0.1)
        self.linear = nn.Linear(32, 10)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        x = F.gelu(self.norm(self.conv1(images)))
        return self.linear(self.drop(F.gelu(self.conv2(x)).amax((2, 3))))


class SmallClassifier(Classifier):
    """The same in the form that the pipeline's models have."""

    cam_layers = ("net.conv2",)

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.net = SmallNet()
        self.net.linear = nn.Identity()
        self.linear = nn.Linear(32, classes)

    def features(self, images: torch.Tensor) -> torch.Tensor:
        return self.net(images)
