import torch

from src.data.normalization import Normalize, to_device

CPU = torch.device("cpu")


def test_normalize_by_hand():
    normalize = Normalize([0.5, 0.0, 1.0], [0.5, 0.25, 1.0], CPU)
    images = torch.tensor([[[[255, 255, 0]], [[0, 51, 255]]]], dtype=torch.uint8)  # 1 × 2 × 1 × 3
    made = normalize(images)
    assert made.shape == (1, 3, 2, 1)
    expected = torch.tensor([[1.0, -1.0], [4.0, 0.8], [-1.0, 0.0]])
    assert torch.allclose(made[0, :, :, 0], expected, atol=1e-6)


def test_channels_stay_last_in_memory(random_images):
    made = Normalize([0.5] * 3, [0.25] * 3, CPU)(to_device(random_images, CPU))
    assert made.is_contiguous(memory_format=torch.channels_last)


def test_the_images_of_a_file_are_copied(random_images):
    random_images.flags.writeable = False
    copy = to_device(random_images, CPU)
    copy.zero_()
    assert random_images.any()
