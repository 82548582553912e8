"""Heat lies where the model saw it, whatever was done to make the picture a square."""

import numpy as np
import pytest
from PIL import Image

from src.download.reader import read_image
from src.preprocessing import Preprocessing
from src.report.heat import lay_over
from tests.download.pictures import encode

WIDE, TALL = (640, 320), (90, 240)


def spotted(size: tuple[int, int], left: int, top: int) -> Image.Image:
    """Black, with a white spot of a tenth of the shorter side."""
    picture = Image.new("RGB", size)
    side = min(size) // 10
    picture.paste("white", (left, top, left + side, top + side))
    return picture


def center_of(values: np.ndarray) -> np.ndarray:
    """x and y in pixels of what is bright."""
    y, x = np.nonzero(values > values.max() / 2)
    return np.array([x.mean(), y.mean()])


@pytest.mark.parametrize("fit", ["pad", "crop", "stretch"])
@pytest.mark.parametrize(("size", "left", "top"), [(WIDE, 320, 32), (WIDE, 200, 250), (TALL, 20, 100)])
def test_heat_on_a_spot_of_the_square_is_on_that_spot_of_the_picture(fit, size, left, top):
    how = Preprocessing(size=64, fit=fit)
    picture = spotted(size, left, top)
    heat = read_image(encode(picture), how).astype(np.float32).mean(2)
    heat -= heat[0, 0]  # of the gray around
    drawn = np.asarray(lay_over(Image.new("RGB", size), heat, how))
    assert drawn.shape == (size[1], size[0], 3)
    distance = center_of(drawn.sum(2)) - center_of(np.asarray(picture).sum(2))
    assert np.abs(distance).max() < 0.02 * max(size)


def test_outside_of_the_crop_the_picture_stays_gray():
    picture = Image.new("RGB", WIDE, (200, 100, 50))
    drawn = np.asarray(lay_over(picture, np.ones((4, 4), np.float32), Preprocessing(64, "crop")))
    gray = np.asarray(picture.convert("L"))[0, 0]
    assert (drawn[:, :160] == gray).all()
    assert (drawn[:, 480:] == gray).all()
    assert (np.ptp(drawn[:, 160:480], axis=2) > 0).all()


def test_without_evidence_the_picture_is_only_gray():
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8))
    drawn = lay_over(picture, np.full((4, 4), -1, np.float32), Preprocessing(64))
    np.testing.assert_array_equal(np.asarray(drawn)[..., 0], np.asarray(picture.convert("L")))
    assert np.ptp(np.asarray(drawn), axis=2).max() == 0


def test_stronger_evidence_is_drawn_more_strongly():
    heat = np.tile(np.linspace(-1, 2, 8, dtype=np.float32), (8, 1))
    drawn = np.asarray(lay_over(Image.new("RGB", (80, 80)), heat, Preprocessing(64)), int).sum(2)[40]
    assert (np.diff(drawn) >= 0).all()
    assert (drawn[5], drawn[-5] > 300) == (0, True)
