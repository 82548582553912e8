import numpy as np
import pytest
import torch
from torch import nn

from src.data.normalization import Normalize
from src.evaluation.inference import (
    Answerer,
    predict_logits,
    predict_views,
    probabilities,
    recorded_embeddings,
)
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


def test_the_answer_is_the_mean_of_the_views():
    # The logit is the pixel at the top left: of the image, of its mirror image.
    class Corner(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return images[:, :2, 0, 0]

    images = np.zeros((1, 2, 3, 3), np.uint8)
    images[0, 0, 0], images[0, 0, 2] = (255, 51, 0), (51, 102, 0)
    normalize = Normalize([0.0] * 3, [1.0] * 3, CPU)
    answers = {}
    for tta in ("none", "flip"):
        answerer = Answerer(Corner(), normalize, tta)
        answers[tta] = answerer.answer(torch.from_numpy(images))
        assert torch.equal(answerer(torch.from_numpy(images)), answers[tta])
    np.testing.assert_allclose(answers["none"], [[1.0, 0.2]], rtol=1e-6)
    np.testing.assert_allclose(answers["flip"], [[0.6, 0.3]], rtol=1e-6)


@pytest.mark.parametrize("size", [1, 5, 100])
def test_stored_images_are_answered_in_order_whatever_the_batch_size(random_images, size):
    normalize = Normalize([0.0] * 3, [1.0] * 3, CPU)
    answerer = Answerer(Brightness(), normalize, "flip_shift")
    answers, alone = predict_views(answerer, random_images, FP32, size)
    assert answers.dtype == alone.dtype == np.float32
    expected = answerer.answer(torch.from_numpy(random_images))
    np.testing.assert_allclose(answers, expected, rtol=1e-5)
    np.testing.assert_allclose(alone, random_images.mean((1, 2)) / 255, rtol=1e-5)


class Means(nn.Module):
    """Features are the mean colors of the left half; the head doubles them."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(3, 3, bias=False)
        self.head.weight.data = 2 * torch.eye(3)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.head(images[..., :16].mean((2, 3)))


@pytest.mark.parametrize("size", [1, 5, 100])
def test_embeddings_are_what_the_last_layer_is_given_for_the_images_themselves(random_images, size):
    model, normalize = Means(), Normalize([0.0] * 3, [1.0] * 3, CPU)
    answerer = Answerer(model, normalize, "flip")
    expected = predict_views(answerer, random_images, FP32, size)
    with recorded_embeddings(model.head, len(answerer.views)) as steps:
        answers = predict_views(answerer, random_images, FP32, size)
    embeddings = np.concatenate(steps)
    assert (embeddings.dtype, embeddings.shape) == (np.float16, (12, 3))
    # Of the image, not of its mirror image.
    np.testing.assert_allclose(embeddings, random_images[:, :, :16].mean((1, 2)) / 255, rtol=1e-3)
    assert all(np.array_equal(one, other) for one, other in zip(answers, expected, strict=True))
    predict_views(answerer, random_images, FP32, size)
    assert len(np.concatenate(steps)) == 12  # outside of the block nothing is kept


def test_embeddings_stay_finite():
    model, normalize = Means(), Normalize([0.0] * 3, [1e-9] * 3, CPU)
    with recorded_embeddings(model.head, 1) as steps:
        predict_views(Answerer(model, normalize, "none"), np.full((1, 32, 32, 3), 255, np.uint8), FP32)
    assert steps[0].tolist() == [[65504.0] * 3]


def test_probabilities_of_logits():
    made = probabilities(np.log([[1.0, 3.0], [2.0, 2.0]], dtype=np.float32))
    np.testing.assert_allclose(made, [[0.25, 0.75], [0.5, 0.5]], rtol=1e-6)
