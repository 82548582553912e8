"""Marks in the corners that many pictures share: logos, dates, stamps."""

import cv2
import numpy as np

CORNERS = ("top-left", "top-right", "bottom-left", "bottom-right")
SHARES = (1 / 4, 1 / 6)  # of the picture's sides that a corner measures
SIDE = 12  # pixels that it is brought to
BLUR = 2.0  # pixels of SIDE; standard deviation
REFERENCES = 2_000  # images that all are compared with
ALIKE = 0.92  # correlation of two corners, from which on they show the same
SAME = 3  # other images that must show the same
LARGEST_SHARE = 0.5  # of the images; what more of them show is how all of them look
STRONG = 12.0  # standard deviation of the corner's details, of 255; below, it is blank
STANDS_OUT = 1.5  # times the details of the median corner of the image


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
    """Whether a corner shows the same as that of other images, and more than the image's other corners do.

    Photographs do not agree in a corner, and a background with a pattern has it in all four.

    Args:
        patches: of all images, see `patches_of`.

    Returns:
        By corner: bool (N,).
    """
    strength = np.stack([_details(one).std(1) for one in patches])
    marked = np.zeros((len(CORNERS), patches.shape[1]), bool)
    for number, one in enumerate(patches):
        corner, share = divmod(number, len(SHARES))
        others = np.median(strength[share :: len(SHARES)], axis=0)
        rows = np.flatnonzero((strength[number] >= STRONG) & (strength[number] >= STANDS_OUT * others))
        marked[corner, rows[_shared(_details(one[rows]))]] = True
    marked[marked.mean(1) > LARGEST_SHARE] = False
    return dict(zip(CORNERS, marked, strict=True))


def _details(patches: np.ndarray) -> np.ndarray:
    """float32 (n, SIDE² x 3): what is finer than slow changes of light, of which photographs have much alike."""
    values = patches.astype(np.float32)
    blurred = [cv2.GaussianBlur(one, (0, 0), BLUR, borderType=cv2.BORDER_REFLECT) for one in values]
    return (values - np.stack(blurred)).reshape(len(patches), -1) if len(values) else values.reshape(0, -1)


def _shared(details: np.ndarray) -> np.ndarray:
    """bool (n,): which of them are like at least `SAME` others."""
    if len(details) <= SAME:
        return np.zeros(len(details), bool)
    unit = details / np.linalg.norm(details, axis=1, keepdims=True)
    step = -(-len(unit) // REFERENCES)
    references = unit[::step]
    alike = (unit @ references.T >= ALIKE).sum(1)
    alike[::step] -= 1  # itself
    return alike >= SAME
