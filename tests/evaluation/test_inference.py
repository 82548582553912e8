import numpy as np
import torch
from torch import nn

from src.data.normalization import Normalize
from src.evaluation.inference import predict_logits, predict_views, views
from src.hardware import Hardware

CPU = torch.device("cpu")
FP32 = Hardware(CPU, torch.float32)


class Brightness(nn.Module):
    """Logits that can be told from the pixels; dropout shows whether it was put into evaluation mode."""

    def __init__(self) -> None:
        super().__init__()
        self.drop = nn.Dropout(0.5)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.drop(images.mean((2, 3)))


def test_logits_come_in_order_whatever_the_batch_size(random_images):
    images = random_images.copy()
    images.flags.writeable = False  # as from a file
    normalize = Normalize([0.0] * 3, [1.0] * 3, CPU)
    expected = images.mean((1, 2)) / 255
    for size in (1, 5, 100):
        logits = predict_logits(Brightness(), images, normalize, FP32, size)
        assert logits.dtype == np.float32
        np.testing.assert_allclose(logits, expected, rtol=1e-5)


def test_views_are_flipped_and_moved_by_a_pixel():
    images = torch.arange(12.0).view(1, 1, 3, 4)
    assert [view.tolist() for view in views(images, "none")] == [images.tolist()]
    plain, flipped = views(images, "flip")
    assert torch.equal(plain, images)
    assert flipped[0, 0, 0].tolist() == [3, 2, 1, 0]
    made = list(views(images, "flip_shift"))
    # The pixel itself, the one from below right, the one from above left.
    assert [view[0, 0, 1, 1].item() for view in made[::2]] == [5, 10, 0]
    assert made[2][0, 0].tolist() == [[5, 6, 7, 6], [9, 10, 11, 10], [5, 6, 7, 6]]
    for straight, turned in zip(made[::2], made[1::2], strict=True):
        assert torch.equal(straight.flip(3), turned)


def test_every_view_has_its_logits(random_images):
    normalize = Normalize([0.0] * 3, [1.0] * 3, CPU)
    made = predict_views(Brightness(), random_images, normalize, FP32, "flip_shift", batch_size=5)
    assert made.shape == (6, 12, 3)
    np.testing.assert_array_equal(made[0], predict_logits(Brightness(), random_images, normalize, FP32))
    np.testing.assert_allclose(made[1], made[0], rtol=1e-5)  # a flip leaves the brightness alone
