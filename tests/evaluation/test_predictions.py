import numpy as np
import pytest

from src import artifacts
from src.errors import InputError
from src.evaluation.predictions import Predictions, read_predictions, write_predictions

CLASSES = ("cat", "dog", "ship")


@pytest.fixture
def predictions() -> Predictions:
    """About six images: the first, third and fourth are recognized."""
    probabilities = np.array(
        [[0.7, 0.2, 0.1], [0.6, 0.3, 0.1], [0.1, 0.8, 0.1], [0.0, 0.1, 0.9], [0.2, 0.2, 0.6], [0.6, 0.4, 0]]
    )
    return Predictions.from_probabilities(np.array([0, 1, 1, 2, 0, 2]), probabilities, CLASSES)


def test_the_most_probable_class_is_predicted(predictions):
    assert predictions.predicted.tolist() == [0, 0, 1, 2, 2, 0]
    assert predictions.right.tolist() == [True, False, True, True, False, False]
    assert predictions.confidence.tolist() == pytest.approx([0.7, 0.6, 0.8, 0.9, 0.6, 0.6])
    assert predictions.actual_probability.tolist() == pytest.approx([0.7, 0.3, 0.8, 0.9, 0.2, 0.0])


def test_the_table(predictions, tmp_path):
    write_predictions(predictions, tmp_path)
    lines = (tmp_path / "data/predictions.csv").read_text().splitlines()
    assert len(lines) == 7
    assert lines[0] == "index,file,actual,predicted,confidence"
    assert lines[2] == "1,,dog,cat,0.60000002"  # as float32 has it


def test_predictions_come_back_to_the_bit(predictions, tmp_path):
    write_predictions(predictions, tmp_path)
    read = read_predictions(CLASSES, 6, tmp_path)
    for name in ("actual", "predicted", "probabilities", "confidence", "right", "files"):
        ours, theirs = getattr(predictions, name), getattr(read, name)
        assert ours.dtype == theirs.dtype
        np.testing.assert_array_equal(ours, theirs)
    assert read.classes == CLASSES


def test_names_of_files_come_back(predictions, tmp_path):
    files = np.array(["a.png", "b,c.png", "NA", "ü/1.jpg", "", "6"], object)
    named = Predictions(
        predictions.actual, predictions.predicted, predictions.probabilities, predictions.classes, files
    )
    write_predictions(named, tmp_path)
    assert read_predictions(CLASSES, 6, tmp_path).files.tolist() == files.tolist()


def test_a_table_about_other_classes(predictions, tmp_path):
    write_predictions(predictions, tmp_path)
    with pytest.raises(InputError, match=r"predictions\.csv: damaged \(row 4: actual is 'ship'"):
        read_predictions(("cat", "dog", "bird"), 6, tmp_path)


@pytest.mark.parametrize("count", [5, 7])
def test_a_table_about_another_number_of_images(predictions, tmp_path, count):
    write_predictions(predictions, tmp_path)
    with pytest.raises(InputError, match=rf"predictions\.csv: damaged \(should have {count} rows"):
        read_predictions(CLASSES, count, tmp_path)


def test_rows_in_another_order(predictions, tmp_path):
    write_predictions(predictions, tmp_path)
    path = tmp_path / artifacts.PREDICTIONS
    header, first, second, *rest = path.read_text().splitlines()
    path.write_text("\n".join([header, second, first, *rest, ""]))
    with pytest.raises(InputError, match="should have 6 rows, in order"):
        read_predictions(CLASSES, 6, tmp_path)


def test_probabilities_that_do_not_fit_the_table(predictions, tmp_path):
    write_predictions(predictions, tmp_path)
    artifacts.write_array(tmp_path / artifacts.PROBABILITIES, predictions.probabilities[:5])
    with pytest.raises(InputError, match=r"probabilities\.npy: float32 of 5×3, should be float32 of 6×3"):
        read_predictions(CLASSES, 6, tmp_path)
    (tmp_path / artifacts.PROBABILITIES).unlink()
    with pytest.raises(InputError, match=r"probabilities\.npy: missing"):
        read_predictions(CLASSES, 6, tmp_path)
