import pytest
import torch

from src.evaluation.views import VIEWS, View, seen


def test_views_are_flipped_and_moved_by_a_pixel():
    images = torch.arange(12.0).view(1, 1, 3, 4)
    assert torch.equal(seen(images, VIEWS["none"]), images)
    plain, flipped = seen(images, VIEWS["flip"])
    assert torch.equal(plain, images[0])
    assert flipped[0, 0].tolist() == [3, 2, 1, 0]
    made = seen(images, VIEWS["flip_shift"])
    # The pixel itself, the one from below right, the one from above left.
    assert made[::2, 0, 1, 1].tolist() == [5, 10, 0]
    assert made[2, 0].tolist() == [[5, 6, 7, 6], [9, 10, 11, 10], [5, 6, 7, 6]]
    assert torch.equal(made[::2].flip(3), made[1::2])


@pytest.mark.parametrize("view", VIEWS["flip_shift"], ids=str)
def test_a_map_is_turned_back_to_the_image(view: View):
    image = torch.zeros(1, 1, 8, 8)
    image[0, 0, 2, 5] = 1.0
    # A map at the resolution of the image: what is found in the view is where it is in the image.
    assert torch.allclose(view.turn_back(view.of(image), 8, 8), image, atol=1e-5)


def test_a_coarse_map_is_moved_by_a_part_of_its_pixels():
    maps = torch.tensor([[0.0, 4.0, 0.0, 0.0]]).expand(4, 4).view(1, 1, 4, 4)
    # A pixel of 8 is half a pixel of 4: what was moved to the right is found half a pixel to the left.
    turned = View(moved=1).turn_back(maps, 8, 8)
    assert torch.allclose(turned[0, 0, 1], torch.tensor([2.0, 2.0, 0.0, 0.0]), atol=1e-5)
    assert torch.equal(View(flipped=True).turn_back(maps, 8, 8), maps.flip(3))
