"""Several processes train what one does."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from src.ranks import Part, Ranks, part_of
from tests.training.several import Trainings, of_several

Results = dict[str, dict[str, Any]]
SAME = ["sgd", "few in the last batch", "muon", "ema", "plateau", "weighted"]
SAME += ["sync_batch", "sync_batch of timm"]


@pytest.mark.parametrize(
    ("count", "size", "expected"),
    [
        (7, 1, [(0, 7)]),
        (6, 2, [(0, 3), (3, 6)]),
        (7, 2, [(0, 4), (4, 7)]),
        (11, 3, [(0, 4), (4, 8), (8, 11)]),
        (10, 3, [(0, 4), (4, 7), (7, 10)]),
    ],
)
def test_a_batch_is_cut_into_parts_without_gap_or_overlap(count, size, expected):
    parts = [part_of(count, Ranks(rank, size)) for rank in range(size)]
    assert [(part.where.start, part.where.stop) for part in parts] == expected
    assert [part.share for part in parts] == pytest.approx([(b - a) / count for a, b in expected])
    assert {part.weight for part in parts} == {1.0}


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_batch_of_less_than_two_images_each_stays_whole_and_counts_once(count):
    assert [part_of(count, Ranks(rank, 2)) for rank in (0, 1)] == [Part(slice(0, count), 0.5, 0.5)] * 2


def test_all_parts_together_are_the_whole():
    for size in range(1, 9):
        for count in range(2 * size, 5 * size):
            parts = [part_of(count, Ranks(rank, size)) for rank in range(size)]
            assert np.concatenate([np.arange(count)[part.where] for part in parts]).tolist() == list(
                range(count)
            )
            assert sum(part.share for part in parts) == pytest.approx(1)
            assert min(part.where.stop - part.where.start for part in parts) >= 2


@pytest.fixture(scope="module")
def alone(tmp_path_factory) -> Results:
    with pytest.MonkeyPatch.context() as patch, torch.random.fork_rng(devices=[]):
        patch.chdir(tmp_path_factory.mktemp("alone"))
        patch.delenv("DVC_ROOT", raising=False)
        trainings = Trainings()
        trainings.run_all()
    return trainings.done


@pytest.fixture(scope="module")
def both(made_once) -> list[Results]:
    """Of two processes."""

    def fill(folder: Path) -> None:
        of_several(folder, 2)

    folder = made_once("several", fill)
    return [torch.load(folder / f"{rank}.pt") for rank in (0, 1)]


def difference(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> float:
    """Of all weights, relative."""
    pairs = [(one[key].double(), other[key].double()) for key in one]
    return math.sqrt(
        sum(((a - b) ** 2).sum().item() for a, b in pairs) / sum((a**2).sum().item() for a, _ in pairs)
    )


def test_both_have_the_same_in_the_end(both):
    for name, result in both[0].items():
        if "weights" in result:
            assert difference(result["weights"], both[1][name]["weights"]) == 0, name
            assert result["curves"] == both[1][name]["curves"], name


@pytest.mark.parametrize(
    "name",
    [
        "sgd",
        "few in the last batch",
        "muon",
        "ema",
        "plateau",
        "weighted",
        "sync_batch",
        "sync_batch of timm",
    ],
)
def test_two_train_what_one_does(alone, both, name):
    # Muon computes in bf16.
    tolerance = 5e-3 if name == "muon" else 1e-4
    assert difference(alone[name]["weights"], both[0][name]["weights"]) < tolerance
    np.testing.assert_allclose(both[0][name]["curves"], alone[name]["curves"], rtol=10 * tolerance)


def test_the_rate_falls_on_the_plateau_as_with_one(alone, both):
    rates = [[row[1] for row in results["plateau"]["curves"]] for results in (alone, both[0])]
    assert rates[0] == rates[1]
    assert rates[0][-1] < rates[0][0]


def test_without_sync_the_statistics_are_those_of_the_first(alone, both):
    assert difference(alone["batch"]["weights"], both[0]["batch"]["weights"]) > 1e-3
    assert all(np.isfinite(both[0]["batch"]["curves"]).ravel())


def test_what_resumes_ends_in_the_same_bits(both):
    for results in both:
        assert difference(results["undisturbed"]["weights"], results["resumed"]["weights"]) == 0
        assert results["undisturbed"]["curves"] == results["resumed"]["curves"]


def test_the_range_test_sees_the_same_losses(alone, both):
    for key in ("rates", "losses"):
        np.testing.assert_allclose(both[0]["range test"][key], alone["range test"][key], rtol=1e-2)
        assert both[0]["range test"][key] == both[1]["range test"][key]


def test_answers_and_features_are_the_same_and_each_makes_a_share(alone, both):
    for results in both:
        for mine, expected in zip(results["answers"]["all"], alone["answers"]["all"], strict=True):
            assert torch.equal(mine, expected)
        assert torch.equal(results["features"]["all"], alone["features"]["all"])
    assert alone["features"]["made"] == [512, 512, 76]
    assert [results["features"]["made"] for results in both] == [[512, 76], [512]]
