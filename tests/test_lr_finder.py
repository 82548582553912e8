import dataclasses

import numpy as np
import pytest
import torch

from src.errors import InputError
from src.hardware import Hardware
from src.lr_finder import RangeTest, choose_lr, is_cut_short, run_range_test, step_count
from src.params import Params, load_params
from src.training.setup import set_up_training
from tests.conftest import ROOT
from tests.training.small_net import SmallNet

CPU = Hardware(torch.device("cpu"), torch.float32)
MEAN_STD = {"mean": [0.5] * 3, "std": [0.25] * 3}
SHIPPED = load_params(ROOT / "params.yaml")
PARAMS = SHIPPED.model_copy(
    update={
        "epochs": 2,
        "batch_size": 20,
        "label_smoothing": 0.0,
        "threads": 1,
        "optimizer": SHIPPED.optimizer.model_copy(update={"name": "sgd", "lr": "find"}),
    }
)
RANGE = SHIPPED.find_lr


def bowl(rates: np.ndarray, bottom: float) -> RangeTest:
    """A loss that falls from 3, most steeply at a tenth of `bottom`, and rises behind it."""
    decades = np.log10(rates / bottom)
    falling = 3 - 1.5 / (1 + np.exp(-6 * (decades + 1)))
    return RangeTest(rates, falling + np.where(decades > 0, 4 * decades**2, 0))


RATES = np.geomspace(1e-4, 10, 101)


def test_a_rate_to_start_with_is_where_the_loss_falls_most_steeply():
    assert choose_lr(bowl(RATES, 0.1), RANGE, "constant") == pytest.approx(0.01, rel=0.2)
    assert choose_lr(bowl(RATES, 1.0), RANGE, "plateau") == pytest.approx(0.1, rel=0.2)


def test_a_rate_to_rise_to_is_where_the_loss_no_longer_falls():
    # The window of half a decade sees the rise a quarter of a decade before it.
    assert 0.06 < choose_lr(bowl(RATES, 0.1), RANGE, "one_cycle") <= 0.1
    assert 0.6 < choose_lr(bowl(RATES, 1.0), RANGE, "one_cycle") <= 1.0


def test_a_jump_at_the_very_end_is_not_chosen():
    losses = np.concatenate([np.linspace(3, 1.6, 49), [4.5]])
    assert choose_lr(RangeTest(RATES[:50], losses), RANGE, "one_cycle") < RATES[48]


def test_what_comes_after_the_divergence_does_not_count():
    """Diverged networks come back to constant logits, with a loss below that of the untrained one."""
    test = bowl(RATES, 0.1)
    collapsed = RangeTest(RATES, np.where(RATES > 1, 0.5, test.losses))
    for schedule in ("one_cycle", "constant"):
        assert choose_lr(collapsed, RANGE, schedule) == choose_lr(test, RANGE, schedule)
    rising = np.concatenate([[2.33, 2.6, 3.1, 3.4, 3.2], np.linspace(3.1, 2.0, 45)])
    for schedule in ("one_cycle", "constant"):
        with pytest.raises(InputError, match="try a range that starts lower"):
            choose_lr(RangeTest(np.geomspace(0.8, 10, 50), rising), RANGE, schedule)


@pytest.mark.parametrize("losses", [[2.3, 4, 9], [2.31], [2.0], []], ids=len)
def test_a_loss_that_only_rises_is_refused(losses):
    rates = np.geomspace(1, 9, len(losses))
    with pytest.raises(InputError, match=r"find_lr\.highest: between 0\.0001 and 10 .* starts lower"):
        choose_lr(RangeTest(rates, np.array(losses)), RANGE, "constant")


def test_a_loss_that_falls_to_the_end_asks_for_a_longer_range():
    falling = RangeTest(RATES, np.linspace(2.3, 1, len(RATES)))
    assert is_cut_short(falling, choose_lr(falling, RANGE, "one_cycle"))
    collapsed = RangeTest(RATES, np.where(RATES > 1, 0.5, bowl(RATES, 0.1).losses))
    assert not is_cut_short(collapsed, choose_lr(collapsed, RANGE, "one_cycle"))


def test_noise_is_not_a_fall():
    low = RANGE.model_copy(update={"lowest": 1e-9, "highest": 1e-7})
    for seed in range(50):
        losses = np.random.default_rng(seed).normal(2.38, 0.05, 94)
        with pytest.raises(InputError, match="try higher rates"):
            choose_lr(RangeTest(np.geomspace(1e-9, 1e-7, 94), losses), low, "one_cycle")


def test_smoothing_is_the_mean_of_neighbors():
    losses = np.zeros(41)
    losses[20] = 5.0
    smoothed = RangeTest(np.geomspace(1e-3, 10, 41), losses).smoothed  # ten a decade, so two on either side
    assert smoothed[17:24].tolist() == [0.0, *[1.0] * 5, 0.0]


@pytest.mark.parametrize(("training", "steps"), [(2352, 94), (100_000, 100), (20, 30), (1000, 40)])
def test_it_costs_little(training, steps):
    assert step_count(RANGE, training) == steps
    assert steps <= 0.05 * training or steps == 30


def run(tiny, params: Params = PARAMS) -> RangeTest:
    setup = set_up_training(params, tiny, MEAN_STD, CPU)
    torch.manual_seed(params.seed)
    return run_range_test(dataclasses.replace(setup, model=SmallNet()), CPU, params)


def test_rates_grow_by_the_same_factor_until_the_loss_has_diverged(tiny):
    too_high = RANGE.model_copy(update={"highest": 1000.0})
    test = run(tiny, PARAMS.model_copy(update={"find_lr": too_high}))
    assert test.rates[0] == RANGE.lowest
    assert np.allclose(test.rates[1:] / test.rates[:-1], (1000.0 / RANGE.lowest) ** (1 / 29))
    assert (test.losses < 2 * test.losses[0]).all()
    assert len(test.rates) < 30
    assert test.smoothed.min() < test.losses[0]


def test_a_range_is_run_to_its_end_if_nothing_diverges(tiny):
    test = run(tiny, PARAMS.model_copy(update={"find_lr": RANGE.model_copy(update={"highest": 0.01})}))
    assert len(test.rates) == 30
    assert test.rates[-1] == pytest.approx(0.01)


def test_the_same_seed_gives_the_same_rate_with_any_number_of_workers(tiny):
    one, two, other = (run(tiny, PARAMS.model_copy(update=c)) for c in ({}, {"workers": 2}, {"seed": 1}))
    assert np.array_equal(one.losses, two.losses)
    assert not np.array_equal(one.losses[:5], other.losses[:5])
