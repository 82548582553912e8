import math

import pytest
import torch
from torch.nn import functional as F

from src.training.objective import Mixing, Objective

IMAGES = torch.arange(4.0).view(4, 1, 1, 1).expand(4, 3, 8, 8).contiguous()  # each of one gray
LABELS = torch.tensor([0, 1, 2, 1])
LOGITS = torch.tensor([[2.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 0.0], [1.0, 0.0, 2.0]])


def test_without_weights_it_is_torchs_cross_entropy():
    expected = F.cross_entropy(LOGITS, LABELS, label_smoothing=0.1)
    assert torch.equal(Objective(0.1).loss(LOGITS, LABELS), expected)


def test_weights_by_hand():
    # -log p(label), by hand: the first row's is log(e² + 2) - 2.
    losses = [math.log(math.e**2 + 2) - 2, math.log(math.e + 2) - 1, math.log(3)]
    losses.append(math.log(math.e + 1 + math.e**2))
    weights = torch.tensor([4.0, 0.5, 2.0])
    expected = (4 * losses[0] + 0.5 * losses[1] + 2 * losses[2] + 0.5 * losses[3]) / 4
    assert Objective(0, weights).loss(LOGITS, LABELS).item() == pytest.approx(expected, rel=1e-6)


def test_probabilities_by_hand():
    targets = torch.tensor([[0.25, 0.75, 0.0]])
    logits = LOGITS[:1]
    log_p = [2 - math.log(math.e**2 + 2), -math.log(math.e**2 + 2)]
    expected = -(0.25 * log_p[0] + 0.75 * log_p[1])
    assert Objective(0).loss(logits, targets).item() == pytest.approx(expected, rel=1e-6)
    weighted = Objective(0, torch.tensor([4.0, 0.4, 1.0])).loss(logits, targets)
    assert weighted.item() == pytest.approx(expected * (0.25 * 4 + 0.75 * 0.4), rel=1e-6)


def test_labels_and_the_same_as_probabilities_weigh_the_same():
    objective = Objective(0.2, torch.tensor([4.0, 0.5, 2.0]))
    one_hot = F.one_hot(LABELS, 3).float()
    assert torch.allclose(objective.loss(LOGITS, LABELS), objective.loss(LOGITS, one_hot))


def test_mixup_blends_images_and_labels_in_the_same_shares():
    images, targets = Mixing("mixup", 3, seed=0)(IMAGES, LABELS, 1, 1)
    share = targets[0, 0].item()  # of the image itself; the rest is of the one before
    assert 0 < share < 1
    for row in range(4):
        expected = share * row + (1 - share) * ((row - 1) % 4)
        assert torch.allclose(images[row], torch.full((3, 8, 8), expected), atol=1e-6)
    assert torch.allclose(targets.sum(1), torch.ones(4))
    assert targets[3].tolist() == pytest.approx([0, share, 1 - share])


def test_cutmix_pastes_as_much_as_the_labels_say():
    mixing = Mixing("cutmix", 3, seed=0)
    shares = set()
    for step in range(20):
        images, targets = mixing(IMAGES, LABELS, 1, step)
        share = (images[0] == 0).float().mean().item()
        assert targets[0, 0].item() == pytest.approx(share, abs=1e-6)
        shares.add(share)
    assert len(shares) > 5


@pytest.mark.parametrize("name", ["mixup", "cutmix"])
def test_a_batch_depends_on_seed_epoch_and_step_alone(name):
    mixing = Mixing(name, 3, seed=0)
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = mixing(IMAGES, LABELS, 2, 3)
    assert torch.equal(torch.get_rng_state(), before)  # the model draws from it
    torch.manual_seed(2)
    again = mixing(IMAGES, LABELS, 2, 3)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    for other in (mixing(IMAGES, LABELS, 3, 2), mixing(IMAGES, LABELS, 2, 4)):
        assert not torch.equal(other[0], first[0])
    assert not torch.equal(Mixing(name, 3, seed=1)(IMAGES, LABELS, 2, 3)[0], first[0])
