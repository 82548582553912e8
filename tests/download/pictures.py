"""Image files made by code: usual ones, and the odd ones that lie about in people's folders.

`photograph` and `quadrants` are pixels, `encode` makes a file's bytes of them, `oddities` is a catalog of
files that a data set must survive, each with what has to come of it.
"""

import io
import struct
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

RED, GREEN, BLUE, YELLOW, WHITE, BLACK, GRAY = (
    (255, 0, 0),
    (0, 255, 0),
    (0, 0, 255),
    (255, 255, 0),
    (255, 255, 255),
    (0, 0, 0),
    (128, 128, 128),
)


def photograph(width: int = 500, height: int = 375, seed: int = 0) -> np.ndarray:
    """Smooth noise of many scales: uint8 (height, width, 3) that compresses about as photographs do."""
    rng = np.random.default_rng(seed)
    pixels = np.zeros((height, width, 3), np.float32)
    for scale in (1, 2, 4, 8, 16, 32, 64, 128):
        cells = rng.random((height // scale + 2, width // scale + 2, 3), np.float32) - 0.5
        layer = Image.fromarray(np.uint8(255 * (cells + 0.5)))
        layer = layer.resize((layer.width * scale, layer.height * scale), Image.Resampling.BICUBIC)
        pixels += (np.asarray(layer)[:height, :width] - 127.5) * scale**0.6
    pixels = (pixels - pixels.mean()) / (pixels.std() or 1)
    return np.uint8(np.clip(128 + 52 * pixels, 0, 255))


def quadrants(width: int = 16, height: int = 16) -> np.ndarray:
    """uint8 (height, width, 3): red, green above blue, yellow. Shows which way up a picture was taken."""
    pixels = np.zeros((height, width, 3), np.uint8)
    top, left = height // 2, width // 2
    pixels[:top, :left], pixels[:top, left:] = RED, GREEN
    pixels[top:, :left], pixels[top:, left:] = BLUE, YELLOW
    return pixels


def plain(color: tuple[int, ...] | int, width: int = 16, height: int = 16, mode: str = "RGB") -> Image.Image:
    """A picture of one color."""
    return Image.new(mode, (width, height), color)


def encode(picture: np.ndarray | Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    """The bytes of a file. `kind` is Pillow's name of the format, `options` are those of its `save`."""
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    content = io.BytesIO()
    image.save(content, kind, **options)
    return content.getvalue()


def jpeg(picture: np.ndarray | Image.Image, **options: Any) -> bytes:
    """A JPEG that comes as near to the picture as a JPEG can."""
    return encode(picture, "JPEG", **{"quality": 95, "subsampling": 0, **options})


def exif(orientation: int) -> bytes:
    """For `encode(…, exif=…)`: how a viewer has to turn the picture, 1 to 8 (6: a quarter clockwise)."""
    tags = Image.Exif()
    tags[0x0112] = orientation
    return tags.tobytes()


def stored_turned(picture: np.ndarray, orientation: int) -> np.ndarray:
    """What a camera stores, along with this orientation, of a scene that looks like `picture` (H, W, C)."""
    sideways = picture.transpose(1, 0, 2)
    return np.ascontiguousarray(
        {
            1: picture,
            2: picture[:, ::-1],
            3: picture[::-1, ::-1],
            4: picture[::-1],
            5: sideways,
            6: sideways[::-1],
            7: sideways[::-1, ::-1],
            8: sideways[:, ::-1],
        }[orientation]
    )


def ramp(maximum: float, dtype: Any = np.uint16, width: int = 16, height: int = 16) -> np.ndarray:
    """(height, width) of a deep picture: from 0 on the left to `maximum` on the right."""
    return np.tile(np.linspace(0, maximum, width), (height, 1)).astype(dtype)


def bomb(width: int = 60_000, height: int = 60_000) -> bytes:
    """A PNG of a few bytes that says to have so many pixels."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(bytes(1_000))), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in chunks
    )


def truncated(content: bytes, share: float = 0.5) -> bytes:
    """The beginning of a file."""
    return content[: int(len(content) * share)]


def animation(kind: str = "GIF") -> bytes:
    """Two frames: a red one, and then a blue one."""
    return encode(plain(RED), kind, save_all=True, append_images=[plain(BLUE)], **_lossless(kind))


def palette_with_hole() -> Image.Image:
    """Left half red, right half transparent, by a palette."""
    image = Image.new("P", (16, 16), 0)
    image.putpalette([*RED, *BLUE])
    image.paste(1, (8, 0, 16, 16))
    return image


def half_transparent(mode: str = "RGBA") -> Image.Image:
    """Left half opaque, right half fully transparent: red (RGBA) or black (LA)."""
    image = plain((*RED, 255) if mode == "RGBA" else (0, 255), mode=mode)
    image.paste((*RED, 0) if mode == "RGBA" else (0, 0), (8, 0, 16, 16))
    return image


def broken_exif(picture: np.ndarray) -> bytes:
    """A sound JPEG whose EXIF says to be turned by a tag that points outside the file."""
    tiff = b"II*\0" + struct.pack("<IH", 8, 2)
    tiff += struct.pack("<HHII", 0x0112, 3, 1_000_000, 0xFFFFFFF0)  # orientation: a million values, elsewhere
    tiff += struct.pack("<HHII", 0x8769, 99, 7, 0xFFFFFFFF)
    return jpeg(picture, exif=b"Exif\0\0" + tiff)


@dataclass(frozen=True)
class Oddity:
    """A file's name and content, and what is to come of it.

    Attributes:
        problem: a part of the reason why it cannot be used; empty if it can.
        colors: of the middles of its four quadrants (red, green, blue, yellow unless it says otherwise), as a
            square; None where the file is unusable.
    """

    name: str
    content: bytes
    problem: str = ""
    colors: tuple[tuple[int, int, int], ...] | None = (RED, GREEN, BLUE, YELLOW)


def oddities() -> list[Oddity]:
    """Over 50 files: each format, mode and orientation, and each way to be broken, under different names."""
    scene = quadrants()
    usable = {
        "plain.jpg": jpeg(scene),
        "plain.png": encode(scene),
        "plain.webp": encode(scene, "WEBP", lossless=True),
        "plain.gif": encode(scene, "GIF"),
        "plain.bmp": encode(scene, "BMP"),
        "plain.tif": encode(scene, "TIFF"),
        "packed.tiff": encode(scene, "TIFF", compression="tiff_lzw"),
        "plain.avif": encode(scene, "AVIF", quality=100, subsampling="4:4:4"),
        "plain.ppm": encode(scene, "PPM"),
        "plain.jp2": encode(scene, "JPEG2000"),
        "PROGRESSIVE.JPG": jpeg(scene, progressive=True),
        "jpeg-named.png": jpeg(scene),
        "png-named.jpeg": encode(scene),
        "no-suffix": encode(scene),
        "Größe ☃ 😀, \"quoted\" 'name'.png": encode(scene),
        "opaque.png": encode(Image.fromarray(scene).convert("RGBA")),
        "palette.png": encode(Image.fromarray(scene).convert("P", palette=Image.Palette.ADAPTIVE)),
        "cmyk.jpg": jpeg(Image.fromarray(scene).convert("CMYK")),
        "cmyk.tif": encode(Image.fromarray(scene).convert("CMYK"), "TIFF"),
        "profile.png": encode(scene, icc_profile=b"no profile at all"),
        "comment.jpg": jpeg(scene, comment=b"\xff\xfe" * 100),
        "something-after-the-end.jpg": jpeg(scene) + b"more bytes" * 10,
        "broken-exif.jpg": broken_exif(scene),
        **{f"turned-{n}.jpg": jpeg(stored_turned(scene, n), exif=exif(n)) for n in range(1, 9)},
        "turned-6.png": encode(stored_turned(scene, 6), exif=exif(6)),
        "turned-6.webp": encode(stored_turned(scene, 6), "WEBP", lossless=True, exif=exif(6)),
        "turned-6.tif": encode(stored_turned(scene, 6), "TIFF", exif=exif(6)),
        "turned-0.jpg": jpeg(scene, exif=exif(0)),
        "turned-77.jpg": jpeg(scene, exif=exif(77)),
    }
    one = {
        "animated.gif": (animation(), [RED] * 4),
        "animated.png": (animation("PNG"), [RED] * 4),
        "animated.webp": (animation("WEBP"), [RED] * 4),
        "pages.tif": (animation("TIFF"), [RED] * 4),
        "black-and-white.png": (encode(plain(1, mode="1")), [WHITE] * 4),
        "gray.jpg": (jpeg(plain(128, mode="L")), [GRAY] * 4),
        "hole.png": (encode(palette_with_hole(), transparency=1), [RED, WHITE] * 2),
        "hole.gif": (encode(palette_with_hole(), "GIF", transparency=1), [RED, WHITE] * 2),
        "alpha.png": (encode(half_transparent()), [RED, WHITE] * 2),
        "alpha-gray.png": (encode(half_transparent("LA")), [BLACK, WHITE] * 2),
        "16-bit.png": (encode(np.full((16, 16), 65_535 * 128 // 255, np.uint16)), [GRAY] * 4),
        "one-pixel.png": (encode(plain(RED, 1, 1)), [RED] * 4),
    }
    return [
        *(Oddity(name, content) for name, content in usable.items()),
        *(Oddity(name, content, colors=tuple(colors)) for name, (content, colors) in one.items()),
        *(Oddity(name, content, problem, None) for name, (content, problem) in _unusable().items()),
    ]


def _unusable() -> dict[str, tuple[bytes, str]]:
    """Name → content, and a part of the reason."""
    scene = photograph(64, 48)
    with_nan = np.full((16, 16), np.nan, np.float32)
    return {
        "empty.jpg": (b"", "0 bytes"),
        "text.png": (b"This is no picture.\n", "not an image"),
        "page.jpg": (b"<!DOCTYPE html><html><body>404</body></html>", "not an image"),
        "document.jpg": (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", "not an image"),
        "noise.png": (np.random.default_rng(0).bytes(1_000), "not an image"),
        "zeros.png": (bytes(1_000), "not an image"),
        "truncated.jpg": (truncated(jpeg(scene)), "truncated"),
        "truncated.png": (truncated(encode(scene)), "truncated"),
        "truncated.bmp": (truncated(encode(scene, "BMP")), "truncated"),
        "truncated.webp": (truncated(encode(scene, "WEBP")), "damaged"),
        "only-a-header.png": (encode(scene)[:20], "truncated"),
        "only-a-header.jpg": (b"\xff\xd8\xff", "damaged, or a kind of JPEG"),
        "bomb.png": (bomb(), "3,600,000,000 pixels"),
        "not-a-number.tif": (encode(with_nan, "TIFF"), "not numbers"),
        "phone.heic": (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(500), "HEIC"),
    }


def _lossless(kind: str) -> dict[str, bool]:
    return {"lossless": True} if kind == "WEBP" else {}


def small_files() -> dict[str, bytes]:
    """A small sound file of each format, to be damaged at random."""
    scene = photograph(24, 18)
    kinds: dict[str, dict[str, Any]] = {
        "JPEG": {"exif": exif(6)},
        "PNG": {"exif": exif(3)},
        "GIF": {},
        "TIFF": {"compression": "tiff_lzw"},
        "WEBP": {},
        "BMP": {},
        "AVIF": {},
    }
    return {kind: encode(scene, kind, **options) for kind, options in kinds.items()}
