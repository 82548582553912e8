"""The views of an image that are answered and averaged: test-time augmentation."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True)
class View:
    """An image as it is, moved, or with left and right swapped.

    Attributes:
        flipped: left and right are swapped, after the image was moved.
        moved: pixels down and to the right, 1 at most either way; the edge is mirrored.
    """

    flipped: bool = False
    moved: int = 0

    def of(self, images: Tensor) -> Tensor:
        """Images (N, C, H, W), seen this way."""
        if self.moved:
            height, width = images.shape[2:]
            start = 1 - self.moved
            padded = F.pad(images, (1, 1, 1, 1), mode="reflect")
            images = padded[..., start : start + height, start : start + width]
        return images.flip(3) if self.flipped else images

    def turn_back(self, maps: Tensor, height: int, width: int) -> Tensor:
        """What was found in this view, where it is in the image: maps (N, C, h, w), of any resolution.

        Args:
            maps: of images seen this way.
            height, width: of the images; a map moves by a fraction of its pixels, and its edge is repeated.
        """
        maps = maps.flip(3) if self.flipped else maps
        if not self.moved:
            return maps
        # What was moved down is found further up; 2 is the width of everything for `affine_grid`.
        across, down = 2 * self.moved / width, 2 * self.moved / height
        back = maps.new_tensor([[1, 0, across], [0, 1, down]]).expand(len(maps), 2, 3)
        grid = F.affine_grid(back, list(maps.shape), align_corners=False)
        return F.grid_sample(maps, grid, padding_mode="border", align_corners=False)


# By the name of `evaluate.tta`; the image itself comes first.
VIEWS = {
    "none": (View(),),
    "flip": (View(), View(flipped=True)),
    "flip_shift": tuple(View(flipped, moved) for moved in (0, -1, 1) for flipped in (False, True)),
}


def seen(images: Tensor, views: tuple[View, ...]) -> Tensor:
    """Every view of images (N, C, H, W), one view after the other: (views · N, C, H, W)."""
    return torch.cat([view.of(images) for view in views])
