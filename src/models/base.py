"""What every model shares."""

from torch import Tensor, nn

GROUPS = 32  # channels are cut into this many groups; the choice of Wu & He, "Group Normalization", 2018


class Classifier(nn.Module):
    """A network from normalized images (N, 3, H, W) to logits (N, classes).

    `cam_layers` names the layers worth a Grad-CAM map, shallow to deep: each ends a resolution of the
    network, behind its last non-linearity.
    """

    cam_layers: tuple[str, ...]

    def prepare(self, images: Tensor) -> None:
        """Set, before training, what depends on the data; nothing in most models.

        Args:
            images: normalized training images (N, 3, H, W), on the model's device.
        """

    def forward(self, images: Tensor) -> Tensor:
        raise NotImplementedError


def norm_layer(norm: str, channels: int) -> nn.Module:
    """A normalization over `channels` feature maps.

    Args:
        norm: `batch`; `layer`, over all channels and pixels of an image (group norm with one group);
            `group`, over `GROUPS` groups of channels.
        channels: how many feature maps there are.
    """
    if norm == "batch":
        return nn.BatchNorm2d(channels)
    return nn.GroupNorm(1 if norm == "layer" else GROUPS, channels)
