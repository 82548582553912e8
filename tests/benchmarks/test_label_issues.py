import numpy as np
import pandas as pd
import pytest

from benchmarks import label_issues
from benchmarks.label_issues import compare, read_verdicts
from src.errors import InputError
from src.evaluation.predictions import Predictions

CLASSES = ("cat", "dog", "frog")
HEADER = "index,given,guessed,votes_given,votes_guessed,votes_both,votes_neither"


def predictions() -> Predictions:
    """Of 60 images; the last three labels are contradicted, the last one most of all."""
    labels = np.arange(60) % 3
    probabilities = 0.05 + 0.85 * np.eye(3)[labels]
    for image, sure in ((57, 0.7), (58, 0.96), (59, 0.98)):
        probabilities[image] = (1 - sure) / 2
        probabilities[image, (labels[image] + 1) % 3] = sure
    return Predictions.from_probabilities(labels, probabilities, CLASSES)


def written(path, *rows: str):
    path.write_text("\n".join([HEADER, *rows, ""]))
    return path


def test_a_label_is_wrong_where_fewer_than_half_chose_it(tmp_path):
    rows = ["0,cat,dog,3,0,2,0", "1,dog,cat,2,1,1,1", "2,frog,dog,2,2,0,0", "3,cat,dog,0,5,0,0"]
    indices, wrong = read_verdicts(written(tmp_path / "v.csv", *rows), predictions())
    assert indices.tolist() == [0, 1, 2, 3]
    assert wrong.tolist() == [False, True, False, True]


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        (["0,cat,dog,3,0,2,0", "60,cat,dog,3,0,2,0"], "row 2: the test split has no image 60"),
        (["0,dog,cat,3,0,2,0"], "row 1: image 0 is labeled 'cat' here, not 'dog'"),
        (["0,cat,dog,three,0,2,0"], "invalid literal for int"),
    ],
)
def test_verdicts_about_something_else(tmp_path, rows, problem):
    with pytest.raises(InputError, match=problem):
        read_verdicts(written(tmp_path / "v.csv", *rows), predictions())


def test_no_table_of_verdicts(tmp_path):
    with pytest.raises(InputError, match=r"v\.csv: no such file$"):
        read_verdicts(tmp_path / "v.csv", predictions())
    (tmp_path / "v.csv").write_text("index,given\n0,cat\n")
    with pytest.raises(InputError, match=r"v\.csv: has no column 'votes_both'$"):
        read_verdicts(tmp_path / "v.csv", predictions())


def test_precisions_by_hand():
    # In order of doubt: 59, 58, 57, then 0, whose label is trusted; wrong are 59, 57 and 0.
    indices, wrong = np.array([0, 57, 58, 59]), np.array([True, True, False, True])
    table = compare(predictions(), indices, wrong).set_index("ranking")
    assert list(table.index) == ["ours", "cleanlab's default"]
    for row in table.to_dict("records"):
        assert row["precision"] == pytest.approx(2 / 3)
        assert row["average precision"] == pytest.approx((1 + 2 / 3 + 3 / 4) / 3)
        assert 2 <= row["listed"] == row["of those judged"] <= 3
        assert row["and wrong"] == row["listed"] - 1
        assert row["share"] == pytest.approx(row["and wrong"] / row["listed"])


def test_what_is_printed(tmp_path, monkeypatch, capsys):
    class Run:
        predictions = predictions()

    asked = []
    monkeypatch.setattr(label_issues, "read_run", lambda name: (asked.append(name), Run)[1])
    path = written(tmp_path / "v.csv", "58,dog,frog,5,0,0,0", "59,frog,cat,1,4,0,0")
    label_issues.main([str(path)])
    label_issues.main([str(path), "longer"])
    assert asked == ["workspace", "longer"]
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "2 images judged, 1 labels wrong"
    assert lines[3].split()[:3] == ["ours", "1.000", "1.000"]
    assert isinstance(compare(predictions(), np.array([58, 59]), np.array([False, True])), pd.DataFrame)
