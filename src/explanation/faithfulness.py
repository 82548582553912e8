"""Whether heatmaps show what the model relies on: two checks."""

from collections.abc import Callable

import cv2
import numpy as np
from scipy.stats import spearmanr

from src import distributed
from src.explanation.gradcam import Explainer, enlarge
from src.models.layers import Layer

STEPS = 8  # in how many equal parts an image is deleted or inserted
BLUR = 1 / 8  # standard deviation as a share of an image's side, 4 pixels of 32: colors are left, no shapes

BLOBS = 4  # random values on a side that are enlarged to a reference, the same for every model and layer
AT_ONCE = 50  # images, so that memory holds them in every state, whatever their size

Probabilities = Callable[[np.ndarray], np.ndarray]


def check(explainer: Explainer, randomized: Explainer, images: np.ndarray, layer: Layer) -> dict[str, float]:
    """Both checks of a layer's maps for the predicted classes.

    Args:
        explainer: the trained model.
        randomized: the same network with random weights.
        images: uint8 (N, H, W, 3).
        layer: whose maps.

    Returns:
        The means of `deletion_insertion`, the same for blobs in random places instead of maps, as
        `deletion_random` and `insertion_random`, and `randomized_correlation`, see `rank_correlation`.
    """
    # Blobs, because single pixels in random order would hurt any model more than an object's.
    blobs = np.random.default_rng(0).random((len(images), BLOBS, BLOBS), np.float32)

    def check_part(start: int) -> dict[str, np.ndarray]:
        batch = images[start : start + AT_ONCE]
        predicted = explainer.predict(batch)
        maps = explainer.native_maps(batch, layer, predicted)
        found = {"maps": maps, "others": randomized.native_maps(batch, layer, predicted)}
        for ending, order in (("", maps), ("_random", blobs[start : start + AT_ONCE])):
            enlarged = enlarge(order, *images.shape[1:3])
            both = deletion_insertion(explainer.probabilities, batch, enlarged, predicted)
            found |= zip((f"deletion{ending}", f"insertion{ending}"), both, strict=True)
        return found

    parts = distributed.do_in_turn(check_part, range(0, len(images), AT_ONCE))
    found = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    correlation = rank_correlation(found.pop("maps"), found.pop("others"))
    values = {name: float(areas.mean()) for name, areas in sorted(found.items())}
    return {**values, "randomized_correlation": correlation}


def deletion_insertion(
    probabilities: Probabilities, images: np.ndarray, maps: np.ndarray, targets: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """How the probability of a class falls and rises with the pixels that a map calls important.

    Deletion paints pixels over with the image's mean color, the map's highest first: the sooner the
    probability falls, the better the map. Insertion brings them back into a blurred copy: the sooner it
    rises, the better. Petsiuk et al., "RISE: Randomized Input Sampling for Explanation of Black-box
    Models", 2018, section 4.2.

    Args:
        probabilities: of uint8 images (N, H, W, 3), (N, classes).
        images: uint8 (N, H, W, 3).
        maps: float (N, H, W); only their order matters, and that of equals is from the top left on.
        targets: int64 (N,), the class each map speaks for.

    Returns:
        The area under each image's curve, from 0 to 1, twice float64 (N,).
    """
    count, height, width, _ = images.shape
    order = np.argsort(-maps.reshape(count, -1), axis=1, kind="stable")
    rank = np.empty_like(order)
    np.put_along_axis(rank, order, np.arange(height * width)[None], axis=1)
    rank = rank.reshape(count, height, width, 1)

    plain = np.broadcast_to(images.mean((1, 2), keepdims=True).astype(np.uint8), images.shape)
    blurred = np.stack([cv2.GaussianBlur(image, (0, 0), BLUR * max(height, width)) for image in images])
    curves = np.empty((2, STEPS + 1, count))
    # Step 0 changes no pixel, each further one the next most important share, the last one all.
    for step in range(STEPS + 1):
        chosen = rank < step * height * width / STEPS
        for curve, (first, then) in zip(curves, ((images, plain), (blurred, images)), strict=True):
            curve[step] = probabilities(np.where(chosen, then, first))[np.arange(count), targets]
    deletion, insertion = np.asarray(np.trapezoid(curves, dx=1 / STEPS, axis=1))
    return deletion, insertion


def rank_correlation(maps: np.ndarray, others: np.ndarray) -> float:
    """Spearman's rank correlation of each pair of maps, its mean over the pairs.

    Adebayo et al., "Sanity Checks for Saliency Maps", 2018: if the maps of the trained model are like those
    of the same network with random weights, they show the image and not what was learned. 1: the same order
    of pixels; around 0: nothing in common, as it should be.

    Args:
        maps, others: float (N, h, w); a pair of which one is constant counts as 0.
    """
    pairs = zip(maps.reshape(len(maps), -1), others.reshape(len(others), -1), strict=True)
    return float(np.mean([0.0 if np.ptp(a) == 0 or np.ptp(b) == 0 else spearmanr(a, b)[0] for a, b in pairs]))
