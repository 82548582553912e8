"""Each kind of picture against values worked out by hand, and damaged files by the hundred."""

import io
import os
import re
import struct
import subprocess
import sys
import zlib
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from src.download import reader
from src.download.reader import (
    Header,
    UnusableImage,
    choose_white,
    deep_maximum,
    read_file,
    read_header,
    read_image,
)
from src.preprocessing import Preprocessing
from tests.conftest import ROOT
from tests.download import pictures
from tests.download.pictures import GRAY, RED, encode, jpeg, photograph, plain, quadrants, ramp

HOW = Preprocessing(size=16)
SMALL_FILES = pictures.small_files()


def color(image: np.ndarray) -> tuple[int, ...]:
    """The one color of a picture."""
    assert (image == image[0, 0]).all()
    return tuple(image[0, 0].tolist())


# --- the catalog


@pytest.mark.parametrize("oddity", pictures.oddities(), ids=lambda oddity: oddity.name)
def test_odd_files(oddity, tmp_path):
    file = tmp_path / oddity.name
    file.write_bytes(oddity.content)
    for source in (file, oddity.content):
        if oddity.colors is None:
            with pytest.raises(UnusableImage, match=re.escape(oddity.problem)) as error:
                read_image(source, HOW)
            assert "\n" not in str(error.value)
            assert len(str(error.value)) < 120
        else:
            image = read_image(source, HOW)
            middles = image[4::8, 4::8].reshape(4, 3).astype(int)
            assert np.abs(middles - np.array(oddity.colors)).max() <= 2  # JPEG and AVIF
            assert read_header(source).width == (1 if oddity.name == "one-pixel.png" else 16)
    assert file.read_bytes() == oddity.content


def test_problems_of_the_catalog_are_told():
    assert len(pictures.oddities()) >= 40
    assert all(bool(oddity.problem) == (oddity.colors is None) for oddity in pictures.oddities())


# --- modes


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "PPM"])
def test_a_square_of_the_right_size_is_untouched(kind):
    pixels = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
    for fit in ("pad", "crop", "stretch"):
        image = read_image(encode(pixels, kind), Preprocessing(size=16, fit=fit))
        np.testing.assert_array_equal(image, pixels)
        assert (image.dtype, image.flags.writeable, image.flags.c_contiguous) == (np.uint8, True, True)


@pytest.mark.parametrize(
    ("cmyk", "rgb"),
    [
        ((0, 0, 0, 0), (255, 255, 255)),
        ((255, 0, 0, 0), (0, 255, 255)),
        ((0, 255, 255, 0), (255, 0, 0)),
        ((0, 0, 0, 255), (0, 0, 0)),
        ((0, 102, 0, 51), (204, 122, 204)),  # 255 × 0.8 and 255 × 0.8 × 0.6
    ],
)
def test_cmyk(cmyk, rgb):
    image = plain(cmyk, mode="CMYK")
    assert color(read_image(encode(image, "TIFF"), HOW)) == rgb
    assert np.abs(np.array(color(read_image(jpeg(image), HOW))) - rgb).max() <= 2


def test_a_cmyk_jpeg_by_adobe_is_inverted():
    # Adobe stores 255 for no ink, and says so by a marker of its own.
    content = jpeg(plain((0, 255, 255, 0), mode="CMYK"))
    assert b"Adobe" in content
    with Image.open(io.BytesIO(content)) as image:
        image.draft(None, None)
        assert image.tile[0].args == ("CMYK;I", "")
    assert color(read_image(content, HOW)) == RED


def test_ycbcr_and_lab():
    ycbcr = Image.new("YCbCr", (16, 16), (76, 85, 255))  # red, by ITU-R BT.601
    assert np.abs(np.array(color(read_image(encode(ycbcr, "TIFF"), HOW))) - RED).max() <= 2
    lab = Image.new("LAB", (16, 16), (137, 128, 128))  # L* = 53.6, a* = b* = 0: middle gray
    image = read_image(encode(lab, "TIFF"), HOW)
    assert np.abs(np.array(color(image)) - GRAY).max() <= 2


def test_alpha_over_white():
    image = read_image(encode(plain((255, 0, 0, 51), mode="RGBA")), HOW)
    assert color(image) == (255, 204, 204)  # a fifth of red
    assert color(read_image(encode(plain((0, 204), mode="LA")), HOW)) == (51, 51, 51)
    # One color that counts as transparent, in gray and in RGB.
    assert color(read_image(encode(plain(7, mode="L"), transparency=7), HOW)) == (255, 255, 255)
    assert color(read_image(encode(plain(RED), transparency=RED), HOW)) == (255, 255, 255)
    assert color(read_image(encode(plain(1, mode="1"), transparency=0), HOW)) == (255, 255, 255)


def test_what_transparency_hides_does_not_shine_through():
    # Red behind the transparent half must not bleed into the edge when the picture is made smaller.
    pixels = np.zeros((64, 64, 4), np.uint8)
    pixels[:, :32] = (0, 0, 0, 255)
    pixels[:, 32:] = (255, 0, 0, 0)
    image = read_image(encode(pixels), HOW)
    np.testing.assert_array_equal(image[..., 0], image[..., 1])


def test_16_bits_are_scaled_by_white():
    values = np.array([[0, 2048], [4095, 65535]], np.uint16)
    for kind, kept in (("PNG", values), ("TIFF", values), ("TIFF", values.astype(">u2"))):
        content = encode(kept, kind)
        image = read_image(content, Preprocessing(size=2, white=4095))
        assert image[..., 0].tolist() == [[0, 128], [255, 255]]  # 2048 × 255 / 4095 = 127.5
        assert (image == image[..., :1]).all()
        assert deep_maximum(content) == 65535


def test_16_bits_do_not_turn_white():
    content = encode(ramp(65535))
    image = read_image(content, HOW)  # by a model that was trained on 8 bits
    expected = np.rint(np.linspace(0, 65535, 16).astype(np.uint16) / 257)
    np.testing.assert_array_equal(image[0, :, 0], expected)
    colors = np.uint16([[[0, 32768, 65535]] * 16] * 16)
    png = _png_16_bit_rgb(colors)
    assert color(read_image(png, HOW)) == (0, 128, 255)


def test_32_bits_and_floats():
    whole = encode(np.array([[-5, 0], [500, 2000]], np.int32), "TIFF")
    assert read_header(whole).mode == "I"
    assert read_image(whole, Preprocessing(size=2, white=1000))[..., 0].tolist() == [[0, 0], [128, 255]]
    fractions = encode(np.array([[-0.5, 0.2], [1.0, 7.0]], np.float32), "TIFF")
    assert read_header(fractions).mode == "F"
    assert read_image(fractions, Preprocessing(size=2))[..., 0].tolist() == [[0, 51], [255, 255]]
    assert deep_maximum(fractions) == 7


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_no_numbers(value):
    values = np.ones((4, 4), np.float32)
    values[1, 2] = value
    for read in (deep_maximum, lambda content: read_image(content, HOW)):
        with pytest.raises(UnusableImage, match=r"^contains values that are not numbers$"):
            read(encode(values, "TIFF"))


def test_white_goes_in_steps():
    assert choose_white([]) == choose_white([0, 0]) == 0
    assert choose_white([0, 0.3]) == choose_white([1.0]) == 1
    assert choose_white([200, 0]) == 255
    assert choose_white([100, 3000, 20]) == 4095
    assert choose_white([4096]) == 16383
    assert choose_white([70_000.5]) == 70_000.5
    assert deep_maximum(encode(quadrants())) == 0


# --- turned by EXIF


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_orientation(kind, orientation):
    upright = quadrants(32, 16)
    stored = pictures.stored_turned(upright, orientation)
    exact = {"quality": 100, "subsampling": 0} if kind == "JPEG" else {"lossless": True, "quality": 100}
    content = encode(stored, kind, exif=pictures.exif(orientation), **exact)
    header = read_header(content)
    assert (header.width, header.height) == (32, 16)
    image = read_image(content, Preprocessing(size=32))
    difference = np.abs(image[8:24].astype(int) - upright)[2::11, 2::9]  # away from the edges
    assert difference.max() <= 3
    assert color(image[:8]) == color(image[24:]) == GRAY


def test_a_large_jpeg_is_turned_too():  # decoded at an eighth, then turned
    upright = quadrants(800, 400)
    content = jpeg(pictures.stored_turned(upright, 6), exif=pictures.exif(6))
    image = read_image(content, Preprocessing(size=32))
    small = read_image(jpeg(quadrants(32, 16)), Preprocessing(size=32))
    assert np.abs(image.astype(int) - small)[2::9, 2::9].max() <= 3


# --- to a square


def test_pad_keeps_everything_in_the_middle():
    image = read_image(encode(plain(RED, 40, 20)), HOW)
    assert color(image[4:12]) == RED
    assert color(image[:4]) == color(image[12:]) == GRAY
    image = read_image(encode(plain(RED, 5, 16)), HOW)  # 5 columns: 5 to the left, 6 to the right
    assert color(image[:, 5:10]) == RED
    assert color(image[:, :5]) == color(image[:, 10:]) == GRAY


def test_crop_takes_the_center():
    pixels = np.random.default_rng(0).integers(0, 256, (16, 31, 3), np.uint8)
    image = read_image(encode(pixels), Preprocessing(size=16, fit="crop"))
    np.testing.assert_array_equal(image, pixels[:, 7:23])
    image = read_image(encode(quadrants(64, 32)), Preprocessing(size=16, fit="crop"))
    np.testing.assert_array_equal(image[1::14, 1::14], quadrants()[1::14, 1::14])


def test_stretch_fills():
    image = read_image(encode(quadrants(60, 20)), Preprocessing(size=20, fit="stretch"))
    np.testing.assert_array_equal(image[2::15, 2::15], quadrants(20, 20)[2::15, 2::15])


@pytest.mark.parametrize("fit", ["pad", "crop", "stretch"])
@pytest.mark.parametrize("size", [(1, 5000), (5000, 1), (1, 1), (3, 2), (4000, 7)])
def test_extreme_shapes(fit, size):
    for content in (encode(plain(RED, *size)), jpeg(plain(RED, *size))):
        image = read_image(content, Preprocessing(size=32, fit=fit))
        assert image.shape == (32, 32, 3)
        assert (np.abs(image.astype(int) - RED).max(-1) <= 2).any()


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_resized_as_pillow_does(interpolation):
    pixels = photograph(90, 60)
    how = Preprocessing(size=30, fit="stretch", interpolation=interpolation)
    expected = Image.fromarray(pixels).resize((30, 30), getattr(Image.Resampling, interpolation.upper()))
    np.testing.assert_array_equal(read_image(encode(pixels), how), np.asarray(expected))


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_shortcuts_for_large_pictures_are_not_seen(kind):
    content = encode(photograph(1600, 1600), kind)
    exact = Image.open(io.BytesIO(content)).resize((100, 100), Image.Resampling.BICUBIC)
    difference = np.abs(read_image(content, Preprocessing(size=100)).astype(int) - np.asarray(exact))
    assert 0 < difference.mean() < 0.7  # of 255


def test_the_same_bytes_every_time():
    content = jpeg(photograph(640, 480))
    first = read_image(content, Preprocessing(size=64))
    for _ in range(3):
        np.testing.assert_array_equal(read_image(content, Preprocessing(size=64)), first)


# --- what is refused


def test_a_bomb_is_judged_by_its_header(monkeypatch):
    deep = encode(ramp(4095, width=101, height=1), "TIFF")
    monkeypatch.setattr(Image.Image, "load", lambda *_: pytest.fail("decoded"))
    for refuse in (
        lambda: read_image(pictures.bomb(101, 1), Preprocessing(size=16, max_pixels=100)),
        lambda: deep_maximum(deep, 100),
    ):
        with pytest.raises(UnusableImage, match=r"^101 pixels, more than images\.max_pixels \(100\)$"):
            refuse()
    assert read_header(pictures.bomb()) == Header("PNG", "RGB", 60_000, 60_000)


def test_no_pixels():
    for width, height in ((0, 5), (5, 0)):
        with pytest.raises(UnusableImage):
            read_header(b"P6 %d %d 255\n" % (width, height))
        with pytest.raises(UnusableImage):
            read_image(pictures.bomb(width, height), HOW)


def test_places_without_a_file(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "loop.jpg").symlink_to(tmp_path / "loop.jpg")
    reasons = {
        ".": "a folder",
        "absent.jpg": "no such file",
        "pipe.jpg": "not a file",
        "empty.jpg": "0 bytes",
        "loop.jpg": "too many levels of symbolic links",
    }
    for name, reason in reasons.items():
        for read in (read_header, read_file, deep_maximum, lambda path: read_image(path, HOW)):
            with pytest.raises(UnusableImage, match=f"^{reason}$"):
                read(tmp_path / name)


def test_no_permission(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    (tmp_path / "a.png").write_bytes(encode(quadrants()))
    monkeypatch.setattr(reader.Path, "open", refuse)
    with pytest.raises(UnusableImage, match=r"^no permission to read it$"):
        read_image(tmp_path / "a.png", HOW)


def test_a_film_is_not_read_into_memory(tmp_path):
    with (tmp_path / "film.jpg").open("wb") as film:
        film.truncate(2**31 + 1)
    with pytest.raises(UnusableImage, match=r"^larger than 2 GB$"):
        read_file(tmp_path / "film.jpg")


@pytest.mark.parametrize("error", [MemoryError(), KeyError("x"), RuntimeError("a\nb"), struct.error("c")])
def test_whatever_pillow_raises(monkeypatch, error):
    def fail(*_):
        raise error

    monkeypatch.setattr(Image.Image, "convert", fail)
    with pytest.raises(UnusableImage) as raised:
        read_image(encode(plain(3, mode="L")), HOW)
    assert "\n" not in str(raised.value)


def test_keys_are_not_swallowed(monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(Image.Image, "convert", interrupt)
    with pytest.raises(KeyboardInterrupt):
        read_image(encode(plain(3, mode="L")), HOW)


def test_no_torch():
    code = "import sys, src.download.reader; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


# --- damaged at random


@pytest.fixture
def quiet(capfd):
    yield
    printed = capfd.readouterr()
    assert printed.out + printed.err == ""


@pytest.mark.parametrize("kind", SMALL_FILES)
@pytest.mark.usefixtures("quiet")
@settings(
    max_examples=150,
    deadline=5_000,  # milliseconds
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_damaged_files(kind, data):
    content = bytearray(SMALL_FILES[kind])
    for _ in range(data.draw(st.integers(1, 8))):
        where = data.draw(st.integers(0, len(content) - 1) | st.integers(0, min(80, len(content)) - 1))
        content[where] = data.draw(st.integers(0, 255))
    content = bytes(content[: data.draw(st.just(len(content)) | st.integers(0, len(content)))])
    how = Preprocessing(size=16, white=data.draw(st.sampled_from([0, 1.0, 4095])), max_pixels=1_000_000)
    with suppress(UnusableImage):
        image = read_image(content, how)
        assert (image.shape, image.dtype) == ((16, 16, 3), np.uint8)
        assert min(read_header(content).width, read_header(content).height) >= 1
    with suppress(UnusableImage):
        assert deep_maximum(content, how.max_pixels) >= 0


def _png_16_bit_rgb(pixels: np.ndarray) -> bytes:
    """Pillow does not write these."""
    height, width, _ = pixels.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(rows)),
        (b"IEND", b""),
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in chunks
    )
