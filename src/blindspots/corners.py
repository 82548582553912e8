"""Marks in the corners that many pictures share: logos, dates, stamps."""

import cv2
import numpy as np

CORNERS = ("top-left", "top-right", "bottom-left", "bottom-right")
SHARES = (1 / 4, 1 / 6)  # of the picture's sides that a corner measures
SIDE = 8  # pixels that it is brought to
BLUR = 1.4  # pixels of SIDE; standard deviation
REFERENCES = 1_000  # images that all are compared with, to see what repeats
ALIKE = 0.8  # correlation of two corners, from which on they may show the same
FEWEST = 10  # images that must show the same
TEMPLATES = 8  # tried a corner
STABLE = 12.0  # median deviation of a color, of 255, where a mark is
CLOSE = 15.0  # mean difference from a mark, of 255
COVERED = 0.25  # of the corner, by a mark
LARGEST_SHARE = 0.5  # of the images; what more of them show is how all of them look
STRONG = 15.0  # standard deviation of the corner's details, of 255; below, it is blank
MAX_CORNERS = 2  # with a mark in an image; in more it is a pattern


def patches_of(images: np.ndarray) -> np.ndarray:
    """Every corner in every size: uint8 (corners x shares, n, SIDE, SIDE, 3) of (n, h, w, 3)."""
    height, width = images.shape[1:3]
    found = []
    for corner in CORNERS:
        for share in SHARES:
            down, right = max(3, round(share * height)), max(3, round(share * width))
            rows = slice(0, down) if corner.startswith("top") else slice(height - down, height)
            columns = slice(0, right) if corner.endswith("left") else slice(width - right, width)
            patches = np.ascontiguousarray(images[:, rows, columns])
            resized = [cv2.resize(patch, (SIDE, SIDE), interpolation=cv2.INTER_AREA) for patch in patches]
            found.append(np.stack(resized))
    return np.stack(found)


def marks(patches: np.ndarray) -> dict[str, np.ndarray]:
    """Whether a corner shows the same as that of other images.

    Photographs do not agree in a corner. A background with a pattern does in most of them, and is no mark.

    Args:
        patches: of all images, see `patches_of`.

    Returns:
        By corner: bool (N,).
    """
    shared = np.zeros((len(CORNERS), len(SHARES), patches.shape[1]), bool)
    for number, one in enumerate(patches):
        details = _details(one)
        rows = np.flatnonzero(details.std(1) >= STRONG)
        shared[*divmod(number, len(SHARES)), rows[_repeated(one[rows], details[rows])]] = True
    marked = (shared & (shared.sum(0) <= MAX_CORNERS)).any(1)
    marked[marked.mean(1) > LARGEST_SHARE] = False
    return dict(zip(CORNERS, marked, strict=True))


def _details(patches: np.ndarray) -> np.ndarray:
    """float32 (n, SIDE² x 3): without slow changes of light and color, which many photographs share."""
    details = patches.astype(np.float32)
    for one in details:
        one -= cv2.GaussianBlur(one, (0, 0), BLUR, borderType=cv2.BORDER_REFLECT)
    return details.reshape(len(patches), SIDE * SIDE * 3)


def _repeated(patches: np.ndarray, details: np.ndarray) -> np.ndarray:
    """bool (n,): which patches show a mark that others show too.

    Patches like the one that most others are like make a template. Where it is a mark, its colors hardly
    differ between them, whatever is around it; and all that are close to it there show the mark.

    Args:
        patches: uint8 (n, SIDE, SIDE, 3).
        details: theirs, float32 (n, SIDE² x 3).
    """
    colors = patches.reshape(details.shape).astype(np.float32)
    found = np.zeros(len(patches), bool)
    unit = details / np.linalg.norm(details, axis=1, keepdims=True)
    step = max(1, -(-len(unit) // REFERENCES))
    alike = unit[::step] @ unit.T >= ALIKE
    for _ in range(TEMPLATES):
        counts = alike.sum(1)
        if not len(counts) or counts.max() < FEWEST:
            break
        like = alike[counts.argmax()]
        template = np.median(colors[like], axis=0)
        stable = np.median(np.abs(colors[like] - template), axis=0) <= STABLE
        if stable.mean() >= COVERED and template[stable].std() >= STRONG:
            close = np.abs(colors[:, stable] - template[stable]).mean(1) <= CLOSE
            if close.sum() >= FEWEST:
                found |= close
                like = like | close
        alike = alike & ~like
    return found
