"""What every model shares."""

from torch import Tensor, nn

from src.models.library_sizes import Statistics

GROUPS = 32  # channels are cut into this many groups; the choice of Wu & He, "Group Normalization", 2018


class Classifier(nn.Module):
    """A network from normalized images (N, 3, H, W) to logits (N, classes): features, and a linear layer.

    `cam_layers` names the layers worth a Grad-CAM map, shallow to deep: each ends a resolution of the
    network, behind its last non-linearity.

    Attributes:
        min_map: smallest side, in pixels, of a map that `gradcam.layers: auto` chooses. A smaller map of our
            own networks points at quarters of the picture rather than at parts of the object.
        linear: the last layer, from features to logits.
        pretrained: whether its weights came from a file.
        statistics: of the images that these weights were trained on; None where they are not known.
    """

    cam_layers: tuple[str, ...]
    min_map: int = 8
    linear: nn.Linear
    pretrained: bool = False
    statistics: Statistics | None = None

    def prepare(self, images: Tensor) -> None:
        """Set, before training, what depends on the data; nothing in most models.

        Args:
            images: normalized training images (N, 3, H, W), on the model's device.
        """

    def features(self, images: Tensor) -> Tensor:
        """What the last layer judges by: normalized images (N, 3, H, W) to (N, features)."""
        raise NotImplementedError

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.features(images))

    @property
    def head(self) -> nn.Linear:
        """The last layer: features (N, features) to logits (N, classes)."""
        return self.linear

    def backbone_parameters(self) -> list[nn.Parameter]:
        """Those that features depend on: all but the head's."""
        return [weights for name, weights in self.named_parameters() if not name.startswith("linear.")]


class ScaledLinear(nn.Linear):
    """A linear layer whose outputs are scaled."""

    def __init__(self, inputs: int, outputs: int, scale: float, bias: bool = True) -> None:
        super().__init__(inputs, outputs, bias)
        self.scale = scale

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input) * self.scale


def norm_layer(norm: str, channels: int) -> nn.Module:
    """A normalization over `channels` feature maps.

    Args:
        norm: `batch`; `sync_batch`, which differs only in a training (`src.training.sync_norm`); `layer`,
            over all channels and pixels of an image (group norm with one group); `group`, over `GROUPS`
            groups of channels.
        channels: how many feature maps there are.
    """
    if norm in ("batch", "sync_batch"):
        return nn.BatchNorm2d(channels)
    return nn.GroupNorm(1 if norm == "layer" else GROUPS, channels)
