from benchmarks import augmentation, training_step
from src import params
from tests.conftest import shipped_params


def test_they_run():
    figures = augmentation.measure(200, rounds=1)
    assert all(rate > 0 for rate in figures.values())
    settings = params.Params(**shipped_params()).model_copy(update={"batch_size": 4})
    figures = training_step.measure(settings, steps=1, rounds=1)
    assert figures["ratio"] > 0
