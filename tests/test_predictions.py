import numpy as np
import pytest

from src import predictions
from src.errors import InputError
from src.predictions import Predictions, choose_mistakes

CLASSES = ("cat", "dog", "ship")


@pytest.fixture
def some() -> Predictions:
    probabilities = np.array(
        [[0.7, 0.2, 0.1], [0.6, 0.3, 0.1], [0.1, 0.8, 0.1], [0.0, 0.1, 0.9], [0.2, 0.2, 0.6], [0.6, 0.4, 0]]
    )
    return Predictions(np.array([0, 1, 0, 2, 0, 2]), probabilities, CLASSES)


def test_the_table(some, tmp_path):
    predictions.write(some, tmp_path / "p.csv")
    lines = (tmp_path / "p.csv").read_text().splitlines()
    assert lines[0] == "index,actual,predicted,confidence,cat,dog,ship"
    assert lines[3] == "2,cat,dog,0.8,0.1,0.8,0.1"
    read = predictions.read(CLASSES, 6, tmp_path / "p.csv")
    np.testing.assert_array_equal(read.actual, some.actual)
    np.testing.assert_array_equal(read.probabilities, some.probabilities)


def test_a_table_about_other_classes(some, tmp_path):
    predictions.write(some, tmp_path / "p.csv")
    with pytest.raises(InputError, match=r"p\.csv: damaged, or not about cat, dog, bird"):
        predictions.read(("cat", "dog", "bird"), 6, tmp_path / "p.csv")


def test_mistakes_in_each_order(some):
    # Wrong are 1 (0.6 sure), 2 (0.8), 4 (0.6) and 5 (0.6).
    assert choose_mistakes(some, 10, "confident", 0).tolist() == [2, 1, 4, 5]
    assert choose_mistakes(some, 3, "index", 0).tolist() == [1, 2, 4]
    drawn = [choose_mistakes(some, 4, "random", seed).tolist() for seed in range(20)]
    assert all(sorted(order) == [1, 2, 4, 5] for order in drawn)
    assert len({tuple(order) for order in drawn}) > 5
    assert choose_mistakes(some, 2, "random", 7).tolist() == choose_mistakes(some, 2, "random", 7).tolist()


def test_no_mistakes():
    perfect = Predictions(np.array([0, 1]), np.eye(3)[:2], CLASSES)
    assert choose_mistakes(perfect, 10, "confident", 0).tolist() == []
